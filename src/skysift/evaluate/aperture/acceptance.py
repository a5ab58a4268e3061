"""How evenly a camera accepts background: its density against the offset, measured on the data."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from skysift.core.errors import InputError
from skysift.data.sky.counts_map import CountsMap
from skysift.data.sky.event_list import EventList
from skysift.data.sky.tangent import TangentGrid, separation
from skysift.evaluate.aperture.exclusion import Exclusion
from skysift.evaluate.aperture.sphere import annulus_points, solid_angle
from skysift.evaluate.inputs import FloatArray
from skysift.preprocess.folding import pixel_solid_angle

__all__ = ["RadialAcceptance"]

_POINTS = 500
_COUNTS_PER_ANNULUS = 100
_MOST_ANNULI = 15
_FEWEST_ANNULI = 3


@dataclass(frozen=True, slots=True)
class RadialAcceptance:
    """Density of background against the offset from the pointing.

    Parameters
    ----------
    ra, dec : float [deg]
        Pointing.
    offset_edges : array, shape (n + 1,) [deg]
        Edges of annuli.
    density : array, shape (n,) [deg-2]
        Counts per solid angle of each.

    Raises
    ------
    InputError
        If the density is negative, not finite, or zero everywhere.
    """

    ra: float
    dec: float
    offset_edges: FloatArray
    density: FloatArray

    def __post_init__(self) -> None:
        fits = self.density.shape == (len(self.offset_edges) - 1,)
        if not (fits and np.isfinite(self.density).all() and (self.density >= 0).all()):
            raise InputError(
                "An acceptance needs one density >= 0 for each annulus.", "Check its arrays."
            )
        if not self.density.any():
            raise InputError(
                "There is no background outside the excluded parts.",
                "Exclude less, or give an acceptance from another observation.",
            )

    def at(self, ra: ArrayLike, dec: ArrayLike) -> FloatArray:
        """Return the density [deg-2] in some directions [deg], 0 beyond the last annulus.

        Linear in the square of the offset between the middles of the annuli, which is how the
        acceptance of Cherenkov telescopes falls near the axis.
        """
        square = separation(ra, dec, self.ra, self.dec) ** 2
        edges = self.offset_edges**2
        middle = (edges[1:] + edges[:-1]) / 2
        inside = square <= edges[-1]
        return np.asarray(np.where(inside, np.interp(square, middle, self.density), 0.0))

    def on_grid(self, grid: TangentGrid) -> FloatArray:
        """Return the counts expected in each pixel, shape (n_y, n_x)."""
        return self.at(*_pixel_directions(grid)) * pixel_solid_angle(grid)

    @classmethod
    def of_events(
        cls,
        events: EventList,
        exclusion: Exclusion | None = None,
        *,
        offset_max: float = 2.5,
        n_annuli: int | None = None,
    ) -> Self:
        """Measure the acceptance on a list of events.

        Parameters
        ----------
        events : EventList
            Photon candidates, most of them background.
        exclusion : Exclusion, optional
            Sources. What they cover is left out of both the counts and the solid angle; an annulus
            that they cover wholly is interpolated.
        offset_max : float [deg]
            Where the acceptance ends.
        n_annuli : int, optional
            Number of annuli of equal area; one for each 100 events if left out, 3 to 15.
        """
        pointing = events.pointing
        offset = separation(events.ra, events.dec, pointing.ra, pointing.dec)
        edges = _edges(offset_max, n_annuli, int(np.sum(offset < offset_max)))
        if exclusion is not None and exclusion:
            offset = offset[~exclusion.excludes(events.ra, events.dec)]
            points = [
                annulus_points(pointing.ra, pointing.dec, low, high, _POINTS)
                for low, high in pairwise(edges)
            ]
            ra, dec = (np.concatenate(axis) for axis in zip(*points, strict=True))
            free = 1 - np.mean(exclusion.excludes(ra, dec).reshape(-1, _POINTS), axis=1)
        else:
            free = np.ones(len(edges) - 1)
        counts = np.histogram(offset, edges)[0]
        area = solid_angle(edges[1:], edges[:-1]) * free
        return cls(pointing.ra, pointing.dec, edges, _filled(counts.astype(np.float64), area))

    @classmethod
    def of_counts(
        cls,
        counts: CountsMap,
        exclusion: Exclusion | None = None,
        *,
        n_annuli: int | None = None,
    ) -> Self:
        """Measure the acceptance on a counts map, all its bands together, out to its corners."""
        grid = counts.grid
        offset = counts.offset()
        image = counts.counts.sum(axis=0, dtype=np.float64)
        # The edge itself belongs to the last annulus.
        edges = _edges(float(offset.max()) * (1 + 1e-9), n_annuli, int(image.sum()))
        allowed = (
            np.ones(grid.shape, dtype=bool) if exclusion is None else exclusion.allowed_pixels(grid)
        )
        found = np.histogram(offset[allowed], edges, weights=image[allowed])[0]
        area = np.histogram(offset[allowed], edges, weights=pixel_solid_angle(grid)[allowed])[0]
        pointing = counts.pointing
        return cls(pointing.ra, pointing.dec, edges, _filled(found, area))


def _pixel_directions(grid: TangentGrid) -> tuple[FloatArray, FloatArray]:
    xi, eta = grid.pixel_centres()
    return grid.from_plane(xi[None, :], eta[:, None])


def _edges(offset_max: float, n_annuli: int | None, n_counts: int) -> FloatArray:
    """Return edges of annuli of equal area."""
    if n_annuli is None:
        n_annuli = int(np.clip(n_counts // _COUNTS_PER_ANNULUS, _FEWEST_ANNULI, _MOST_ANNULI))
    return np.asarray(offset_max * np.sqrt(np.linspace(0.0, 1.0, n_annuli + 1)))


def _filled(counts: FloatArray, area: FloatArray) -> FloatArray:
    """Return counts over area; where next to nothing of an annulus is free, its neighbours'."""
    known = area > 0.02 * np.max(area, initial=0.0)
    if not known.any():
        return np.zeros_like(counts)
    index = np.arange(len(counts))
    return np.asarray(np.interp(index, index[known], counts[known] / area[known]))
