"""Trained classifiers from the description and the arrays that a bundle holds of them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.models.plain_classifiers import (
    Arrays,
    BoostedTrees,
    ConstantClassifier,
    Forest,
    LinearClassifier,
    MeanClassifier,
    PlainClassifier,
)
from skysift.models.plain_continued import ContinuedClassifier
from skysift.models.plain_trees import Trees, array_of, unusable

__all__ = ["plain_from_state"]

_MOST_PARTS = 64


def plain_from_state(described: Any, arrays: Mapping[str, NDArray[Any]]) -> PlainClassifier:
    """Return the classifier that `state` described.

    Parameters
    ----------
    described : mapping
        From JSON; nothing is known of it.
    arrays : mapping of str to array
        As stored.

    Raises
    ------
    BundleError
        If something is missing or does not fit together.

    Examples
    --------
    >>> one = ConstantClassifier(["quiet", "flare"], 3, np.array([0.75, 0.25]))
    >>> plain_from_state(*one.state()).predict_proba([[1.0, 2.0, 3.0]]).tolist()
    [[0.75, 0.25]]
    """
    if not isinstance(described, Mapping):
        raise unusable("it has no description")
    match described.get("kind"):
        case ContinuedClassifier.kind:
            return _continued(described, arrays)
        case MeanClassifier.kind:
            return _mean(described, arrays)
        case _:
            return _single(described, arrays)


def _continued(described: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> PlainClassifier:
    parent = described.get("parent")
    factor, shift = described.get("factor"), described.get("shift")
    if not isinstance(parent, Mapping) or "parent" in parent:
        raise unusable("it goes on from nothing, or from what went on")
    if not isinstance(factor, float) or not isinstance(shift, float):
        raise unusable("its stretch is no number")
    before = plain_from_state(parent, _named(arrays, "parent."))
    grown = Trees.checked(arrays, before.n_features_in_) if described.get("grown") else None
    return ContinuedClassifier(before, factor, shift, grown)


def _mean(described: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> PlainClassifier:
    parts = described.get("parts")
    if not isinstance(parts, list) or len(parts) > _MOST_PARTS:
        raise unusable("the description names no parts")
    if any(isinstance(one, Mapping) and {"parts", "parent"} & one.keys() for one in parts):
        raise unusable("its parts have parts again")
    return MeanClassifier(
        [plain_from_state(one, _named(arrays, f"{number}.")) for number, one in enumerate(parts)]
    )


def _single(described: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> PlainClassifier:
    classes, n_features = _classes(described.get("classes")), described.get("features")
    if not isinstance(n_features, int) or n_features < 1:
        raise unusable("the description tells no columns")
    match described.get("kind"):
        case BoostedTrees.kind:
            trees = Trees.checked(arrays, n_features)
            baseline = array_of(arrays, "baseline", np.dtype(np.float64))
            return BoostedTrees(classes, n_features, trees, baseline)
        case Forest.kind:
            return Forest(classes, n_features, Trees.checked(arrays, n_features))
        case LinearClassifier.kind:
            names = ("mean", "scale", "coefficients", "intercept")
            parts = [array_of(arrays, name, np.dtype(np.float64)) for name in names]
            return LinearClassifier(classes, *parts)
        case ConstantClassifier.kind:
            shares = array_of(arrays, "shares", np.dtype(np.float64))
            return ConstantClassifier(classes, n_features, shares)
        case kind:
            raise unusable(f"there is no kind '{kind}'")


def _named(arrays: Mapping[str, NDArray[Any]], start: str) -> Arrays:
    """Return the arrays whose names begin so, without that beginning."""
    return {name[len(start) :]: one for name, one in arrays.items() if name.startswith(start)}


def _classes(told: Any) -> NDArray[Any]:
    if isinstance(told, list) and told:
        kind = type(told[0])
        if kind in {int, str} and all(type(one) is kind for one in told):
            return np.array(told)
    raise unusable("the description tells no classes")
