"""Background of a counts map, fitted to the map itself: no instrument response is needed.

The logarithm of the background of each energy band is that of a template plus a constant, even
powers of the distance from the pointing up to the eighth, and a gradient that the bands share:

    ln b_k(x) = ln t_k(x) + c_k + sum_n a_kn u^n + g . x / R,    u = (r / R)^2,  n = 1..4

with R the radius of the field. Fewer powers are enough for minutes; in half an hour what they leave
of the shape passes for sources. It is a Poisson regression (McCullagh & Nelder 1989, section 6) on
cells of several pixels, with Gaussian priors on the shape terms: narrow ones trust the template,
wide ones trust the map.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import InputError, UsageError

__all__ = ["BackgroundFit", "BackgroundModel", "BackgroundPrior"]

FloatArray = NDArray[np.float64]

_RIDGE = 1e-9
_CONVERGED = 1e-2  # Newton's error after such a step is about its square
_MOST_STEPS = 20
_HALVINGS = 6
_LARGEST_EXPONENT = 40.0
_ROUNDING = 1e-12
_LEAST_COUNTS = 0.5
_HIDDEN = 1e-5


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
    """

    scale: float = 3.0
    shape: float = 0.6
    gradient: float = 0.3
    powers: int = 4


FROM_THE_MAP = BackgroundPrior()
"""For a template that only resembles the instrument."""

FROM_THE_RESPONSE = BackgroundPrior(scale=3.0, shape=0.3, gradient=0.3)
"""For the instrument's own background model: its level is not believed, its shape half."""


@dataclass(frozen=True, slots=True)
class BackgroundFit:
    """A fitted background.

    Parameters
    ----------
    counts : array of float32, shape (n_bands, n_y, n_x)
        Expected counts per pixel.
    scale_error : array, shape (n_bands,)
        Relative standard deviation of the level of each band.
    scale : array, shape (n_bands,)
        Fitted counts over those of the template.
    gradient : array, shape (2,)
        Change of the logarithm over the radius of the field, to the east and to the north.
    steps : int
        Newton steps taken.
    """

    counts: NDArray[np.float32]
    scale_error: FloatArray
    scale: FloatArray
    gradient: FloatArray
    steps: int


@dataclass(frozen=True)
class BackgroundModel:
    """A template with its freedom, made once for a grid and then fitted to any number of maps.

    Parameters
    ----------
    template : array, shape (n_bands, n_y, n_x)
        Expected counts per pixel for any exposure; 0 where the instrument does not see.
    xi, eta : array, shape (n_y, n_x) [deg]
        Position of the pixels from the pointing.
    prior : BackgroundPrior
        The freedom.
    cell : int
        Side of a cell in pixels.

    Raises
    ------
    UsageError
        If the template has nothing in a band.
    """

    template: FloatArray
    xi: FloatArray
    eta: FloatArray
    prior: BackgroundPrior = FROM_THE_MAP
    cell: int = 8
    _template: NDArray[np.float32] = field(init=False, repr=False)
    _cell_template: FloatArray = field(init=False, repr=False)
    _by_rows: NDArray[np.float32] = field(init=False, repr=False)
    _by_columns: NDArray[np.float32] = field(init=False, repr=False)
    _terms: NDArray[np.float32] = field(init=False, repr=False)
    _cell_terms: FloatArray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not np.all(self.template.sum(axis=(1, 2)) > 0):
            raise UsageError(
                "The background template is empty in an energy band.",
                "Choose bands in which the instrument has background, or no template.",
            )
        seen = self.template.sum(axis=0) > 0
        radius = float(np.sqrt(self.xi**2 + self.eta**2)[seen].max())
        u = np.minimum((self.xi**2 + self.eta**2) / radius**2, 1.0)
        powers = [u**order for order in range(self.prior.powers + 1)]
        terms = np.stack([*powers, self.xi / radius, self.eta / radius])
        n_y, n_x = self.template.shape[1:]
        object.__setattr__(self, "_by_rows", _membership(n_y, self.cell).T.copy())
        object.__setattr__(self, "_by_columns", _membership(n_x, self.cell))
        object.__setattr__(self, "_template", self.template.astype(np.float32))
        object.__setattr__(self, "_cell_template", self._in_cells(self._template))
        cells = self._in_cells(terms) / self._in_cells(np.ones_like(u))
        object.__setattr__(self, "_terms", terms.reshape(len(terms), -1).astype(np.float32))
        object.__setattr__(self, "_cell_terms", cells.reshape(len(terms), -1))

    def _in_cells(self, values: NDArray[np.floating]) -> FloatArray:
        """Sum over cells; the cells at the upper edges may be smaller."""
        n_layers, n_y, n_x = values.reshape(-1, *values.shape[-2:]).shape
        columns = values.reshape(-1, n_x) @ self._by_columns  # one product is quicker than many
        cells = self._by_rows @ columns.reshape(n_layers, n_y, -1)
        return np.asarray(cells.reshape(*values.shape[:-2], *cells.shape[1:]), dtype=np.float64)

    def _hidden_in_cells(
        self, values: NDArray[np.float32], weight: NDArray[np.floating]
    ) -> FloatArray:
        """Sum over cells what a weight takes away, which is mostly on a small part of the map."""
        hidden = weight != 1
        rows, columns = np.flatnonzero(hidden.any(axis=1)), np.flatnonzero(hidden.any(axis=0))
        total = np.zeros((len(values), len(self._by_rows), self._by_columns.shape[1]))
        if len(rows) == 0:
            return total
        y, x = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        away = values[:, y, x] * (1 - weight[y, x]).astype(np.float32)
        total += self._by_rows[:, y] @ (away @ self._by_columns[x])
        return total

    def fit(
        self, counts: NDArray[np.floating], weight: NDArray[np.floating] | None = None
    ) -> BackgroundFit:
        """Fit the background to a map.

        Parameters
        ----------
        counts : array, shape (n_bands, n_y, n_x)
            Raw counts.
        weight : array, shape (n_y, n_x), or None
            1 where a pixel takes part, 0 where a source or a hole is; all take part if left out.

        Raises
        ------
        InputError
            If the map does not have the shape of the template.
        """
        if counts.shape != self.template.shape:
            raise InputError(
                f"A map of shape {counts.shape} does not fit a background template of "
                f"{self.template.shape}.",
                "Use one grid and one set of energy bands for both.",
            )
        n_bands = len(counts)
        raw = np.asarray(counts, dtype=np.float32)
        observed, expected = self._in_cells(raw), self._cell_template
        if weight is not None:
            observed = observed - self._hidden_in_cells(raw, weight)
            expected = expected - self._hidden_in_cells(self._template, weight)
            # What is left of a cell that is hidden as a whole is rounding.
            expected[expected < _HIDDEN * self._cell_template] = 0.0
        observed = observed.reshape(n_bands, -1)
        expected = expected.reshape(n_bands, -1)
        used = expected.sum(axis=0) > 0
        terms = self._cell_terms[:, used]
        solution = _poisson_regression(
            np.where(expected > 0, observed, 0.0)[:, used],
            expected[:, used],
            terms,
            self.prior,
        )
        fitted = solution.coefficients.astype(np.float32) @ self._terms
        np.exp(fitted, out=fitted)
        fitted = fitted.reshape(self._template.shape)
        fitted *= self._template
        return BackgroundFit(
            fitted,
            solution.scale_error,
            solution.scale,
            solution.coefficients[0, -2:],
            solution.steps,
        )


def _membership(n: int, cell: int) -> NDArray[np.float32]:
    """Return 1 where a pixel lies in a cell, shape (n, n_cells)."""
    cells = np.arange(n) // cell
    return np.asarray(cells[:, None] == np.arange(cells[-1] + 1), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class _Solution:
    coefficients: FloatArray  # (n_bands, 5)
    scale: FloatArray
    scale_error: FloatArray
    steps: int


def _poisson_regression(
    observed: FloatArray,
    expected: FloatArray,
    terms: FloatArray,
    prior: BackgroundPrior,
) -> _Solution:
    """Maximise the posterior by Newton steps; the two gradient terms are common to all bands.

    The normal equations are arrow-shaped: three unknowns per band, tied by the two of the gradient,
    which are found from the Schur complement.
    """
    n_bands, n_terms = len(observed), len(terms)
    n_own = n_terms - 2
    start = np.log((observed.sum(1) + _LEAST_COUNTS) / (expected.sum(1) + _RIDGE))
    centre = np.zeros((n_bands, n_own))
    centre[:, 0] = start
    own, common = centre, np.zeros(2)
    own_precision = np.full(n_own, prior.shape) ** -2.0
    own_precision[0] = prior.scale**-2.0
    common_precision = np.full(2, prior.gradient**-2.0)
    products = (terms[:, None] * terms[None]).reshape(n_terms**2, -1).T
    a, g = terms[:n_own], terms[n_own:]

    def state(own: FloatArray, common: FloatArray) -> tuple[FloatArray, float]:
        """Return the expected counts and the logarithm of the posterior."""
        exponent = np.minimum(own @ a + common @ g, _LARGEST_EXPONENT)
        mean = np.asarray(expected * np.exp(exponent))
        fit = float(np.vdot(observed, exponent) - mean.sum())
        penalty = float(((own - centre) ** 2 @ own_precision).sum())
        return mean, fit - (penalty + float(common**2 @ common_precision)) / 2

    mean, height = state(own, common)
    steps, largest = 0, np.inf
    inverse = np.zeros((n_bands, n_own, n_own))
    while steps < _MOST_STEPS and largest > _CONVERGED:
        steps += 1
        residual = observed - mean
        own_gradient = residual @ a.T - (own - centre) * own_precision
        common_gradient = g @ residual.sum(0) - common * common_precision
        hessian = (mean @ products).reshape(n_bands, n_terms, n_terms)
        inverse = np.asarray(np.linalg.inv(hessian[:, :n_own, :n_own] + np.diag(own_precision)))
        cross = hessian[:, :n_own, n_own:]
        folded = inverse @ cross
        schur = hessian[:, n_own:, n_own:].sum(0) + np.diag(common_precision)
        schur -= (cross.transpose(0, 2, 1) @ folded).sum(0)
        shared = (folded.transpose(0, 2, 1) @ own_gradient[..., None])[..., 0].sum(0)
        common_step = np.linalg.solve(schur, common_gradient - shared)
        own_step = (inverse @ own_gradient[..., None])[..., 0] - folded @ common_step
        largest = float(max(np.abs(own_step).max(), np.abs(common_step).max()))
        length = 1.0
        for _ in range(_HALVINGS):  # a full step may overshoot where the map is far from its start
            new_mean, new_height = state(own + length * own_step, common + length * common_step)
            if new_height >= height - _ROUNDING * abs(height):
                break
            length /= 3
        else:
            break  # no part of the step leads up: this is the top, to rounding
        own, common = own + length * own_step, common + length * common_step
        mean, height = new_mean, new_height
    coefficients = np.concatenate([own, np.tile(common, (n_bands, 1))], axis=1)
    scale = mean.sum(1) / np.maximum(expected.sum(1), _RIDGE)
    return _Solution(coefficients, scale, _level_error(mean, a, inverse), steps)


def _level_error(mean: FloatArray, terms: FloatArray, inverse: FloatArray) -> FloatArray:
    """Return the relative error of each band's mean level, from the covariance of its terms."""
    weight = mean / np.maximum(mean.sum(1, keepdims=True), _RIDGE)
    average = weight @ terms.T
    variance = average[:, None, :] @ inverse @ average[:, :, None]
    return np.asarray(np.sqrt(variance[:, 0, 0]))
