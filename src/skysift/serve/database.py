"""The databases of a service: opened, checked, written in transactions, their errors explained."""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, ClassVar, Self

from skysift.core.errors import OutputError, ReadError
from skysift.serve.schema import SPOOL, Layout, prepare

__all__ = ["ServiceDatabase"]

_BUSY = 30.0  # s that a transaction waits for one of another process
_CACHE = 512  # KiB of pages that a connection keeps, of which a service has five; 2,000 of its own


class ServiceDatabase:
    """An SQLite database of a service, with the tables of its layout.

    Parameters
    ----------
    path : Path
        On a local disk: WAL needs memory that is shared between processes.
    create : bool
        Make it where it is not there.
    lock : context manager, optional
        Held while something is written, where several threads each have the database open: SQLite
        itself lets them wait longer than they need to.

    Raises
    ------
    ReadError
        If it is not there, damaged, or none of ours, or of another version.
    OutputError
        If it cannot be written.

    Notes
    -----
    ``synchronous=FULL``: with NORMAL, a power cut may take back the last transactions of a WAL. A
    note that a batch is prepared, taken back after its files were renamed, would leave answers in
    sight whose records are pending: they would be answered again. Two flushes per batch are the
    price.
    """

    layout: ClassVar[Layout] = SPOOL

    def __init__(
        self,
        path: Path,
        *,
        create: bool = True,
        lock: AbstractContextManager[object] | None = None,
    ) -> None:
        self.path = path
        self._lock = lock or nullcontext()
        if not create and not path.is_file():
            raise ReadError(
                f"There is no {self.layout.what} here.",
                "Name the folder that a service writes to.",
                path=path,
            )
        with self._explained():
            self._database = sqlite3.connect(path, timeout=_BUSY, isolation_level=None)
            try:
                self._database.execute(f"PRAGMA cache_size = -{_CACHE}")
                prepare(self._database, path, self.layout)
            except BaseException:
                self._database.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    def check(self) -> None:
        """Read the whole database and compare it with itself.

        Raises
        ------
        ReadError
            If it is damaged.
        """
        found = [row[0] for row in self._rows("PRAGMA integrity_check(1)")]
        if found != ["ok"]:
            raise ReadError(
                f"The {self.layout.what} is damaged: {found[0]}.",
                "Move the folder away and begin a new one; what was published stays valid.",
                path=self.path,
            )

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._explained():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise

    def _rows(self, question: str, values: Sequence[Any] = ()) -> list[Any]:
        with self._explained():
            return self._database.execute(question, values).fetchall()

    def _one(self, question: str, values: Sequence[Any] = ()) -> Any:
        with self._explained():
            return self._database.execute(question, values).fetchone()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what SQLite says into an error of ours."""
        try:
            yield
        except sqlite3.OperationalError as error:
            remedy = "Check that the disk has room and that you may write there."
            if not os.access(self.path.parent, os.W_OK):
                remedy = (
                    "You may not write to its folder: then it can be read while a service runs, "
                    "and not after that."
                )
            raise OutputError(
                f"The {self.layout.what} cannot be used: {error}.",
                remedy,
                path=self.path,
            ) from error
        except sqlite3.DatabaseError as error:
            raise ReadError(
                f"The {self.layout.what} is damaged: {error}.",
                "Move the folder away and begin a new one; what was published stays valid.",
                path=self.path,
            ) from error
