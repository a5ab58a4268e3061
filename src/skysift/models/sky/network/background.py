"""A background that is smooth where the field is, and broken where the camera is.

The smooth fit (:mod:`skysift.preprocess.sky_background`) is corrected by the network, and the level
of each band is then set so that the counts beside sources are conserved.
"""

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter

from skysift.models.sky.filter import FilterBank
from skysift.models.sky.network.runtime import NetworkOutput, SkyNetwork, conditions_of, groups_of
from skysift.preprocess.sky_background import BackgroundFit, BackgroundModel
from skysift.preprocess.sky_surface import MapSurface

__all__ = ["NetworkBackground", "NetworkFit"]

Floats = NDArray[np.float32]

_SOURCE_SHARE = 0.3  # of the background: pixels with more counts of sources do not set its level
_DROP = 0.7  # of the typical background about a source: below it is a hole
_RING = 33  # pixels across: the background is taken from within half of it
_TRACE = np.float32(0.02)
_DARKEST, _BRIGHTEST = np.float32(0.05), np.float32(50.0)
_SMALL = np.float32(1e-9)
_STRAY = 3.0  # standard deviations that a level may move


@dataclass(frozen=True, slots=True)
class NetworkFit(BackgroundFit):
    """A fitted background, as the filter sees it and as it is.

    Parameters
    ----------
    surface : Surface
        Background that, spread evenly over the filter's kernel, weighs as much as the real one: at
        the edge of a hole the filter also sees what is beside it.
    sharp : array of float32, shape (n_bands, n_y, n_x)
        The background itself.
    output : NetworkOutput
        All that the network said.
    correction : array of float32, shape (n_y, n_x)
        Background over the smooth one, all bands.
    """

    sharp: Floats
    output: NetworkOutput
    correction: Floats


class NetworkBackground:
    """Fits the background of maps of one grid, as `BackgroundModel` does.

    Parameters
    ----------
    model : BackgroundModel
        The smooth background.
    network : SkyNetwork
        Its correction.
    filter_bank : FilterBank
        Of the search.
    offset : array, shape (n_y, n_x) [deg]
        Of the pixels from the pointing.
    livetime : float [s]
        Of the maps.
    """

    def __init__(
        self,
        model: BackgroundModel,
        network: SkyNetwork,
        filter_bank: FilterBank,
        *,
        offset: NDArray[np.floating[Any]],
        livetime: float,
    ) -> None:
        self.model = model
        self.template = model.template
        self._network = network
        self._filter = filter_bank
        self._conditions = conditions_of(offset, livetime)
        self._groups = groups_of(len(model.template), network.settings.n_bands)
        self._sums = filter_bank.sums.astype(np.float32)
        self._local = threading.local()

    def fit(self, counts: Floats, weight: NDArray[np.floating[Any]] | None = None) -> NetworkFit:
        """Fit the background to a map.

        Parameters
        ----------
        counts : array, shape (n_bands, n_y, n_x)
            Raw counts.
        weight : array, shape (n_y, n_x), or None
            1 where a pixel sets the level, 0 where a source is. What the network said of the same
            array in the call before, without weights, is kept as the output of the fit; the
            background is asked for again without the sources.

        Raises
        ------
        InputError
            If the map does not have the shape of the template.
        """
        last: tuple[Any, Any, Any] = getattr(self._local, "last", (None, None, None))
        if weight is None or last[0] is not counts:
            smooth = self.model.fit(counts)
            output = self._network(counts, smooth.counts, self._conditions)
            last = self._local.last = (counts, smooth, output)
        _, smooth, output = last
        sharp = smooth.counts * output.factor[self._groups]
        if weight is not None:
            smooth = self.model.fit(counts, weight)
            factor = sharp / np.maximum(smooth.counts, _SMALL)
            without = _without_sources(counts, smooth.counts, factor, weight > 0)
            factor = self._network(without, smooth.counts, self._conditions).factor
            sharp = smooth.counts * factor[self._groups]
        faint = output.source.sum(axis=0) < _SOURCE_SHARE * sharp.sum(axis=0)
        used = faint.astype(np.float32) if weight is None else faint * weight.astype(np.float32)
        level, error = _level(counts, sharp, used)
        sharp *= level[:, None, None]
        total = smooth.counts.sum(axis=0)
        return NetworkFit(
            MapSurface(self._as_filtered(sharp, smooth.counts)),
            np.hypot(smooth.scale_error, error),
            smooth.scale * level,
            smooth.gradient,
            smooth.steps,
            sharp,
            output,
            sharp.sum(axis=0) / np.maximum(total, _SMALL),
        )

    def _as_filtered(self, sharp: Floats, smooth: Floats) -> Floats:
        """Return an even background of the same mean in the filter, pixel by pixel."""
        mean = self._filter(sharp)
        # In the dark itself there is no spectrum left to scale: a trace of the smooth one is.
        even = np.maximum(sharp, _TRACE * smooth)
        here = (self._sums @ even.reshape(len(even), -1)).reshape(mean.shape)
        ratio = np.clip(mean / np.maximum(here, _SMALL), _DARKEST, _BRIGHTEST)
        return np.asarray(even * ratio)


def _without_sources(
    counts: Floats, smooth: Floats, factor: Floats, shown: NDArray[np.bool_]
) -> Floats:
    """Return the map with background drawn in the place of sources.

    The network takes a part of a faint source for background, and would again: it is asked once
    more without the source. A drop of the background below a source, as a hole makes it, is kept; a
    rise is what the source may have caused.
    """
    hidden = ~shown
    inside = factor[:, hidden]
    ring = shown & maximum_filter(hidden, size=_RING)
    typical = np.median(factor[:, ring], axis=1, keepdims=True) if ring.any() else inside
    calm = np.where(inside > _DROP * typical, typical, inside)
    filled = counts.copy()
    # The same map gives the same answer: the draw has a seed of its own.
    filled[:, hidden] = np.random.default_rng(0).poisson(smooth[:, hidden] * calm)
    return filled


def _level(counts: Floats, background: Floats, used: Floats) -> tuple[Floats, NDArray[np.float64]]:
    """Return counts over background in each band where pixels are used, and its relative error."""
    flat = used.ravel()
    seen = (counts.reshape(len(counts), -1) @ flat).astype(np.float64)
    wanted = (background.reshape(len(background), -1) @ flat).astype(np.float64)
    error = 1.0 / np.sqrt(np.maximum(wanted, 1.0))
    level = np.clip(seen / np.maximum(wanted, 1.0), 1 - _STRAY * error, 1 + _STRAY * error)
    return np.maximum(level, 0.1).astype(np.float32), error
