"""Binary trees as plain arrays, and the checks of arrays that come from a file."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import BundleError

__all__ = ["Trees", "array_of", "unusable"]

Floats = NDArray[np.float64]

_MOST_LEVELS = 64
_TREE_ARRAYS: Final[Mapping[str, np.dtype[Any]]] = {
    "roots": np.dtype(np.int32),
    "feature": np.dtype(np.int32),
    "threshold": np.dtype(np.float64),
    "left": np.dtype(np.int32),
    "right": np.dtype(np.int32),
    "missing_left": np.dtype(np.bool_),
    "value": np.dtype(np.float64),
}


@dataclass(frozen=True, eq=False)
class Trees:
    """Binary trees, one behind the other; nodes follow their parents.

    Parameters
    ----------
    roots : array of int, shape (n_trees,)
        First node of each.
    feature : array of int, shape (n_nodes,)
        Column that a node asks for.
    threshold : array, shape (n_nodes,)
        A row goes left where its value is at most this.
    left, right : array of int, shape (n_nodes,)
        Where it goes; a leaf leads to itself.
    missing_left : array of bool, shape (n_nodes,)
        Whether a row without a value goes left.
    value : array, shape (n_nodes, n_values)
        What a leaf says.
    """

    roots: NDArray[np.int32]
    feature: NDArray[np.int32]
    threshold: Floats
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    missing_left: NDArray[np.bool_]
    value: Floats

    @classmethod
    def checked(cls, arrays: Mapping[str, NDArray[Any]], n_features: int) -> "Trees":
        """Return trees of stored arrays.

        Raises
        ------
        BundleError
            If an array is missing or has another type, or a node leads nowhere or in a circle.
        """
        trees = cls(**{name: array_of(arrays, name, kind) for name, kind in _TREE_ARRAYS.items()})
        n = len(trees.feature)
        shapes = {getattr(trees, name).shape for name in ("feature", "threshold", "left", "right")}
        if shapes != {(n,)} or trees.missing_left.shape != (n,) or trees.value.shape[:1] != (n,):
            raise unusable("its arrays differ in length")
        if trees.value.ndim != 2 or trees.roots.ndim != 1 or not len(trees.roots):  # noqa: PLR2004
            raise unusable("its trees have no roots or no values")
        for name, most in (("roots", n), ("feature", n_features), ("left", n), ("right", n)):
            values = getattr(trees, name)
            if ((values < 0) | (values >= most)).any():
                raise unusable(f"the array '{name}' points outside")
        if np.isnan(trees.threshold).any() or not np.isfinite(trees.value).all():
            raise unusable("a number in it is none")
        own = np.arange(n)
        is_leaf = (trees.left == own) & (trees.right == own)
        if not (is_leaf | ((trees.left > own) & (trees.right > own))).all():
            raise unusable("a node leads back")
        return trees

    def levels(self) -> int:
        """Return the number of steps from a root to the farthest leaf.

        Raises
        ------
        BundleError
            If there are too many.
        """
        nodes: NDArray[Any] = np.unique(self.roots)
        for level in range(_MOST_LEVELS + 1):
            inner = nodes[self.left[nodes] != nodes]
            if not len(inner):
                return level
            nodes = np.unique(np.concatenate([self.left[inner], self.right[inner]]))
        raise unusable(f"its trees have more than {_MOST_LEVELS} levels")

    def leaves(self, rows: Floats, levels: int) -> NDArray[np.int64]:
        """Return the leaf of each row in each tree, shape (n, n_trees)."""
        node = np.repeat(self.roots[None], len(rows), axis=0).astype(np.int64)
        which = np.arange(len(rows))[:, None]
        for _ in range(levels):
            seen = rows[which, self.feature[node]]
            is_left = np.where(
                np.isnan(seen), self.missing_left[node], seen <= self.threshold[node]
            )
            node = np.where(is_left, self.left[node], self.right[node]).astype(np.int64)
        return node

    def followed_by(self, other: "Trees") -> "Trees":
        """Return these trees, then others."""
        n = len(self.feature)
        moved = {"roots": n, "left": n, "right": n}
        pairs = {name: (getattr(self, name), getattr(other, name)) for name in _TREE_ARRAYS}
        return Trees(
            **{
                name: np.concatenate([first, second + np.int32(moved.get(name, 0))])
                if name in moved
                else np.concatenate([first, second])
                for name, (first, second) in pairs.items()
            }
        )

    def times(self, factor: float) -> "Trees":
        """Return trees whose leaves say so much more."""
        return replace(self, value=self.value * factor)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all by name."""
        return {name: getattr(self, name) for name in _TREE_ARRAYS}


def array_of(arrays: Mapping[str, NDArray[Any]], name: str, kind: np.dtype[Any]) -> NDArray[Any]:
    """Return a stored array.

    Raises
    ------
    BundleError
        If it is missing or of another type.
    """
    found = arrays.get(name)
    if found is None or found.dtype != kind:
        raise unusable(f"it has no array '{name}' of {kind}")
    return found


def unusable(reason: str) -> BundleError:
    """Return the error of arrays that make no classifier."""
    return BundleError(
        f"The arrays of the classifier cannot be used: {reason}.",
        "Fetch the bundle again, or train it again.",
    )
