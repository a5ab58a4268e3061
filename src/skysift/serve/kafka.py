"""Topics of Kafka as a source: no message is lost, and none belongs to two services of a group.

Each look ends in three steps: the messages are written into a pack and forced to disk; their
offsets are committed, with the name of this service; they are noted in the ledger. Whatever goes
wrong between them, the consumer is begun anew, and packs that the ledger does not know are decided
by what the broker says, see :mod:`skysift.serve.ownership`.
"""

import hashlib
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from skysift.serve import ownership
from skysift.serve.journal import log
from skysift.serve.kafka_client import client, client_settings, silent
from skysift.serve.packs import Packed, PackStore, read_pack
from skysift.serve.source_options import KafkaOptions
from skysift.serve.sources import tell_refused
from skysift.serve.spool import Spool

__all__ = ["KafkaSource"]

Place = tuple[str, int]  # topic and partition

_COMMIT_SECONDS = 10.0
_ASK_SECONDS = 5.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0  # s from one attempt to reach the broker to the next
_DECIDE = 2.0  # s from one attempt to decide about a pack to the next
_COUNT = 0.5  # s from one count of the backlog to the next
_SUFFIXES = {b"Obj\x01": ".avro", b"SIMP": ".fits", b"\x1f\x8b": ".gz", b"PAR1": ".parquet"}


class _AwayError(Exception):
    """The broker did not do what it was asked for."""


class KafkaSource:
    """Reads topics as a member of a consumer group.

    Parameters
    ----------
    options : KafkaOptions
        Which topics, and of whom.
    record_bytes : int
        A larger message is quarantined unread.
    spool : Spool
        Where messages are noted.
    store : PackStore
        Where they are kept.

    Raises
    ------
    MissingExtraError
        If confluent-kafka is not installed.
    """

    def __init__(
        self, options: KafkaOptions, record_bytes: int, spool: Spool, store: PackStore
    ) -> None:
        self._options = options
        self._record_bytes = record_bytes
        self._spool = spool
        self._store = store
        self._kafka = client()
        self._owner = store.owner()
        self._consumer: Any = None
        self._held: list[Any] = []
        self._histories: dict[Place, ownership.History] = {}
        self._at_end: set[Place] = set()
        self._acknowledged: list[list[Any]] = []
        self._undecided: list[Path] = []
        self._next_decision = 0.0
        self._lost = False
        self._assigned: set[Place] = set()
        self._reason = ""
        self._pause = _FIRST_PAUSE
        self._next_attempt = 0.0
        self._next_count = 0.0
        self._room = (0, 0)  # messages and bytes until the backlog is counted again
        self._full = False

    @property
    def settling(self) -> int:
        """Number of messages and packs that were received and are not noted yet."""
        return len(self._held) + len(self._undecided)

    @property
    def wait(self) -> float:
        """No time: the wait for messages is the wait."""
        return 0.0

    def collect(self, seconds: float) -> bool:
        """Take messages for about so long; tell whether there are no more for now.

        Raises
        ------
        OutputError
            If they cannot be kept. Nothing of that was acknowledged.
        """
        enough = time.monotonic() + seconds
        while time.monotonic() < enough:
            try:
                if self._consumer is None and not self._begin():
                    return False
                self._throttle()
                self._receive()
                self._decide_all()
                if not self._held:
                    return bool(self._assigned) and self._at_end >= self._assigned
                self._take()
            except (_AwayError, self._kafka.KafkaException) as error:
                self._give_up(str(error))
                return False
        return False

    def close(self) -> None:
        """Leave the group, so that others need not wait for this member."""
        consumer, self._consumer = self._consumer, None
        self._held = []
        if consumer is not None:
            consumer.close()

    # --- the consumer ---------------------------------------------------------------------------

    def _begin(self) -> bool:
        """Join the group; tell whether that could be done."""
        pause = self._next_attempt - time.monotonic()
        if pause > 0:
            time.sleep(min(pause, _FIRST_PAUSE))
            return False
        options = self._options
        settings = client_settings(options.servers, options.settings, options.properties)
        self._consumer = self._kafka.Consumer(
            silent(
                {
                    "partition.assignment.strategy": "cooperative-sticky",
                    "queued.max.messages.kbytes": 65_536,
                    **settings,
                    "group.id": options.group,
                    "auto.offset.reset": options.begin,
                    "enable.auto.commit": False,
                    "enable.auto.offset.store": False,
                    "enable.partition.eof": True,
                    "error_cb": self._on_error,
                    "on_commit": self._on_commit,
                }
            )
        )
        self._lost = False
        self._undecided = self._store.unnoted(self._spool)
        self._next_decision = 0.0
        self._consumer.subscribe(
            list(options.topics),
            on_assign=self._on_assign,
            on_revoke=self._on_revoke,
            on_lost=self._on_lost,
        )
        return True

    def _give_up(self, reason: str) -> None:
        """Leave the consumer, to begin another one after a while."""
        self._tell_away(reason)
        self.close()
        self._histories, self._assigned, self._at_end = {}, set(), set()
        self._next_attempt = time.monotonic() + self._pause
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)

    def _on_assign(self, consumer: Any, partitions: list[Any]) -> None:
        """Begin where the group is, and find out who was there before."""
        committed = consumer.committed(partitions, timeout=_ASK_SECONDS)
        for partition in committed:
            _raise_if(partition.error)
            place = (partition.topic, partition.partition)
            history = ownership.read(partition.metadata)
            first = max(partition.offset, 0)
            self._histories[place] = ownership.begun(history, self._owner, first)
            self._assigned.add(place)
            self._at_end.discard(place)
        consumer.incremental_assign(committed)
        if self._full:
            consumer.pause(committed)
        log(logging.INFO, "assigned", partitions=_named(self._assigned))
        self._tell_back()

    def _on_revoke(self, consumer: Any, partitions: list[Any]) -> None:
        """Forget what was received and not taken: whoever is next will get it."""
        places = {(partition.topic, partition.partition) for partition in partitions}
        self._held = [m for m in self._held if (m.topic(), m.partition()) not in places]
        self._assigned -= places
        self._at_end -= places
        consumer.incremental_unassign(partitions)
        log(logging.INFO, "revoked", partitions=_named(places))

    def _on_lost(self, consumer: Any, partitions: list[Any]) -> None:
        """Begin anew: the group has gone on without this member."""
        self._on_revoke(consumer, partitions)
        self._lost = True

    def _on_error(self, error: Any) -> None:
        self._tell_away(error.str())

    # --- messages -------------------------------------------------------------------------------

    def _throttle(self) -> None:
        """Ask for no more messages while too many wait to be answered."""
        if time.monotonic() < self._next_count and min(self._room) > 0:
            return
        self._next_count = time.monotonic() + _COUNT
        options = self._options
        records = options.backlog - self._spool.backlog()
        self._room = (records, options.backlog_bytes - self._spool.packed_bytes())
        full = min(self._room) <= 0
        if full != self._full:
            self._full = full
            change = self._consumer.pause if full else self._consumer.resume
            change(self._consumer.assignment())
            log(logging.INFO, "paused" if full else "resumed")

    def _receive(self) -> None:
        """Wait for a message, and take up those that are there with it."""
        room = self._options.batch - len(self._held)
        message = self._consumer.poll(0.0 if self._held else self._options.poll)
        if self._lost:
            raise _AwayError("The group has gone on without this service.")
        if message is None:
            return
        found = [message]
        if room > 1:
            found += self._consumer.consume(room - 1, 0.01)
        for one in found:
            self._sort(one)

    def _sort(self, message: Any) -> None:
        """Hold a message; an event that is none is noted or told."""
        error = message.error()
        place = (message.topic(), message.partition())
        if error is None:
            self._held.append(message)
            self._at_end.discard(place)
        elif error.code() == self._kafka.KafkaError._PARTITION_EOF:  # noqa: SLF001  # its public name
            self._at_end.add(place)
        elif error.fatal():
            raise _AwayError(error.str())
        else:
            self._tell_away(error.str())

    def _take(self) -> None:
        """Keep what was received, acknowledge it, and note it."""
        held, self._held = self._held, []
        path, packed = self._store.write(map(self._packed, held))
        self._commit(packed)
        self._note(path, packed)

    def _packed(self, message: Any) -> Packed:
        data = message.value() or b""
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        suffix = next((end for head, end in _SUFFIXES.items() if data.startswith(head)), "")
        if not suffix and data[:1] == b"\x00":
            suffix = ".avro"  # as which the worker gives it to the task
        name = f"{topic}-{partition}-{offset}{suffix}"
        source = self._options.name or f"kafka:{topic}"
        _, moment = message.timestamp()
        sha256 = hashlib.sha256(data).hexdigest()
        return Packed(source, name, topic, partition, offset, moment / 1000, sha256, data)

    def _note(self, path: Path, packed: Sequence[Packed]) -> None:
        now = time.time()
        messages = [item.message(now, self._record_bytes) for item in packed]
        new = self._spool.add_messages(path, messages)
        records, size = self._room
        self._room = (records - new, size - sum(message.size for message in messages))
        log(logging.INFO, "arrived", messages=len(messages), records=new)
        for message in messages:
            if message.reason:
                tell_refused(message.id, message.name, message.reason)
        if self._options.record is not None:
            self._store.copy(path, self._options.record)

    # --- offsets --------------------------------------------------------------------------------

    def _commit(self, packed: Sequence[Packed]) -> None:
        """Acknowledge messages that are safe, and wait until the broker says that it knows.

        The client's own wait does not end before the session of a broker that is away.
        """
        last: dict[Place, int] = {}
        for item in packed:
            place = (item.topic, item.partition)
            last[place] = max(item.offset + 1, last.get(place, 0))
        self._acknowledged = []
        self._consumer.commit(
            offsets=[
                self._kafka.TopicPartition(
                    *place, offset, metadata=ownership.written(self._histories[place])
                )
                for place, offset in last.items()
            ],
            asynchronous=True,
        )
        self._await_commit()
        for partition in self._acknowledged[0]:
            _raise_if(partition.error)

    def _await_commit(self) -> None:
        """Hold what comes meanwhile: to ask for callbacks is to ask for messages."""
        deadline = time.monotonic() + _COMMIT_SECONDS
        paused = False
        while not self._acknowledged:
            if time.monotonic() > deadline:
                raise _AwayError(f"It did not acknowledge a commit within {_COMMIT_SECONDS:g} s.")
            message = self._consumer.poll(0.05)
            if message is not None:
                self._sort(message)
            if not paused and len(self._held) >= self._options.batch:
                self._consumer.pause(self._consumer.assignment())
                paused = True
        if paused and not self._full:
            self._consumer.resume(self._consumer.assignment())

    def _on_commit(self, error: Any, partitions: list[Any]) -> None:
        if error is not None:
            raise self._kafka.KafkaException(error)
        self._acknowledged.append(partitions)

    def _decide_all(self) -> None:
        """Decide what can be decided of the packs that were left between two steps."""
        if self._undecided and time.monotonic() > self._next_decision:
            self._next_decision = time.monotonic() + _DECIDE
            self._undecided = [path for path in self._undecided if not self._decide(path)]

    def _decide(self, path: Path) -> bool:
        """Note which messages of a pack are ours; tell whether that is clear.

        It is when the group has gone past them: until then, our own commit may still arrive.
        """
        packed = list(read_pack(path))
        places = sorted({(item.topic, item.partition) for item in packed})
        asked = [self._kafka.TopicPartition(*place) for place in places]
        known = {}
        for partition in self._consumer.committed(asked, timeout=_ASK_SECONDS):
            _raise_if(partition.error)
            place = (partition.topic, partition.partition)
            known[place] = (partition.offset, ownership.read(partition.metadata))
        if any(item.offset >= known[item.topic, item.partition][0] for item in packed):
            return False
        ours = [
            item
            for item in packed
            if ownership.taker(known[item.topic, item.partition][1], item.offset)
            in {self._owner, None}
        ]
        log(logging.INFO, "decided", pack=path.name, messages=len(packed), ours=len(ours))
        self._note(path, ours)
        return True

    # --- what is told ---------------------------------------------------------------------------

    def _tell_away(self, reason: str) -> None:
        if reason != self._reason:  # one line for a night without a broker
            log(logging.WARNING, "source-away", servers=self._options.servers, reason=reason)
        self._reason = reason

    def _tell_back(self) -> None:
        self._pause = _FIRST_PAUSE
        if self._reason:
            log(logging.INFO, "source-back", servers=self._options.servers)
        self._reason = ""


def _named(places: set[Place]) -> list[str]:
    return [f"{topic}/{number}" for topic, number in sorted(places)]


def _raise_if(error: Any) -> None:
    if error is not None:
        raise _AwayError(error.str())
