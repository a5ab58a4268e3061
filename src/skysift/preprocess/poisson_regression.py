"""Poisson regression with Gaussian priors, in several bands with common terms, by Newton steps."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

__all__ = ["BackgroundPrior", "Solution", "Terms", "poisson_regression"]

FloatArray = NDArray[np.float64]

_RIDGE = 1e-9
_CONVERGED = 3e-2  # a step that gains less leaves an error of its square
_MOST_STEPS = 20
_HALVINGS = 6
_LARGEST_EXPONENT = 40.0
_ROUNDING = 1e-12
_LEAST_COUNTS = 0.5


@dataclass(frozen=True, slots=True)
class BackgroundPrior:
    """How far a background may depart from its template, as standard deviations of terms.

    Parameters
    ----------
    scale : float
        Of the logarithm of the level of each band; infinite leaves it to the map.
    shape : float
        Of each radial term at the rim of the field, per band.
    gradient : float
        Of the gradient, as the change of the logarithm from the centre to the rim.
    powers : int
        Number of radial terms per band, the even powers of the distance from the second on.
    elongation : float
        Of each term of an oval shape, at the rim of the field; 0 leaves them out.
    """

    scale: float = 3.0
    shape: float = 10.0
    gradient: float = 0.3
    powers: int = 4
    elongation: float = 0.0


@dataclass(frozen=True, slots=True)
class Terms:
    """What the logarithm of a background is made of, in each cell.

    The last terms are common to all bands, the gradient's two at the very end.
    """

    values: FloatArray  # (n_terms, n_cells)
    products: FloatArray  # (n_cells, n_terms^2): of each with each
    unknown: NDArray[np.int64]  # (n_bands, n_terms): number of each coefficient among all
    pair: NDArray[np.int64]  # (n_bands * n_terms^2,): the same for two of a band, as one number
    n_common: int

    @classmethod
    def of(cls, values: FloatArray, n_bands: int, n_common: int = 2) -> "Terms":
        """Take the values of the terms, shape (n_terms, n_cells)."""
        n_terms = len(values)
        products = (values[:, None] * values[None]).reshape(n_terms**2, -1)
        own = n_bands * (n_terms - n_common)
        unknown = np.empty((n_bands, n_terms), dtype=np.int64)
        unknown[:, :-n_common] = np.arange(own).reshape(n_bands, -1)
        unknown[:, -n_common:] = own + np.arange(n_common)
        pair = unknown[:, :, None] * (own + n_common) + unknown[:, None, :]
        return cls(values, np.ascontiguousarray(products.T), unknown, pair.ravel(), n_common)

    def newton_step(self, gradient: FloatArray, hessian: FloatArray) -> FloatArray:
        """Solve the normal equations, from what each band adds to them, shape (n_bands, n_terms).

        Parameters
        ----------
        gradient : array, shape (n_bands, n_terms)
        hessian : array, shape (n_bands, n_terms, n_terms)
            Negative, of the logarithm of the posterior.
        """
        n = int(self.unknown[-1, -1]) + 1
        matrix = np.bincount(self.pair, hessian.ravel(), n * n).reshape(n, n)
        right = np.bincount(self.unknown.ravel(), gradient.ravel(), n)
        _, solution, failed = lapack.dposv(matrix, right)
        if failed:
            message = "The information on the background is not positive definite."
            raise np.linalg.LinAlgError(message)
        return np.asarray(solution[self.unknown])


@dataclass(frozen=True, slots=True)
class Solution:
    """What a regression found; see `BackgroundFit` for the scale."""

    coefficients: FloatArray  # (n_bands, n_terms)
    scale: FloatArray
    scale_error: FloatArray
    steps: int


def poisson_regression(
    observed: FloatArray,
    expected: FloatArray,
    terms: Terms,
    prior: BackgroundPrior,
    start: FloatArray | None,
) -> Solution:
    """Maximise the posterior by Newton steps."""
    n_bands, n_terms = len(observed), len(terms.values)
    n_own = n_terms - terms.n_common
    seen = expected.sum(axis=1)
    centre = np.zeros((n_bands, n_terms))
    centre[:, 0] = np.log((observed.sum(axis=1) + _LEAST_COUNTS) / (seen + _RIDGE))
    precision = np.full(n_terms, prior.shape**-2.0)
    precision[0], precision[-2:] = prior.scale**-2.0, prior.gradient**-2.0 / n_bands
    if prior.elongation:
        precision[n_own:-2] = prior.elongation**-2.0 / n_bands
    diagonal = np.diag(precision)

    def state(coefficients: FloatArray) -> tuple[FloatArray, float]:
        """Return the expected counts and the logarithm of the posterior."""
        exponent = coefficients @ terms.values
        np.minimum(exponent, _LARGEST_EXPONENT, out=exponent)
        mean = expected * np.exp(exponent)
        penalty = float(((coefficients - centre) ** 2 @ precision).sum())
        return mean, float(np.vdot(observed, exponent) - mean.sum()) - penalty / 2

    coefficients = centre if start is None else start
    mean, height = state(coefficients)
    hessian = np.tile(diagonal, (n_bands, 1, 1))
    steps, gain = 0, np.inf
    while steps < _MOST_STEPS and gain > _CONVERGED:
        steps += 1
        gradient = (observed - mean) @ terms.values.T - (coefficients - centre) * precision
        hessian = (mean @ terms.products).reshape(n_bands, n_terms, n_terms) + diagonal
        step = terms.newton_step(gradient, hessian)
        gain = float(np.vdot(gradient, step)) / 2  # in the logarithm of the posterior
        length = 1.0
        for _ in range(_HALVINGS):  # a full step may overshoot where the map is far from its start
            new_mean, new_height = state(coefficients + length * step)
            if new_height >= height - _ROUNDING * abs(height):
                break
            length /= 3
        else:
            break  # no part of the step leads up: this is the top, to rounding
        coefficients = coefficients + length * step
        mean, height = new_mean, new_height
    scale = mean.sum(axis=1) / np.maximum(seen, _RIDGE)
    error = _level_error(mean, terms.values[:n_own], hessian[:, :n_own, :n_own])
    return Solution(coefficients, scale, error, steps)


def _level_error(mean: FloatArray, terms: FloatArray, hessian: FloatArray) -> FloatArray:
    """Return the relative error of each band's mean level, from the information on its terms."""
    average = (mean @ terms.T) / np.maximum(mean.sum(axis=1, keepdims=True), _RIDGE)
    solved = np.linalg.solve(hessian, average[:, :, None])[:, :, 0]
    return np.asarray(np.sqrt((average * solved).sum(axis=1)))
