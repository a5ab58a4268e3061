"""What a run is cut into, what it leaves in its folder, and what a worker is told and says."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, JsonValue

from skysift.core.config import Config
from skysift.core.jobs import Piece
from skysift.core.provenance import InputRecord

__all__ = ["Job", "Outcome", "Partition", "Refusal", "content_key", "cut"]

_SCHEME = 1  # of keys and names: with another one, all is computed anew
_KEY_LENGTH = 20  # hexadecimal digits: 80 bits


class Job(Config):
    """What all partitions of a run have in common.

    Parameters
    ----------
    task : str
        As on the command line.
    bundle : Path
        Its folder, which every worker can read.
    bundle_name, bundle_hash : str
        Of the bundle that the run was started with: another one is refused.
    read, predict : mapping
        Options, with the names of files made absolute.
    also : tuple of InputRecord
        Files that the options name.
    threads : int
        Of the model.
    out : Path
        The folder of the results.
    command : str
        As it was typed.
    skysift : str
        Version.
    """

    task: str
    bundle: Path
    bundle_name: str
    bundle_hash: str
    read: dict[str, JsonValue]
    predict: dict[str, JsonValue]
    also: tuple[InputRecord, ...] = ()
    threads: int = 1
    out: Path
    command: str
    skysift: str

    def config(self, read: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options of a piece that reads so, for its record."""
        return {**self.read, **read, **self.predict}


class Partition(Config):
    """Pieces of the input that give one file of the output.

    Parameters
    ----------
    number : int
        Its place among all partitions, from 0: the order of rows.
    pieces : tuple of Piece
        With the same read options.
    """

    number: int
    pieces: tuple[Piece, ...]


class Refusal(Config):
    """A piece of the input that cannot be used, as it is written down in the quarantine.

    Parameters
    ----------
    path : str
        The file.
    reason : str
        For people.
    key : str
        Of its content, the bundle and the options: only if one of them changes it is tried again.
    when : str
        UTC.
    """

    path: str
    reason: str
    key: str
    when: str


class Outcome(Config):
    """What became of a partition.

    Parameters
    ----------
    number : int
        Of the partition.
    state : str
        ``written``, ``kept`` from an earlier run, ``empty`` if none of its pieces can be used, or
        ``failed`` by no fault of theirs.
    name : str
        The file of the output, if there is one.
    counts : mapping of str to int
        As :meth:`skysift.core.task.Task.predict_files` returns them.
    rows : int
        Of the output.
    columns : tuple of str
        Name and type of each.
    refused : tuple of Refusal
        Pieces that are not in the output.
    seconds, processor_seconds : float
        That it took.
    peak_memory : int
        Most bytes that the process held until then.
    kind, problem, remedy, path : str
        Why it failed: the error and its fields.
    """

    number: int
    state: Literal["written", "kept", "empty", "failed"]
    name: str = ""
    counts: dict[str, int] = Field(default_factory=dict)
    rows: int = 0
    columns: tuple[str, ...] = ()
    refused: tuple[Refusal, ...] = ()
    seconds: float = 0.0
    processor_seconds: float = 0.0
    peak_memory: int = 0
    kind: str = ""
    problem: str = ""
    remedy: str = ""
    path: str = ""


def cut(pieces: Sequence[Piece], together: int) -> list[Partition]:
    """Return partitions of so many consecutive pieces, fewer where their read options change.

    Examples
    --------
    >>> pieces = [Piece(Path(name)) for name in "abc"]
    >>> [[piece.path.name for piece in part.pieces] for part in cut(pieces, 2)]
    [['a', 'b'], ['c']]
    """
    groups: list[tuple[Piece, ...]] = []
    for _, alike in groupby(pieces, key=lambda piece: dict(piece.read)):
        found = list(alike)
        groups += [
            tuple(found[start : start + together]) for start in range(0, len(found), together)
        ]
    return [Partition(number=number, pieces=group) for number, group in enumerate(groups)]


def content_key(job: Job, read: Mapping[str, Any], inputs: Iterable[InputRecord]) -> str:
    """Return a key that changes with the inputs, the bundle, the options and the version.

    Parameters
    ----------
    job : Job
        Bundle, options and version.
    read : mapping
        Read options of the piece.
    inputs : iterable of InputRecord
        With their hashes.
    """
    files = [(record.path, record.sha256) for record in (*inputs, *job.also)]
    said = {
        "scheme": _SCHEME,
        "skysift": job.skysift,
        "task": job.task,
        "bundle": job.bundle_hash,
        "config": job.config(read),
        "inputs": files,
    }
    text = json.dumps(said, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_KEY_LENGTH]
