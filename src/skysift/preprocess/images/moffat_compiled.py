"""The steps of :mod:`skysift.preprocess.images.moffat`, one cutout after the other, compiled.

Importing this module imports numba. All that is in work for a cutout, some thousand numbers, stays
in the nearest cache, where the steps for all cutouts together move arrays through memory.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.compiler import compiled

__all__ = ["descend"]

Array = NDArray[Any]

_FREE = 5


@compiled
def descend(  # noqa: PLR0917  # numba takes no keyword-only arguments
    theta: Array,
    values: Array,
    weights: Array,
    y: Array,
    x: Array,
    steps: int,
    limits: Array,
    cost: Array,
    normal: Array,
) -> None:
    """Take Levenberg-Marquardt steps for each row.

    Parameters
    ----------
    theta : array, shape (n, 5)
        Amplitude, background, y, x and logarithm of the width; the first guess, then the result.
    values, weights : array, shape (n, m)
        Pixels times weights, and weights of 0 or 1.
    y, x : array, shape (m,)
        Coordinates of the pixels.
    steps : int
        How many are tried.
    limits : array, shape (4,)
        Furthest centre, least and largest logarithm of the width, first damping.
    cost : array, shape (n,)
        Sum of the squared residuals; written to.
    normal : array, shape (n, 5, 5)
        Products of the derivatives, where the last step was taken from; written to.
    """
    m = len(y)
    rows = np.empty((_FREE + 1, m))  # derivatives, then residuals
    tried_rows = np.empty((_FREE + 1, m))
    products, tried_products = np.empty((_FREE + 1, _FREE + 1)), np.empty((_FREE + 1, _FREE + 1))
    system = np.empty((_FREE, _FREE + 1))
    tried = np.empty(_FREE)
    for n in range(len(theta)):
        _products(theta[n], values[n], weights[n], y, x, rows, products)
        damping = limits[3]
        for _ in range(steps):
            for i in range(_FREE):
                for j in range(_FREE):
                    system[i, j] = products[i, j]
                system[i, i] = system[i, i] * (1 + damping) + 1e-12
                system[i, _FREE] = products[i, _FREE]
            _solve(system, tried)
            for i in range(_FREE):
                tried[i] += theta[n, i]
            for i in range(2, 4):
                tried[i] = min(max(tried[i], -limits[0]), limits[0])
            tried[4] = min(max(tried[4], limits[1]), limits[2])
            _products(tried, values[n], weights[n], y, x, tried_rows, tried_products)
            if tried_products[_FREE, _FREE] < products[_FREE, _FREE]:
                damping *= 0.2
                theta[n, :] = tried
                rows, tried_rows = tried_rows, rows
                products, tried_products = tried_products, products
            else:
                damping *= 8.0
        cost[n] = products[_FREE, _FREE]
        normal[n] = products[:_FREE, :_FREE]


@compiled
def _products(  # noqa: PLR0917  # numba takes no keyword-only arguments
    theta: Array, values: Array, weights: Array, y: Array, x: Array, rows: Array, products: Array
) -> None:
    """Fill in derivatives and residuals, shape (6, m), and all products of two of these rows."""
    amplitude, background = theta[0], theta[1]
    inverse = np.exp(-2 * theta[4])
    for p in range(len(y)):
        dy, dx = y[p] - theta[2], x[p] - theta[3]
        squared = (dy * dy + dx * dx) * inverse
        base = 1 / (1 + squared)
        profile = base * base * np.sqrt(base) * weights[p]
        slope = 5.0 * amplitude * profile * base
        rows[0, p] = profile
        rows[1, p] = weights[p]
        rows[2, p] = slope * dy * inverse
        rows[3, p] = slope * dx * inverse
        rows[4, p] = slope * squared
        rows[5, p] = values[p] - amplitude * profile - background * weights[p]
    for i in range(_FREE + 1):
        for j in range(i + 1):
            # Four sums, because each addition waits for the one before it.
            a, b, c, d = 0.0, 0.0, 0.0, 0.0
            whole = len(y) - len(y) % 4
            for p in range(0, whole, 4):
                a += rows[i, p] * rows[j, p]
                b += rows[i, p + 1] * rows[j, p + 1]
                c += rows[i, p + 2] * rows[j, p + 2]
                d += rows[i, p + 3] * rows[j, p + 3]
            for p in range(whole, len(y)):
                a += rows[i, p] * rows[j, p]
            products[i, j] = products[j, i] = (a + b) + (c + d)


@compiled
def _solve(system: Array, solution: Array) -> None:
    """Solve five equations, shape (5, 6), by elimination with the largest pivot of a column."""
    for k in range(_FREE):
        pivot = k
        for i in range(k + 1, _FREE):
            if abs(system[i, k]) > abs(system[pivot, k]):
                pivot = i
        for j in range(k, _FREE + 1):
            system[k, j], system[pivot, j] = system[pivot, j], system[k, j]
        for i in range(k + 1, _FREE):
            factor = system[i, k] / system[k, k]
            for j in range(k, _FREE + 1):
                system[i, j] -= factor * system[k, j]
    for k in range(_FREE - 1, -1, -1):
        total = system[k, _FREE]
        for j in range(k + 1, _FREE):
            total -= system[k, j] * solution[j]
        solution[k] = total / system[k, k]
