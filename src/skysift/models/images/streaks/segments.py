"""Find the segment of a stamp that stands out most: where a fit should begin.

A discrete search over direction, place and length, as matched filters for streaks do (Nir et al.
2018, AJ 156, 229, who use the fast Radon transform; a stamp is small enough for sums in rotated
bins). The strip is one full width at half maximum wide.
"""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from skysift.models.images.streaks.stamp import Stamp
from skysift.models.images.streaks.trail import Trail

__all__ = ["Place", "Segment", "find_segment"]

_DIRECTIONS = 36
_GROWTH = 1.5  # from one length to the next


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a stamp to look: at what has its middle within `reach` of x, y [pixel].

    The distance is that along or across the direction of what is found, whichever is larger.
    """

    x: float
    y: float
    reach: float


@dataclass(frozen=True, slots=True)
class Segment:
    """The segment with the highest signal-to-noise ratio.

    Parameters
    ----------
    trail : Trail
        Where it lies; the flux is what its strip holds.
    snr : float
        Signal-to-noise ratio of the strip. The highest of thousands: noise alone reaches 4 to 5.
    """

    trail: Trail
    snr: float


def find_segment(stamp: Stamp, fwhm: float, *, near: Place | None = None) -> Segment:
    """Return the segment of a stamp that stands out most above its background.

    Parameters
    ----------
    stamp : Stamp
        From :func:`~skysift.models.images.streaks.stamp.prepare_stamp`.
    fwhm : float
        Width of the strip [pixel].
    near : Place, optional
        Only segments with their middle near this place; all without it.
    """
    bins = _Bins.of(stamp, max(1, round(fwhm)), near)
    best = Segment(Trail(0.0, 0.0, 0.0, 0.0, 0.0), -math.inf)
    for angle in np.arange(_DIRECTIONS) * (180.0 / _DIRECTIONS):
        found = bins.best(float(angle))
        if found.snr > best.snr:
            best = found
    return best


@dataclass(frozen=True, slots=True)
class _Bins:
    """The pixels of a stamp, and bins of one pixel in coordinates along and across a direction.

    Places count from the middle of the stamp; the bins reach `radius` to either side.
    """

    places: NDArray[np.float64]
    values: NDArray[np.float64]
    middle: tuple[float, float]
    radius: int
    width: int
    lengths: list[int]
    near: Place | None

    @classmethod
    def of(cls, stamp: Stamp, width: int, near: Place | None) -> Self:
        ny, nx = stamp.pixels.shape
        y, x = np.nonzero(stamp.weights)
        weight = stamp.weights[y, x]
        middle = 0.5 * (nx - 1), 0.5 * (ny - 1)
        radius = math.ceil(0.5 * math.hypot(nx, ny)) + 1
        return cls(
            places=np.stack([x - middle[0], y - middle[1]]),
            values=np.stack([stamp.pixels[y, x] * weight, weight]),
            middle=middle,
            radius=radius,
            width=width,
            lengths=_lengths(width, 2 * radius),
            near=near,
        )

    def best(self, angle: float) -> Segment:
        """Return the best segment of one direction [deg]."""
        c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        turned = np.array([[c, s], [-s, c]])
        sums = _strips(turned @ self.places, self.values, self.radius, self.width)
        v = np.arange(sums.shape[1]) - self.radius + 0.5 * (self.width - 1)
        along, across, reach = self._place(turned)
        rows = np.abs(v - across) <= reach
        sums, v = sums[:, rows], v[rows]
        least = 1e-6 * float(self.values[1].max())
        best = Segment(Trail(0.0, 0.0, 0.0, 0.0, 0.0), -math.inf)
        for length in self.lengths:
            u = np.arange(sums.shape[2] - length) - self.radius + 0.5 * (length - 1)
            columns = np.flatnonzero(np.abs(u - along) <= reach)
            if len(columns) == 0:
                continue
            first, end = columns[0], columns[-1] + 1
            signal, weight = sums[:, :, first + length : end + length] - sums[:, :, first:end]
            snr = np.full(signal.shape, -np.inf)
            # Differences of sums leave a rounding error where there is no pixel.
            root = np.sqrt(np.maximum(weight, least))
            np.divide(signal, root, out=snr, where=weight > least)
            row, column = np.unravel_index(int(np.argmax(snr)), snr.shape)
            if snr[row, column] > best.snr:
                x, y = turned.T @ np.array([u[first + column], v[row]]) + self.middle
                flux = float(signal[row, column] / weight[row, column]) * length * self.width
                trail = Trail(float(x), float(y), flux, float(length), angle)
                best = Segment(trail, float(snr[row, column]))
        return best

    def _place(self, turned: NDArray[np.float64]) -> tuple[float, float, float]:
        """Return where to look, along and across, and how far around."""
        if self.near is None:
            return 0.0, 0.0, math.inf
        offset = np.array([self.near.x - self.middle[0], self.near.y - self.middle[1]])
        along, across = turned @ offset
        # Bins are a pixel wide: one of them is always near enough.
        return float(along), float(across), max(self.near.reach, 1.0)


def _lengths(shortest: int, longest: int) -> list[int]:
    lengths, length = [], float(shortest)
    while length < longest:
        lengths.append(round(length))
        length = max(length * _GROWTH, length + 1.0)
    return lengths


def _strips(
    turned: NDArray[np.float64], values: NDArray[np.float64], radius: int, width: int
) -> NDArray[np.float64]:
    """Return sums over strips of `width` in v, cumulated in u, shape (2, rows, columns + 1)."""
    size = 2 * radius + 1
    column, row = np.rint(turned).astype(np.int64) + radius
    index = row * size + column
    grid = np.stack([np.bincount(index, one, size * size).reshape(size, size) for one in values])
    summed = np.zeros((2, size + 1, size + 1))
    summed[:, 1:, 1:] = grid.cumsum(axis=1).cumsum(axis=2)
    strips: NDArray[np.float64] = summed[:, width:, :] - summed[:, :-width, :]
    return strips
