"""What the bundles are compared with: tree ensembles, trained on the same rows, at their fastest.

The peers see the nine measured columns as a ready matrix of float32, so that nothing but their
prediction is timed. Their parameters are close to the best for the MAGIC table.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Each library is imported by the peer that needs it, so that a missing one is only left out.
# ruff: noqa: PLC0415

BOOSTING: dict[str, Any] = {
    "n_estimators": 500,
    "learning_rate": 0.035,
    "subsample": 0.8,
    "colsample_bytree": 0.6,
    "reg_lambda": 3.0,
    "random_state": 0,
}
"""Of XGBoost and LightGBM alike, for these nine columns; the catalogue of gamma-hadron has others,
for its many features."""

Predict = Callable[[NDArray[np.float32]], NDArray[Any]]


def xgboost(features: NDArray[np.float32], y: NDArray[np.bool_], threads: int) -> Predict:
    """Train XGBoost and return its native prediction."""
    from xgboost import XGBClassifier

    model = XGBClassifier(
        grow_policy="lossguide", max_depth=0, max_leaves=20, n_jobs=threads, **BOOSTING
    ).fit(features, y)
    booster = model.get_booster()
    return lambda rows: np.asarray(booster.inplace_predict(rows))


def lightgbm(features: NDArray[np.float32], y: NDArray[np.bool_], threads: int) -> Predict:
    """Train LightGBM and return its native prediction."""
    from lightgbm import LGBMClassifier

    model = LGBMClassifier(
        num_leaves=20, subsample_freq=1, n_jobs=threads, verbose=-1, **BOOSTING
    ).fit(features, y)
    booster = model.booster_
    return lambda rows: np.asarray(booster.predict(rows, num_threads=threads))


def catboost(features: NDArray[np.float32], y: NDArray[np.bool_], threads: int) -> Predict:
    """Train CatBoost and return its native prediction."""
    from catboost import CatBoostClassifier

    model = CatBoostClassifier(
        iterations=800,
        learning_rate=0.06,
        depth=6,
        l2_leaf_reg=6,
        thread_count=threads,
        random_seed=0,
        verbose=0,
        allow_writing_files=False,
    ).fit(features, y.astype(int))
    return lambda rows: np.asarray(model.predict_proba(rows, thread_count=threads)[:, 1])


def random_forest(features: NDArray[np.float32], y: NDArray[np.bool_], threads: int) -> Predict:
    """Train scikit-learn's random forest and return its probability."""
    from sklearn.ensemble import RandomForestClassifier

    model = RandomForestClassifier(
        300, max_features=3, min_samples_leaf=2, n_jobs=threads, random_state=0
    ).fit(features, y)
    return lambda rows: np.asarray(model.predict_proba(rows)[:, 1])


PEERS = {
    "XGBoost": xgboost,
    "LightGBM": lightgbm,
    "CatBoost": catboost,
    "random forest": random_forest,
}
"""By name: the features, the class and the number of threads to what predicts."""
