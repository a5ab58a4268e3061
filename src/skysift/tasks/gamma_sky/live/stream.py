"""A stream of photon lists: what each new one changes is searched, tracked and answered.

The answers depend on the set of records, not on their borders or order: a late record has the
windows that it changes searched once more, and all later ones tracked again. Answers of a window
are numbered by the records that were known (`revision`), so that the last has the highest number,
also after a restart.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from skysift.core.errors import InputError
from skysift.data.sky.tangent import separation
from skysift.data.table import FeatureTable
from skysift.models.sky.trials import TrialsTable
from skysift.tasks.gamma_sky.live.answers import Answer, BinAnswer, WindowSearch
from skysift.tasks.gamma_sky.live.memory import Change, FieldMemory
from skysift.tasks.gamma_sky.live.records import SkyRecord
from skysift.tasks.gamma_sky.live.schedule import LONGEST_DELAY, WindowLength
from skysift.tasks.gamma_sky.live.state import StateFolder
from skysift.tasks.gamma_sky.live.tables import bins_table, windows_table
from skysift.tasks.gamma_sky.live.tracking import Source, Tracker, TrackerState
from skysift.tasks.gamma_sky.options import PredictOptions, ReadOptions
from skysift.tasks.gamma_sky.pipeline import Searched

__all__ = ["LiveAnswers", "WindowStream"]

_ROUNDING = 1e-3  # s: a stream that is as near to an end of a window has reached it
_MARGIN = 10.0  # s of memory that may be too much


class LiveAnswers(NamedTuple):
    """The rows that a record gives; see ``docs/live-windows.md``."""

    windows: FeatureTable
    candidates: FeatureTable | None
    bins: FeatureTable

    def tables(self) -> Iterator[pa.Table]:
        """Yield those that have rows."""
        for table in (self.windows, self.candidates, self.bins):
            if table is not None and len(table):
                yield table.arrow


class _Emitted(NamedTuple):
    """An answer of a window as it was last given, with the names of its sources."""

    answer: Answer
    names: tuple[str, ...] | None


class WindowStream:
    """Searches sliding windows of a stream.

    Parameters
    ----------
    reading : ReadOptions
        Energies and pixels.
    options : PredictOptions
        Windows, method, threshold.
    trials : TrialsTable
        Of the bundle.
    """

    def __init__(self, reading: ReadOptions, options: PredictOptions, trials: TrialsTable) -> None:
        self._reading, self._options = reading, options
        self._search = WindowSearch(options, trials)
        self._lengths = self._search.lengths
        self._longest = self._lengths[-1].length
        self._bin = WindowLength(options.light_curve, options.light_curve)
        self._fields: list[_Field] = []
        self._records: dict[bytes, tuple[float, float]] = {}
        self._recalled: list[SkyRecord] = []
        self._reached = -np.inf
        self._answers: dict[tuple[float, float, str], _Emitted] = {}
        self._bins: dict[tuple[float, str], BinAnswer] = {}
        self._tracked = {-np.inf: TrackerState()}
        self._restarted = -np.inf
        self._kept = StateFolder.of(options.state_folder)

    @property
    def reached(self) -> float:
        """Time [s] up to which the stream has come, minus infinity before the first record."""
        return self._reached

    def take(self, record: SkyRecord) -> LiveAnswers:
        """Take a record up and answer the windows that it completes or changes.

        Raises
        ------
        InputError
            If it is later than is allowed, or more than fits into memory: nothing is changed then.
        """
        self._settle()
        self._refuse(record)
        if record.stop <= record.start:  # no good time: it says nothing of any window
            return _gathered([], [])
        self._know(min(record.start, self._reached - LONGEST_DELAY))
        before = record.start if np.isinf(self._reached) else self._reached
        changed, change = self._added(record)
        if change is not None:
            self._drop_bins(changed, change)
        self._reached = max(self._reached, record.stop)
        low = min(record.start, before)
        for length, end, one in self._due(before, changed, change):
            self._answer(one, length, end)
            low = min(low, end - _ROUNDING)
        answers = self._follow(low)
        self._forget()
        return answers

    def recall(self, record: SkyRecord) -> bool:
        """Take up a record that was answered before; tell whether older ones matter still."""
        self._recalled.append(record)
        latest = max(one.stop for one in self._recalled)
        return record.stop + self._final_after > latest - self._horizon

    # --- records --------------------------------------------------------------------------------

    @property
    def _horizon(self) -> float:
        return self._longest + 2 * self._final_after + _MARGIN

    @property
    def _final_after(self) -> float:
        """How far behind the latest photons an answer may change [s]."""
        return max(self._options.lateness, 2 * LONGEST_DELAY)

    def _refuse(self, record: SkyRecord) -> None:
        late = self._reached - record.start
        if record.digest not in self._records and late > self._options.lateness:
            raise InputError(
                f"The photons are {late:.1f} s behind the latest of the stream; windows are final "
                f"after {self._options.lateness:g} s.",
                "Watch with a larger predict.lateness, or search the file by itself.",
            )
        held = sum(len(one.memory) for one in self._fields) + len(record.events)
        if held > self._options.most_events:
            raise InputError(
                f"With this file there would be {held:,} photons in memory, more than "
                f"{self._options.most_events:,}.",
                "Allow more with predict.most_events, use fewer or shorter windows, or a higher "
                "emin.",
            )

    def _settle(self) -> None:
        """Take up what was recalled, in the order of time."""
        recalled, self._recalled = self._recalled, []
        for record in sorted(recalled, key=lambda one: one.start):
            self._added(record)
            self._reached = max(self._reached, record.stop)
        if recalled:
            self._tracked, self._restarted = {}, self._reached

    def _added(self, record: SkyRecord) -> "tuple[_Field, Change | None]":
        self._records[record.digest] = record.start, record.stop
        one = self._field_of(record)
        return one, one.memory.add(record.events, moves=record.moves)

    def _field_of(self, record: SkyRecord) -> "_Field":
        """Return the field of a record's pointing and response, a new one if there is none."""
        pointing = record.events.pointing
        for one in self._fields:
            if one.response_key == record.response_key and one.memory.is_at(pointing):
                return one
        lengths = [length.length for length in self._lengths]
        lengths += [self._bin.length] if self._bin.length else []
        memory = FieldMemory(pointing, self._reading, tuple(lengths), record.response)
        self._fields.append(_Field(memory, record.response_key))
        return self._fields[-1]

    def _forget(self) -> None:
        """Drop what no record can change any more."""
        final = self._reached - self._final_after
        old = self._reached - self._horizon
        for one in self._fields:
            one.memory.forget(old)
        self._fields = [one for one in self._fields if one.memory.stop > old]
        self._records = {key: span for key, span in self._records.items() if span[1] > old}
        self._answers = {key: one for key, one in self._answers.items() if key[0] > final}
        self._bins = {key: one for key, one in self._bins.items() if key[0] > final}
        last_final = max((end for end in self._tracked if end <= final), default=-np.inf)
        self._tracked = {end: one for end, one in self._tracked.items() if end >= last_final}

    # --- windows --------------------------------------------------------------------------------

    def _due(
        self, before: float, changed: "_Field", change: Change | None
    ) -> "Iterable[tuple[WindowLength, float, _Field]]":
        """Return the windows that are complete now or have changed, in order."""
        reached = self._reached + _ROUNDING
        due = set[tuple[float, WindowLength, int]]()
        for place, one in enumerate(self._fields):
            for length in self._lengths:
                until = min(reached - length.delay, one.memory.stop + length.step)
                since = before + _ROUNDING - length.delay
                for start, stop in one.memory.spans(since - length.step):
                    # The days in which nothing was seen have no windows.
                    low, high = max(since, start), min(until, stop + length.step)
                    due |= {(end, length, place) for end in length.ends(low, high)}
                if one is changed and change is not None:
                    until = min(until, change.high + length.length)
                    due |= {(end, length, place) for end in length.ends(change.low, until)}
        return [(length, end, self._fields[place]) for end, length, place in sorted(due)]

    def _answer(self, one: "_Field", length: WindowLength, end: float) -> None:
        if not self._search.worthwhile(one.memory, length, end):
            return
        answer, searched = self._search.answer(one.memory, length, end)
        self._answers[end, length.length, one.name] = _Emitted(answer, None)
        self._keep_maps(length, end, answer, searched)

    def _keep_maps(
        self, length: WindowLength, end: float, answer: Answer, searched: Searched
    ) -> None:
        if self._kept is not None and end + length.delay + length.step > self._reached:
            row = {**answer.row, "revision": self._revision(end)}
            self._kept.keep_maps(length.length, searched, row)

    def _revision(self, end: float) -> int:
        """Return how many records are known that can change a window or the names in it."""
        since = end - self._final_after - self._longest
        return sum(1 for start, stop in self._records.values() if start < end and stop > since)

    # --- sources --------------------------------------------------------------------------------

    def _follow(self, low: float, *, quietly: bool = False) -> LiveAnswers:
        """Track what was seen after a time, and gather the answers that are new or have changed."""
        begin = max(end for end in self._tracked if end <= low)
        self._tracked = {end: one for end, one in self._tracked.items() if end <= begin}
        tracker = Tracker(self._tracked[begin])
        windows, bins = list[tuple[Answer, tuple[str, ...]]](), list[BinAnswer]()
        for end, keys in groupby(self._ends(begin, low), key=lambda key: key[0]):
            for key in keys:
                if key in self._answers:
                    emitted = self._answers[key]
                    names = tracker.take(emitted.answer.frame)
                    if names != emitted.names:
                        self._answers[key] = _Emitted(emitted.answer, names)
                        windows.append((emitted.answer, names))
            tracker.advance(end)
            self._tracked[end] = tracker.state
            if not quietly:
                bins += self._measured(end, tracker.state.sources)
        if self._kept is not None and not quietly:
            self._kept.keep_states(self._tracked, begin)
        return _gathered(
            [(answer, names, self._revision(answer.frame.end)) for answer, names in windows],
            [(one, self._revision(one.end)) for one in bins],
        )

    def _ends(self, begin: float, low: float) -> list[tuple[float, float, str]]:
        """Return the windows after a time in order, and the ends of bins (length 0) among them."""
        ends = [key for key in self._answers if key[0] > begin]
        if self._bin.length:
            ends += [(end, 0.0, "") for end in self._bin_ends(low)]
        return sorted(ends)

    def _bin_ends(self, low: float) -> set[float]:
        """Return the ends of bins after a time, but for those with nothing in them or beside."""
        length, reached, found = self._bin.length, self._reached + _ROUNDING, set[float]()
        for one in self._fields:
            for start, stop in one.memory.spans(low - 2 * length):
                high = min(reached, stop + length)
                found.update(self._bin.ends(max(low, start - 2 * length), high))
        return found

    def _drop_bins(self, changed: "_Field", change: Change) -> None:
        """Forget what was measured in bins that are others now."""
        for end, name in list(self._bins):
            if name == changed.name and change.low < end < change.high + self._bin.length:
                old = self._bins[end, name]
                self._bins[end, name] = replace(old, measured=())

    def _measured(self, end: float, sources: tuple[Source, ...]) -> Iterator[BinAnswer]:
        """Yield the bins of light curves that end at a time and are not yet as they should be."""
        length = self._bin
        if not length.length or end not in set(length.ends(end - length.length / 2, end)):
            return
        for one in self._fields:
            if one.memory.good_time(end - length.length, end) <= 0:
                continue
            mine = [source for source in sources if one.sees(source, self._options.search_radius)]
            known = self._bins.get((end, one.name))
            if known.is_of(mine) if known else not mine and end > self._restarted:
                continue
            self._bins[end, one.name] = self._search.measure(one.memory, length, end, mine)
            yield self._bins[end, one.name]

    def _know(self, low: float) -> None:
        """See to it that the sources are known as they were at a time, after a restart."""
        if any(end <= low for end in self._tracked):
            return
        state = None if self._kept is None else self._kept.state_before(low)
        if state is None:
            state = TrackerState(min(low, self._reached) - self._final_after)
        self._tracked = {state.end: state}
        due = set[tuple[float, WindowLength, int]]()
        for place, one in enumerate(self._fields):
            for length in self._lengths:
                until = self._reached + _ROUNDING - length.delay
                until = min(until, one.memory.stop + length.step)
                due |= {(end, length, place) for end in length.ends(state.end, until)}
        for end, length, place in sorted(due):
            if (end, length.length, self._fields[place].name) not in self._answers:
                self._answer(self._fields[place], length, end)
        self._follow(state.end, quietly=True)


class _Field:
    """A memory with what tells it from others."""

    def __init__(self, memory: FieldMemory, response_key: str) -> None:
        self.memory, self.response_key = memory, response_key
        pointing = memory.pointing
        self.name = f"{pointing.ra!r}{pointing.dec!r}{response_key}"

    def sees(self, source: Source, radius: float) -> bool:
        mine = self.memory.pointing
        return bool(separation(mine.ra, mine.dec, source.best.ra, source.best.dec) <= radius)


def _gathered(
    windows: Iterable[tuple[Answer, tuple[str, ...], int]],
    bins: Iterable[tuple[BinAnswer, int]],
) -> LiveAnswers:
    """Return the rows of some answers."""
    rows, found = list[dict[str, Any]](), list[pa.Table]()
    for answer, names, revision in windows:
        rows.append({**answer.row, "revision": revision})
        table = answer.candidates(names, revision)
        if table is not None:
            found.append(table.arrow)
    measured = list[dict[str, Any]]()
    for one, revision in bins:
        rows.append({**one.row, "revision": revision})
        measured += one.rows(revision)
    candidates = FeatureTable(pa.concat_tables(found)) if found else None
    return LiveAnswers(windows_table(rows), candidates, bins_table(measured))
