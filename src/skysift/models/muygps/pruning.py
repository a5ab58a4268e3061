"""Exact neighbours from products in single precision, with a proof for each row.

The distances to all points are a matrix product, four times faster in single precision and blocked
so that it stays in the cache. Each row keeps its nearest candidates, some more than k of them, and
the smallest distance that it turned away. Then the candidates are measured in double precision. If
the k-th of them is nearer than anything turned away can be, given how much single precision can be
wrong, the k nearest are proven; other rows, very rare, are left to the caller.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.compiler import compiled, read_only

__all__ = ["PrunedSearch"]

Array = NDArray[Any]

_BLOCK = 1024  # points; with 256 rows, a product of 1 MB
_GROUP = 16  # points that are compared with the bound at once
_SPARE = 16  # candidates beyond k
_ROOM = 4  # room for candidates, as a multiple of those that are kept
_BISECTIONS = 40


class PrunedSearch:
    """Search among points, shape (n_points, n_features)."""

    def __init__(self, points: NDArray[np.floating[Any]]) -> None:
        self._points = np.ascontiguousarray(points, dtype=np.float64)
        self._centre = self._points.mean(axis=0)
        centred = self._points - self._centre
        self._unit = max(float(np.abs(centred).max()), np.finfo(np.float64).tiny)
        single = (centred / self._unit).astype(np.float32)
        norms = np.einsum("ij,ij->i", single, single)
        self._reach = float(np.sqrt(norms.max()))
        # With the norm as one more feature, |x|^2 - 2 x y is one product.
        self._single = np.column_stack([-2.0 * single, norms])

    def query(
        self, rows: NDArray[np.floating[Any]], k: int
    ) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """Return the k nearest points of each row, and whether they are proven.

        Returns
        -------
        indices : array of int, shape (n, k)
            Nearest first.
        proven : array of bool, shape (n,)
            False where single precision could have missed one.
        """
        rows = np.ascontiguousarray(rows, dtype=np.float64)
        keep = min(k + _SPARE, len(self._points))
        with np.errstate(over="ignore", invalid="ignore"):  # then nothing is proven
            single = ((rows - self._centre) / self._unit).astype(np.float32)
            augmented = np.column_stack([single, np.ones(len(rows), np.float32)])
            distance = np.empty((len(rows), _ROOM * keep), np.float32)
            index = np.empty((len(rows), _ROOM * keep), np.intp)
            count = np.zeros(len(rows), np.intp)
            bound = np.full(len(rows), np.inf, np.float32)
            room = np.empty(len(rows) * min(_BLOCK, len(self._points)), np.float32)
            for first in range(0, len(self._points), _BLOCK):
                block = self._single[first : first + _BLOCK]
                here = room[: len(rows) * len(block)].reshape(len(rows), -1)
                relative = np.matmul(augmented, block.T, out=here)
                if first == 0 and keep < len(block):
                    # Nothing beyond the nearest of the first block can be among the nearest of all.
                    bound = np.partition(relative, keep, axis=1)[:, keep].copy()
                _keep_nearest(read_only(relative), first, keep, distance, index, count, bound)
            found, kth = _measure(
                read_only(rows), read_only(self._points), k, keep, distance, index, count, bound
            )
            return found, kth <= self._turned_away(single, bound)

    def _turned_away(
        self, single: NDArray[np.float32], bound: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """Return what the squared distance of a point that was not kept is at least."""
        norm = np.einsum("ij,ij->i", single, single, dtype=np.float64)
        # Rounding of the coordinates, of the norms and of the sum of products.
        terms = self._points.shape[1] + 8
        error = 2.0 * terms * np.finfo(np.float32).eps * (np.sqrt(norm) + self._reach) ** 2
        limit: NDArray[np.float64] = (bound + norm - error) * self._unit**2
        return limit


@compiled
def _keep_nearest(  # noqa: PLR0917  # numba takes no keyword-only arguments
    relative: Array,
    first: int,
    keep: int,
    distance: Array,
    index: Array,
    count: Array,
    bound: Array,
) -> None:
    """Add the points of a block that are nearer than each row's bound to its candidates.

    Points are compared with the bound by groups, each by its minimum. A group is every
    `n_groups`-th point, so that the minima of all groups are one loop over consecutive numbers.
    """
    n, n_points = relative.shape
    n_groups = (n_points + _GROUP - 1) // _GROUP
    lowest = np.empty(n_groups, np.float32)
    for row in range(n):
        values = relative[row]
        lowest[:] = values[:n_groups]
        for start in range(n_groups, n_points, n_groups):
            more = values[start : start + n_groups]
            for group in range(more.size):
                value, low = more[group], lowest[group]
                lowest[group] = min(low, value)
        for group in range(n_groups):
            if lowest[group] >= bound[row]:
                continue
            for point in range(group, n_points, n_groups):
                if values[point] < bound[row]:
                    distance[row, count[row]] = values[point]
                    index[row, count[row]] = first + point
                    count[row] += 1
                    if count[row] == distance.shape[1]:
                        _tighten(distance[row], index[row], keep, count, bound, row)


@compiled
def _tighten(  # noqa: PLR0917  # numba takes no keyword-only arguments
    distance: Array, index: Array, keep: int, count: Array, bound: Array, row: int
) -> None:
    """Cut the candidates of a row down to about the nearest `keep`, never fewer.

    The new bound is sought by bisection: to count what lies below a value is one loop that
    vectorises. Equal distances can make the number impossible; then some of them are turned away,
    which the bound allows for.
    """
    values = distance[: count[row]]
    low, high = values.min(), bound[row]
    if high == np.inf:
        high = np.float32(2.0) * max(abs(low), abs(values.max())) + np.finfo(np.float32).tiny
    for _ in range(_BISECTIONS):
        middle = np.float32(0.5) * (low + high)
        below = 0
        for value in values:
            below += value < middle
        if below < keep:
            low = middle
        else:
            high = middle
            if below <= keep + keep // 8:
                low = high
                break
    ties = keep
    for value in values:
        ties -= value < low
    kept = 0
    for i in range(values.size):
        tie = low <= distance[i] < high and ties > 0
        ties -= tie
        if distance[i] < low or tie:
            distance[kept] = distance[i]
            index[kept] = index[i]
            kept += 1
    count[row] = kept
    bound[row] = low


@compiled
def _measure(  # noqa: PLR0917  # numba takes no keyword-only arguments
    rows: Array,
    points: Array,
    k: int,
    keep: int,
    distance: Array,
    index: Array,
    count: Array,
    bound: Array,
) -> tuple[Array, Array]:
    """Return the k nearest candidates by their true distances, and the k-th squared distance."""
    n, n_features = rows.shape
    found = np.zeros((n, k), np.intp)
    kth = np.full(n, np.inf)
    for row in range(n):
        if count[row] > keep:
            _tighten(distance[row], index[row], keep, count, bound, row)
        if count[row] < k:
            continue
        square = np.empty(count[row])
        for i in range(count[row]):
            total = 0.0
            for f in range(n_features):
                difference = rows[row, f] - points[index[row, i], f]
                total += difference * difference
            square[i] = total
        order = np.argsort(square)
        for i in range(k):
            found[row, i] = index[row, order[i]]
        kth[row] = square[order[k - 1]]
    return found, kth
