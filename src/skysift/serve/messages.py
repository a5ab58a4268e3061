"""What service and worker say to each other: one JSON object a line, never a pickle."""

from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import ConfigDict, Field, JsonValue, TypeAdapter

from skysift.core.config import Config
from skysift.core.errors import OutputError, SkysiftError, UsageError
from skysift.serve.records import Record

__all__ = ["ORDERS", "Item", "Order", "Recall", "Reply", "StagedFile", "WorkerSettings"]


_UNWRITABLE: Final = "unwritable"
_MISUSED: Final = "misused"
_FAILED: Final = "failed"


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
    scratch : Path or None
        Folder for the messages that a task is reading.
    schemas : Path or None
        Avro schema of messages that come without theirs, or a folder of ``NUMBER.avsc``.
    edges : dict of str to tuple of float
        Bins in which quantities of the answers are counted, by name; empty if they are not.
    """

    model_config = ConfigDict(ser_json_inf_nan="constants")  # an option may be infinite

    task: str
    bundle: Path
    bundle_hash: str
    read: dict[str, JsonValue] = Field(default_factory=dict)
    predict: dict[str, JsonValue] = Field(default_factory=dict)
    format: Literal["parquet", "jsonl"] = "parquet"
    memory: int
    seconds: float
    provenance: str = ""
    scratch: Path | None = None
    schemas: Path | None = None
    edges: dict[str, tuple[float, ...]] = Field(default_factory=dict)


class _Line(Config):
    """What is read from a line of JSON for each record.

    Its strings are new ones each time: pydantic would keep the last 16,384 of them, 2 MB.
    """

    model_config = ConfigDict(cache_strings="keys")


class Item(_Line):
    """A record to be answered."""

    id: str
    name: str
    path: Path
    sha256: str = ""
    """Of the content that was noted; empty if it was not read."""
    start: int | None = None
    """Of a message, where it begins in the pack that is at `path` [byte]."""
    size: int = 0
    """Of a message [byte]."""

    @classmethod
    def of(cls, record: Record) -> Self:
        """Return what a worker needs to know of a record."""
        item = cls(id=record.id, name=record.name, path=record.path, sha256=record.sha256)
        if record.pack is None:
            return item
        return item.model_copy(update={"start": record.start, "size": record.size})


class Order(_Line):
    """A batch to be answered into files that begin with `stem`.

    Parameters
    ----------
    items : tuple of Item
        The records.
    stem : Path
        Beginning of the paths of the files.
    together : bool
        Whether they may be answered all at once.
    """

    kind: Literal["answer"] = "answer"
    items: tuple[Item, ...]
    stem: Path
    together: bool = False


class Recall(_Line):
    """A record that was answered before the worker was started, for one that remembers."""

    kind: Literal["recall"] = "recall"
    item: Item


ORDERS: TypeAdapter[Order | Recall] = TypeAdapter(
    Annotated[Order | Recall, Field(discriminator="kind")],
    config=ConfigDict(cache_strings="keys"),
)
"""What a worker may be told after its settings."""


class StagedFile(_Line):
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


class Reply(_Line):
    """What the worker says.

    ``ready`` once, and whether it remembers earlier records; ``recalled`` for each of these, and
    whether `more` matter. For each record of an order ``begin`` and then ``answered``, ``refused``
    or ``replaced``, or ``begin-together`` and then what became of each; ``end`` with the files
    after the last, and the `profile` of what was answered. ``failed``, ``misused`` or
    ``unwritable`` is its last word: the fault lies not with a record, and the service has to stop.
    """

    kind: Literal[
        "ready",
        "recalled",
        "begin",
        "begin-together",
        "answered",
        "refused",
        "replaced",
        "end",
        "failed",
        "misused",
        "unwritable",
    ]
    id: str = ""
    rows: int = 0
    reason: str = ""
    remedy: str = ""
    path: Path | None = None
    files: tuple[StagedFile, ...] = ()
    profile: str = ""
    remembers: bool = False
    more: bool = False

    @classmethod
    def of_error(cls, error: SkysiftError) -> Self:
        """Return the last word of a worker that cannot go on."""
        if isinstance(error, OutputError):
            kind = _UNWRITABLE
        else:
            kind = _MISUSED if error.exit_code == UsageError.exit_code else _FAILED
        return cls(kind=kind, reason=error.problem, remedy=error.remedy, path=error.path)

    @property
    def error(self) -> SkysiftError | None:
        """What the service ends with, if this is a last word."""
        of_kind = {_UNWRITABLE: OutputError, _MISUSED: UsageError, _FAILED: SkysiftError}
        found = of_kind.get(self.kind)
        return None if found is None else found(self.reason, self.remedy, path=self.path)
