"""``skysift demo``: the main job of each task, as many tasks at once as there are cores."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Self

import typer

from skysift.cli.arguments import AsJson, Seed
from skysift.cli.console import Console
from skysift.cli.job import finish, typed_command
from skysift.cli.paths import check_writable_folder
from skysift.core.registry import list_tasks, load_task, manifest

__all__ = ["demo"]

_PROGRAM = (sys.executable, "-m", "skysift")
_INTERRUPTED = 130


def demo(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[TASK]...", help="Tasks; all if left out.")
    ] = None,
    *,
    out: Annotated[Path, typer.Option("--out", help="Folder for the reports.")] = Path("runs/demo"),
    processes: Annotated[
        int | None,
        typer.Option("--processes", min=1, help="Tasks at once. [default: one for each core]"),
    ] = None,
    seed: Seed = 0,
    json: AsJson = False,
) -> None:
    """Run the main job of each task on real data where that can be had, in a few minutes."""
    console = Console(as_json=json)
    tasks = [manifest(name).name for name in names or [item.name for item in list_tasks()]]
    for name in tasks:
        check_writable_folder(out / name)
    at_once = min(processes or os.cpu_count() or 1, len(tasks))
    if at_once == 1:
        for name in tasks:
            _demo_here(console, name, out / name, seed)
        return
    rest = ["--out", str(out), "--seed", str(seed), *(["--json"] if json else [])]
    failed = _demo_apart(tasks, rest, at_once)
    if failed:
        raise typer.Exit(failed)


def _demo_here(console: Console, name: str, folder: Path, seed: int) -> None:
    with console.progress(name) as progress:
        run = load_task(name).demo(folder, seed=seed, command=typed_command(), progress=progress)
    finish(console, run)


def _demo_apart(tasks: Sequence[str], rest: Sequence[str], at_once: int) -> int:
    """Run each task in a process of its own, print in order, return the first exit code not 0."""
    failed = 0
    with ThreadPoolExecutor(at_once) as threads, _Children(at_once) as children:
        for output, code in threads.map(lambda name: children.run(name, rest), tasks):
            sys.stdout.write(output)
            sys.stdout.flush()
            failed = failed or code
    return failed


class _Children:
    """Processes that do not outlive this one."""

    def __init__(self, at_once: int) -> None:
        threads = str(max(1, (os.cpu_count() or 1) // at_once))
        self._environment = {**os.environ, "OMP_NUM_THREADS": threads}
        self._running: set[subprocess.Popen[str]] = set()
        self._ended = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._ended = True
        for child in list(self._running):
            child.terminate()

    def run(self, name: str, rest: Sequence[str]) -> tuple[str, int]:
        """Return what the demo of a task printed, and its exit code."""
        if self._ended:
            return "", _INTERRUPTED
        sys.stderr.write(f"skysift demo {name} ...\n")
        with self._started([*_PROGRAM, "demo", name, *rest]) as child:
            output, _ = child.communicate()
            return output, child.returncode

    @contextmanager
    def _started(self, command: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
        with subprocess.Popen(  # noqa: S603  # ourselves
            command, stdout=subprocess.PIPE, text=True, env=self._environment
        ) as child:
            self._running.add(child)
            if self._ended:  # while it was being started
                child.terminate()
            try:
                yield child
            finally:
                self._running.discard(child)
