"""Checks of fitted models whose compiled code trusts its arrays, and what need not be stored.

A type can be allowed and its content still be hostile: scikit-learn follows the node numbers of a
tree without looking whether they lie within it. These checks come between loading and first use.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.tree import BaseDecisionTree

from skysift.models.persist.archive import malformed

__all__ = ["check_and_complete", "drop_training_state"]

_LEAF = -1
_FITTED = {"_fit_X", "_predictors", "estimators_", "n_features_in_", "tree_"}
_TREE_ENSEMBLES = (ExtraTreesClassifier, GradientBoostingClassifier, RandomForestClassifier)


def drop_training_state(estimator: Any) -> None:
    """Remove, in place, what only training needs or what loading rebuilds.

    Random generators, the optimiser of a neural network, and the search tree of neighbours.
    """
    for part in _parts(estimator):
        for name, value in list(getattr(part, "__dict__", {}).items()):
            if isinstance(value, np.random.RandomState | np.random.Generator):
                setattr(part, name, None)
        if isinstance(part, MLPClassifier):
            part._optimizer = None  # noqa: SLF001  # it is two thirds of the file
        if isinstance(part, KNeighborsClassifier):
            part._tree = None  # noqa: SLF001  # rebuilt by check_and_complete


def check_and_complete(estimator: Any) -> None:
    """Check a loaded estimator and rebuild, in place, what was not stored.

    Raises
    ------
    BundleError
        If a tree points outside itself or its features, or neighbours cannot be fitted.
    """
    checked: set[int] = set()
    found: list[Any] = []
    for part in _parts(estimator):
        if type(part).__name__ in {"Tree", "TreePredictor"}:
            found.append(part)
        elif _FITTED & getattr(part, "__dict__", {}).keys():  # else the pattern of a forest's trees
            checked.update(id(tree) for tree in _check_part(part))
    if any(id(tree) not in checked for tree in found):
        raise malformed("a tree stands outside its estimator")


def _check_part(part: Any) -> list[Any]:
    """Check one fitted estimator and return its trees."""
    if isinstance(part, BaseDecisionTree):
        _check_tree(part.tree_, _n_features(part))
        return [part.tree_]
    if isinstance(part, _TREE_ENSEMBLES):
        # Compiled loops hand the rows to the trees without asking them.
        trees = np.ravel(part.estimators_)
        if any(_n_features(tree) != _n_features(part) for tree in trees):
            raise malformed("trees of one ensemble have different features")
    elif isinstance(part, HistGradientBoostingClassifier):
        predictors = _predictors(part)
        for predictor in predictors:
            _check_predictor(predictor, _n_features(part))
        return predictors
    elif isinstance(part, KNeighborsClassifier):
        _fit_neighbours_again(part)
    return []


def _n_features(estimator: Any) -> int:
    n_features = getattr(estimator, "n_features_in_", None)
    if type(n_features) is not int:
        raise malformed("an estimator does not say how many features it has")
    return n_features


def _check_tree(tree: Any, n_features: int) -> None:
    if type(tree).__name__ != "Tree" or tree.n_features != n_features:
        raise malformed("a tree has other features than its estimator")
    # The arrays below are views of node_count nodes, of which capacity exist.
    if not 0 < tree.node_count <= tree.capacity:
        raise malformed("a tree has nodes that it does not store")
    leaf = tree.children_left == _LEAF
    _check_links(leaf, tree.children_left, tree.children_right, tree.feature, n_features)


def _predictors(estimator: HistGradientBoostingClassifier) -> list[Any]:
    if estimator._n_features != _n_features(estimator):  # noqa: SLF001  # what prediction reads
        raise malformed("an estimator contradicts itself on its features")
    return [predictor for stage in estimator._predictors for predictor in stage]  # noqa: SLF001


def _check_predictor(predictor: Any, n_features: int) -> None:
    nodes = predictor.nodes
    if nodes.ndim != 1 or len(nodes) == 0:
        raise malformed("a tree has no nodes")
    if nodes["is_categorical"].any():
        raise malformed("trees that split categories are not supported; encode them as numbers")
    left, right, feature = (
        nodes[name].astype(np.int64) for name in ("left", "right", "feature_idx")
    )
    _check_links(nodes["is_leaf"] != 0, left, right, feature, n_features)


def _check_links(
    leaf: NDArray[np.bool_],
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    feature: NDArray[np.int64],
    n_features: int,
) -> None:
    """Children come after their parent, so that every walk ends, and within the tree."""
    parents = np.flatnonzero(~leaf)
    for children in (left[parents], right[parents]):
        if np.any(children <= parents) or np.any(children >= len(leaf)):
            raise malformed("a tree points outside itself or backwards")
    if np.any(feature[parents] < 0) or np.any(feature[parents] >= n_features):
        raise malformed("a tree asks for a feature that does not exist")


def _fit_neighbours_again(neighbours: KNeighborsClassifier) -> None:
    """Fit to the stored rows: scikit-learn checks them, and rebuilds its search tree."""
    names = getattr(neighbours, "feature_names_in_", None)
    labels = neighbours.classes_[neighbours._y]  # noqa: SLF001  # the stored training rows
    neighbours.fit(neighbours._fit_X, labels)  # noqa: SLF001
    if names is not None:
        neighbours.feature_names_in_ = names


def _parts(root: Any) -> Iterator[Any]:
    """Yield every object that hangs on an estimator, itself first, each once."""
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        item = waiting.pop()
        if id(item) in seen or isinstance(item, str | bytes | int | float | type | None):
            continue
        seen.add(id(item))
        if isinstance(item, dict):
            waiting.extend(item.values())
        elif isinstance(item, list | tuple | set):
            waiting.extend(item)
        elif isinstance(item, np.ndarray):
            if item.dtype.hasobject:
                waiting.extend(item.flat)
        else:
            yield item
            waiting.extend(getattr(item, "__dict__", {}).values())
