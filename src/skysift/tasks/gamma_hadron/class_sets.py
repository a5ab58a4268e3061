"""Sets of classes that hold the true one with a stated probability, by class and SIZE."""

import numpy as np
from numpy.typing import NDArray

from skysift.data.table import FeatureTable
from skysift.models.conformal import class_sets_of
from skysift.tasks.gamma_hadron.model import GammaHadronModel

__all__ = ["BY", "PROMISE", "class_sets", "probabilities"]

PROMISE = "set"
BY = "log_size"
"""What groups are made by: the logarithm of SIZE."""

Floats = NDArray[np.float64]


def probabilities(gammaness: Floats) -> Floats:
    """Return the probability of each class, shape (n, 2), in the order of the model's classes."""
    return np.column_stack([1.0 - gammaness, gammaness])


def class_sets(
    model: GammaHadronModel, gammaness: Floats, table: FeatureTable, coverage: float
) -> NDArray[np.str_]:
    """Return the classes that events are typical of, comma-separated, shape (n,).

    Parameters
    ----------
    model : GammaHadronModel
        With a calibration.
    gammaness : array, shape (n,)
        At the training prior; NaN rows have an empty set.
    table : FeatureTable
        The events; without a SIZE, all have the limits of all.
    coverage : float
        Probability with which a set holds the true class.

    Raises
    ------
    UsageError
        If the bundle has no calibration.
    """
    group = table[BY] if BY in table.columns else None
    return class_sets_of(model.promise(PROMISE), probabilities(gammaness), coverage, group)
