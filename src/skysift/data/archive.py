"""One member out of a zip archive (or wheel) that may be hostile: bounded, and nothing else."""

import zipfile
import zlib
from pathlib import Path

from skysift.core.errors import DataUnavailableError
from skysift.core.suggest import did_you_mean

__all__ = ["extract_member"]

_CHUNK = 1 << 16
# Their decoders honour the bound of each read; those of bzip2 and LZMA expand all they are given.
_BOUNDED_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}


def extract_member(archive: Path, member: str, target: Path, *, size: int) -> None:
    """Write one member of a zip archive to a path of the caller's choice.

    The names in the archive are compared with `member` and never used as paths, so that they
    cannot lead anywhere. No more than `size` bytes are ever written, and a failure leaves
    nothing behind.

    Parameters
    ----------
    archive : Path
        A zip file, hence also a wheel.
    member : str
        Exact name of the member.
    target : Path
        The file to write.
    size : int
        Size that the member must have, in bytes.

    Raises
    ------
    DataUnavailableError
        If the archive is damaged, has no such member, or the member is not of that size.
    """
    whole = False
    try:
        with zipfile.ZipFile(archive) as opened:
            entry = _entry(opened, member)
            _check(entry, size)
            _copy(opened, entry, target, size)
            whole = True
    # ValueError: names or offsets that make no sense.
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError) as error:
        raise DataUnavailableError(f"not an intact zip archive ({error})") from error
    finally:
        if not whole:
            target.unlink(missing_ok=True)


def _entry(opened: zipfile.ZipFile, member: str) -> zipfile.ZipInfo:
    try:
        return opened.getinfo(member)
    except KeyError:
        hint = did_you_mean(member, opened.namelist()).strip()
        raise DataUnavailableError(
            f"the archive has no member '{member}'{f' ({hint})' if hint else ''}"
        ) from None


def _check(entry: zipfile.ZipInfo, size: int) -> None:
    if entry.flag_bits & 0x1:
        raise DataUnavailableError(f"the member '{entry.filename}' is encrypted")
    if entry.compress_type not in _BOUNDED_METHODS:
        raise DataUnavailableError(
            f"the member '{entry.filename}' is packed with method {entry.compress_type}, "
            "which is not accepted"
        )
    if entry.file_size != size:
        raise DataUnavailableError(
            f"the member '{entry.filename}' has {entry.file_size:,} bytes, not {size:,}"
        )


def _copy(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, size: int) -> None:
    # The size in the directory is only a claim: the bytes that come out are counted as well.
    written = 0
    with opened.open(entry) as source, target.open("wb") as sink:
        while chunk := source.read(min(_CHUNK, size - written + 1)):
            written += len(chunk)
            if written > size:
                raise DataUnavailableError(
                    f"the member '{entry.filename}' unpacks to more than {size:,} bytes"
                )
            sink.write(chunk)
