"""Operating points: a threshold chosen on one set of rows and measured on another.

A threshold that was chosen on the rows on which it is then measured looks better than it is. An
:class:`OperatingPoint` therefore says on which rows it was chosen and on which it was measured, and
:meth:`OperatingPoint.measure` makes the second from the first without choosing again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np
from astropy import units as u
from numpy.typing import ArrayLike, NDArray

from skysift.core import bundle_schema
from skysift.core.errors import InputError, UsageError
from skysift.evaluate.counts import asimov_significance, in_unit
from skysift.evaluate.inputs import (
    BoolArray,
    FloatArray,
    as_labels,
    as_score,
    as_weight,
    require_fraction,
)
from skysift.evaluate.intervals import Interval, wilson_interval
from skysift.evaluate.roc import RocCurve, roc_curve

__all__ = [
    "Confusion",
    "OperatingPoint",
    "by_acceptance",
    "by_significance",
    "points_to_store",
    "weighted_wilson",
]


@dataclass(frozen=True, slots=True)
class Confusion:
    """Rows by true class and by decision (numbers of rows, whatever their weights).

    Parameters
    ----------
    signal_kept, signal_dropped, background_kept, background_dropped : int
        Numbers of rows.
    """

    signal_kept: int
    signal_dropped: int
    background_kept: int
    background_dropped: int

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.matrix.sum())

    @property
    def correct(self) -> int:
        """Number of rows with the right decision."""
        return self.signal_kept + self.background_dropped

    @property
    def matrix(self) -> NDArray[np.int64]:
        """Counts, shape (2, 2): rows are true signal and background, columns kept and dropped."""
        return np.array(
            [
                [self.signal_kept, self.signal_dropped],
                [self.background_kept, self.background_dropped],
            ],
            dtype=np.int64,
        )

    def accuracy(self, confidence: float = 0.95) -> Interval:
        """Return the part of the rows with the right decision, with Wilson's interval."""
        return wilson_interval(self.correct, self.n, confidence=confidence)


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """A threshold, how it was chosen, and what it does to signal and background.

    Parameters
    ----------
    threshold : float
        An event is kept if its score is at least this.
    rule : str
        How the threshold was chosen, e.g. ``background acceptance <= 0.01``.
    chosen_on, measured_on : str
        Names of the rows that chose the threshold, and of those that gave the numbers below.
    efficiency, acceptance : Interval
        Parts of signal and of background that are kept, with Wilson's interval for a fixed
        threshold. On the rows that chose the threshold the interval ignores that choice.
    confusion : Confusion
        Numbers of rows.
    """

    threshold: float
    rule: str
    chosen_on: str
    measured_on: str
    efficiency: Interval
    acceptance: Interval
    confusion: Confusion

    def keep(self, score: ArrayLike) -> BoolArray:
        """Return which events are kept, shape (n,); an undefined score is not."""
        return np.asarray(np.asarray(score, dtype=np.float64) >= self.threshold)

    def measure(
        self,
        y: ArrayLike,
        score: ArrayLike,
        *,
        split: str,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Return the same threshold with what it does to other rows.

        Parameters
        ----------
        y : array_like of bool, shape (n,)
            True for signal.
        score : array_like, shape (n,)
            The larger, the more like signal.
        split : str
            Name of these rows.
        sample_weight : array_like, shape (n,), optional
            Weight of each row.
        """
        signal = as_labels(y)
        values = as_score(score, len(signal))
        weight = as_weight(sample_weight, signal)
        kept = self.keep(values)
        confidence = self.efficiency.confidence
        return replace(
            self,
            measured_on=split,
            efficiency=weighted_wilson(kept[signal], weight[signal], confidence),
            acceptance=weighted_wilson(kept[~signal], weight[~signal], confidence),
            confusion=_confusion(signal, kept),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready mapping."""
        return asdict(self)

    @classmethod
    def from_dict(cls, mapping: Mapping[str, Any]) -> Self:
        """Return the operating point that :meth:`to_dict` described.

        Raises
        ------
        InputError
            If an entry is missing or unknown.
        """
        try:
            entries = dict(mapping)
            entries["efficiency"] = Interval(**entries["efficiency"])
            entries["acceptance"] = Interval(**entries["acceptance"])
            entries["confusion"] = Confusion(**entries["confusion"])
            return cls(**entries)
        except (KeyError, TypeError) as error:
            raise InputError(
                f"This is no operating point: {error}.", "Write it with OperatingPoint.to_dict."
            ) from None


def by_acceptance(
    y: ArrayLike,
    score: ArrayLike,
    acceptance: float,
    *,
    split: str,
    confidence: float = 0.95,
    sample_weight: ArrayLike | None = None,
) -> OperatingPoint:
    """Choose the threshold of largest efficiency with a background acceptance of at most a target.

    Parameters
    ----------
    y : array_like of bool, shape (n,)
        True for signal.
    score : array_like, shape (n,)
        The larger, the more like signal.
    acceptance : float
        Target background acceptance, 0 < acceptance < 1.
    split : str
        Name of these rows.
    confidence : float
        Confidence level of the intervals.
    sample_weight : array_like, shape (n,), optional
        Weight of each row.

    Raises
    ------
    InputError
        If even the highest score lets more background pass (a tie).

    Examples
    --------
    >>> point = by_acceptance([1, 0, 1, 0], [0.9, 0.7, 0.7, 0.1], 0.5, split="validation")
    >>> point.threshold, point.efficiency.value, point.acceptance.value
    (0.7, 1.0, 0.5)
    """
    target = require_fraction("acceptance", acceptance)
    curve = roc_curve(y, score, sample_weight)
    chosen = int(curve.index_at(target))
    if chosen == 0:
        raise InputError(
            f"{curve.acceptance[1]:.3g} of the background shares the highest score, more than "
            f"{target:g}.",
            "Ask for a larger acceptance, or use a score with fewer ties.",
        )
    rule = f"background acceptance <= {target:g}"
    return _at(curve.thresholds[chosen], rule, split, confidence).measure(
        y, score, split=split, sample_weight=sample_weight
    )


def points_to_store(
    y: ArrayLike, score: ArrayLike, acceptances: Sequence[float], *, split: str
) -> tuple[bundle_schema.OperatingPoint, ...]:
    """Return the operating points of a bundle, for each acceptance that the rows can resolve.

    Parameters
    ----------
    y : array_like of bool, shape (n,)
        True for signal.
    score : array_like, shape (n,)
        Of rows that the scoring model has not been trained on.
    acceptances : sequence of float
        Target background acceptances.
    split : str
        Name of these rows.
    """
    n_background = int(np.sum(~np.asarray(y, dtype=bool)))
    points = []
    for acceptance in acceptances:
        if acceptance * n_background < 1:
            continue
        try:
            point = by_acceptance(y, score, acceptance, split=split)
        except InputError:  # more background rows share the highest score than may pass
            continue
        points.append(
            bundle_schema.OperatingPoint(
                name=f"acceptance-{acceptance:g}",
                threshold=point.threshold,
                acceptance=point.acceptance.value,
                efficiency=point.efficiency.value,
                chosen_on=split,
                method=point.rule,
                low=point.efficiency.low,
                high=point.efficiency.high,
            )
        )
    return tuple(points)


def by_significance(
    y: ArrayLike,
    score: ArrayLike,
    *,
    signal_rate: u.Quantity,
    background_rate: u.Quantity,
    livetime: u.Quantity,
    alpha: float,
    split: str,
    min_background: int = 10,
    confidence: float = 0.95,
    sample_weight: ArrayLike | None = None,
) -> OperatingPoint:
    """Choose the threshold of largest expected Li & Ma significance.

    Parameters
    ----------
    y, score, split, confidence, sample_weight
        As for :func:`by_acceptance`.
    signal_rate, background_rate : `~astropy.units.Quantity`, 1 / time
        Rates in the on region before this selection.
    livetime : `~astropy.units.Quantity`, time
        Length of the observation that the threshold is to serve.
    alpha : float
        On exposure over off exposure.
    min_background : int
        Thresholds that fewer background rows than this pass are not considered: the acceptance
        there is a guess, and 0 would promise any significance.

    Raises
    ------
    InputError
        If there are fewer background rows than `min_background`.
    UsageError
        If a rate or the livetime is not positive or has no unit.
    """
    rates = {
        name: float(in_unit(name, value, unit))
        for name, value, unit in (
            ("signal_rate", signal_rate, u.s**-1),
            ("background_rate", background_rate, u.s**-1),
            ("livetime", livetime, u.s),
        )
    }
    for name, value in rates.items():
        if not (np.isfinite(value) and value > 0):
            raise UsageError(f"{name} = {value} is not positive.", "Give a positive quantity.")
    curve = roc_curve(y, score, sample_weight)
    allowed = _background_rows_kept(y, score, curve) >= min_background
    if not allowed.any():
        raise InputError(
            f"There are fewer than {min_background} background rows.",
            "Give more background, or lower min_background.",
        )
    significance = asimov_significance(
        rates["signal_rate"] * rates["livetime"] * curve.efficiency,
        rates["background_rate"] * rates["livetime"] * curve.acceptance,
        alpha,
    )
    chosen = int(np.argmax(np.where(allowed, significance, -np.inf)))
    rule = (
        f"largest expected Li & Ma significance ({significance[chosen]:.2f}) for "
        f"{rates['signal_rate']:g}/s of signal and {rates['background_rate']:g}/s of background in "
        f"{rates['livetime']:g} s, alpha = {alpha:g}"
    )
    return _at(curve.thresholds[chosen], rule, split, confidence).measure(
        y, score, split=split, sample_weight=sample_weight
    )


def weighted_wilson(kept: BoolArray, weight: FloatArray, confidence: float) -> Interval:
    """Return a weighted part, with Wilson's interval for the effective number of rows (Kish)."""
    total = weight.sum()
    effective = total**2 / np.sum(weight**2)
    part = min(float(weight[kept].sum() / total), 1.0)
    return wilson_interval(part * effective, effective, confidence=confidence)


def _at(threshold: float, rule: str, split: str, confidence: float) -> OperatingPoint:
    unknown = Interval(np.nan, 0.0, 1.0, confidence, "Wilson")
    return OperatingPoint(
        float(threshold), rule, split, split, unknown, unknown, Confusion(0, 0, 0, 0)
    )


def _confusion(signal: BoolArray, kept: BoolArray) -> Confusion:
    return Confusion(
        signal_kept=int(np.sum(signal & kept)),
        signal_dropped=int(np.sum(signal & ~kept)),
        background_kept=int(np.sum(~signal & kept)),
        background_dropped=int(np.sum(~signal & ~kept)),
    )


def _background_rows_kept(y: ArrayLike, score: ArrayLike, curve: RocCurve) -> NDArray[np.intp]:
    """Return how many background rows, unweighted, pass each threshold of the curve."""
    background = np.sort(np.asarray(score, dtype=np.float64)[~as_labels(y)])
    return len(background) - np.searchsorted(background, curve.thresholds, side="left")
