"""The mean of two classifiers in log-odds."""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn.base import BaseEstimator, ClassifierMixin, clone

from skysift.models.both_classes import both_classes

__all__ = ["LogOddsMean"]

_FLOOR = 1e-6


class LogOddsMean(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Two unlike classifiers of the same features, averaged in log-odds.

    Their errors are little correlated, so that the mean ranks better than either.

    Parameters
    ----------
    network, trees : scikit-learn classifiers
        The two; cloned in `fit`.

    Attributes
    ----------
    network_, trees_ : fitted classifiers
    """

    def __init__(self, network: Any, trees: Any) -> None:
        self.network = network
        self.trees = trees

    def fit(self, X: NDArray[Any], y: NDArray[Any]) -> Self:  # noqa: N803  # scikit-learn's name
        """Train both on X, shape (n, n_features), with labels y of two classes."""
        self.classes_ = np.unique(y)
        self.n_features_in_ = np.shape(X)[1]
        self.network_ = clone(self.network).fit(X, y)
        self.trees_ = clone(self.trees).fit(X, y)
        return self

    def predict_proba(self, X: NDArray[Any]) -> NDArray[np.float64]:  # noqa: N803
        """Return the probabilities of the two classes, shape (n, 2)."""
        odds = [
            logit(np.clip(part.predict_proba(X)[:, 1].astype(float), _FLOOR, 1 - _FLOOR))
            for part in (self.network_, self.trees_)
        ]
        p = expit(np.mean(odds, axis=0))
        return both_classes(p)

    def predict(self, X: NDArray[Any]) -> NDArray[Any]:  # noqa: N803
        """Return the likelier class of each row, shape (n,)."""
        return np.asarray(self.classes_[np.argmax(self.predict_proba(X), axis=1)])
