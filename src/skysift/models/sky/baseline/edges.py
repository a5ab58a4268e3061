"""The pixels of the published maps: bins between the extremes of each map's photons.

Columns are bins of right ascension and rows bins of declination, from the smallest to the largest
of the photons, whereas positions are pixels of a plate carree about the pointing. The two agree
near the equator, away from right ascension 0, and nowhere exactly.
"""

from dataclasses import dataclass

import numpy as np
from astropy.wcs import WCS
from numpy.typing import NDArray

from skysift.data.sky.tangent import TangentGrid

__all__ = ["EdgeMap", "bin_between_extremes", "plate_carree"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class EdgeMap:
    """Counts between the extremes of the photons, east to the left.

    Parameters
    ----------
    counts : array, shape (n, n)
    ra, dec : array, shape (n,) [deg]
        Centres of columns and rows.
    ra_step, dec_step : float [deg]
        Widths.
    """

    counts: FloatArray
    ra: FloatArray
    dec: FloatArray
    ra_step: float
    dec_step: float

    def wcs(self) -> WCS:
        """Return the coordinates of these very bins, which are even in each of them."""
        n = len(self.ra)
        middle = (n + 1) / 2
        wcs = WCS(naxis=2)
        wcs.wcs.ctype = ["RA---CAR", "DEC--CAR"]
        wcs.wcs.cunit = ["deg", "deg"]
        # With its reference on the equator a plate carree is even in declination as well.
        wcs.wcs.crval = [float(self.ra.mean()), 0.0]
        wcs.wcs.crpix = [middle, middle - float(self.dec.mean()) / self.dec_step]
        wcs.wcs.cdelt = [-self.ra_step, self.dec_step]
        return wcs


def bin_between_extremes(ra: FloatArray, dec: FloatArray, n: int) -> EdgeMap:
    """Bin photons [deg] in n x n bins between their own extremes.

    Examples
    --------
    >>> bin_between_extremes(np.array([10.0, 12.0]), np.array([0.0, 1.0]), 2).counts
    array([[0., 1.],
           [1., 0.]])
    """
    counts, ra_edges, dec_edges = np.histogram2d(ra, dec, bins=n)
    columns, rows = ((edges[1:] + edges[:-1]) / 2 for edges in (ra_edges, dec_edges))
    return EdgeMap(
        np.ascontiguousarray(counts.T[:, ::-1]),
        columns[::-1],
        rows,
        float(ra_edges[1] - ra_edges[0]),
        float(dec_edges[1] - dec_edges[0]),
    )


def plate_carree(grid: TangentGrid) -> WCS:
    """Return the plate carree about the centre of a grid, in which positions are told."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---CAR", "DEC--CAR"]
    wcs.wcs.cunit = ["deg", "deg"]
    wcs.wcs.crpix = [(grid.n_x + 1) / 2, (grid.n_y + 1) / 2]
    wcs.wcs.crval = [grid.ra, grid.dec]
    wcs.wcs.cdelt = [-grid.pixel_size, grid.pixel_size]
    return wcs
