"""One service at a time for one sink, by a lock that ends with its process."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from skysift.core.errors import OutputError

__all__ = ["alone"]


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold a lock, or say at once that another process has it.

    It is the lock of an empty SQLite database: the operating system lets go of it when the process
    ends, however it ends, and it works wherever the spool does.

    Raises
    ------
    OutputError
        If another process holds it, or it cannot be made.
    """
    try:
        database = sqlite3.connect(path, timeout=0, isolation_level=None)
    except sqlite3.Error as error:
        raise _refusal(f"Cannot lock here: {error}.", path) from error
    with closing(database):
        try:
            database.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as error:
            taken = "locked" in str(error)
            problem = "Another service writes here." if taken else f"Cannot lock here: {error}."
            raise _refusal(problem, path) from error
        yield


def _refusal(problem: str, path: Path) -> OutputError:
    return OutputError(
        problem, "Stop the other one, or choose another folder that you may write to.", path=path
    )
