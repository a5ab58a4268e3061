"""What is read from files that may be replaced while a service runs."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Generic, TypeVar

from skysift.core.errors import InputError

__all__ = ["Renewed"]

HeldT = TypeVar("HeldT")

_Facts = tuple[tuple[str, int, int, int], ...]


class Renewed(ABC, Generic[HeldT]):
    """What is read from files that may be replaced at any time.

    Once they could be read, newer files that cannot, perhaps half written, leave the older in use,
    and `stale` is true.

    Parameters
    ----------
    path : Path
        A file, or a folder.

    Raises
    ------
    InputError
        If it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._facts = self._stats()
        self._held = self._read()
        self.stale = False

    def renewed(self) -> HeldT:
        """Return what the files hold now, or held when they could be read."""
        facts = self._stats()
        if facts != self._facts:
            try:
                self._held = self._read()
            except InputError:
                self.stale = True
            else:
                self._facts, self.stale = facts, False
        return self._held

    @abstractmethod
    def _read(self) -> HeldT:
        """Return what the files hold."""

    def _files(self) -> list[Path]:
        """Return the files that are read."""
        return [self.path]

    def _stats(self) -> _Facts:
        """Return what changes when a file does, of each file."""
        try:
            stats = [(file.name, file.stat()) for file in self._files()]
        except OSError:  # replaced at this moment, or gone: seen when it is read
            return ()
        return tuple((name, one.st_ino, one.st_size, one.st_mtime_ns) for name, one in stats)
