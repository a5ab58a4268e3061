"""Fitted models of scikit-learn as :mod:`skysift.models.plain_classifiers`."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

from skysift.core.errors import BundleError
from skysift.models.plain_classifiers import (
    BoostedTrees,
    ConstantClassifier,
    Forest,
    LinearClassifier,
    MeanClassifier,
    PlainClassifier,
)
from skysift.models.plain_trees import Trees

__all__ = ["plain_classifier", "plain_regressions"]


def plain_classifier(estimator: Any) -> PlainClassifier:
    """Return a fitted classifier as plain arrays.

    Parameters
    ----------
    estimator : object
        A ``HistGradientBoostingClassifier`` of numbers, ``RandomForestClassifier``,
        ``ExtraTreesClassifier``, ``DummyClassifier(strategy="prior")``, a pipeline of
        ``StandardScaler`` and ``LogisticRegression``, or an unweighted soft ``VotingClassifier`` of
        such. What is plain already is returned as it is.

    Raises
    ------
    BundleError
        If it is of another kind.
    """
    match estimator:
        case PlainClassifier():
            return estimator
        case HistGradientBoostingClassifier():
            return _boosted(estimator)
        case RandomForestClassifier() | ExtraTreesClassifier():
            return _forest(estimator)
        case Pipeline(steps=[(_, StandardScaler()), (_, LogisticRegression())]):
            return _linear(estimator)
        case DummyClassifier(strategy="prior"):
            shares = np.asarray(estimator.class_prior_, dtype=np.float64)
            return ConstantClassifier(estimator.classes_, estimator.n_features_in_, shares)
        case VotingClassifier(voting="soft", weights=None):
            parts = [plain_classifier(part) for part in estimator.estimators_]
            for part in parts:
                part.classes_ = estimator.classes_[part.classes_]  # the parts know their places
            return MeanClassifier(parts)
    raise _no_arrays(f"A {type(estimator).__name__}")


def plain_regressions(trees: Sequence[DecisionTreeRegressor], factor: float) -> Trees:
    """Return fitted regression trees as plain arrays, their values multiplied by a factor."""
    return _joined([_columns_of(one, factor * one.tree_.value[:, 0, :]) for one in trees])


def _columns_of(fitted: Any, value: NDArray[np.float64]) -> tuple[NDArray[Any], ...]:
    tree = fitted.tree_
    missing_left = tree.__getstate__()["nodes"]["missing_go_to_left"]
    return (tree.feature, tree.threshold, tree.children_left, tree.children_right,
            missing_left, value, tree.children_left < 0)  # fmt: skip


def _boosted(model: HistGradientBoostingClassifier) -> BoostedTrees:
    tables = [tree.nodes for trees in model._predictors for tree in trees]  # noqa: SLF001  # fitted trees are not public
    if any(table["is_categorical"].any() for table in tables):
        raise _no_arrays("A model with categories")
    trees = _joined(
        [
            (table["feature_idx"], table["num_threshold"], table["left"], table["right"],
             table["missing_go_to_left"], table["value"][:, None], table["is_leaf"] > 0)
            for table in tables
        ]
    )  # fmt: skip
    baseline = np.asarray(model._baseline_prediction, dtype=np.float64).ravel()  # noqa: SLF001  # as above
    return BoostedTrees(model.classes_, model.n_features_in_, trees, baseline)


def _forest(model: RandomForestClassifier | ExtraTreesClassifier) -> Forest:
    columns = [_columns_of(fitted, fitted.tree_.value[:, 0, :]) for fitted in model.estimators_]
    return Forest(model.classes_, model.n_features_in_, _joined(columns))


def _linear(model: Pipeline) -> LinearClassifier:
    scaler, last = (step for _, step in model.steps)
    return LinearClassifier(
        last.classes_,
        *(np.asarray(one, np.float64) for one in (scaler.mean_, scaler.scale_)),
        *(np.asarray(one, np.float64) for one in (last.coef_, last.intercept_)),
    )


def _joined(columns: Sequence[tuple[NDArray[Any], ...]]) -> Trees:
    """Return trees of feature, threshold, left, right, missing_left, value and leaf of each."""
    starts = np.cumsum([0, *(len(one[0]) for one in columns)])
    left, right, feature, threshold = [], [], [], []
    for start, (column, split, lower, upper, _, _, is_leaf) in zip(starts, columns, strict=False):
        own = np.arange(len(column)) + start
        left.append(np.where(is_leaf, own, lower.astype(np.int64) + start))
        right.append(np.where(is_leaf, own, upper.astype(np.int64) + start))
        feature.append(np.where(is_leaf, 0, column))
        threshold.append(np.where(is_leaf, 0.0, split))
    return Trees(
        roots=starts[:-1].astype(np.int32),
        feature=np.concatenate(feature).astype(np.int32),
        threshold=np.concatenate(threshold).astype(np.float64),
        left=np.concatenate(left).astype(np.int32),
        right=np.concatenate(right).astype(np.int32),
        missing_left=np.concatenate([one[4] for one in columns]).astype(bool),
        value=np.concatenate([one[5] for one in columns]).astype(np.float64),
    )


def _no_arrays(what: str) -> BundleError:
    return BundleError(
        f"{what} cannot be stored as plain arrays.", "Train a model of another kind."
    )
