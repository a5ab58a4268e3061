"""The bytes of a FITS file, plain or gzipped, read only as far as they are wanted, and bounded."""

import zlib
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from skysift.core.errors import ReadError

__all__ = ["MAX_BYTES", "FitsStream", "read_bounded"]

MAX_BYTES = 2 << 30
"""Most bytes that a file may hold once unpacked."""

_GZIP_MAGIC = b"\x1f\x8b"
_FITS_MAGIC = b"SIMPLE  ="
_PIECE = 1 << 18
_STEP = 1 << 15  # least that is unpacked at a time
_MAX_RATIO = 1000  # real tables shrink by 2 to 50, deflate reaches 1032 on zeros alone
_RATIO_FREE = 16 << 20  # below this a bomb does no harm, and empty maps do shrink that far
_AUTOMATIC_GZIP = 31  # zlib's window bits for a gzip stream


class FitsStream:
    """Read pieces of a FITS file by their position in the unpacked file.

    A gzipped file is unpacked from its beginning to the furthest byte that was asked for and no
    further: an event list in front of 4 MB of responses costs no more than itself.

    Parameters
    ----------
    path : path-like
        A FITS file; whether it is gzipped is told by its first bytes, not by its name.
    max_bytes : int
        Bound of what is unpacked.

    Raises
    ------
    ReadError
        If the file cannot be opened or is no FITS file.
    """

    def __init__(self, path: str | Path, *, max_bytes: int = MAX_BYTES) -> None:
        self.path = Path(path)
        self._max_bytes = max_bytes
        self._file = self._open()
        try:
            packed = self._file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
            self._file.seek(0)
            self._unpacked = _Gzip(self._file, self.path, max_bytes) if packed else None
            self._require_fits()
        except BaseException:
            self._file.close()
            raise

    def _open(self) -> BinaryIO:
        try:
            return self.path.open("rb")
        except OSError as error:
            raise ReadError(
                f"The file cannot be read: {error.strerror}.",
                "Check that the path names a file that you may read.",
                path=self.path,
            ) from error

    def _require_fits(self) -> None:
        if self._read(0, len(_FITS_MAGIC)) != _FITS_MAGIC:
            raise ReadError(
                "This is not a FITS file.",
                "Give a FITS file (.fits or .fits.gz) as the standard GADF DL3 describes it.",
                path=self.path,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def read(self, start: int, size: int) -> bytes:
        """Return the bytes ``start .. start + size``.

        Raises
        ------
        ReadError
            If the file ends before, is damaged, or unpacks to more than the bound.
        """
        data = self._read(start, size)
        if len(data) < size:
            raise ReadError(
                f"The file is cut short: it ends {size - len(data):,} bytes before the end of a "
                "part that its header announces.",
                "Copy or download it again and compare its checksum.",
                path=self.path,
            )
        return data

    def read_all(self) -> bytes:
        """Return the whole file, unpacked."""
        pieces: list[bytes] = []
        position = 0
        while not self.is_end(position):
            pieces.append(self._read(position, min(_PIECE, self._max_bytes - position)))
            position += len(pieces[-1])
        return b"".join(pieces)

    def is_end(self, start: int) -> bool:
        """Tell whether the file ends at or before a position."""
        return not self._read(start, 1)

    def _read(self, start: int, size: int) -> bytes:
        if start + size > self._max_bytes:
            raise _too_large(self.path, self._max_bytes)
        if self._unpacked is not None:
            return self._unpacked.read(start, size)
        self._file.seek(start)
        return self._file.read(size)


class _Gzip:
    """The beginning of a gzip stream, unpacked as far as it was asked for."""

    def __init__(self, file: BinaryIO, path: Path, max_bytes: int) -> None:
        self._file = file
        self._path = path
        self._max_bytes = max_bytes
        self._decoder = zlib.decompressobj(_AUTOMATIC_GZIP)
        self._packed = b""
        self._n_packed = 0
        self._data = bytearray()

    def read(self, start: int, size: int) -> bytes:
        end = start + size
        while len(self._data) < end and self._more(end - len(self._data)):
            pass
        return bytes(memoryview(self._data)[start:end])

    def _more(self, size: int) -> bool:
        """Unpack about `size` further bytes; False at the end of the file."""
        if self._decoder.eof and not self._next_member():
            return False
        if not self._packed:
            self._packed = self._fetch()
        at_end = not self._packed
        try:
            new = self._decoder.decompress(self._packed, max(size, _STEP))
        except zlib.error as error:
            raise ReadError(
                f"The gzipped file is damaged ({error}).",
                "Copy or download it again and compare its checksum.",
                path=self._path,
            ) from error
        self._packed = self._decoder.unconsumed_tail
        self._data += new
        self._check()
        return bool(new) or not at_end

    def _next_member(self) -> bool:
        """Begin the next member of the file, if there is one; zeros between them are padding."""
        rest = self._decoder.unused_data.lstrip(b"\0")
        while not rest:
            piece = self._fetch()
            if not piece:
                return False
            rest = piece.lstrip(b"\0")
        self._packed = rest
        self._decoder = zlib.decompressobj(_AUTOMATIC_GZIP)
        return True

    def _fetch(self) -> bytes:
        piece = self._file.read(_PIECE)
        self._n_packed += len(piece)
        return piece

    def _check(self) -> None:
        n = len(self._data)
        if n > self._max_bytes:
            raise _too_large(self._path, self._max_bytes)
        used = self._n_packed - len(self._packed)
        if n > _RATIO_FREE and n > _MAX_RATIO * used:
            raise ReadError(
                f"The file unpacks to more than {_MAX_RATIO} times its size, as no event list "
                "does.",
                "If you trust it, unpack it yourself and read the unpacked file.",
                path=self._path,
            )


def _too_large(path: Path, max_bytes: int) -> ReadError:
    return ReadError(
        f"The file holds, or claims to hold, more than {max_bytes / 2**30:.3g} GiB.",
        "If that is right, read it with a larger max_bytes.",
        path=path,
    )


def read_bounded(path: str | Path, *, max_bytes: int = MAX_BYTES) -> bytes:
    """Return a whole FITS file, unpacked, no larger than a bound.

    Raises
    ------
    ReadError
        If the file cannot be read, is no FITS file, or unpacks to more than the bound.
    """
    with FitsStream(path, max_bytes=max_bytes) as stream:
        return stream.read_all()
