"""How every metric of a task moves when the data shift: the same rows, drawn alike, in pairs."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skysift.core.progress import Progress, silent
from skysift.core.stress import Answered, Measure, Shift, StressTest

__all__ = [
    "Stressed",
    "auc",
    "mean",
    "measures_of_rows",
    "of_rows",
    "quantile",
    "stress",
    "tss",
]

_DRAWS = 300
_TINY = 1e-9  # less is rounding

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Floats]


@dataclass(frozen=True, slots=True)
class Stressed:
    """One metric under one shift of one size.

    Parameters
    ----------
    shift, metric : str
        Their names.
    size : float
        Of the shift.
    value, low, high : float or None
        The metric and its 95 % interval; None where it is not defined.
    change, change_low, change_high : float or None
        Less the metric without a shift, of the same rows.
    """

    shift: str
    metric: str
    size: float
    value: float | None
    low: float | None
    high: float | None
    change: float | None
    change_low: float | None
    change_high: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready mapping."""
        return {**asdict(self), "is_certain": self.is_certain}

    @property
    def is_certain(self) -> bool:
        """Whether the interval of the change leaves out zero."""
        if self.change_low is None or self.change_high is None:
            return False
        return self.change_low > _TINY or self.change_high < -_TINY


def stress(
    test: StressTest[Any, Any],
    prepared: Any,
    model: Any,
    *,
    seed: int,
    draws: int = _DRAWS,
    progress: Progress = silent,
) -> tuple[Answered, list[Stressed]]:
    """Put data under every shift of a task, and measure the answers of a model.

    Parameters
    ----------
    test : StressTest
        The task's.
    prepared : object
        What it prepared: n rows.
    model : object
        What answers.
    seed : int
        Of the bootstrap and of the shifts; all sizes of one shift share their random numbers.
    draws : int
        Of the bootstrap, which draws blocks; the same for all shifts, so that changes are paired.
    progress : callable
        Called with the fraction done and what is being done.

    Returns
    -------
    Answered
        The answers without a shift.
    list of Stressed
        By shift, size and metric.
    """
    shifts = test.shifts(prepared)
    steps = 1 + sum(len(shift.sizes) - 1 for shift in shifts)
    progress(0.0, "without a shift")
    base = test.answered(prepared, model)
    weights = _weights(base.blocks, draws, np.random.default_rng([seed, 0]))
    before = _measured(base, weights)
    found, done = [], 1
    for number, shift in enumerate(shifts, 1):
        for size in shift.sizes:
            answers = base
            if size != shift.none:
                progress(done / steps, f"{shift.title}: {size:g}")
                done += 1
                rng = np.random.default_rng([seed, number])
                shifted = shift.apply(prepared, size, rng)
                answers = base if shifted is prepared else test.answered(shifted, model)
            weighed = weights if shift.weigh is None else weights * shift.weigh(prepared, size)
            after = _measured(answers, weighed)
            found += [
                _compared(shift, size, name, after[name], before[name]) for name in base.measures
            ]
    return base, found


def mean(values: ArrayLike, among: ArrayLike | None = None) -> Statistic:
    """Return the mean of values, or a share of flags, as a statistic of weights.

    Parameters
    ----------
    values : array_like, shape (n,)
    among : array_like of bool, shape (n,), optional
        The rows that count.

    Examples
    --------
    >>> mean([1.0, 0.0, 5.0], [True, True, False])(np.array([[1.0, 3.0, 1.0]])).tolist()
    [0.25]
    """
    some = np.asarray(values, dtype=np.float64)
    chosen = np.ones(len(some), bool) if among is None else np.asarray(among, dtype=bool)
    kept, those = np.where(chosen, some, 0.0), chosen.astype(np.float64)

    def statistic(weight: Floats) -> Floats:
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray((weight @ kept) / (weight @ those))

    return statistic


def tss(warned: ArrayLike, event: ArrayLike, among: ArrayLike | None = None) -> Statistic:
    """Return the true skill statistic as a statistic of weights.

    That is the share of events that were warned of, less that of the other rows.

    Parameters
    ----------
    warned, event : array_like of bool, shape (n,)
    among : array_like of bool, shape (n,), optional
        The rows that count.

    Examples
    --------
    >>> tss([True, False, True, False], [True, True, False, False])(np.ones((1, 4))).tolist()
    [0.0]
    """
    truth = np.asarray(event, dtype=bool)
    chosen = np.ones(len(truth), bool) if among is None else np.asarray(among, dtype=bool)
    caught, false = mean(warned, chosen & truth), mean(warned, chosen & ~truth)
    return lambda weight: caught(weight) - false(weight)


def of_rows(statistic: Statistic, rows: NDArray[np.int64] | slice) -> Statistic:
    """Return a statistic of some rows as one of the weights of all."""
    return lambda weight: statistic(weight[:, rows])


def measures_of_rows(
    measures: Mapping[str, Measure], rows: NDArray[np.int64] | slice
) -> dict[str, Measure]:
    """Return measures of some rows as those of the weights of all."""
    return {
        name: replace(one, statistic=of_rows(one.statistic, rows)) for name, one in measures.items()
    }


def quantile(values: ArrayLike, level: float, among: ArrayLike) -> Statistic:
    """Return a quantile of the values of some rows as a statistic of weights.

    Parameters
    ----------
    values : array_like, shape (n,)
    level : float
        0.5 for the median.
    among : array_like of bool, shape (n,)
        The rows that count.
    """
    some = np.asarray(values, dtype=np.float64)
    rows = np.flatnonzero(np.asarray(among, dtype=bool))
    rows = rows[np.argsort(some[rows], kind="stable")]

    def statistic(weight: Floats) -> Floats:
        if not len(rows):
            return np.full(len(weight), np.nan)
        summed = np.cumsum(weight[:, rows], axis=1)
        place = (summed >= level * summed[:, -1:]).argmax(axis=1)
        return np.asarray(np.where(summed[:, -1] > 0, some[rows][place], np.nan))

    return statistic


def auc(signal: ArrayLike, score: ArrayLike) -> Statistic:
    """Return the area under the ROC curve as a statistic of weights; ties count half.

    Parameters
    ----------
    signal : array_like of bool, shape (n,)
    score : array_like, shape (n,)
        Higher for signal; NaN rows are ranked last.

    Examples
    --------
    >>> auc([True, False, True], [0.9, 0.4, 0.3])(np.ones((1, 3))).tolist()
    [0.5]
    """
    truth = np.asarray(signal, dtype=bool)
    values = np.nan_to_num(np.asarray(score, dtype=np.float64), nan=-np.inf)
    order = np.argsort(values, kind="stable")
    ranked = values[order]
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])

    def statistic(weight: Floats) -> Floats:
        sorted_weight = weight[:, order]
        positive = np.add.reduceat(sorted_weight * truth[order], starts, axis=1)
        negative = np.add.reduceat(sorted_weight * ~truth[order], starts, axis=1)
        below = np.cumsum(negative, axis=1) - negative / 2
        pairs = positive.sum(axis=1) * negative.sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray((positive * below).sum(axis=1) / pairs)

    return statistic


def _weights(blocks: NDArray[np.int64], draws: int, rng: np.random.Generator) -> Floats:
    """Return how often each row counts: once, then in each draw of blocks, shape (draws + 1, n)."""
    names, block = np.unique(blocks, return_inverse=True)
    each = np.full(len(names), 1.0 / len(names))
    drawn = rng.multinomial(len(names), each, size=draws).astype(np.float64)
    return np.concatenate([np.ones((1, len(block))), drawn[:, block]])


def _measured(answers: Answered, weights: Floats) -> dict[str, Floats]:
    return {name: measure.statistic(weights) for name, measure in answers.measures.items()}


def _compared(shift: Shift, size: float, name: str, after: Floats, before: Floats) -> Stressed:
    value, low, high = _limits(after)
    change, change_low, change_high = _limits(after - before)
    return Stressed(shift.name, name, size, value, low, high, change, change_low, change_high)


def _limits(values: Floats) -> tuple[float | None, float | None, float | None]:
    """Return the value itself, and the limits that 95 % of its draws lie within."""
    drawn = values[1:][np.isfinite(values[1:])]
    if not np.isfinite(values[0]) or not len(drawn):
        return None, None, None
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(values[0]), float(low), float(high)
