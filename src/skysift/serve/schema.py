"""The tables of the spool, and the check that a database is of the kind that it should be."""

import sqlite3
import time
from pathlib import Path

from skysift.core.errors import ReadError

__all__ = ["SCHEMA_VERSION", "prepare_database", "prepare_tables"]

SCHEMA_VERSION = 2
_PATIENCE = 5.0  # s that others may take to open a new database
_PAUSE = 0.02  # s
_APPLICATION = 0x736B7973  # "skys", in the header of the database

_SCHEMA = """
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


def prepare_database(database: sqlite3.Connection, path: Path) -> None:
    """Make the tables of the spool in an empty database; check that another one has them.

    Raises
    ------
    ReadError
        If it is the database of another program, or of another version of the schema.
    """
    prepare_tables(
        database,
        path,
        what="spool",
        schema=_SCHEMA,
        application=_APPLICATION,
        version=SCHEMA_VERSION,
    )


def prepare_tables(
    database: sqlite3.Connection,
    path: Path,
    *,
    what: str,
    schema: str,
    application: int,
    version: int,
) -> None:
    """Make tables in an empty database; check that another one has them; WAL, flushed in full.

    Parameters
    ----------
    database : Connection
    path : Path
        Of the database, for errors.
    what : str
        What it is, for errors.
    schema : str
        Statements that make the tables.
    application, version : int
        Marks of the database, in its header.

    Raises
    ------
    ReadError
        If it is the database of another program, or of another version of the schema.
    """
    # In this order: one that another process is just making has its marks once it has tables.
    empty = database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    found_application = database.execute("PRAGMA application_id").fetchone()[0]
    found = database.execute("PRAGMA user_version").fetchone()[0]
    if not empty and found_application != application:
        raise ReadError(
            "This is a database of another program.", "Choose another folder.", path=path
        )
    if not empty and found != version:
        raise ReadError(
            f"The {what} has schema version {found}; this skysift reads {version}.",
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
            f"BEGIN IMMEDIATE; PRAGMA application_id = {application}; "
            f"PRAGMA user_version = {version}; {schema} COMMIT;"
        )
    except sqlite3.OperationalError:
        if database.in_transaction:
            database.execute("ROLLBACK")
        if database.execute("PRAGMA user_version").fetchone()[0] != version:
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
