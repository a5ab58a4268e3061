"""Confidence intervals of proportions and means, and the correction for many comparisons."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtr, ndtr, ndtri

from skysift.core.errors import InputError, UsageError
from skysift.core.results import Metric
from skysift.evaluate.inputs import BoolArray, FloatArray, as_groups, as_weight, require_fraction

__all__ = [
    "Interval",
    "McNemar",
    "holm",
    "mcnemar",
    "mean_interval",
    "normal_interval",
    "ratio_limits",
    "two_sided_p",
    "wilson_interval",
    "wilson_limits",
    "z_score",
]


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its confidence limits.

    Parameters
    ----------
    value, low, high : float
        Estimate and limits.
    confidence : float
        Confidence level.
    method : str
        How the limits were made.

    Examples
    --------
    >>> print(Interval(0.5, 0.4, 0.6))
    0.5000 [0.4000, 0.6000]
    """

    value: float
    low: float
    high: float
    confidence: float = 0.95
    method: str = ""

    def __str__(self) -> str:
        return f"{self.value:.4f} [{self.low:.4f}, {self.high:.4f}]"

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high

    def metric(self, name: str, *, n: int, split: str) -> Metric:
        """Return the same numbers as a named metric of `n` rows of `split`."""
        return Metric(
            name,
            self.value,
            self.low,
            self.high,
            n=n,
            split=split,
            confidence=self.confidence,
            method=self.method,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready mapping."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class McNemar:
    """Whether two classifiers err equally often on the same rows.

    Parameters
    ----------
    only_first, only_second : int
        Rows that only the first, or only the second, classifier gets right.
    p_value : float
        Exact two-sided binomial p-value that these two are equally likely.
    """

    only_first: int
    only_second: int
    p_value: float


def z_score(confidence: float) -> float:
    """Return how many standard deviations a two-sided normal interval reaches.

    Examples
    --------
    >>> round(z_score(0.95), 4)
    1.96
    """
    return float(ndtri(0.5 + require_fraction("confidence", confidence) / 2))


def two_sided_p(z: float) -> float:
    """Return the two-sided p-value of a standard normal deviate."""
    return float(2 * ndtr(-abs(z)))


def normal_interval(
    value: float, standard_error: float, *, confidence: float = 0.95, method: str = "normal"
) -> Interval:
    """Return value +- z * standard_error."""
    reach = z_score(confidence) * standard_error
    return Interval(value, value - reach, value + reach, confidence, method)


def wilson_limits(
    successes: ArrayLike, n: ArrayLike, *, confidence: float = 0.95
) -> tuple[FloatArray, FloatArray]:
    """Return Wilson's score limits for proportions (Wilson 1927, JASA 22, 209).

    Parameters
    ----------
    successes, n : array_like, broadcast against each other
        0 <= successes <= n; weighted data give sums of weights, scaled to their effective number.
    confidence : float
        Confidence level.

    Returns
    -------
    low, high : array, shape of the broadcast
        Always within [0, 1] and never of zero width; 0 and 1 where n is 0.

    Raises
    ------
    InputError
        If successes are negative or exceed n.
    """
    good = np.asarray(successes, dtype=np.float64)
    trials = np.asarray(n, dtype=np.float64)
    if not np.all((good >= 0) & (good <= trials)):
        raise InputError("Successes must lie between 0 and n.", "Check the counts.")
    z2 = z_score(confidence) ** 2
    some = np.where(trials > 0, trials, 1.0)
    rate = good / some
    centre = rate + z2 / (2 * some)
    reach = np.sqrt(z2 * (rate * (1 - rate) + z2 / (4 * some)) / some)
    # Rounding must not carry a limit past 0, 1 or the rate itself.
    low = np.clip((centre - reach) / (1 + z2 / some), 0.0, rate)
    high = np.clip((centre + reach) / (1 + z2 / some), rate, 1.0)
    return np.where(good > 0, low, 0.0), np.where(good < trials, high, 1.0)


def wilson_interval(successes: float, n: float, *, confidence: float = 0.95) -> Interval:
    """Return one proportion with Wilson's interval; NaN with limits 0 and 1 if n is 0.

    Examples
    --------
    >>> print(wilson_interval(0, 10))
    0.0000 [0.0000, 0.2775]
    """
    low, high = wilson_limits(successes, n, confidence=confidence)
    value = successes / n if n else np.nan
    return Interval(float(value), float(low), float(high), confidence, "Wilson")


def mean_interval(
    values: ArrayLike,
    *,
    strata: BoolArray | None = None,
    groups: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    confidence: float = 0.95,
) -> Interval:
    """Return a weighted mean with the normal interval of its standard error.

    Parameters
    ----------
    values : array_like, shape (n,)
        One number for each row, e.g. its loss or the difference of two losses.
    strata : array of bool, shape (n,), optional
        Classes whose numbers of rows are taken as fixed; the error is then that within classes.
        Not used with `groups`, which may hold rows of both.
    groups : array_like, shape (n,), optional
        Rows of one group are not independent: the error is that of the sums over groups.
    sample_weight : array_like, shape (n,), optional
        Weight of each row.
    confidence : float
        Confidence level.
    """
    rows = np.asarray(values, dtype=np.float64)
    if strata is None:
        strata = np.zeros(len(rows), dtype=bool)
    weight = as_weight(sample_weight, strata)
    share = weight / weight.sum()
    mean = float(share @ rows)
    if groups is None:
        variance = sum(
            _variance_of_sum(share[part], rows[part]) for part in (strata, ~strata) if np.any(part)
        )
        method = "normal"
    else:
        centred = share * (rows - mean)
        sums = np.asarray(np.bincount(as_groups(groups, len(rows)), centred), dtype=np.float64)
        variance = _variance_of_total(sums)
        method = f"normal, {len(sums)} groups"
    return normal_interval(mean, float(np.sqrt(variance)), confidence=confidence, method=method)


def ratio_limits(above: Interval, below: Interval) -> tuple[float, float]:
    """Return the confidence limits of a ratio of two independent numbers >= 0 (MOVER-R).

    Donner & Zou (2012), Stat. Methods Med. Res. 21, 347: the limits of the two numbers stand in for
    their variances, so that skew limits (Wilson's) give skew limits.

    Parameters
    ----------
    above, below : Interval
        Numerator and denominator, of the same confidence level.

    Returns
    -------
    low, high : float
        `high` is infinite if the denominator may be 0.
    """
    product = above.value * below.value
    down = above.low * below.high * (2 * above.value - above.low) * (2 * below.value - below.high)
    up = above.high * below.low * (2 * above.value - above.high) * (2 * below.value - below.low)
    under = below.high * (2 * below.value - below.high)
    over = below.low * (2 * below.value - below.low)
    low = above.low / below.high if under == 0 else (product - _root(product, down)) / under
    high = np.inf if over == 0 else (product + _root(product, up)) / over
    return float(max(low, 0.0)), float(high)


def mcnemar(first_right: ArrayLike, second_right: ArrayLike) -> McNemar:
    """Return the exact McNemar test of two classifiers on the same rows.

    Parameters
    ----------
    first_right, second_right : array_like of bool, shape (n,)
        Whether each classifier has the row right.

    References
    ----------
    McNemar (1947), Psychometrika 12, 153.

    Examples
    --------
    >>> mcnemar([1, 1, 1, 1, 0], [0, 0, 0, 1, 0]).p_value
    0.25
    """
    first, second = np.asarray(first_right, dtype=bool), np.asarray(second_right, dtype=bool)
    if first.shape != second.shape:
        raise InputError(
            f"The two have shapes {first.shape} and {second.shape}.", "Compare the same rows."
        )
    only_first, only_second = int(np.sum(first & ~second)), int(np.sum(second & ~first))
    differing = only_first + only_second
    # Two-sided, and symmetric: twice the tail on the smaller side.
    p_value = min(1.0, 2 * float(bdtr(min(only_first, only_second), differing, 0.5)))
    return McNemar(only_first, only_second, p_value)


def holm(p_values: ArrayLike) -> FloatArray:
    """Return p-values corrected for being many (Holm 1979, Scand. J. Stat. 6, 65).

    Parameters
    ----------
    p_values : array_like, shape (m,)
        P-values of one family of tests.

    Returns
    -------
    array, shape (m,)
        In the same order; comparing them with a level bounds the chance of any false rejection.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    given = np.asarray(p_values, dtype=np.float64)
    if given.ndim != 1 or not np.all((given >= 0) & (given <= 1)):
        raise UsageError("P-values must be between 0 and 1, in one dimension.", "Check them.")
    order: NDArray[np.intp] = np.argsort(given, kind="stable")
    stepped = given[order] * np.arange(len(given), 0, -1)
    corrected = np.empty_like(given)
    corrected[order] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    return corrected


def _root(product: float, subtracted: float) -> float:
    return float(np.sqrt(max(product**2 - subtracted, 0.0)))


def _variance_of_sum(share: FloatArray, rows: FloatArray) -> float:
    """Variance of sum(share * rows) over independent rows of one class with that class's mean."""
    if len(rows) == 1:
        return 0.0
    mean = share @ rows / share.sum() if share.sum() else 0.0
    return _variance_of_total(share * (rows - mean))


def _variance_of_total(terms: FloatArray) -> float:
    """Variance of the sum of independent centred terms, with the factor k / (k - 1)."""
    k = len(terms)
    if k == 1:
        raise InputError("One group has no spread.", "Give at least two groups of rows.")
    return float(np.sum(terms**2) * k / (k - 1))
