"""Train several models and score them, with shipped bundles, on the same rows."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skysift.core.bundle_schema import DataLicence
from skysift.core.registry import bundle_folder
from skysift.core.task import Progress
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
    school = _School(training, seed=seed, command=command, licence=licence)
    entries = _entries(options)
    for number, entry in enumerate(entries):
        progress(number / len(entries), f"train {entry.title}")
        scored = school.examine(scored, entry, test)
    return scored


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
    parts = []
    for number in range(FOLDS):
        left_out = rows.take(fold == number, f"fold {number}")
        rest = rows.take(fold != number, f"all folds but {number}")
        part = Scored.start(left_out)
        school = _School(rest, seed=seed, command=command, licence=licence)
        entries = _entries(options)
        for place, entry in enumerate(entries):
            progress((number + place / len(entries)) / FOLDS, f"fold {number}: {entry.title}")
            part = school.examine(part, entry, left_out)
        parts.append(part)
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
    for number, size in enumerate(sizes):
        part = rest.take(np.sort(order[:size]), f"{size:,} events")
        school = _School(part, seed=seed, command=command, licence=licence)
        scored = Scored.start(left_out)
        for place, entry in enumerate(entries):
            done = (number + place / len(entries)) / len(sizes)
            progress(done, f"{size:,} events: {entry.title}")
            scored = school.examine(scored, entry, left_out)
        for name, contestant in scored.contestants.items():
            found = auc_interval(scored.is_gamma, scored.gammaness[name])
            points = models.setdefault(contestant.title, {"auc": [], "low": [], "high": []})
            points["auc"].append(found.value)
            points["low"].append(found.low)
            points["high"].append(found.high)
    return {"n": sizes, "models": models}


class _School:
    """Trains models on the same events; the fast one learns from the blend among them."""

    def __init__(self, training: Events, *, seed: int, command: str, licence: DataLicence) -> None:
        self.training = training
        self.seed = seed
        self.command = command
        self.licence = licence
        self._teacher: GammaHadronModel | None = None

    def examine(self, scored: Scored, entry: _Entry, test: Events) -> Scored:
        """Train a model and add what it says of the test events."""
        if entry.options is None:
            return _add_notebook(scored, entry, self.training, test)
        start = time.perf_counter()
        if entry.name == FAST:
            teacher = self._teacher or self._train(entry.options)
            network, names = copy_of(teacher, self.training, np.random.default_rng(self.seed))
            answer, its_error = network.predict_with_error(compute(test.table, names))
            copied = Contestant(
                FAST,
                entry.title,
                _HERE,
                teacher.mode,
                len(names),
                time.perf_counter() - start,
            )
            return scored.add(copied, answer.astype(np.float64), its_error.astype(np.float64))
        model = self._train(entry.options)
        if entry.name == _TEACHER:
            self._teacher = model
        gammaness, error = model.gammaness(test.table)
        contestant = Contestant.of(model, entry.title, _HERE, time.perf_counter() - start)
        return scored.add(contestant, gammaness, error)

    def _train(self, options: TrainOptions) -> GammaHadronModel:
        return train(
            self.training,
            options,
            np.random.default_rng(self.seed),
            seed=self.seed,
            command=self.command,
            licence=self.licence,
        )


def _add_notebook(scored: Scored, entry: _Entry, training: Events, test: Events) -> Scored:
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
    return scored.add(contestant, np.asarray(gammaness, dtype=np.float64))


def _fitting_bundles(test: Events, options: CompareOptions) -> Sequence[GammaHadronModel]:
    """Return the shipped bundles that were trained for this telescope."""
    if test.name != "MAGIC":
        return []
    bundles = [
        replace(load_bundle(bundle_folder("gamma-hadron", name)), name=name)
        for name in options.bundles
    ]
    return [bundle for bundle in bundles if bundle.mode == options.mode]
