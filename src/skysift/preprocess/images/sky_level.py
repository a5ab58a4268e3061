"""The sky of a cutout: its level and noise, from the pixels around the target."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["sky_and_noise"]

_ONE_SIGMA_BELOW = 0.158655  # of a normal distribution
_CLIP = 3.0
_ROUNDS = 3
_LEAST_PIXELS = 8


def sky_and_noise(
    pixels: ArrayLike, centers: ArrayLike | None = None, *, radius: float = 6.0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the level and the standard deviation of the sky of each cutout.

    The median of the pixels outside a circle about the target, clipped at three standard
    deviations above it; the noise is the distance from it to the 15.9th percentile below. Sources
    only ever brighten the sky, so that the faint half of the pixels is what it is without them.

    Parameters
    ----------
    pixels : array_like, shape (n, ny, nx)
        Cutouts, NaN where not valid.
    centers : array_like, shape (n, 2), optional
        Targets, y and x [pixel]; the middle if not given.
    radius : float
        Radius of the circle [pixel]. Where it leaves fewer than eight valid pixels, all count.

    Returns
    -------
    sky, noise : array of float64, shape (n,)
        NaN where a cutout has no valid pixel; the noise is at least a millionth of the sky.

    Examples
    --------
    >>> stack = np.random.default_rng(1).normal(200.0, 5.0, (1, 40, 40))
    >>> sky, noise = sky_and_noise(stack)
    >>> bool(abs(sky[0] - 200) < 0.6), bool(abs(noise[0] - 5) < 0.6)
    (True, True)
    """
    stack = np.asarray(pixels)
    n, ny, nx = stack.shape
    if centers is None:
        middle = np.tile([(ny - 1) / 2, (nx - 1) / 2], (n, 1))
    else:
        middle = np.asarray(centers)
    dy = np.arange(ny) - middle[:, :1]
    dx = np.arange(nx) - middle[:, 1:]
    outside = dy[:, :, np.newaxis] ** 2 + dx[:, np.newaxis, :] ** 2 > radius**2
    finite = np.isfinite(stack)
    used = outside & finite
    alone = used.sum(axis=(1, 2)) < _LEAST_PIXELS
    used[alone] = finite[alone]
    # Unused pixels become infinite, hence last in order; the clip is a count, not another sort.
    values = np.sort(np.where(used, stack, np.inf).reshape(n, -1), axis=1)
    count = used.sum(axis=(1, 2))
    sky, noise = _level(values, count)
    for _ in range(_ROUNDS):
        limit = sky + _CLIP * noise
        below = [np.searchsorted(row, top) for row, top in zip(values, limit, strict=True)]
        kept = np.array(below, dtype=np.int64)
        sky, noise = _level(values, np.where(kept < _LEAST_PIXELS, count, kept))
    return sky, np.maximum(noise, 1e-6 * np.maximum(np.abs(sky), 1.0))


def _level(
    values: NDArray[np.floating[Any]], count: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the median, and its distance to the percentile below, of the first `count` values."""
    sky = _quantile(values, count, 0.5)
    return sky, sky - _quantile(values, count, _ONE_SIGMA_BELOW)


def _quantile(
    values: NDArray[np.floating[Any]], count: NDArray[np.int64], part: float
) -> NDArray[np.float64]:
    """Return a quantile of the first `count` values of sorted rows, linearly interpolated."""
    position = part * np.maximum(count - 1, 0)
    low = position.astype(np.int64)
    high = np.minimum(low + 1, np.maximum(count - 1, 0))
    rows = np.arange(len(values))
    below, above = (values[rows, place].astype(np.float64) for place in (low, high))
    with np.errstate(invalid="ignore"):
        result = below + (position - low) * (above - below)
    return np.where(count > 0, result, np.nan)
