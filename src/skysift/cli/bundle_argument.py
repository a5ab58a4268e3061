"""The argument of verbs that work on one bundle."""

from pathlib import Path
from typing import Annotated

import typer

from skysift.cli.paths import bundle_path
from skysift.cli.update import task_of
from skysift.core.errors import UsageError
from skysift.core.registry import list_tasks

__all__ = ["BundleArgument", "named_bundle"]

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
    return task, bundle_path(task, bundle.partition("/")[2])
