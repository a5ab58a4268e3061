"""A window of photons on its map, and what searches it; windows of the same conditions share it."""

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import cast

import numpy as np

from skysift.data.irf.response import InstrumentResponse
from skysift.data.sky.counts_map import CountsMap, bin_events
from skysift.data.sky.event_list import EventList, Pointing
from skysift.data.sky.tangent import TangentGrid
from skysift.models.sky.local_source import Photons
from skysift.models.sky.search import SearchSettings
from skysift.models.sky.trials import TrialsTable
from skysift.preprocess.folding import energy_bands
from skysift.tasks.gamma_sky.devices import device_for
from skysift.tasks.gamma_sky.field_setup import FieldSetup
from skysift.tasks.gamma_sky.methods import Method, SearchMethod, make_method
from skysift.tasks.gamma_sky.options import CLASSICAL, PUBLISHED, PredictOptions, ReadOptions
from skysift.tasks.gamma_sky.smoothed import SmoothedMaximum

__all__ = ["BinnedWindow", "bin_window", "grid_of", "method_of", "search_method_of"]

_LIKELIHOOD = tuple(name for name in CLASSICAL if name != "smoothed-maximum")
_SHORTEST = 1e-3  # s of live time: less is taken as that


@dataclass(frozen=True)
class BinnedWindow:
    """One window of an observation before its search.

    Parameters
    ----------
    events : EventList
        The photons of the window, of the energies that are searched.
    counts : CountsMap
        Their map.
    photons : Photons
        Where those on the map are.
    """

    events: EventList
    counts: CountsMap
    photons: Photons


def bin_window(events: EventList, reading: ReadOptions) -> BinnedWindow:
    """Count the photons of a window on the grid about its pointing."""
    chosen = events.in_energy(reading.emin, reading.emax)
    grid = grid_of(events.pointing, reading)
    edges = energy_bands(reading.emin, reading.emax, reading.bands)
    binned = bin_events(chosen, grid, edges)
    counts = CountsMap(
        binned.counts,
        edges,
        grid,
        chosen.gti,
        chosen.livetime,
        chosen.pointing,
        chosen.reference_mjd,
    )
    photons = Photons(binned.xi, binned.eta, binned.band, np.ones(len(binned.band)))
    return BinnedWindow(chosen, counts, photons)


def grid_of(pointing: Pointing, reading: ReadOptions) -> TangentGrid:
    """Return the grid of maps about a pointing."""
    return TangentGrid(
        pointing.ra, pointing.dec, reading.pixels, reading.pixels, reading.pixel_size
    )


def method_of(
    binned: BinnedWindow,
    response: InstrumentResponse | None,
    options: PredictOptions,
    trials: TrialsTable,
    false_alarms: float,
    *,
    networks: Path | None = None,
) -> Method:
    """Return what searches a window; windows of the same conditions share it.

    Parameters
    ----------
    binned : BinnedWindow
        Its conditions.
    response, options, trials, networks
        As for `search_events`.
    false_alarms : float
        Expected number of false candidates in this search.
    """
    counts, pointing = binned.counts, binned.events.pointing
    if options.method == "gammapy":
        # An extra, and slow to import.
        from skysift.tasks.gamma_sky.gammapy_method import GammapyMethod  # noqa: PLC0415

        path, parts = getattr(response, "path", None), getattr(response, "parts", ())
        return GammapyMethod(counts, path, radius=options.search_radius, parts=parts)
    grid = counts.grid
    conditions = _Conditions(
        options.method,
        _whole_degrees(pointing.zenith),
        (grid.n_x, grid.pixel_size),
        tuple(counts.energy_edges.tolist()),
        _rounded(max(counts.livetime, _SHORTEST), digits=2),
        response,
        trials,
        SearchSettings(false_alarms=_rounded(false_alarms, digits=4), radius=options.search_radius),
        networks,
        device_for((options.method,), options.device),
        # Published maps are bins of right ascension: they do depend on where that is.
        (grid.ra, grid.dec) if options.method in PUBLISHED else (0.0, 0.0),
    )
    if options.method in _LIKELIHOOD:  # a network has its own ways
        reach = conditions.setup().folded().reach(binned.photons)
        conditions = replace(conditions, reach=reach)
    return _method(conditions)


def search_method_of(
    binned: BinnedWindow,
    response: InstrumentResponse | None,
    options: PredictOptions,
    trials: TrialsTable,
    false_alarms: float,
) -> SearchMethod:
    """Return what `method_of` does, of the methods that can search a stream."""
    method = method_of(binned, response, options, trials, false_alarms)
    return cast("SearchMethod", method)  # PredictOptions allow no other with windows


def _rounded(value: float, digits: int) -> float:
    """Return a number to some digits: a method hardly depends on the rest, and can be kept."""
    return float(f"{value:.{digits - 1}e}")


def _whole_degrees(zenith: float) -> float | None:
    """Return a zenith angle to a degree, None if it is not known: NaN would equal nothing."""
    return float(np.round(zenith)) if np.isfinite(zenith) else None


@dataclass(frozen=True)
class _Conditions:
    """All that a method depends on; fields with the same share it."""

    name: str
    zenith: float | None
    pixels: tuple[int, float]
    edges: tuple[float, ...]
    livetime: float
    response: InstrumentResponse | None
    trials: TrialsTable
    settings: SearchSettings
    networks: Path | None
    device: str
    pointing: tuple[float, float]
    reach: float | None = None

    def setup(self) -> FieldSetup:
        """Return the field for one second, as far as its map."""
        return _setup(self.pixels, self.pointing, self.zenith, self.edges, self.response)


@lru_cache(maxsize=16)
def _method(conditions: _Conditions) -> Method:
    """Return a method for fields centred on their pointing."""
    setup = conditions.setup().lasting(conditions.livetime)
    if conditions.reach is not None:
        setup = setup.within(conditions.reach)
    method = make_method(
        conditions.name,
        setup,
        conditions.trials,
        conditions.settings,
        networks=conditions.networks,
        device=conditions.device,
    )
    if isinstance(method, SmoothedMaximum):  # which a comparison lets look at the whole map
        return replace(method, radius=conditions.settings.radius)
    return method


@lru_cache(maxsize=8)
def _setup(
    pixels: tuple[int, float],
    pointing: tuple[float, float],
    zenith: float | None,
    edges: tuple[float, ...],
    response: InstrumentResponse | None,
) -> FieldSetup:
    """Return a field of one second; what is folded for it serves every live time."""
    n_pixels, pixel_size = pixels
    return FieldSetup(
        TangentGrid(*pointing, n_pixels, n_pixels, pixel_size),
        Pointing(*pointing, np.nan if zenith is None else zenith),
        np.array(edges),
        1.0,
        response,
    )
