"""Where records come from: one class of options for each kind of source."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, field_validator

from skysift.core.config import Config
from skysift.serve.secret_file import is_secret

__all__ = [
    "DirectoryOptions",
    "KafkaOptions",
    "ReplayOptions",
    "SourceOptions",
    "kafka_place",
    "refuse_secrets",
]

MIB = 2**20
_SCHEMAS = Field(
    None,
    description="For messages in Confluent's wire format: the writer's Avro schema, or a folder "
    "with NUMBER.avsc for each.",
)


class DirectoryOptions(Config):
    """A folder in which files appear."""

    kind: Literal["directory"] = "directory"
    folder: Path = Field(description="The folder to watch.")
    name: str = Field(
        "",
        description="Identity of the source in the ids of records; the absolute folder if empty.",
    )
    pattern: str = Field("*", description="File names to take, e.g. '*.fits*'.")
    recursive: bool = Field(False, description="Also the folders inside.")
    settle: float = Field(
        1.0,
        ge=0,
        le=3600,
        allow_inf_nan=False,
        description="A file is taken that has not changed for so long [s]; 0 where all files "
        "arrive by being renamed.",
    )
    poll: float = Field(
        0.5, gt=0, le=3600, allow_inf_nan=False, description="From one look to the next [s]."
    )


class KafkaOptions(Config):
    """Topics of Kafka, whose messages are records."""

    kind: Literal["kafka"]
    servers: str = Field(description="Brokers to ask first: HOST:PORT, comma-separated.")
    topics: tuple[str, ...] = Field(min_length=1, description="The topics.")
    group: str = Field(
        "skysift",
        min_length=1,
        description="The consumer group: services of one group share the messages.",
    )
    name: str = Field(
        "", description="Identity of the source in the ids of records; the topic if empty."
    )
    begin: Literal["earliest", "latest"] = Field(
        "earliest", description="Where a group begins that has read nothing yet."
    )
    poll: float = Field(
        0.5, gt=0, le=60, allow_inf_nan=False, description="Longest wait for a message [s]."
    )
    batch: int = Field(500, ge=1, le=10_000, description="Most messages of a pack.")
    backlog: int = Field(
        100_000, ge=1, description="Pending records above which no more messages are asked for."
    )
    backlog_bytes: int = Field(
        10_240 * MIB, ge=1, description="The same for their size on disk [byte]."
    )
    schemas: Path | None = _SCHEMAS
    properties: Path | None = Field(
        None,
        description="File with lines key=value for the Kafka client, such as those of its login; "
        "neither logged nor stored.",
    )
    settings: dict[str, str | int | float | bool] = Field(
        default_factory=dict, description="More keys for the Kafka client that are no secrets."
    )
    keep: float = Field(
        0.0,
        ge=0,
        allow_inf_nan=False,
        description="Messages stay on disk for so long after they arrived [s]: as long as a task "
        "that remembers must be told of them after a restart.",
    )
    record: Path | None = Field(
        None, description="A folder that gets a copy of every message, for a replay."
    )

    @field_validator("settings")
    @classmethod
    def _no_secrets(cls, value: dict[str, Any]) -> dict[str, Any]:
        return refuse_secrets(value)


class ReplayOptions(Config):
    """A stream of the past: a folder of files, or one that was recorded from Kafka."""

    kind: Literal["replay"]
    folder: Path = Field(description="The files, whose times are those of their last change.")
    speed: float = Field(
        1.0,
        ge=0,
        allow_inf_nan=False,
        description="How many times faster than it was; 0: as fast as it can be.",
    )
    name: str = Field(
        "",
        description="Identity of the source when it was no replay; the absolute folder if empty.",
    )
    pattern: str = Field("*", description="File names to take, e.g. '*.fits*'.")
    recursive: bool = Field(False, description="Also the folders inside.")
    schemas: Path | None = _SCHEMAS


def _kind(value: Any) -> str:
    """Return the kind of a source, which is a directory if it does not say."""
    if isinstance(value, dict):
        return str(value.get("kind", "directory"))
    return str(getattr(value, "kind", ""))


SourceOptions = Annotated[
    Annotated[DirectoryOptions, Tag("directory")]
    | Annotated[KafkaOptions, Tag("kafka")]
    | Annotated[ReplayOptions, Tag("replay")],
    Discriminator(_kind),
]
"""Any of these, told apart by its ``kind``."""


def kafka_place(text: str) -> tuple[str, tuple[str, ...]] | None:
    """Return brokers and topics of ``kafka://HOST:PORT/TOPIC,TOPIC``; None if it is none.

    Examples
    --------
    >>> kafka_place("kafka://one:9092,two:9092/ztf,rubin")
    ('one:9092,two:9092', ('ztf', 'rubin'))
    >>> kafka_place("incoming") is None
    True
    """
    found = re.fullmatch(r"kafka://([^/]+)/([\w.,-]+)", text)
    return None if found is None else (found[1], tuple(found[2].split(",")))


def refuse_secrets(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings of a client, which are logged and stored, if none may be a secret.

    Raises
    ------
    ValueError
        If one may be.
    """
    for key in settings:
        if is_secret(key):
            raise ValueError(
                f"'{key}' may be a secret: put it into the file that properties names, or into "
                f"the environment as {_variable(key)}"
            )
    return settings


def _variable(key: str) -> str:
    return f"SKYSIFT_KAFKA_{re.sub(r'[^A-Z0-9]', '_', key.upper())}"
