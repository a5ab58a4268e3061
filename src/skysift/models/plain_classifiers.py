"""Trained classifiers as plain arrays: trees, linear models and means of them.

They predict in double precision what scikit-learn does, need nothing but NumPy, and are stored as
named arrays with a description. scikit-learn and skops take seconds to import; a stream need not
wait for them. :mod:`skysift.models.plain_export` makes them of fitted models,
:mod:`skysift.models.plain_state` of what was stored.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, softmax

from skysift.models.plain_trees import Trees, unusable

__all__ = [
    "BoostedTrees",
    "ConstantClassifier",
    "Forest",
    "LinearClassifier",
    "MeanClassifier",
    "PlainClassifier",
    "in_pieces",
]

Floats = NDArray[np.float64]
Arrays = dict[str, NDArray[Any]]

_ROWS = 256  # at a time: what is in work stays in the cache
_BINARY = 2


class PlainClassifier(ABC):
    """A trained classifier, with the interface of scikit-learn.

    Parameters
    ----------
    classes_ : array, shape (n_classes,)
        In the order of the probabilities.
    n_features_in_ : int
        Number of columns.
    """

    kind: ClassVar[str]
    classes_: NDArray[Any]
    n_features_in_: int

    def predict_proba(self, X: ArrayLike) -> Floats:  # noqa: N803  # scikit-learn's name
        """Return the probability of each class, shape (n, n_classes).

        Raises
        ------
        ValueError
            If X has not the shape (n, n_features_in_).
        """
        rows = np.asarray(X, dtype=np.float64)
        if rows.ndim != 2 or rows.shape[1] != self.n_features_in_:  # noqa: PLR2004  # a matrix
            raise ValueError(f"X has the shape {rows.shape}, not (n, {self.n_features_in_})")
        return in_pieces(self._of, rows, len(self.classes_))

    @abstractmethod
    def _of(self, rows: Floats) -> Floats:
        """Return the probabilities of some rows."""

    @abstractmethod
    def arrays(self) -> Arrays:
        """Return what :func:`~skysift.models.plain_state.plain_from_state` takes."""

    def state(self) -> tuple[dict[str, Any], Arrays]:
        """Return a description, fit for JSON, and named arrays."""
        described = {
            "kind": self.kind,
            "classes": self.classes_.tolist(),
            "features": self.n_features_in_,
        }
        return described, self.arrays()


class BoostedTrees(PlainClassifier):
    """Trees whose values add up to log-odds (Friedman 2001, Ann. Stat. 29, 1189).

    Parameters
    ----------
    classes, n_features
        See :class:`PlainClassifier`.
    trees : Trees
        One value a leaf; of more than two classes, one tree for each in turn.
    baseline : array, shape (1,) or (n_classes,)
        Log-odds before the first tree.
    """

    kind = "boosted-trees"

    def __init__(self, classes: ArrayLike, n_features: int, trees: Trees, baseline: Floats) -> None:
        self.classes_ = np.asarray(classes)
        self.n_features_in_ = n_features
        self._trees, self._baseline = trees, baseline
        self._levels = trees.levels()
        wanted = 1 if len(self.classes_) == _BINARY else len(self.classes_)
        if baseline.shape != (wanted,) or len(trees.roots) % wanted or trees.value.shape[1] != 1:
            raise unusable("its trees do not fit its classes")

    def _of(self, rows: Floats) -> Floats:
        return _probabilities(self._odds(rows))

    def _odds(self, rows: Floats) -> Floats:
        values = self._trees.value[self._trees.leaves(rows, self._levels), 0]
        of_rounds = values.reshape(len(rows), -1, len(self._baseline))
        return np.asarray(of_rounds.sum(axis=1) + self._baseline)

    def arrays(self) -> Arrays:
        """Return what :func:`~skysift.models.plain_state.plain_from_state` takes."""
        return {**self._trees.arrays(), "baseline": self._baseline}

    def log_odds(self, X: ArrayLike) -> Floats:  # noqa: N803  # scikit-learn's name
        """Return what the trees add up to, shape (n, 1) or (n, n_classes)."""
        return in_pieces(self._odds, np.asarray(X, dtype=np.float64), len(self._baseline))

    def changed(self, factor: float, shift: Floats, more: Trees | None = None) -> "BoostedTrees":
        """Return trees whose log-odds are ``factor * log_odds + shift``, and more trees behind."""
        trees = self._trees.times(factor)
        return BoostedTrees(
            self.classes_,
            self.n_features_in_,
            trees if more is None else trees.followed_by(more),
            factor * self._baseline + shift,
        )


class Forest(PlainClassifier):
    """The mean of trees whose leaves hold shares of the classes (Breiman 2001, Mach. Learn. 45, 5).

    Parameters
    ----------
    classes, n_features
        See :class:`PlainClassifier`.
    trees : Trees
        With a value for each class.
    """

    kind = "forest"

    def __init__(self, classes: ArrayLike, n_features: int, trees: Trees) -> None:
        self.classes_ = np.asarray(classes)
        self.n_features_in_ = n_features
        self._trees = trees
        self._levels = trees.levels()
        if trees.value.shape[1] != len(self.classes_):
            raise unusable("its leaves do not fit its classes")

    def _of(self, rows: Floats) -> Floats:
        single = rows.astype(np.float32).astype(np.float64)  # as such forests see their columns
        shares = self._trees.value[self._trees.leaves(single, self._levels)]
        return np.asarray(shares.mean(axis=1))

    def arrays(self) -> Arrays:
        """Return what :func:`~skysift.models.plain_state.plain_from_state` takes."""
        return self._trees.arrays()


class LinearClassifier(PlainClassifier):
    """Logistic regression on standardised columns.

    Parameters
    ----------
    classes : array-like, shape (n_classes,)
        See :class:`PlainClassifier`.
    mean, scale : array, shape (n_features,)
        Of the columns.
    coefficients : array, shape (n_odds, n_features)
        Of the log-odds: one row of two classes, else one for each.
    intercept : array, shape (n_odds,)
        Their constants.
    """

    kind = "linear"

    def __init__(
        self, classes: ArrayLike, mean: Floats, scale: Floats, coefficients: Floats,
        intercept: Floats,
    ) -> None:  # fmt: skip
        self.classes_ = np.asarray(classes)
        self._parts = {
            "mean": mean, "scale": scale, "coefficients": coefficients, "intercept": intercept,
        }  # fmt: skip
        self.n_features_in_ = len(mean)
        wanted = 1 if len(self.classes_) == _BINARY else len(self.classes_)
        if (
            mean.shape != scale.shape
            or coefficients.shape != (wanted, *mean.shape)
            or intercept.shape != (wanted,)
            or not all(np.isfinite(part).all() for part in self._parts.values())
            or not (scale > 0).all()
        ):
            raise unusable("its coefficients do not fit its columns and classes")

    def _of(self, rows: Floats) -> Floats:
        part = self._parts
        scaled = (rows - part["mean"]) / part["scale"]
        return _probabilities(scaled @ part["coefficients"].T + part["intercept"])

    def arrays(self) -> Arrays:
        """Return what :func:`~skysift.models.plain_state.plain_from_state` takes."""
        return dict(self._parts)


class ConstantClassifier(PlainClassifier):
    """The shares of the training data, whatever the columns say.

    Parameters
    ----------
    classes, n_features
        See :class:`PlainClassifier`.
    shares : array, shape (n_classes,)
        What is always said.
    """

    kind = "constant"

    def __init__(self, classes: ArrayLike, n_features: int, shares: Floats) -> None:
        self.classes_ = np.asarray(classes)
        self.n_features_in_ = n_features
        self._shares = shares
        if shares.shape != (len(self.classes_),) or not np.isfinite(shares).all():
            raise unusable("its shares do not fit its classes")

    def _of(self, rows: Floats) -> Floats:
        return np.repeat(self._shares[None], len(rows), axis=0)

    def arrays(self) -> Arrays:
        """Return what :func:`~skysift.models.plain_state.plain_from_state` takes."""
        return {"shares": self._shares}


class MeanClassifier(PlainClassifier):
    """The mean probability of several classifiers of the same classes.

    Parameters
    ----------
    parts : sequence of PlainClassifier
        At least one.
    """

    kind = "mean"

    def __init__(self, parts: Sequence[PlainClassifier]) -> None:
        if not parts:
            raise unusable("it is the mean of nothing")
        self.parts = tuple(parts)
        self.classes_ = parts[0].classes_
        self.n_features_in_ = parts[0].n_features_in_
        for part in parts:
            same = np.array_equal(part.classes_, self.classes_)
            if not same or part.n_features_in_ != self.n_features_in_:
                raise unusable("its parts differ in classes or columns")

    def _of(self, rows: Floats) -> Floats:
        return np.asarray(np.mean([part.predict_proba(rows) for part in self.parts], axis=0))

    def arrays(self) -> Arrays:
        """Return what :func:`~skysift.models.plain_state.plain_from_state` takes."""
        return {
            f"{number}.{name}": values
            for number, part in enumerate(self.parts)
            for name, values in part.arrays().items()
        }

    def state(self) -> tuple[dict[str, Any], Arrays]:
        """Return a description, fit for JSON, and named arrays."""
        parts = [part.state()[0] for part in self.parts]
        return {"kind": self.kind, "parts": parts}, self.arrays()


def in_pieces(function: Callable[[Floats], Floats], rows: Floats, width: int) -> Floats:
    """Return what a function says of rows, some at a time, shape (n, width)."""
    parts = [function(rows[at : at + _ROWS]) for at in range(0, len(rows), _ROWS)]
    return np.concatenate([np.empty((0, width)), *parts])


def _probabilities(odds: Floats) -> Floats:
    if odds.shape[1] == 1:
        signal = expit(odds)
        return np.hstack([1.0 - signal, signal])
    return np.asarray(softmax(odds, axis=1))
