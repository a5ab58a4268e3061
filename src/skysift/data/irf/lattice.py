"""Values on a rectangular lattice of axes, and how they are read between the nodes."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skysift.core.errors import InputError

__all__ = ["Axis", "Lattice", "corners"]

FloatArray = NDArray[np.float64]
# The smallest normal single-precision number stands for zero where logarithms are interpolated.
TINY = float(np.finfo(np.float32).tiny)
_CONTINUED = 1.0  # in the logarithm


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of a table.

    Parameters
    ----------
    nodes : array, shape (n,)
        Where the values hold, increasing.
    low, high : float
        The range that the table covers: from half a bin before the first node to half a bin
        beyond the last.
    logarithmic : bool
        Whether interpolation is linear in the logarithm of the axis.
    """

    nodes: FloatArray
    low: float
    high: float
    logarithmic: bool

    @classmethod
    def from_bounds(cls, lower: ArrayLike, upper: ArrayLike, *, logarithmic: bool) -> Self:
        """Return the axis of bins; bins without width are taken as nodes.

        Parameters
        ----------
        lower, upper : array_like, shape (n,)
            The two bounds of each bin, as GADF tables give them.

        Raises
        ------
        InputError
            If the bins are not finite and increasing, or a logarithmic one is not positive.
        """
        low, high = (np.atleast_1d(np.asarray(bound, dtype=np.float64)) for bound in (lower, upper))
        nodes = np.sqrt(low * high) if logarithmic else (low + high) / 2
        sound = np.isfinite(nodes).all() and bool(np.all(np.diff(nodes) > 0)) and nodes.size > 0
        if not sound or (logarithmic and np.any(low <= 0)):
            raise InputError(
                "An axis of a response table is not finite and increasing.",
                "Check the _LO and _HI columns of the file.",
            )
        return cls(nodes, float(low[0]), float(high[-1]), logarithmic)

    def place(self, values: ArrayLike) -> tuple[NDArray[np.intp], FloatArray, NDArray[np.bool_]]:
        """Return the node at or below each value, the weight of the next one, and what is covered.

        Values beyond the range are moved to its bound; within the outermost half bins the weight
        lies outside 0 to 1, that is, the table is continued linearly.
        """
        values = np.asarray(values, dtype=np.float64)
        covered = (values >= self.low) & (values <= self.high)
        if len(self.nodes) == 1:
            return np.zeros(values.shape, dtype=np.intp), np.zeros(values.shape), covered
        nodes, clipped = self.nodes, np.clip(np.nan_to_num(values), self.low, self.high)
        if self.logarithmic:
            nodes, clipped = np.log(nodes), np.log(clipped)
        below = np.clip(np.searchsorted(nodes, clipped, side="right") - 1, 0, len(nodes) - 2)
        weight = (clipped - nodes[below]) / (nodes[below + 1] - nodes[below])
        return below, np.asarray(weight), covered


def corners(
    axes: Sequence[Axis], coordinates: Sequence[ArrayLike]
) -> tuple[list[tuple[tuple[NDArray[np.intp], ...], FloatArray]], NDArray[np.bool_]]:
    """Return the lattice nodes around points, each with its weight, and which points are covered.

    Parameters
    ----------
    axes : sequence of Axis
        Of the lattice.
    coordinates : sequence of array_like
        One per axis, broadcast against each other.

    Returns
    -------
    nodes : list of (index, weight)
        Two to the power of the number of axes longer than one; weights sum to 1.
    covered : array of bool
    """
    places = [axis.place(value) for axis, value in zip(axes, coordinates, strict=True)]
    covered = np.asarray(np.all(np.broadcast_arrays(*[place[2] for place in places]), axis=0))
    steps = [(0, 1) if len(axis.nodes) > 1 else (0,) for axis in axes]
    nodes = []
    for step in product(*steps):
        index = tuple(below + up for (below, _, _), up in zip(places, step, strict=True))
        weight = np.ones(())
        for (_, upper, _), up, choices in zip(places, step, steps, strict=True):
            if len(choices) > 1:
                weight = weight * (upper if up else 1 - upper)
        nodes.append((index, np.asarray(weight)))
    return nodes, covered


@dataclass(frozen=True, slots=True)
class Lattice:
    """A table that is interpolated linearly, or linearly in the logarithm of its values.

    Parameters
    ----------
    axes : tuple of Axis
    values : array, one dimension per axis
    logarithmic : bool
        Whether the logarithm of the values is interpolated; zeros are then carried as the smallest
        single-precision number.

    Raises
    ------
    InputError
        If the table does not have the shape of its axes.

    Examples
    --------
    >>> axis = Axis.from_bounds([0.0, 1.0], [1.0, 2.0], logarithmic=False)
    >>> float(Lattice((axis,), np.array([1.0, 3.0])).at(1.0))
    2.0
    """

    axes: tuple[Axis, ...]
    values: FloatArray
    logarithmic: bool = False

    def __post_init__(self) -> None:
        expected = tuple(len(axis.nodes) for axis in self.axes)
        if self.values.shape != expected:
            raise InputError(
                f"A response table of shape {self.values.shape} does not fit its axes {expected}.",
                "Check the TDIM keywords of the file.",
            )

    def at(self, *coordinates: ArrayLike, clamp: bool = False) -> FloatArray:
        """Return interpolated values, never negative; zero outside the axes unless clamped."""
        table = np.log(np.maximum(self.values, TINY)) if self.logarithmic else self.values
        nodes, covered = corners(self.axes, coordinates)
        total, highest = np.zeros(()), np.full((), -np.inf)
        for index, weight in nodes:
            total = total + weight * table[index]
            highest = np.maximum(highest, table[index])
        if self.logarithmic:
            # Beyond the last node the table is continued; where that node is full and the one
            # before it empty, its logarithm would be continued to absurd values.
            total = np.exp(np.minimum(total, highest + _CONTINUED))
            total = np.where(total <= 2 * TINY, 0.0, total)
        return np.where(covered | clamp, np.maximum(total, 0.0), 0.0)
