"""The registry of tasks: manifests are read, nothing heavy is imported.

A task is a folder ``skysift/tasks/NAME/`` with a ``task.toml``. Its code is imported only when the
task is loaded.
"""

import tomllib
from functools import cache
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import Field

from skysift.core.config import Config, build_config
from skysift.core.errors import MissingExtraError, UnknownNameError, UsageError
from skysift.core.task import Task

__all__ = [
    "TaskManifest",
    "bundle_folder",
    "find_options",
    "list_tasks",
    "load_options",
    "load_task",
    "manifest",
    "shipped_bundles",
    "task_folder",
]


class TaskManifest(Config):
    """What is known of a task without importing its code: the content of ``task.toml``."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    summary: str
    inputs: str
    outputs: str
    replaces: str
    entry: str = Field(pattern=r"^[\w.]+:\w+$")
    options: str = Field(pattern=r"^[\w.]+$")
    """The light module that holds the option classes."""
    default_bundle: str
    default_data: str | None = None
    """What a job works on that is given no data; None where it can do without."""
    modules: dict[str, str] = Field(default_factory=dict)
    """Optional modules that the code imports, each with the extra that brings it."""
    shown: tuple[str, ...] = ()
    """Columns of answers that people look at first."""
    examples: tuple[str, ...] = ()


@cache
def list_tasks() -> tuple[TaskManifest, ...]:
    """Return the manifests of all tasks, ordered by name."""
    folders = (Path(str(folder)) for folder in files("skysift.tasks").iterdir())
    found = (_read(folder / "task.toml") for folder in folders if (folder / "task.toml").is_file())
    return tuple(sorted(found, key=lambda item: item.name))


def manifest(name: str) -> TaskManifest:
    """Return the manifest of one task.

    Raises
    ------
    UnknownNameError
        If there is no such task; the message names the nearest.
    """
    for item in list_tasks():
        if item.name == name:
            return item
    raise UnknownNameError("task", name, [item.name for item in list_tasks()])


def load_task(name: str) -> Task[Any, Any]:
    """Import the code of a task and return it.

    Raises
    ------
    UnknownNameError
        If there is no such task.
    MissingExtraError
        If an optional part that the task needs is not installed.
    """
    item = manifest(name)
    module_name, _, attribute = item.entry.partition(":")
    try:
        task: Task[Any, Any] = getattr(import_module(module_name), attribute)()
    except ModuleNotFoundError as error:
        extra = item.modules.get(error.name or "")
        if extra is None:
            raise
        raise MissingExtraError(str(error.name), extra=extra) from error
    return task


def load_options(name: str, kind: str) -> type[Config]:
    """Return an option class of a task, e.g. ``TrainOptions``, without importing its models.

    Raises
    ------
    UsageError
        If the task does not have this kind, that is, cannot do this job.
    """
    options = find_options(name, kind)
    if options is None:
        raise UsageError(
            f"The task {name} has no {kind}.", "See 'skysift tasks' for what each task can do."
        )
    return options


def find_options(name: str, kind: str) -> type[Config] | None:
    """Return an option class of a task, None if the task does not have this kind."""
    return getattr(import_module(manifest(name).options), kind, None)


def task_folder(name: str) -> Path:
    """Return the folder of a task, with what it ships beside its code."""
    package = manifest(name).options.rpartition(".")[0]
    return Path(str(files(package)))


def shipped_bundles(name: str) -> list[Path]:
    """Return the folders of the bundles that ship with a task, ordered by name."""
    found = task_folder(name).glob("bundles/*/bundle.json")
    return sorted(path.parent for path in found)


def bundle_folder(name: str, bundle: str | None = None) -> Path:
    """Return the folder of a bundle that ships with a task.

    Parameters
    ----------
    name : str
        The task.
    bundle : str, optional
        The bundle; the default of the task if left out.

    Raises
    ------
    UnknownNameError
        If the task ships no such bundle; the message names the nearest.
    """
    wanted = bundle or manifest(name).default_bundle
    shipped = {folder.name: folder for folder in shipped_bundles(name)}
    if wanted not in shipped:
        raise UnknownNameError(f"bundle of {name}", wanted, shipped)
    return shipped[wanted]


def _read(path: Path) -> TaskManifest:
    return build_config(TaskManifest, tomllib.loads(path.read_text(encoding="utf-8")), path=path)
