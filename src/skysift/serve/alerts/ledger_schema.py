"""The tables of the ledger of alerts."""

from typing import Final

from skysift.serve.schema import Layout

__all__ = ["LAYOUT"]

_TABLES = """
CREATE TABLE facts (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE alerts (
    id TEXT PRIMARY KEY,
    tense TEXT NOT NULL CHECK (tense IN ('live', 'test', 'injection')),
    retracted INTEGER NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT '',
    trigger REAL NOT NULL,
    seen REAL NOT NULL,
    window TEXT NOT NULL DEFAULT '',
    source TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;
CREATE INDEX alerts_by_time ON alerts (seen);
CREATE TABLE sources (
    name TEXT NOT NULL,
    tense TEXT NOT NULL,
    alert TEXT NOT NULL REFERENCES alerts (id),
    PRIMARY KEY (name, tense)
) STRICT, WITHOUT ROWID;
CREATE TABLE revisions (
    alert TEXT NOT NULL REFERENCES alerts (id),
    revision INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('initial', 'update', 'retraction')),
    issued INTEGER NOT NULL DEFAULT 0,
    decided REAL NOT NULL,
    record TEXT NOT NULL,
    row TEXT NOT NULL,
    json BLOB NOT NULL,
    xml BLOB NOT NULL,
    reg BLOB NOT NULL,
    PRIMARY KEY (alert, revision)
) STRICT;
CREATE INDEX revisions_to_issue ON revisions (decided) WHERE issued = 0;
CREATE INDEX revisions_by_time ON revisions (decided);
CREATE INDEX revisions_by_record ON revisions (record);
CREATE TABLE deliveries (
    alert TEXT NOT NULL,
    revision INTEGER NOT NULL,
    destination TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'given-up')),
    due REAL NOT NULL,
    since REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    finished REAL,
    error TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (destination, alert, revision),
    FOREIGN KEY (alert, revision) REFERENCES revisions (alert, revision)
) STRICT;
CREATE INDEX deliveries_due ON deliveries (destination, due) WHERE state = 'pending';
CREATE TABLE decisions (
    number INTEGER PRIMARY KEY,
    what TEXT NOT NULL,
    verdict TEXT NOT NULL,
    reason TEXT NOT NULL,
    times INTEGER NOT NULL DEFAULT 1,
    first REAL NOT NULL,
    last REAL NOT NULL,
    record TEXT NOT NULL,
    input TEXT NOT NULL,
    ra REAL,
    dec REAL,
    far REAL,
    score REAL,
    alert TEXT NOT NULL DEFAULT '',
    UNIQUE (what, verdict)
) STRICT;
CREATE INDEX decisions_by_time ON decisions (last);
CREATE TABLE retracted (
    record TEXT PRIMARY KEY,
    reason TEXT NOT NULL,
    time REAL NOT NULL
) STRICT, WITHOUT ROWID;
"""

LAYOUT: Final = Layout("ledger of alerts", _TABLES, 0x736B7961, 1)  # "skya"
