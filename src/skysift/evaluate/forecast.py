"""Skill of probabilistic yes/no forecasts, as space weather measures it.

A forecast is a probability of an event (a flare of class M in the next day). A threshold makes it a
warning; hits, false alarms, misses and correct quiet days make the scores. The true skill
statistic does not change with how rare events are, the Heidke score and the accuracy do (Bloomfield
et al. 2012, ApJL 747, L41). Probabilities are judged by their Brier skill score, against the
climatology of the *training* years: the mean of the judged years would be a forecast from the
future.

Thresholds belong to training data, chosen by :func:`best_threshold`. Rows of one active region, or
of one week, are not independent: intervals draw such blocks whole.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skysift.core.errors import InputError
from skysift.evaluate.inputs import (
    BoolArray,
    FloatArray,
    as_groups,
    as_labels,
    as_probability,
    as_weight,
    require_fraction,
)
from skysift.evaluate.intervals import Interval
from skysift.evaluate.resampling import bootstrap_rows

__all__ = [
    "Contingency",
    "best_threshold",
    "brier_skill_score",
    "contingency",
    "forecast_skill",
    "full_disk_probability",
]

_NAMES = ("tss", "hss", "bss", "auc", "accuracy")


@dataclass(frozen=True, slots=True)
class Contingency:
    """What became of warnings.

    Parameters
    ----------
    hits, false_alarms, misses, correct_negatives : float
        Events with and without a warning are hits and misses; quiet times with and without one are
        false alarms and correct negatives. Weighted, they need not be whole numbers.

    Examples
    --------
    Finley's forecasts of tornadoes of 1884, which were called 96.6 % right:

    >>> finley = Contingency(hits=28, false_alarms=72, misses=23, correct_negatives=2680)
    >>> round(finley.accuracy, 3), round(finley.tss, 3), round(finley.hss, 3)
    (0.966, 0.523, 0.355)
    """

    hits: float
    false_alarms: float
    misses: float
    correct_negatives: float

    @property
    def total(self) -> float:
        """All forecasts."""
        return self.hits + self.false_alarms + self.misses + self.correct_negatives

    @property
    def accuracy(self) -> float:
        """Share of forecasts that came true."""
        return (self.hits + self.correct_negatives) / self.total

    @property
    def detection(self) -> float:
        """Share of events with a warning (POD)."""
        return self.hits / (self.hits + self.misses)

    @property
    def false_detection(self) -> float:
        """Share of quiet times with a warning (POFD)."""
        return self.false_alarms / (self.false_alarms + self.correct_negatives)

    @property
    def false_alarm_ratio(self) -> float:
        """Share of warnings without an event; NaN if there was no warning."""
        warnings = self.hits + self.false_alarms
        return self.false_alarms / warnings if warnings > 0 else float("nan")

    @property
    def frequency_bias(self) -> float:
        """Warnings per event."""
        return (self.hits + self.false_alarms) / (self.hits + self.misses)

    @property
    def tss(self) -> float:
        """True skill statistic, POD - POFD (Peirce 1884, Science 4, 453)."""
        return self.detection - self.false_detection

    @property
    def hss(self) -> float:
        """Heidke skill score: gain in accuracy over chance, of what can be gained at most.

        Heidke (1926), Geografiska Annaler 8, 301.
        """
        return float(_heidke(*np.array(self.cells)))

    @property
    def cells(self) -> tuple[float, float, float, float]:
        """Hits, false alarms, misses, correct negatives."""
        return self.hits, self.false_alarms, self.misses, self.correct_negatives


def contingency(
    y: ArrayLike,
    probability: ArrayLike,
    threshold: float,
    sample_weight: ArrayLike | None = None,
) -> Contingency:
    """Count what became of the warnings that a threshold gives.

    Parameters
    ----------
    y : array_like of bool or {0, 1}, shape (n,)
        Whether there was an event.
    probability : array_like, shape (n,)
        That was forecast.
    threshold : float
        A probability as high is a warning.
    sample_weight : array_like, shape (n,), optional

    Raises
    ------
    InputError
        If rows do not fit each other, or events or quiet times are missing.
    """
    event = as_labels(y)
    weight = as_weight(sample_weight, event)
    warned = as_probability(probability, len(event)) >= threshold
    cells = _cells(weight[None], event, warned)[:, 0]
    return Contingency(*(float(cell) for cell in cells))


def best_threshold(
    y: ArrayLike, probability: ArrayLike, sample_weight: ArrayLike | None = None
) -> float:
    """Return the threshold with the highest true skill statistic; of several the lowest.

    To be asked of training or validation data, never of those that a result is quoted for. It lies
    halfway between two forecasts, so that it does not hang on the last digit of one.

    Examples
    --------
    >>> round(best_threshold([0, 0, 1, 1], [0.1, 0.3, 0.5, 0.9]), 3)
    0.4
    """
    event = as_labels(y)
    weight = as_weight(sample_weight, event)
    p = as_probability(probability, len(event))
    value, place = np.unique(p, return_inverse=True)
    of_events = np.bincount(place, weight * event, len(value))
    of_quiet = np.bincount(place, weight * ~event, len(value))
    # Warnings from value[i] on: what lies below it is left out.
    detection = 1 - (np.cumsum(of_events) - of_events) / of_events.sum()
    false_detection = 1 - (np.cumsum(of_quiet) - of_quiet) / of_quiet.sum()
    best = int(np.argmax(detection - false_detection))
    if best == 0:
        return float(value[0])
    halfway = (value[best - 1] + value[best]) / 2
    return float(max(halfway, np.nextafter(value[best - 1], 1)))  # halves of tiny numbers are zero


def brier_skill_score(
    y: ArrayLike,
    probability: ArrayLike,
    climatology: ArrayLike,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Return 1 - BS / BS of climatology: 1 is perfect, 0 is no better than climatology.

    Parameters
    ----------
    y : array_like of bool or {0, 1}, shape (n,)
        Whether there was an event.
    probability : array_like, shape (n,)
        That was forecast.
    climatology : float or array_like, shape (n,)
        The reference's: usually the share of events in the training years.
    sample_weight : array_like, shape (n,), optional

    Raises
    ------
    InputError
        If rows do not fit each other, or the climatology is without an error: nothing is better.

    Examples
    --------
    >>> brier_skill_score([0, 0, 0, 1], [0.0, 0.0, 0.0, 1.0], 0.25)
    1.0
    """
    event = as_labels(y)
    weight = as_weight(sample_weight, event)
    p = as_probability(probability, len(event))
    reference = _reference(climatology, len(event))
    of_reference = weight @ (reference - event) ** 2
    _require_error(float(of_reference))
    return float(1 - weight @ (p - event) ** 2 / of_reference)


def forecast_skill(
    y: ArrayLike,
    probability: ArrayLike,
    *,
    threshold: float,
    climatology: ArrayLike,
    blocks: ArrayLike,
    rng: np.random.Generator,
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
) -> Mapping[str, Interval]:
    """Return the scores of a forecast with intervals that know of repeated regions or weeks.

    Parameters
    ----------
    y : array_like of bool or {0, 1}, shape (n,)
        Whether there was an event.
    probability : array_like, shape (n,)
        That was forecast.
    threshold : float
        From training data; see :func:`best_threshold`.
    climatology : float or array_like, shape (n,)
        Reference of the Brier skill score, from training data.
    blocks : array_like, shape (n,)
        Rows of one block (a region, a week) are drawn together.
    rng : numpy.random.Generator
    n_bootstrap : int
    confidence : float

    Returns
    -------
    mapping of str to Interval
        ``tss``, ``hss``, ``bss``, ``auc`` and, last, ``accuracy``. A draw without events or
        without quiet times has no scores and is left out.

    Raises
    ------
    InputError
        If rows do not fit each other, there is one block only, or the climatology is without an
        error.
    """
    event = as_labels(y)
    p = as_probability(probability, len(event))
    reference = _reference(climatology, len(event))
    warned = p >= threshold
    order = np.argsort(p, kind="stable")
    start = np.concatenate([[0], np.flatnonzero(np.diff(p[order])) + 1])
    losses = (p - event) ** 2, (reference - event) ** 2
    _require_error(float(losses[1].sum()))

    def scores(weight: FloatArray) -> FloatArray:
        with np.errstate(divide="ignore", invalid="ignore"):  # a draw may lack a class
            hits, false_alarms, misses, correct = _cells(weight, event, warned)
            tss = hits / (hits + misses) - false_alarms / (false_alarms + correct)
            hss = _heidke(hits, false_alarms, misses, correct)
            bss = 1 - weight @ losses[0] / (weight @ losses[1])
            accuracy = (hits + correct) / weight.sum(axis=1)
            area = _area(weight[:, order], event[order], start)
        return np.stack([tss, hss, bss, area, accuracy], axis=1)

    drawn = bootstrap_rows(
        scores, len(event), rng=rng, groups=as_groups(blocks, len(event)), n_bootstrap=n_bootstrap
    )
    return {
        name: drawn.interval(column, confidence=confidence) for column, name in enumerate(_NAMES)
    }


def full_disk_probability(
    probability: ArrayLike, disk: ArrayLike
) -> tuple[NDArray[np.generic], FloatArray]:
    """Return the probability of at least one event on each disk, 1 - prod (1 - p).

    Regions are taken to flare independently of one another. A disk without regions has no row, and
    so no answer here: its probability is that of a region not yet seen.

    Parameters
    ----------
    probability : array_like, shape (n,)
        Of each region.
    disk : array_like, shape (n,)
        The image or the day that a region belongs to.

    Returns
    -------
    disks : array, shape (k,)
        Each once, sorted.
    probability : array, shape (k,)

    Examples
    --------
    >>> disks, p = full_disk_probability([0.5, 0.5, 0.1], ["a", "a", "b"])
    >>> disks.tolist(), p.round(2).tolist()
    (['a', 'b'], [0.75, 0.1])
    """
    names, place = np.unique(np.asarray(disk), return_inverse=True)
    p = as_probability(probability, len(place))
    with np.errstate(divide="ignore"):  # a certain flare has a logarithm of minus infinity
        none = np.bincount(place, np.log1p(-p), len(names))
    return names, -np.expm1(none)


def _reference(climatology: ArrayLike, n: int) -> FloatArray:
    given = np.asarray(climatology, dtype=np.float64)
    if given.ndim == 0:
        return np.full(n, require_fraction("climatology", float(given)))
    if given.shape != (n,):
        raise InputError(
            f"The climatology has shape {given.shape} for {n} forecasts.",
            "Give one number, or one per forecast.",
        )
    return as_probability(given, n)


def _require_error(loss: float) -> None:
    """Refuse a climatology that is right in every row: skill is a share of its error."""
    if not loss > 0:
        raise InputError(
            "The climatology is right in every row, so that no forecast has skill beyond it.",
            "Give the share of events in the training years, between 0 and 1.",
        )


def _cells(weight: FloatArray, event: BoolArray, warned: BoolArray) -> FloatArray:
    """Return hits, false alarms, misses, correct negatives, shape (4, b), of weights (b, n)."""
    kinds = (event & warned, ~event & warned, event & ~warned, ~event & ~warned)
    return np.stack([weight @ kind.astype(np.float64) for kind in kinds])


def _heidke(
    hits: FloatArray, false_alarms: FloatArray, misses: FloatArray, correct: FloatArray
) -> FloatArray:
    events, quiet = hits + misses, false_alarms + correct
    chance = events * (misses + correct) + (hits + false_alarms) * quiet
    return np.asarray(2 * (hits * correct - false_alarms * misses) / chance)


def _area(weight: FloatArray, event: BoolArray, start: NDArray[np.intp]) -> FloatArray:
    """Return areas under the ROC curve, shape (b,), of rows sorted by forecast; ties count half."""
    of_events = np.add.reduceat(weight * event, start, axis=1)
    of_quiet = np.add.reduceat(weight * ~event, start, axis=1)
    below = np.cumsum(of_quiet, axis=1) - of_quiet / 2
    ordered = (of_events * below).sum(axis=1)
    return np.asarray(ordered / (of_events.sum(axis=1) * of_quiet.sum(axis=1)))
