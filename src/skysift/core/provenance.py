"""Provenance: what was done to what, with what, and when; it travels into every output."""

import hashlib
import json
import os
import platform
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Self

from pydantic import AwareDatetime, Field, JsonValue

from skysift.core.config import Config
from skysift.core.errors import ReadError
from skysift.core.files import sha256_of_file

__all__ = ["BundleRecord", "InputRecord", "Provenance", "package_versions"]

_DISTRIBUTIONS = {
    "astropy": ("astropy",),
    "catboost": ("catboost",),
    "dask": ("dask",),
    "gammapy": ("gammapy",),
    "h5py": ("h5py",),
    "lightgbm": ("lightgbm",),
    "matplotlib": ("matplotlib",),
    "numpy": ("numpy",),
    "onnx": ("onnx",),
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu"),
    "pandas": ("pandas",),
    "pyarrow": ("pyarrow",),
    "pydantic": ("pydantic",),
    "safetensors": ("safetensors",),
    "scipy": ("scipy",),
    "skimage": ("scikit-image",),
    "sklearn": ("scikit-learn",),
    "skops": ("skops",),
    "sunpy": ("sunpy",),
    "torch": ("torch",),
    "xgboost": ("xgboost", "xgboost-cpu"),
}
"""Modules that can change a number, and the distributions that may bring each."""


class InputRecord(Config):
    """One input file or folder.

    Parameters
    ----------
    path : str
        As the user gave it.
    bytes : int
        Its size; for a folder that of all its files.
    sha256 : str, optional
        SHA-256 of a file; for a folder, that of the sorted lines ``sha256  relative/path``.
    note : str
        Why there is no hash, if there is none.
    """

    path: str
    bytes: int
    sha256: str | None = None
    note: str = ""

    @classmethod
    def of(cls, path: str | Path, *, hash_limit: int | None = None) -> Self:
        """Look at a file or folder and hash it, unless it has more bytes than a limit.

        Raises
        ------
        ReadError
            If it cannot be read.
        """
        return cls.model_validate(_record(path, hash_limit))


class BundleRecord(Config):
    """Name and hash of the bundle that made a prediction."""

    name: str
    hash: str


class Provenance(Config):
    """What was done to what, with what, and when.

    Parameters
    ----------
    skysift : str
        Version of this package.
    command : str
        The command as it was given; nothing in it is expanded.
    started, stopped : datetime
        In UTC; `stopped` is None while the work goes on, and in a table that was written then.
    inputs : tuple of InputRecord
        What was read.
    config : mapping
        The resolved configuration.
    bundle : BundleRecord, optional
        The model.
    seeds : mapping of str to int
        Seeds of the random generators.
    packages : mapping of str to str
        Versions of the packages that were in use.
    python, platform, cpu : str
        The machine.
    cores : int
        Number of cores that the process may use.

    Examples
    --------
    >>> provenance = Provenance.start(command="skysift predict", seed=3)
    >>> done = provenance.finish()
    >>> done.command, done.seeds, done.stopped >= done.started
    ('skysift predict', {'seed': 3}, True)
    """

    skysift: str
    command: str
    started: AwareDatetime
    stopped: AwareDatetime | None = None
    inputs: tuple[InputRecord, ...] = ()
    config: dict[str, JsonValue] = Field(default_factory=dict)
    bundle: BundleRecord | None = None
    seeds: dict[str, int] = Field(default_factory=dict)
    packages: dict[str, str] = Field(default_factory=dict)
    python: str
    platform: str
    cpu: str
    cores: int

    @classmethod
    def start(
        cls,
        command: str | Sequence[str] | None = None,
        *,
        inputs: Iterable[str | Path] = (),
        config: Mapping[str, Any] | None = None,
        bundle: Mapping[str, str] | BundleRecord | None = None,
        seed: int | Mapping[str, int] | None = None,
        hash_limit: int | None = None,
    ) -> Self:
        """Note what is about to be done.

        Parameters
        ----------
        command : str or sequence of str, optional
            The command; ``sys.argv`` if left out.
        inputs : iterable of path-like
            Files and folders that will be read.
        config : mapping, optional
            The resolved configuration, JSON-ready.
        bundle : mapping or BundleRecord, optional
            Name and hash of the model.
        seed : int or mapping, optional
            One seed, or several by name.
        hash_limit : int, optional
            Inputs of more bytes than this are not hashed, and the record says so.

        Raises
        ------
        ReadError
            If an input cannot be read.
        """
        words = sys.argv if command is None else command
        return cls.model_validate(
            {
                "skysift": _version("skysift"),
                "command": words if isinstance(words, str) else shlex.join(words),
                "started": datetime.now(UTC),
                "inputs": [InputRecord.of(path, hash_limit=hash_limit) for path in inputs],
                "config": dict(config or {}),
                "bundle": bundle,
                "seeds": {"seed": seed} if isinstance(seed, int) else dict(seed or {}),
                "packages": package_versions(),
                "python": platform.python_version(),
                "platform": platform.platform(),
                "cpu": _cpu(),
                "cores": _cores(),
            }
        )

    def so_far(self) -> Self:
        """Return the same with all packages used until now, for what is written as the work goes.

        It has no end: a table that grows carries its provenance from its first row on.
        """
        return self.model_copy(update={"packages": {**self.packages, **package_versions()}})

    def finish(self) -> Self:
        """Return the same with the time of its end and all packages used until then."""
        return self.so_far().model_copy(update={"stopped": datetime.now(UTC)})

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready mapping."""
        return self.model_dump(mode="json")

    def to_json(self) -> str:
        """Return JSON text."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False)


def package_versions(modules: Iterable[str] | None = None) -> dict[str, str]:
    """Return the versions of packages that can change a number.

    Parameters
    ----------
    modules : iterable of str, optional
        Names of modules; those that are imported by now if left out.

    Returns
    -------
    dict of str to str
        Version by name of distribution, e.g. ``{"scikit-learn": "1.9.1"}``, ordered by name.
    """
    wanted = sys.modules if modules is None else set(modules)
    versions = {}
    for module, distributions in _DISTRIBUTIONS.items():
        if module in wanted:
            for distribution in distributions:
                if found := _version(distribution):
                    versions[distribution] = found
                    break
    return dict(sorted(versions.items()))


@cache  # the answer is in a file, and stays the same while a process lives
def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""


def _record(path: str | Path, limit: int | None) -> dict[str, Any]:
    given, place = str(path), Path(path)
    try:
        files = _files_of(place) if place.is_dir() else [place]
        size = sum(file.stat().st_size for file in files)
    except OSError as error:
        raise ReadError(
            f"The input cannot be read: {error.strerror}.", "Check the path.", path=given
        ) from error
    record: dict[str, Any] = {"path": given, "bytes": size}
    if limit is not None and size > limit:
        return {**record, "note": f"not hashed: larger than {limit} bytes"}
    if not place.is_dir():
        return {**record, "sha256": sha256_of_file(place)}
    lines = [f"{sha256_of_file(file)}  {file.relative_to(place).as_posix()}\n" for file in files]
    return {**record, "sha256": hashlib.sha256("".join(lines).encode()).hexdigest()}


def _files_of(folder: Path) -> list[Path]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return sorted(files, key=lambda path: path.relative_to(folder).as_posix())


def _cpu() -> str:
    """Return the model name of the processor; Linux alone hides it from the platform module."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
