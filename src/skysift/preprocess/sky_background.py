"""Background of a counts map, fitted to the map itself: no instrument response is needed.

The logarithm of the background of each energy band is that of a template plus a constant, even
powers of the distance from the pointing up to the eighth, and a gradient that the bands share:

    ln b_k(x) = ln t_k(x) + c_k + sum_n a_kn u^n + g . x / R,    u = (r / R)^2,  n = 1..4

with R the radius of the field. Fewer powers are enough for minutes; in half an hour what they leave
of the shape passes for sources. A field that ends within the map
(:mod:`skysift.preprocess.sky_field`) may be oval besides: cos 2 phi and sin 2 phi times u and u^2,
which the bands share. It is a Poisson regression (McCullagh & Nelder 1989, section 6) on cells of
several pixels, with Gaussian priors on the shape terms: narrow ones trust the template, wide ones
trust the map.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import InputError, UsageError
from skysift.preprocess.poisson_regression import BackgroundPrior, Terms, poisson_regression
from skysift.preprocess.sky_surface import Surface, Template, TemplateSurface

__all__ = ["BackgroundFit", "BackgroundModel", "BackgroundPrior"]

FloatArray = NDArray[np.float64]

_HIDDEN = 1e-5


FROM_THE_MAP = BackgroundPrior()
"""For a template that only resembles the instrument: hardly a word of its shape is believed."""

FROM_A_NARROW_MAP = BackgroundPrior(shape=5.0, elongation=1.0)
"""For a field that ends within the map: the shape of a wide one says next to nothing of it, and its
edge may be oval, as that of two telescopes is."""

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
    surface : Surface
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

    surface: Surface
    scale_error: FloatArray
    scale: FloatArray
    gradient: FloatArray
    steps: int
    state: FitState | None = field(default=None, repr=False, compare=False, kw_only=True)

    @property
    def counts(self) -> NDArray[np.float32]:
        """Expected counts of all pixels, shape (n_bands, n_y, n_x)."""
        return self.surface.counts

    def at(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the expected counts of some pixels, shape (n_bands, ...)."""
        return self.surface.at(rows, columns)


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
    reach : float or None [deg]
        Radius of a field that ends within the map: the map is fitted up to there, and further out
        the background is what the template makes of its rim. None where it fills the map.

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
    reach: float | None = None
    fitted: NDArray[np.bool_] | None = field(init=False, repr=False)
    _template: Template = field(init=False, repr=False)
    _fitted_template: NDArray[np.float32] = field(init=False, repr=False)
    _cell_template: FloatArray = field(init=False, repr=False)
    _by_rows: NDArray[np.float32] = field(init=False, repr=False)
    _by_columns: NDArray[np.float32] = field(init=False, repr=False)
    _cell_terms: Terms = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not np.all(self.template.sum(axis=(1, 2)) > 0):
            raise UsageError(
                "The background template is empty in an energy band.",
                "Choose bands in which the instrument has background, or no template.",
            )
        distance = np.sqrt(self.xi**2 + self.eta**2)
        fitted = None if self.reach is None else distance <= self.reach
        object.__setattr__(self, "fitted", fitted)
        seen = self.template.sum(axis=0) > 0
        radius = float(distance[seen if fitted is None else seen & fitted].max())
        u = np.minimum((self.xi**2 + self.eta**2) / radius**2, 1.0)
        powers = [u**order for order in range(self.prior.powers + 1)]
        x, y = self.xi / radius, self.eta / radius
        oval = _oval(x, y) if self.prior.elongation else []
        terms = np.stack([*powers, *oval, x, y])
        n_y, n_x = self.template.shape[1:]
        object.__setattr__(self, "_by_rows", _membership(n_y, self.cell).T.copy())
        object.__setattr__(self, "_by_columns", _membership(n_x, self.cell))
        template = Template(self.template.astype(np.float32), terms.astype(np.float32))
        object.__setattr__(self, "_template", template)
        object.__setattr__(self, "_fitted_template", self._within_reach(template.counts))
        object.__setattr__(self, "_cell_template", self._in_cells(self._fitted_template))
        counted = self._in_cells(self._within_reach(np.ones((1, n_y, n_x), dtype=np.float32)))
        cells = self._in_cells(self._within_reach(terms)) / np.maximum(counted, 1.0)
        object.__setattr__(self, "_cell_terms", Terms.of(cells, len(self.template), len(oval) + 2))

    def _within_reach(self, values: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return layers with 0 where the map is not fitted."""
        return values if self.fitted is None else np.where(self.fitted, values, 0)

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
        raw = self._within_reach(np.asarray(counts, dtype=np.float32))
        cells = self._in_cells(raw) if start is None else start.cells
        observed, expected = cells, self._cell_template
        if weight is not None:
            observed = observed - self._hidden_in_cells(raw, weight)
            expected = expected - self._hidden_in_cells(self._fitted_template, weight)
            # What is left of a cell that is hidden as a whole is rounding.
            expected[expected < _HIDDEN * self._cell_template] = 0.0
        solution = poisson_regression(
            np.where(expected > 0, observed, 0.0),
            expected,
            self._cell_terms,
            self.prior,
            None if start is None else start.coefficients,
        )
        return BackgroundFit(
            TemplateSurface(self._template, solution.coefficients),
            solution.scale_error,
            solution.scale,
            solution.coefficients[0, -2:],
            solution.steps,
            state=FitState(cells, solution.coefficients),
        )


def _oval(x: FloatArray, y: FloatArray) -> list[FloatArray]:
    """Return terms of an oval shape: two directions in the second and fourth power, flat outside.

    Parameters
    ----------
    x, y : array [radius of the field]
    """
    u = x**2 + y**2
    within = 1.0 / np.maximum(u, 1.0)
    across, aslant = (x**2 - y**2) * within, 2 * x * y * within
    return [across, aslant, across * np.minimum(u, 1.0), aslant * np.minimum(u, 1.0)]


def _membership(n: int, cell: int) -> NDArray[np.float32]:
    """Return 1 where a pixel lies in a cell, shape (n, n_cells)."""
    cells = np.arange(n) // cell
    return np.asarray(cells[:, None] == np.arange(cells[-1] + 1), dtype=np.float32)
