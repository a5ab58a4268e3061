"""Train what a model is made of: cross-fitted members, a chosen blend, or one process."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.models.cross_fitting import CrossFitted
from skysift.tasks.star_galaxy.choice import BlendRecipe, ChosenBlend
from skysift.tasks.star_galaxy.posterior_model import PosteriorModel
from skysift.tasks.star_galaxy.predictors import Predictor

__all__ = ["fit_predictor"]


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
    """Fit a Gaussian process once, a blend by its recipe, any other classifier cross-fitted.

    Parameters
    ----------
    estimator : scikit-learn classifier or BlendRecipe
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
    if isinstance(estimator, BlendRecipe):
        return ChosenBlend.fit(estimator, features, y, groups, rng, folds=folds, progress=progress)
    if not has_posterior:
        return CrossFitted.fit(estimator, features, y, groups, rng, folds=folds, progress=progress)
    fitted = PosteriorModel.fit(estimator, features, y, rng)
    progress(1.0)
    return fitted
