"""How good a probability of signal is: scores that reward honesty, and calibration."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skysift.core.errors import UsageError
from skysift.evaluate.inputs import FloatArray, as_labels, as_probability, as_weight
from skysift.evaluate.intervals import Interval, normal_interval, wilson_limits

__all__ = [
    "Binning",
    "BrierDecomposition",
    "ReliabilityCurve",
    "brier_decomposition",
    "brier_score",
    "calibration_edges",
    "calibration_error_floor",
    "expected_calibration_error",
    "log_loss",
    "log_losses",
    "reliability_curve",
]

Binning = Literal["width", "mass"]


@dataclass(frozen=True, slots=True)
class ReliabilityCurve:
    """Observed frequency of signal against the probability that was stated, bin by bin.

    Parameters
    ----------
    edges : array, shape (n_bins + 1,)
        Edges of the bins of probability.
    predicted : array, shape (n_bins,)
        Mean stated probability; NaN in an empty bin.
    observed : array, shape (n_bins,)
        Part of the rows that are signal; NaN in an empty bin.
    low, high : array, shape (n_bins,)
        Wilson's limits of `observed`, for the effective number of rows if these are weighted.
    count : array of int, shape (n_bins,)
        Number of rows.
    weight : array, shape (n_bins,)
        Sum of weights; equal to `count` if rows are not weighted.
    confidence : float
        Confidence level of the limits.
    """

    edges: FloatArray
    predicted: FloatArray
    observed: FloatArray
    low: FloatArray
    high: FloatArray
    count: NDArray[np.int64]
    weight: FloatArray
    confidence: float = 0.95

    @property
    def calibration_error(self) -> float:
        """Mean distance of observed from predicted, weighted by the bins' weights."""
        some = self.count > 0
        gap = np.abs(self.observed[some] - self.predicted[some])
        return float(gap @ self.weight[some] / self.weight.sum())


@dataclass(frozen=True, slots=True)
class BrierDecomposition:
    """The Brier score = reliability - resolution + uncertainty + within_bins.

    Parameters
    ----------
    brier : float
        Mean squared distance of probability from label.
    reliability : float
        Mean squared distance of stated from observed frequency: 0 if calibrated.
    resolution : float
        Mean squared distance of observed frequency from the overall one: the larger, the better.
    uncertainty : float
        Brier score of always stating the overall frequency.
    within_bins : float
        What is left because probabilities differ within a bin (Stephenson, Coelho & Jolliffe 2008,
        Weather and Forecasting 23, 752): variance of the probabilities within bins less twice their
        covariance with the labels. 0 if each distinct probability is its own bin.
    """

    brier: float
    reliability: float
    resolution: float
    uncertainty: float
    within_bins: float


def log_losses(y: ArrayLike, probability: ArrayLike) -> FloatArray:
    """Return -log(probability given to the true class) of each row, shape (n,).

    Parameters
    ----------
    y : array_like of bool, shape (n,)
        True for signal.
    probability : array_like, shape (n,)
        Probability of signal; 0 and 1 are moved inwards by the float64 resolution, so that one
        wrong certainty costs 36 and not infinity.
    """
    signal = as_labels(y, both_classes=False)
    p = as_probability(probability, len(signal))
    smallest = np.finfo(np.float64).eps
    true_class = np.where(signal, p, 1 - p)
    return np.asarray(-np.log(np.clip(true_class, smallest, 1 - smallest)))


def log_loss(y: ArrayLike, probability: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
    """Return the mean of :func:`log_losses`, in nats.

    Parameters
    ----------
    y, probability
        As for :func:`log_losses`, shape (n,).
    sample_weight : array_like, shape (n,), optional
        Weight of each row.

    Examples
    --------
    >>> round(log_loss([1, 0], [0.8, 0.4]), 4)
    0.367
    """
    signal = as_labels(y, both_classes=False)
    weight = as_weight(sample_weight, signal)
    return float(np.average(log_losses(signal, probability), weights=weight))


def brier_score(
    y: ArrayLike, probability: ArrayLike, sample_weight: ArrayLike | None = None
) -> float:
    """Return the mean squared distance of the probability from the label (Brier 1950).

    Parameters
    ----------
    y, probability, sample_weight
        As for :func:`log_loss`, shape (n,).

    Examples
    --------
    >>> round(brier_score([1, 0], [0.8, 0.4]), 4)
    0.1
    """
    signal = as_labels(y, both_classes=False)
    p = as_probability(probability, len(signal))
    return float(np.average((p - signal) ** 2, weights=as_weight(sample_weight, signal)))


def brier_decomposition(
    y: ArrayLike,
    probability: ArrayLike,
    *,
    edges: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
) -> BrierDecomposition:
    """Return the parts of the Brier score (Murphy 1973, J. Appl. Meteorol. 12, 595).

    Parameters
    ----------
    y, probability, sample_weight
        As for :func:`log_loss`, shape (n,).
    edges : array_like, shape (n_bins + 1,), optional
        Bins of probability; each distinct probability by default, which is right for a forecast
        of few values and overfits a continuous one.
    """
    signal = as_labels(y, both_classes=False)
    p = as_probability(probability, len(signal))
    weight = as_weight(sample_weight, signal)
    share = weight / weight.sum()
    if edges is None:
        bins = np.unique(p, return_inverse=True)[1]
    else:
        bins = _bin_of(p, np.asarray(edges, dtype=np.float64))
    mass = np.bincount(bins, share)
    some = mass > 0
    mass = mass[some]
    stated = np.bincount(bins, share * p)[some] / mass
    observed = np.bincount(bins, share * signal)[some] / mass
    overall = float(share @ signal)
    brier = float(share @ (p - signal) ** 2)
    reliability = float(mass @ (stated - observed) ** 2)
    resolution = float(mass @ (observed - overall) ** 2)
    uncertainty = overall * (1 - overall)
    rest = brier - (reliability - resolution + uncertainty)
    return BrierDecomposition(brier, reliability, resolution, uncertainty, rest)


def calibration_edges(
    probability: ArrayLike, *, n_bins: int = 15, binning: Binning = "width"
) -> FloatArray:
    """Return the edges of bins of probability.

    Parameters
    ----------
    probability : array_like, shape (n,)
        Probabilities, which bins of equal mass follow.
    n_bins : int
        Number of bins.
    binning : {"width", "mass"}
        Bins of equal width, or of equal numbers of rows (fewer bins where ties are many).

    Returns
    -------
    array, shape (n_bins + 1,) or shorter
        From 0 to 1.
    """
    if n_bins < 1 or binning not in {"width", "mass"}:
        raise UsageError(
            f"There is no binning '{binning}' with {n_bins} bins.",
            "Use 'width' or 'mass' with at least one bin.",
        )
    if binning == "width":
        return np.linspace(0.0, 1.0, n_bins + 1)
    inner = np.quantile(np.asarray(probability), np.arange(1, n_bins) / n_bins)
    return np.unique(np.concatenate([[0.0], inner, [1.0]]))


def reliability_curve(
    y: ArrayLike,
    probability: ArrayLike,
    *,
    n_bins: int = 15,
    binning: Binning = "width",
    confidence: float = 0.95,
    sample_weight: ArrayLike | None = None,
) -> ReliabilityCurve:
    """Return observed against stated probability of signal, with Wilson's intervals.

    Parameters
    ----------
    y, probability, sample_weight
        As for :func:`log_loss`, shape (n,).
    n_bins, binning
        As for :func:`calibration_edges`. A probability equal to an inner edge belongs to the bin
        above it.
    confidence : float
        Confidence level of the limits.

    Examples
    --------
    >>> curve = reliability_curve([0, 1, 1, 0], [0.1, 0.9, 0.8, 0.3], n_bins=2)
    >>> curve.observed.tolist(), curve.count.tolist()
    ([0.0, 1.0], [2, 2])
    """
    signal = as_labels(y, both_classes=False)
    p = as_probability(probability, len(signal))
    weight = as_weight(sample_weight, signal)
    edges = calibration_edges(p, n_bins=n_bins, binning=binning)
    bins, size = _bin_of(p, edges), len(edges) - 1
    total = np.bincount(bins, weight, size)
    some = np.where(total > 0, total, np.nan)
    observed = np.bincount(bins, weight * signal, size) / some
    # Weighted rows count as the number of equal rows that would have the same variance (Kish 1965).
    effective = total**2 / np.where(total > 0, np.bincount(bins, weight**2, size), 1.0)
    successes = np.minimum(np.where(total > 0, observed, 0.0) * effective, effective)
    low, high = wilson_limits(successes, effective, confidence=confidence)
    return ReliabilityCurve(
        edges=edges,
        predicted=np.bincount(bins, weight * p, size) / some,
        observed=observed,
        low=low,
        high=high,
        count=np.bincount(bins, minlength=size),
        weight=np.asarray(total, dtype=np.float64),
        confidence=confidence,
    )


def expected_calibration_error(
    y: ArrayLike,
    probability: ArrayLike,
    *,
    n_bins: int = 15,
    binning: Binning = "width",
    sample_weight: ArrayLike | None = None,
) -> float:
    """Return the mean distance of observed from stated probability over bins (Naeini et al. 2015).

    It is biased upwards: a perfectly calibrated model of n rows does not reach 0. See
    :func:`calibration_error_floor` for what such a model would be expected to show.

    Parameters
    ----------
    y, probability, n_bins, binning, sample_weight
        As for :func:`reliability_curve`.

    Examples
    --------
    >>> round(expected_calibration_error([0, 1, 1, 0], [0.1, 0.9, 0.8, 0.3], n_bins=2), 3)
    0.175
    """
    curve = reliability_curve(
        y, probability, n_bins=n_bins, binning=binning, sample_weight=sample_weight
    )
    return curve.calibration_error


def calibration_error_floor(
    probability: ArrayLike,
    *,
    n_bins: int = 15,
    binning: Binning = "width",
    confidence: float = 0.95,
    sample_weight: ArrayLike | None = None,
) -> Interval:
    """Return the calibration error to expect of independent rows whose probabilities are all true.

    Parameters
    ----------
    probability : array_like, shape (n,)
        Stated probabilities of signal.
    n_bins, binning, sample_weight
        As for :func:`reliability_curve`.
    confidence : float
        Part of such sets of rows whose error lies within the limits.

    Returns
    -------
    Interval
        An error above `high` speaks against calibration.

    Notes
    -----
    The number of signal rows in a bin is then nearly normal with variance sum p (1 - p); its mean
    distance from its expectation is sqrt(2 / pi) standard deviations, and the variance of that
    distance 1 - 2 / pi of the first.
    """
    given = np.asarray(probability, dtype=np.float64)
    p = as_probability(given, len(given))
    weight = as_weight(sample_weight, np.ones(len(p), dtype=bool))
    edges = calibration_edges(p, n_bins=n_bins, binning=binning)
    share = weight / weight.sum()
    variance = np.bincount(_bin_of(p, edges), share**2 * p * (1 - p))
    mean = float(np.sqrt(2 / np.pi) * np.sqrt(variance).sum())
    error = float(np.sqrt((1 - 2 / np.pi) * variance.sum()))
    return normal_interval(mean, error, confidence=confidence, method="normal, if calibrated")


def _bin_of(p: FloatArray, edges: FloatArray) -> NDArray[np.intp]:
    return np.asarray(np.searchsorted(edges[1:-1], p, side="right"))
