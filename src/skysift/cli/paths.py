"""The files that a verb reads and the folders that it writes: checked before the long work."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from skysift.cli.console import Console
from skysift.core.errors import OutputError, ReadError
from skysift.core.files import refuse_url
from skysift.core.registry import bundle_folder

__all__ = [
    "bundle_path",
    "check_new_bundle",
    "check_new_folder",
    "check_writable_folder",
    "plain_path",
    "readable",
    "resolve",
]


def resolve(console: Console, names: Sequence[str]) -> list[Path]:
    """Turn file names and names of data sets into files that can be read.

    Raises
    ------
    ReadError
        If a name is neither that of a file nor that of a data set.
    DataUnavailableError
        If a data set cannot be had.
    """
    from skysift.data.registry import list_datasets

    registered = {item.name for item in list_datasets()}
    paths: list[Path] = []
    for name in names:
        if name in registered:
            from skysift.data.fetch import fetch as fetch_data

            result = fetch_data(name)
            console.note(f"{name}: {result.dataset.licence}. Cite: {result.dataset.citation}")
            paths += [file.path for file in result.files]
        else:
            refuse_url(name)
            paths.append(readable(Path(name), registered))
    return paths


def readable(path: Path, names: set[str] | None = None) -> Path:
    """Return a path as it is if there is such a file.

    Raises
    ------
    ReadError
        If there is none; the message proposes the nearest of the names that would also do.
    """
    if not plain_path(path).exists():
        from skysift.core.suggest import did_you_mean

        hint = did_you_mean(str(path), names or set())
        known = f" Data sets: {', '.join(sorted(names))}." if names else ""
        raise ReadError("There is no such file.", f"{hint}Check the path.{known}", path=path)
    return path


def plain_path(path: Path) -> Path:
    """Return the file without the ``#extension`` that chooses a table in it."""
    return path if path.exists() else Path(str(path).partition("#")[0])


def bundle_path(task: str, name: str | None) -> Path:
    """Return the folder of a bundle: one that is given, or one that ships with the task."""
    if name is not None and (Path(name).is_dir() or os.sep in name):
        return Path(name)
    return bundle_folder(task, name)


def check_new_bundle(folder: Path) -> None:
    """Check, before the training, that a bundle can be written to a folder and named after it.

    Raises
    ------
    OutputError
        If the name is not a plain one, the folder exists, or it cannot be made.
    """
    from skysift.core.bundle_schema import BundleSpec

    name = folder.resolve().name.lower()
    if re.fullmatch(BundleSpec.model_json_schema()["properties"]["name"]["pattern"], name) is None:
        raise OutputError(
            f"A bundle is named after its folder, and '{name}' is not a plain name.",
            "Use letters, digits, dots, hyphens and underscores, with a letter or digit first.",
            path=folder,
        )
    check_new_folder(folder)


def check_new_folder(folder: Path) -> None:
    """Check that a folder is not there yet and can be made.

    Raises
    ------
    OutputError
        If it exists, or the folder above it cannot be written.
    """
    if folder.exists():
        raise OutputError(
            "The folder exists.", "Choose another for --out, or move it.", path=folder
        )
    check_writable_folder(folder.parent)


def check_writable_folder(folder: Path) -> None:
    """Make a folder where there is none, and check that it can be written.

    Raises
    ------
    OutputError
        If it cannot be made or written.
    """
    refuse_url(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"Cannot make the folder: {error.strerror}.", "Choose another for --out.", path=folder
        ) from error
    if not os.access(folder, os.W_OK):
        raise OutputError("The folder is not writable.", "Choose another for --out.", path=folder)
