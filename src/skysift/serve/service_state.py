"""What a service notes of itself, each second, for whoever watches over it from any process."""

import json
import os
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, Field, ValidationError

from skysift.core.config import Config
from skysift.core.errors import OutputError, ReadError
from skysift.serve.config import state_folder
from skysift.serve.latency import BUCKETS
from skysift.serve.operations_options import OperationsOptions

__all__ = ["STATE", "BundleFacts", "ServiceState", "Totals", "read_state", "write_state"]

STATE = "operations.json"
_MOST = 2**20  # byte


class BundleFacts(Config):
    """The bundle that answers: its name, its hash, and when it was made."""

    name: str
    hash: str
    created: AwareDatetime


class Totals(Config):
    """What was counted since the folder was begun, over all runs.

    Parameters
    ----------
    batch : int
        Number of the last published batch that is in here, so that each is counted once.
    batches, answered, rows : int
        Batches, records and rows of answers.
    read_bytes, written_bytes : int
        Of answered records, and of published files.
    latencies : list of int
        Records in each bucket of :data:`~skysift.serve.latency.BUCKETS`.
    latency_sum : float
        [s].
    missed : int
        Records later than the deadline.
    starts, worker_starts, worker_deaths : int
        Of the service, and of its workers.
    """

    batch: int = 0
    batches: int = 0
    answered: int = 0
    rows: int = 0
    read_bytes: int = 0
    written_bytes: int = 0
    latencies: tuple[int, ...] = Field(
        (0,) * (len(BUCKETS) + 1), min_length=len(BUCKETS) + 1, max_length=len(BUCKETS) + 1
    )
    latency_sum: float = 0.0
    missed: int = 0
    starts: int = 0
    worker_starts: int = 0
    worker_deaths: int = 0


class ServiceState(Config):
    """A service as it was a moment ago.

    Parameters
    ----------
    skysift, python, run, task : str
        Versions, the name of the run in the log, and the task.
    process : int
        Of the service.
    workers : tuple of int
        Processes of the workers that ran.
    bundle : BundleFacts
        What answers.
    started, beat : float
        When the run began, and when the service last came round, Unix time [s].
    stopped : float or None
        When it ended by itself; None while it runs, or was killed.
    events : dict of str to int
        How often this run logged what, by ``level event``.
    options : OperationsOptions
        The limits that it is held to.
    schemas : Path or None
        Avro schemas of messages that come without theirs.
    totals : Totals
        Over all runs.
    """

    version: Literal[1] = 1
    skysift: str
    python: str
    run: str
    task: str
    process: int
    workers: tuple[int, ...] = ()
    bundle: BundleFacts
    started: float
    beat: float
    stopped: float | None = None
    events: dict[str, int] = Field(default_factory=dict)
    options: OperationsOptions = OperationsOptions()
    schemas: Path | None = None
    totals: Totals = Totals()


def read_state(sink: Path) -> ServiceState | None:
    """Return what a service has noted of itself; None if it never did.

    Raises
    ------
    ReadError
        If what is there is not that.
    """
    path = state_folder(sink) / STATE
    try:
        with path.open("rb") as file:
            text = file.read(_MOST)
        return ServiceState.model_validate(json.loads(text))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, ValidationError, RecursionError) as error:
        raise ReadError(
            "The service's note of itself cannot be read.",
            "A running service writes it again within a second.",
            path=path,
        ) from error


def write_state(sink: Path, state: ServiceState) -> None:
    """Note the state; it is replaced whole.

    It is not forced to disk: what a power cut takes, the next run counts again from the spool.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    path = state_folder(sink) / STATE
    temporary = path.with_name(f".{STATE}.{os.getpid()}")
    try:
        temporary.write_text(state.model_dump_json(), encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise OutputError(
            f"Cannot write here: {error.strerror}.",
            "Check that you may write there and that the disk has room.",
            path=path,
        ) from error
