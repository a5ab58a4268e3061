"""The tables of the spool, and the check that a database is one."""

import sqlite3
from pathlib import Path

from skysift.core.errors import ReadError

__all__ = ["SCHEMA_VERSION", "prepare_database"]

SCHEMA_VERSION = 1
_APPLICATION = 0x736B7973  # "skys", in the header of the database

_SCHEMA = """
CREATE TABLE records (
    sequence INTEGER PRIMARY KEY,
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
    finished REAL
) STRICT;
CREATE INDEX records_by_state ON records (state, sequence);
CREATE INDEX records_by_turn ON records (state, sequence + 1000 * strikes);
CREATE INDEX records_by_batch ON records (batch);
CREATE TABLE batches (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    files TEXT NOT NULL,
    published INTEGER NOT NULL DEFAULT 0
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
    """Make the tables in an empty database; check that another one has them.

    Raises
    ------
    ReadError
        If it is the database of another program, or of another version of the schema.
    """
    application = database.execute("PRAGMA application_id").fetchone()[0]
    version = database.execute("PRAGMA user_version").fetchone()[0]
    empty = database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    if not empty and application != _APPLICATION:
        raise ReadError(
            "This is a database of another program.", "Choose another folder.", path=path
        )
    if not empty and version != SCHEMA_VERSION:
        raise ReadError(
            f"The spool has schema version {version}; this skysift reads {SCHEMA_VERSION}.",
            "Upgrade skysift if the version is higher; otherwise begin a new folder.",
            path=path,
        )
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute("PRAGMA foreign_keys = ON")
    if empty:
        database.executescript(
            f"BEGIN IMMEDIATE; PRAGMA application_id = {_APPLICATION}; "
            f"PRAGMA user_version = {SCHEMA_VERSION}; {_SCHEMA} COMMIT;"
        )
