"""Train one model on labelled events: search its grid, cross-fit it, set its operating points."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold

from skysift.core.bundle_schema import DataLicence, OperatingPoint, Training
from skysift.core.errors import UnknownNameError
from skysift.core.progress import Progress, silent
from skysift.core.results import Metric
from skysift.evaluate.delong import auc_interval
from skysift.evaluate.operating import points_to_store
from skysift.models.conformal import calibrate
from skysift.models.cross_fitting import CrossFitted, require_enough
from skysift.models.reference import distributions
from skysift.tasks.gamma_hadron.catalogue import CATALOGUE, ModelSpec
from skysift.tasks.gamma_hadron.coverage import scored_events
from skysift.tasks.gamma_hadron.features import compute, inputs_of, select
from skysift.tasks.gamma_hadron.model import (
    GammaHadronModel,
    describe_inputs,
    table_hash,
)
from skysift.tasks.gamma_hadron.options import Mode, TrainOptions
from skysift.tasks.gamma_hadron.reader import Events

__all__ = ["ACCEPTANCES", "choose_features", "operating_points", "train", "tune"]

ACCEPTANCES = (0.01, 0.02, 0.05, 0.1, 0.2)
"""Background acceptances of the operating points."""

_TUNING_FOLDS = 4
_QUICK_FOLDS = 3


def choose_features(events: Events, mode: Mode, extra: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the features that can be computed from a table, and further columns of it.

    Raises
    ------
    UnknownNameError
        If a further column is not in the table, or holds the truth.
    """
    allowed = events.feature_columns()
    for name in extra:
        if name not in allowed:
            raise UnknownNameError("column to train on", name, allowed)
    return (*select(events.table.columns, mode), *extra)


def tune(
    spec: ModelSpec,
    names: Sequence[str],
    features: NDArray[Any],
    y: NDArray[np.bool_],
    groups: NDArray[np.int64],
    *,
    quick: bool,
    seed: int,
) -> tuple[Any, dict[str, Any]]:
    """Search a model's grid by cross-validated AUC and return it with the best parameters.

    Parameters
    ----------
    spec : ModelSpec
        What is tuned.
    names : sequence of str
        The features.
    features : array, shape (n, n_features)
        Training rows.
    y : array of bool, shape (n,)
        True for gammas.
    groups : array of int, shape (n,)
        Duplicates stay in one fold.
    quick : bool
        Search the small grid, with fewer folds.
    seed : int
        Of the folds.
    """
    n_folds = _QUICK_FOLDS if quick else _TUNING_FOLDS
    folds = StratifiedGroupKFold(n_splits=n_folds, shuffle=True, random_state=seed)
    grid = {
        name: list(values) for name, values in (spec.quick_grid if quick else spec.grid).items()
    }
    estimator = spec.build(names)
    seeded = [name for name in estimator.get_params() if name.endswith("random_state")]
    estimator.set_params(**dict.fromkeys(seeded, seed))
    search = GridSearchCV(estimator, grid, scoring="roc_auc", cv=folds, refit=False)
    search.fit(features, y, groups=groups)
    best = {name: _plain(value) for name, value in search.best_params_.items()}
    return spec.build(names).set_params(**best), best


def train(
    events: Events,
    options: TrainOptions,
    rng: np.random.Generator,
    *,
    seed: int,
    command: str,
    licence: DataLicence,
    progress: Progress = silent,
) -> GammaHadronModel:
    """Train a model of the catalogue.

    Parameters
    ----------
    events : Events
        Labelled events; duplicates are used once.
    options : TrainOptions
        What is trained.
    rng : numpy.random.Generator
        Seeds folds and members.
    seed : int
        What the generator was made of, for the record.
    command : str
        What the user typed, for the record.
    licence : DataLicence
        Of the data, for the record.
    progress : callable
        Called with the fraction done and what is being done.
    """
    rows = events.distinct()
    require_enough(rows.is_gamma, options.folds, rows="events", data="data")
    names = choose_features(rows, options.mode, options.extra_features)
    matrix = compute(rows.table, names)
    spec = CATALOGUE[options.model]
    estimator = spec.build(names)
    best: dict[str, Any] = {}
    if options.tune:
        progress(0.0, f"search the grid of {options.model}")
        estimator, best = tune(
            spec,
            names,
            matrix,
            rows.is_gamma,
            rows.groups,
            quick=options.quick,
            seed=int(rng.integers(2**31)),
        )
    predictor = CrossFitted.fit(
        estimator,
        matrix,
        rows.is_gamma,
        rows.groups,
        rng,
        folds=options.folds,
        progress=lambda fraction: progress(fraction, f"train {options.model}"),
    )
    split = f"{rows.name}, {rows.split}, out of fold"
    needed = inputs_of(names)
    training = Training(
        data=rows.name,
        sha256=table_hash(rows.table, needed),
        n_rows=len(rows),
        split=rows.split,
        seed=seed,
        command=command,
    )
    promise = calibrate(
        scored_events(rows, predictor.out_of_fold), training.model_copy(update={"split": split})
    )
    return GammaHadronModel(
        name=options.model,
        family=spec.title,
        mode=options.mode,
        features=names,
        inputs=describe_inputs(rows.table, needed),
        predictor=predictor,
        prior=float(rows.is_gamma.mean()),
        training=training,
        promises=(promise,),
        data_licence=licence,
        operating_points=operating_points(rows.is_gamma, predictor.out_of_fold, split),
        metrics=(_auc(rows.is_gamma, predictor.out_of_fold, split),),
        parameters={**best, "folds": options.folds},
        reference=distributions(
            {
                **{name: rows.table[name] for name in needed},
                "gammaness": predictor.out_of_fold,
            }
        ),
        column_map=rows.column_map.model_dump(mode="json"),
    )


def operating_points(
    y: NDArray[np.bool_], gammaness: NDArray[Any], split: str
) -> tuple[OperatingPoint, ...]:
    """Choose a threshold for each background acceptance that the rows can resolve.

    Parameters
    ----------
    y : array of bool, shape (n,)
        True for gammas.
    gammaness : array, shape (n,)
        Scores of rows that the scoring model has not been trained on.
    split : str
        Name of these rows.
    """
    return points_to_store(y, gammaness, ACCEPTANCES, split=split)


def _auc(y: NDArray[np.bool_], gammaness: NDArray[Any], split: str) -> Metric:
    return auc_interval(y, gammaness).metric("auc", n=len(y), split=split)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
