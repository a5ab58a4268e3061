"""A point source on pixels: its share in each, and its counts on the map."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skysift.data.sky.tangent import TangentGrid
from skysift.models.sky.local_source import LocalSource
from skysift.models.sky.refine import Refined

__all__ = ["PlacedStamp", "source_stamp"]

FloatArray = NDArray[np.float64]

_SUBPIXELS = 3
_TINY = 1e-12
_PLACED = 0.995  # containment


def source_stamp(source: LocalSource, pixel_size: float, containment: float) -> FloatArray:
    """Return the share of a source's counts in each pixel about it, shape (n_bands, k, k).

    The density is averaged over each pixel; the stamp reaches to the radius that contains a given
    share of the counts of the widest band, or as far as the table does.
    """
    inside = np.cumsum(source.density * source.ring_area, axis=1)
    wanted = containment * inside[:, -1:]
    last = int(np.argmax(inside >= wanted, axis=1).max())
    half = max(int(np.ceil(source.radii[last] / pixel_size)), 2)
    # A quarter tells the rest. Its first pixels are the middle row and column, as a whole.
    fine = (np.arange((half + 1) * _SUBPIXELS) - (_SUBPIXELS - 1) / 2) / _SUBPIXELS * pixel_size
    radius = np.hypot(fine[:, None], fine[None, :])
    place = np.minimum(radius / source.step, source.density.shape[1] - 1)
    low = np.minimum(place.astype(np.intp), source.density.shape[1] - 2)
    part = place - low
    within = radius <= source.reach
    quarter = np.empty((len(source.share), half + 1, half + 1))
    for band, density in enumerate(source.density):
        value = (density[low] * (1 - part) + density[low + 1] * part) * within
        blocks = value.reshape(half + 1, _SUBPIXELS, half + 1, _SUBPIXELS).mean(axis=(1, 3))
        quarter[band] = source.share[band] * blocks * pixel_size**2
    rows = np.concatenate([quarter[:, :0:-1], quarter], axis=1)
    return np.concatenate([rows[:, :, :0:-1], rows], axis=2)


@dataclass(frozen=True)
class PlacedStamp:
    """Counts of a source on the pixels about it."""

    rows: slice
    columns: slice
    counts: NDArray[np.float32]

    @classmethod
    def of(cls, grid: TangentGrid, source: LocalSource, fit: Refined) -> "PlacedStamp":
        """Spread the fitted counts of each band over the pixels, each band by its own share."""
        stamp = source_stamp(source, grid.pixel_size, _PLACED)
        stamp /= np.maximum(stamp.sum(axis=(1, 2), keepdims=True), _TINY)
        half = stamp.shape[1] // 2
        x, y = (float(value) for value in grid.plane_to_pixel(fit.xi, fit.eta))
        column, row = int(np.floor(x + 0.5)), int(np.floor(y + 0.5))
        shifted = _shifted(stamp, y - row, x - column) * fit.by_band[:, None, None]
        top, left = row - half, column - half
        size = stamp.shape[1]
        rows = slice(*np.clip((top, top + size), 0, grid.n_y).tolist())
        columns = slice(*np.clip((left, left + size), 0, grid.n_x).tolist())
        cut = shifted[
            :, rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
        ]
        return cls(rows, columns, cut.astype(np.float32))


def _shifted(stamp: FloatArray, down: float, right: float) -> FloatArray:
    """Move stamps by parts of a pixel, by linear interpolation: counts stay the same."""
    padded = np.pad(stamp, ((0, 0), (1, 1), (1, 1)))
    for axis, part in ((1, down), (2, right)):
        moved = np.roll(padded, 1 if part > 0 else -1, axis=axis)
        padded = (1 - abs(part)) * padded + abs(part) * moved
    return padded[:, 1:-1, 1:-1]
