"""What is known of drift, in a database beside the spool: blocks, looks, alarms, calibration."""

import json
import sqlite3
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from skysift.core.errors import ReadError
from skysift.serve.config import state_folder
from skysift.serve.database import ServiceDatabase
from skysift.serve.drift.profile import Profile
from skysift.serve.drift.reference import Reference
from skysift.serve.drift.windows import Block, Window
from skysift.serve.schema import Layout

__all__ = ["DRIFT", "DriftLedger"]

DRIFT = "drift.sqlite"
"""Its name in the state folder of a sink."""

_ALARMS = 1000  # that are remembered
_TABLES = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE blocks (
    window TEXT NOT NULL,
    number INTEGER NOT NULL,
    begun REAL NOT NULL,
    profile TEXT NOT NULL,
    PRIMARY KEY (window, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE looks (window TEXT PRIMARY KEY, at REAL NOT NULL, found TEXT NOT NULL) STRICT;
CREATE TABLE alarms (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    window TEXT NOT NULL,
    quantity TEXT NOT NULL,
    begun REAL NOT NULL,
    ended REAL,
    found TEXT NOT NULL
) STRICT;
"""


class DriftLedger(ServiceDatabase):
    """The database of drift of one sink.

    Parameters
    ----------
    path, create
        As of :class:`~skysift.serve.database.ServiceDatabase`.
    """

    layout: ClassVar[Layout] = Layout("ledger of drift", _TABLES, 0x736B7964, 1)  # "skyd"

    @classmethod
    def of(cls, sink: Path, *, create: bool = False) -> "DriftLedger":
        """Open the one of a sink."""
        return cls(state_folder(sink) / DRIFT, create=create)

    # --- what is being compared -----------------------------------------------------------------

    def begin(self, reference: Reference | None, about: str) -> None:
        """Note what is compared with; blocks that were counted in other bins are dropped."""
        text = "" if reference is None else reference.to_json()
        with self._transaction() as database:
            if self.fact("reference") != text:
                for table in ("blocks", "looks"):
                    database.execute(f"DELETE FROM {table}")  # noqa: S608  # our own names
                database.execute("UPDATE alarms SET ended = ? WHERE ended IS NULL", (time.time(),))
            _put(database, {"reference": text, "about": about})

    def fact(self, name: str) -> str:
        """Return what is noted under a name, empty if nothing is."""
        row = self._one("SELECT value FROM facts WHERE name = ?", (name,))
        return "" if row is None else str(row[0])

    def reference(self) -> Reference | None:
        """Return what is compared with."""
        text = self.fact("reference")
        return Reference.model_validate_json(text) if text else None

    @property
    def batch(self) -> int:
        """Number of the last batch that is in the blocks."""
        return int(self.fact("batch") or 0)

    # --- blocks ---------------------------------------------------------------------------------

    def load(self, window: Window) -> None:
        """Give a window its blocks."""
        window.blocks = [
            Block(number, begun, Profile.from_json(text))
            for number, begun, text in self._rows(
                "SELECT number, begun, profile FROM blocks WHERE window = ? ORDER BY number",
                (window.name,),
            )
        ]

    def save(self, windows: Sequence[Window], batch: int) -> None:
        """Note the last blocks of windows and, with them, the last batch that they hold."""
        with self._transaction() as database:
            _put(database, {"batch": str(batch)})
            for window in windows:
                first = window.blocks[0].number if window.blocks else 0
                database.execute(
                    "DELETE FROM blocks WHERE window = ? AND number < ?", (window.name, first)
                )
                database.executemany(
                    "INSERT OR REPLACE INTO blocks VALUES (?, ?, ?, ?)",
                    [
                        (window.name, block.number, block.begun, block.profile.to_json())
                        for block in window.blocks
                        if block.number >= window.saved
                    ],
                )
        for window in windows:
            window.saved = window.blocks[-1].number if window.blocks else 0

    # --- looks and alarms -----------------------------------------------------------------------

    def note_look(self, window: str, at: float, found: Mapping[str, Any]) -> None:
        """Note what was found when a window was looked at."""
        with self._transaction() as database:
            database.execute(
                "INSERT OR REPLACE INTO looks VALUES (?, ?, ?)", (window, at, json.dumps(found))
            )

    def looks(self) -> dict[str, tuple[float, dict[str, Any]]]:
        """Return the last look at each window: when, and what was found."""
        return {
            window: (float(at), _document(text, self.path))
            for window, at, text in self._rows("SELECT window, at, found FROM looks")
        }

    def begin_alarm(self, window: str, quantity: str, at: float, found: Mapping[str, Any]) -> None:
        """Note an alarm."""
        with self._transaction() as database:
            number = database.execute(
                "INSERT INTO alarms (window, quantity, begun, found) VALUES (?, ?, ?, ?)",
                (window, quantity, at, json.dumps(found)),
            ).lastrowid
            database.execute("DELETE FROM alarms WHERE number <= ?", ((number or 0) - _ALARMS,))

    def end_alarm(self, window: str, quantity: str, at: float) -> None:
        """Note that an alarm is over."""
        with self._transaction() as database:
            database.execute(
                "UPDATE alarms SET ended = ? WHERE window = ? AND quantity = ? AND ended IS NULL",
                (at, window, quantity),
            )

    def alarms(self, most: int = 100) -> list[dict[str, Any]]:
        """Return the latest alarms, newest first."""
        return [
            {
                "number": number,
                "window": window,
                "quantity": quantity,
                "begun": begun,
                "ended": ended,
                "found": _document(text, self.path),
            }
            for number, window, quantity, begun, ended, text in self._rows(
                "SELECT * FROM alarms ORDER BY number DESC LIMIT ?", (most,)
            )
        ]

    def alarmed(self) -> set[tuple[str, str]]:
        """Return window and quantity of the alarms that are not over."""
        rows = self._rows("SELECT window, quantity FROM alarms WHERE ended IS NULL")
        return {(str(window), str(quantity)) for window, quantity in rows}

    # --- calibration ----------------------------------------------------------------------------

    def note_calibration(self, found: Mapping[str, Any]) -> None:
        """Note how answers compare with labels."""
        with self._transaction() as database:
            _put(database, {"calibration": json.dumps(found)})

    def calibration(self) -> dict[str, Any] | None:
        """Return how answers compared with labels; None if there were none."""
        text = self.fact("calibration")
        return _document(text, self.path) if text else None


def _put(database: sqlite3.Connection, facts: Mapping[str, str]) -> None:
    database.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", list(facts.items()))


def _document(text: str, path: Path) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ReadError("The ledger of drift holds what is no note of ours.", path=path)
    return found
