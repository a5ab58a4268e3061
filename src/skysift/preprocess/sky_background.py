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
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import InputError, UsageError

__all__ = ["BackgroundFit", "BackgroundModel", "BackgroundPrior"]

FloatArray = NDArray[np.float64]

_RIDGE = 1e-9
_CONVERGED = 3e-2  # a step that gains less leaves an error of its square
_MOST_STEPS = 20
_HALVINGS = 6
_LARGEST_EXPONENT = 40.0
_ROUNDING = 1e-12
_LEAST_COUNTS = 0.5
_HIDDEN = 1e-5
_IN_CACHE = 16384  # pixels that are evaluated at a time


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


class FitState(NamedTuple):
    """How far a fit has come: what another fit of the same map can start from.

    Parameters
    ----------
    cells : array, shape (n_bands, n_cells)
        Counts of the map in cells, hidden ones included.
    coefficients : array, shape (n_bands, n_terms)
        Of the terms of each band, the last two of which are common.
    """

    cells: FloatArray
    coefficients: FloatArray


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
    state : FitState or None
        For further fits of the same map, where the model can make use of it.
    """

    counts: NDArray[np.float32]
    scale_error: FloatArray
    scale: FloatArray
    gradient: FloatArray
    steps: int
    state: FitState | None = field(default=None, repr=False, compare=False, kw_only=True)


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
    _cell_terms: "_Terms" = field(init=False, repr=False)

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
        cells = self._in_cells(terms) / self._in_cells(np.ones((1, n_y, n_x)))
        object.__setattr__(self, "_terms", terms.reshape(len(terms), -1).astype(np.float32))
        object.__setattr__(self, "_cell_terms", _Terms.of(cells, len(self.template)))

    def _in_cells(self, values: NDArray[np.floating]) -> FloatArray:
        """Sum layers over cells, shape (n, n_cells); those at the upper edges may be smaller."""
        n_layers, n_y, n_x = values.shape
        whole = n_y // self.cell * self.cell
        rows = values[:, :whole].reshape(n_layers, -1, self.cell, n_x)
        # Rows are added as products with ones, which are quicker than sums along an axis.
        sums = (np.ones((1, self.cell), dtype=values.dtype) @ rows)[:, :, 0]
        if whole < n_y:
            sums = np.concatenate([sums, values[:, whole:].sum(axis=1, keepdims=True)], axis=1)
        cells = sums.reshape(-1, n_x) @ self._by_columns
        return np.asarray(cells.reshape(n_layers, -1), dtype=np.float64)

    def _hidden_in_cells(
        self, values: NDArray[np.float32], weight: NDArray[np.floating]
    ) -> FloatArray:
        """Sum over cells what a weight takes away, which is mostly on a small part of the map."""
        hidden = weight != 1
        rows = np.flatnonzero(hidden.any(axis=1))
        if len(rows) == 0:
            return np.zeros((len(values), self._cell_template.shape[1]))
        columns = np.flatnonzero(hidden[rows[0] : rows[-1] + 1].any(axis=0))
        y, x = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        away = values[:, y, x] * (1 - weight[y, x]).astype(np.float32)
        total = self._by_rows[:, y] @ (away @ self._by_columns[x])
        return np.asarray(total.reshape(len(values), -1), dtype=np.float64)

    def fit(
        self,
        counts: NDArray[np.floating],
        weight: NDArray[np.floating] | None = None,
        *,
        start: FitState | None = None,
    ) -> BackgroundFit:
        """Fit the background to a map.

        Parameters
        ----------
        counts : array, shape (n_bands, n_y, n_x)
            Raw counts.
        weight : array, shape (n_y, n_x), or None
            1 where a pixel takes part, 0 where a source or a hole is; all take part if left out.
        start : FitState or None
            Of another fit of the same map, with any weights: the maximum, which there is but one
            of, is found in fewer steps.

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
        raw = np.asarray(counts, dtype=np.float32)
        cells = self._in_cells(raw) if start is None else start.cells
        observed, expected = cells, self._cell_template
        if weight is not None:
            observed = observed - self._hidden_in_cells(raw, weight)
            expected = expected - self._hidden_in_cells(self._template, weight)
            # What is left of a cell that is hidden as a whole is rounding.
            expected[expected < _HIDDEN * self._cell_template] = 0.0
        solution = _poisson_regression(
            np.where(expected > 0, observed, 0.0),
            expected,
            self._cell_terms,
            self.prior,
            None if start is None else start.coefficients,
        )
        return BackgroundFit(
            self._evaluate(solution.coefficients),
            solution.scale_error,
            solution.scale,
            solution.coefficients[0, -2:],
            solution.steps,
            state=FitState(cells, solution.coefficients),
        )

    def _evaluate(self, coefficients: FloatArray) -> NDArray[np.float32]:
        """Return the background of each pixel."""
        by_term = coefficients.astype(np.float32)
        template = self._template.reshape(len(by_term), -1)
        counts = np.empty_like(template)
        for first in range(0, counts.shape[1], _IN_CACHE):
            some = slice(first, first + _IN_CACHE)
            part = np.matmul(by_term, self._terms[:, some], out=counts[:, some])
            np.exp(part, out=part)
            part *= template[:, some]
        return counts.reshape(self._template.shape)


def _membership(n: int, cell: int) -> NDArray[np.float32]:
    """Return 1 where a pixel lies in a cell, shape (n, n_cells)."""
    cells = np.arange(n) // cell
    return np.asarray(cells[:, None] == np.arange(cells[-1] + 1), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class _Terms:
    """What the logarithm of a background is made of, in each cell.

    The last two terms are common to all bands.
    """

    values: FloatArray  # (n_terms, n_cells)
    products: FloatArray  # (n_cells, n_terms^2): of each with each
    unknown: NDArray[np.int64]  # (n_bands, n_terms): number of each coefficient among all
    pair: NDArray[np.int64]  # (n_bands * n_terms^2,): the same for two of a band, as one number

    @classmethod
    def of(cls, values: FloatArray, n_bands: int) -> "_Terms":
        n_terms = len(values)
        products = (values[:, None] * values[None]).reshape(n_terms**2, -1)
        own = n_bands * (n_terms - 2)
        unknown = np.empty((n_bands, n_terms), dtype=np.int64)
        unknown[:, :-2] = np.arange(own).reshape(n_bands, -1)
        unknown[:, -2:] = own, own + 1
        pair = unknown[:, :, None] * (own + 2) + unknown[:, None, :]
        return cls(values, np.ascontiguousarray(products.T), unknown, pair.ravel())

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
        return np.asarray(np.linalg.solve(matrix, right)[self.unknown])


@dataclass(frozen=True, slots=True)
class _Solution:
    coefficients: FloatArray  # (n_bands, n_terms)
    scale: FloatArray
    scale_error: FloatArray
    steps: int


def _poisson_regression(
    observed: FloatArray,
    expected: FloatArray,
    terms: _Terms,
    prior: BackgroundPrior,
    start: FloatArray | None,
) -> _Solution:
    """Maximise the posterior by Newton steps."""
    n_bands, n_terms = len(observed), len(terms.values)
    n_own = n_terms - 2
    seen = expected.sum(axis=1)
    centre = np.zeros((n_bands, n_terms))
    centre[:, 0] = np.log((observed.sum(axis=1) + _LEAST_COUNTS) / (seen + _RIDGE))
    precision = np.full(n_terms, prior.shape**-2.0)
    precision[0], precision[n_own:] = prior.scale**-2.0, prior.gradient**-2.0 / n_bands
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
    return _Solution(coefficients, scale, error, steps)


def _level_error(mean: FloatArray, terms: FloatArray, hessian: FloatArray) -> FloatArray:
    """Return the relative error of each band's mean level, from the information on its terms."""
    average = (mean @ terms.T) / np.maximum(mean.sum(axis=1, keepdims=True), _RIDGE)
    solved = np.linalg.solve(hessian, average[:, :, None])[:, :, 0]
    return np.asarray(np.sqrt((average * solved).sum(axis=1)))
