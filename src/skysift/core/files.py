"""Files that are either whole or not there, and the hashes that identify them."""

import errno
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from skysift.core.errors import OutputError, ReadError, UsageError

__all__ = [
    "atomic_path",
    "files_below",
    "refuse_url",
    "sha256_of_file",
    "staged_folder",
    "write_atomic",
]

_ATTEMPTS = 50  # how often another writer of the same folder may come first
_URL = re.compile(r"([a-z][a-z0-9+.-]+):/+(.*)")  # of a path, which has lost a stroke, too


def sha256_of_file(path: str | Path) -> str:
    """Return the SHA-256 of a file in hexadecimal, read in pieces.

    Raises
    ------
    ReadError
        If the file cannot be read.
    """
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ReadError(
            f"The file cannot be read: {error.strerror}.",
            "Check that the path names a file that you may read.",
            path=path,
        ) from error


def files_below(paths: Iterable[Path]) -> list[Path]:
    """Return files, and those of folders and the folders in them, ordered by name within each.

    Hidden files and those that begin with an underscore, which Parquet folders keep their metadata
    in, are left out. A Zarr store, which is a folder, stays one.

    Raises
    ------
    ReadError
        If a folder holds none.
    """
    found: list[Path] = []
    for path in paths:
        if not path.is_dir() or path.suffix == ".zarr":
            found.append(path)
            continue
        inside = [entry for entry in path.iterdir() if not entry.name.startswith((".", "_"))]
        if not inside:
            raise ReadError("The folder holds no files.", "Check the path.", path=path)
        found += files_below(sorted(inside))
    return found


def refuse_url(name: str | Path) -> None:
    """Refuse the address of a server or of an object store, where a file is wanted.

    Raises
    ------
    UsageError
        If it is one and there is no such file; the message says what to do.

    Examples
    --------
    >>> refuse_url("night/a.fits")
    >>> try:
    ...     refuse_url("s3://survey/night/a.fits")
    ... except UsageError as error:
    ...     print(error.problem)
    's3://survey/night/a.fits' is an address; files are read and written on file systems alone.
    """
    address = _URL.fullmatch(str(name))
    if address is None or Path(name).exists():
        return
    scheme, place = address.groups()
    if scheme == "file":
        remedy = f"Give the path: /{place.lstrip('/')}."
    else:
        remedy = "Copy it, or mount the store (rclone mount, Mountpoint for S3), and give the path."
    raise UsageError(
        f"'{scheme}://{place}' is an address; files are read and written on file systems alone.",
        remedy,
    )


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside `path` that takes its place when the block succeeds.

    A reader sees the old file or the whole new one, whatever kills the writer. If the block
    fails, the temporary file is removed and `path` is as it was.

    Raises
    ------
    OutputError
        If the folder of `path` cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with atomic_path(Path(folder) / "counts.txt") as temporary:
    ...         _ = temporary.write_text("42")
    ...     print((Path(folder) / "counts.txt").read_text())
    42
    """
    target = Path(path)
    temporary = _beside(target)
    try:
        yield temporary
        _flush(temporary)
        temporary.replace(target)
        _flush(target.parent)
    except OSError as error:
        if error.filename not in {None, str(temporary), str(target), str(target.parent)}:
            raise  # about another file, which the block was reading
        raise _not_writable(target, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_atomic(path: str | Path, data: bytes | str) -> None:
    """Write a whole file, text as UTF-8; see :func:`atomic_path`.

    Raises
    ------
    OutputError
        If the folder of `path` cannot be written.
    """
    with atomic_path(path) as temporary:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)


@contextmanager
def staged_folder(
    folder: str | Path,
    *,
    overwrite: bool = False,
    marker: str | None = None,
    key: str | None = None,
) -> Iterator[Path]:
    """Give a folder beside `folder` that takes its place when the block succeeds.

    It is empty, unless the work of an earlier block goes on in it, see `key`.

    Parameters
    ----------
    folder : path-like
        Where the finished folder goes; its parents are made.
    overwrite : bool
        Replace a folder that is there. Between the removal of the old and the arrival of the new
        there is a moment, two renames long, with neither.
    marker : str, optional
        Only a folder that holds a file of this name is ever replaced, so that a mistyped path
        does not cost somebody their data.
    key : str, optional
        Of what is to be done. A block that fails, or whose process is killed, leaves its work for
        the next one of the same key; without a key, nothing is left.

    Raises
    ------
    OutputError
        If `folder` exists and may not be replaced, or cannot be written.
    """
    target = Path(folder)
    _refuse_existing(target, overwrite=overwrite, marker=marker)
    temporary = _beside(target) if key is None else target.with_name(f".{target.name}.{key}.tmp")
    done = False
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.mkdir(exist_ok=key is not None)
        yield temporary
        for entry in temporary.iterdir():
            _flush(entry)
        _flush(temporary)
        _move_in(temporary, target, overwrite=overwrite, marker=marker)
        _flush(target.parent)
        done = True
    except OSError as error:
        raise _not_writable(target, error) from error
    finally:
        if done or key is None:
            shutil.rmtree(temporary, ignore_errors=True)


def _move_in(temporary: Path, target: Path, *, overwrite: bool, marker: str | None) -> None:
    """Rename into place; another writer may come first, so look again after each failure."""
    for _ in range(_ATTEMPTS):
        try:
            temporary.rename(target)
        except OSError as error:
            # FileExistsError covers EEXIST alone; Linux says ENOTEMPTY of a folder.
            if error.errno not in {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EACCES}:
                raise
            if error.errno == errno.EACCES and not target.exists():
                raise
        else:
            return
        _refuse_existing(target, overwrite=overwrite, marker=marker)
        _move_away(target)
    raise OutputError(
        "Other processes keep writing this folder.", "Give each its own folder.", path=target
    )


def _move_away(target: Path) -> None:
    old = _beside(target)
    try:
        target.rename(old)
    except FileNotFoundError:
        return  # another writer moved it away first
    shutil.rmtree(old, ignore_errors=True)


def _refuse_existing(target: Path, *, overwrite: bool, marker: str | None) -> None:
    try:
        holds = [entry.name for entry in target.iterdir()]
    except FileNotFoundError:
        return  # nothing there, or no more: another writer moved it away
    except NotADirectoryError as error:
        raise OutputError(
            "This is a file, not a folder.", "Choose another path.", path=target
        ) from error
    if not overwrite:
        raise OutputError(
            "The folder exists already.", "Choose another path or ask to overwrite.", path=target
        )
    if marker is not None and holds and marker not in holds:
        raise OutputError(
            f"The folder holds other things than a {marker}, so it is not replaced.",
            "Choose another path.",
            path=target,
        )


def _beside(target: Path) -> Path:
    """Return a new hidden name in the same folder, hence on the same file system."""
    return target.with_name(f".{target.name}.{secrets.token_hex(8)}.tmp")


def _flush(path: Path) -> None:
    """Force a file, or the list of names in a folder, to disk."""
    if os.name == "nt" and path.is_dir():
        return  # Windows opens no folders
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _not_writable(target: Path, error: OSError) -> OutputError:
    return OutputError(
        f"Cannot write here: {error.strerror or error}.",
        "Check that the folder exists, that you may write to it, and that the disk has room.",
        path=target,
    )
