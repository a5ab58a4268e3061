"""What the verbs that may go past one process share: options, and who then works."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skysift.cli.console import Console
from skysift.cli.job import typed_command
from skysift.core.errors import UsageError
from skysift.core.task import Task

if TYPE_CHECKING:
    from skysift.core.config import Config
    from skysift.scale.workers import DaskWorkers

__all__ = [
    "Dask",
    "Memory",
    "Part",
    "Retry",
    "Scale",
    "Together",
    "Workers",
    "names_a_table",
    "predict_partitions",
    "refuse_idle",
    "spreading",
]

_AUTO = "auto"

Workers = Annotated[
    int | None,
    typer.Option("--workers", min=1, help="Processes of this machine that share the work (Dask)."),
]
Dask = Annotated[
    str | None,
    typer.Option(
        "--dask", metavar="ADDRESS", help="A Dask scheduler, tcp://HOST:PORT, or its file."
    ),
]
Memory = Annotated[
    str,
    typer.Option(
        "--memory", help="Most memory of a process of --workers, e.g. 1.5GB; one beyond is ended."
    ),
]
Part = Annotated[
    str | None,
    typer.Option(
        "--part", metavar="K/N", help="Do the K-th of N shares only: one job of an array."
    ),
]
Together = Annotated[
    int,
    typer.Option(
        "--files-per-part", min=1, help="Input files of one output file, if they are small."
    ),
]
Retry = Annotated[bool, typer.Option("--retry", help="Also try what is in quarantine.")]


@dataclass(frozen=True, slots=True)
class Scale:
    """Who works, as it was asked for.

    Parameters
    ----------
    workers : int or None
        Processes of this machine.
    dask : str or None
        Address of a scheduler.
    memory : str
        Of each process.
    """

    workers: int | None = None
    dask: str | None = None
    memory: str = _AUTO

    def __bool__(self) -> bool:
        return self.workers is not None or self.dask is not None

    @contextmanager
    def open(self, console: Console) -> Iterator["DaskWorkers | None"]:
        """Give the workers; None where none were asked for.

        Raises
        ------
        UsageError
            If two kinds were asked for.
        """
        if not self:
            yield None
            return
        if self.workers is not None and self.dask is not None:
            raise UsageError("Both --workers and --dask are given.", "Give one of them.")
        if self.dask is not None and self.memory != _AUTO:
            raise UsageError(
                "The memory of workers that are there already is theirs.",
                "Leave out --memory, or give --workers.",
            )
        from skysift.scale.cluster import open_client
        from skysift.scale.workers import DaskWorkers

        with open_client(workers=self.workers, address=self.dask, memory=self.memory) as client:
            if not client.nthreads():
                console.note("The cluster has no workers yet; waiting for the first.")
            yield DaskWorkers(client)


@contextmanager
def spreading(scale: Scale, console: Console, task: Task[Any, Any], job: str) -> Iterator[None]:
    """Let the parts of a job be done by the workers that were asked for.

    Raises
    ------
    UsageError
        If workers were asked for, and the job of this task has no parts.
    """
    if not scale:
        yield
        return
    if job not in task.spreads:
        remedy = "Leave out --workers and --dask."
        if job == "predict":
            remedy = "Give a folder as --out, for one Parquet file of each input file."
        raise UsageError(f"What '{job}' does for {task.name} does not fall into parts.", remedy)
    from skysift.core.spread import spread_with

    with scale.open(console) as workers:
        assert workers is not None
        with spread_with(workers):
            yield


def refuse_idle(*, together: int, retry: bool) -> None:
    """Refuse options of a run over partitions where one file is written.

    Raises
    ------
    UsageError
        If one was given.
    """
    if together != 1 or retry:
        raise UsageError(
            "--files-per-part and --retry are for partitions, and one file is written here.",
            "Give --workers, --dask or --part, and a folder as --out.",
        )


def names_a_table(out: Path) -> bool:
    """Tell whether an output is one file, by its suffix, and not the folder of a run."""
    from skysift.data.io import WRITABLE_SUFFIXES

    return out.name.lower().endswith(WRITABLE_SUFFIXES) and not out.is_dir()


def predict_partitions(
    console: Console,
    task: Task[Any, Any],
    paths: list[Path],
    *,
    model: Any,
    bundle: Path,
    options: "tuple[Config, Config]",
    out: Path,
    scale: Scale,
    part: str | None,
    together: int,
    retry: bool,
    threads: int,
) -> None:
    """Predict file by file to a folder, and say what came of it.

    Raises
    ------
    InputError
        If some files could not be used; the others are done.
    """
    from skysift.scale.run import make_job
    from skysift.scale.run import predict_partitions as run
    from skysift.scale.summary import Share

    share = None if part is None else Share.parse(part)
    read, predict = options
    pieces = task.pieces([path.absolute() for path in paths], read, predict)
    job = make_job(
        task.name, model, bundle, read, predict, out=out, command=typed_command(), threads=threads
    )
    with scale.open(console) as workers, console.progress("predict") as progress:
        summary = run(
            job,
            pieces,
            workers,
            together=together,
            share=share,
            retry=retry,
            progress=progress,
        )
    console.result(summary.to_dict(), summary.lines())
    summary.check()
