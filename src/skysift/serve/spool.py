"""The spool: a ledger of records in SQLite that survives whatever kills the service.

Answers are published in three steps, so that no kill loses or doubles one:

1. the worker writes them to files in a staging folder and forces them to disk;
2. `prepare` notes, in one transaction, which records they answer and what the files will be called;
3. the files are renamed into place, and `publish` notes that as well.

A service killed before step 2 has published nothing: the records are still pending. After step 2
the answers are safe: whoever starts next completes step 3, see :mod:`skysift.serve.publish`.
"""

import json
import os
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from skysift.core.errors import OutputError, UnknownNameError, UsageError
from skysift.serve.message_ledger import MessageLedger
from skysift.serve.records import Arrival, Batch, OutputFile, Record, State

__all__ = ["REPLACED", "Spool"]

REPLACED = "its file was gone or replaced before it was read"
"""Why a record is retracted that was never answered; it counts again if its content comes back."""

_PAGE = 1000  # records in memory at a time
_LAST = 2**63 - 1  # no sequence is higher

_COLUMNS = ", ".join(item.name for item in fields(Record))


class Spool(MessageLedger):
    """The ledger of one service.

    Parameters
    ----------
    path : Path
        The database, on a local disk: WAL needs memory that is shared between processes.
    create : bool
        Make it where it is not there.

    Raises
    ------
    ReadError
        If it is not there, damaged, or none of ours, or of another version.
    OutputError
        If it cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Spool(Path(folder) / "spool.sqlite") as spool:
    ...     night = Path("night")
    ...     one = Arrival("5eed", "a.fits", night / "a.fits", "ab", 2880, 1, 1, 1.0)
    ...     print(spool.add([one]), spool.add([one]), spool.counts()["pending"])
    1 0 1
    """

    # --- arrivals -------------------------------------------------------------------------------

    def add(self, arrivals: Iterable[Arrival]) -> int:
        """Note files that have arrived, all in one transaction; return how many are new records.

        A record that is known already is not noted again. A file whose earlier content waits or is
        quarantined replaces it: that record is retracted.
        """
        new = 0
        with self._transaction():
            for arrival in arrivals:
                new += self._insert(arrival)
                self._note_file(arrival)
        return new

    def _insert(self, arrival: Arrival) -> int:
        """Note a record; one that waits, or was retracted as replaced, is now to be found here."""
        path = os.fsencode(arrival.path)
        inserted = self._database.execute(
            "INSERT INTO records (id, name, path, sha256, size, arrived, state, reason, finished) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
            (
                arrival.id,
                arrival.name,
                path,
                arrival.sha256,
                arrival.size,
                arrival.arrived,
                State.QUARANTINED if arrival.reason else State.PENDING,
                arrival.reason,
                time.time() if arrival.reason else None,
            ),
        ).rowcount
        if not inserted:
            self._database.execute(
                "UPDATE records SET name = ?, path = ?, state = 'pending', reason = '', "
                "finished = NULL WHERE id = ? AND batch IS NULL "
                "AND (state = 'pending' OR (state = 'retracted' AND reason = ?))",
                (arrival.name, path, arrival.id, REPLACED),
            )
        return inserted

    def _note_file(self, arrival: Arrival) -> None:
        """Note what stands under a file name now; what stood there before may be replaced."""
        before = self._database.execute(
            "SELECT id FROM records WHERE id = (SELECT record FROM files WHERE name = ?) "
            "AND id <> ? AND batch IS NULL AND state IN ('pending', 'quarantined')",
            (arrival.name, arrival.id),
        ).fetchone()
        if before is not None:
            self._retract_replaced(before[0])
        self._database.execute(
            "INSERT INTO files (name, inode, size, modified, record) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT (name) DO UPDATE SET inode = excluded.inode, size = excluded.size, "
            "modified = excluded.modified, record = excluded.record",
            (arrival.name, arrival.inode, arrival.size, arrival.modified, arrival.id),
        )

    def _retract_replaced(self, record: str) -> None:
        """Retract a record whose file is gone or another; a copy elsewhere will be noted anew."""
        self._database.execute(
            "UPDATE records SET state = 'retracted', reason = ?, finished = ? WHERE id = ?",
            (REPLACED, time.time(), record),
        )
        self._database.execute("DELETE FROM files WHERE record = ?", (record,))

    def noted(self, name: str) -> tuple[int, int, int] | None:
        """Return inode, size and time of change that a file had when it was noted, if it was."""
        row = self._one("SELECT inode, size, modified FROM files WHERE name = ?", (name,))
        return None if row is None else (row[0], row[1], row[2])

    # --- the way of a record --------------------------------------------------------------------

    def next_records(self, most: int, most_bytes: int, taken: Collection[str] = ()) -> list[Record]:
        """Return the pending records that make up the next batch, in the order of their arrival.

        A record that the worker has died of, or that is larger than `most_bytes`, comes alone. The
        former gives way to 1000 others for each time: if it was at fault, they need not wait for
        it; if whoever kills workers was, he should not always meet the same record.

        Parameters
        ----------
        most, most_bytes : int
            Bounds of the batch.
        taken : collection of str
            Ids of records that are in hand already.
        """
        chosen: list[Record] = []
        size = 0
        for row in self._rows(
            f"SELECT {_COLUMNS} FROM records WHERE state = 'pending' AND batch IS NULL "  # noqa: S608  # our own names
            "ORDER BY sequence + 1000 * strikes LIMIT ?",
            (most + len(taken),),
        ):
            record = _record(row)
            if record.id in taken:
                continue
            size += record.size
            if chosen and (record.strikes or size > most_bytes):
                break
            chosen.append(record)
            if record.strikes or len(chosen) == most:
                break
        return chosen

    def prepare(self, batch: Batch, bundle: str) -> int:
        """Note what became of a batch whose answers are staged; return the number of the batch.

        Refused and replaced records are finished by this, answered ones by :meth:`publish`.
        """
        now = time.time()
        files = json.dumps([file.model_dump() for file in batch.files])
        with self._transaction() as database:
            number = database.execute(
                "INSERT INTO batches (files, profile) VALUES (?, ?)", (files, batch.profile)
            ).lastrowid
            database.executemany(
                "UPDATE records SET batch = ?, rows = ?, bundle = ? WHERE id = ?",
                [(number, rows, bundle, name) for name, rows in batch.answered.items()],
            )
            database.executemany(
                "UPDATE records SET state = 'quarantined', reason = ?, bundle = ?, finished = ? "
                "WHERE id = ?",
                [(reason, bundle, now, name) for name, reason in batch.refused.items()],
            )
            for name in batch.replaced:
                self._retract_replaced(name)
        if number is None:  # of an INSERT it never is
            raise OutputError("The spool did not number a batch.", path=self.path)
        return number

    def publish(self, number: int) -> None:
        """Note that the files of a prepared batch are where readers look."""
        with self._transaction() as database:
            database.execute(
                "UPDATE records SET state = 'done', finished = ? WHERE batch = ? AND "
                "state = 'pending'",
                (time.time(), number),
            )
            database.execute("UPDATE batches SET published = 1 WHERE number = ?", (number,))

    def withdraw(self, number: int) -> None:
        """Take back a prepared batch whose files are gone: its records are pending again."""
        with self._transaction() as database:
            database.execute(
                "UPDATE records SET batch = NULL, rows = 0, bundle = '' WHERE batch = ? AND "
                "state = 'pending'",
                (number,),
            )
            database.execute("DELETE FROM batches WHERE number = ?", (number,))

    def prepared(self) -> list[tuple[int, tuple[OutputFile, ...]]]:
        """Return the batches that were prepared and not published, with their files."""
        return _batches(
            self._rows("SELECT number, files FROM batches WHERE published = 0 ORDER BY number")
        )

    def published(self, after: int, most: int = _PAGE) -> list[tuple[int, tuple[OutputFile, ...]]]:
        """Return published batches in the order of publication, with their files.

        Parameters
        ----------
        after : int
            Only batches of higher numbers: the last number that the caller has dealt with.
        most : int
            No more than so many at once.

        Notes
        -----
        Numbers rise and may leave some out. A batch in which nothing was answered has no files.
        """
        return _batches(
            self._rows(
                "SELECT number, files FROM batches WHERE published = 1 AND number > ? "
                "ORDER BY number LIMIT ?",
                (after, most),
            )
        )

    def profiles(self, after: int, most: int = _PAGE) -> list[tuple[int, str]]:
        """Return the profiles of published batches, empty where nothing was counted.

        Parameters
        ----------
        after, most : int
            As of :meth:`published`.
        """
        return [
            (int(number), str(profile))
            for number, profile in self._rows(
                "SELECT number, profile FROM batches WHERE published = 1 AND number > ? "
                "ORDER BY number LIMIT ?",
                (after, most),
            )
        ]

    def forget_profiles(self, last: int) -> None:
        """Drop the profiles of batches up to a number: they have been added up elsewhere."""
        with self._transaction() as database:
            database.execute(
                "UPDATE batches SET profile = '' WHERE number <= ? AND profile <> ''", (last,)
            )

    def strike(self, record: str) -> int:
        """Note that the worker died of a record; return how often it has."""
        with self._transaction() as database:
            database.execute("UPDATE records SET strikes = strikes + 1 WHERE id = ?", (record,))
            row = database.execute("SELECT strikes FROM records WHERE id = ?", (record,)).fetchone()
        return int(row[0])

    # --- what people ask ------------------------------------------------------------------------

    def counts(self) -> dict[str, int]:
        """Return the number of records in each state."""
        found = dict(self._rows("SELECT state, count(*) FROM records GROUP BY state"))
        return {state.value: int(found.get(state.value, 0)) for state in State}

    def backlog(self) -> int:
        """Return the number of pending records."""
        row = self._one("SELECT count(*) FROM records WHERE state = 'pending'")
        return 0 if row is None else int(row[0])

    def in_state(self, state: State) -> Iterator[Record]:
        """Yield the records in a state, in the order of their arrival."""
        last = 0
        while rows := self._rows(
            f"SELECT {_COLUMNS} FROM records WHERE state = ? AND sequence > ? "  # noqa: S608  # our own names
            "ORDER BY sequence LIMIT ?",
            (state, last, _PAGE),
        ):
            yield from map(_record, rows)
            last = rows[-1][0]

    def newest_done(self) -> Iterator[Record]:
        """Yield the records that are done, the last to arrive first."""
        last = _LAST
        while rows := self._rows(
            f"SELECT {_COLUMNS} FROM records WHERE state = 'done' AND sequence < ? "  # noqa: S608  # our own names
            "ORDER BY sequence DESC LIMIT ?",
            (last, _PAGE),
        ):
            yield from map(_record, rows)
            last = rows[-1][0]

    def find(self, beginning: str) -> Record:
        """Return the record whose id begins so.

        Raises
        ------
        UnknownNameError
            If there is none.
        UsageError
            If there are several.
        """
        found = [
            _record(row)
            for row in self._rows(
                f"SELECT {_COLUMNS} FROM records WHERE id >= ? AND id < ? LIMIT 2",  # noqa: S608  # our own names
                (beginning, f"{beginning}g"),  # the digits end at f
            )
        ]
        if not found or not beginning:
            raise UnknownNameError("record", beginning, [])
        if len(found) > 1:
            raise UsageError(f"Several records begin with '{beginning}'.", "Give more digits.")
        return found[0]

    def replay(self, ids: Sequence[str]) -> int:
        """Let quarantined records be tried again; return how many were quarantined."""
        return self._leave_quarantine(ids, State.PENDING, "", None)

    def drop(self, ids: Sequence[str], reason: str) -> int:
        """Retract quarantined records for good; return how many were quarantined."""
        return self._leave_quarantine(ids, State.RETRACTED, reason, time.time())

    def retract(self, ids: Sequence[str], reason: str) -> int:
        """Retract records in whatever state, their published answers included; return how many.

        Files of answers stay as they are: see :func:`skysift.serve.alerts.retracted`.
        """
        with self._transaction() as database:
            return sum(
                database.execute(
                    "UPDATE records SET state = 'retracted', reason = ?, finished = ? "
                    "WHERE id = ? AND state <> 'retracted'",
                    (reason, time.time(), name),
                ).rowcount
                for name in ids
            )

    def _leave_quarantine(
        self, ids: Sequence[str], state: State, reason: str, finished: float | None
    ) -> int:
        with self._transaction() as database:
            return sum(
                database.execute(
                    "UPDATE records SET state = ?, reason = ?, finished = ?, strikes = 0 "
                    "WHERE id = ? AND state = 'quarantined'",
                    (state, reason, finished, name),
                ).rowcount
                for name in ids
            )


def _batches(rows: list[Any]) -> list[tuple[int, tuple[OutputFile, ...]]]:
    return [
        (row[0], tuple(OutputFile.model_validate(item) for item in json.loads(row[1])))
        for row in rows
    ]


def _record(row: tuple[Any, ...]) -> Record:
    sequence, name, label, path, sha256, size, arrived, state, *rest = row
    return Record(
        sequence,
        name,
        label,
        Path(os.fsdecode(path)),
        sha256,
        size,
        arrived,
        State(state),
        *rest,
    )
