"""The classifiers that learn from numbers: of patches and of disks."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skysift.models.solar.patch_features import patch_statistics
from skysift.tasks.active_region.reader import Patches

__all__ = ["FAMILIES", "build_disks", "build_patches", "columns_of", "fitted"]

FAMILIES: Mapping[str, str] = {
    "blend": "mean of boosted trees, extremely random trees and logistic regression",
    "hist-gradient-boosting": "gradient-boosted trees",
    "extra-trees": "extremely random trees",
    "logistic-regression": "logistic regression",
    "eight-statistics": "logistic regression on eight statistics",
    "pixels-16": "logistic regression on 16 x 16 pixels",
}

_COARSE = 16  # pixels to a side
_STRONG, _WEAK = 0.01, 0.1  # regularisation of linear models: many pixels, fewer statistics

Floats = NDArray[np.float64]


def build_patches(name: str, *, trees: int, seed: int) -> Any:
    """Return an untrained classifier of patches, by its name in the options."""
    boosting = HistGradientBoostingClassifier(
        max_iter=trees,
        learning_rate=0.06,
        max_leaf_nodes=8,
        min_samples_leaf=15,
        random_state=seed,
    )
    forest = ExtraTreesClassifier(
        max(trees // 2, 1), min_samples_leaf=2, max_leaf_nodes=64, random_state=seed, n_jobs=1
    )
    match name:
        case "hist-gradient-boosting":
            return boosting
        case "extra-trees":
            return forest
        case "logistic-regression":
            return _linear(_WEAK)
        case "eight-statistics":
            return _linear(1.0)
        case "pixels-16":
            return _linear(_STRONG)
        case _:
            members = [("boosting", boosting), ("forest", forest), ("linear", _linear(_WEAK))]
            return VotingClassifier(members, voting="soft")


def build_disks() -> Any:
    """Return an untrained classifier of disks."""
    return _linear(_WEAK)


def columns_of(name: str, patches: Patches) -> Floats:
    """Return what a classifier of patches sees, shape (n, n_columns)."""
    if name == "eight-statistics":
        return patch_statistics(patches.pixels)
    if name == "pixels-16":
        n, side = len(patches), patches.pixels.shape[1] // _COARSE
        blocks = patches.pixels.reshape(n, _COARSE, side, _COARSE, side)
        return np.asarray(blocks.mean(axis=(2, 4)).reshape(n, -1), dtype=np.float64)
    return patches.features


def fitted(estimator: Any, columns: Floats, label: NDArray[np.bool_]) -> Any:
    """Return a classifier trained on labels; where only one occurs, it says their share."""
    if label.all() or not label.any():
        return DummyClassifier(strategy="prior").fit(columns, label.astype(np.int64))
    return estimator.fit(columns, label.astype(np.int64))


def _linear(strength: float) -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=5000))
