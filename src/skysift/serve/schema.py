"""The tables of the spool, and the check that a database is of the kind that it should be."""

import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from skysift.core.errors import ReadError

__all__ = ["SCHEMA_VERSION", "SPOOL", "Layout", "prepare"]

SCHEMA_VERSION = 2
_PATIENCE = 5.0  # s that others may take to open a new database
_PAUSE = 0.02  # s

_TABLES = """
CREATE TABLE records (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    path BLOB NOT NULL,
    sha256 TEXT NOT NULL,
    size INTEGER NOT NULL,
    arrived REAL NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'done', 'quarantined', 'retracted')),
    strikes INTEGER NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT '',
    batch INTEGER REFERENCES batches (number),
    bundle TEXT NOT NULL DEFAULT '',
    rows INTEGER NOT NULL DEFAULT 0,
    finished REAL,
    pack TEXT,
    start INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX records_by_state ON records (state, sequence);
CREATE INDEX records_by_turn ON records (state, sequence + 1000 * strikes);
CREATE INDEX records_by_batch ON records (batch);
CREATE INDEX unfinished_by_pack ON records (pack)
    WHERE pack IS NOT NULL AND state IN ('pending', 'quarantined');
CREATE TABLE packs (name TEXT PRIMARY KEY, bytes INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE batches (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    files TEXT NOT NULL,
    published INTEGER NOT NULL DEFAULT 0,
    profile TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX prepared_batches ON batches (number) WHERE published = 0;
CREATE TABLE files (
    name TEXT PRIMARY KEY,
    inode INTEGER NOT NULL,
    size INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    record TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX files_by_record ON files (record);
"""


@dataclass(frozen=True)
class Layout:
    """The tables of a database of a service, and its marks.

    Parameters
    ----------
    what : str
        What it is, for errors.
    tables : str
        Statements that make the tables.
    application, version : int
        Marks of the database, in its header.
    """

    what: str
    tables: str
    application: int
    version: int


SPOOL: Final = Layout("spool", _TABLES, 0x736B7973, SCHEMA_VERSION)  # "skys"


def prepare(database: sqlite3.Connection, path: Path, layout: Layout) -> None:
    """Make tables in an empty database; check that another one has them; WAL, flushed in full.

    Raises
    ------
    ReadError
        If it is the database of another program, or of another version of the layout.
    """
    # In this order: one that another process is just making has its marks once it has tables.
    empty = database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    found_application = database.execute("PRAGMA application_id").fetchone()[0]
    found = database.execute("PRAGMA user_version").fetchone()[0]
    if not empty and found_application != layout.application:
        raise ReadError(
            "This is a database of another program.", "Choose another folder.", path=path
        )
    if not empty and found != layout.version:
        raise ReadError(
            f"The {layout.what} has schema version {found}; this skysift reads {layout.version}.",
            "Upgrade skysift if the version is higher; otherwise begin a new folder.",
            path=path,
        )
    _use_wal(database)
    database.execute("PRAGMA synchronous = FULL")
    database.execute("PRAGMA foreign_keys = ON")
    if not empty:
        return
    try:
        database.executescript(
            f"BEGIN IMMEDIATE; PRAGMA application_id = {layout.application}; "
            f"PRAGMA user_version = {layout.version}; {layout.tables} COMMIT;"
        )
    except sqlite3.OperationalError:
        if database.in_transaction:
            database.execute("ROLLBACK")
        if database.execute("PRAGMA user_version").fetchone()[0] != layout.version:
            raise
        # Another process has made the tables just then.


def _use_wal(database: sqlite3.Connection) -> None:
    """Change the mode of a new database: for this, SQLite does not wait for others by itself."""
    enough = time.monotonic() + _PATIENCE
    while True:
        try:
            database.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > enough:
                raise
            time.sleep(_PAUSE)
        else:
            return
