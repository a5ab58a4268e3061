"""The ROC curve and what is read from it, in the terms of gamma-ray astronomy.

An event is kept if its score is at least the threshold. *Efficiency* is the part of the signal that
is kept (true positive rate), *acceptance* the part of the background that is kept (false positive
rate). Rows with equal scores are kept or dropped together, so a curve has one point for each
distinct score.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skysift.core.errors import UsageError
from skysift.evaluate.inputs import FloatArray, as_labels, as_score, as_weight

__all__ = [
    "RocCurve",
    "area_up_to",
    "auc",
    "efficiency_at_acceptance",
    "partial_auc",
    "quality_factor",
    "roc_curve",
    "standardised_area",
    "within_acceptance",
]

# Sums of weights carry rounding errors; 1e-12 forgives them and is far below one row in any table.
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class RocCurve:
    """Background acceptance and signal efficiency for each threshold, from none kept to all kept.

    Parameters
    ----------
    acceptance : array, shape (n_thresholds,)
        Part of the background with a score of at least the threshold; starts at 0, ends at 1.
    efficiency : array, shape (n_thresholds,)
        Part of the signal with a score of at least the threshold; starts at 0, ends at 1.
    thresholds : array, shape (n_thresholds,)
        Strictly decreasing; the first is infinity (nothing kept), the others are the distinct
        scores.
    """

    acceptance: FloatArray
    efficiency: FloatArray
    thresholds: FloatArray

    def __len__(self) -> int:
        return len(self.thresholds)

    @property
    def area(self) -> float:
        """Area under the curve, ties counted half."""
        return float(np.trapezoid(self.efficiency, self.acceptance))

    def efficiency_at(self, acceptance: ArrayLike) -> FloatArray:
        """Return the largest efficiency with a background acceptance of at most the given one.

        Parameters
        ----------
        acceptance : array_like, shape (m,) or ()
            Targets, 0 to 1.

        Returns
        -------
        array, shape (m,) or ()
            Efficiencies of the step curve: nothing is interpolated.
        """
        return self.efficiency[self.index_at(acceptance)]

    def index_at(self, acceptance: ArrayLike) -> NDArray[np.intp]:
        """Return the last point, as an index, with a background acceptance of at most the given."""
        target = np.asarray(acceptance, dtype=np.float64)
        if np.any(~((target >= 0) & (target <= 1))):
            raise UsageError(f"The acceptance {target} is not in [0, 1].", "Give a fraction.")
        return within_acceptance(self.acceptance, target) - 1

    def thinned(self, max_points: int = 2000) -> "RocCurve":
        """Return a curve of at most `max_points` (>= 2) of these points, for drawing.

        Points are spread evenly along the length of the curve on axes of log acceptance and linear
        efficiency, so that it looks the same on linear and on logarithmic axes; the ends stay.
        """
        if len(self) <= max_points:
            return self
        smallest = self.acceptance[self.acceptance > 0][0]
        log_acceptance = np.log10(np.maximum(self.acceptance, smallest))
        length = (
            np.concatenate([[0.0], np.cumsum(np.abs(np.diff(log_acceptance)))])
            + self.efficiency
            + self.acceptance
        )
        even = np.linspace(0.0, length[-1], max_points)
        keep = np.unique(np.searchsorted(length, even).clip(max=len(self) - 1))
        keep[0], keep[-1] = 0, len(self) - 1
        return RocCurve(self.acceptance[keep], self.efficiency[keep], self.thresholds[keep])


def roc_curve(y: ArrayLike, score: ArrayLike, sample_weight: ArrayLike | None = None) -> RocCurve:
    """Return the ROC curve with one point for each distinct score.

    Parameters
    ----------
    y : array_like of bool, shape (n,)
        True for signal.
    score : array_like, shape (n,)
        The larger, the more like signal.
    sample_weight : array_like, shape (n,), optional
        Weight of each row.

    Returns
    -------
    RocCurve
        At most n + 1 points.

    Raises
    ------
    InputError
        If the arrays do not fit together or a class is missing.

    Examples
    --------
    >>> curve = roc_curve([1, 0, 1, 0], [0.9, 0.7, 0.7, 0.1])
    >>> curve.acceptance, curve.efficiency
    (array([0. , 0. , 0.5, 1. ]), array([0. , 0.5, 1. , 1. ]))
    """
    signal = as_labels(y)
    values = as_score(score, len(signal))
    weight = as_weight(sample_weight, signal)
    order = np.argsort(-values, kind="stable")
    values, signal, weight = values[order], signal[order], weight[order]
    last = np.append(np.flatnonzero(np.diff(values)), len(values) - 1)
    kept_signal = np.cumsum(np.where(signal, weight, 0.0))[last]
    kept_background = np.cumsum(np.where(signal, 0.0, weight))[last]
    return RocCurve(
        acceptance=np.append(0.0, kept_background / kept_background[-1]),
        efficiency=np.append(0.0, kept_signal / kept_signal[-1]),
        thresholds=np.append(np.inf, values[last]),
    )


def auc(y: ArrayLike, score: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
    """Return the area under the ROC curve, ties counted half (the Mann-Whitney statistic).

    Parameters
    ----------
    y, score, sample_weight
        As for :func:`roc_curve`, shape (n,).

    Examples
    --------
    >>> auc([1, 0, 1, 0], [0.9, 0.7, 0.7, 0.1])
    0.875
    """
    return roc_curve(y, score, sample_weight).area


def partial_auc(
    y: ArrayLike,
    score: ArrayLike,
    *,
    max_acceptance: float,
    standardised: bool = False,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Return the area under the ROC curve from acceptance 0 to `max_acceptance`.

    Parameters
    ----------
    y, score, sample_weight
        As for :func:`roc_curve`, shape (n,).
    max_acceptance : float
        Largest background acceptance, 0 < max_acceptance <= 1. The curve is interpolated linearly
        there.
    standardised : bool
        Map the area to 0.5 for a curve on the diagonal and 1 for a perfect one (McClish 1989,
        Medical Decision Making 9, 190), so that it compares with a whole AUC.

    Raises
    ------
    UsageError
        If `max_acceptance` is out of range.
    """
    if not 0.0 < max_acceptance <= 1.0:
        raise UsageError(f"max_acceptance = {max_acceptance} is not in (0, 1].", "Give a fraction.")
    curve = roc_curve(y, score, sample_weight)
    area = float(area_up_to(curve.acceptance, curve.efficiency, max_acceptance))
    return float(standardised_area(area, max_acceptance)) if standardised else area


def area_up_to(acceptance: FloatArray, efficiency: FloatArray, max_acceptance: float) -> FloatArray:
    """Return the area under curves of straight segments from acceptance 0 to `max_acceptance`.

    Parameters
    ----------
    acceptance, efficiency : array, shape (..., n_thresholds)
        Points of one or of many curves, acceptance ascending from 0.
    max_acceptance : float
        Where the last segment is cut.

    Returns
    -------
    array, shape (...)
    """
    width = np.diff(acceptance, axis=-1)
    rise = np.diff(efficiency, axis=-1)
    inside = np.clip(max_acceptance - acceptance[..., :-1], 0.0, width)
    share = np.divide(inside, width, out=np.zeros_like(width), where=width > 0)
    return np.asarray(np.sum(inside * (efficiency[..., :-1] + share * rise / 2), axis=-1))


def standardised_area(area: ArrayLike, max_acceptance: float) -> FloatArray:
    """Return McClish's standardised partial area for a raw one."""
    diagonal = max_acceptance**2 / 2
    return np.asarray(0.5 * (1 + (np.asarray(area) - diagonal) / (max_acceptance - diagonal)))


def efficiency_at_acceptance(
    y: ArrayLike,
    score: ArrayLike,
    acceptance: float,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Return the largest signal efficiency with a background acceptance of at most `acceptance`.

    The rule is that of the exact step curve. Rows of equal score pass together, so a tie that would
    carry the acceptance over the target is left out as a whole, and the efficiency is 0 if even the
    highest score does so.

    Parameters
    ----------
    y, score, sample_weight
        As for :func:`roc_curve`, shape (n,).
    acceptance : float
        Target background acceptance, 0 to 1.

    Examples
    --------
    >>> efficiency_at_acceptance([1, 0, 1, 0], [0.9, 0.7, 0.7, 0.1], 0.1)
    0.5
    """
    return float(roc_curve(y, score, sample_weight).efficiency_at(acceptance))


def quality_factor(efficiency: ArrayLike, acceptance: ArrayLike) -> FloatArray:
    """Return efficiency / sqrt(acceptance): the gain in significance over no selection.

    It holds where background dominates (Li & Ma 1983, eq. 9 with few signal events among many).

    Parameters
    ----------
    efficiency, acceptance : array_like, same shape
        Signal efficiency and background acceptance, 0 to 1.

    Returns
    -------
    array, same shape
        Infinite where signal but no background passes, NaN where nothing passes.

    Examples
    --------
    >>> float(quality_factor(0.5, 0.0625))
    2.0
    """
    kept = np.asarray(efficiency, dtype=np.float64)
    root = np.sqrt(np.asarray(acceptance, dtype=np.float64))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(kept / root)


def within_acceptance(acceptance: FloatArray, target: ArrayLike) -> NDArray[np.intp]:
    """Return how many points of an ascending acceptance, shape (n,), are at most `target`."""
    limit = np.asarray(target, dtype=np.float64) * (1 + _ROUNDING)
    return np.asarray(np.searchsorted(acceptance, limit, side="right"))
