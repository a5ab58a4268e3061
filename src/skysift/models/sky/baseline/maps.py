"""Checks of what the baseline networks are given."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skysift.core.errors import UsageError

__all__ = ["check_maps", "check_positions"]

_DIMENSIONS = 3


def check_maps(maps: ArrayLike, what: str = "maps") -> NDArray[Any]:
    """Return maps as an array, shape (n, n_y, n_x), of any real type.

    Raises
    ------
    UsageError
        If they are not a stack of maps, or not finite.
    """
    array = np.asarray(maps)
    if array.ndim != _DIMENSIONS:
        raise UsageError(
            f"The {what} have the shape {array.shape}.", "Give a stack: (n, n_y, n_x)."
        )
    if array.dtype.kind not in "biuf" or not _is_finite(array):
        raise UsageError(f"The {what} are not finite numbers.", "Remove NaN and infinities first.")
    return array


def check_positions(positions: ArrayLike, maps: NDArray[Any]) -> NDArray[np.float64]:
    """Return the (x, y) of one source per map, shape (n, 2) [pixel].

    Raises
    ------
    UsageError
        If there is not one for each map, or one is outside its map.
    """
    array = np.asarray(positions, dtype=np.float64)
    n, n_y, n_x = maps.shape
    if array.shape != (n, 2):
        raise UsageError(
            f"{n} maps cannot have positions of shape {array.shape}.", "Give (x, y) for each map."
        )
    middle = np.array([n_x - 1, n_y - 1]) / 2
    outside = ~(np.abs(array - middle) <= np.array([n_x, n_y]) / 2).all(axis=1)
    if outside.any():
        raise UsageError(
            f"{outside.sum()} positions are outside their maps.",
            "Leave out maps without a source.",
            row=int(np.argmax(outside)),
        )
    return array


def _is_finite(array: NDArray[Any]) -> bool:
    """Say whether all values are finite; the sum says so without an array of truths."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(array.sum()) or np.isfinite(array).all())
