"""Small text files, read with a bound."""

import os
from pathlib import Path

from skysift.core.errors import ReadError

__all__ = ["read_text"]

_MOST_BYTES = 64 << 20  # a year of flares has half a megabyte


def read_text(path: Path) -> str:
    """Return the text of a file of at most 64 MiB; bytes that are no UTF-8 are taken as Latin-1.

    Raises
    ------
    ReadError
        If the file cannot be read, is empty, or larger.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size  # what is asked for is set aside at once
            data = file.read(min(size, _MOST_BYTES) + 1)
    except OSError as error:
        raise ReadError(
            f"Cannot read the file: {error.strerror}.", "Check the path.", path=path
        ) from error
    if not data.strip():
        raise ReadError("The file is empty.", "Fetch it again.", path=path)
    if len(data) > _MOST_BYTES:
        raise ReadError("The file has more than 64 MiB.", "Is it a catalogue?", path=path)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")
