"""From posteriors to what a classifier says: probabilities, and which rows are ambiguous.

Both are learned from leave-one-out posteriors of training rows: a cross-validation with as many
folds as rows, which a local process gives without another fit.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_softmax, softmax

from skysift.core.errors import UsageError
from skysift.models.both_classes import both_classes
from skysift.models.calibration import BetaCalibration

__all__ = ["AmbiguityCutoff", "BinaryCalibration", "SoftmaxCalibration"]

Floats = NDArray[np.float64]

_CERTAIN = 1e-15


@dataclass(frozen=True, slots=True)
class AmbiguityCutoff:
    """How many standard deviations from zero a mean must lie for the row to be certain.

    A row is ambiguous if mean +- cutoff x standard deviation encloses 0, midway between the two
    classes. With alpha the share of the wrongly classified rows that are not ambiguous and beta
    that of the correctly classified ones that are, the cutoff minimises weight x alpha + beta
    (Muyskens et al. 2022, section 3.4, with weights 1, 2, 4 and 10), or, for the weight "counts",
    n_wrong x alpha + n_correct x beta: the number of rows on the wrong side.

    Parameters
    ----------
    cutoff : float
        In standard deviations, 0 or above.
    alpha, beta : float
        Reached on the rows that set the cutoff.
    """

    cutoff: float
    alpha: float
    beta: float

    @classmethod
    def fit(cls, distance: Floats, correct: NDArray[np.bool_], weight: float | str = 1.0) -> Self:
        """Choose the cutoff, exactly.

        Parameters
        ----------
        distance : array, shape (n,)
            abs(mean) / standard deviation of rows that were left out.
        correct : array of bool, shape (n,)
            Whether the sign of the mean was right.
        weight : float or "counts"
            Of a confident mistake against an ambiguous success.

        Raises
        ------
        UsageError
            If there is no such weight.

        Examples
        --------
        >>> distance = np.array([0.1, 0.2, 0.9, 2.0])
        >>> AmbiguityCutoff.fit(distance, np.array([False, False, True, True])).cutoff
        0.55
        """
        n_correct = int(np.count_nonzero(correct))
        n_wrong = len(distance) - n_correct
        if isinstance(weight, str):
            if weight != "counts":
                raise _no_weight(weight)
            of_alpha, of_beta = float(n_wrong), float(n_correct)
        else:
            if not (np.isfinite(weight) and weight > 0.0):
                raise _no_weight(weight)
            of_alpha, of_beta = float(weight), 1.0
        # Between two neighbouring distances, nothing changes.
        levels = np.unique(distance[np.isfinite(distance)])
        cuts = np.concatenate([[0.0], 0.5 * (levels[1:] + levels[:-1]), levels[-1:] + 1.0])
        wrong = np.sort(distance[~correct])
        right = np.sort(distance[correct])
        alpha = 1.0 - np.searchsorted(wrong, cuts, side="left") / max(n_wrong, 1)
        if n_wrong == 0:
            alpha = np.zeros_like(cuts)
        beta = np.searchsorted(right, cuts, side="left") / max(n_correct, 1)
        best = int(np.argmin(of_alpha * alpha + of_beta * beta))
        return cls(float(cuts[best]), float(alpha[best]), float(beta[best]))

    def __call__(self, mean: Floats, error: Floats) -> NDArray[np.bool_]:
        """Return whether mean +- cutoff x error encloses 0, shape (n,)."""
        return np.abs(mean) < self.cutoff * error


@dataclass(frozen=True, slots=True)
class BinaryCalibration:
    """Probabilities of two classes from the mean of one output, in the order of the means.

    Parameters
    ----------
    beta : BetaCalibration
        Applied to the logistic function of twice the mean, which is the softmax of the two means.
    """

    beta: BetaCalibration

    @classmethod
    def fit(cls, mean: Floats, label: NDArray[np.intp]) -> Self:
        """Fit to means, shape (n, 1), of rows that were left out, with labels 0 or 1."""
        return cls(BetaCalibration.fit(expit(2.0 * mean[:, 0]), label == 1))

    def decision(self, mean: Floats) -> Floats:
        """Return the logarithm of the odds of class 1, shape (n,), of means, shape (n, 1)."""
        p = np.clip(self.beta(expit(2.0 * mean[:, 0])), _CERTAIN, 1.0 - _CERTAIN)
        return np.asarray(np.log(p) - np.log1p(-p))

    def __call__(self, mean: Floats) -> Floats:
        """Return probabilities, shape (n, 2)."""
        p = expit(self.decision(mean))
        return both_classes(p)

    def to_state(self) -> Floats:
        """Return the parameters, shape (3,)."""
        return np.array([self.beta.a, self.beta.b, self.beta.c])

    @classmethod
    def from_state(cls, state: NDArray[Any]) -> Self:
        """Return the calibration with these parameters."""
        return cls(BetaCalibration(*(float(value) for value in state)))


@dataclass(frozen=True, slots=True)
class SoftmaxCalibration:
    """Probabilities of several classes: the softmax of slope x mean + offset.

    Parameters
    ----------
    slope : float
        Common to all classes; 0 or above.
    offset : array, shape (n_classes,)
        Of each class.
    """

    slope: float
    offset: Floats

    @classmethod
    def fit(cls, mean: Floats, label: NDArray[np.intp]) -> Self:
        """Fit by maximum likelihood to means, shape (n, n_classes), of rows left out."""
        from scipy.optimize import minimize  # noqa: PLC0415  # slow, and not needed to apply it

        n, n_classes = mean.shape
        hot = np.eye(n_classes)[label]

        def loss(parameters: Floats) -> tuple[float, Floats]:
            log_p = log_softmax(parameters[0] * mean + parameters[1:], axis=1)
            excess = np.exp(log_p) - hot
            slope = np.concatenate([[(excess * mean).sum()], excess.sum(axis=0)])
            # A little shrinkage: the offsets have a common part that nothing determines, and a
            # class that is never mistaken would send the slope to infinity.
            value = -log_p[hot > 0.0].sum() + 1e-3 * (parameters**2).sum()
            return float(value / n), (slope + 2e-3 * parameters) / n

        start = np.concatenate([[2.0], np.zeros(n_classes)])
        bounds = [(0.0, None)] + [(None, None)] * n_classes
        found = minimize(loss, start, jac=True, bounds=bounds)
        return cls(float(found.x[0]), np.asarray(found.x[1:]))

    def decision(self, mean: Floats) -> Floats:
        """Return the logarithms of the probabilities but for a constant, shape (n, n_classes)."""
        return np.asarray(self.slope * mean + self.offset)

    def __call__(self, mean: Floats) -> Floats:
        """Return probabilities, shape (n, n_classes)."""
        return np.asarray(softmax(self.decision(mean), axis=1))

    def to_state(self) -> Floats:
        """Return the parameters, shape (1 + n_classes,)."""
        return np.concatenate([[self.slope], self.offset])

    @classmethod
    def from_state(cls, state: NDArray[Any]) -> Self:
        """Return the calibration with these parameters."""
        return cls(float(state[0]), np.asarray(state[1:], dtype=np.float64))


def _no_weight(weight: float | str) -> UsageError:
    return UsageError(
        f"There is no ambiguity weight '{weight}'.", 'Use a number above 0, or "counts".'
    )
