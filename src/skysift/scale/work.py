"""What a worker does with a partition: the prediction of the batch command, on its files.

Nothing here raises: an error that crosses from one process to another loses its fields, and one bad
file must not end the run. What is wrong with a file becomes its reason in the quarantine; what is
wrong with the run itself, such as a full disk or another bundle, a failed outcome.
"""

import secrets
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from skysift.core.config import Config, build_config
from skysift.core.errors import BundleError, InputError, ReadError, SkysiftError, nobody_foresaw
from skysift.core.jobs import Piece
from skysift.core.provenance import BundleRecord, InputRecord, Provenance
from skysift.core.registry import load_options, load_task
from skysift.scale.folder import RunFolder
from skysift.scale.partitions import Job, Outcome, Partition, Refusal, content_key

__all__ = [
    "Seen",
    "answer_partition",
    "look_at_partition",
    "peak_memory",
    "refuse_piece",
    "try_piece",
]


class Seen(Config):
    """What a partition holds now.

    Parameters
    ----------
    key : str
        Of what can be used; empty if nothing can.
    refused : tuple of Refusal
        Pieces that cannot.
    """

    key: str = ""
    refused: tuple[Refusal, ...] = ()


def answer_partition(job: Job, partition: Partition) -> Outcome:
    """Predict a partition and write it, unless that was done before.

    Parameters
    ----------
    job : Job
        What all partitions have in common.
    partition : Partition
        What is read.
    """
    try:
        return _Answering(job, partition).outcome()
    except SkysiftError as error:
        return _failed(partition, error)


def look_at_partition(job: Job, partition: Partition) -> Seen:
    """Hash the pieces of a partition, and tell which were refused before."""
    try:
        answering = _Answering(job, partition)
        answering.look()
    except SkysiftError:
        return Seen()
    return Seen(key=answering.key() if answering.good else "", refused=tuple(answering.refused))


def try_piece(job: Job, piece: Piece) -> None:
    """Predict one piece for nothing but to see whether its process survives."""
    with suppress(Exception):
        _scratch(job, piece)


def refuse_piece(job: Job, piece: Piece, reason: str) -> Refusal:
    """Put a piece in quarantine and return its record."""
    try:
        key = content_key(job, piece.read, _records(piece))
    except ReadError:
        key = content_key(job, piece.read, [InputRecord(path=str(piece.path), bytes=0)])
    now = datetime.now(UTC).isoformat(timespec="seconds")
    refusal = Refusal(path=str(piece.path), reason=reason, key=key, when=now)
    RunFolder(job.out).refuse(refusal)
    return refusal


class _Answering:
    """One partition on its way to a file."""

    def __init__(self, job: Job, partition: Partition) -> None:
        self.job = job
        self.partition = partition
        self.folder = RunFolder(job.out)
        self.good: list[tuple[Piece, list[InputRecord]]] = []
        self.refused: list[Refusal] = []

    def look(self) -> None:
        """Hash the pieces, and part those that can be used from those that cannot."""
        for piece in self.partition.pieces:
            try:
                records = _records(piece)
            except ReadError as error:
                self.refused.append(refuse_piece(self.job, piece, _reason(error)))
                continue
            known = self.folder.refusal(content_key(self.job, piece.read, records))
            if known is None:
                self.good.append((piece, records))
            else:
                self.refused.append(known)

    def key(self) -> str:
        """Return the key of what can be used."""
        return content_key(
            self.job, self._read, [one for _, records in self.good for one in records]
        )

    @property
    def _read(self) -> Mapping[str, Any]:
        return self.partition.pieces[0].read

    def outcome(self) -> Outcome:
        """Look, and predict what is not done.

        Raises
        ------
        SkysiftError
            If the fault is not a file's.
        """
        self.look()
        if self.good and (done := self.folder.record(self.partition.number, self.key())):
            return done.model_copy(update={"refused": tuple(self.refused)})
        while self.good:
            reason = self._try()
            if isinstance(reason, Outcome):
                return reason
            self._find_fault(reason)
        return Outcome(number=self.partition.number, state="empty", refused=tuple(self.refused))

    def _try(self) -> Outcome | str:
        """Predict what seems good; return what came of it, or why it cannot be done."""
        begin, processor = time.perf_counter(), time.process_time()
        key = self.key()
        work = self.folder.work(self.partition.number, key)
        pieces = [piece for piece, _ in self.good]
        records = [record for _, found in self.good for record in found]
        try:
            counts = _predict(self.job, pieces, work, records)
        except Exception as error:  # noqa: BLE001  # of a file nobody vouches for
            return _reason(error)
        with pq.ParquetFile(work) as written:
            schema, rows = written.schema_arrow, written.metadata.num_rows
        outcome = Outcome(
            number=self.partition.number,
            state="written",
            name=self.folder.part(self.partition.number, key).name,
            counts=dict(counts),
            rows=rows,
            columns=tuple(f"{field.name}: {field.type}" for field in schema),
            refused=tuple(self.refused),
            seconds=time.perf_counter() - begin,
            processor_seconds=time.process_time() - processor,
            peak_memory=peak_memory(),
        )
        self.folder.commit(work, key, outcome)
        return outcome

    def _find_fault(self, reason: str) -> None:
        """Refuse the pieces that fail by themselves; all of them where that tells nothing."""
        alone = {}
        if len(self.good) > 1:
            alone = {number: _alone(self.job, piece) for number, (piece, _) in enumerate(self.good)}
        faulty = {number: why for number, why in alone.items() if why}
        if not faulty:
            faulty = dict.fromkeys(range(len(self.good)), reason)
        for number, why in faulty.items():
            self.refused.append(refuse_piece(self.job, self.good[number][0], why))
        self.good = [one for number, one in enumerate(self.good) if number not in faulty]


def _alone(job: Job, piece: Piece) -> str:
    """Return why a piece cannot be predicted by itself; empty if it can.

    Raises
    ------
    SkysiftError
        If the fault is not the file's.
    """
    try:
        _scratch(job, piece)
    except Exception as error:  # noqa: BLE001  # as above
        return _reason(error)
    return ""


def _scratch(job: Job, piece: Piece) -> None:
    work = RunFolder(job.out).work(0, secrets.token_hex(10))
    try:
        _predict(job, [piece], work, [])
    finally:
        work.unlink(missing_ok=True)


def _predict(
    job: Job, pieces: Sequence[Piece], out: Path, records: Sequence[InputRecord]
) -> Mapping[str, int]:
    """Predict files to a file, with the code of the command ``predict``."""
    task = load_task(job.task)
    read = {**job.read, **pieces[0].read}
    provenance = Provenance.start(
        job.command,
        config=job.config(pieces[0].read),
        bundle=BundleRecord(name=job.bundle_name, hash=job.bundle_hash),
    ).model_copy(update={"inputs": (*records, *job.also)})
    return task.predict_files(
        [piece.path for piece in pieces],
        out,
        _model(job.task, job.bundle, job.bundle_hash, job.threads),
        build_config(load_options(job.task, "ReadOptions"), read),
        build_config(load_options(job.task, "PredictOptions"), job.predict),
        provenance=provenance,
    )


@lru_cache(maxsize=1)
def _model(task: str, folder: Path, digest: str, threads: int) -> Any:
    """Load the model, once for all partitions that this process works on."""
    model = load_task(task).load(folder, threads=threads)
    if model.bundle is None or model.bundle.hash != digest:
        raise BundleError(
            "The bundle has changed since the run was started.", "Run again.", path=folder
        )
    return model


def _records(piece: Piece) -> list[InputRecord]:
    """Return the files that decide the answer, with their hashes.

    Raises
    ------
    ReadError
        If one cannot be read.
    """
    found = []
    for path in piece.files or (piece.path,):
        plain = path if path.exists() else Path(str(path).partition("#")[0])
        found.append(InputRecord.of(plain).model_copy(update={"path": str(path)}))
    return found


def peak_memory() -> int:
    """Return the most bytes that this process held until now; 0 where the system does not say."""
    if sys.platform == "win32":
        return 0
    import resource  # noqa: PLC0415  # Windows has none

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _reason(error: Exception) -> str:
    """Say what is wrong with a file.

    Raises
    ------
    SkysiftError
        If the fault is not the file's.
    """
    if isinstance(error, InputError):
        return f"{error.problem} {error.remedy}".strip()
    if isinstance(error, SkysiftError):
        raise error
    if isinstance(error, MemoryError):
        return "To read it takes more memory than there is."
    return nobody_foresaw(error)


def _failed(partition: Partition, error: SkysiftError) -> Outcome:
    return Outcome(
        number=partition.number,
        state="failed",
        kind=type(error).__name__,
        problem=error.problem,
        remedy=error.remedy,
        path="" if error.path is None else str(error.path),
    )
