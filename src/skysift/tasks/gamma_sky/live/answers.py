"""The search of one window of a stream, and what is kept of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from skysift.data.table import FeatureTable
from skysift.models.sky.trials import TrialsTable
from skysift.tasks.gamma_sky.candidates import CandidateTable, FalseAlarmSetting
from skysift.tasks.gamma_sky.live.camera import beside_dead_parts
from skysift.tasks.gamma_sky.live.light_curve import BinMeasurement, measure_bin
from skysift.tasks.gamma_sky.live.memory import FieldMemory
from skysift.tasks.gamma_sky.live.schedule import WindowLength, bin_id, staggered, window_id
from skysift.tasks.gamma_sky.live.tables import candidate_columns, mjd
from skysift.tasks.gamma_sky.live.tracking import Detection, Frame, Source
from skysift.tasks.gamma_sky.live.trials import LiveTrials, measured_trials
from skysift.tasks.gamma_sky.methods import SearchMethod
from skysift.tasks.gamma_sky.observations import MOVES, photons_beyond
from skysift.tasks.gamma_sky.options import PredictOptions
from skysift.tasks.gamma_sky.pipeline import Searched, described
from skysift.tasks.gamma_sky.window_methods import BinnedWindow, search_method_of

__all__ = ["Answer", "BinAnswer", "WindowSearch"]

_WHOLE = 0.99  # of a window with good time
_LONGEST_MEASURED = 300.0  # s: Li & Ma of more photons takes a quarter of the search
_SLIVER = 1e-6  # of a window: less good time is rounding


@dataclass(frozen=True)
class Answer:
    """What the search of a window has found.

    Parameters
    ----------
    frame : Frame
        The candidates as tracking needs them.
    row : dict
        Of the table of windows, without its revision.
    found : CandidateTable or None
        The candidates; None if there is none.
    false_alarms, far : tuple of float
        Of each candidate.
    searched : Searched
        For maps.
    """

    frame: Frame
    row: dict[str, Any]
    found: CandidateTable | None = None
    false_alarms: tuple[float, ...] = ()
    far: tuple[float, ...] = ()

    def candidates(self, names: Sequence[str], revision: int) -> FeatureTable | None:
        """Return the rows of the table of candidates, given the names of their sources."""
        if self.found is None:
            return None
        n = len(self.found)
        return candidate_columns(
            self.found,
            {
                "far": self.far,
                "false_alarms": self.false_alarms,
                "window": [self.frame.length] * n,
                "window_end": [self.frame.end] * n,
                "window_id": [self.frame.window_id] * n,
                "revision": [revision] * n,
                "source_id": names,
            },
        )


@dataclass(frozen=True)
class BinAnswer:
    """Measurements of sources in a bin.

    Parameters
    ----------
    end : float [s]
        Of the bin.
    row : dict
        Of the table of windows, without its revision.
    names : tuple of str
        Of the sources.
    measured : tuple of BinMeasurement
    """

    end: float
    row: dict[str, Any]
    names: tuple[str, ...]
    measured: tuple[BinMeasurement, ...]

    def is_of(self, sources: Sequence[Source]) -> bool:
        """Tell whether these sources were measured where they are."""
        places = [(one.source_id, one.best.ra, one.best.dec) for one in sources]
        mine = zip(self.names, self.measured, strict=False)  # what was dropped is measured anew
        return places == [(name, one.ra, one.dec) for name, one in mine]

    def rows(self, revision: int) -> list[dict[str, Any]]:
        """Return the rows of the table of bins."""
        shared = {key: self.row[key] for key in ("window_id", "t_start", "t_stop", "livetime")}
        return [
            {**shared, "revision": revision, "source_id": name, "bin": self.row["window"],
             **one.row()}
            for name, one in zip(self.names, self.measured, strict=True)
        ]  # fmt: skip


class WindowSearch:
    """Searches windows of some lengths.

    Parameters
    ----------
    options : PredictOptions
        Lengths, method and threshold.
    trials : TrialsTable
        Of the bundle.
    """

    def __init__(self, options: PredictOptions, trials: TrialsTable) -> None:
        self.lengths = staggered(options.windows)
        self.live_trials = LiveTrials(self.lengths, measured_trials())
        self._options = options
        self._trials = trials
        self._nothing = CandidateTable.empty(FalseAlarmSetting(options.false_alarms, options.per))

    def worthwhile(self, field: FieldMemory, length: WindowLength, end: float) -> bool:
        """Tell whether a window holds what no other search has seen."""
        if field.good_time(end - length.step, end) <= _SLIVER * length.step:
            return False
        place = self.lengths.index(length)
        good = field.good_time(end - length.length, end)
        if place == 0:
            return good >= (0.5 - _SLIVER) * length.length
        return good > self.lengths[place - 1].length + _SLIVER

    def answer(
        self, field: FieldMemory, length: WindowLength, end: float
    ) -> tuple[Answer, Searched]:
        """Search a window."""
        binned = field.window(length.length, end)
        method = self._method(binned, field, length)
        search, camera = beside_dead_parts(method.search, method.counts_of(binned.counts.counts))
        method = method.with_search(search)
        result = method(binned.counts.counts, binned.photons)
        if result.candidates:
            options = self._options
            if length.length > _LONGEST_MEASURED:
                options = options.model_copy(update={"photometry": False})
            searched = described(binned, method, result, field.response, options)
        else:
            searched = Searched(binned.events, binned.counts, result, self._nothing, method)
        row = _window_row(binned, length, end, field)
        row["masked"] = camera.masked
        row["candidates"] = len(result.candidates)
        flags = _flags(binned, length, field, searched, camera.masked)
        if field.moves(end - length.length, end):
            flags.append(MOVES)
        row["flags"] = ",".join(flags)
        frame = Frame(end, length.length, row["window_id"], ())
        if not result.candidates:
            return Answer(frame, row), searched
        table = searched.table
        alarms = tuple(float(one.false_alarms) for one in result.candidates)
        far = tuple(map(float, self.live_trials.rate(alarms, table["significance"], length)))
        columns = [table[name] for name in Detection._fields if name != "far"]
        detections = tuple(
            Detection(*(float(value) for value in values))
            for values in zip(*columns, far, strict=True)
        )
        frame = Frame(end, length.length, row["window_id"], detections)
        return Answer(frame, row, table, alarms, far), searched

    def measure(
        self, field: FieldMemory, length: WindowLength, end: float, sources: Sequence[Source]
    ) -> BinAnswer:
        """Measure sources in a bin of light curves."""
        binned = field.window(length.length, end)
        method = self._method(binned, field, length)
        places = [(one.best.ra, one.best.dec) for one in sources]
        measured = measure_bin(binned, method, field.response, places)
        row = _window_row(binned, length, end, field)
        row["window_id"] = bin_id(length.length, end, field.pointing.ra, field.pointing.dec)
        row["flags"] = "bin"
        return BinAnswer(end, row, tuple(one.source_id for one in sources), tuple(measured))

    def _method(
        self, binned: BinnedWindow, field: FieldMemory, length: WindowLength
    ) -> SearchMethod:
        options = self._options
        allowed = options.false_alarms
        if options.per == "hour":
            allowed = self.live_trials.allowed(options.false_alarms, length)
        return search_method_of(binned, field.response, options, self._trials, allowed)


def _window_row(
    binned: BinnedWindow, length: WindowLength, end: float, field: FieldMemory
) -> dict[str, Any]:
    pointing = field.pointing
    return {
        "window_id": window_id(length.length, end, pointing.ra, pointing.dec),
        "window": length.length,
        "t_start": mjd(end - length.length),
        "t_stop": mjd(end),
        "ra_pnt": pointing.ra,
        "dec_pnt": pointing.dec,
        "events": len(binned.events),
        "livetime": binned.events.livetime,
        "candidates": 0,
        "masked": 0.0,
    }


def _flags(
    binned: BinnedWindow,
    length: WindowLength,
    field: FieldMemory,
    searched: Searched,
    masked: float,
) -> list[str]:
    flags = []
    if field.response is None:
        flags.append("no-response")
    off_the_map = len(binned.events) - len(binned.photons.xi)  # known; how far off takes longer
    if 2 * off_the_map > len(binned.events) and photons_beyond(binned.events, field.corner):
        flags.append("beyond-map")
    if searched.reach is not None:
        flags.append("narrow")
    if masked > 0:
        flags.append("dead-sector")
    if binned.events.gti.duration < _WHOLE * length.length:
        flags.append("partial")
    return flags
