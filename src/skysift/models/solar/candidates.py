"""Candidates of active regions on a map of the disk: maxima, and a box about each.

What is strong on the map depends on the image: brightness above the quiet disk, flux density of
a magnetogram, or the heat of a network. Maxima that stand apart are candidates; pixels of the map
that are above a threshold belong to the nearest of them and make its box.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from skysift.core.errors import UsageError

__all__ = ["Boxes", "Candidates", "boxes_about", "maxima"]

Floats = NDArray[np.float64]

_NEIGHBOURS = 1  # pixels about a maximum that its centroid is taken over


@dataclass(frozen=True, slots=True)
class Candidates:
    """Places on a grid, in order of falling score.

    Parameters
    ----------
    column, row : array, shape (n,)
        [grid pixel]
    score : array, shape (n,)
        Of any unit.
    """

    column: Floats
    row: Floats
    score: Floats

    def __len__(self) -> int:
        return len(self.score)

    def take(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> Self:
        """Return some of them."""
        return type(self)(self.column[rows], self.row[rows], self.score[rows])


@dataclass(frozen=True, slots=True)
class Boxes:
    """Boxes on a grid, whose edges lie half a pixel outside the outermost pixel's centre.

    Parameters
    ----------
    left, right, bottom, top : array, shape (n,)
        [grid pixel]
    """

    left: Floats
    right: Floats
    bottom: Floats
    top: Floats


def maxima(strength: NDArray[np.floating], *, least: float, apart: int) -> Candidates:
    """Return the local maxima of a map, to a fraction of a pixel.

    Parameters
    ----------
    strength : array, shape (ny, nx)
        The map; no NaN.
    least : float
        Lower maxima are left out.
    apart : int
        Nothing within this many pixels, in column or row, is higher than a maximum [pixel].

    Raises
    ------
    UsageError
        If `apart` is not positive.

    Examples
    --------
    >>> strength = np.zeros((9, 9))
    >>> strength[3, 5:7] = 2.0
    >>> found = maxima(strength, least=1.0, apart=2)
    >>> found.column.tolist(), found.row.tolist(), found.score.tolist()
    ([5.5], [3.0], [2.0])
    """
    if apart < 1:
        raise UsageError(f"apart = {apart}.", "Give 1 pixel or more.")
    highest = ndimage.maximum_filter(strength, size=2 * apart + 1, mode="nearest")
    labels, n = ndimage.label((strength >= highest) & (strength >= least), np.ones((3, 3)))
    if not n:
        return Candidates(np.empty(0), np.empty(0), np.empty(0))
    # A plateau is one maximum, at its middle.
    middle = np.array(ndimage.center_of_mass(labels > 0, labels, np.arange(1, n + 1)))
    score = np.atleast_1d(ndimage.maximum(strength, labels, np.arange(1, n + 1)))
    row, column = (np.array(axis) for axis in zip(*_centroids(strength, middle), strict=True))
    order = np.argsort(-score, kind="stable")
    return Candidates(column[order], row[order], score.astype(np.float64)[order])


def _centroids(strength: NDArray[np.floating], middle: Floats) -> list[tuple[float, float]]:
    """Return rows and columns weighted by what stands above the lowest neighbour."""
    ny, nx = strength.shape
    found = []
    for row, column in middle:
        first = max(round(row) - _NEIGHBOURS, 0), max(round(column) - _NEIGHBOURS, 0)
        last = min(round(row) + _NEIGHBOURS, ny - 1), min(round(column) + _NEIGHBOURS, nx - 1)
        part = strength[first[0] : last[0] + 1, first[1] : last[1] + 1].astype(np.float64)
        weight = part - part.min()
        total = float(weight.sum())
        if total <= 0:
            found.append((float(row), float(column)))
            continue
        found.append(
            (
                first[0] + float(weight.sum(axis=1) @ np.arange(part.shape[0])) / total,
                first[1] + float(weight.sum(axis=0) @ np.arange(part.shape[1])) / total,
            )
        )
    return found


def boxes_about(
    candidates: Candidates,
    strength: NDArray[np.floating],
    *,
    threshold: float,
    reach: float,
    least_side: float,
) -> Boxes:
    """Return a box about each candidate: the pixels above a threshold that are nearest to it.

    Parameters
    ----------
    candidates : Candidates
        n of them.
    strength : array, shape (ny, nx)
        The map.
    threshold : float
        Of the map.
    reach : float
        Pixels farther from a candidate are not its own [pixel].
    least_side : float
        Of a box, which is widened about the candidate if it is smaller [pixel].
    """
    n = len(candidates)
    half = least_side / 2
    boxes = Boxes(
        candidates.column - half,
        candidates.column + half,
        candidates.row - half,
        candidates.row + half,
    )
    row, column = np.nonzero(strength >= threshold)
    if not n or not len(row):
        return boxes
    nearest = np.full(len(row), -1)
    closest = np.full(len(row), reach**2)
    for number in range(n):
        squared = (column - candidates.column[number]) ** 2 + (row - candidates.row[number]) ** 2
        own = squared < closest
        nearest[own], closest[own] = number, squared[own]
    for number in np.unique(nearest[nearest >= 0]):
        own = nearest == number
        boxes.left[number] = min(boxes.left[number], column[own].min() - 0.5)
        boxes.right[number] = max(boxes.right[number], column[own].max() + 0.5)
        boxes.bottom[number] = min(boxes.bottom[number], row[own].min() - 0.5)
        boxes.top[number] = max(boxes.top[number], row[own].max() + 0.5)
    return boxes
