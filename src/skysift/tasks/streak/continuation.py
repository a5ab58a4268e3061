"""Go on from a trained model with other stamps."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

from skysift.core.bundle_schema import DataLicence
from skysift.core.continuation import (
    MARGIN,
    MOST_KEPT,
    ContinueOptions,
    Origin,
    child_of,
    remembering,
    simulated,
)
from skysift.core.errors import UsageError
from skysift.core.progress import Progress
from skysift.evaluate.intervals import mean_interval, wilson_interval
from skysift.evaluate.operating import points_to_store
from skysift.evaluate.updating import gain, with_judgement
from skysift.models.continued_boosting import boost_on
from skysift.models.fine_tuning import TuningOptions
from skysift.models.lessons import Mixed, Rows, mix, remembered, training_of
from skysift.models.plain_classifiers import BoostedTrees
from skysift.tasks.streak.model import POSITIVE, StreakModel, raw_probability, tempered
from skysift.tasks.streak.stamps import CLASSES, FEATURES, Stamps
from skysift.tasks.streak.training import ACCEPTANCES

__all__ = [
    "MARGIN",
    "MOST_KEPT",
    "go_on",
    "lessons",
    "losses",
    "origin_of",
    "recalled",
    "remembered",
    "remembering",
    "simulated",
]

_RATE = 0.05
_PULL = 0.5
"""Rows that a shift of a class by one in log-odds is worth: rare classes stay where they were."""

Floats = NDArray[np.float64]


def lessons(stamps: Stamps, parent: StreakModel) -> Rows:
    """Return what was measured on stamps, with the numbers of their classes.

    Raises
    ------
    UsageError
        If the parent is no boosted model.
    """
    _trees(parent)
    rows = stamps.rows
    known = np.isfinite(rows.features).all(axis=1)
    label = np.array([CLASSES.index(str(name)) for name in rows.label], dtype=np.float64)
    _, group = np.unique(rows.group, return_inverse=True)
    return Rows(rows.features[known], label[known], group[known].astype(np.int64))


def origin_of(stamps: Stamps) -> tuple[str, DataLicence]:
    """Return the name of the data, and their licence."""
    from skysift.tasks.streak.task import licence_of  # noqa: PLC0415  # that module imports this

    return f"{stamps.name}, {stamps.split}", licence_of(stamps)


def losses(rows: Rows, model: StreakModel) -> Floats:
    """Return the log loss of each stamp, shape (n,)."""
    said = tempered(raw_probability(model.estimator, _single(rows)), model.temperature)
    return np.asarray(-np.log(said[np.arange(len(rows)), rows.label.astype(int)]))


def go_on(
    parent: StreakModel,
    new: Rows,
    replay: Rows | None,
    options: ContinueOptions,
    rng: np.random.Generator,
    *,
    origin: Origin,
    progress: Progress,
) -> StreakModel:
    """Return a model that goes on from its parent; see :class:`Continuation`."""
    mixed = mix(new, replay, held_out=options.held_out, rng=rng)
    estimator, method = _continued(parent, mixed, options, rng, progress)
    held = mixed.rows.take(mixed.judge)
    truth = held.label.astype(int)
    shares = tuple(mixed.share(mixed.rows.label == number) for number in range(len(CLASSES)))
    child = child_of(
        parent,
        origin,
        estimator=estimator,
        temperature=1.0,
        shares=shares,
        prior=shares[CLASSES.index(POSITIVE)],
        training=training_of(mixed, new, origin),
        parameters=options.model_dump(mode="json", exclude_none=True),
    )
    split = f"{origin.data}, held out"
    said = raw_probability(estimator, _single(held))
    right = int((said.argmax(axis=1) == truth).sum())
    change = losses(held, child) - losses(held, parent)
    gained = gain(change, held.group, split=split)
    return replace(
        child,
        operating_points=points_to_store(
            truth == CLASSES.index(POSITIVE), said[:, CLASSES.index(POSITIVE)], ACCEPTANCES,
            split=split,
        ),
        metrics=(
            wilson_interval(right, len(held)).metric("accuracy", n=len(held), split=split),
            mean_interval(losses(held, child), groups=held.group).metric(
                "log_loss", n=len(held), split=split
            ),
        ),
        lineage=with_judgement(origin.lineage, gained, method=method),
    )  # fmt: skip


def recalled(data: bytes, model: StreakModel) -> Rows:
    """Return what was measured on stamps from the content of a file of a bundle."""
    del model  # all streak models see the same columns
    return Rows.of_bytes(data, len(FEATURES))


def _continued(
    parent: StreakModel,
    mixed: Mixed,
    options: ContinueOptions,
    rng: np.random.Generator,
    progress: Progress,
) -> tuple[BoostedTrees, str]:
    """Return trees that give probabilities without a temperature, and how they were made."""
    trees = _trees(parent)
    cooler = 1.0 / parent.temperature
    odds = cooler * trees.log_odds(_single(mixed.rows))
    place = np.array([CLASSES.index(str(name)) for name in trees.classes_])
    label = np.argsort(place)[mixed.rows.label.astype(int)]  # the trees have an order of their own
    if options.body == "frozen":
        rows = mixed.learned  # six numbers need no early stop
        factor, shift = _stretched(odds[rows], label[rows], mixed.weight[rows])
        return trees.changed(factor * cooler, shift), "a new temperature and shifts of the classes"
    seen = replace(mixed, rows=replace(mixed.rows, label=label))
    boosted = boost_on(
        odds,
        seen,
        TuningOptions.of(options, _RATE),
        rng,
        progress=lambda fraction: progress(fraction, "go on"),
    )
    none = np.zeros(len(CLASSES))
    return trees.changed(cooler, none, boosted.trees), boosted.told("more of each class")


def _stretched(odds: Floats, label: NDArray[Any], weight: Floats) -> tuple[float, Floats]:
    """Return the factor and the shifts of log-odds that fit rows best."""
    share = weight / weight.sum()

    def loss(parameters: Floats) -> float:
        said = log_softmax(np.exp(parameters[0]) * odds + parameters[1:], axis=1)
        pull = _PULL * float(parameters[1:] @ parameters[1:]) / len(label)
        return float(-share @ said[np.arange(len(label)), label]) + pull

    found = minimize(loss, np.zeros(odds.shape[1] + 1)).x
    return float(np.exp(found[0])), np.asarray(found[1:], dtype=np.float64)


def _trees(parent: StreakModel) -> BoostedTrees:
    if not isinstance(parent.estimator, BoostedTrees):
        raise UsageError(
            f"A {parent.family} cannot go on: its trees vote, and no tree mends another.",
            "Go on from gradient-boosted trees, or train a new one.",
        )
    return parent.estimator


def _single(rows: Rows) -> Floats:
    return np.asarray(rows.features, dtype=np.float64)
