"""Bounded gunzip: of bytes in memory, and of a stream that a tar archive is read from."""

import zlib
from pathlib import Path
from typing import BinaryIO

from skysift.core.errors import ReadError

__all__ = ["GZIP_MAGIC", "GunzipStream", "gunzip"]

GZIP_MAGIC = b"\x1f\x8b"

_GZIP_WINDOW = 31  # zlib's window bits for a gzip stream
_STEP = 1 << 18
_MAX_RATIO = 500  # deflate reaches 1032 on zeros alone; an empty stamp of one value, about 200
_RATIO_FREE = 16 << 20  # below this a bomb does no harm


def gunzip(data: bytes, *, max_bytes: int) -> bytes:
    """Return what gzipped bytes unpack to.

    Raises
    ------
    ReadError
        If they are damaged, cut short, or unpack to more than the bound.

    Examples
    --------
    >>> import gzip
    >>> gunzip(gzip.compress(b"stamp"), max_bytes=100)
    b'stamp'
    """
    out = bytearray()
    rest = data
    while rest:
        decoder = zlib.decompressobj(_GZIP_WINDOW)
        try:
            out += decoder.decompress(rest, max_bytes - len(out) + 1)
        except zlib.error as error:
            raise ReadError(
                f"The gzipped data are damaged ({error}).", "Fetch them again."
            ) from error
        if len(out) > max_bytes:
            raise _too_large(max_bytes)
        if not decoder.eof:
            raise ReadError("The gzipped data are cut short.", "Fetch them again.")
        rest = decoder.unused_data.lstrip(b"\0")  # zeros behind a member are padding
    return bytes(out)


class GunzipStream:
    """The unpacked bytes of a gzipped file, in order, in bounded memory.

    Parameters
    ----------
    file : binary file
        The packed bytes.
    path : Path
        Its name, for errors.
    max_bytes : int
        Bound of what is unpacked in all.
    """

    def __init__(self, file: BinaryIO, path: Path, max_bytes: int) -> None:
        self._file = file
        self._path = path
        self._max_bytes = max_bytes
        self._decoder = zlib.decompressobj(_GZIP_WINDOW)
        self._packed = b""
        self._n_packed = 0
        self._n_unpacked = 0

    def read(self, size: int) -> bytes:
        """Return the next `size` bytes, fewer only at the end of the file.

        Raises
        ------
        ReadError
            If the file is damaged, cut short, or unpacks to more than the bound.
        """
        pieces: list[bytes] = []
        missing = size
        while missing:
            piece = self._next(missing)
            if not piece:
                break
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)

    def _next(self, most: int) -> bytes:
        """Return at least one further byte and at most `most`; nothing at the end."""
        while True:
            if self._decoder.eof and not self._next_member():
                return b""
            if not self._packed:
                self._packed = self._fetch()
            at_end = not self._packed
            try:
                new = self._decoder.decompress(self._packed, most)
            except zlib.error as error:
                raise ReadError(
                    f"The gzipped file is damaged ({error}).",
                    "Copy or download it again and compare its checksum.",
                    path=self._path,
                ) from error
            self._packed = self._decoder.unconsumed_tail
            self._n_unpacked += len(new)
            self._check()
            if new:
                return new
            if at_end and not self._decoder.eof:
                raise ReadError(
                    "The gzipped file is cut short.",
                    "Copy or download it again and compare its checksum.",
                    path=self._path,
                )

    def _next_member(self) -> bool:
        rest = self._decoder.unused_data.lstrip(b"\0")
        while not rest:
            piece = self._fetch()
            if not piece:
                return False
            rest = piece.lstrip(b"\0")
        self._packed = rest
        self._decoder = zlib.decompressobj(_GZIP_WINDOW)
        return True

    def _fetch(self) -> bytes:
        piece = self._file.read(_STEP)
        self._n_packed += len(piece)
        return piece

    def _check(self) -> None:
        n = self._n_unpacked
        if n > self._max_bytes:
            raise _too_large(self._max_bytes, self._path)
        if n > _RATIO_FREE and n > _MAX_RATIO * self._n_packed:
            raise ReadError(
                f"The file unpacks to more than {_MAX_RATIO} times its size, as no survey data do.",
                "If you trust it, unpack it yourself and read the unpacked file.",
                path=self._path,
            )


def _too_large(max_bytes: int, path: Path | None = None) -> ReadError:
    return ReadError(
        f"The data unpack to more than {max_bytes / 2**20:,.4g} MiB.",
        "If that is right, read them with larger limits.",
        path=path,
    )
