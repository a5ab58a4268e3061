"""One process at a time for one file, by a lock that ends with its process."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["exclusive"]


@contextmanager
def exclusive(path: Path) -> Iterator[bool]:
    """Hold the lock file `path`, waiting for whoever has it.

    The operating system lets go of the lock when the process ends, however it ends, so a lock
    never outlives its owner. The empty file stays: to delete it would race with the next owner.

    Yields
    ------
    bool
        False where the file system has no locks (some network file systems): the caller is
        then not alone.
    """
    with path.open("ab") as handle:
        yield _lock(handle.fileno())


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> bool:
        while True:
            try:
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            except OSError:
                time.sleep(0.1)
            else:
                return True
else:
    import fcntl

    def _lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError:
            return False
        return True
