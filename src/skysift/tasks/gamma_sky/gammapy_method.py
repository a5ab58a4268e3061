"""gammapy's blind search behind the interface of the other methods."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skysift.data.sky.counts_map import CountsMap
from skysift.data.sky.gadf_location import HduLocation
from skysift.models.sky.filtered import RatioMap
from skysift.models.sky.local_source import Photons
from skysift.models.sky.search import SearchResult
from skysift.preprocess.sky_background import BackgroundFit
from skysift.preprocess.sky_surface import MapSurface
from skysift.tasks.gamma_sky.reference import GammapySearch, read_response

__all__ = ["GammapyMethod"]


class GammapyMethod:
    """gammapy's excess map and peaks, its response reduced once.

    Parameters
    ----------
    frame : CountsMap
        Grid, bands, good time and pointing of the maps to be searched; its counts are not used.
    response : path-like or None
        GADF file with a background; without one the background is that of rings.
    threshold : float
        Lowest significance of a peak.
    radius : float [deg]
        Offset from the middle of the grid up to which peaks count; all do by default.
    parts : sequence of HduLocation
        Where an index says that the parts of the response are; all of the file if left out.

    Raises
    ------
    MissingExtraError
        If gammapy is not installed.
    ReadError
        If the response cannot be used.
    """

    def __init__(
        self,
        frame: CountsMap,
        response: Path | None,
        *,
        threshold: float = 5.0,
        radius: float = np.inf,
        parts: Sequence[HduLocation] = (),
    ) -> None:
        self._frame, self._radius = frame, radius
        self._search = GammapySearch(
            frame.grid,
            frame.energy_edges,
            threshold=threshold,
            background="ring" if response is None else "irf",
        )
        read = None if response is None else read_response(response, parts=parts)
        self._reduced = self._search.reduce(frame, read)

    def __call__(self, counts: NDArray[np.float32], photons: Photons | None = None) -> SearchResult:
        """Search a map; gammapy has no use for photons, it would bin them into the same pixels."""
        del photons
        candidates, significance = self._search.search(
            self._reduced, replace(self._frame, counts=counts)
        )
        near = tuple(one for one in candidates if np.hypot(one.xi, one.eta) <= self._radius)
        unknown = np.full(len(counts), np.nan)
        nothing = BackgroundFit(MapSurface(np.zeros_like(counts)), unknown, unknown, np.zeros(2), 0)
        return SearchResult(
            near, nothing, self._search.threshold, RatioMap(significance.astype(np.float32))
        )
