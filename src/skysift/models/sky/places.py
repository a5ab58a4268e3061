"""Where things lie on a grid: pixels of places, windows about them."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from skysift.data.sky.tangent import TangentGrid
from skysift.models.sky.local_source import Photons

__all__ = ["Places"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Places:
    """Pixels about places on a tangent grid.

    Parameters
    ----------
    grid : TangentGrid
        The pixels.
    """

    grid: TangentGrid

    @cached_property
    def axes(self) -> tuple[FloatArray, FloatArray]:
        """Plane coordinates xi (n_x,) of the columns and eta (n_y,) of the rows [deg]."""
        return self.grid.pixel_centres()

    def pixel(self, xi: FloatArray, eta: FloatArray) -> tuple[NDArray[np.int64], ...]:
        """Return row and column of places on the plane, the nearest ones for those outside."""
        x, y = self.grid.plane_to_pixel(xi, eta)
        return _nearest(y, self.grid.n_y), _nearest(x, self.grid.n_x)

    def around(self, xi: float, eta: float, radius: float) -> tuple[slice, slice]:
        """Return the rows and columns of the square about a place, cut at the border."""
        x, y = (float(value) for value in self.grid.plane_to_pixel(xi, eta))
        reach = radius / self.grid.pixel_size
        return _between(y - reach, y + reach, self.grid.n_y), _between(
            x - reach, x + reach, self.grid.n_x
        )

    def window(self, xi: float, eta: float, radius: float) -> tuple[slice, slice, FloatArray]:
        """Return the pixels about a place and their distances from it [deg]."""
        rows, columns = self.around(xi, eta, radius)
        columns_xi, rows_eta = self.axes
        distance = np.hypot(columns_xi[None, columns] - xi, rows_eta[rows, None] - eta)
        return rows, columns, distance

    def photons_of(self, counts: NDArray[np.float32]) -> Photons:
        """Return the pixels with counts, each as photons at its centre."""
        band, row, column = np.nonzero(counts)
        xi, eta = self.axes
        weight = counts[band, row, column].astype(np.float64)
        return Photons(xi[column], eta[row], band, weight)


def _nearest(place: FloatArray, n_pixels: int) -> NDArray[np.int64]:
    """Return the pixels that hold places on an axis, those at the ends for places beyond."""
    pixel = np.floor(place + 0.5)
    return np.minimum(np.maximum(pixel, 0), n_pixels - 1).astype(np.int64)


def _between(low: float, high: float, n_pixels: int) -> slice:
    """Return the pixels whose middles lie between two places on an axis."""
    first, last = math.ceil(low), math.floor(high)
    return slice(min(max(first, 0), n_pixels), min(max(last + 1, 0), n_pixels))
