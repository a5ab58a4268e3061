"""The argument of verbs that work on one bundle."""

import json
from pathlib import Path
from typing import Annotated

import typer

from skysift.core.errors import UsageError
from skysift.core.registry import bundle_folder, list_tasks

__all__ = ["BundleArgument", "named_bundle", "task_of"]

BundleArgument = Annotated[
    str, typer.Argument(metavar="BUNDLE", help="A bundle folder, or TASK/NAME of one that ships.")
]


def named_bundle(bundle: str) -> tuple[str, Path]:
    """Return the task and the folder of a bundle.

    Raises
    ------
    UsageError
        If it is none.
    """
    task = task_of(bundle)
    if task is None:
        known = ", ".join(item.name for item in list_tasks())
        raise UsageError(
            f"'{bundle}' is no bundle.",
            f"Name its folder, or TASK/NAME of one that ships; tasks: {known}.",
        )
    if Path(bundle).is_dir():
        return task, Path(bundle)
    return task, bundle_folder(task, bundle.partition("/")[2])  # a folder NAME here is another


def task_of(bundle: str) -> str | None:
    """Return the task of a bundle that is named by its folder or as ``TASK/NAME``, if it is one."""
    task, _, name = bundle.partition("/")
    path = Path(bundle) / "bundle.json"
    if path.is_file():
        try:
            return str(json.loads(path.read_bytes())["task"])
        except (ValueError, KeyError, TypeError, RecursionError, OSError):
            return None  # the bundle's own reader says what is wrong with it
    return task if name and task in {item.name for item in list_tasks()} else None
