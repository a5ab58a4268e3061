"""Packs: files in which messages of a stream are kept until they are answered.

The newest of those that are answered stay a little longer, within bounds: people look at them. A
pack is written as a whole, forced to disk, and then renamed to its name: one that has its name is
complete. It says of each message where it came from, so that what was to be done with it can be
found out after a kill.
"""

import hashlib
import json
import os
import secrets
import shutil
import struct
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from skysift.core.errors import OutputError, ReadError
from skysift.serve.disk import flush_file, flush_folder
from skysift.serve.records import Message
from skysift.serve.spool import Spool

__all__ = ["ALONE", "PACK", "PackStore", "Packed", "read_message", "read_pack"]

PACK = ".pack"
"""Ending of the name of a pack."""

ALONE = ".message"
"""Ending of the name of a message that is a file of its own."""
_MAGIC = b"skysift pack 1\n"
_LENGTHS = struct.Struct(">IQ")  # of the description and of the message
_DESCRIBED = ("source", "name", "topic", "partition", "offset", "moment", "sha256")
_LONGEST_DESCRIPTION = 2**16
_PART = ".part"
_SWEEP_ALONE = 60.0  # s from one look at the messages in quarantine to the next
_SHOWN = 200  # most packs that are kept to be looked at: the live page shows no more records


@dataclass(frozen=True, slots=True)
class Packed:
    """A message, and where it came from.

    Parameters
    ----------
    source : str
        Identity of the source: part of the id.
    name : str
        For people, and of the file that a task is given.
    topic, partition, offset
        Where the stream has it.
    moment : float
        When it was sent, Unix time [s].
    sha256 : str
        Of the message.
    data : bytes
        Itself.
    start : int
        Where it begins in the pack [byte]; -1 before it is in one.
    """

    source: str
    name: str
    topic: str
    partition: int
    offset: int
    moment: float
    sha256: str
    data: bytes
    start: int = -1

    @property
    def id(self) -> str:
        """The id of its record."""
        return hashlib.sha256(f"{self.source}\n{self.sha256}".encode()).hexdigest()

    def message(self, arrived: float, most_bytes: int) -> Message:
        """Return what the ledger notes: a message that is too large has its reason at once.

        Parameters
        ----------
        arrived : float
            Unix time [s].
        most_bytes : int
            Size of a larger message that is quarantined unread.
        """
        size, reason = len(self.data), ""
        if size > most_bytes:
            reason = f"The message has {size:,} bytes; the limit is {most_bytes:,}."
        elif not size:
            reason = "The message is empty."
        return Message(self.id, self.name, self.sha256, size, self.start, arrived, reason)

    def description(self) -> bytes:
        """Return what the pack says of it."""
        return json.dumps([getattr(self, name) for name in _DESCRIBED]).encode()


def read_pack(path: Path) -> Iterator[Packed]:
    """Yield the messages of a pack.

    Raises
    ------
    ReadError
        If it cannot be read, or is damaged.
    """
    try:
        with path.open("rb") as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                raise _damaged(path)
            while lengths := file.read(_LENGTHS.size):
                described, size = _LENGTHS.unpack(lengths)
                if described > _LONGEST_DESCRIPTION:
                    raise _damaged(path)
                fields = dict(zip(_DESCRIBED, json.loads(file.read(described)), strict=True))
                start = file.tell()
                data = file.read(size)
                if len(data) != size:
                    raise _damaged(path)
                yield Packed(**fields, data=data, start=start)
    except OSError as error:
        raise ReadError(
            f"The pack cannot be read: {error.strerror}.", "Check the disk.", path=path
        ) from error
    except (struct.error, ValueError, TypeError) as error:
        raise _damaged(path) from error


def read_message(pack: Path, start: int, size: int) -> bytes:
    """Return a message of a pack.

    Raises
    ------
    OSError
        If the pack is gone.
    """
    with pack.open("rb") as file:
        file.seek(start)
        return file.read(size)


class PackStore:
    """The folder of the packs of a service.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    keep : float
        A pack is kept for at least so long after it was written [s].
    shown : int
        The newest packs are kept though all in them is answered, as many as fit [byte].

    Raises
    ------
    OutputError
        If it cannot be written.
    """

    def __init__(self, folder: Path, *, keep: float = 0.0, shown: int = 0) -> None:
        self.folder = folder
        self._keep = keep
        self._shown = shown
        self._emptied: set[str] = set()  # packs that are kept, and hold nothing in quarantine
        self._next_alone = 0.0
        with _explained(folder):
            folder.mkdir(parents=True, exist_ok=True)

    def owner(self) -> str:
        """Return the name under which this folder takes messages, made up when first asked for."""
        path = self.folder / "owner"
        with _explained(path):
            if not path.is_file():
                part = path.with_suffix(_PART)
                part.write_text(secrets.token_hex(4), encoding="ascii")
                flush_file(part)
                part.replace(path)
                flush_folder(self.folder)
            return path.read_text(encoding="ascii")

    def write(self, messages: Iterable[Packed]) -> tuple[Path, list[Packed]]:
        """Write a pack and force it to disk; return its path and the messages, placed in it.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        path = self.folder / f"{time.time_ns():020}-{secrets.token_hex(4)}{PACK}"
        part = path.with_name(path.name + _PART)
        placed = []
        with _explained(path):
            with part.open("wb") as file:
                file.write(_MAGIC)
                position = len(_MAGIC)
                for message in messages:
                    description = message.description()
                    file.write(_LENGTHS.pack(len(description), len(message.data)))
                    file.write(description)
                    file.write(message.data)
                    start = position + _LENGTHS.size + len(description)
                    position = start + len(message.data)
                    placed.append(replace(message, start=start))
            flush_file(part)
            part.replace(path)
            flush_folder(self.folder)
        return path, placed

    def copy(self, path: Path, folder: Path) -> None:
        """Put a pack into a folder as well, for a replay.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        target = folder / path.name
        with _explained(target):
            folder.mkdir(parents=True, exist_ok=True)
            if target.exists():
                return
            try:
                os.link(path, target)
            except OSError:  # another disk
                part = target.with_name(target.name + _PART)
                shutil.copyfile(path, part)
                flush_file(part)
                part.replace(target)

    def unnoted(self, spool: Spool) -> list[Path]:
        """Return packs that the ledger does not know, oldest first; remove those half written."""
        known = spool.packs()
        with _explained(self.folder):
            for part in self.folder.glob(f"*{PACK}{_PART}"):
                part.unlink()
            return [path for path in sorted(self.folder.glob(f"*{PACK}")) if path.name not in known]

    def sweep(self, spool: Spool) -> None:
        """Remove packs in which nothing is pending; what is quarantined becomes a file of its own.

        The newest stay, within the bounds of what is shown.

        Raises
        ------
        OutputError
            If that cannot be written.
        """
        packs = spool.packs_of_no_use()
        for name, _ in packs:
            if name not in self._emptied:
                self._empty(spool, name)
        self._emptied.intersection_update(name for name, _ in packs)
        for name in self._not_shown(packs):
            path = self.folder / name
            with _explained(path):
                if path.is_file() and time.time() - path.stat().st_mtime < self._keep:
                    break  # the others are younger
                spool.forget_pack(name)
                path.unlink(missing_ok=True)
        if time.monotonic() > self._next_alone:
            self._next_alone = time.monotonic() + _SWEEP_ALONE
            self._sweep_alone(spool)

    def _not_shown(self, packs: list[tuple[str, int]]) -> list[str]:
        """Return the packs that nobody looks at any more, oldest first."""
        room, newest = self._shown, 0
        for _, size in reversed(packs[-_SHOWN:]):
            room -= max(size, 1)  # one of which nothing is ours holds no bytes
            if room < 0:
                break
            newest += 1
        return [name for name, _ in packs[: len(packs) - newest]]

    def _empty(self, spool: Spool, name: str) -> None:
        """Make files of the messages in quarantine that a pack holds."""
        path = self.folder / name
        with _explained(path):
            alone = [
                (record, self._unpack(path, record, start, size))
                for record, start, size in spool.quarantined_in(name)
            ]
            if alone:
                flush_folder(self.folder)
                spool.unpacked(name, alone)
        self._emptied.add(name)

    def _sweep_alone(self, spool: Spool) -> None:
        with _explained(self.folder):
            for path in self.folder.glob(f"*{ALONE}"):
                if not spool.is_needed(path.stem):
                    path.unlink(missing_ok=True)

    def _unpack(self, pack: Path, record: str, start: int, size: int) -> Path:
        path = self.folder / f"{record}{ALONE}"
        part = path.with_name(path.name + _PART)
        part.write_bytes(read_message(pack, start, size))
        flush_file(part)
        part.replace(path)
        return path


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"Messages cannot be kept here: {error.strerror}.",
            "Check that you may write there and that the disk has room.",
            path=path,
        ) from error


def _damaged(path: Path) -> ReadError:
    return ReadError("The pack of messages is damaged.", "Move it away.", path=path)
