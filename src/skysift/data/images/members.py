"""The files that cutouts come in: plain ones, those of a folder, and the members of a tar archive.

Archives are read as a stream, forwards only and in bounded memory; names in them are never used as
paths. What cannot be used comes out as a reason, never as silence.
"""

import os
import tarfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Self, cast

from skysift.core.errors import ReadError
from skysift.data.bounded_gzip import GZIP_MAGIC, GunzipStream, gunzip
from skysift.data.images.limits import DEFAULT_LIMITS, Limits
from skysift.data.images.stamp import Rejected

__all__ = ["Member", "iter_members", "member_name", "members_of"]

_TAR_BLOCK = 512
_TAR_MAGIC = slice(257, 262)
_LARGEST_EXTENSION = 1 << 20  # of a long name or a pax header
_EXTENSIONS = {
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
}

_MOST_EMPTY = 1000  # empty members, one behind the other: no survey's archive


@dataclass(frozen=True, slots=True)
class Member:
    """A file in memory, not compressed.

    Parameters
    ----------
    name : str
        Its name without its folder and suffixes.
    source : str
        The path, and the member of an archive behind ``#``.
    data : bytes
        Its content.
    """

    name: str
    source: str
    data: bytes


def iter_members(path: Path, *, limits: Limits = DEFAULT_LIMITS) -> Iterator[Member | Rejected]:
    """Yield the files that a path stands for, unpacked.

    Parameters
    ----------
    path : Path
        A file, plain or gzipped; a tar archive, plain or gzipped; a folder, whose files and
        folders are read in the order of their names, except hidden ones.
    limits : Limits
        Bounds of what is read.

    Raises
    ------
    ReadError
        If the path itself cannot be read.
    """
    if path.is_dir():
        inside = [p for p in sorted(path.rglob("*")) if not _is_hidden(p.relative_to(path))]
        for file in inside:
            if file.is_file():
                yield from _quarantined(file, limits)
        return
    yield from _of_file(path, limits)


def _quarantined(path: Path, limits: Limits) -> Iterator[Member | Rejected]:
    """Yield a file of a folder; one that cannot be read does not stop the others."""
    try:
        yield from _of_file(path, limits)
    except ReadError as error:
        yield Rejected(member_name(path.name), str(path), "unreadable-file", error.problem)


def _of_file(path: Path, limits: Limits) -> Iterator[Member | Rejected]:
    try:
        with path.open("rb") as file:
            yield from _of_stream(file, path, limits)
    except OSError as error:
        raise ReadError(
            f"The file cannot be read: {error.strerror}.",
            "Check that the path names a file that you may read.",
            path=path,
        ) from error


def members_of(
    data: bytes, path: Path, *, limits: Limits = DEFAULT_LIMITS
) -> Iterator[Member | Rejected]:
    """Yield the files that one in memory stands for, unpacked, as if it were at a path."""
    return _of_stream(BytesIO(data), path, limits)


def _of_stream(file: BinaryIO, path: Path, limits: Limits) -> Iterator[Member | Rejected]:
    head = file.read(_TAR_BLOCK)
    file.seek(0)
    packed = head.startswith(GZIP_MAGIC)
    if packed and _holds_tar(file, path, limits):
        file.seek(0)
        stream = cast("BinaryIO", GunzipStream(file, path, limits.archive_bytes))
        yield from _of_tar(stream, path, limits)
        return
    file.seek(0)
    if _is_tar(head):
        yield from _of_tar(file, path, limits)
        return
    yield _of_bytes(_read(file, limits.member_bytes), path.name, str(path), limits)


def _of_bytes(data: bytes, file_name: str, source: str, limits: Limits) -> Member | Rejected:
    name = member_name(file_name)
    if not data:
        return Rejected(name, source, "empty-file", "The file is empty.")
    if len(data) > limits.member_bytes:
        return _too_large(name, source, limits)
    if data.startswith(GZIP_MAGIC):
        try:
            data = gunzip(data, max_bytes=limits.member_bytes)
        except ReadError as error:
            return Rejected(name, source, "damaged-gzip", error.problem)
    return Member(name, source, data)


def _of_tar(stream: BinaryIO, path: Path, limits: Limits) -> Iterator[Member | Rejected]:
    """Yield the members; an archive that breaks off gives what came before, and the reason."""
    try:
        # Any: that its list of members may be emptied, typeshed does not know.
        archive: Any = tarfile.TarFile.open(fileobj=stream, mode="r|", tarinfo=_BoundedHeader)
    except (tarfile.TarError, ReadError) as error:
        yield _broken(path, error)
        return
    n_empty = 0
    known: set[int] = set()
    with closing(archive):
        for number in range(limits.members + 1):
            try:
                info = archive.next()
                if info is None:
                    return
                member = _of_entry(archive, info, path, limits, known)
            except (tarfile.TarError, ReadError, OSError, ValueError) as error:
                yield _broken(path, error)
                return
            is_empty = isinstance(member, Rejected) and member.code == "empty-file"
            n_empty = n_empty + 1 if is_empty else 0
            if n_empty > _MOST_EMPTY:
                yield _broken(path, ReadError("it holds empty files only", "Do not trust it."))
                return
            if number == limits.members:
                break
            archive.members = []  # else tarfile keeps the header of every member
            if member is not None:
                yield member
    reason = f"The archive has more than {limits.members:,} members."
    yield Rejected(member_name(path.name), str(path), "too-many-members", reason)


def _of_entry(
    archive: tarfile.TarFile,
    info: tarfile.TarInfo,
    path: Path,
    limits: Limits,
    known: set[int],
) -> Member | Rejected | None:
    if info.isdir():
        return None
    name, source = _told_apart(info.name, known), f"{path}#{info.name}"
    if not info.isreg() or info.issparse():
        reason = "The member of the archive is a link, a device or a sparse file."
        return Rejected(member_name(name), source, "not-a-file", reason)
    if info.size > limits.member_bytes:
        return _too_large(member_name(name), source, limits)
    opened: Any = archive.extractfile(info)
    data = opened.read()
    if len(data) < info.size:
        raise tarfile.ReadError("the archive is cut short")
    return _of_bytes(data, name, source, limits)


def _told_apart(name: str, known: set[int]) -> str:
    """Return the name of a file without its folder, unless one before it had the same.

    A stream cannot tell what comes behind: the first of them keeps the plain name. What is known
    are hashes, as an archive may hold long names without end.
    """
    plain = member_name(Path(name).name)
    if hash(plain) not in known:
        known.add(hash(plain))
        return Path(name).name
    return name.removeprefix("./")


class _BoundedHeader(tarfile.TarInfo):
    """A header that neither claims a name of gigabytes nor ends the archive by being damaged."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        if not buf:
            raise ReadError("the archive is cut short: it has no end mark", "Fetch it again.")
        try:
            info = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if bytes(buf).count(0) == len(buf) == _TAR_BLOCK:
                raise  # two blocks of zeros end an archive
            # tarfile itself takes any damaged header for the end, and would lose all behind it.
            raise ReadError(f"a header of the archive is damaged: {error}", "Mend it.") from error
        if info.type in _EXTENSIONS and info.size > _LARGEST_EXTENSION:
            raise ReadError("the archive claims a name of more than 1 MiB", "Do not trust it.")
        return info


def _broken(path: Path, error: Exception) -> Rejected:
    problem = error.problem if isinstance(error, ReadError) else str(error)
    reason = f"The archive breaks off; what lies behind is lost: {problem.rstrip('.')}."
    return Rejected(member_name(path.name), str(path), "damaged-archive", reason)


def _too_large(name: str, source: str, limits: Limits) -> Rejected:
    reason = f"It has more than {limits.member_bytes / 2**20:,.4g} MiB."
    return Rejected(name, source, "too-many-bytes", reason)


def _read(file: BinaryIO, most: int) -> bytes:
    # No more than there is: memory for what is asked is set aside first.
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    return file.read(min(most, size) + 1)


def _holds_tar(file: BinaryIO, path: Path, limits: Limits) -> bool:
    """Tell whether a gzipped file is an archive; a damaged one is told apart later."""
    try:
        return _is_tar(GunzipStream(file, path, limits.archive_bytes).read(_TAR_BLOCK))
    except ReadError:
        return False


def _is_tar(head: bytes) -> bool:
    return head[_TAR_MAGIC] == b"ustar"


def _is_hidden(relative: Path) -> bool:
    return any(part.startswith(".") for part in relative.parts)


def member_name(name: str) -> str:
    """Return the name of a file without the suffixes that say how it is stored."""
    for suffix in (".gz", ".fz", ".fits", ".fit", ".fts", ".avro", ".parquet", ".tar", ".tgz"):
        name = name.removesuffix(suffix)
    return name
