"""From an observation to its candidates: the same path for a file, a survey and a stream."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import UsageError
from skysift.data.irf.response import InstrumentResponse
from skysift.data.sky.counts_map import CountsMap
from skysift.data.sky.event_list import EventList
from skysift.models.sky.candidate import Candidate
from skysift.models.sky.placed import PlacedResult
from skysift.models.sky.search import SearchResult
from skysift.models.sky.trials import TrialsTable
from skysift.tasks.gamma_sky.candidates import (
    CandidateTable,
    FalseAlarmSetting,
    SearchWindow,
)
from skysift.tasks.gamma_sky.cleaned import CleanedMap, NetworkCleanedMap, clean
from skysift.tasks.gamma_sky.methods import Method
from skysift.tasks.gamma_sky.observations import MOVES, Observation
from skysift.tasks.gamma_sky.options import (
    CLEANING,
    UNCALIBRATED,
    PredictOptions,
    ReadOptions,
)
from skysift.tasks.gamma_sky.photometry import measure
from skysift.tasks.gamma_sky.window_methods import BinnedWindow, bin_window, method_of

__all__ = [
    "Searched",
    "described",
    "search_binned",
    "search_events",
    "search_observation",
    "threshold_of",
    "windows_of",
]

FloatArray = NDArray[np.float64]

_SLIVER = 1e-6  # of a window: less good time is rounding
_DIGITS = 6  # of the seconds in the name of a window


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
            yield replace(part, name=f"{events.name}+{_seconds(number * step)}s".lstrip("+"))
        if begin + options.window >= stop:
            break


def _seconds(value: float) -> str:
    """Return a time in as many digits as it needs, a whole one as such."""
    text = f"{value:.{_DIGITS}f}".rstrip("0")
    return text.removesuffix(".")


def threshold_of(options: PredictOptions) -> FalseAlarmSetting | None:
    """Return the threshold of a search, None of a method that has none by false alarms."""
    if options.method in UNCALIBRATED:
        return None
    return FalseAlarmSetting(options.false_alarms, options.per)


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
            flags=(MOVES,) if observation.moves else (),
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
    flags: tuple[str, ...] = (),
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
    flags : tuple of str
        What to know of all that is found, of `skysift.tasks.gamma_sky.candidates.FLAG_WORDS`.
    """
    binned = bin_window(events, reading)
    time = events.gti.duration if stands_for is None else stands_for
    setting = FalseAlarmSetting(options.false_alarms, options.per)
    allowed = setting.per_field(time) if time > 0 else options.false_alarms
    method = method_of(binned, response, options, trials, allowed, networks=networks)
    return search_binned(binned, method, response, options, stands_for=stands_for, flags=flags)


def search_binned(
    binned: BinnedWindow,
    method: Method,
    response: InstrumentResponse | None,
    options: PredictOptions,
    *,
    stands_for: float | None = None,
    flags: tuple[str, ...] = (),
) -> Searched:
    """Search a window whose photons are counted; parameters as for `search_events`."""
    result = method(binned.counts.counts, binned.photons)
    return described(binned, method, result, response, options, stands_for=stands_for, flags=flags)


def described(
    binned: BinnedWindow,
    method: Method,
    result: SearchResult,
    response: InstrumentResponse | None,
    options: PredictOptions,
    *,
    stands_for: float | None = None,
    flags: tuple[str, ...] = (),
) -> Searched:
    """Return what was found in a window with its table; parameters as for `search_events`."""
    chosen, counts = binned.events, binned.counts
    photometry = (
        measure(chosen, result.candidates, counts.grid)
        if options.photometry and result.candidates and len(chosen)
        else None
    )
    threshold = threshold_of(options)
    table = CandidateTable.of_window(
        result.candidates,
        SearchWindow.of_events(chosen, counts.grid, stands_for),
        threshold,
        photometry=photometry,
        crab_counts=_crab_counts(method, result.candidates, counts.livetime, response),
        systematic=options.pointing_error,
        flags=flags if threshold is not None else ("no-threshold", *flags),
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
