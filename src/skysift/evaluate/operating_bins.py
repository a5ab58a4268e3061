"""Operating points that depend on another quantity, such as the size of the image."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skysift.core.errors import InputError, UsageError
from skysift.evaluate.inputs import BoolArray, FloatArray, as_labels, as_score
from skysift.evaluate.operating import OperatingPoint

__all__ = ["BinnedOperatingPoint", "by_bin"]


@dataclass(frozen=True, slots=True)
class BinnedOperatingPoint:
    """One threshold for each bin of a variable.

    Parameters
    ----------
    variable : str
        Name of the variable, with its unit.
    edges : array, shape (n_bins + 1,)
        Ascending. Values below the first and from the last edge on use the outermost bins.
    points : tuple of OperatingPoint, length n_bins
        The operating point of each bin.
    """

    variable: str
    edges: FloatArray
    points: tuple[OperatingPoint, ...]

    @property
    def thresholds(self) -> FloatArray:
        """Threshold of each bin, shape (n_bins,)."""
        return np.array([point.threshold for point in self.points])

    def keep(self, score: ArrayLike, values: ArrayLike) -> BoolArray:
        """Return which events are kept, shape (n,), by score and value of the variable."""
        bins = _bins(values, self.edges)
        return np.asarray(np.asarray(score, dtype=np.float64) >= self.thresholds[bins])

    def measure(self, y: ArrayLike, score: ArrayLike, values: ArrayLike, *, split: str) -> Self:
        """Return the same thresholds with what they do to other rows, arrays of shape (n,)."""
        signal = as_labels(y)
        scores = as_score(score, len(signal))
        inside = _members(signal, values, self.edges)
        points = tuple(
            point.measure(signal[rows], scores[rows], split=split)
            for point, rows in zip(self.points, inside, strict=True)
        )
        return type(self)(self.variable, self.edges, points)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready mapping."""
        return {
            "variable": self.variable,
            "edges": self.edges.tolist(),
            "points": [point.to_dict() for point in self.points],
        }

    @classmethod
    def from_dict(cls, mapping: Mapping[str, Any]) -> Self:
        """Return the operating points that :meth:`to_dict` described.

        Raises
        ------
        InputError
            If an entry is missing.
        """
        try:
            points = tuple(OperatingPoint.from_dict(point) for point in mapping["points"])
            return cls(mapping["variable"], np.asarray(mapping["edges"], dtype=float), points)
        except KeyError as error:
            raise InputError(
                f"These are no binned operating points: {error} is missing.",
                "Write them with BinnedOperatingPoint.to_dict.",
            ) from None


def by_bin(
    y: ArrayLike,
    score: ArrayLike,
    values: ArrayLike,
    *,
    variable: str,
    edges: ArrayLike,
    choose: Callable[[BoolArray, FloatArray], OperatingPoint],
) -> BinnedOperatingPoint:
    """Choose an operating point in each bin of a variable.

    Parameters
    ----------
    y : array_like of bool, shape (n,)
        True for signal.
    score : array_like, shape (n,)
        The larger, the more like signal.
    values : array_like, shape (n,)
        The variable, e.g. SIZE in photoelectrons.
    variable : str
        Its name, with its unit.
    edges : array_like, shape (n_bins + 1,)
        Edges of the bins, ascending.
    choose : callable
        Takes labels and scores of one bin and returns its operating point, e.g.
        ``lambda y, s: by_acceptance(y, s, 0.01, split="validation")``.

    Raises
    ------
    InputError
        If a bin lacks signal or background, or `choose` fails there; the message names the bin.
    UsageError
        If the edges do not ascend.
    """
    borders = np.asarray(edges, dtype=np.float64)
    if borders.ndim != 1 or len(borders) < 2 or np.any(np.diff(borders) <= 0):  # noqa: PLR2004 - one bin has two edges
        raise UsageError(f"The edges {borders} do not ascend.", "Give at least two, ascending.")
    signal = as_labels(y)
    scores = as_score(score, len(signal))
    points = []
    for rows, low, high in zip(
        _members(signal, values, borders), borders[:-1], borders[1:], strict=True
    ):
        try:
            points.append(choose(signal[rows], scores[rows]))
        except InputError as error:
            raise InputError(
                f"{variable} from {low:g} to {high:g}: {error.problem}",
                f"{error.remedy} Or merge bins.".strip(),
            ) from error
    return BinnedOperatingPoint(variable, borders, tuple(points))


def _bins(values: ArrayLike, edges: FloatArray) -> NDArray[np.intp]:
    given = np.asarray(values, dtype=np.float64)
    undefined = np.flatnonzero(np.isnan(given))
    if undefined.size:
        raise InputError(
            f"{undefined.size} values of the binned variable are not a number.",
            "Reject or repair such rows first.",
            row=int(undefined[0]),
        )
    return np.asarray(np.searchsorted(edges[1:-1], given, side="right"))


def _members(signal: BoolArray, values: ArrayLike, edges: FloatArray) -> list[NDArray[np.intp]]:
    bins = _bins(values, edges)
    if bins.shape != signal.shape:
        raise InputError(
            f"There are {len(signal)} labels, but the binned values have shape {bins.shape}.",
            "Give one value per label.",
        )
    return [np.flatnonzero(bins == k) for k in range(len(edges) - 1)]
