"""Responses made ready for many maps: folded once, kept, and looked up by conditions."""

from collections import OrderedDict
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from skysift.data.irf.conditions import under_conditions
from skysift.data.irf.response import InstrumentResponse
from skysift.data.sky.event_list import Pointing
from skysift.data.sky.tangent import TangentGrid, separation
from skysift.preprocess.folding import (
    PointSourceFolder,
    energy_bands,
    field_coordinates,
    fold_background,
)

__all__ = ["RADII", "FoldedResponse", "Instrument", "folded"]

FloatArray = NDArray[np.float64]
_RADIUS_MAX, _N_RADII = 1.5, 160
RADII = _RADIUS_MAX * (np.arange(_N_RADII + 1) / _N_RADII) ** 2
"""Radii [deg] at which images are kept, even in their square root: fine where they are sharp."""
_OFFSET_STEP = 0.25
_OFFSET_LIMIT = 5.0
_STEPS_PER_DECADE = 20
_SAME_PLACE = 1e-9  # deg


class FoldedResponse:
    """A response folded for one set of bands.

    Parameters
    ----------
    response : InstrumentResponse
    energy_edges : array, shape (n_bands + 1,) [TeV], optional
        Of reconstructed energy; six bands from 0.04 to 1 TeV if left out.
    """

    def __init__(
        self, response: InstrumentResponse, energy_edges: FloatArray | None = None
    ) -> None:
        edges = energy_bands() if energy_edges is None else np.asarray(energy_edges, dtype=float)
        self.response, self.energy_edges = response, edges
        limit = min(response.offset_max, _OFFSET_LIMIT)
        offsets = np.linspace(0.0, limit, int(np.ceil(limit / _OFFSET_STEP)) + 1)
        self.offset_max = response.offset_max
        self.folder = PointSourceFolder(
            response, edges, offsets, RADII, steps_per_decade=_STEPS_PER_DECADE
        )
        self._background: dict[tuple[int, int, float], NDArray[np.float32]] = {}
        self._places: dict[tuple[int, int, float], tuple[FloatArray, FloatArray]] = {}

    def background(self, grid: TangentGrid, pointing: Pointing) -> NDArray[np.float32]:
        """Return the background rate [s-1] of each pixel, shape (n_bands, n_y, n_x).

        Kept for grids centred on the pointing, which all have the same.
        """
        if not _is_centred(grid, pointing):
            return fold_background(self.response, self.energy_edges, grid, pointing).astype(
                np.float32
            )
        key = (grid.n_x, grid.n_y, grid.pixel_size)
        if key not in self._background:
            rate = fold_background(self.response, self.energy_edges, grid, pointing)
            self._background[key] = rate.astype(np.float32)
        return self._background[key]

    def places(self, grid: TangentGrid, pointing: Pointing) -> tuple[FloatArray, FloatArray]:
        """Return where the pixels lie in the field of view: x, y [deg], shape (n_y, n_x)."""
        if not _is_centred(grid, pointing):
            return field_coordinates(grid, pointing)
        key = (grid.n_x, grid.n_y, grid.pixel_size)
        if key not in self._places:
            self._places[key] = field_coordinates(grid, pointing)
        return self._places[key]


def _is_centred(grid: TangentGrid, pointing: Pointing) -> bool:
    return bool(separation(grid.ra, grid.dec, pointing.ra, pointing.dec) < _SAME_PLACE)


def folded(
    response: InstrumentResponse | FoldedResponse, energy_edges: FloatArray | None = None
) -> FoldedResponse:
    """Return a folded response; the last few that were made are kept."""
    if isinstance(response, FoldedResponse):
        return response
    edges = energy_bands() if energy_edges is None else energy_edges
    return _folded(response, tuple(float(edge) for edge in edges))


@lru_cache(maxsize=8)
def _folded(response: InstrumentResponse, edges: tuple[float, ...]) -> FoldedResponse:
    return FoldedResponse(response, np.array(edges))


class Instrument:
    """A response under all conditions: zenith angles and night skies, in steps.

    Parameters
    ----------
    response : InstrumentResponse
        At a zenith angle of 20 deg under a dark sky.
    energy_edges : array, shape (n_bands + 1,) [TeV], optional
        Of reconstructed energy; six bands from 0.04 to 1 TeV if left out.
    follow_conditions : bool
        Without it the response is taken as it is whatever the zenith angle.
    zenith_step : float [deg]
        Conditions are rounded to such steps; 20 deg and a dark sky are on the steps.
    kept : int
        How many folded responses are held in memory, some 5 MB each.
    """

    def __init__(
        self,
        response: InstrumentResponse,
        energy_edges: FloatArray | None = None,
        *,
        follow_conditions: bool = True,
        zenith_step: float = 5.0,
        kept: int = 64,
    ) -> None:
        self.response = response
        self.energy_edges = energy_bands() if energy_edges is None else np.asarray(energy_edges)
        self.follow_conditions = follow_conditions
        self._step, self._most = zenith_step, kept
        self._kept: OrderedDict[tuple[int, int], FoldedResponse] = OrderedDict()

    def at(self, zenith: float = 20.0, nsb: float = 1.0) -> FoldedResponse:
        """Return the folded response nearest to the conditions.

        Parameters
        ----------
        zenith : float [deg]
        nsb : float
            Brightness of the night sky over that of a dark one; in steps of a factor of 1.4.
        """
        key = (round(zenith / self._step), round(2 * np.log2(nsb)))
        if not self.follow_conditions:
            key = (round(20.0 / self._step), 0)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        response = self.response
        if self.follow_conditions:
            response = under_conditions(response, key[0] * self._step, 2.0 ** (key[1] / 2))
        self._kept[key] = FoldedResponse(response, self.energy_edges)
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return self._kept[key]
