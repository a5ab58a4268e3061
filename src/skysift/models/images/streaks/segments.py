"""Find the segment of a stamp that stands out most: where a fit should begin.

A discrete search over direction, place and length, as matched filters for streaks do (Nir et al.
2018, AJ 156, 229, who use the fast Radon transform; a stamp is small enough for sums in rotated
bins). The strip is one full width at half maximum wide.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skysift.models.images.streaks.stamp import Stamp
from skysift.models.images.streaks.trail import Trail

__all__ = ["Place", "Segment", "find_segment"]

_DIRECTIONS = 36
_GROWTH = 1.4  # from one length to the next


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a stamp to look: only at what passes within `reach` of x, y [pixel]."""

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
        Only segments that come near this place; all without it.
    """
    ny, nx = stamp.pixels.shape
    y, x = np.indices((ny, nx))
    used = stamp.weights > 0.0
    place = np.stack([x[used] - 0.5 * (nx - 1), y[used] - 0.5 * (ny - 1)])
    signal = (stamp.pixels * stamp.weights)[used]
    weight = stamp.weights[used]
    radius = math.ceil(0.5 * math.hypot(nx, ny)) + 1
    width = max(1, round(fwhm))
    lengths = _lengths(width, 2 * radius)
    best = Segment(Trail(0.0, 0.0, 0.0, 0.0, 0.0), -math.inf)
    for angle in np.arange(_DIRECTIONS) * (180.0 / _DIRECTIONS):
        c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        u, v = c * place[0] + s * place[1], -s * place[0] + c * place[1]
        sums = _binned(u, v, np.stack([signal, weight]), radius, width)
        for length in lengths:
            strip = sums[:, :, length:] - sums[:, :, :-length]
            with np.errstate(divide="ignore", invalid="ignore"):
                snr = np.where(strip[1] > 0.0, strip[0] / np.sqrt(strip[1]), -np.inf)
            if near is not None:
                snr[~_passing(near, (c, s), snr.shape, (nx, ny, radius, width, length))] = -np.inf
            row, start = np.unravel_index(int(np.argmax(snr)), snr.shape)
            if snr[row, start] > best.snr:
                v0 = float(row) - radius + 0.5 * (width - 1)
                u0 = float(start) - radius + 0.5 * (length - 1)
                trail = Trail(
                    x=c * u0 - s * v0 + 0.5 * (nx - 1),
                    y=s * u0 + c * v0 + 0.5 * (ny - 1),
                    flux=float(strip[0, row, start] / strip[1, row, start]) * length * width,
                    length=float(length),
                    angle=float(angle),
                )
                best = Segment(trail, float(snr[row, start]))
    return best


def _passing(
    near: Place,
    direction: tuple[float, float],
    shape: tuple[int, ...],
    geometry: tuple[int, int, int, int, int],
) -> NDArray[np.bool_]:
    """Tell which strips, rows of v by starts in u, come near a place."""
    nx, ny, radius, width, length = geometry
    c, s = direction
    dx, dy = near.x - 0.5 * (nx - 1), near.y - 0.5 * (ny - 1)
    u, v = c * dx + s * dy, -s * dx + c * dy
    v_middle = np.arange(shape[0]) - radius + 0.5 * (width - 1)
    u_middle = np.arange(shape[1]) - radius + 0.5 * (length - 1)
    aside = np.abs(v_middle - v) <= near.reach
    along = np.abs(u_middle - u) <= 0.5 * length + near.reach
    return np.asarray(aside[:, None] & along[None, :])


def _lengths(shortest: int, longest: int) -> list[int]:
    lengths, length = [], float(shortest)
    while length < longest:
        lengths.append(round(length))
        length = max(length * _GROWTH, length + 1.0)
    return lengths


def _binned(
    u: NDArray[np.float64],
    v: NDArray[np.float64],
    values: NDArray[np.float64],
    radius: int,
    width: int,
) -> NDArray[np.float64]:
    """Return sums over strips of `width` in v, cumulated in u, shape (2, rows, columns + 1)."""
    size = 2 * radius + 1
    index = (np.rint(v).astype(np.int64) + radius) * size + np.rint(u).astype(np.int64) + radius
    grid = np.stack([np.bincount(index, row, size * size).reshape(size, size) for row in values])
    summed = np.zeros((2, size + 1, size + 1))
    summed[:, 1:, 1:] = grid.cumsum(axis=1).cumsum(axis=2)
    strips: NDArray[np.float64] = summed[:, width:, :] - summed[:, :-width, :]
    return strips
