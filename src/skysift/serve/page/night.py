"""What the page knows of a night: sources with light curves, alerts on stamps, disks.

It is kept in memory, bounded, and made anew from the published files when the page starts.
"""

import hashlib
import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from skysift.serve.page.answers import Answers, Row
from skysift.serve.staging import RECORD_COLUMN

__all__ = ["Disk", "Night", "Source", "Stamp"]

MOST_SOURCES = 2000
MOST_POINTS = 4000
"""Windows, and bins of the light curve, that are kept of a source."""
MOST_WINDOWS = 50_000
MOST_ROWS = 5000
"""Rows of a published table."""
MOST_STAMPS = 200
MOST_DISKS = 20
_DIGITS = 16

_SKY = {"ra", "dec", "significance"}
_WINDOWS = {"window_id", "revision", "candidates"}
_BINS = {"window_id", "source_id", "bin", "excess"}
_SOLAR = {"score", "x", "y", "width", "height"}
_FLARES = {"p_c24", "p_m24"}


@dataclass
class Source:
    """A source of candidates in several windows.

    Parameters
    ----------
    id : str
        Its stable name.
    candidates : dict of str to dict
        Row of each window, by ``window_id``.
    bins : dict of str to dict
        Row of each bin of the light curve, likewise.
    files : dict of str to str
        Where the row of a window was published.
    """

    id: str
    candidates: OrderedDict[str, Row] = field(default_factory=OrderedDict)
    bins: OrderedDict[str, Row] = field(default_factory=OrderedDict)
    files: dict[str, str] = field(default_factory=dict)

    @property
    def best_window(self) -> str:
        """The window in which it is most significant."""
        return max(self.candidates, key=lambda key: self.candidates[key]["significance"] or 0.0)

    @property
    def best(self) -> Row:
        """The row of that window."""
        return self.candidates[self.best_window]

    @property
    def last(self) -> Row:
        """The row of the window that ends last."""
        return max(self.candidates.values(), key=lambda row: row.get("t_stop") or 0.0)

    @property
    def best_file(self) -> str:
        """Where the most significant row was published."""
        return self.files.get(self.best_window, "")


@dataclass(frozen=True, slots=True)
class Stamp:
    """An alert or a cutout that was classified."""

    key: str
    row: Row
    file: str


@dataclass(frozen=True, slots=True)
class Disk:
    """An image of the Sun with what was found on it."""

    key: str
    rows: tuple[Row, ...]
    file: str


class Night:
    """All of it; hold :attr:`lock` while looking.

    Notes
    -----
    A window that is answered once more, because a record came late, has a higher revision:
    candidates and bins of lower ones are forgotten.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.sources: OrderedDict[str, Source] = OrderedDict()
        self.windows: dict[float, Row] = {}
        self.stamps: deque[Stamp] = deque(maxlen=MOST_STAMPS)
        self.disks: OrderedDict[str, Disk] = OrderedDict()
        self.flares: OrderedDict[str, Row] = OrderedDict()
        self.rows: Counter[str] = Counter()
        self.units: dict[str, str] = {}
        self.descriptions: dict[str, str] = {}
        self._revisions: OrderedDict[str, int] = OrderedDict()
        self._holders: dict[str, set[str]] = {}

    def add(self, answers: Answers) -> set[str]:
        """Take in a published table; return which parts of the page it changes."""
        with self.lock:
            self.units.update(answers.units)
            self.descriptions.update(answers.descriptions)
            self.rows[_kind(answers.columns)] += answers.count
            return _TAKE[_kind(answers.columns)](self, answers)

    @staticmethod
    def wanted(columns: frozenset[str]) -> int:
        """Return how many rows of a table with such columns are of use."""
        return {"others": 0, "stamps": MOST_STAMPS, "flares": MOST_STAMPS}.get(
            _kind(columns), MOST_ROWS
        )

    def find_stamp(self, key: str) -> Stamp | None:
        """Return a stamp by its key."""
        return next((stamp for stamp in self.stamps if stamp.key == key), None)

    # --- gamma rays -----------------------------------------------------------------------------

    def _add_candidates(self, answers: Answers) -> set[str]:
        for number, row in enumerate(answers.rows):
            window = _window_of(row)
            if not self._is_current(window, row):
                continue
            name = str(row.get("source_id") or f"{row[RECORD_COLUMN][:_DIGITS]}-{number}")
            source = self.sources.setdefault(name, Source(name))
            source.candidates[window] = row
            source.files[window] = answers.file
            self._holders.setdefault(window, set()).add(name)
            while len(source.candidates) > MOST_POINTS:
                source.files.pop(source.candidates.popitem(last=False)[0], None)
            self.sources.move_to_end(name)
        while len(self.sources) > MOST_SOURCES:
            self.sources.popitem(last=False)
        return {"sky"}

    def _add_windows(self, answers: Answers) -> set[str]:
        for row in answers.rows:
            self._is_current(str(row["window_id"]), row)
            if "bin" in str(row.get("flags") or "").split(","):
                continue
            length = float(row["window"])
            shown = self.windows.get(length)
            if shown is None or (row["t_stop"], row["revision"]) >= (
                shown["t_stop"],
                shown["revision"],
            ):
                self.windows[length] = row
        return {"sky"}

    def _add_bins(self, answers: Answers) -> set[str]:
        for row in answers.rows:
            window = str(row["window_id"])
            if not self._is_current(window, row):
                continue
            source = self.sources.get(str(row["source_id"]))
            if source is None:
                continue
            source.bins[window] = row
            self._holders.setdefault(window, set()).add(source.id)
            while len(source.bins) > MOST_POINTS:
                source.bins.popitem(last=False)
        return {"sky"}

    def _is_current(self, window: str, row: Row) -> bool:
        """Tell whether a row is of the highest revision; if it is of a new one, forget the old."""
        revision = int(row.get("revision") or 0)
        known = self._revisions.get(window)
        if known is not None and revision < known:
            return False
        if known is not None and revision > known:
            self._forget(window)
        self._revisions[window] = revision
        self._revisions.move_to_end(window)
        while len(self._revisions) > MOST_WINDOWS:
            self._holders.pop(self._revisions.popitem(last=False)[0], None)
        return True

    def _forget(self, window: str) -> None:
        for name in self._holders.pop(window, ()):
            source = self.sources.get(name)
            if source is None:
                continue
            source.candidates.pop(window, None)
            source.bins.pop(window, None)
            source.files.pop(window, None)
            if not source.candidates:
                del self.sources[name]

    # --- images ---------------------------------------------------------------------------------

    def _add_stamps(self, answers: Answers) -> set[str]:
        for number, row in enumerate(answers.rows[-MOST_STAMPS:]):
            self.stamps.append(Stamp(_key(answers.file, number), row, answers.file))
        return {"stamps"}

    def _add_disks(self, answers: Answers) -> set[str]:
        for record, rows in _by_record(answers.rows).items():
            self.disks[record] = Disk(record, tuple(rows), answers.file)
            while len(self.disks) > MOST_DISKS:
                self.disks.popitem(last=False)
        return {"disk"}

    def _add_flares(self, answers: Answers) -> set[str]:
        for row in answers.rows:
            self.flares[_key(row.get("file"), row.get("noaa"), row.get("x"))] = row
            while len(self.flares) > MOST_STAMPS:
                self.flares.popitem(last=False)
        return {"disk"}

    def _add_others(self, answers: Answers) -> set[str]:
        del answers
        return {"health"}


def _kind(columns: frozenset[str]) -> str:
    """Return what a table is of, by its columns."""
    if columns >= _BINS:
        return "bins"
    if columns >= _SKY:
        return "candidates"
    if columns >= _WINDOWS:
        return "windows"
    if "p_galaxy" in columns or "p_asteroid" in columns:
        return "stamps"
    if columns >= _SOLAR:
        return "disks"
    return "flares" if columns >= _FLARES else "others"


_TAKE = {
    "bins": Night._add_bins,  # noqa: SLF001  # its own methods
    "candidates": Night._add_candidates,  # noqa: SLF001
    "windows": Night._add_windows,  # noqa: SLF001
    "stamps": Night._add_stamps,  # noqa: SLF001
    "disks": Night._add_disks,  # noqa: SLF001
    "flares": Night._add_flares,  # noqa: SLF001
    "others": Night._add_others,  # noqa: SLF001
}


def _window_of(row: Mapping[str, Any]) -> str:
    """Return what names the window of a candidate; a search of whole files has no window id."""
    return str(row.get("window_id") or f"{row[RECORD_COLUMN]}:{row.get('window') or ''}")


def _by_record(rows: Iterable[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(str(row[RECORD_COLUMN]), []).append(row)
    return found


def _key(*parts: object) -> str:
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:_DIGITS]
