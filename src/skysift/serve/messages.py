"""What service and worker say to each other: one JSON object a line, never a pickle."""

from pathlib import Path
from typing import Literal

from pydantic import Field, JsonValue

from skysift.core.config import Config

__all__ = ["Item", "Order", "Reply", "StagedFile", "WorkerSettings"]


class WorkerSettings(Config):
    """What a worker is told first.

    Parameters
    ----------
    task : str
        What predicts.
    bundle : Path
        Folder of the bundle.
    bundle_hash : str
        Of the bundle that the service has checked: the worker refuses another.
    read, predict : dict
        The task's options.
    format : str
        Of the staged files.
    memory : int
        What a record may take on top of the loaded model [byte].
    seconds : float
        Time that a record may take.
    provenance : str
        JSON that goes into the files.
    """

    task: str
    bundle: Path
    bundle_hash: str
    read: dict[str, JsonValue] = Field(default_factory=dict)
    predict: dict[str, JsonValue] = Field(default_factory=dict)
    format: Literal["parquet", "jsonl"] = "parquet"
    memory: int
    seconds: float
    provenance: str = ""


class Item(Config):
    """A record to be answered."""

    id: str
    name: str
    path: Path
    sha256: str = ""
    """Of the content that was noted; empty if it was not read."""


class Order(Config):
    """A batch to be answered into files that begin with `stem`."""

    items: tuple[Item, ...]
    stem: Path


class StagedFile(Config):
    """A file that the worker has written and forced to disk.

    Parameters
    ----------
    path : Path
        Where it is.
    ids : tuple of str
        The records that have rows in it.
    """

    path: Path
    ids: tuple[str, ...]


class Reply(Config):
    """What the worker says.

    ``ready`` once; for each record ``begin`` and then ``answered``, ``refused`` or ``replaced``;
    ``end`` with the files after the last. ``failed`` or ``unwritable`` is its last word: the fault
    lies not with a record, and the service has to stop.
    """

    kind: Literal[
        "ready", "begin", "answered", "refused", "replaced", "end", "failed", "unwritable"
    ]
    id: str = ""
    rows: int = 0
    reason: str = ""
    remedy: str = ""
    files: tuple[StagedFile, ...] = ()
