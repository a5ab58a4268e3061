"""Where a table comes from: the file, the part of it, its format, and a bounded gunzip."""

import gzip
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import h5py

from skysift.core.errors import ReadError, SkysiftError
from skysift.core.suggest import did_you_mean, listed

__all__ = [
    "MAX_DECOMPRESSED",
    "Format",
    "ReadOptions",
    "Source",
    "chosen_columns",
    "detect_format",
    "plain_file",
    "split_fragment",
    "translated",
]

MAX_DECOMPRESSED = 4 * 1024**3
"""Most bytes that a gzip file may grow to, unless the caller says otherwise."""

_MAX_RATIO = 200  # real tables shrink by 2 to 50; gzip itself cannot go far beyond 1000
_RATIO_CHECKED_ABOVE = 16 * 1024**2  # a small file of zeros is harmless
_GUNZIP_STEP = 1024**2
_HEAD = 8192


class Format(StrEnum):
    """The formats that tables are read from."""

    CSV = "CSV"
    KEEL = "KEEL"
    PARQUET = "Parquet"
    ECSV = "ECSV"
    VOTABLE = "VOTable"
    FITS = "FITS"
    HDF5 = "HDF5"


_BINARY_SUFFIXES = {
    ".parquet": Format.PARQUET,
    ".pq": Format.PARQUET,
    ".fits": Format.FITS,
    ".fit": Format.FITS,
    ".fts": Format.FITS,
    ".h5": Format.HDF5,
    ".hdf5": Format.HDF5,
    ".hdf": Format.HDF5,
    ".vot": Format.VOTABLE,
    ".votable": Format.VOTABLE,
    ".xml": Format.VOTABLE,
}

_MAGIC = {
    b"PAR1": Format.PARQUET,
    b"SIMPLE  =": Format.FITS,
    b"\x89HDF\r\n\x1a\n": Format.HDF5,
    b"# %ECSV": Format.ECSV,
}


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How to read a table; see :func:`skysift.data.io.iter_table` for what each means."""

    batch_rows: int = 262_144
    columns: Sequence[str] | None = None
    names: Sequence[str] | None = None
    header: bool | None = None
    hdu: int | str | None = None
    table_path: str | None = None
    all_telescopes: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """A file to read.

    Parameters
    ----------
    path : Path
        The file as the user named it, for messages and provenance.
    file : Path
        The file to open: the same, or its decompressed copy.
    options : ReadOptions
        How to read it.
    """

    path: Path
    file: Path
    options: ReadOptions = field(default_factory=ReadOptions)


def split_fragment(path: str | Path) -> tuple[Path, str | None]:
    """Split ``file.h5#/path/to/table`` into the file and the part of it.

    Examples
    --------
    >>> split_fragment("run.fits#EVENTS")
    (PosixPath('run.fits'), 'EVENTS')
    >>> split_fragment("run.fits")
    (PosixPath('run.fits'), None)
    """
    whole = Path(path)
    text = str(path)
    if "#" not in text or whole.exists():
        return whole, None
    file, _, part = text.rpartition("#")
    return Path(file), part or None


@contextmanager
def translated(path: Path, kind: str) -> Iterator[None]:
    """Turn whatever a library says of a damaged file into a ReadError that names the file."""
    try:
        yield
    except SkysiftError:
        raise
    except Exception as error:  # a damaged file can make a library raise anything
        raise ReadError(
            f"The {kind} file is damaged, cut short or of an unknown flavour "
            f"({_first_line(error)}).",
            "Copy or download it again and compare its checksum.",
            path=path,
        ) from error


@contextmanager
def plain_file(path: Path, max_decompressed: int = MAX_DECOMPRESSED) -> Iterator[Path]:
    """Give a file that is not compressed: `path` itself, or a temporary gunzipped copy.

    Raises
    ------
    ReadError
        If the file is missing, empty, or a gzip file that is cut short or grows too much.
    """
    head = _head(path)
    if not head.startswith(b"\x1f\x8b"):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="skysift-") as folder:
        copy = Path(folder) / path.name.removesuffix(".gz")
        _gunzip(path, copy, max_decompressed)
        yield copy


def detect_format(source: Source) -> Format:
    """Tell the format of a file by its first bytes; the suffix only sharpens the message.

    Raises
    ------
    ReadError
        If the file is empty or is of none of the known formats.
    """
    if source.file.is_dir():
        return Format.PARQUET
    head = _head(source.file)
    if not head.strip():
        raise ReadError("The file is empty.", "Check how it was made.", path=source.path)
    found = _by_magic(source.file, head)
    if found is not None:
        return found
    expected = _BINARY_SUFFIXES.get(source.file.suffix.lower())
    if expected is not None:
        raise ReadError(
            f"By its name this is {expected.value}, but its content is not.",
            "Copy or download it again; a web page with an error message may have been saved.",
            path=source.path,
        )
    if b"\x00" in head:
        raise ReadError(
            "The file is of no known format.",
            "Known: CSV, KEEL .dat, Parquet, ECSV, VOTable, FITS, HDF5; also gzipped.",
            path=source.path,
        )
    return Format.CSV


def chosen_columns(available: Sequence[str], source: Source) -> list[str]:
    """Return the columns to read, in the order asked for.

    Raises
    ------
    ReadError
        If a column that was asked for is not there; the message names the nearest.
    """
    wanted = source.options.columns
    if wanted is None:
        return list(available)
    for name in wanted:
        if name not in available:
            raise ReadError(
                f"The table has no column '{name}'.",
                f"{did_you_mean(name, available)}It has: {listed(available)}.",
                path=source.path,
            )
    return list(wanted)


def _by_magic(file: Path, head: bytes) -> Format | None:
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    for magic, found in _MAGIC.items():
        if text.startswith(magic):
            return found
    if h5py.is_hdf5(file):  # its signature may also stand behind a user block
        return Format.HDF5
    if text.startswith(b"<") and b"<VOTABLE" in head.upper():
        return Format.VOTABLE
    for line in text.lower().splitlines():
        if not line.startswith(b"%"):  # KEEL comments
            return Format.KEEL if line.startswith((b"@relation", b"@attribute")) else None
    return None


def _head(path: Path) -> bytes:
    if path.is_dir():
        return b""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        raise ReadError(
            f"The file cannot be read: {error.strerror}.",
            "Check that the path names a file that you may read.",
            path=path,
        ) from error
    if not head:
        raise ReadError("The file is empty.", "Check how it was made.", path=path)
    return head


def _gunzip(path: Path, copy: Path, limit: int) -> None:
    compressed = path.stat().st_size
    written = 0
    try:
        with (
            path.open("rb") as stored,
            gzip.GzipFile(fileobj=stored) as packed,
            copy.open("wb") as out,
        ):
            while piece := packed.read(_GUNZIP_STEP):
                written += len(piece)
                suspicious = written > max(_RATIO_CHECKED_ABOVE, _MAX_RATIO * stored.tell())
                if written > limit or suspicious:
                    raise ReadError(
                        f"The gzip file grows beyond {min(written, limit):,} bytes "
                        f"from {compressed:,}.",
                        "If you trust it, decompress it yourself with gunzip and read the result.",
                        path=path,
                    )
                out.write(piece)
    except (EOFError, OSError, zlib.error) as error:
        raise ReadError(
            f"The gzip file is damaged or cut short ({_first_line(error)}).",
            "Copy or download it again and compare its checksum.",
            path=path,
        ) from error


def _first_line(error: BaseException) -> str:
    text = str(getattr(error, "strerror", None) or error).strip()
    return text.splitlines()[0].rstrip(".") if text else type(error).__name__
