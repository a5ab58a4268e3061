"""The configuration of a service: where records come from, what predicts, where answers go."""

from pathlib import Path
from typing import Literal

from pydantic import Field, JsonValue

from skysift.core.config import Config
from skysift.serve.alerts.options import AlertOptions
from skysift.serve.drift.options import DriftOptions
from skysift.serve.operations_options import OperationsOptions
from skysift.serve.source_options import (
    DirectoryOptions,
    KafkaOptions,
    ReplayOptions,
    SourceOptions,
)
from skysift.serve.topic_options import TopicOptions

__all__ = [
    "DirectoryOptions",
    "EngineOptions",
    "KafkaOptions",
    "ReplayOptions",
    "SinkOptions",
    "WatchConfig",
]

MIB = 2**20


class SinkOptions(Config):
    """A folder to which answers go."""

    folder: Path = Field(description="Made if it is not there.")
    format: Literal["parquet", "jsonl"] = Field(
        "parquet", description="Parquet, or one JSON object a line."
    )
    longitude: float = Field(
        0.0,
        ge=-180,
        le=180,
        allow_inf_nan=False,
        description="East longitude of the observatory [deg]: nights run there from noon to noon.",
    )


class EngineOptions(Config):
    """How much is done at once, and what a record may cost."""

    latency: float = Field(
        1.0, gt=0, le=3600, description="Time that a batch of records may take [s]."
    )
    batch_records: int = Field(500, ge=1, le=100_000, description="Most records of a batch.")
    record_bytes: int = Field(
        512 * MIB, ge=1, description="A larger record is quarantined unread [byte]."
    )
    record_seconds: float = Field(
        60.0, gt=0, le=86_400, description="Time that one record may take [s]."
    )
    workers: int = Field(
        1,
        ge=1,
        le=64,
        description="Processes that answer at the same time; each loads the model, and computes "
        "with one thread unless the environment has OMP_NUM_THREADS or its like.",
    )
    memory: int = Field(
        2048 * MIB,
        ge=64 * MIB,
        description="What reading and predicting may take on top of the loaded model [byte].",
    )
    keep_days: float = Field(
        90.0,
        ge=0.01,
        allow_inf_nan=False,
        description="An answered record whose file is gone is known for so long [d]: the same "
        "content that comes again after that is answered again.",
    )
    shown_bytes: int = Field(
        64 * MIB,
        ge=0,
        description="The newest answered messages of a stream stay on disk, as many as fit [byte]: "
        "the live page shows their pictures.",
    )
    start_seconds: float = Field(
        300.0, gt=0, le=3600, description="Time that the worker may take to start [s]."
    )


class WatchConfig(Config):
    """A service.

    Examples
    --------
    >>> from skysift.core.config import build_config
    >>> config = build_config(
    ...     WatchConfig,
    ...     {"task": "gamma-sky", "source": {"folder": "night"}, "sink": {"folder": "found"}},
    ... )
    >>> config.engine.latency, config.state_folder.as_posix()
    (1.0, 'found/.skysift')
    """

    task: str = Field(description="What predicts.")
    bundle: str | None = Field(
        None, description="A bundle folder, or the name of one that ships with the task."
    )
    source: SourceOptions
    sink: SinkOptions
    engine: EngineOptions = EngineOptions()
    operations: OperationsOptions = OperationsOptions()
    alerts: AlertOptions | None = Field(
        None, description="What is worth an alert, and who is told; without it there is none."
    )
    drift: DriftOptions = DriftOptions()
    topic: TopicOptions | None = Field(
        None, description="A topic of Kafka that gets the rows as well, after the files."
    )
    read: dict[str, JsonValue] = Field(
        default_factory=dict, description="How records are read: the task's ReadOptions."
    )
    predict: dict[str, JsonValue] = Field(
        default_factory=dict, description="What is asked for: the task's PredictOptions."
    )

    @property
    def state_folder(self) -> Path:
        """The hidden folder in the sink with the spool and what is not published yet."""
        return state_folder(self.sink.folder)


def state_folder(sink: Path) -> Path:
    """Return the hidden folder of a sink; what reads a folder of tables passes it over."""
    return sink / ".skysift"
