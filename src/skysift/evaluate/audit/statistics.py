"""The few statistics that the checks share."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import hypergeom, norm, rankdata

__all__ = ["cross_fitted_auc", "one_sided_fisher", "quantile_codes", "rank_auc", "rank_auc_p_value"]


def rank_auc(scores: NDArray[Any], y: NDArray[np.bool_]) -> float:
    """Return the area under the ROC curve, from ranks; ties count one half.

    Examples
    --------
    >>> rank_auc(np.array([1.0, 2.0, 3.0, 4.0]), np.array([False, True, False, True]))
    0.75
    """
    n_signal = np.count_nonzero(y)
    n_background = len(y) - n_signal
    if not n_signal or not n_background:
        return 0.5
    excess = rankdata(scores)[y].sum() - n_signal * (n_signal + 1) / 2
    return float(excess / (n_signal * n_background))


def rank_auc_p_value(auc: float, n_signal: int, n_background: int) -> float:
    """Return the two-sided p-value of an AUC against 0.5 (Mann-Whitney, normal limit)."""
    spread = np.sqrt((n_signal + n_background + 1) / (12 * n_signal * n_background))
    return float(2 * norm.sf(abs(auc - 0.5) / spread))


def one_sided_fisher(pure: int, other: int, pure_near: int, other_near: int) -> float:
    """Return the chance of so few `other` among ``pure + other`` rows.

    The hypergeometric tail of Fisher's exact test: the class composition of a region against
    that of its neighbourhood, counts ``pure_near`` and ``other_near``.

    Examples
    --------
    >>> one_sided_fisher(10, 10, 10, 10) > 0.5, one_sided_fisher(20, 0, 10, 30) < 1e-6
    (True, True)
    """
    total = pure + other + pure_near + other_near
    if total == 0:
        return 1.0
    return float(hypergeom.cdf(other, total, other + other_near, pure + other))


def quantile_codes(values: NDArray[np.float64], n_bins: int) -> NDArray[np.int64]:
    """Return the equal-count bin of each value, shape (n,); missing values form a bin of their own.

    A bin number tells the class even where a value does so without order, as the number of a
    night or of a production does.
    """
    finite = np.isfinite(values)
    codes = np.full(len(values), n_bins, dtype=np.int64)
    if finite.any():
        edges = np.unique(np.quantile(values[finite], np.linspace(0, 1, n_bins + 1)[1:-1]))
        codes[finite] = np.searchsorted(edges, values[finite], side="right")
    return codes


def cross_fitted_auc(
    codes: NDArray[np.int64], y: NDArray[np.bool_], rng: np.random.Generator
) -> float:
    """Return how well a category alone tells the class of rows it was not fitted on.

    The signal fraction of each category is learned on one half of the rows and scored on the
    other half, both ways, so that rare categories gain nothing by chance.

    Parameters
    ----------
    codes : array of int, shape (n,)
        Category of each row, 0 or more.
    y : array of bool, shape (n,)
        True for signal.
    rng : numpy.random.Generator
        Draws the halves.
    """
    first = rng.permutation(len(y)) % 2 == 0
    n_codes = int(codes.max()) + 1
    prior = y.mean()
    areas = []
    for fitted in (first, ~first):
        n = np.bincount(codes[fitted], minlength=n_codes)
        signal = np.bincount(codes[fitted], weights=y[fitted], minlength=n_codes)
        rate = (signal + prior) / (n + 1)
        areas.append(rank_auc(rate[codes[~fitted]], y[~fitted]))
    return float(np.mean(areas))
