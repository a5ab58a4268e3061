"""Parts of the camera that see less than the rest, found in the photons.

The background of a search is smooth about the pointing. Where a sector is dead, the smooth fit is
too low everywhere else, and in half an hour that passes for sources. So sectors and disks with far
fewer photons than the fit expects are left out of it, one after the other, until none is left.
"""

import copy
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import cast

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from skysift.data.sky.tangent import TangentGrid
from skysift.models.sky.search import SkySearch
from skysift.preprocess.sky_background import BackgroundFit, BackgroundModel, FitState

__all__ = ["CameraBackground", "beside_dead_parts"]

FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]

_FEWEST = 300  # photons from where a sector can be told
_CERTAIN = 5.5  # standard deviations from what is expected
_MOST_ROUNDS = 12
_TINY = 1e-9
_AZIMUTHS = 24
_WIDEST = 14  # of them: a sector of 210 deg
_INNER = np.array([0.0, 0.25, 0.5, 1.0, 1.5])  # deg: where a sector may begin
_RADII = (0.25, 0.45)  # deg, of disks
_CELL = 8  # pixels


@dataclass(frozen=True, eq=False)
class _Cells:
    """Squares of pixels, and the sectors and disks that they make up.

    Parameters
    ----------
    x, y : array, shape (n_y, n_x) [deg]
        Of the pixels, from the pointing.
    """

    x: FloatArray
    y: FloatArray

    def sums(self, values: NDArray[np.floating]) -> FloatArray:
        """Add up pixels over cells, shape (n_cells,)."""
        n_y, n_x = self.x.shape
        rows = np.add.reduceat(values, np.arange(0, n_y, _CELL), axis=0, dtype=np.float64)
        return np.asarray(np.add.reduceat(rows, np.arange(0, n_x, _CELL), axis=1)).ravel()

    def in_pixels(self, cells: Mask) -> Mask:
        """Return which pixels lie in some cells."""
        n_y, n_x = self.x.shape
        wide = -(-n_x // _CELL)
        row, column = np.arange(n_y) // _CELL, np.arange(n_x) // _CELL
        return np.asarray(cells.reshape(-1, wide)[row[:, None], column[None, :]])

    @cached_property
    def middle(self) -> tuple[FloatArray, FloatArray]:
        """Mean position of the pixels of each cell [deg]."""
        n = self.sums(np.ones_like(self.x))
        return self.sums(self.x) / n, self.sums(self.y) / n

    @cached_property
    def parts(self) -> Mask:
        """Which cells make up each part, shape (n_parts, n_cells)."""
        x, y = self.middle
        radius = np.hypot(x, y)
        azimuth = np.floor(np.degrees(np.arctan2(x, y)) % 360 / 360 * _AZIMUTHS).astype(np.int64)
        since = (azimuth[None, :] - np.arange(_AZIMUTHS)[:, None]) % _AZIMUTHS
        sectors = since[:, None, :] < np.arange(1, _WIDEST + 1)[None, :, None]
        outside = radius >= _INNER[:, None]
        wedges = (sectors[:, :, None, :] & outside[None, None]).reshape(-1, len(x))
        apart = np.hypot(x[:, None] - x, y[:, None] - y)
        disks = np.concatenate([apart <= size for size in _RADII])
        return np.concatenate([wedges, disks])

    @cached_property
    def _members(self) -> NDArray[np.float32]:
        return self.parts.astype(np.float32)

    def in_parts(self, *of_cells: FloatArray) -> FloatArray:
        """Add up what is in the cells of each part, shape (n_given, n_parts)."""
        sums = self._members @ np.stack(of_cells, axis=1).astype(np.float32)
        return np.asarray(sums.T, dtype=np.float64)


class CameraBackground:
    """A background model that leaves out what is dead of the camera.

    It stands in for a :class:`~skysift.preprocess.sky_background.BackgroundModel` in the search of
    one map.

    Parameters
    ----------
    model : BackgroundModel
        The smooth one.
    cells : _Cells
        Of its pixels.
    counts : array, shape (n_bands, n_y, n_x)
        The map.
    """

    def __init__(self, model: BackgroundModel, cells: _Cells, counts: NDArray[np.floating]) -> None:
        self._model, self._cells = model, cells
        self._first, self.dead = self._settled(counts)

    @property
    def template(self) -> FloatArray:
        """Expected counts per pixel for some exposure."""
        return self._model.template

    @property
    def reach(self) -> float | None:
        """Radius [deg] beyond which nothing is fitted; None if the field fills the map."""
        return self._model.reach

    @property
    def masked(self) -> float:
        """Share of what would be seen, were nothing dead, that falls on what is dead."""
        seen = self._model.template.sum(axis=0)
        return float(seen[self.dead].sum() / seen.sum())

    def fit(
        self,
        counts: NDArray[np.floating],
        weight: NDArray[np.floating] | None = None,
        *,
        start: FitState | None = None,
    ) -> BackgroundFit:
        """Fit the map; see :meth:`skysift.preprocess.sky_background.BackgroundModel.fit`."""
        if weight is None:
            return self._first
        alive = np.where(self.dead, 0, weight).astype(np.float32)
        return self._model.fit(counts, alive, start=start)

    def _settled(self, counts: NDArray[np.floating]) -> tuple[BackgroundFit, Mask]:
        """Return the fit and the pixels that it leaves out for dead."""
        fit = self._model.fit(counts)
        dead = np.zeros(counts.shape[1:], dtype=np.bool_)
        if counts.sum() < _FEWEST:
            return fit, dead
        observed = self._sums(counts)
        bright = np.zeros(len(observed), dtype=np.bool_)
        trial = fit
        for _ in range(_MOST_ROUNDS):
            expected = self._sums(trial.counts)
            shining, excess = self._bright(observed, expected, bright)
            part, deficit = self._lowest_part(observed, expected, bright | self._of(dead))
            if max(excess, deficit) < _CERTAIN**2:
                break
            # Either pulls the fit and makes the other appear: the clearer one is real.
            if excess > deficit:
                bright |= shining
            else:
                dead |= self._cells.in_pixels(part)
            hidden = dead | self._cells.in_pixels(bright)
            trial = self._model.fit(counts, (~hidden).astype(np.float32), start=fit.state)
        if not dead.any():
            return fit, dead
        return self._model.fit(counts, (~dead).astype(np.float32), start=fit.state), dead

    def _sums(self, counts: NDArray[np.floating]) -> FloatArray:
        """Add up all bands over cells, as far as the field reaches."""
        total, fitted = counts.sum(axis=0), self._model.fitted
        return self._cells.sums(total if fitted is None else total * fitted)

    def _of(self, pixels: Mask) -> Mask:
        return np.asarray(self._cells.sums(pixels.astype(np.float32)) > 0)

    def _bright(
        self, observed: FloatArray, expected: FloatArray, left_out: Mask
    ) -> tuple[Mask, float]:
        """Return the cells about the brightest one, and twice its gain in log-likelihood."""
        gain = _deviance(observed, expected)
        gain = np.where((observed > expected) & ~left_out & (expected > 0), gain, 0.0)
        top = int(np.argmax(gain))
        x, y = self._cells.middle
        return np.hypot(x - x[top], y - y[top]) < _RADII[1], float(gain[top])

    def _lowest_part(
        self, observed: FloatArray, expected: FloatArray, left_out: Mask
    ) -> tuple[Mask, float]:
        """Return the cells of the part that lacks photons most clearly, and how clearly."""
        use = ~left_out & (expected > 0)
        n, m = self._cells.in_parts(observed * use, expected * use)
        gain = np.where(n < m, _deviance(n, m), 0.0)
        lowest = int(np.argmax(gain))
        return self._cells.parts[lowest], float(gain[lowest])


def _deviance(n: FloatArray, expected: FloatArray) -> FloatArray:
    """Return twice the gain in log-likelihood of the counts over what is expected of them."""
    mean = np.maximum(expected, _TINY)
    return np.asarray(2 * (xlogy(n, n / mean) + mean - n))


@lru_cache(maxsize=4)
def _cells(n_y: int, n_x: int, pixel_size: float) -> _Cells:
    xi, eta = TangentGrid(0.0, 0.0, n_x, n_y, pixel_size).pixel_centres()
    x, y = np.meshgrid(xi, eta)
    return _Cells(x, y)


def beside_dead_parts(
    search: SkySearch, counts: NDArray[np.float32]
) -> tuple[SkySearch, CameraBackground]:
    """Return a search that leaves out what is dead of the camera on one map.

    Parameters
    ----------
    search : SkySearch
        The search, on a grid about its pointing; it stays as it is.
    counts : array of float32, shape (n_bands, n_y, n_x)
        The map that will be searched.
    """
    cells = _cells(*search.grid.shape, search.grid.pixel_size)
    background = CameraBackground(search.background, cells, counts)
    beside = copy.copy(search)
    beside.background = cast("BackgroundModel", background)
    return beside, background
