"""A folder as a source: every file that appears in it, once it is whole, is a record."""

import errno
import hashlib
import logging
import os
import stat
import time
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import BinaryIO

from skysift.core.errors import ReadError
from skysift.serve.config import DirectoryOptions
from skysift.serve.journal import log
from skysift.serve.records import Arrival
from skysift.serve.sources import tell_refused
from skysift.serve.spool import Spool

__all__ = ["UNFINISHED", "DirectorySource", "DirectoryWatch", "check_folder"]

UNFINISHED = (".tmp", ".temp", ".part", ".partial", ".crdownload", ".swp", "~")
"""Endings of names that stand for files still being written; hidden files are passed over too."""

_PIECE = 2**20
_CHUNK = 500  # arrivals of one transaction
_REST = 4.0  # times as long as a look takes is the least wait until the next


def check_folder(folder: Path) -> None:
    """Check, before anything is made, that a folder can be watched.

    Raises
    ------
    ReadError
        If there is no such folder, or it may not be read.
    """
    try:
        with os.scandir(folder):
            pass
    except OSError as error:
        raise _cannot_read(folder, error) from error


class DirectorySource:
    """Looks for new files, again and again; what came while nobody looked is found all the same.

    Parameters
    ----------
    options : DirectoryOptions
        Which files, and when they count as whole.
    record_bytes : int
        A larger file is handed out unread, with the reason.
    noted : callable
        Returns inode, size and time of change that a file name was last noted with, or None.
    clock : callable
        Returns Unix time [s].

    Notes
    -----
    A file is whole when neither its size nor its time of change moved for `settle` seconds: one
    that was renamed into the folder long after it was written is taken at once. Nothing is kept in
    memory but the files that are still settling.
    """

    def __init__(
        self,
        options: DirectoryOptions,
        record_bytes: int,
        noted: Callable[[str], tuple[int, int, int] | None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.folder = options.folder.absolute()
        self._options = options
        self._record_bytes = record_bytes
        self._noted = noted
        self._clock = clock
        self._identity = options.name or str(self.folder)
        self._settling: dict[str, tuple[tuple[int, int, int], float]] = {}
        self._duration = 0.0

    @property
    def settling(self) -> int:
        """Number of files that may still be growing."""
        return len(self._settling)

    @property
    def wait(self) -> float:
        """Time until the next look [s]: a folder of very many files is looked at less often."""
        return max(self._options.poll, _REST * self._duration)

    def look(self) -> Iterator[Arrival]:
        """Yield the files that are whole and were not noted as they are now.

        Raises
        ------
        ReadError
            If the folder cannot be read any more.
        """
        begun = time.monotonic()
        before, self._settling = self._settling, {}
        for path, facts in self._files():
            seen = _seen(facts)
            name = self._name(path)
            if self._noted(name) == seen or not self._settled(name, seen, before):
                continue
            arrival = self._arrival(name, Path(path), seen)
            if arrival is not None:
                yield arrival
        self._duration = time.monotonic() - begun

    def _files(self) -> Iterator[tuple[str, os.stat_result]]:
        """Yield path and facts of the regular files that have the wanted names."""
        folders = [str(self.folder)]
        while folders:
            folder = folders.pop()
            try:
                with os.scandir(folder) as entries:
                    for entry in entries:
                        if entry.name.startswith(".") or entry.name.endswith(UNFINISHED):
                            continue
                        if entry.is_dir(follow_symlinks=False):
                            folders += [entry.path] if self._options.recursive else []
                        elif fnmatchcase(entry.name, self._options.pattern):
                            facts = _facts(entry)
                            if facts is not None:
                                yield entry.path, facts
            except OSError as error:
                if folder == str(self.folder):
                    raise _cannot_read(self.folder, error) from error
                # a folder inside that went away while it was looked at

    def _name(self, path: str) -> str:
        """Return a name relative to the folder that is valid text, whatever bytes it has."""
        name = path[len(str(self.folder)) :].lstrip(os.sep).replace(os.sep, "/")
        return name if name.isascii() else os.fsencode(name).decode(errors="backslashreplace")

    def _settled(
        self,
        name: str,
        seen: tuple[int, int, int],
        before: dict[str, tuple[tuple[int, int, int], float]],
    ) -> bool:
        """Tell whether a file has been as it is for long enough; if not, remember it."""
        settle = self._options.settle
        if settle == 0:
            return True
        now = self._clock()
        last, since = before.get(name, (seen, now))
        if last != seen:
            since = now
        age = now - seen[2] / 1e9  # negative where the clock of the writer is ahead
        if age >= settle or now - since >= settle:
            return True
        self._settling[name] = (seen, since)
        return False

    def _arrival(self, name: str, path: Path, seen: tuple[int, int, int]) -> Arrival | None:
        """Read a file for its hash; None if it is gone, or changes meanwhile."""
        inode, size, modified = seen
        reason = ""
        if size > self._record_bytes:
            reason = f"The file has {size:,} bytes; the limit is {self._record_bytes:,}."
            sha256 = ""
        else:
            try:
                found = _hash(path, seen)
            except FileNotFoundError:
                return None
            except OSError as error:
                if error.errno in {errno.EMFILE, errno.ENFILE, errno.ENOMEM}:
                    raise _cannot_read(path, error) from error  # ours, not the file's
                found, reason = "", f"The file cannot be read: {error.strerror}."
            if found is None:
                return None
            sha256 = found
        identity = sha256 or f"{name}\n{inode}\n{size}\n{modified}"
        record = hashlib.sha256(f"{self._identity}\n{identity}".encode()).hexdigest()
        return Arrival(
            record, name, path, sha256, size, inode, modified, self._clock(), reason=reason
        )


class DirectoryWatch:
    """A folder as the source of a service.

    Parameters
    ----------
    source : DirectorySource
        Finds the files.
    spool : Spool
        Where they are noted.
    """

    def __init__(self, source: DirectorySource, spool: Spool) -> None:
        self._source = source
        self._spool = spool
        self._looking: Iterator[Arrival] | None = None

    @property
    def settling(self) -> int:
        """Number of files that may still be growing."""
        return self._source.settling

    @property
    def wait(self) -> float:
        """Time until the next look [s]."""
        return self._source.wait

    def collect(self, seconds: float) -> bool:
        """Note some of what has arrived; tell whether this completed a look at the folder.

        Raises
        ------
        ReadError
            If the folder cannot be read any more.
        OutputError
            If the spool cannot be written.
        """
        looking = self._looking or self._source.look()
        self._looking = looking
        arrivals = []
        enough = time.monotonic() + seconds
        for arrival in looking:
            arrivals.append(arrival)
            if len(arrivals) >= _CHUNK or time.monotonic() > enough:
                break
        else:
            self._looking = None
        if arrivals:
            arrivals.sort(key=lambda arrival: arrival.modified)  # a folder lists in any order
            new = self._spool.add(arrivals)
            log(logging.INFO, "arrived", files=len(arrivals), records=new)
            for arrival in arrivals:
                if arrival.reason:
                    tell_refused(arrival.id, arrival.name, arrival.reason)
        return self._looking is None

    def close(self) -> None:
        """Do nothing: a folder is not held."""


def _seen(facts: os.stat_result) -> tuple[int, int, int]:
    """Return inode, size and time of change; inodes may have more bits than SQLite's integers."""
    return facts.st_ino % 2**63, facts.st_size, facts.st_mtime_ns


def _hash(path: Path, seen: tuple[int, int, int]) -> str | None:
    """Return the SHA-256 of a file, None if it is not, or does not stay, what was seen."""
    # O_NONBLOCK: should a pipe have taken the name meanwhile, opening it would wait for ever.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(descriptor, "rb") as file:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            return None
        digest = hashlib.sha256()
        for piece in _pieces(file, seen[1]):
            digest.update(piece)
        facts = os.fstat(descriptor)
    return digest.hexdigest() if _seen(facts) == seen else None


def _pieces(file: BinaryIO, size: int) -> Iterator[bytes]:
    """Yield a file in pieces, and a byte more of it at most than it had when it was seen."""
    done = 0
    # A read sets aside what is asked for: no more than the file has.
    while done <= size and (piece := file.read(min(_PIECE, size + 1 - done))):
        done += len(piece)
        yield piece


def _facts(entry: os.DirEntry[str]) -> os.stat_result | None:
    """Return what is known of a regular file, or of the one that a link leads to."""
    try:
        # On Windows, entry.stat() has no inode.
        facts = entry.stat() if os.name == "posix" else Path(entry.path).stat()
    except OSError:
        return None  # gone meanwhile, or a link to nowhere
    return facts if stat.S_ISREG(facts.st_mode) else None


def _cannot_read(path: Path, error: OSError) -> ReadError:
    return ReadError(
        f"The folder cannot be read: {error.strerror}.",
        "Name a folder that is there and that you may read.",
        path=path,
    )
