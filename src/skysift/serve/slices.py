"""Records that are slices of a pack, as the files that tasks read."""

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path, PurePath

from skysift.core.errors import OutputError
from skysift.core.stream import RecordFile
from skysift.serve.messages import Item, WorkerSettings
from skysift.serve.packs import ALONE
from skysift.serve.wire import as_container, is_wire

__all__ = ["SliceGoneError", "Slices"]


class SliceGoneError(Exception):
    """A pack is gone, or no more what it was."""


class Slices:
    """Gives tasks a path to each record; one of a message is there as long as it is read.

    Parameters
    ----------
    settings : WorkerSettings
        Where such files may be, and what messages look like.
    """

    def __init__(self, settings: WorkerSettings) -> None:
        self._folder = settings.scratch
        self._schemas = settings.schemas
        self._made = False
        self._pack: BufferedReader | None = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)  # of a worker that was killed

    @contextmanager
    def file(self, item: Item, room: int) -> Iterator[RecordFile]:
        """Give a record, in memory if it is a message of no more bytes than there is room for.

        Raises
        ------
        SliceGoneError, ReadError, OutputError
            As of :meth:`path`.
        """
        if self._is_message(item) and item.size <= room and self._folder is not None:
            data = self._message(item)
            if len(data) <= room:  # with its schema it has more
                yield RecordFile(self._folder / item.id / PurePath(item.name).name, data)
                return
        with self.path(item) as path:
            yield RecordFile(path)

    def lends(self, path: Path | None) -> bool:
        """Tell whether a path is one that is given to a task for a moment."""
        return path is not None and self._folder is not None and path.is_relative_to(self._folder)

    @contextmanager
    def path(self, item: Item) -> Iterator[Path]:
        """Give the path of a record.

        Raises
        ------
        SliceGoneError
            If its pack is gone.
        ReadError
            If it cannot be what the task reads.
        OutputError
            If it cannot be written where the task can read it.
        """
        if not self._is_message(item) or self._folder is None:
            yield item.path
            return
        path = self._written(self._folder, item, self._message(item))
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    @staticmethod
    def _is_message(item: Item) -> bool:
        return item.start is not None or item.path.suffix == ALONE

    def _message(self, item: Item) -> bytes:
        """Return a message as a file of its own would be."""
        data = self._slice(item)
        return as_container(data, self._schemas) if is_wire(data) else data

    def _written(self, folder: Path, item: Item, data: bytes) -> Path:
        """Write a message under its name, which another one of the batch may have taken."""
        name = PurePath(item.name).name
        try:
            if not self._made:
                folder.mkdir(exist_ok=True)
                self._made = True
            for path in (folder / name, folder / f"{item.id}-{name}"):
                with suppress(FileExistsError), path.open("xb") as file:
                    file.write(data)
                    return path
        except OSError as error:
            raise OutputError(
                f"Cannot write here: {error.strerror}.",
                "Check that you may write there and that the disk has room.",
                path=folder,
            ) from error
        raise SliceGoneError  # twice in one batch: one of them is enough

    def _slice(self, item: Item) -> bytes:
        """Return a message as it arrived."""
        try:
            if item.start is None:
                data = item.path.read_bytes()
            else:
                pack = self._open(item.path)
                pack.seek(item.start)
                data = pack.read(item.size)
        except OSError as error:
            raise SliceGoneError from error
        if hashlib.sha256(data).hexdigest() != item.sha256:
            raise SliceGoneError
        return data

    def _open(self, path: Path) -> BufferedReader:
        """Return a pack, which is most often that of the message before."""
        if self._pack is None or Path(self._pack.name) != path:
            if self._pack is not None:
                self._pack.close()
            self._pack = path.open("rb")
        return self._pack
