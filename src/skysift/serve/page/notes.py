"""What people have noted of candidates on the page: seen, by them, and what they think of it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from skysift.serve.config import state_folder
from skysift.serve.database import ServiceDatabase
from skysift.serve.schema import Layout

__all__ = ["MOST_TEXT", "Note", "Notes", "notes_of"]

MOST_TEXT = 500
"""Characters of a note or a reason."""

_TABLES = """
CREATE TABLE notes (
    candidate TEXT PRIMARY KEY,
    time REAL NOT NULL,
    text TEXT NOT NULL,
    retracted INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Note:
    """That a candidate has been acknowledged or retracted.

    Parameters
    ----------
    time : float
        Unix time [s].
    text : str
        What was said of it, possibly nothing.
    retracted : bool
        Whether somebody holds that it is none.
    """

    time: float
    text: str
    retracted: bool


class Notes(ServiceDatabase):
    """The notes of one sink, in a database of the page's own.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Notes(Path(folder) / "page.sqlite") as notes:
    ...     notes.add("J0534+2200", "the Crab nebula")
    ...     notes.all()["J0534+2200"].text
    'the Crab nebula'
    """

    layout: ClassVar[Layout] = Layout("database of notes", _TABLES, 0x736B7970, 1)  # "skyp"

    def add(self, candidate: str, text: str = "", *, retracted: bool = False) -> None:
        """Note what somebody thinks of a candidate; the last note of it stays."""
        with self._transaction() as database:
            database.execute(
                "INSERT INTO notes VALUES (?, ?, ?, ?) ON CONFLICT (candidate) DO UPDATE SET "
                "time = excluded.time, text = excluded.text, retracted = excluded.retracted",
                (candidate, time.time(), text[:MOST_TEXT], int(retracted)),
            )

    def all(self) -> Mapping[str, Note]:
        """Return the notes by candidate."""
        rows = self._rows("SELECT candidate, time, text, retracted FROM notes")
        return {name: Note(moment, text, bool(taken)) for name, moment, text, taken in rows}


def notes_of(sink: Path) -> Notes:
    """Open the notes of a sink that a service writes to."""
    return Notes(state_folder(sink) / "page.sqlite")
