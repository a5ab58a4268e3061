"""Bounded gunzip: of bytes in memory, and of a file piece by piece."""

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from skysift.core.errors import ReadError

__all__ = ["GZIP_MAGIC", "GunzipStream", "GzipMembers", "gunzip"]

GZIP_MAGIC = b"\x1f\x8b"

_GZIP_WINDOW = 31  # zlib's window bits for a gzip stream
_PIECE = 1 << 18
_AT_ONCE = 1 << 22
_RATIO_FREE = 16 << 20  # below this a bomb does no harm, and empty maps do shrink that far
_MAX_RATIO = 500  # deflate reaches 1032 on zeros alone; an empty stamp of one value, about 200
_AGAIN = "Copy or download it again and compare its checksum."


def gunzip(data: bytes, *, max_bytes: int) -> bytes:
    """Return what gzipped bytes unpack to.

    Raises
    ------
    ReadError
        If they are damaged, cut short, unpack to more than the bound, or, beyond 16 MiB, to more
        than 500 times their size.

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
        packed = rest
        while True:
            try:
                out += decoder.decompress(packed, min(_AT_ONCE, max_bytes - len(out) + 1))
            except zlib.error as error:
                raise ReadError(
                    f"The gzipped data are damaged ({error}).", "Fetch them again."
                ) from error
            if len(out) > max_bytes:
                raise _too_large(max_bytes)
            packed = decoder.unconsumed_tail
            if len(out) > max(_RATIO_FREE, _MAX_RATIO * (len(data) - len(packed))):
                raise ReadError(
                    f"The data unpack to more than {_MAX_RATIO} times their size, as no image "
                    "does.",
                    "If you trust them, unpack them yourself.",
                )
            if not packed:
                break
        if not decoder.eof:
            raise ReadError("The gzipped data are cut short.", "Fetch them again.")
        rest = decoder.unused_data.lstrip(b"\0")  # zeros behind a member are padding
    return bytes(out)


class GzipMembers:
    """The members of a gzipped file, unpacked one behind the other, a piece at a time.

    Parameters
    ----------
    file : binary file
        The packed bytes.
    path : Path
        Its name, for errors.
    max_bytes : int
        Bound of what is unpacked in all.
    max_ratio : int
        Bound of unpacked over packed bytes, once 16 MiB are unpacked.
    kind : str
        What is in the file and never shrinks that far, for the error.
    too_large : callable
        Makes the error of a file that unpacks to more, of its bound and path.
    """

    def __init__(
        self,
        file: BinaryIO,
        path: Path,
        *,
        max_bytes: int,
        max_ratio: int,
        kind: str,
        too_large: Callable[[int, Path], ReadError],
    ) -> None:
        self._file = file
        self._path = path
        self._max_bytes = max_bytes
        self._max_ratio = max_ratio
        self._kind = kind
        self._too_large = too_large
        self._decoder = zlib.decompressobj(_GZIP_WINDOW)
        self._packed = b""
        self._n_packed = 0
        self._n_unpacked = 0

    @property
    def is_whole(self) -> bool:
        """Whether what has been unpacked ends with a member, and not in the midst of one."""
        return self._decoder.eof

    def more(self, most: int) -> bytes:
        """Return at least one further byte and at most `most`; nothing at the end of the file.

        Raises
        ------
        ReadError
            If the file is damaged, or unpacks to more than a bound.
        """
        while not self._decoder.eof or self._next_member():
            if not self._packed:
                self._packed = self._fetch()
            at_end = not self._packed
            try:
                new = self._decoder.decompress(self._packed, most)
            except zlib.error as error:
                raise ReadError(
                    f"The gzipped file is damaged ({error}).", _AGAIN, path=self._path
                ) from error
            self._packed = self._decoder.unconsumed_tail
            self._n_unpacked += len(new)
            self._check()
            if new or (at_end and not self._decoder.eof):
                return new
        return b""

    def _next_member(self) -> bool:
        """Begin the next member of the file, if there is one; zeros between them are padding."""
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
        piece = self._file.read(_PIECE)
        self._n_packed += len(piece)
        return piece

    def _check(self) -> None:
        n = self._n_unpacked
        if n > self._max_bytes:
            raise self._too_large(self._max_bytes, self._path)
        used = self._n_packed - len(self._packed)
        if n > _RATIO_FREE and n > self._max_ratio * used:
            raise ReadError(
                f"The file unpacks to more than {self._max_ratio} times its size, as no "
                f"{self._kind} does.",
                "If you trust it, unpack it yourself and read the unpacked file.",
                path=self._path,
            )


class GunzipStream:
    """The unpacked bytes of a gzipped file of images, in order, in bounded memory.

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
        self._path = path
        self._members = GzipMembers(
            file,
            path,
            max_bytes=max_bytes,
            max_ratio=_MAX_RATIO,
            kind="survey image",
            too_large=_too_large,
        )

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
            piece = self._members.more(missing)
            if not piece:
                if not self._members.is_whole:
                    raise ReadError("The gzipped file is cut short.", _AGAIN, path=self._path)
                break
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)


def _too_large(max_bytes: int, path: Path | None = None) -> ReadError:
    return ReadError(
        f"The data unpack to more than {max_bytes / 2**20:,.4g} MiB.",
        "If that is right, read them with larger limits.",
        path=path,
    )
