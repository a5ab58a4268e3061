"""A topic of Kafka that gets the published rows as well, for those who listen to answers.

The files of the sink come first: what is in them is safe, and a broker that is away holds nothing
up. Rows follow in the order of the batches, each at least once. The note of how far that has come
is made after the broker has acknowledged a batch: killed between the two, a service sends that
batch again, with the same keys and numbers.
"""

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from skysift.core.errors import OutputError, ReadError
from skysift.serve.config import state_folder
from skysift.serve.disk import flush_file, flush_folder
from skysift.serve.kafka_client import client, client_settings, silent
from skysift.serve.spool import Spool
from skysift.serve.staging import RECORD_COLUMN, json_line
from skysift.serve.topic_options import TopicOptions

__all__ = ["TopicFollower"]

_AT_ONCE = 20  # batches of one call
_SECONDS = 10.0  # that a call may wait for the broker
_ROWS = 1000  # in memory
_FULL = 0.1  # s to wait when the client can hold no more
_NOTE = "topic.json"


class TopicFollower:
    """Sends published rows to a topic.

    Parameters
    ----------
    options : TopicOptions
        Which, and of whom.

    Raises
    ------
    MissingExtraError
        If confluent-kafka is not installed.
    """

    name = "topic"

    def __init__(self, options: TopicOptions) -> None:
        self._options = options
        self._kafka = client()
        self._producer: Any = None
        self._failures: list[str] = []

    def follow(self, spool: Spool, folder: Path) -> None:
        """Send some of what is new and note how far that has come.

        Raises
        ------
        OutputError
            If the broker does not take it, or a file is gone: the batch is sent again later.
        """
        note = state_folder(folder) / _NOTE
        place = [self._options.servers, self._options.topic]
        batches = spool.published(_read(note, place), _AT_ONCE)
        if not batches:
            return
        deadline = time.monotonic() + _SECONDS
        for number, files in batches:
            if files:
                self._send(number, [folder / file.final for file in files], deadline)
            _write(note, place, number)

    def close(self) -> None:
        """Let go of the broker; what it has not taken is sent again."""
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.purge()
            producer.poll(0)

    def _send(self, number: int, files: list[Path], deadline: float) -> None:
        """Send a batch and wait until the broker has all of it."""
        producer = self._producer = self._producer or self._begin()
        self._failures = []
        try:
            for place, row in enumerate(row for file in files for row in _rows(file)):
                headers = [("batch", str(number)), ("row", str(place))]
                self._produce(row, headers, deadline)
            left = producer.flush(max(0.0, deadline - time.monotonic()))
            if left or self._failures:
                raise self._refusal(self._failures[0] if self._failures else "it does not answer")
        except self._kafka.KafkaException as error:
            raise self._refusal(str(error)) from error

    def _produce(
        self, row: Mapping[str, Any], headers: list[tuple[str, str]], deadline: float
    ) -> None:
        while True:
            try:
                self._producer.produce(
                    self._options.topic,
                    json_line(row).rstrip().encode(),
                    key=str(row[RECORD_COLUMN]),
                    headers=headers,
                    on_delivery=self._delivered,
                )
            except BufferError:
                if time.monotonic() > deadline:
                    raise self._refusal("it does not answer") from None
                self._producer.poll(_FULL)
            else:
                self._producer.poll(0)
                return

    def _begin(self) -> Any:
        options = self._options
        settings = client_settings(options.servers, options.settings, options.properties)
        return self._kafka.Producer(
            silent({"linger.ms": 5, "compression.type": "zstd", **settings})
            | {"enable.idempotence": True}
        )

    def _delivered(self, error: Any, _message: Any) -> None:
        if error is not None:
            self._failures.append(error.str())

    def _refusal(self, reason: str) -> OutputError:
        self.close()
        return OutputError(
            f"The topic {self._options.topic} does not take the rows: {reason}.",
            "They are in the files of the sink, and are sent again.",
        )


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a published file."""
    try:
        if path.suffix == ".parquet":
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(_ROWS):
                    yield from batch.to_pylist()
            return
        with path.open(encoding="utf-8") as lines:
            yield from map(json.loads, lines)
    except OSError as error:
        raise ReadError(
            f"A published file cannot be read: {error.strerror or error}.",
            "Put it back: its rows were not sent yet.",
            path=path,
        ) from error


def _read(note: Path, place: list[str]) -> int:
    """Return the last batch that was sent to a place."""
    try:
        found = json.loads(note.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return 0
    except (OSError, ValueError) as error:
        raise ReadError(
            "The note of what was sent to the topic cannot be read.",
            "Mend it, or remove it: then all is sent again.",
            path=note,
        ) from error
    return int(found.get(" ".join(place), 0))


def _write(note: Path, place: list[str], number: int) -> None:
    part = note.with_suffix(".part")
    try:
        part.write_text(json.dumps({" ".join(place): number}), encoding="utf-8")
        flush_file(part)
        part.replace(note)
        flush_folder(note.parent)
    except OSError as error:
        raise OutputError(
            f"Cannot write here: {error.strerror}.", "Check that the disk has room.", path=note
        ) from error
