"""The compiled engine: posteriors of eight rows at a time, without any large temporary array.

Importing this module imports numba; :mod:`skysift.models.muygps.posterior` does so when it is asked
for a posterior. The functions below are compiled when first called, in a few seconds, and read
from numba's cache after that.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.compiler import compiled
from skysift.models.muygps.kernels import (
    MATERN_1_2,
    MATERN_3_2,
    MATERN_TABLE,
    SQUARED_EXPONENTIAL,
)
from skysift.models.muygps.lanes import LANES, distance_tile, elimination_tile, prefetch
from skysift.models.muygps.smoothness import BIAS, COEFFICIENTS, PIECE_BITS, SHIFT

__all__ = ["posterior_rows"]

Array = NDArray[Any]

_distance_4x4 = distance_tile(4, 4)
_distance_1x4 = distance_tile(1, 4)
_distance_1x1 = distance_tile(1, 1)
_eliminate_4x4 = elimination_tile(4, 4)
_eliminate_1x4 = elimination_tile(1, 4)
_eliminate_1x1 = elimination_tile(1, 1)
_finish_4x1 = elimination_tile(4, 1, scale=True)
_finish_1x1 = elimination_tile(1, 1, scale=True)
_prefetch = prefetch()

_AHEAD = 8  # neighbours that are on their way from memory
_LINE = 8  # numbers of a line of the cache

_LOG2_E = math.log2(math.e)
_LN2_HIGH = 6.93147180369123816490e-01  # ln 2 in two parts, the first with 33 significant bits
_LN2_LOW = 1.90821492927058770002e-10
_ROUNDER = 1.5 * 2.0**52  # added and subtracted, it rounds to an integer
_SMALLEST = -708.0

_SQRT_3, _SQRT_5 = math.sqrt(3.0), math.sqrt(5.0)
_REST = (1 << SHIFT) - 1
_ONE = BIAS << 52
_STRETCH = 2.0 ** (PIECE_BITS + 1)


@compiled
def _exp(x: float) -> float:
    """Return e^x for x <= 0 to rounding error, in steps that vectorise.

    x = n ln 2 + r with |r| <= ln 2 / 2; e^r is Taylor's series to r^13, and n becomes an exponent.
    """
    shifted = max(x, _SMALLEST) * _LOG2_E + _ROUNDER
    n = shifted - _ROUNDER
    r = (max(x, _SMALLEST) - n * _LN2_HIGH) - n * _LN2_LOW
    p = 1.0 / 6227020800.0
    p = p * r + 1.0 / 479001600.0
    p = p * r + 1.0 / 39916800.0
    p = p * r + 1.0 / 3628800.0
    p = p * r + 1.0 / 362880.0
    p = p * r + 1.0 / 40320.0
    p = p * r + 1.0 / 5040.0
    p = p * r + 1.0 / 720.0
    p = p * r + 1.0 / 120.0
    p = p * r + 1.0 / 24.0
    p = p * r + 1.0 / 6.0
    p = p * r + 0.5
    p = p * r + 1.0
    p = p * r + 1.0
    exponent = np.int64((np.float64(shifted).view(np.int64) + np.int64(BIAS)) << np.int64(52))
    return p * exponent.view(np.float64)


@compiled
def _tabulated(x: float, first: int, coefficients: Array) -> float:
    """Return the Matern covariance at x; see `SmoothnessTable`."""
    bits = np.float64(x).view(np.int64)
    piece = (bits >> np.int64(SHIFT)) - np.int64(first)
    last = np.int64(coefficients.shape[0] - 1)
    index = np.uint64(min(max(piece, np.int64(0)), last))  # unsigned: never counted from the end
    rest = np.int64((bits & np.int64(_REST)) | np.int64(_ONE))
    t = rest.view(np.float64) * _STRETCH - (_STRETCH + 1.0)
    value = coefficients[index, 0]
    for power in range(1, COEFFICIENTS):
        value = value * t + coefficients[index, power]
    return 1.0 if piece < 0 else value * _exp(-x)


@compiled
def _covariance(values: Array, form: int, factor: float, first: int, coefficients: Array) -> None:
    """Turn squared distances, one-dimensional, into covariances, in place."""
    if form == SQUARED_EXPONENTIAL:
        for m in range(values.size):
            values[m] = _exp(-0.5 * values[m])
    elif form == MATERN_1_2:
        for m in range(values.size):
            values[m] = _exp(-math.sqrt(values[m]))
    elif form == MATERN_3_2:
        for m in range(values.size):
            r = _SQRT_3 * math.sqrt(values[m])
            values[m] = (1.0 + r) * _exp(-r)
    elif form == MATERN_TABLE:
        for m in range(values.size):
            values[m] = _tabulated(factor * math.sqrt(values[m]), first, coefficients)
    else:
        for m in range(values.size):
            r = _SQRT_5 * math.sqrt(values[m])
            values[m] = (1.0 + r + r * r / 3.0) * _exp(-r)


@compiled
def _gather(  # noqa: PLR0917  # numba takes no keyword-only arguments
    lane: int, query: Array, points: Array, neighbours: Array, scale: Array, x: Array, a: Array
) -> None:
    """Place one row's neighbours, relative to it, in a lane; their squared distances in row k."""
    k, n_features = x.shape[0], x.shape[1]
    for i in range(k):
        # Rows of a large table lie far apart, and waiting for them would take a third of the time.
        ahead = neighbours[min(i + _AHEAD, k - 1)]
        for f in range(0, n_features, _LINE):
            _prefetch(points, ahead, f)
        point = neighbours[i]
        total = 0.0
        for f in range(n_features):
            difference = (points[point, f] - query[f]) * scale[f]
            x[i, f, lane] = difference
            total += difference * difference
        a[k, i, lane] = total


@compiled
def _distances(a: Array, x: Array) -> None:
    """Fill the lower triangle of the first k rows, and what tiles cover of the upper one."""
    k, n_features = x.shape[0], x.shape[1]
    whole = k - k % 4
    for j in range(0, whole, 4):
        for i in range(j, whole, 4):
            _distance_4x4(a, x, i, j, n_features)
        for i in range(whole, k):
            _distance_1x4(a, x, i, j, n_features)
    for j in range(whole, k):
        for i in range(j, k):
            _distance_1x1(a, x, i, j, n_features)


@compiled
def _pivot(a: Array, q: int, diagonal: Array, floor: float) -> None:
    """Replace a diagonal element by one over its root.

    A neighbour that the ones before it determine, such as a copy of one of them, has no variance
    left and adds nothing: its column becomes zero.
    """
    for lane in range(LANES):
        pivot = a[q, q, lane]
        if pivot > floor * diagonal[q, lane]:
            a[q, q, lane] = 1.0 / math.sqrt(pivot)
        else:
            a[q, q, lane] = 0.0


@compiled
def _eliminate(a: Array, diagonal: Array, floor: float) -> None:
    """Factorise the first k rows, L L^T, and solve L z = b for every row b below them, in place."""
    rows, k = a.shape[0], a.shape[1]
    whole = k - k % 4
    for block in range(0, k, 4):
        if block < whole:
            i = block
            while i + 4 <= rows:
                _eliminate_4x4(a, i, block, 0, block)
                i += 4
            while i < rows:
                _eliminate_1x4(a, i, block, 0, block)
                i += 1
        else:
            for i in range(block, rows):
                for q in range(block, k):
                    _eliminate_1x1(a, i, q, 0, block)
        for q in range(block, min(block + 4, k)):
            _eliminate_1x1(a, q, q, block, q)
            _pivot(a, q, diagonal, floor)
            i = q + 1
            while i + 4 <= rows:
                _finish_4x1(a, i, q, block, q)
                i += 4
            while i < rows:
                _finish_1x1(a, i, q, block, q)
                i += 1


@compiled
def _products(a: Array, lane: int, mean: Array, quadratic: Array) -> float:
    """Write mean and y^T K^-1 y of one lane; return the variance."""
    k = a.shape[1]
    explained = 0.0
    for p in range(k):
        explained += a[k, p, lane] * a[k, p, lane]
    for output in range(mean.size):
        along, square = 0.0, 0.0
        for p in range(k):
            z = a[k + 1 + output, p, lane]
            along += a[k, p, lane] * z
            square += z * z
        mean[output] = along
        quadratic[output] = square
    return max(1.0 - explained, 0.0)


@compiled
def posterior_rows(  # noqa: PLR0917  # numba takes no keyword-only arguments
    query: Array,
    points: Array,
    targets: Array,
    noise: Array,
    neighbours: Array,
    scale: Array,
    form: int,
    factor: float,
    first: int,
    coefficients: Array,
    mean: Array,
    variance: Array,
    quadratic: Array,
) -> None:
    """Write the posteriors of some rows; see `skysift.models.muygps.posterior`.

    Parameters
    ----------
    query : array, shape (n, n_features)
    points : array, shape (n_points, n_features)
    targets : array, shape (n_points, n_outputs)
    noise : array, shape (n_points,)
    neighbours : array of int, shape (n, k)
    scale : array, shape (n_features,)
    form, factor, first, coefficients
        Of the `Profile` of the kernel.
    mean, quadratic : array, shape (n, n_outputs)
        Written to.
    variance : array, shape (n,)
        Written to.
    """
    n, k = neighbours.shape
    n_outputs = targets.shape[1]
    x = np.empty((k, query.shape[1], LANES), dtype=points.dtype)
    a = np.empty((k + 1 + n_outputs, k, LANES), dtype=points.dtype)
    diagonal = np.empty((k, LANES), dtype=points.dtype)
    floor = k * np.finfo(points.dtype).eps
    for begin in range(0, n, LANES):
        for lane in range(LANES):
            # The last group repeats the last row to fill its lanes.
            row = min(begin + lane, n - 1)
            _gather(lane, query[row], points, neighbours[row], scale, x, a)
            for i in range(k):
                point = neighbours[row, i]
                diagonal[i, lane] = 1.0 + noise[point]
                for output in range(n_outputs):
                    a[k + 1 + output, i, lane] = targets[point, output]
        _distances(a, x)
        for i in range(1, k):
            _covariance(a[i, :i].reshape(-1), form, factor, first, coefficients)
        _covariance(a[k].reshape(-1), form, factor, first, coefficients)
        for i in range(k):
            for lane in range(LANES):
                a[i, i, lane] = diagonal[i, lane]
        _eliminate(a, diagonal, floor)
        for lane in range(min(LANES, n - begin)):
            row = begin + lane
            variance[row] = _products(a, lane, mean[row], quadratic[row])
