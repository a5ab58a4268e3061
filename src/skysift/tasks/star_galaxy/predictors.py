"""What the trained part of a model can do, whatever it is made of."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Predictor"]

Floats = NDArray[np.float64]


class Predictor(Protocol):
    """A matrix of what a model sees, to the probability of a galaxy and its error."""

    @property
    def out_of_fold(self) -> Floats:
        """Probabilities of the training rows by what had not seen them; empty if loaded."""

    def predict_with_error(self, features: NDArray[Any], /) -> tuple[Floats, Floats]:
        """Return the probability and its error, shape (n,) each, for a matrix (n, n_features)."""
