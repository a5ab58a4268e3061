"""Least squares for few parameters inside bounds: quick where one call gives value and slope."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["descend"]

_EVALUATIONS = 40
_TOLERANCE = 1e-2  # of chi-square, in units of that of a pixel: an error is made of 1
_GENTLEST, _FIRST, _HARSHEST = 1e-6, 1e-2, 1e8

Evaluate = Callable[[NDArray[np.float64]], tuple[NDArray[np.float64], NDArray[np.float64]]]


def descend(
    evaluate: Evaluate,
    start: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
) -> tuple[NDArray[np.float64], float]:
    """Return the parameters of least squares near `start`, and the sum of squares there.

    Levenberg (1944) and Marquardt (1963), the damping scaled by the diagonal; a step that would
    leave the bounds stops at them.

    Parameters
    ----------
    evaluate : callable
        Gives residuals, shape (n,), and their derivatives, shape (n, m).
    start, low, high : array, shape (m,)
        Where to begin, and the bounds.

    Examples
    --------
    >>> line = np.array([1.0, 3.0, 5.0])
    >>> slope = np.column_stack([np.ones(3), np.arange(3.0)])
    >>> wide = np.full(2, np.inf)
    >>> found, left = descend(lambda p: (slope @ p - line, slope), np.zeros(2), -wide, wide)
    >>> found.round(2).tolist()
    [1.0, 2.0]
    """
    here = np.clip(start, low, high)
    residuals, jacobian = evaluate(here)
    lowest = float(residuals @ residuals)
    damping = _FIRST
    for _ in range(_EVALUATIONS):
        gradient = jacobian.T @ residuals
        # At a bound, what pushes outwards is held.
        free = ~(((here <= low) & (gradient > 0.0)) | ((here >= high) & (gradient < 0.0)))
        step = np.zeros_like(here)
        step[free] = _step(jacobian[:, free], gradient[free], damping)
        there = np.clip(here + step, low, high)
        residuals_there, jacobian_there = evaluate(there)
        value = float(residuals_there @ residuals_there)
        if not value < lowest:
            damping *= 10.0
            if damping > _HARSHEST:
                break
            continue
        settled = lowest - value < _TOLERANCE * max(1.0, lowest / len(residuals))
        here, residuals, jacobian, lowest = there, residuals_there, jacobian_there, value
        damping = max(damping / 5.0, _GENTLEST)
        if settled:
            break
    return here, lowest


def _step(
    jacobian: NDArray[np.float64], gradient: NDArray[np.float64], damping: float
) -> NDArray[np.float64]:
    """Return the damped Gauss-Newton step."""
    curvature = jacobian.T @ jacobian
    scale = np.sqrt(np.diag(curvature))
    scale[scale == 0.0] = 1.0
    scaled = curvature / np.outer(scale, scale) + damping * np.eye(len(scale))
    return np.asarray(-np.linalg.solve(scaled, gradient / scale) / scale)
