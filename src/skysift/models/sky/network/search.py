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
from skysift.models.sky.network.runtime import SkyNetwork
from skysift.models.sky.search import SearchResult, SkySearch
from skysift.models.sky.trials import Texture
from skysift.preprocess.sky_background import BackgroundFit
from skysift.preprocess.sky_surface import MapSurface

__all__ = ["NetworkSearch"]

FloatArray = NDArray[np.float64]

_HOLE = 0.7  # of the smooth background: below, photons of a source are lost too


class NetworkSearch(SkySearch):
    """A search on one grid with the network's background.

    Nothing is judged beside a peak below the level: the stiff background that the network corrects
    absorbs little, and to fit it again asks the network again.

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
        self.settings = replace(classical.settings, absorbed=0.0)
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
        self, one: Any, found: Sequence[Any], background: BackgroundFit, texture: Texture
    ) -> Candidate:
        candidate = super()._candidate(one, found, _sharp(background), texture)
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
