"""A blend of unlike classifiers, each of its own columns, averaged in log-odds."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn.base import BaseEstimator, ClassifierMixin, clone

from skysift.models.forests import probabilities

__all__ = ["ColumnBlend"]

_FLOOR = 3e-3
"""No part may be surer than this: some labels are wrong, and one part alone must not decide."""


class ColumnBlend(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """The mean, in log-odds, of classifiers that each see some of the columns.

    Their errors are less correlated than those of the same classifier trained twice, so that the
    mean is better than any of them.

    Parameters
    ----------
    parts : sequence of (estimator, (first, last))
        Classifiers, and the half-open range of columns that each sees.
    random_state : int
        Seeds those parts that have a parameter of that name.

    Attributes
    ----------
    parts_ : list of fitted classifiers
    """

    def __init__(self, parts: Sequence[tuple[Any, tuple[int, int]]], random_state: int = 0) -> None:
        self.parts = parts
        self.random_state = random_state

    def fit(self, X: NDArray[Any], y: NDArray[Any]) -> Self:  # noqa: N803  # scikit-learn's name
        """Train all parts on X, shape (n, n_features), with labels y of two classes."""
        rng = np.random.default_rng(self.random_state)
        self.classes_ = np.unique(y)
        self.n_features_in_ = np.shape(X)[1]
        self.parts_ = []
        for estimator, (first, last) in self.parts:
            part = clone(estimator)
            seeded = [key for key in part.get_params() if key.endswith("random_state")]
            part.set_params(**{key: int(rng.integers(2**31)) for key in seeded})
            self.parts_.append(part.fit(X[:, first:last], y))
        return self

    def predict_proba(self, X: NDArray[Any]) -> NDArray[np.float64]:  # noqa: N803
        """Return the probabilities of the two classes, shape (n, 2)."""
        odds = []
        for part, (_, (first, last)) in zip(self.parts_, self.parts, strict=True):
            p = probabilities(part, X[:, first:last])[:, 1]
            odds.append(logit(np.clip(p, _FLOOR, 1 - _FLOOR)))
        p = expit(np.mean(odds, axis=0))
        return np.column_stack([1.0 - p, p])

    def predict(self, X: NDArray[Any]) -> NDArray[Any]:  # noqa: N803
        """Return the likelier class of each row, shape (n,)."""
        return np.asarray(self.classes_[np.argmax(self.predict_proba(X), axis=1)])
