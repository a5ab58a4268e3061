"""Several models on the same stamps, each scored on objects that it has not seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.progress import Progress
from skysift.core.results import Metric
from skysift.core.spread import spread_map
from skysift.data.table import FeatureTable
from skysift.evaluate.intervals import mcnemar
from skysift.evaluate.resampling import bootstrap_rows
from skysift.tasks.streak.model import by_cuts, raw_probability, tempered
from skysift.tasks.streak.options import CompareOptions
from skysift.tasks.streak.stamps import CLASSES, Rows, Stamps
from skysift.tasks.streak.training import FAMILIES, build, folds_of, out_of_fold, temperature_of

__all__ = ["cross_validate", "standings"]

_DRAWS = 500
_TINY = 1e-7
_INNER_FOLDS = 2
_CUTS = "cuts"


def cross_validate(
    stamps: Stamps, options: CompareOptions, *, seed: int, progress: Progress
) -> dict[str, NDArray[np.float64]]:
    """Return probabilities of all classes by models that had not seen the object.

    Parameters
    ----------
    stamps : Stamps
        n labelled stamps.
    options : CompareOptions
        Which models, and the folds.
    seed : int
        Of the folds, which are the same for every model, and of the trees.
    progress : callable
        Called with the fraction done and what is being done.

    Returns
    -------
    dict of str to array, shape (n, 5)
        By name of the model; the cuts give ones and zeros.
    """
    progress(0.0, "fit a trail to each stamp")
    rows = stamps.rows
    learned = [name for name in options.models if name != _CUTS]
    lessons = [_Lesson(rows, name, options.folds, seed) for name in learned]
    said = dict[str, NDArray[np.float64]]()
    for number, answer in enumerate(spread_map(_of_model, lessons)):
        progress(0.6 + 0.3 * (number + 1) / len(learned), f"cross-validated {learned[number]}")
        said[learned[number]] = answer
    if _CUTS in options.models:
        by_class = by_cuts(stamps.measured)[:, None] == np.array(CLASSES)
        said[_CUTS] = by_class.astype(np.float64)
    return {name: said[name] for name in options.models}


def standings(scores: FeatureTable, models: Sequence[str]) -> list[dict[str, Any]]:
    """Return accuracy and log loss of each model with their intervals, the most accurate first.

    Parameters
    ----------
    scores : FeatureTable
        With ``label``, ``group`` and the columns ``p_CLASS of MODEL``.
    models : sequence of str
        Their names.
    """
    label = scores["label"].astype(np.str_)
    truth = np.array([CLASSES.index(name) for name in label])
    group = np.unique(scores["group"].astype(np.str_), return_inverse=True)[1]
    right, loss = {}, {}
    for name in models:
        said = scores.matrix([f"p_{one} of {name}" for one in CLASSES])
        right[name] = said.argmax(axis=1) == truth
        loss[name] = -np.log(np.clip(said[np.arange(len(truth)), truth], _TINY, 1.0))
    values = np.stack([*right.values(), *loss.values()], axis=1).astype(np.float64)
    drawn = bootstrap_rows(
        lambda weight: (weight @ values) / weight.sum(axis=1, keepdims=True),
        len(truth),
        rng=np.random.default_rng(0),
        groups=group,
        n_bootstrap=_DRAWS,
    )
    best = max(models, key=lambda name: float(right[name].mean()))
    rows = []
    for place, name in enumerate(models):
        accuracy, losses = drawn.interval(place), drawn.interval(len(models) + place)
        row: dict[str, Any] = {
            "model": FAMILIES.get(name, name),
            "name": name,
            "accuracy": accuracy.metric("accuracy", n=len(truth), split="").to_dict(),
            "log_loss": losses.metric("log_loss", n=len(truth), split="").to_dict(),
            "p_against_best": mcnemar(right[best], right[name]).p_value if name != best else None,
        }
        if name == _CUTS:
            row["log_loss"] = None  # they give no probability
        rows.append(row)
    return sorted(rows, key=lambda row: -row["accuracy"]["value"])


def metric_of(entry: dict[str, Any] | None) -> Metric | None:
    """Return a metric from what a run stored of it."""
    return None if entry is None else Metric(**entry)


@dataclass(frozen=True, slots=True)
class _Lesson:
    """One model and all stamps, for another process to cross-validate."""

    rows: Rows
    name: str
    folds: int
    seed: int


def _of_model(lesson: _Lesson) -> NDArray[np.float64]:
    """Return the probabilities of all stamps, shape (n, 5), by the models of the other folds."""
    rows, name, seed = lesson.rows, lesson.name, lesson.seed
    seen = np.zeros((len(rows.label), len(CLASSES)))
    for some, others in folds_of(rows, lesson.folds, seed):
        part = rows.take(some)
        temperature = temperature_of(out_of_fold(part, name, _INNER_FOLDS, seed), part.label)
        model = build(name, seed).fit(part.features, part.label)
        seen[others] = tempered(raw_probability(model, rows.features[others]), temperature)
    return seen
