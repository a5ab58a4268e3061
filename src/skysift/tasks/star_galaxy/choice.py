"""The members of the blend, chosen by the log loss of rows that are left out in training.

The choice is a part of the training: it is made anew wherever a blend is trained, from the training
rows alone. So a cross-validation of the blend holds what choosing costs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import Pipeline

from skysift.evaluate.probability import log_losses
from skysift.models.calibration import BetaCalibration
from skysift.models.cross_fitting import BinaryModel, CrossFitted
from skysift.models.images.cnn import StampCnnClassifier
from skysift.models.images.part_graphs import export_pipeline
from skysift.models.muygps import MuyGPsClassifier
from skysift.tasks.star_galaxy.blend import Blend, mean_probability, sober_log_odds
from skysift.tasks.star_galaxy.parts import OUTPUT, GraphPart, ProcessPart

__all__ = ["BlendRecipe", "ChosenBlend"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class BlendRecipe:
    """Which parts a blend may have.

    Parameters
    ----------
    parts : mapping of str to (estimator, (first, last))
        Untrained classifiers by name, and the half-open range of columns that each sees.
    candidates : mapping of str to tuple of str
        By name, the parts of each blend that may be chosen, the simplest first.
    """

    parts: Mapping[str, tuple[Any, tuple[int, int]]]
    candidates: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class ChosenBlend:
    """The candidate of the least log loss on rows that the scoring members had not seen.

    Parameters
    ----------
    fitted : CrossFitted
        Its members are blends of the chosen parts.
    chosen : str
        Name of the candidate.
    log_loss : mapping of str to float
        Of each candidate, out of fold, calibrated.
    """

    fitted: CrossFitted
    chosen: str
    log_loss: Mapping[str, float]

    @classmethod
    def fit(
        cls,
        recipe: BlendRecipe,
        features: NDArray[Any],
        y: NDArray[np.bool_],
        groups: NDArray[np.int64],
        rng: np.random.Generator,
        *,
        folds: int,
        progress: Callable[[float], None] = lambda _fraction: None,
    ) -> Self:
        """Train every part once for each fold, then choose.

        Parameters
        ----------
        recipe : BlendRecipe
            What is trained.
        features : array, shape (n, n_features)
            What the parts see.
        y : array of bool, shape (n,)
            True for galaxies.
        groups : array of int, shape (n,)
            Rows of one group stay in one fold.
        rng : numpy.random.Generator
            Seeds the folds and the parts.
        folds : int
            Number of members.
        progress : callable
            Called with the fraction done.
        """
        seed = int(rng.integers(2**31))
        splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
        odds = {name: np.empty(len(y)) for name in recipe.parts}
        trained: dict[str, list[BinaryModel]] = {name: [] for name in recipe.parts}
        for done, (some, others) in enumerate(splitter.split(features, y, groups)):
            for number, (name, (estimator, (first, last))) in enumerate(recipe.parts.items()):
                part = _fitted(estimator, features[some, first:last], y[some], rng)
                said = part.predict_proba(features[others, first:last])[:, 1]
                odds[name][others] = sober_log_odds(said)
                trained[name].append(part)
                progress((done + (number + 1) / len(recipe.parts)) / folds)
        calibrated = {
            candidate: _calibrated(mean_probability([odds[name] for name in names]), y)
            for candidate, names in recipe.candidates.items()
        }
        losses = {
            candidate: float(log_losses(y, said).mean())
            for candidate, (_, said) in calibrated.items()
        }
        chosen = min(losses, key=lambda candidate: losses[candidate])
        names = recipe.candidates[chosen]
        columns = [recipe.parts[name][1] for name in names]
        members = [Blend([trained[name][k] for name in names], columns) for k in range(folds)]
        return cls(CrossFitted(members, *calibrated[chosen]), chosen, losses)

    @property
    def out_of_fold(self) -> Floats:
        """Probabilities of the training rows by members that had not seen them."""
        return self.fitted.out_of_fold

    def predict_with_error(self, features: NDArray[Any], /) -> tuple[Floats, Floats]:
        """Return the probability and the standard deviation over members, shape (n,) each."""
        return self.fitted.predict_with_error(features)


def _calibrated(raw: Floats, y: NDArray[np.bool_]) -> tuple[BetaCalibration, Floats]:
    calibration = BetaCalibration.fit(raw, y)
    return calibration, calibration(raw)


def _fitted(
    estimator: Any, columns: NDArray[Any], y: NDArray[np.bool_], rng: np.random.Generator
) -> BinaryModel:
    """Return a trained clone in the form in which it is stored."""
    part = clone(estimator)
    seeded = [key for key in part.get_params() if key.endswith("random_state")]
    part.set_params(**{key: int(rng.integers(2**31)) for key in seeded})
    part.fit(columns, y)
    if isinstance(part, StampCnnClassifier):
        return GraphPart(part.graph_)
    if isinstance(part, Pipeline) and isinstance(part[-1], MuyGPsClassifier):
        return ProcessPart.of(part)
    return GraphPart(export_pipeline(part, OUTPUT))
