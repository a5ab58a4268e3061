"""Records that are slices of a pack, as the files that tasks read."""

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath

from skysift.core.errors import OutputError
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
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)  # of a worker that was killed

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
        is_file = item.start is None and item.path.suffix != ALONE
        if is_file or self._folder is None:
            yield item.path
            return
        data = _slice(item)
        if is_wire(data):
            data = as_container(data, self._schemas)
        name = PurePath(item.name).name
        path = self._folder / name
        try:
            self._folder.mkdir(exist_ok=True)
            if path.exists():
                path = self._folder / f"{item.id}-{name}"
            path.write_bytes(data)
        except OSError as error:
            raise OutputError(
                f"Cannot write here: {error.strerror}.",
                "Check that you may write there and that the disk has room.",
                path=path,
            ) from error
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)


def _slice(item: Item) -> bytes:
    """Return a message as it arrived."""
    try:
        with item.path.open("rb") as file:
            file.seek(item.start or 0)
            data = file.read() if item.start is None else file.read(item.size)
    except OSError as error:
        raise SliceGoneError from error
    if hashlib.sha256(data).hexdigest() != item.sha256:
        raise SliceGoneError
    return data
