"""The search of `skysift.models.sky.search` on the network's background.

The photons are weighed, judged and fitted as there, so that candidates have the same meaning,
errors and units; what is expected without sources comes from the network. It has a case where the
background is not smooth: dead sectors, holes about stars, steep gradients.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import UsageError
from skysift.models.sky.candidate import Candidate
from skysift.models.sky.local_source import LocalSource, Photons
from skysift.models.sky.network.background import NetworkBackground, NetworkFit
from skysift.models.sky.network.runtime import NetworkOutput, SkyNetwork
from skysift.models.sky.search import SearchResult, SkySearch
from skysift.preprocess.sky_background import BackgroundFit
from skysift.preprocess.sky_surface import MapSurface

__all__ = ["NetworkSearch", "centres"]

FloatArray = NDArray[np.float64]

_HOLE = 0.7  # of the smooth background: below, photons of a source are lost too


class NetworkSearch(SkySearch):
    """A search on one grid with the network's background.

    Parameters
    ----------
    classical : SkySearch
        What it searches like, with the smooth background that the network corrects.
    network : SkyNetwork
        A trained one.
    livetime : float [s]
        Of the maps.

    Raises
    ------
    UsageError
        If the grid is not that of the network.
    """

    def __init__(self, classical: SkySearch, network: SkyNetwork, *, livetime: float) -> None:
        made_for, grid = network.settings, classical.grid
        if grid.shape != made_for.shape or not np.isclose(grid.pixel_size, made_for.pixel_size):
            raise UsageError(
                f"The network is made for maps of {made_for.shape[0]} x {made_for.shape[1]} pixels "
                f"of {made_for.pixel_size:g} deg.",
                "Use that grid, or a classical method.",
            )
        # All that a search has prepared stays as it is, but for the background.
        vars(self).update(vars(classical))
        smooth = classical.background
        self.background: Any = NetworkBackground(
            smooth,
            network,
            self.filter,
            offset=np.hypot(smooth.xi, smooth.eta),
            livetime=livetime,
        )

    def __call__(self, counts: NDArray[np.float32], photons: Photons | None = None) -> SearchResult:
        """Search a map; see `SkySearch`. The background of the result is the sharp one."""
        result = super().__call__(counts, photons)
        return replace(result, background=_sharp(result.background))

    def _beside_others(
        self,
        others: Sequence[Any],
        source: LocalSource,
        place: tuple[float, float],
        photons: Photons,
        background: BackgroundFit,
    ) -> tuple[Photons, FloatArray, FloatArray]:
        return super()._beside_others(others, source, place, photons, _sharp(background))

    def _candidate(
        self, one: Any, found: Sequence[Any], background: BackgroundFit, roughness: float
    ) -> Candidate:
        candidate = super()._candidate(one, found, _sharp(background), roughness)
        if not isinstance(background, NetworkFit):
            return candidate
        row, column = self.places.pixel(np.array([candidate.xi]), np.array([candidate.eta]))
        if background.correction[row[0], column[0]] < _HOLE:
            return replace(candidate, flags=(*candidate.flags, "hole"))
        return candidate


def _sharp(background: BackgroundFit) -> BackgroundFit:
    if isinstance(background, NetworkFit):
        return replace(background, surface=MapSurface(background.sharp))
    return background


def centres(output: NetworkOutput, least: float = 0.5) -> NDArray[np.float64]:
    """Return the centres that the network itself names, without a likelihood.

    Parameters
    ----------
    output : NetworkOutput
        Of a map.
    least : float
        Smallest probability of a centre in a block and its neighbours.

    Returns
    -------
    array, shape (n, 4)
        Probability, column, row [pixel], and the variance of either [pixel2]; the likeliest first.
    """
    chance = 1.0 / (1.0 + np.exp(-output.centre_log_odds.astype(np.float64)))
    total = _three_by_three(chance)
    x = _three_by_three(chance * output.column) / total
    y = _three_by_three(chance * output.row) / total
    padded = np.pad(total, 1, constant_values=-1.0)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3))
    peak = (total >= windows.max(axis=(2, 3))) & (total >= least)
    rows, columns = np.nonzero(peak)
    table = np.stack(
        [
            total[rows, columns],
            x[rows, columns],
            y[rows, columns],
            output.variance[rows, columns].astype(np.float64),
        ],
        axis=1,
    )
    return np.asarray(table[np.argsort(-table[:, 0], kind="stable")])


def _three_by_three(values: FloatArray) -> FloatArray:
    padded = np.pad(values, 1)
    return np.asarray(np.lib.stride_tricks.sliding_window_view(padded, (3, 3)).sum(axis=(2, 3)))
