"""A Gaussian process alone: fitted once, its leave-one-out posteriors calibrate it."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from skysift.models.muygps import MuyGPsClassifier

__all__ = ["PosteriorModel"]

Floats = NDArray[np.float64]


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
