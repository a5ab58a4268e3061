"""Going on from a model without forgetting: replay, and a test that the new one must pass.

Half of the reference rows of the old model are replayed while the new one learns; the other half is
kept from it and judges both, row by row. The new model is refused unless it is shown to be no worse
there than by a margin: a test of non-inferiority (Piaggio et al. 2012, JAMA 308, 2594), so that a
reference set that is too small to tell leads to a refusal and not to a worse model.
"""

from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skysift.core.bundle_schema import Lineage
from skysift.core.continuation import MARGIN, Continuation, ContinueOptions, Lessons, Origin
from skysift.core.errors import InputError, RefusedError
from skysift.core.progress import Progress, silent
from skysift.core.results import Metric
from skysift.evaluate.inputs import as_groups
from skysift.evaluate.intervals import Interval, mean_interval
from skysift.evaluate.probability import log_losses

__all__ = [
    "MARGIN",
    "Judgement",
    "gain",
    "judge",
    "paired_loss",
    "sample",
    "update",
    "with_judgement",
]

_ONE_SIDED = 0.90
"""Two-sided level whose upper limit is that of a one-sided test at 5 %."""

ModelT = TypeVar("ModelT")
LessonsT = TypeVar("LessonsT", bound=Lessons)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a new model does to rows of the old one's reference set.

    Parameters
    ----------
    difference : Interval
        Mean loss of the new model minus that of the old one, at 90 %: its upper limit is that of a
        one-sided test at 5 %.
    margin : float
        What the upper limit may not exceed.
    n : int
        Rows.
    """

    difference: Interval
    margin: float
    n: int

    @property
    def accepted(self) -> bool:
        """Whether the new model is shown to be no worse than by the margin."""
        return self.difference.high <= self.margin

    def metric(self, split: str) -> Metric:
        """Return the difference as it goes into a bundle."""
        return self.difference.metric("reference log_loss", n=self.n, split=split)


def judge(
    old: NDArray[np.float64],
    new: NDArray[np.float64],
    group: NDArray[np.int64],
    *,
    margin: float = MARGIN,
) -> Judgement:
    """Compare the losses of two models on the same rows.

    Parameters
    ----------
    old, new : arrays, shape (n,)
        Loss of each row.
    group : array of int, shape (n,)
        Rows of one group are not independent.
    margin : float
        What the new model may be worse by.

    Examples
    --------
    >>> loss = np.linspace(0.1, 0.5, 100)
    >>> judge(loss, loss + 0.001, np.arange(100)).accepted
    True
    >>> judge(loss, loss + 0.1, np.arange(100)).accepted
    False
    """
    difference = mean_interval(new - old, groups=as_groups(group, len(old)), confidence=_ONE_SIDED)
    return Judgement(difference, margin, len(old))


def _apart(reference: LessonsT, new: LessonsT) -> LessonsT:
    """Leave out groups with a row that is to be learned: they would flatter what learned it."""
    learned = set(new.fingerprints())
    twice = np.array([one in learned for one in reference.fingerprints()], dtype=bool)
    return reference.take(~np.isin(reference.group, reference.group[twice]))


def _halves(lessons: LessonsT, rng: np.random.Generator) -> tuple[LessonsT, LessonsT]:
    """Divide rows into two halves, group by group.

    Raises
    ------
    InputError
        If there is but one group.
    """
    groups = np.unique(lessons.group)
    if len(groups) < 2:  # noqa: PLR2004  # two halves
        raise InputError(
            "The reference set has fewer than two independent rows that are not among the new "
            "data.",
            "Give others with --reference.",
        )
    first = np.isin(lessons.group, rng.permutation(groups)[: len(groups) // 2])
    return lessons.take(first), lessons.take(~first)


def sample(lessons: LessonsT, most: int, rng: np.random.Generator) -> LessonsT:
    """Return at most so many rows, whole groups, drawn at random."""
    if len(lessons) <= most:
        return lessons
    order = rng.permutation(np.unique(lessons.group))
    place = np.argsort(order)[np.searchsorted(np.sort(order), lessons.group)]
    sizes = np.bincount(place, minlength=len(order))
    kept = max(int(np.searchsorted(np.cumsum(sizes), most, side="right")), 1)
    return lessons.take(np.flatnonzero(place < kept))


def update(
    continuation: Continuation[Any, ModelT],
    parent: ModelT,
    new: LessonsT,
    reference: LessonsT,
    options: ContinueOptions,
    *,
    rng: np.random.Generator,
    origin: Origin,
    margin: float = MARGIN,
    progress: Progress = silent,
) -> tuple[ModelT, Judgement]:
    """Learn new rows while old ones are replayed, and judge the result on old rows kept apart.

    Parameters
    ----------
    continuation : Continuation
        Of the task.
    parent : object
        The model to go on from.
    new, reference : Lessons
        What is to be learned, and what is not to be forgotten; rows of the reference that are
        among the new ones are left out.
    options : ContinueOptions
        How the model goes on.
    rng : numpy.random.Generator
        Draws halves, parts and steps.
    origin : Origin
        For the record.
    margin : float
        What the mean loss of old rows may rise by.
    progress : callable
        Called with the fraction done and what is being done.

    Returns
    -------
    model : object
        The new model.
    judgement : Judgement
        On the half of the reference set that was not replayed.

    Raises
    ------
    RefusedError
        If the new model is not shown to be as good as the old one, within the margin.
    """
    replay, kept = _halves(_apart(reference, new), rng)
    lineage = origin.lineage.model_copy(update={"replayed": len(replay)})
    record = replace(origin, lineage=lineage)
    model = continuation.go_on(parent, new, replay, options, rng, origin=record, progress=progress)
    judgement = judge(
        continuation.losses(kept, parent),
        continuation.losses(kept, model),
        kept.group,
        margin=margin,
    )
    if not judgement.accepted:
        found = judgement.difference
        raise RefusedError(
            f"The new model is not shown to be as good as its parent: on {judgement.n:,} reference "
            f"rows the mean loss changes by {found.value:+.4f} [{found.low:+.4f}, "
            f"{found.high:+.4f}] (90 %), and the margin is {margin:g}.",
            "Look at the labels of the new data; or give more --reference rows, a smaller --rate, "
            "--body frozen, or a wider --margin.",
        )
    return model, judgement


def paired_loss(
    y: ArrayLike, new: ArrayLike, old: ArrayLike, *, split: str, groups: ArrayLike | None = None
) -> Metric:
    """Return how much the mean log loss of new rows changes from a parent to its child.

    Parameters
    ----------
    y : array_like of bool, shape (n,)
        True for signal.
    new, old : array_like, shape (n,)
        Probability of signal by the child and by the parent.
    split : str
        Name of these rows, which neither has been fitted to.
    groups : array_like, shape (n,), optional
        Rows of one group are not independent.
    """
    return gain(log_losses(y, new) - log_losses(y, old), groups, split=split)


def gain(
    change: ArrayLike, groups: ArrayLike | None, *, split: str, name: str = "new log_loss"
) -> Metric:
    """Return the mean of what the loss of each new row changes by, with its interval.

    Parameters
    ----------
    change : array_like, shape (n,)
        Loss by the child minus loss by the parent.
    groups : array_like, shape (n,), or None
        Rows of one group are not independent; of a single group there is no interval.
    split : str
        Name of these rows.
    name : str
        Of the metric.
    """
    values = np.asarray(change, dtype=np.float64)
    split = f"{split}, child minus parent"
    if len(values) < 2 or (groups is not None and len(np.unique(groups)) < 2):  # noqa: PLR2004
        return Metric(name, float(values.mean()), n=len(values), split=split, method="one group")
    return mean_interval(values, groups=groups).metric(name, n=len(values), split=split)


def with_judgement(lineage: Lineage, judged: Metric, *, method: str | None = None) -> Lineage:
    """Return a lineage that tells what was measured, and what has moved."""
    told = {"judged": (*lineage.judged, judged)}
    return lineage.model_copy(update=told if method is None else {**told, "method": method})
