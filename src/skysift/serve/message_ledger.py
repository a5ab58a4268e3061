"""The part of the ledger that knows messages: records that are slices of packs, not files."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from skysift.serve.database import ServiceDatabase
from skysift.serve.records import Message, State

__all__ = ["Finished", "MessageLedger"]

_UNFINISHED = "pack IS NOT NULL AND state IN ('pending', 'quarantined')"  # as in the index


@dataclass(frozen=True, slots=True)
class Finished:
    """A record that is done or retracted.

    Parameters
    ----------
    sequence, id
        As of a record.
    path : bytes
        Of its file or pack.
    finished : float
        Unix time [s].
    """

    sequence: int
    id: str
    path: bytes
    finished: float


class MessageLedger(ServiceDatabase):
    """Which messages are known, and which packs still hold one that is needed."""

    def add_messages(self, path: Path, messages: Sequence[Message]) -> int:
        """Note a pack and its messages in one transaction; return how many are new records.

        A message that is known already is not noted again: the pack may turn out to be of no use.
        """
        new = 0
        now = time.time()
        with self._transaction() as database:
            database.execute(
                "INSERT INTO packs (name, bytes) VALUES (?, ?) ON CONFLICT (name) DO NOTHING",
                (path.name, sum(message.size for message in messages)),
            )
            for item in messages:
                new += database.execute(
                    "INSERT INTO records (id, name, path, sha256, size, arrived, state, reason, "
                    "finished, pack, start) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
                    "ON CONFLICT (id) DO NOTHING",
                    (
                        item.id,
                        item.name,
                        os.fsencode(path),
                        item.sha256,
                        item.size,
                        item.arrived,
                        State.QUARANTINED if item.reason else State.PENDING,
                        item.reason,
                        now if item.reason else None,
                        path.name,
                        item.start,
                    ),
                ).rowcount
        return new

    def packs(self) -> set[str]:
        """Return the names of the packs that are noted."""
        return {name for (name,) in self._rows("SELECT name FROM packs")}

    def packed_bytes(self) -> int:
        """Return the size of all messages in packs [byte]."""
        return int(self._one("SELECT coalesce(sum(bytes), 0) FROM packs")[0])

    def packs_of_no_use(self) -> list[tuple[str, int]]:
        """Return name and size [byte] of packs in which nothing is pending, oldest first."""
        return self._rows(
            "SELECT name, bytes FROM packs WHERE NOT EXISTS (SELECT 1 FROM records "  # noqa: S608  # our own text
            f"WHERE pack = packs.name AND {_UNFINISHED} AND state = 'pending') ORDER BY name"
        )

    def quarantined_in(self, pack: str) -> list[tuple[str, int, int]]:
        """Return id, start and size of the quarantined messages of a pack."""
        return self._rows(
            "SELECT id, start, size FROM records WHERE pack = ? "  # noqa: S608  # our own text
            f"AND {_UNFINISHED} AND state = 'quarantined'",
            (pack,),
        )

    def unpacked(self, pack: str, paths: Sequence[tuple[str, Path]]) -> None:
        """Note that some messages of a pack are files of their own now."""
        with self._transaction() as database:
            database.executemany(
                "UPDATE records SET path = ?, pack = NULL, start = 0 WHERE id = ? AND pack = ?",
                [(os.fsencode(path), name, pack) for name, path in paths],
            )

    def forget_pack(self, pack: str) -> None:
        """Note that a pack is gone."""
        with self._transaction() as database:
            database.execute("DELETE FROM packs WHERE name = ?", (pack,))

    def finished_after(self, sequence: int, most: int) -> list[Finished]:
        """Return records of higher sequences that are done or retracted, in their order."""
        rows = self._rows(
            "SELECT sequence, id, path, finished FROM records WHERE sequence > ? "
            "AND state IN ('done', 'retracted') ORDER BY sequence LIMIT ?",
            (sequence, most),
        )
        return [Finished(*row) for row in rows]

    def forget(self, ids: Sequence[str]) -> int:
        """Remove finished records, and the batches that nothing refers to any more.

        Returns
        -------
        int
            How many there were.
        """
        with self._transaction() as database:
            names = [(name,) for name in ids]
            database.executemany("DELETE FROM files WHERE record = ?", names)
            done = database.executemany(
                "DELETE FROM records WHERE id = ? AND state IN ('done', 'retracted')", names
            ).rowcount
            database.execute(
                "DELETE FROM batches WHERE published = 1 AND number < coalesce("
                "(SELECT min(batch) FROM records WHERE batch IS NOT NULL), "
                "(SELECT max(number) FROM batches))"
            )
        return done

    def knows(self, record: str) -> bool:
        """Tell whether a record has been noted."""
        return self._one("SELECT 1 FROM records WHERE id = ?", (record,)) is not None

    def is_needed(self, record: str) -> bool:
        """Tell whether a record may be read again: it is pending, or in quarantine."""
        row = self._one(
            "SELECT 1 FROM records WHERE id = ? AND state IN ('pending', 'quarantined')", (record,)
        )
        return row is not None
