"""The area under the ROC curve: its variance, interval, and the paired test of two of them.

DeLong, DeLong & Clarke-Pearson (1988), Biometrics 44, 837, in the O(n log n) way of Sun & Xu
(2014), IEEE Signal Processing Letters 21, 1389: what a row adds to the area is the part of the
other class that it is rightly ordered with (half for ties), and one sort gives that for all rows.
Rows in groups follow Obuchowski (1997), Biometrics 53, 567.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, logit

from skysift.core.errors import InputError, UsageError
from skysift.evaluate.inputs import BoolArray, FloatArray, as_groups, as_labels, as_score, as_weight
from skysift.evaluate.intervals import (
    Interval,
    normal_interval,
    two_sided_p,
    wilson_limits,
    z_score,
)

__all__ = ["PairedTest", "auc_interval", "delong_covariance", "delong_test"]


@dataclass(frozen=True, slots=True)
class PairedTest:
    """A difference of two numbers measured on the same rows.

    Parameters
    ----------
    difference : Interval
        First minus second.
    z : float
        Difference in units of its standard error; 0 if both are 0.
    p_value : float
        Two-sided, of no difference.
    """

    difference: Interval
    z: float
    p_value: float


def delong_covariance(
    y: ArrayLike,
    scores: Sequence[ArrayLike],
    *,
    groups: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Return the AUCs of several scores of the same rows and their covariance.

    Parameters
    ----------
    y : array_like of bool, shape (n,)
        True for signal.
    scores : sequence of array_like, shape (n,) each
        One for each of the k models.
    groups : array_like, shape (n,), optional
        Rows of one group are not independent (Obuchowski 1997).
    sample_weight : array_like, shape (n,), optional
        Weight of each row.

    Returns
    -------
    areas : array, shape (k,)
        AUCs, ties counted half.
    covariance : array, shape (k, k)
        Their covariance.

    Raises
    ------
    InputError
        If a class has fewer than two rows, or the arrays do not fit together.
    """
    signal = as_labels(y)
    if min(signal.sum(), (~signal).sum()) < 2:  # noqa: PLR2004 - one row has no spread
        raise InputError("A class has a single row.", "A variance needs two rows of each class.")
    weight = as_weight(sample_weight, signal)
    of_signal, of_background = weight[signal].sum(), weight[~signal].sum()
    placed = np.stack([_placements(signal, as_score(s, len(signal)), weight) for s in scores])
    # One division at the end: sums of whole numbers are exact.
    areas = placed[:, signal] @ weight[signal] / (of_signal * of_background)
    own = np.where(signal, of_signal, of_background)
    other = np.where(signal, of_background, of_signal)
    influence = (placed / other - areas[:, np.newaxis]) * weight / own
    if groups is None:
        parts = [influence[:, signal], influence[:, ~signal]]
    else:
        group = as_groups(groups, len(signal))
        parts = [np.stack([np.bincount(group, weights=row) for row in influence])]
        if parts[0].shape[1] == 1:
            raise InputError("All rows are one group.", "A variance needs two groups.")
    covariance = sum(part @ part.T * part.shape[1] / (part.shape[1] - 1) for part in parts)
    return areas, np.asarray(covariance)


def auc_interval(
    y: ArrayLike,
    score: ArrayLike,
    *,
    confidence: float = 0.95,
    transform: str = "logit",
    groups: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
) -> Interval:
    """Return the AUC with DeLong's confidence interval.

    Parameters
    ----------
    y, score, groups, sample_weight
        As for :func:`delong_covariance`, shape (n,).
    confidence : float
        Confidence level.
    transform : {"logit", "none"}
        Make the interval symmetric in logit(AUC), which keeps it within (0, 1) and covers better
        near 1 (Qin & Hotilovac 2008, Stat. Methods Med. Res. 17, 207), or in the AUC itself,
        clipped to [0, 1].

    Returns
    -------
    Interval
        If the classes are perfectly separated DeLong's variance is 0, which is no certainty: the
        limits are then Wilson's for as many trials as the smaller class has rows, and `method`
        says so.

    Examples
    --------
    >>> print(auc_interval([0, 0, 0, 1, 1, 1], [0.1, 0.3, 0.6, 0.4, 0.8, 0.9]))
    0.8889 [0.2614, 0.9945]
    """
    if transform not in {"logit", "none"}:
        raise UsageError(f"There is no transform '{transform}'.", "Use 'logit' or 'none'.")
    areas, covariance = delong_covariance(y, [score], groups=groups, sample_weight=sample_weight)
    area, variance = float(areas[0]), float(covariance[0, 0])
    signal, values = as_labels(y), np.asarray(score, dtype=np.float64)
    if values[signal].min() > values[~signal].max() or values[signal].max() < values[~signal].min():
        area = round(area)  # weights may leave it a rounding error away
        smaller = int(min(signal.sum(), (~signal).sum()))
        low, high = wilson_limits(area * smaller, smaller, confidence=confidence)
        method = "Wilson on the smaller class (DeLong's variance is 0)"
        return Interval(float(area), float(low), float(high), confidence, method)
    error = np.sqrt(variance)
    reach = z_score(confidence) * error
    if transform == "none":
        low, high = np.clip([area - reach, area + reach], 0.0, 1.0)
    else:
        low, high = expit(logit(area) + np.array([-1, 1]) * reach / (area * (1 - area)))
    method = "DeLong" if groups is None else "DeLong, by group (Obuchowski)"
    return Interval(area, float(low), float(high), confidence, method)


def delong_test(
    y: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    *,
    confidence: float = 0.95,
    groups: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
) -> PairedTest:
    """Return the difference of two AUCs on the same rows, first minus second, with its p-value.

    Parameters
    ----------
    y, groups, sample_weight
        As for :func:`delong_covariance`, shape (n,).
    first, second : array_like, shape (n,)
        Scores of two models for the same rows.
    confidence : float
        Confidence level of the interval of the difference.
    """
    areas, covariance = delong_covariance(
        y, [first, second], groups=groups, sample_weight=sample_weight
    )
    difference = float(areas[0] - areas[1])
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    # Two scores of equal order leave a variance that is 0 but for rounding.
    floor = 1e-14 * float(covariance[0, 0] + covariance[1, 1])
    error = np.sqrt(variance) if variance > floor else 0.0
    interval = normal_interval(difference, error, confidence=confidence, method="paired DeLong")
    if error == 0.0:
        z = 0.0 if abs(difference) < 1e-12 else float(np.copysign(np.inf, difference))  # noqa: PLR2004 - rounding
    else:
        z = difference / error
    return PairedTest(interval, float(z), two_sided_p(z))


def _placements(signal: BoolArray, score: FloatArray, weight: FloatArray) -> FloatArray:
    """Return for each row the weight of the other class that it is rightly ordered with, (n,).

    Their weighted mean over either class is the AUC times the weight of the other. Up to a constant
    these are the midranks among all rows less the midranks within the class of Sun & Xu (2014).
    """
    order = np.argsort(score, kind="stable")
    ordered = score[order]
    step = np.append(0, np.cumsum(np.diff(ordered) > 0))
    placements = np.empty(len(score))
    for is_signal in (True, False):
        mine = signal[order] == is_signal
        tied = np.bincount(step, weights=np.where(mine, 0.0, weight[order]))
        below = np.cumsum(tied) - tied / 2
        rightly = below if is_signal else tied.sum() - below
        placements[order[mine]] = rightly[step[mine]]
    return placements
