"""A run over many files: cut them into partitions, have them predicted, say what came of it."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from skysift import __version__
from skysift.core.config import Config
from skysift.core.errors import (
    BundleError,
    ConfigError,
    OutputError,
    SkysiftError,
    UsageError,
)
from skysift.core.files import refuse_url
from skysift.core.jobs import Piece
from skysift.core.progress import Progress, silent
from skysift.core.provenance import BundleRecord, InputRecord, Provenance
from skysift.scale.folder import RunFolder
from skysift.scale.partitions import Job, Outcome, Partition, cut
from skysift.scale.summary import Share, Summary
from skysift.scale.work import Seen, answer_partition, look_at_partition, refuse_piece, try_piece
from skysift.scale.workers import Died, ThisProcess, Workers

__all__ = ["make_job", "predict_partitions"]

_KINDS = {kind.__name__: kind for kind in (BundleError, ConfigError, OutputError, UsageError)}
"""Errors of the run itself that are what they were after they crossed from a worker."""


def make_job(
    task: str,
    model: Any,
    folder: Path,
    read: Config,
    predict: Config,
    *,
    out: Path,
    command: str,
    threads: int = 1,
) -> Job:
    """Return what all partitions have in common.

    Parameters
    ----------
    task : str
        As on the command line.
    model : Any
        Loaded, so that what is wrong with the bundle is known before the work.
    folder : Path
        Of its bundle.
    read, predict : Config
        Options of the task.
    out : Path
        Folder of the results.
    command : str
        As it was typed.
    threads : int
        Of the model in each process.

    Raises
    ------
    UsageError
        If the folder of the results is the address of an object store.
    """
    refuse_url(out)
    options = [_absolute(one.model_dump(mode="json")) for one in (read, predict)]
    named = sorted({path for _, paths in options for path in paths})
    return Job(
        task=task,
        bundle=folder.resolve(),
        bundle_name=model.bundle.name,
        bundle_hash=model.bundle.hash,
        read=options[0][0],
        predict=options[1][0],
        also=tuple(InputRecord.of(path) for path in named),
        threads=threads,
        out=out.resolve(),
        command=command,
        skysift=__version__,
    )


def _absolute(options: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return options with the names of files made absolute, and these files."""
    files: list[str] = []

    def told(value: Any) -> Any:
        if isinstance(value, list):
            return [told(one) for one in value]
        if isinstance(value, str) and Path(value).suffix and Path(value).is_file():
            files.append(str(Path(value).resolve()))
            return files[-1]
        return value

    return {name: told(value) for name, value in options.items()}, files


def predict_partitions(
    job: Job,
    pieces: Sequence[Piece],
    workers: Workers | None = None,
    *,
    together: int = 1,
    share: Share | None = None,
    retry: bool = False,
    progress: Progress = silent,
) -> Summary:
    """Predict pieces of the input to a folder with one Parquet file for each partition.

    What is there of the same content, bundle and options is kept; what is there of others is
    computed anew. Rows are in the order of the pieces, whoever predicted them and in what order.

    Parameters
    ----------
    job : Job
        What all partitions have in common.
    pieces : sequence of Piece
        What is predicted; none of them twice.
    workers : Workers, optional
        Who predicts; this process if left out.
    together : int
        Pieces of a partition: many where they are small, such as alerts.
    share : Share, optional
        Which partitions; all if left out.
    retry : bool
        Also try what is in quarantine.
    progress : callable
        Called with the fraction done and what is being done.

    Raises
    ------
    UsageError
        If a piece is named twice.
    OutputError
        If the folder holds something else, or cannot be written.
    SkysiftError
        If the run cannot go on. What is done is kept.
    """
    bundle = BundleRecord(name=job.bundle_name, hash=job.bundle_hash)
    provenance = Provenance.start(job.command, config=job.config({}), bundle=bundle)
    pieces = [_resolved(piece) for piece in pieces]
    _refuse_twice(pieces)
    partitions = cut(pieces, together)
    mine = (share or Share()).of(partitions)
    folder = RunFolder(job.out)
    folder.open(job.task)
    if retry:
        folder.forgive()
    summary = Summary(job.out, len(mine))
    run = _PartitionRun(job, folder, workers or ThisProcess(), summary, progress)
    run.predict(run.keep(mine, total=len(partitions)))
    name = "run.json" if share is None else f"run-{share.place}-of-{share.total}.json"
    record = provenance.finish().to_dict()
    folder.finish(name, {"summary": summary.to_dict(), "provenance": record})
    return summary


class _PartitionRun:
    """Partitions on their way to files."""

    def __init__(
        self, job: Job, folder: RunFolder, workers: Workers, summary: Summary, progress: Progress
    ) -> None:
        self.job = job
        self.folder = folder
        self.workers = workers
        self.summary = summary
        self.progress = progress

    def keep(self, mine: Sequence[Partition], *, total: int) -> Sequence[Partition]:
        """Bring the folder to what is to be predicted, and return what is not done yet."""
        if next(self.folder.parts(), None) is None:
            return mine
        look = partial(look_at_partition, self.job)
        seen = {
            partition.number: answer
            for partition, answer in self.workers.unordered(look, mine)
            if isinstance(answer, Seen) and answer.key
        }
        keys = {number: answer.key for number, answer in seen.items()}
        self.folder.settle(keys, total, {partition.number for partition in mine})
        left = []
        for partition in mine:
            number = partition.number
            done = self.folder.record(number, keys[number]) if number in keys else None
            if done is None:
                left.append(partition)
            else:
                self._take(done.model_copy(update={"refused": seen[number].refused}))
        return left

    def predict(self, partitions: Sequence[Partition]) -> None:
        """Have partitions predicted; those that end their processes are looked at more closely."""
        deadly: list[tuple[Partition, str]] = []
        for partition, answer in self._answers(partitions):
            if isinstance(answer, Died):
                deadly.append((partition, answer.reason))
            else:
                self._take(answer)
        for partition, reason in deadly:
            self._blame(partition, reason)
        for _, answer in self._answers([partition for partition, _ in deadly]):
            if isinstance(answer, Died):
                raise SkysiftError(
                    f"Workers keep dying: {answer.reason}", "Look at the logs of the workers."
                )
            self._take(answer)

    def _answers(self, partitions: Sequence[Partition]) -> Any:
        return self.workers.unordered(partial(answer_partition, self.job), partitions)

    def _blame(self, partition: Partition, reason: str) -> None:
        """Put in quarantine what ended its processes: the pieces that do so alone, or else all."""
        pieces = partition.pieces
        deadly = pieces
        if len(pieces) > 1:
            tried = self.workers.unordered(partial(try_piece, self.job), pieces)
            deadly = tuple(piece for piece, answer in tried if isinstance(answer, Died))
        for piece in deadly or pieces:
            refuse_piece(self.job, piece, reason)

    def _take(self, outcome: Outcome) -> None:
        if outcome.state == "failed":
            kind = _KINDS.get(outcome.kind, SkysiftError)
            raise kind(outcome.problem, outcome.remedy, path=outcome.path or None)
        self.summary.add(outcome)
        done = sum(self.summary.states.values())
        self.progress(done / max(self.summary.partitions, 1), f"{self.summary.rows:,} rows")


def _resolved(piece: Piece) -> Piece:
    return Piece(
        piece.path.absolute(),
        tuple(path.absolute() for path in piece.files),
        piece.read,
    )


def _refuse_twice(pieces: Sequence[Piece]) -> None:
    seen: set[tuple[Path, str]] = set()
    for piece in pieces:
        key = (piece.path, repr(sorted(piece.read.items())))
        if key in seen:
            raise UsageError(f"{piece.path} is named twice.", "Name each file once.")
        seen.add(key)
