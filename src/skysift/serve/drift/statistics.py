"""How far a distribution is from its reference, and how often chance alone goes as far.

Two measures on the same bins:

- the population stability index, PSI = sum (p - q) ln(p / q), the symmetric relative entropy
  (Jeffreys 1946). Without a change, PSI / (1/n + 1/m) of n rows against m follows chi-square with
  one degree of freedom less than bins (Yurdakul & Naranjo 2020, J. Risk Model Validation 14(3));
- the Kolmogorov-Smirnov distance, the greatest difference of the cumulative shares, at the edges of
  the bins.

Both of these take rows for independent, and rows that arrive together are alike: cutouts of one
exposure share its seeing. A window is therefore counted in blocks, and how much the blocks differ
is the yardstick. At each edge, the design effect (Kish 1965) is the variance of the cumulative
share between blocks, in units of that of independent rows, and never less than 1. The greatest of
all edges divides the statistic of PSI, which is then compared with F (after Rao & Scott 1981, who
divide by the mean: too little where all rows of a block move to one side). The distance is compared
with its standard error at each edge, as Student's t with one degree of freedom less than blocks,
times the number of edges. By simulation, tests of both kinds of rows keep to the stated
probability; see docs/operations.md for what shifts they find.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import fdtrc, stdtr  # of scipy.stats, the little that is needed

__all__ = ["Comparison", "compare_counts", "psi"]

Counts = NDArray[np.float64]

SMOOTHING = 0.5
"""Added to each count, so that an empty bin is no infinity (Jeffreys' prior)."""
MOST_BINS = 10
LEAST_EXPECTED = 50.0
"""Rows of each sample that a bin should have: with these the null distribution of PSI holds to
within a third down to probabilities of 1e-5, by simulation of a million windows."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A window of rows against its reference.

    Parameters
    ----------
    rows : int
        Of the window, those without a value included.
    psi : float
        Population stability index, less what chance alone is expected to give; not below 0.
    distance : float
        Kolmogorov-Smirnov distance, 0 to 1.
    missing : float
        Share of rows without a finite value.
    dispersion : float
        Greatest design effect: the variance between blocks, in units of that of independent rows.
    p_psi, p_distance : float
        Probability that chance alone goes as far; 1 if there are too few rows, or only one block,
        to tell.
    """

    rows: int
    psi: float
    distance: float
    missing: float
    dispersion: float
    p_psi: float
    p_distance: float

    @property
    def p(self) -> float:
        """The smaller of the two probabilities, doubled for the choice between them."""
        return min(1.0, 2 * min(self.p_psi, self.p_distance))


def psi(first: ArrayLike, second: ArrayLike) -> float:
    """Return the population stability index of counts, shape (n_bins,) each.

    Examples
    --------
    >>> round(psi([500, 500], [600, 400]), 4)
    0.0405
    """
    p, q = _shares(np.asarray(first)), _shares(np.asarray(second))
    return float((p - q) @ np.log(p / q))


def compare_counts(reference: ArrayLike, blocks: Sequence[ArrayLike]) -> Comparison:
    """Compare a window with a reference.

    Parameters
    ----------
    reference : array_like, shape (n_bins + 1,)
        Rows of the reference in each bin, in the order of the values; last, those without a value.
    blocks : sequence of array_like, shape (n_bins + 1,) each
        The same of the blocks of the window.

    Examples
    --------
    >>> same = compare_counts([500, 500, 0], [[260, 240, 0], [245, 255, 0]])
    >>> round(same.psi, 3), same.p > 0.5
    (0.0, True)
    >>> other = compare_counts([500, 500, 0], [[155, 345, 0]] * 10)
    >>> round(other.psi, 2), other.p < 1e-4
    (0.15, True)
    """
    expected = np.asarray(reference, dtype=np.float64)
    seen = np.asarray(blocks, dtype=np.float64).reshape(-1, len(expected))
    window = seen.sum(axis=0)
    n, m = float(window.sum()), float(expected.sum())
    missing = float(window[-1] / n) if n else 0.0
    distance = _distance(expected, window)
    groups = _groups(expected, n)
    filled = seen[seen.sum(axis=1) > 0]
    if min(n, m) < 2 * LEAST_EXPECTED or groups.max() == 0 or len(filled) < 2:  # noqa: PLR2004  # to differ, it takes two
        return Comparison(int(n), 0.0, distance, missing, 1.0, 1.0, 1.0)
    merged: Counts = np.array([np.bincount(groups, row) for row in (expected, *filled)], np.float64)
    if not merged[:, -1].any():
        merged = merged[:, :-1]  # nothing is without a value, nor was
    effects = _design_effects(merged[1:])
    dispersion = float(effects.max())
    size, degrees = 1 / n + 1 / m, merged.shape[1] - 1
    index = psi(merged[0], merged[1:].sum(axis=0))
    freedom = (len(filled) - 1) * degrees
    return Comparison(
        int(n),
        max(0.0, index - degrees * size),
        distance,
        missing,
        dispersion,
        float(fdtrc(degrees, freedom, index / size / dispersion / degrees)),
        _p_of_edges(merged, effects),
    )


def _shares(counts: NDArray[np.generic]) -> Counts:
    smoothed = counts.astype(np.float64) + SMOOTHING
    return np.asarray(smoothed / smoothed.sum())


def _groups(reference: Counts, n: float) -> NDArray[np.intp]:
    """Return for each bin the number of the one that it is merged into, shape (n_bins + 1,).

    Neighbours are merged until each has its part of the reference and enough rows can be expected
    in it. Rows without a value have one of their own: that they are more than before matters,
    however few were expected.
    """
    values = reference[:-1]
    total = values.sum()
    if total == 0:
        return np.zeros(len(reference), dtype=np.intp)
    least = max(total / MOST_BINS, LEAST_EXPECTED, LEAST_EXPECTED * total / max(n, 1.0))
    groups, number, filled = np.zeros(len(values), dtype=np.intp), 0, 0.0
    for place, count in enumerate(values):
        # A rounding error must not merge the last two of bins that are meant to be equal.
        if filled >= 0.98 * least and values[place:].sum() >= 0.98 * least:
            number, filled = number + 1, 0.0
        groups[place] = number
        filled += count
    return np.append(groups, number + 1)


def _design_effects(blocks: Counts) -> Counts:
    """Return how much the cumulative shares of blocks vary, 1 if as independent rows, per edge."""
    rows = blocks.sum(axis=1)
    below = np.cumsum(blocks, axis=1)[:, :-1]
    share = below.sum(axis=0) / rows.sum()
    spread = share * (1 - share)
    variance = ((below - np.outer(rows, share)) ** 2 / rows[:, None]).sum(axis=0) / (len(rows) - 1)
    effects = np.divide(variance, spread, out=np.ones_like(spread), where=spread > 0)
    return np.asarray(np.maximum(1.0, effects))


def _p_of_edges(merged: Counts, effects: Counts) -> float:
    """Return how probable the greatest difference at an edge is, for all edges together."""
    expected, window = merged[0], merged[1:].sum(axis=0)
    m, n = expected.sum(), window.sum()
    below, seen = np.cumsum(expected)[:-1], np.cumsum(window)[:-1]
    share = (below + seen) / (m + n)
    error = np.sqrt(share * (1 - share) * (effects / n + 1 / m))
    apart = np.abs(seen / n - below / m)
    scaled = np.divide(apart, error, out=np.zeros_like(error), where=error > 0)
    return float(min(1.0, 2 * stdtr(len(merged) - 2, -scaled).min() * len(scaled)))


def _distance(reference: Counts, window: Counts) -> float:
    """Return the greatest difference of the cumulative shares, rows without a value left out."""
    first, second = reference[:-1], window[:-1]
    if not first.sum() or not second.sum():
        return 0.0
    return float(np.abs(np.cumsum(first) / first.sum() - np.cumsum(second) / second.sum()).max())
