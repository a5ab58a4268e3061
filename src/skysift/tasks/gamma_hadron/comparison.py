"""Train several models and score them, with shipped bundles, on the same rows."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skysift.core.bundle_schema import DataLicence
from skysift.core.progress import Progress
from skysift.core.registry import bundle_folder
from skysift.core.spread import spread_map
from skysift.data.splits import hold_out, stratified_group_folds
from skysift.evaluate.delong import auc_interval
from skysift.tasks.gamma_hadron.catalogue import (
    CATALOGUE,
    NOTEBOOK_FEATURES,
    notebook_estimator,
)
from skysift.tasks.gamma_hadron.fast import copy_of
from skysift.tasks.gamma_hadron.features import compute
from skysift.tasks.gamma_hadron.model import GammaHadronModel, load_bundle
from skysift.tasks.gamma_hadron.options import (
    FAST,
    NOTEBOOK_MODELS,
    QUICK_MODELS,
    CompareOptions,
    TrainOptions,
)
from skysift.tasks.gamma_hadron.reader import Events
from skysift.tasks.gamma_hadron.scoring import Contestant, Scored
from skysift.tasks.gamma_hadron.training import train

__all__ = ["compare_models", "cross_validate", "learning_curve", "split_events"]


FOLDS = 5
TEST_SHARE = 0.2
_QUICK_MEMBERS = 3
_SLOW_IN_THE_NOTEBOOK = ("neural-network",)  # a hundred passes in batches of 32
_TEACHER = "blend"
_FAST_TITLE = "fast network, copied from the blend"
_HERE = "trained in this run"
_CURVE_SIZES = (1_000, 2_000, 4_000, 8_000)


def split_events(events: Events, rng: np.random.Generator) -> tuple[Events, Events]:
    """Hold out a fifth of the events, stratified, duplicates together: training rows, test rows."""
    test = hold_out(events.is_gamma, events.groups, fraction=TEST_SHARE, rng=rng)
    return (
        events.take(~test, "all rows but a held-out fifth"),
        events.take(test, "a held-out fifth, stratified"),
    )


@dataclass(frozen=True, slots=True)
class _Entry:
    """One model of a comparison: how it is named and how it is trained."""

    name: str
    title: str
    options: TrainOptions | None
    notebook: str | None = None


def _entries(options: CompareOptions) -> list[_Entry]:
    names = options.models
    if options.quick:
        names = tuple(name for name in names if name in QUICK_MODELS)
    entries = [
        _Entry(
            name,
            _FAST_TITLE if name == FAST else CATALOGUE[name].title,
            TrainOptions(
                model=_TEACHER if name == FAST else name,
                mode=options.mode,
                extra_features=options.extra_features,
                tune=options.tune and name in NOTEBOOK_MODELS,
                quick=options.quick,
                folds=_QUICK_MEMBERS if options.quick else FOLDS,
            ),
        )
        for name in names
    ]
    if options.notebook:
        entries += [
            _Entry(f"notebook-{name}", f"{CATALOGUE[name].title}, as in the notebook", None, name)
            for name in NOTEBOOK_MODELS
            if name in names and not (options.quick and name in _SLOW_IN_THE_NOTEBOOK)
        ]
    return entries


def compare_models(
    training: Events,
    test: Events,
    options: CompareOptions,
    *,
    seed: int,
    command: str,
    licence: DataLicence,
    progress: Progress,
) -> Scored:
    """Train each model on some rows and score all of them on others.

    Parameters
    ----------
    training, test : Events
        Rows without a duplicate in common.
    options : CompareOptions
        Models, bundles, mode.
    seed : int
        Each model gets a generator of its own, so that its result does not depend on the others.
    command : str
        What the user typed, for the record.
    licence : DataLicence
        Of the data, for the record.
    progress : callable
        Called with the fraction done and what is being done.
    """
    scored = Scored.start(test)
    for bundle in _fitting_bundles(test, options):
        title = f"skysift {bundle.name}"
        gammaness, error = bundle.gammaness(test.table)
        scored = scored.add(Contestant.of(bundle, title, "shipped bundle"), gammaness, error)
    lessons = [
        _Lesson(training, test, entries, seed, command, licence) for entries in _together(options)
    ]
    return _examined(scored, lessons, progress)


def cross_validate(
    events: Events,
    options: CompareOptions,
    *,
    seed: int,
    command: str,
    licence: DataLicence,
    progress: Progress,
) -> Scored:
    """Score each model on all distinct rows by five-fold cross-validation.

    Each fold's model is trained, calibrated and given its operating points without that fold.
    Parameters are as for :func:`compare_models`.
    """
    rows = events.distinct()
    fold = stratified_group_folds(
        rows.is_gamma, rows.groups, n_splits=FOLDS, rng=np.random.default_rng(seed)
    )
    lessons = []
    parts = []
    for number in range(FOLDS):
        left_out = rows.take(fold == number, f"fold {number}")
        rest = rows.take(fold != number, f"all folds but {number}")
        parts.append(Scored.start(left_out))
        lessons += [
            _Lesson(rest, left_out, entries, seed, command, licence)
            for entries in _together(options)
        ]
    each = len(lessons) // FOLDS
    answers = spread_map(_learn, lessons)
    for number, answered in enumerate(answers):
        fold_of = number // each
        progress(number / len(lessons), f"fold {fold_of}: {answered[-1][0].title}")
        for contestant, gammaness, error in answered:
            parts[fold_of] = parts[fold_of].add(contestant, gammaness, error)
    return Scored.joined(parts, split=f"five-fold cross-validation, {rows.split}")


def learning_curve(
    events: Events,
    options: CompareOptions,
    *,
    seed: int,
    command: str,
    licence: DataLicence,
    progress: Progress,
) -> dict[str, Any]:
    """Return the AUC of each model against the number of its training events.

    A fifth of the distinct events is held out and scored by every model; the smaller training
    sets are parts of the larger ones. Parameters are as for :func:`compare_models`.

    Returns
    -------
    dict
        ``n`` and, by title, ``auc``, ``low``, ``high`` (95 %, DeLong) of each model.
    """
    rng = np.random.default_rng(seed)
    rest, left_out = split_events(events.distinct(), rng)
    order = rng.permutation(len(rest))
    sizes = [*(size for size in _CURVE_SIZES if size < len(rest)), len(rest)]
    entries = [entry for entry in _entries(options) if entry.options is not None]
    models: dict[str, dict[str, list[float]]] = {}
    parts = [rest.take(np.sort(order[:size]), f"{size:,} events") for size in sizes]
    lessons = [
        _Lesson(part, left_out, tuple(group), seed, command, licence)
        for part in parts
        for group in _grouped(entries)
    ]
    for number, answered in enumerate(spread_map(_learn, lessons)):
        progress(number / len(lessons), f"learning curve: {answered[-1][0].title}")
        for contestant, gammaness, _ in answered:
            found = auc_interval(left_out.is_gamma, gammaness)
            points = models.setdefault(contestant.title, {"auc": [], "low": [], "high": []})
            points["auc"].append(found.value)
            points["low"].append(found.low)
            points["high"].append(found.high)
    return {"n": sizes, "models": models}


_Answer: TypeAlias = tuple[Contestant, NDArray[np.float64], NDArray[np.float64] | None]
"""A model, and its gammaness and error of the test events, shape (n,)."""


@dataclass(frozen=True, slots=True)
class _Lesson:
    """What is to be learned from which events, for another process to do."""

    training: Events
    test: Events
    entries: tuple[_Entry, ...]
    seed: int
    command: str
    licence: DataLicence


def _together(options: CompareOptions) -> list[tuple[_Entry, ...]]:
    return _grouped(_entries(options))


def _grouped(entries: Sequence[_Entry]) -> list[tuple[_Entry, ...]]:
    """Return the models one by one, but the fast one with the blend that it learns from."""
    pair = tuple(entry for entry in entries if entry.name in {_TEACHER, FAST})
    groups: list[tuple[_Entry, ...]] = []
    for entry in entries:
        if entry not in pair:
            groups.append((entry,))
        elif entry is pair[0]:
            groups.append(pair)
    return groups


def _learn(lesson: _Lesson) -> list[_Answer]:
    """Train models one after the other and return what they say of the test events."""
    school = _School(lesson)
    return [school.examine(entry) for entry in lesson.entries]


def _examined(scored: Scored, lessons: Sequence[_Lesson], progress: Progress) -> Scored:
    for number, answered in enumerate(spread_map(_learn, lessons)):
        for contestant, gammaness, error in answered:
            progress((number + 1) / len(lessons), f"trained {contestant.title}")
            scored = scored.add(contestant, gammaness, error)
    return scored


class _School:
    """Trains models on the same events; the fast one learns from the blend among them."""

    def __init__(self, lesson: _Lesson) -> None:
        self.lesson = lesson
        self.training = lesson.training
        self._teacher: GammaHadronModel | None = None

    def examine(self, entry: _Entry) -> _Answer:
        """Train a model and return what it says of the test events."""
        test, seed = self.lesson.test, self.lesson.seed
        if entry.options is None:
            return _notebook(entry, self.training, test)
        start = time.perf_counter()
        if entry.name == FAST:
            teacher = self._teacher or self._train(entry.options)
            network, names = copy_of(teacher, self.training, np.random.default_rng(seed))
            answer, its_error = network.predict_with_error(compute(test.table, names))
            copied = Contestant(
                FAST,
                entry.title,
                _HERE,
                teacher.mode,
                len(names),
                time.perf_counter() - start,
            )
            return copied, answer.astype(np.float64), its_error.astype(np.float64)
        model = self._train(entry.options)
        if entry.name == _TEACHER:
            self._teacher = model
        gammaness, error = model.gammaness(test.table)
        contestant = Contestant.of(model, entry.title, _HERE, time.perf_counter() - start)
        return contestant, gammaness, error

    def _train(self, options: TrainOptions) -> GammaHadronModel:
        return train(
            self.training,
            options,
            np.random.default_rng(self.lesson.seed),
            seed=self.lesson.seed,
            command=self.lesson.command,
            licence=self.lesson.licence,
        )


def _notebook(entry: _Entry, training: Events, test: Events) -> _Answer:
    """Train as the notebook did: its six columns, its parameters, no scaling, no calibration."""
    assert entry.notebook is not None
    start = time.perf_counter()
    rows = training.distinct()
    estimator = notebook_estimator(entry.notebook)
    if "random_state" in estimator.get_params():
        estimator.set_params(random_state=0)
    estimator.fit(compute(rows.table, NOTEBOOK_FEATURES), rows.is_gamma)
    gammaness = estimator.predict_proba(compute(test.table, NOTEBOOK_FEATURES))[:, 1]
    contestant = Contestant(
        name=entry.name,
        title=entry.title,
        origin="the notebook's recipe",
        mode="source-dependent",
        features=len(NOTEBOOK_FEATURES),
        seconds=time.perf_counter() - start,
    )
    return contestant, np.asarray(gammaness, dtype=np.float64), None


def _fitting_bundles(test: Events, options: CompareOptions) -> Sequence[GammaHadronModel]:
    """Return the shipped bundles that were trained for this telescope."""
    if test.name != "MAGIC":
        return []
    bundles = [
        replace(load_bundle(bundle_folder("gamma-hadron", name)), name=name)
        for name in options.bundles
    ]
    return [bundle for bundle in bundles if bundle.mode == options.mode]
