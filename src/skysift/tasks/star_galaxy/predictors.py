"""The trained part of a model: cross-fitted members, or one Gaussian process with its posterior."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from skysift.models.cross_fitting import CrossFitted
from skysift.models.muygps import MuyGPsClassifier

__all__ = ["PosteriorModel", "Predictor", "fit_predictor"]

Floats = NDArray[np.float64]


class Predictor(Protocol):
    """A matrix of what a model sees, to the probability of a galaxy and its error."""

    @property
    def out_of_fold(self) -> Floats:
        """Probabilities of the training rows by what had not seen them; empty if loaded."""

    def predict_with_error(self, features: NDArray[Any], /) -> tuple[Floats, Floats]:
        """Return the probability and its error, shape (n,) each, for a matrix (n, n_features)."""


@dataclass(frozen=True)
class PosteriorModel:
    """A pipeline that ends in a Gaussian process, whose posterior gives the error.

    Parameters
    ----------
    pipeline : sklearn.pipeline.Pipeline
        Fitted; its last step is a MuyGPsClassifier.
    out_of_fold : array, shape (n_train,)
        Leave-one-out probabilities of the training rows; empty for a model that was loaded.
    """

    pipeline: Any
    out_of_fold: Floats

    @classmethod
    def fit(
        cls, pipeline: Any, features: NDArray[Any], y: NDArray[np.bool_], rng: np.random.Generator
    ) -> Self:
        """Fit a clone of a pipeline to rows, shape (n, n_features), with labels y."""
        fitted = clone(pipeline)
        seeded = [key for key in fitted.get_params() if key.endswith("random_state")]
        fitted.set_params(**{key: int(rng.integers(2**31)) for key in seeded})
        fitted.fit(features, y)
        process: MuyGPsClassifier = fitted[-1]
        posterior = process.process_.leave_one_out(np.arange(len(y)))
        probability = process.calibration_(posterior.mean.astype(np.float64))[:, 1]
        return cls(fitted, probability)

    def predict_with_error(self, features: NDArray[Any], /) -> tuple[Floats, Floats]:
        """Return the calibrated probability and its error from the posterior, shape (n,) each."""
        seen = self.pipeline[:-1].transform(features)
        probability, error = self.pipeline[-1].predict_with_error(seen)
        return probability[:, 1], error[:, 1] if error.ndim > 1 else error


def fit_predictor(
    estimator: Any,
    features: NDArray[Any],
    y: NDArray[np.bool_],
    groups: NDArray[np.int64],
    rng: np.random.Generator,
    *,
    has_posterior: bool,
    folds: int,
    progress: Callable[[float], None] = lambda _fraction: None,
) -> Predictor:
    """Fit a Gaussian process once, or any other classifier cross-fitted.

    Parameters
    ----------
    estimator : scikit-learn classifier
        Not fitted.
    features : array, shape (n, n_features)
        What it sees.
    y : array of bool, shape (n,)
        True for galaxies.
    groups : array of int, shape (n,)
        Rows of one group stay in one fold.
    rng : numpy.random.Generator
        Seeds folds and members.
    has_posterior : bool
        Whether the estimator ends in a Gaussian process.
    folds : int
        Number of members of a cross-fitted model.
    progress : callable
        Called with the fraction done.
    """
    if not has_posterior:
        return CrossFitted.fit(estimator, features, y, groups, rng, folds=folds, progress=progress)
    fitted = PosteriorModel.fit(estimator, features, y, rng)
    progress(1.0)
    return fitted
