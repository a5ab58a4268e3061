"""A trained classifier that went on: its log-odds, stretched, and trees on top of them."""

from functools import reduce
from typing import Any

import numpy as np
from scipy.special import expit, logit

from skysift.models.plain_classifiers import Arrays, Floats, PlainClassifier
from skysift.models.plain_trees import Trees, unusable

__all__ = ["ContinuedClassifier", "log_odds_of"]

_FLOOR = 1e-7
_BINARY = 2


class ContinuedClassifier(PlainClassifier):
    """Two classes by ``factor * parent + shift + trees``, all of them log-odds.

    What has no weights that could move, such as the mean of a forest and a line, goes on so.

    Parameters
    ----------
    parent : PlainClassifier
        Of two classes; it stays as it is.
    factor, shift : float
        What its log-odds are stretched by.
    trees : Trees or None
        With one value a leaf.
    """

    kind = "continued"

    def __init__(
        self, parent: PlainClassifier, factor: float, shift: float, trees: Trees | None = None
    ) -> None:
        self.classes_, self.n_features_in_ = parent.classes_, parent.n_features_in_
        self.parent, self.factor, self.shift, self.trees = parent, factor, shift, trees
        self._levels = 0 if trees is None else trees.levels()
        if len(self.classes_) != _BINARY or not np.isfinite([factor, shift]).all():
            raise unusable("what it goes on from is not of two classes, or its stretch no number")
        if trees is not None and trees.value.shape[1] != 1:
            raise unusable("its trees do not fit its classes")

    def _of(self, rows: Floats) -> Floats:
        odds = self.factor * log_odds_of(self.parent, rows)[:, 0] + self.shift
        if self.trees is not None:
            odds = odds + self.trees.value[self.trees.leaves(rows, self._levels), 0].sum(axis=1)
        signal = expit(odds)
        return np.column_stack([1.0 - signal, signal])

    def arrays(self) -> Arrays:
        """Return what :func:`~skysift.models.plain_state.plain_from_state` takes."""
        own = {} if self.trees is None else self.trees.arrays()
        of_parent = {f"parent.{name}": values for name, values in self.parent.arrays().items()}
        return {**of_parent, **own}

    def state(self) -> tuple[dict[str, Any], Arrays]:
        """Return a description, fit for JSON, and named arrays."""
        described = {
            "kind": self.kind,
            "parent": self.parent.state()[0],
            "factor": self.factor,
            "shift": self.shift,
            "grown": self.trees is not None,
        }
        return described, self.arrays()

    @classmethod
    def of(
        cls,
        parent: PlainClassifier,
        factor: float = 1.0,
        shift: float = 0.0,
        trees: Trees | None = None,
    ) -> "ContinuedClassifier":
        """Go on from any parent; one that went on itself is not nested."""
        if not isinstance(parent, ContinuedClassifier):
            return cls(parent, factor, shift, trees)
        before = None if parent.trees is None else parent.trees.times(factor)
        grown = [one for one in (before, trees) if one is not None]
        return cls(
            parent.parent,
            factor * parent.factor,
            factor * parent.shift + shift,
            reduce(Trees.followed_by, grown) if grown else None,
        )


def log_odds_of(classifier: PlainClassifier, rows: Floats) -> Floats:
    """Return the log-odds of the second of two classes, shape (n, 1), kept finite."""
    said = classifier.predict_proba(rows)[:, 1:]
    return np.asarray(logit(np.clip(said, _FLOOR, 1.0 - _FLOOR)), dtype=np.float64)
