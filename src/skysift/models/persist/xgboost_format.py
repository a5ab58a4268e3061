"""XGBoost classifiers in XGBoost's own JSON, checked before the library reads it.

The library crashes on JSON that points outside its trees, partly while it loads; and its binary
format cannot be looked into without it. So only JSON is read, and what XGBoost gets is written
anew from what was checked.
"""

import json
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skysift.core.errors import BundleError
from skysift.core.extras import import_extra
from skysift.models.persist.archive import malformed

__all__ = ["XgboostClassifier", "load_xgboost", "save_xgboost"]

_NO_PARENT = 2**31 - 1
_LEAF = -1
_PER_NODE = (
    "left_children",
    "right_children",
    "parents",
    "split_indices",
    "split_conditions",
    "split_type",
    "default_left",
    "base_weights",
    "loss_changes",
    "sum_hessian",
)
_CATEGORICAL = ("categories", "categories_nodes", "categories_segments", "categories_sizes")
_OBJECTIVES = ("binary:logistic", "multi:softprob")


class XgboostClassifier:
    """A loaded XGBoost classifier with the interface of scikit-learn.

    Parameters
    ----------
    booster : xgboost.Booster
        The trees.
    n_classes : int
        Number of classes.
    """

    def __init__(self, booster: Any, n_classes: int) -> None:
        self._booster = booster
        self.classes_ = np.arange(n_classes)
        self.n_features_in_ = int(booster.num_features())

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float32]:  # noqa: N803  # scikit-learn's
        """Return the probability of each class, shape (n, n_classes), for X (n, n_features)."""
        rows = np.asarray(X, dtype=np.float32)
        if rows.ndim != 2 or rows.shape[1] != self.n_features_in_:  # noqa: PLR2004  # a matrix
            raise ValueError(f"X has the shape {rows.shape}, not (n, {self.n_features_in_})")
        probability: NDArray[np.float32] = self._booster.inplace_predict(rows)
        if probability.ndim == 1:
            return np.column_stack([1 - probability, probability])
        return probability


def save_xgboost(estimator: Any) -> bytes:
    """Return a fitted ``xgboost.XGBClassifier`` as XGBoost's JSON.

    After early stopping, only the trees up to the best iteration are stored.

    Raises
    ------
    BundleError
        If the classifier has settings that the format does not hold.
    """
    booster = estimator.get_booster()
    if not (estimator.missing is None or np.isnan(estimator.missing)):
        raise BundleError(
            f"Missing values are marked by {estimator.missing}, which the format does not hold.",
            "Mark them by NaN and train again.",
        )
    if booster.attr("best_iteration") is not None:
        booster = booster[: int(booster.attr("best_iteration")) + 1]
    document = json.loads(booster.save_raw("json"))
    # Names of columns are the bundle's business, and would tie predictions to data frames.
    document["learner"].update(feature_names=[], feature_types=[], attributes={})
    data = json.dumps(document, separators=(",", ":")).encode()
    load_xgboost(data)  # what is refused later is refused now
    return data


def load_xgboost(data: bytes, *, threads: int | None = None) -> XgboostClassifier:
    """Return the classifier of an XGBoost JSON file, given by its verified bytes.

    Parameters
    ----------
    data : bytes
        Content of the file.
    threads : int, optional
        Number of threads; as many as there are cores if left out.

    Raises
    ------
    BundleError
        If the file is damaged, is of another kind of model, or points outside itself.
    MissingExtraError
        If XGBoost is not installed.
    """
    xgboost = import_extra("xgboost", extra="boost")
    try:
        document = json.loads(data)
        n_classes = _check(document)
        booster = xgboost.Booster()
        booster.load_model(bytearray(json.dumps(document).encode()))
        if threads is not None:
            booster.set_param({"nthread": threads})
    except (
        AttributeError,
        KeyError,
        OverflowError,
        RecursionError,
        TypeError,
        ValueError,  # also of JSON and of XGBoost
    ) as error:
        raise malformed(f"{type(error).__name__}: {str(error).splitlines()[0]}") from error
    return XgboostClassifier(booster, n_classes)


def _check(document: Any) -> int:
    """Check all that XGBoost uses as an index, and return the number of classes."""
    learner = document["learner"]
    trees = learner["gradient_booster"]["model"]
    if learner["gradient_booster"]["name"] != "gbtree":
        raise malformed("only boosted trees are supported")
    if learner["objective"]["name"] not in _OBJECTIVES:
        raise malformed(f"its objective is {str(learner['objective']['name'])[:80]}")
    n_features = int(learner["learner_model_param"]["num_feature"])
    n_groups = max(1, int(learner["learner_model_param"]["num_class"]))
    if int(learner["learner_model_param"]["num_target"]) != 1:
        raise malformed("it has several targets")
    for number, tree in enumerate(trees["trees"]):
        if tree["id"] != number:
            raise malformed("its trees are out of order")
        _check_tree(tree, n_features)
    count = len(trees["trees"])
    if not all(type(group) is int and 0 <= group < n_groups for group in trees["tree_info"]):
        raise malformed("a tree belongs to no class")
    starts = trees["iteration_indptr"]
    if len(trees["tree_info"]) != count or int(trees["gbtree_model_param"]["num_trees"]) != count:
        raise malformed("its number of trees is wrong")
    if starts[0] != 0 or starts[-1] != count or sorted(starts) != starts:
        raise malformed("its iterations are out of order")
    if any(trees.get("cats", {}).get(key) for key in ("enc", "feature_segments", "sorted_idx")):
        raise malformed("categorical features are not supported; encode them as numbers")
    return n_groups if n_groups > 1 else 2


def _check_tree(tree: dict[str, Any], n_features: int) -> None:
    size = int(tree["tree_param"]["num_nodes"])
    if size < 1 or any(len(tree[name]) != size for name in _PER_NODE):
        raise malformed("the arrays of a tree differ in length")
    if any(len(tree[name]) for name in _CATEGORICAL) or any(tree["split_type"]):
        raise malformed("categorical features are not supported; encode them as numbers")
    if int(tree["tree_param"]["size_leaf_vector"]) > 1 or int(tree["tree_param"]["num_deleted"]):
        raise malformed("a tree has vectors as leaves, or deleted nodes")
    left, right, parents, feature = (
        np.asarray(tree[name])
        for name in ("left_children", "right_children", "parents", "split_indices")
    )
    if any(array.dtype.kind != "i" or array.ndim != 1 for array in (left, right, parents, feature)):
        raise malformed("the links of a tree are no integers")
    inner = np.flatnonzero(left != _LEAF)
    if np.any(right[left == _LEAF] != _LEAF) or parents[0] != _NO_PARENT:
        raise malformed("a leaf of a tree has a child, or its root a parent")
    expected = np.full(size, _NO_PARENT)
    for children in (left[inner], right[inner]):
        if np.any(children <= inner) or np.any(children >= size):
            raise malformed("a tree points outside itself or backwards")
        expected[children] = inner
    if not np.array_equal(parents, expected):
        raise malformed("the parents and children of a tree contradict each other")
    if np.any(feature < 0) or np.any(feature[inner] >= n_features):
        raise malformed("a tree asks for a feature that does not exist")
