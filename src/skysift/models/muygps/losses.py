"""Leave-one-out losses: how well each row of a batch is predicted from its neighbours.

All are means over rows and outputs, so that they do not grow with the batch. As in the papers, the
variance is that of the function, without the noise of the row's own target: errors that are fitted
by lool or looph come out ample where the noise is large.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from skysift.core.errors import UnknownNameError
from skysift.models.muygps.posterior import LocalPosterior

__all__ = ["LOSSES", "Loss", "cross_entropy", "lool", "looph", "loss_named", "mean_squared_error"]

Floats = NDArray[np.floating[Any]]
Loss = Callable[[LocalPosterior, Floats, Floats], float]
"""From posteriors of n rows, their targets (n, n_outputs) and sigma squared (n_outputs,)."""

_HUBER_BOUNDARY = 3.0


def mean_squared_error(posterior: LocalPosterior, targets: Floats, _sigma_squared: Floats) -> float:
    """Return the mean squared error (Muyskens et al. 2021, section 3.2)."""
    return float(np.mean((posterior.mean - targets) ** 2, dtype=np.float64))


def cross_entropy(posterior: LocalPosterior, targets: Floats, _sigma_squared: Floats) -> float:
    """Return the cross-entropy of the softmax of the means (Muyskens et al. 2022, section 3.3).

    Targets are above zero for the class of the row and below for the others; of two classes, one
    output is enough, the other being its negative.
    """
    mean = posterior.mean.astype(np.float64)
    if targets.shape[1] == 1:
        mean, targets = np.hstack([mean, -mean]), np.hstack([targets, -targets])
    log_probability = mean - logsumexp(mean, axis=1, keepdims=True)
    return float(-np.sum(log_probability[targets > 0.0]) / len(mean))


def lool(posterior: LocalPosterior, targets: Floats, sigma_squared: Floats) -> float:
    """Return the leave-one-out likelihood loss (Wood, Dunton, Muyskens & Priest 2022, eq. 10).

    It is twice the negative logarithm of the Gaussian density of the residual, less a constant.
    """
    variance = _variance(posterior, sigma_squared)
    return float(np.mean((posterior.mean - targets) ** 2 / variance + np.log(variance)))


def looph(posterior: LocalPosterior, targets: Floats, sigma_squared: Floats) -> float:
    """Return the leave-one-out pseudo-Huber loss: lool, linear beyond three standard deviations.

    Outliers then move it less (Mukangango, Muyskens & Priest 2024, eq. 8).
    """
    variance = _variance(posterior, sigma_squared)
    pull = (posterior.mean - targets) ** 2 / variance
    square = _HUBER_BOUNDARY**2
    return float(np.mean(2.0 * square * (np.sqrt(1.0 + pull / square) - 1.0) + np.log(variance)))


LOSSES: dict[str, Loss] = {
    "mse": mean_squared_error,
    "cross_entropy": cross_entropy,
    "lool": lool,
    "looph": looph,
}


def loss_named(name: str) -> Loss:
    """Return the loss of that name.

    Raises
    ------
    UnknownNameError
        If there is no such loss.
    """
    try:
        return LOSSES[name]
    except KeyError:
        raise UnknownNameError("loss", name, LOSSES) from None


def _variance(posterior: LocalPosterior, sigma_squared: Floats) -> NDArray[np.float64]:
    # A row that coincides with a noiseless neighbour has no variance; its logarithm stays finite.
    floor = np.finfo(posterior.variance.dtype).eps
    return np.maximum(posterior.variance, floor)[:, None].astype(np.float64) * sigma_squared
