"""Single features and simple combinations of two: where impossible values show themselves."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

__all__ = ["Combination", "simple_combinations"]

_MOST_PAIRS = 500


@dataclass(frozen=True, slots=True)
class Combination:
    """One feature, or the ratio, difference or sum of two.

    Parameters
    ----------
    kind : str
        ``feature``, ``ratio``, ``difference`` or ``sum``.
    columns : tuple of str
        The feature, or the two features in order.
    """

    kind: str
    columns: tuple[str, ...]

    def __str__(self) -> str:
        sign = {"ratio": "/", "difference": " - ", "sum": " + "}
        return self.columns[0] if self.kind == "feature" else sign[self.kind].join(self.columns)

    def values(self, *columns: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the combination of the columns, shape (n,); NaN where it has no finite value.

        Examples
        --------
        >>> Combination("ratio", ("a", "b")).values(np.array([1.0, 2.0]), np.array([4.0, 0.0]))
        array([0.25,  nan])
        """
        if self.kind == "feature":
            return columns[0]
        first, second = columns
        if self.kind == "difference":
            return first - second
        if self.kind == "sum":
            return first + second
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            ratio = first / second
        return np.where(np.isfinite(ratio), ratio, np.nan)


def simple_combinations(
    names: tuple[str, ...], matrix: NDArray[np.float64], units: tuple[str, ...]
) -> Iterator[tuple[Combination, NDArray[np.float64]]]:
    """Yield each feature and each simple combination of two, with its values, shape (n,).

    Sums and differences are formed only of features in the same unit. A ratio has as denominator
    the feature that changes sign less often, or else the larger one. Of very many pairs, the
    most strongly rank-correlated are taken: a law of nature that ties two features correlates
    them.
    """
    for j, name in enumerate(names):
        yield Combination("feature", (name,)), matrix[:, j]
    for i, j in _pairs(matrix):
        bottom, top = sorted((i, j), key=lambda k: _denominator_order(matrix[:, k]))
        choices = [("ratio", top, bottom)]
        if units[i] == units[j]:
            choices += [("difference", i, j), ("sum", i, j)]
        for kind, first, second in choices:
            combination = Combination(kind, (names[first], names[second]))
            yield combination, combination.values(matrix[:, first], matrix[:, second])


def _denominator_order(values: NDArray[np.float64]) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    if not len(finite):
        return (1.0, 0.0)
    negative = float(np.mean(finite < 0))
    return (min(negative, 1 - negative), -float(np.median(np.abs(finite))))


def _pairs(matrix: NDArray[np.float64]) -> list[tuple[int, int]]:
    pairs = list(combinations(range(matrix.shape[1]), 2))
    if len(pairs) <= _MOST_PAIRS:
        return pairs
    filled = np.where(np.isnan(matrix), np.nanmedian(matrix, axis=0), matrix)
    ranks = rankdata(filled, axis=0)
    ranks -= ranks.mean(axis=0)
    norm = np.sqrt((ranks**2).sum(axis=0))
    correlation = np.abs((ranks.T @ ranks) / np.maximum(np.outer(norm, norm), 1e-300))
    pairs.sort(key=lambda pair: -correlation[pair])
    return pairs[:_MOST_PAIRS]
