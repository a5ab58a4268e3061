"""Where the page gets everything from: the one place that knows what others write in a sink."""

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from skysift.core.errors import SkysiftError
from skysift.serve.config import state_folder
from skysift.serve.drift.report import DriftReport, drift_report
from skysift.serve.health import Health, health
from skysift.serve.journal import log
from skysift.serve.ledger import Ledger, ledger_of
from skysift.serve.messages import Item
from skysift.serve.page.alerts import AlertsSource
from skysift.serve.page.answers import provenance_of, read_answers
from skysift.serve.page.easel import Drawing, Easel, Wish
from skysift.serve.page.maps import MapFolder
from skysift.serve.page.night import Night
from skysift.serve.page.notes import Note, notes_of
from skysift.serve.page.vitals import PulseHistory, Vitals
from skysift.serve.records import Record, State
from skysift.serve.service import SPOOL
from skysift.serve.service_state import ServiceState, read_state

__all__ = ["Sources"]

_BATCHES = 2000  # published batches that a page that starts looks back at
_AT_ONCE = 50  # batches that are read before the others are told
_RECENT = 1000  # answered records that percentiles are of
_SAMPLE = 1.0  # s from one look at the health to the next
_DRIFT = 5.0  # s from one look at the drift to the next
_REST = 20.0  # times as long as counting takes is the least wait until the next
_QUARANTINED = 200  # records of the quarantine that are listed
_ACTIVE = 50  # sources that were seen last
_DEADLINE = 20.0  # s that CTAO asks of an alert, where the service was not told another


class _PageLedger(Ledger):
    """The ledger, and how to see at once whether somebody has written to it."""

    def version(self) -> int:
        """Return a number that changes with each write by another connection."""
        return int(self._one("PRAGMA data_version")[0])

    def published_before(self, most: int) -> int:
        """Return a batch after which there are about so many published ones."""
        low, high = 0, 1
        while self.published(high, 1):
            low, high = high, high * 2
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.published(middle, 1) else (low, middle)
        return max(0, high - most)


class Sources:
    """Follows a sink for all who look at the page.

    Parameters
    ----------
    sink : Path
        The folder that a service writes to; there need not be one yet.
    deadline : float, optional
        Latencies are compared with it [s]; with the service's own, or 20 s, if left out.

    Notes
    -----
    To be used in one thread, but for `night` and `history`, which may be read by others. The
    ledger is asked for a number that changes with each write; only then is more read.
    """

    def __init__(self, sink: Path, deadline: float | None = None) -> None:
        self.sink = sink
        self.night = Night()
        self.maps = MapFolder(sink)
        self.alerts = AlertsSource(sink)
        self.easel = Easel()
        self.notes: Mapping[str, Note] = {}
        self.history = PulseHistory()
        self.service: ServiceState | None = None
        self.checks = Health((), ())
        self.drift = DriftReport("")
        self.quarantined: list[Record] = []
        self.provenance: Mapping[str, Any] = {}
        self._deadline = deadline
        self._ledger: _PageLedger | None = None
        self._version: int | None = None
        self._after: int | None = None
        self.counts: dict[str, int] = {state.value: 0 for state in State}
        self._next_count = 0.0
        self._next_sample = 0.0
        self._next_drift = 0.0

    @property
    def deadline(self) -> float:
        """What latencies are compared with [s]."""
        told = None if self.service is None else self.service.options.deadline
        return self._deadline or told or _DEADLINE

    @property
    def task(self) -> str:
        """What predicts; empty while that is not known."""
        if self.service is not None:
            return self.service.task
        config = self.provenance.get("config")
        return str(config.get("task") or "") if isinstance(config, dict) else ""

    def poll(self) -> set[str]:
        """Read what is new; return the parts of the page that have changed."""
        changed: set[str] = set()
        try:
            ledger = self._opened()
            if ledger is not None:
                changed |= self._follow(ledger)
            if self.alerts.read():
                changed.add("alerts")
            if ledger is not None and self._read_drift():
                changed.add("drift")
        except SkysiftError as error:
            log(logging.WARNING, "page-cannot-read", reason=str(error))
            self.close()
        if self.maps.read():
            changed.add("sky")
        if "sky" in changed:
            self._keep_maps()
        return changed

    def find_record(self, record: str) -> Record | None:
        """Return what the ledger knows of a record, from any thread; None if it does not."""
        try:
            with ledger_of(self.sink) as ledger:
                return ledger.find(record)
        except SkysiftError:
            return None

    def draw(self, kind: Literal["stamp", "disk"], record: Record, name: str) -> Drawing | None:
        """Return the picture of a record, None if there is none to be had; from any thread."""
        schemas = None if self.service is None else self.service.schemas
        return self.easel.draw(Wish(kind=kind, name=name, item=Item.of(record), schemas=schemas))

    def forget_quarantined(self, record: str) -> None:
        """Take a record that is tried again off the list, before the ledger is read anew."""
        self.quarantined = [one for one in self.quarantined if one.id != record]
        self._next_count = 0.0

    def read_notes(self) -> None:
        """Read what people have noted; the page alone writes it.

        Raises
        ------
        SkysiftError
            If the notes cannot be read.
        """
        with notes_of(self.sink) as notes:
            self.notes = notes.all()

    def close(self) -> None:
        """Let go of the ledger; the next poll opens it again."""
        if self._ledger is not None:
            self._ledger.close()
        self.alerts.close()
        self.easel.close()
        self._ledger = None
        self._version = None

    def _opened(self) -> _PageLedger | None:
        path = state_folder(self.sink) / SPOOL
        if self._ledger is None and path.is_file():
            self._ledger = _PageLedger(path, create=False)
        return self._ledger

    def _follow(self, ledger: _PageLedger) -> set[str]:
        changed: set[str] = set()
        now = time.monotonic()
        if now >= self._next_sample:  # first: it says how messages are read, for their pictures
            self._next_sample = now + _SAMPLE
            changed |= self._count(ledger) | {"health"}
            self._sample(ledger)
        version = ledger.version()
        if version != self._version:
            caught_up, found = self._read_published(ledger)
            changed |= found
            if caught_up:
                self._version = version
        return changed

    def _sample(self, ledger: _PageLedger) -> None:
        self.service = read_state(self.sink)
        self.checks = health(self.sink)
        vitals = Vitals(
            self.counts, ledger.last_arrival(), ledger.oldest_pending(), ledger.latest(_RECENT)
        )
        self.history.sample(vitals, self.deadline)

    def _read_published(self, ledger: _PageLedger) -> tuple[bool, set[str]]:
        """Read some published batches; tell whether there are no more, and what they change."""
        if self._after is None:
            self._after = ledger.published_before(_BATCHES)
        batches = ledger.published(self._after, _AT_ONCE)
        changed: set[str] = set()
        for number, files in batches:
            tables = [
                table
                for file in files
                for table in read_answers(self.sink, file.final, self.night.wanted)
            ]
            # Windows say which candidates count, and bins belong to sources: in this order.
            for table in sorted(tables, key=_order):
                changed |= self.night.add(table)
                self._note_provenance(table.file)
            self._after = number
        return len(batches) < _AT_ONCE, changed

    def _read_drift(self) -> bool:
        now = time.monotonic()
        if now < self._next_drift:
            return False
        self._next_drift = now + _DRIFT
        before, self.drift = self.drift, drift_report(self.sink)
        return self.drift != before

    def _note_provenance(self, file: str) -> None:
        if not self.provenance:
            self.provenance = provenance_of(self.sink, file)

    def _count(self, ledger: _PageLedger) -> set[str]:
        """Count the records in each state, less often where there are very many."""
        begun = time.monotonic()
        if begun < self._next_count:
            return set()
        counts = ledger.counts()
        self._next_count = time.monotonic() + _REST * (time.monotonic() - begun)
        refused = State.QUARANTINED.value
        was, self.counts = self.counts, counts
        if counts[refused] == was[refused] and (counts[refused] == 0) == (not self.quarantined):
            return set()
        self.quarantined = _newest(ledger)
        return {"quarantine"}

    def _keep_maps(self) -> None:
        with self.night.lock:
            for source in list(self.night.sources.values())[-_ACTIVE:]:
                self.maps.keep(source.id, source.best_window)


def _order(table: Any) -> int:
    return ("candidates" not in table.columns) + ("bin" in table.columns)


def _newest(ledger: Ledger) -> list[Record]:
    """Return the records that were quarantined last, the newest first."""
    kept: list[Record] = []
    for record in ledger.in_state(State.QUARANTINED):
        kept.append(record)
        if len(kept) > 2 * _QUARANTINED:
            del kept[:_QUARANTINED]
    return kept[: -_QUARANTINED - 1 : -1]
