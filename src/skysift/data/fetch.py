"""Get a registered data set: from the local mirror, the cache, or the first remote that serves it.

Whatever the way, a file is used only if its size and SHA-256 are those of the registry.

Environment variables
---------------------
SKYSIFT_MIRROR
    A folder with copies of the files, tried before all else; its files are used in place.
SKYSIFT_CACHE
    Where fetched files are kept; without it, the cache folder of the system.
SKYSIFT_OFFLINE
    ``1`` forbids all use of the network.
"""

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skysift.core.errors import DataUnavailableError, OutputError, ReadError
from skysift.data.fetch_lock import exclusive
from skysift.data.fetch_patience import Patience
from skysift.data.fetch_progress import progress_bar
from skysift.data.registry import DataFile, DatasetInfo, dataset

__all__ = [
    "FetchResult",
    "FetchedFile",
    "Patience",
    "cache_folder",
    "cache_writable",
    "fetch",
    "offline",
]

_PATIENCE = Patience()


@dataclass(frozen=True, slots=True)
class FetchedFile:
    """One file that is here, intact, and where it came from.

    Parameters
    ----------
    name : str
        Its name in the registry.
    path : Path
        Where it is.
    kind : str
        ``mirror`` (local), ``cache``, ``url``, ``zip-member`` or ``wheel-member``.
    source : str
        The path, the address, or the wheel and member that it came from.
    bytes : int
        Its size.
    sha256 : str
        Its hash, which was checked.
    notes : tuple of str
        What was tried before and why it did not serve, one line each.
    """

    name: str
    path: Path
    kind: str
    source: str
    bytes: int
    sha256: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FetchResult:
    """A data set that is here: what it is, whom to cite, and its files."""

    dataset: DatasetInfo
    files: tuple[FetchedFile, ...]

    def __getitem__(self, name: str) -> Path:
        return self.paths[name]

    @property
    def paths(self) -> dict[str, Path]:
        """Path of each file by its name."""
        return {file.name: file.path for file in self.files}

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready mapping: the files, the licence, and what to cite."""
        return {
            "dataset": self.dataset.name,
            "licence": self.dataset.licence,
            "licence_notice": self.dataset.licence_notice,
            "doi": self.dataset.doi,
            "citation": self.dataset.citation,
            "files": [
                {
                    "name": file.name,
                    "path": str(file.path),
                    "kind": file.kind,
                    "source": file.source,
                    "bytes": file.bytes,
                    "sha256": file.sha256,
                    "notes": list(file.notes),
                }
                for file in self.files
            ],
        }


@dataclass(frozen=True, slots=True)
class _Options:
    folder: Path
    progress: bool | None
    patience: Patience


def fetch(
    name: str | DatasetInfo,
    *,
    files: Iterable[str] | None = None,
    cache: str | Path | None = None,
    progress: bool | None = None,
    patience: Patience = _PATIENCE,
) -> FetchResult:
    """Make the files of a data set available here, and say where they came from.

    Parameters
    ----------
    name : str or DatasetInfo
        A registered name, or an entry of one's own (:func:`~skysift.data.registry.read_registry`).
    files : iterable of str, optional
        Names of the files wanted; all without it.
    cache : path-like, optional
        Where fetched files are kept; without it, :func:`cache_folder`.
    progress : bool, optional
        Show or hide the bar; without it, files of a few MB have one. Only a terminal shows it.
    patience : Patience, optional
        Timeouts and retries.

    Returns
    -------
    FetchResult
        The paths, and for each file its source, hash and the ways that failed.

    Raises
    ------
    UnknownNameError
        If there is no such data set, or no such file in it.
    DataUnavailableError
        If no mirror gives a file intact; it lists each mirror and why.
    OutputError
        If the cache cannot be written.
    """
    info = name if isinstance(name, DatasetInfo) else dataset(name)
    wanted = info.files if files is None else tuple(info.file(one) for one in files)
    options = _Options(cache_folder(cache) / info.name, progress, patience)
    return FetchResult(info, tuple(_fetch_file(info, file, options) for file in wanted))


def cache_folder(cache: str | Path | None = None) -> Path:
    """Return where fetched files are kept: the argument, SKYSIFT_CACHE, or the system's place."""
    chosen = cache or os.environ.get("SKYSIFT_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    import pooch  # noqa: PLC0415 - slow to import, and not needed where the place is given

    return Path(pooch.os_cache("skysift"))


def _fetch_file(info: DatasetInfo, file: DataFile, options: _Options) -> FetchedFile:
    target = options.folder / file.name
    notes: list[str] = []
    here = _from_local_mirror(file, notes) or _from_cache(file, target, notes)
    if here is not None:
        return here
    if offline():
        raise _unavailable(info, file, target, [*notes, "the network: SKYSIFT_OFFLINE forbids it"])
    with cache_writable(options.folder):
        options.folder.mkdir(parents=True, exist_ok=True)
        with exclusive(options.folder / f".{file.name}.lock") as alone:
            # Whoever held the lock before may have fetched this very file. What the first look
            # noted of the cache is not noted twice.
            here = _from_cache(file, target, [])
            if here is not None:
                return here
            return _from_remotes(info, file, target, notes, options, alone=alone)


def _from_local_mirror(file: DataFile, notes: list[str]) -> FetchedFile | None:
    folder = os.environ.get("SKYSIFT_MIRROR")
    if not folder:
        return None
    path = Path(folder).expanduser().absolute() / file.mirror_path
    label = f"SKYSIFT_MIRROR, {path}"
    if not path.is_file():
        notes.append(f"{label}: there is no such file")
        return None
    return _used_in_place(file, path, "mirror", label, notes)


def _from_cache(file: DataFile, target: Path, notes: list[str]) -> FetchedFile | None:
    if not target.is_file():
        return None
    return _used_in_place(file, target, "cache", f"the cached {target}", notes)


def _used_in_place(
    file: DataFile, path: Path, kind: str, label: str, notes: list[str]
) -> FetchedFile | None:
    try:
        wrong = file.flaw(path)
    except (OSError, ReadError) as error:
        wrong = f"it cannot be read ({error})"
    if wrong:
        notes.append(f"{label}: not used, {wrong}")
        return None
    return _fetched(file, path, kind, str(path), notes)


def _from_remotes(
    info: DatasetInfo,
    file: DataFile,
    target: Path,
    notes: list[str],
    options: _Options,
    *,
    alone: bool,
) -> FetchedFile:
    # requests is slow to import, and not needed where the file is here already.
    from skysift.data.mirrors import Workspace, describe, obtain  # noqa: PLC0415

    scratch = _scratch(target, alone=alone)
    for mirror in file.mirrors:
        with progress_bar(file.name, file.bytes, show=options.progress) as report:
            workspace = Workspace(scratch, options.patience, report)
            try:
                candidate = obtain(mirror, file, workspace)
            except DataUnavailableError as error:
                notes.append(f"{describe(mirror)}: {error.problem}")
                continue
        candidate.replace(target)
        shutil.rmtree(scratch, ignore_errors=True)
        return _fetched(file, target, mirror.kind, describe(mirror), notes)
    if not (alone and any(scratch.iterdir())):
        shutil.rmtree(scratch, ignore_errors=True)
    raise _unavailable(info, file, target, notes)


def _scratch(target: Path, *, alone: bool) -> Path:
    """Return the folder for what is not whole yet; its parts are found again only under a lock."""
    if not alone:
        return Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    scratch = target.with_name(f".{target.name}.parts")
    scratch.mkdir(exist_ok=True)
    return scratch


def _fetched(
    file: DataFile, path: Path, kind: str, source: str, notes: Iterable[str]
) -> FetchedFile:
    return FetchedFile(file.name, path, kind, source, file.bytes, file.sha256, tuple(notes))


def offline() -> bool:
    """Tell whether SKYSIFT_OFFLINE forbids the network."""
    return os.environ.get("SKYSIFT_OFFLINE", "").lower() not in {"", "0", "false", "no", "off"}


def _unavailable(
    info: DatasetInfo, file: DataFile, target: Path, notes: Iterable[str]
) -> DataUnavailableError:
    tried = "".join(f"\n  - {note}" for note in notes)
    return DataUnavailableError(
        f"The file '{file.name}' of the data set '{info.name}' could not be had:{tried}",
        f"Set SKYSIFT_MIRROR to a folder that holds {file.mirror_path}, or download the file by "
        f"hand from {info.homepage} to {target} "
        f"({file.bytes:,} bytes, SHA-256 {file.sha256}).",
    )


@contextmanager
def cache_writable(folder: Path) -> Iterator[None]:
    """Turn what the file system refuses into an error with a remedy."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"Cannot write to the cache: {error.strerror or error}.",
            "Make room or set SKYSIFT_CACHE to a folder that you may write to.",
            path=folder,
        ) from error
