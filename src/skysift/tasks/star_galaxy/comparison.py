"""Score several models on the same objects by cross-validation, each on folds it has not seen."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skysift.core.progress import Progress
from skysift.core.spread import spread_map
from skysift.data.splits import stratified_group_folds
from skysift.tasks.star_galaxy.catalogue import CATALOGUE, ModelSpec
from skysift.tasks.star_galaxy.choice import ChosenBlend
from skysift.tasks.star_galaxy.fitting import fit_predictor
from skysift.tasks.star_galaxy.model import StarGalaxyModel
from skysift.tasks.star_galaxy.options import QUICK_MODELS, CompareOptions
from skysift.tasks.star_galaxy.reader import Cutouts
from skysift.tasks.star_galaxy.representations import REPRESENTATIONS
from skysift.tasks.star_galaxy.scoring import Contestant, Scored
from skysift.tasks.star_galaxy.training import choose_doubt

__all__ = ["add_model", "cross_validate"]

_QUICK = 3
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Folds:
    """Which fold each row is in, and what a model is trained and calibrated without."""

    number: NDArray[np.int64]
    groups: NDArray[np.int64]
    members: int

    @property
    def n(self) -> int:
        return int(self.number.max()) + 1


@dataclass(frozen=True, slots=True)
class _Lesson:
    """One model and what it sees of all objects, for another process to cross-validate."""

    name: str
    matrix: Floats
    is_galaxy: NDArray[np.bool_]
    folds: _Folds
    seed: int


@dataclass(frozen=True, slots=True)
class _Answer:
    """What it says of each object, shape (n,)."""

    contestant: Contestant
    probability: Floats
    error: Floats
    ambiguous: NDArray[np.bool_]


def cross_validate(
    cutouts: Cutouts, options: CompareOptions, *, seed: int, progress: Progress
) -> Scored:
    """Score each model on all objects by cross-validation.

    Members, calibration and the limit of doubt are made anew in each fold, from the other folds
    alone, which are cut along the same groups once more.

    Parameters
    ----------
    cutouts : Cutouts
        Labelled; each object is used once.
    options : CompareOptions
        Models, folds, and whether a fold keeps exposures whole.
    seed : int
        Each model gets a generator of its own, so that its result does not depend on the others.
    progress : callable
        Called with the fraction done and what is being done.

    Raises
    ------
    MissingExtraError
        If a model cannot be trained with what is installed.
    """
    rows = cutouts.distinct()
    names = [name for name in options.models if not options.quick or name in QUICK_MODELS]
    for name in names:
        CATALOGUE[name].require()
    groups = rows.exposures() if options.by == "exposure" else rows.groups
    n_folds, members = (_QUICK, _QUICK) if options.quick else (options.folds, options.members)
    number = stratified_group_folds(
        rows.is_galaxy, groups, n_splits=n_folds, rng=np.random.default_rng(seed)
    )
    folds = _Folds(number, groups, members)
    split = f"{n_folds}-fold cross-validation by {options.by}, {rows.split}"
    scored = Scored.start(rows.take(np.arange(len(rows)), split), groups)
    matrices = _matrices(rows, [CATALOGUE[name] for name in names], progress)
    lessons = [
        _Lesson(name, matrices[CATALOGUE[name].representation], rows.is_galaxy, folds, seed)
        for name in names
    ]
    for place, answer in enumerate(spread_map(_out_of_fold, lessons)):
        progress(0.1 + 0.9 * (place + 1) / len(names), answer.contestant.title)
        scored = scored.add(answer.contestant, answer.probability, answer.error, answer.ambiguous)
    return scored


def add_model(scored: Scored, cutouts: Cutouts, model: StarGalaxyModel, origin: str) -> Scored:
    """Add what a model says of objects that it has not been trained on."""
    probability, error = model.probability(cutouts.images)
    seen = REPRESENTATIONS[model.representation].title
    contestant = Contestant(model.name, model.family, origin, seen)
    return scored.add(contestant, probability, error, model.ambiguous(probability))


def _matrices(rows: Cutouts, specs: Sequence[ModelSpec], progress: Progress) -> dict[str, Floats]:
    """Return what the models see, made once: each cutout is measured by itself."""
    wanted = list(dict.fromkeys(spec.representation for spec in specs))
    found = {}
    for place, name in enumerate(wanted):
        representation = REPRESENTATIONS[name]
        progress(0.1 * place / len(wanted), f"measure {representation.title}")
        found[name] = representation.matrix(rows.images)
    return found


def _out_of_fold(lesson: _Lesson) -> _Answer:
    """Return what a model says of each row: by the model of the other folds."""
    start = time.perf_counter()
    spec, folds = CATALOGUE[lesson.name], lesson.folds
    n, chosen = len(lesson.is_galaxy), []
    probability, error, ambiguous = np.empty(n), np.empty(n), np.zeros(n, dtype=bool)
    rng = np.random.default_rng(lesson.seed)
    for fold in range(folds.n):
        out, rest = folds.number == fold, folds.number != fold
        predictor = fit_predictor(
            spec.build(),
            lesson.matrix[rest],
            lesson.is_galaxy[rest],
            folds.groups[rest],
            rng,
            has_posterior=spec.has_posterior,
            folds=folds.members,
        )
        probability[out], error[out] = predictor.predict_with_error(lesson.matrix[out])
        if isinstance(predictor, ChosenBlend):
            chosen.append(predictor.chosen)
        doubt = choose_doubt(lesson.is_galaxy[rest], predictor.out_of_fold)
        ambiguous[out] = np.minimum(probability[out], 1 - probability[out]) > doubt
    seen = REPRESENTATIONS[spec.representation].title
    seconds = time.perf_counter() - start
    contestant = Contestant(
        lesson.name, spec.title, "cross-validation", seen, seconds, tuple(chosen)
    )
    return _Answer(contestant, probability, error, ambiguous)
