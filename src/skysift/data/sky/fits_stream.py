"""The bytes of a FITS file, plain or gzipped, read only as far as they are wanted, and bounded."""

from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from skysift.core.errors import ReadError
from skysift.data.bounded_gzip import GZIP_MAGIC, GzipMembers

__all__ = ["MAX_BYTES", "FitsStream", "read_bounded"]

MAX_BYTES = 2 << 30
"""Most bytes that a file may hold once unpacked."""

_FITS_MAGIC = b"SIMPLE  ="
_PIECE = 1 << 18
_STEP = 1 << 15  # least that is unpacked at a time
_MAX_RATIO = 1000  # real tables shrink by 2 to 50, deflate reaches 1032 on zeros alone


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
            packed = self._file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
            self._file.seek(0)
            self._unpacked = self._unpack() if packed else None
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

    def _unpack(self) -> "_Unpacked":
        members = GzipMembers(
            self._file,
            self.path,
            max_bytes=self._max_bytes,
            max_ratio=_MAX_RATIO,
            kind="event list",
            too_large=_too_large,
        )
        return _Unpacked(members)

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

    def has_at_hand(self, end: int) -> bool:
        """Tell whether no more is to be unpacked to read up to a position."""
        return self._unpacked is None or end <= self._unpacked.size

    def is_end(self, start: int) -> bool:
        """Tell whether the file ends at or before a position."""
        return not self._read(start, 1)

    def _read(self, start: int, size: int) -> bytes:
        if start + size > self._max_bytes:
            raise _too_large(self._max_bytes, self.path)
        if self._unpacked is not None:
            return self._unpacked.read(start, size)
        self._file.seek(start)
        return self._file.read(size)


class _Unpacked:
    """The beginning of a gzipped file, unpacked as far as it was asked for."""

    def __init__(self, members: GzipMembers) -> None:
        self._members = members
        self._data = bytearray()

    @property
    def size(self) -> int:
        return len(self._data)

    def read(self, start: int, size: int) -> bytes:
        end = start + size
        while len(self._data) < end:
            new = self._members.more(max(end - len(self._data), _STEP))
            if not new:
                break
            self._data += new
        return bytes(memoryview(self._data)[start:end])


def _too_large(max_bytes: int, path: Path) -> ReadError:
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
