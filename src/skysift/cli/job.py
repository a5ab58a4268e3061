"""What the verbs that work on a task share: task and files, options, seed, and the result."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skysift.cli.console import Console
from skysift.cli.paths import check_writable_folder, resolve
from skysift.core.config import Config, build_config
from skysift.core.errors import UsageError
from skysift.core.jobs import Run
from skysift.core.registry import load_options, load_task, manifest

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Job", "build_options", "finish", "generator", "given_to", "typed_command"]


class Job:
    """A task, the files it works on and where it writes: checked before the long work.

    Parameters
    ----------
    console : Console
        For the licence of data that are fetched.
    name : str
        The task.
    data : sequence of str or None
        Files and names of data sets; the task's own default if there are none.
    out : Path or None
        Folder of the run, if it has one.

    Raises
    ------
    UnknownNameError
        If there is no such task.
    ReadError
        If a file does not exist.
    OutputError
        If the folder cannot be written.
    """

    def __init__(
        self, console: Console, name: str, data: Sequence[str] | None, out: Path | None
    ) -> None:
        self.name = name
        self.task = load_task(name)
        if out is not None:
            from skysift.report.run_folder import check_run_folder

            check_writable_folder(out)
            check_run_folder(out)
        default = manifest(name).default_data
        self.paths = resolve(console, data or ([default] if default else []))

    def options(self, kind: str, given: Mapping[str, Any]) -> Config:
        """Return the task's options of a kind, e.g. ``ReadOptions``, from what was typed."""
        return build_options(self.name, kind, given)


def build_options(name: str, kind: str, given: Mapping[str, Any]) -> Config:
    """Return a task's options of a kind, validated, from what was typed.

    Raises
    ------
    ConfigError
        If a value does not fit.
    """
    options = load_options(name, kind)
    return build_config(options, given_to(options, given))


def given_to(kind: type[Config], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was typed for one kind of options: a verb may offer those of two."""
    return {key: value for key, value in given.items() if key in kind.model_fields}


def generator(seed: int) -> "np.random.Generator":
    """Return the random numbers of a run.

    Raises
    ------
    UsageError
        If the seed is negative.
    """
    import numpy as np

    if seed < 0:
        raise UsageError("A seed is 0 or more.", "Give e.g. --seed 1.")
    return np.random.default_rng(seed)


def typed_command() -> str:
    """Return the command as the user typed it, for the record of the run."""
    return shlex.join(["skysift", *sys.argv[1:]])


def finish(console: Console, run: Run) -> None:
    """Print what a run found, and where its report is."""
    console.table(run.rows, title=run.title)
    lines = [*([] if run.rows else [f"{run.title}: nothing was found."]), *run.notes]
    if run.page is not None:
        lines.append(f"Report: {run.page}")
    console.result(
        {
            "title": run.title,
            "rows": [dict(row) for row in run.rows],
            "notes": list(run.notes),
            "report": None if run.page is None else str(run.page),
        },
        lines,
    )
