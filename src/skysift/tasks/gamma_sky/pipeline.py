"""From an observation to its candidates: the same path for a file, a survey and a stream."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import UsageError
from skysift.data.irf.response import InstrumentResponse
from skysift.data.sky.counts_map import CountsMap, bin_events
from skysift.data.sky.event_list import EventList, Pointing
from skysift.data.sky.tangent import TangentGrid
from skysift.models.sky.candidate import Candidate
from skysift.models.sky.local_source import Photons
from skysift.models.sky.placed import PlacedResult
from skysift.models.sky.search import SearchResult, SearchSettings
from skysift.models.sky.trials import TrialsTable
from skysift.preprocess.folding import energy_bands
from skysift.tasks.gamma_sky.candidates import (
    CandidateTable,
    FalseAlarmSetting,
    SearchWindow,
)
from skysift.tasks.gamma_sky.cleaned import CleanedMap, NetworkCleanedMap, clean
from skysift.tasks.gamma_sky.devices import device_for
from skysift.tasks.gamma_sky.field_setup import FieldSetup
from skysift.tasks.gamma_sky.methods import Method, SearchMethod, make_method
from skysift.tasks.gamma_sky.observations import Observation
from skysift.tasks.gamma_sky.options import (
    CLASSICAL,
    CLEANING,
    PUBLISHED,
    PredictOptions,
    ReadOptions,
)
from skysift.tasks.gamma_sky.photometry import measure

__all__ = [
    "BinnedWindow",
    "Searched",
    "bin_window",
    "described",
    "grid_of",
    "method_of",
    "search_binned",
    "search_events",
    "search_method_of",
    "search_observation",
    "windows_of",
]

FloatArray = NDArray[np.float64]

_LIKELIHOOD = tuple(name for name in CLASSICAL if name != "smoothed-maximum")
_SHORTEST = 1e-3  # s of live time: less is taken as that
_SLIVER = 1e-6  # of a window: less good time is rounding


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


@dataclass(frozen=True)
class Searched:
    """One window of an observation after its search.

    Parameters
    ----------
    events : EventList
        The photons of the window, of the energies that were searched.
    counts : CountsMap
        Their map.
    result : SearchResult
        What the method found.
    table : CandidateTable
        The same for people.
    method : Method
        What searched.
    """

    events: EventList
    counts: CountsMap
    result: SearchResult
    table: CandidateTable
    method: Method = field(repr=False)

    def unconfirmed(self) -> dict[str, Any] | None:
        """Return the place that the method names and why it is no candidate; None if there is none.

        Of methods that always name one place: others have nothing to say of a field without
        candidates.
        """
        result = self.result
        if not isinstance(result, PlacedResult) or result.unconfirmed is None:
            return None
        place, maps = result.unconfirmed, result.maps
        reason = place.reason(self.counts.livetime)
        if maps is not None:
            reason += (
                f"; the cleaner leaves {maps.cleaned.sum():.1f} of {maps.counts.sum():,.0f} counts"
            )
        ra, dec = self.counts.grid.from_plane(place.xi, place.eta)
        return {
            "window": self.events.name,
            "ra": float(ra),
            "dec": float(dec),
            "significance": place.significance,
            "threshold": place.level,
            "reason": reason,
        }

    @property
    def reach(self) -> float | None:
        """Radius [deg] up to which a narrow field was searched; None if it was whole."""
        background = getattr(getattr(self.method, "search", None), "background", None)
        reach = getattr(background, "reach", None)
        return None if reach is None else float(reach)

    def narrowed(self) -> dict[str, Any] | None:
        """Return which window was searched up to a radius only; None if it was whole."""
        return None if self.reach is None else {"window": self.events.name, "radius": self.reach}

    def cleaned(self) -> CleanedMap | NetworkCleanedMap:
        """Return the map taken apart into sources, background and residual.

        Of a method that asks a network which cleans maps: what that leaves.

        Raises
        ------
        UsageError
            If the method has no model of the map.
        """
        if isinstance(self.result, PlacedResult) and self.result.maps is not None:
            return NetworkCleanedMap(self.counts, self.result.maps)
        bands = getattr(self.method, "bands", None)
        search = getattr(self.method, "search", None)
        if search is None or bands is None or not search.settings.fit:
            raise UsageError(
                "This method does not say what it expects of each pixel.",
                f"Clean with --method {' or '.join(CLEANING)}.",
            )
        counts = self.counts.counts[bands]
        if len(self.result.background.counts) == 1:  # all energies in one band
            counts = counts.sum(axis=0, keepdims=True)
        edges = self.counts.energy_edges[bands.start : bands.stop + 1]
        chosen = replace(
            self.counts,
            counts=counts,
            energy_edges=edges if len(counts) == len(edges) - 1 else edges[[0, -1]],
        )
        sources = np.maximum(search.expected_sources(self.result), 0.0)
        return clean(chosen, sources, self.result.background.counts, reach=self.reach)


def windows_of(events: EventList, options: PredictOptions) -> Iterator[EventList]:
    """Cut an observation into windows; the last one may be shorter, none has no good time.

    Parameters
    ----------
    events : EventList
        The observation.
    options : PredictOptions
        ``window`` and ``step`` [s]; without a window, all is one.
    """
    if options.window is None or len(events.gti) == 0:
        yield events
        return
    step = options.step or options.window
    start, stop = float(events.gti.start[0]), float(events.gti.stop[-1])
    for number in range(max(int(np.ceil((stop - start) / step)), 1)):
        begin = start + number * step
        part = events.between(begin, begin + options.window)
        if part.gti.duration > _SLIVER * options.window:
            yield replace(part, name=f"{events.name}+{begin - start:.0f}s".lstrip("+"))
        if begin + options.window >= stop:
            break


def search_observation(
    observation: Observation,
    reading: ReadOptions,
    options: PredictOptions,
    trials: TrialsTable,
    *,
    networks: Path | None = None,
) -> Iterator[Searched]:
    """Search an observation window by window; see `search_events`.

    A window stands for the time until the next one begins, the shorter one of its good time and
    the step. False alarms per hour are allowed, and their rate is stated, by that.
    """
    step = options.step or np.inf
    for window in windows_of(observation.events, options):
        yield search_events(
            window,
            observation.response,
            reading,
            options,
            trials,
            networks=networks,
            stands_for=min(step, window.gti.duration),
        )


def search_events(
    events: EventList,
    response: InstrumentResponse | None,
    reading: ReadOptions,
    options: PredictOptions,
    trials: TrialsTable,
    *,
    networks: Path | None = None,
    stands_for: float | None = None,
) -> Searched:
    """Search the photons of one window.

    Parameters
    ----------
    events : EventList
        The photons.
    response : InstrumentResponse or None
        The instrument's own; None to do without.
    reading : ReadOptions
        Energies and pixels.
    options : PredictOptions
        Method and threshold.
    trials : TrialsTable
        Calibration of the false alarms.
    networks : Path, optional
        Bundle of networks for methods that ask them; the one that ships if left out.
    stands_for : float [s], optional
        Time until the next window begins, the base of false alarms per hour and of their rate; the
        good time if left out.
    """
    binned = bin_window(events, reading)
    time = events.gti.duration if stands_for is None else stands_for
    setting = FalseAlarmSetting(options.false_alarms, options.per)
    allowed = setting.per_field(time) if time > 0 else options.false_alarms
    method = method_of(binned, response, options, trials, allowed, networks=networks)
    return search_binned(binned, method, response, options, stands_for=stands_for)


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

        path = getattr(response, "path", None)
        return GammapyMethod(counts, path, radius=options.search_radius)
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


def search_binned(
    binned: BinnedWindow,
    method: Method,
    response: InstrumentResponse | None,
    options: PredictOptions,
    *,
    stands_for: float | None = None,
) -> Searched:
    """Search a window whose photons are counted; parameters as for `search_events`."""
    result = method(binned.counts.counts, binned.photons)
    return described(binned, method, result, response, options, stands_for=stands_for)


def described(
    binned: BinnedWindow,
    method: Method,
    result: SearchResult,
    response: InstrumentResponse | None,
    options: PredictOptions,
    *,
    stands_for: float | None = None,
) -> Searched:
    """Return what was found in a window with its table; parameters as for `search_events`."""
    chosen, counts = binned.events, binned.counts
    photometry = (
        measure(chosen, result.candidates, counts.grid)
        if options.photometry and result.candidates and len(chosen)
        else None
    )
    table = CandidateTable.of_window(
        result.candidates,
        SearchWindow.of_events(chosen, counts.grid, stands_for),
        FalseAlarmSetting(options.false_alarms, options.per),
        photometry=photometry,
        crab_counts=_crab_counts(method, result.candidates, counts.livetime, response),
        systematic=options.pointing_error,
    )
    return Searched(chosen, counts, result, table, method)


def _crab_counts(
    method: Method,
    candidates: tuple[Candidate, ...],
    livetime: float,
    response: InstrumentResponse | None,
) -> list[float] | None:
    """Return the counts of a Crab at each candidate, where the effective area is known."""
    search = getattr(method, "search", None)
    if response is None or search is None:
        return None
    return [
        float(search.source.rate_at(search.offset_of(one.xi, one.eta)).sum() * livetime)
        for one in candidates
    ]


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
    return make_method(
        conditions.name,
        setup,
        conditions.trials,
        conditions.settings,
        networks=conditions.networks,
        device=conditions.device,
    )


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
