"""Counts of a source at a given place, whether or not a search would have found one there.

What a search finds is brighter, on average, than it is: upward fluctuations pass the threshold and
downward ones do not (Eddington 1913, MNRAS 73, 359). Photometry at places that are known beforehand
has no such bias; its counts may be negative.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from skysift.models.sky.local_source import LocalSource, Photons
from skysift.models.sky.refine import Refined, band_counts
from skysift.models.sky.search import SkySearch
from skysift.models.sky.width import SUPPOSED_WITHIN, best_width

__all__ = ["ForcedCounts", "forced_counts"]

FloatArray = NDArray[np.float64]

_MASKED_RADIUS = 0.4  # deg about the place that the background does not see
_LEVEL_WITHIN = 0.1
"""Of the background about a place, where its template is only supposed: what the four radial terms
leave of the difference between the arrays of formulas and those of files is half of that."""
_LITTLE = 1.05  # factor of a width, for a derivative
_ROUNDS = 4
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
    known: LocalSource | None = None,
) -> ForcedCounts:
    """Fit the counts of a point source at a place, its background measured around it.

    Where the response is only supposed, so are the width of the point spread function and the shape
    of the background: both then have a prior, and the photons around move them as far as they can
    tell. What the width may still be off by is part of the error of the counts.

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
    known : LocalSource, optional
        What a point source there looks like, if that is known although the response is not.

    Raises
    ------
    InputError
        If the map does not have the shape of the search.
    """
    source = known or search.local_source(search.offset_of(*place))
    around = _Surroundings.of(search, counts, photons, place, source.reach)
    if search.settings.psf_known:
        return around.fit(source, 0.0)
    if known is not None:
        return around.fit(known, _LEVEL_WITHIN)
    found = around.fit(source, _LEVEL_WITHIN)
    if found.counts > 0:
        fit = _as_fit(place, found)
        width = best_width(
            around.photons, around.behind, source, fit, supposed_within=SUPPOSED_WITHIN
        )
        found = around.fit(source.widened(width.factor), _LEVEL_WITHIN)
        more = around.fit(source.widened(width.factor * _LITTLE), _LEVEL_WITHIN).counts
        by_width = (more - found.counts) / np.log(_LITTLE) * width.error
        found = replace(found, error=float(np.hypot(found.error, by_width)))
    return found


@dataclass(frozen=True, eq=False)
class _Surroundings:
    """Photons about a place and the background below them.

    Parameters
    ----------
    place : tuple of float [deg]
    photons : Photons
        Within reach of a source there.
    behind : array, shape (n_photons,) [deg-2]
        Density of the background at each.
    level : array, shape (n_bands,) [deg-2]
        The same at the place.
    inside : array, shape (n_bands,)
        Counts of the background within reach.
    level_error : array, shape (n_bands,)
        Relative, of the background.
    """

    place: tuple[float, float]
    photons: Photons
    behind: FloatArray
    level: FloatArray
    inside: FloatArray
    level_error: FloatArray

    @classmethod
    def of(
        cls,
        search: SkySearch,
        counts: NDArray[np.float32],
        photons: Photons,
        place: tuple[float, float],
        reach: float,
    ) -> "_Surroundings":
        """Fit the background about a place and take what lies within `reach` [deg] of it."""
        xi, eta = place
        weight = np.ones(search.grid.shape, dtype=np.float32)
        rows, columns, distance = search.places.window(xi, eta, _MASKED_RADIUS)
        weight[rows, columns] = distance > _MASKED_RADIUS
        background = search.background.fit(counts, weight)
        near = photons.near(xi, eta, reach)
        pixel_area = search.grid.pixel_size**2
        row, column = search.places.pixel(near.xi, near.eta)
        behind = background.surface.in_bands(near.band, row, column).astype(np.float64)
        here = search.places.pixel(np.array([xi]), np.array([eta]))
        rows, columns, distance = search.places.window(xi, eta, reach)
        inside = (background.at(*np.ogrid[rows, columns]) * (distance < reach)).sum(axis=(1, 2))
        return cls(
            place,
            near,
            np.maximum(behind / pixel_area, _TINY),
            np.maximum(background.at(*here)[:, 0].astype(np.float64) / pixel_area, _TINY),
            inside.astype(np.float64),
            background.scale_error,
        )

    def fit(self, source: LocalSource, within: float) -> ForcedCounts:
        """Fit the counts of a source, and the level of the background if it may be off.

        `within` is the standard deviation of the factor of the level in each band. It is found with
        the counts in turn: the photons that are not the source's, against those expected.
        """
        factor, error = np.ones_like(self.level), self.level_error
        for _ in range(_ROUNDS if within else 1):
            fitted, variance = band_counts(
                self.photons,
                self.behind * factor[self.photons.band],
                source,
                self.level * factor,
                place=self.place,
                level_error=error,
            )
            if within:
                factor = self._level_factor(source, fitted, factor, within)
                error = (within**-2 + self.inside) ** -0.5
        total, spread = float(fitted.sum()), float(np.sqrt(variance.sum()))
        return ForcedCounts(total, spread, fitted, np.sqrt(variance))

    def _level_factor(
        self, source: LocalSource, counts: FloatArray, factor: FloatArray, within: float
    ) -> FloatArray:
        """Return the factor f with the highest n ln f - f inside - (f - 1)^2 / 2 within^2.

        n are the photons of a band that are the background's, by their odds.
        """
        band = self.photons.band
        radius = np.hypot(self.photons.xi - self.place[0], self.photons.eta - self.place[1])
        whole = LocalSource(np.ones_like(self.level), source.density, source.step)
        behind = self.behind * factor[band]
        total = behind + counts[band] * whole.evaluate(band, radius)[0]
        odds = self.photons.weight * behind / np.maximum(total, _TINY)
        n = np.bincount(band, odds, len(self.level))
        half = (self.inside * within**2 - 1) / 2
        return np.asarray(np.sqrt(half**2 + n * within**2) - half)


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
