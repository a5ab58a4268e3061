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
_CELLS = 500_000  # of bins at a time
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
    angles = np.linspace(0.0, 180.0, _DIRECTIONS, endpoint=False)
    together = max(1, _CELLS // (2 * bins.radius + 1) ** 2)
    parts = [angles[k : k + together] for k in range(0, _DIRECTIONS, together)]
    return max((bins.best(part) for part in parts), key=lambda segment: segment.snr)


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

    def best(self, angles: NDArray[np.float64]) -> Segment:
        """Return the best segment of several directions, shape (a,) [deg]."""
        radians = np.radians(angles)
        c, s = np.cos(radians), np.sin(radians)
        turned = np.stack([np.stack([c, s], axis=1), np.stack([-s, c], axis=1)], axis=1)
        sums = self._strips(turned @ self.places)
        along, across, reach = self._place(turned)
        v = np.arange(sums.shape[2]) - self.radius + 0.5 * (self.width - 1)
        rows = np.abs(v - across[:, None]) <= reach
        least = 1e-6 * float(self.values[1].max())
        best = Segment(Trail(0.0, 0.0, 0.0, 0.0, 0.0), -math.inf)
        for length in self.lengths:
            u = np.arange(sums.shape[3] - length) - self.radius + 0.5 * (length - 1)
            columns = np.abs(u - along[:, None]) <= reach
            signal, weight = sums[..., length:] - sums[..., :-length]
            snr = np.full(signal.shape, -np.inf)
            # Differences of sums leave a rounding error where there is no pixel.
            allowed = (weight > least) & rows[:, :, None] & columns[:, None, :]
            np.divide(signal, np.sqrt(np.maximum(weight, least)), out=snr, where=allowed)
            a, j, i = np.unravel_index(int(np.argmax(snr)), snr.shape)
            if snr[a, j, i] > best.snr:
                x, y = turned[a].T @ np.array([u[i], v[j]]) + self.middle
                flux = float(signal[a, j, i] / weight[a, j, i]) * length * self.width
                trail = Trail(float(x), float(y), flux, float(length), float(angles[a]))
                best = Segment(trail, float(snr[a, j, i]))
        return best

    def _place(
        self, turned: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
        """Return where to look in each direction, along and across, and how far around."""
        if self.near is None:
            nowhere = np.zeros(len(turned))
            return nowhere, nowhere, math.inf
        offset = np.array([self.near.x - self.middle[0], self.near.y - self.middle[1]])
        along, across = (turned @ offset).T
        # Bins are a pixel wide: one of them is always near enough.
        return along, across, max(self.near.reach, 1.0)

    def _strips(self, places: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return sums over strips in v, cumulated in u, shape (2, a, rows, columns + 1)."""
        size = 2 * self.radius + 1
        count = len(places)
        cell = np.rint(places).astype(np.int64) + self.radius
        index = cell[:, 1] * size + cell[:, 0] + size**2 * np.arange(count)[:, None]
        grids = [
            np.bincount(index.ravel(), np.tile(one, count), count * size**2) for one in self.values
        ]
        summed = np.zeros((2, count, size + 1, size + 1))
        grid = np.stack(grids).reshape(2, count, size, size)
        summed[:, :, 1:, 1:] = grid.cumsum(axis=2).cumsum(axis=3)
        strips: NDArray[np.float64] = summed[:, :, self.width :] - summed[:, :, : -self.width]
        return strips


def _lengths(shortest: int, longest: int) -> list[int]:
    lengths, length = [], float(shortest)
    while length < longest:
        lengths.append(round(length))
        length = max(length * _GROWTH, length + 1.0)
    return lengths
