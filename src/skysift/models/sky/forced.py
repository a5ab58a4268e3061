"""Counts of a source at a given place, whether or not a search would have found one there.

What a search finds is brighter, on average, than it is: upward fluctuations pass the threshold and
downward ones do not (Eddington 1913, MNRAS 73, 359). Photometry at places that are known beforehand
has no such bias; its counts may be negative.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skysift.models.sky.local_source import LocalSource, Photons
from skysift.models.sky.refine import Refined, band_counts
from skysift.models.sky.search import SkySearch
from skysift.models.sky.width import best_width

__all__ = ["ForcedCounts", "forced_counts"]

FloatArray = NDArray[np.float64]

_MASKED_RADIUS = 0.4  # deg about the place that the background does not see
_BRIGHT = 5.0  # counts over their error, from where a width can be measured
_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class ForcedCounts:
    """Counts at a place.

    Parameters
    ----------
    counts, error : float
        All bands together, and the standard deviation.
    by_band, by_band_error : array, shape (n_bands,)
        Each band apart.
    """

    counts: float
    error: float
    by_band: FloatArray
    by_band_error: FloatArray


def forced_counts(
    search: SkySearch,
    counts: NDArray[np.float32],
    photons: Photons,
    place: tuple[float, float],
) -> ForcedCounts:
    """Fit the counts of a point source at a place, its background measured around it.

    Where the point spread function is only supposed, a bright source measures its own width.

    Parameters
    ----------
    search : SkySearch
        For the grid, the background and the point spread functions.
    counts : array of float32, shape (n_bands, n_y, n_x)
        Raw counts.
    photons : Photons
        The photons of the map.
    place : tuple of float [deg]
        Plane coordinates xi, eta.

    Raises
    ------
    InputError
        If the map does not have the shape of the search.
    """
    xi, eta = place
    weight = np.ones(search.grid.shape, dtype=np.float32)
    rows, columns, distance = search.places.window(xi, eta, _MASKED_RADIUS)
    weight[rows, columns] = distance > _MASKED_RADIUS
    background = search.background.fit(counts, weight)
    source = search.local_source(search.offset_of(xi, eta))
    near = photons.near(xi, eta, source.reach)
    per_area = background.counts / search.grid.pixel_size**2
    row, column = search.places.pixel(near.xi, near.eta)
    here = search.places.pixel(np.array([xi]), np.array([eta]))
    behind = np.maximum(per_area[near.band, row, column].astype(np.float64), _TINY)
    level = np.maximum(per_area[:, here[0][0], here[1][0]].astype(np.float64), _TINY)

    def fit(shape: LocalSource) -> ForcedCounts:
        fitted, variance = band_counts(
            near, behind, shape, level, place=place, level_error=background.scale_error
        )
        total, error = float(fitted.sum()), float(np.sqrt(variance.sum()))
        return ForcedCounts(total, error, fitted, np.sqrt(variance))

    found = fit(source)
    if search.settings.psf_known or found.counts < _BRIGHT * found.error:
        return found
    return fit(source.widened(best_width(near, behind, source, _as_fit(place, found))))


def _as_fit(place: tuple[float, float], found: ForcedCounts) -> Refined:
    """Return counts at a given place in the form of a fit, whose place is certain."""
    nowhere, unknown = np.zeros((2, 2)), float("nan")
    return Refined(
        *place,
        nowhere,
        found.counts,
        found.error,
        found.by_band,
        found.by_band_error,
        unknown,
        converged=True,
    )
