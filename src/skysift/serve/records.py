"""What is known of a record, and of the batch that it was answered in."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from pydantic import Field

from skysift.core.config import Config

__all__ = ["Arrival", "Batch", "Message", "OutputFile", "Record", "State", "night_of"]


class State(StrEnum):
    """What has become of a record."""

    PENDING = "pending"
    DONE = "done"
    QUARANTINED = "quarantined"
    RETRACTED = "retracted"


@dataclass(frozen=True, slots=True)
class Arrival:
    """A file that a source has noticed.

    Parameters
    ----------
    id : str
        SHA-256 of the source's identity and the content: the same record, however often and under
        whatever name it arrives, has the same id.
    name : str
        Of the file, relative to the source, for people.
    path : Path
        Where it is.
    sha256 : str
        Of the content; empty if it is too large to be read.
    size : int
        [byte].
    inode, modified : int
        Of the file as it was read; time in nanoseconds.
    arrived : float
        When it was noticed, Unix time [s].
    reason : str
        Why it is quarantined at once; empty if it is not.
    """

    id: str
    name: str
    path: Path
    sha256: str
    size: int
    inode: int
    modified: int
    arrived: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """A record that is no file of its own, but part of a pack of such.

    Parameters
    ----------
    id, name, sha256, size, arrived, reason
        As of :class:`Arrival`.
    start : int
        Where it begins in the pack [byte].
    """

    id: str
    name: str
    sha256: str
    size: int
    start: int
    arrived: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """A record as the spool knows it.

    Parameters
    ----------
    sequence : int
        Order of arrival.
    id, name, path, sha256, size, arrived
        As of :class:`Arrival`.
    state : State
    strikes : int
        How often the worker has died of it.
    reason : str
        Why it is quarantined or retracted.
    bundle : str
        Hash of the bundle that answered or refused it, empty before that.
    rows : int
        Of the answer.
    finished : float or None
        When it left the pending, Unix time [s].
    pack : str or None
        Of a message, the name of the pack that has it; its path is that of the pack.
    start : int
        Where it begins there [byte].
    """

    sequence: int
    id: str
    name: str
    path: Path
    sha256: str
    size: int
    arrived: float
    state: State
    strikes: int
    reason: str
    bundle: str
    rows: int
    finished: float | None
    pack: str | None
    start: int


class OutputFile(Config):
    """A file with answers, written but not yet where readers look.

    Parameters
    ----------
    staged : str
        Path in the staging folder, relative to the sink.
    final : str
        Path where it will appear, relative to the sink.
    """

    staged: str = Field(min_length=1)
    final: str = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Batch:
    """What became of some records.

    Parameters
    ----------
    answered : dict of str to int
        Ids with the numbers of rows.
    refused : dict of str to str
        Ids with reasons.
    replaced : list of str
        Ids of those whose file is gone, or no more what it was when it arrived.
    files : tuple of OutputFile
        Where the rows are.
    profile : str
        How many rows fall into which bins, as :class:`skysift.serve.drift.profile.Profile` has it.
    """

    answered: dict[str, int] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    replaced: list[str] = field(default_factory=list)
    files: tuple[OutputFile, ...] = ()
    profile: str = ""


def night_of(arrived: float, longitude: float = 0.0) -> date:
    """Return the date on which a night began: it runs from noon to noon of mean solar time.

    Parameters
    ----------
    arrived : float
        Unix time [s].
    longitude : float
        East longitude [deg].

    Examples
    --------
    >>> morning = datetime(2026, 11, 22, 3, tzinfo=UTC).timestamp()
    >>> night_of(morning).isoformat(), night_of(morning, longitude=-155.5).isoformat()
    ('2026-11-21', '2026-11-21')
    >>> night_of(morning, longitude=149.1).isoformat()  # past noon in Siding Spring
    '2026-11-22'
    """
    local = datetime.fromtimestamp(arrived, UTC) + timedelta(hours=longitude / 15 - 12)
    return local.date()
