"""From pending records to published answers, batch by batch."""

import logging
import secrets
import time
from dataclasses import dataclass, field

from skysift.core.errors import OutputError, SkysiftError
from skysift.serve.config import MIB, EngineOptions
from skysift.serve.journal import log
from skysift.serve.messages import Item, Order, Reply, StagedFile
from skysift.serve.publish import Publisher
from skysift.serve.records import Batch, Record
from skysift.serve.spool import Spool
from skysift.serve.worker_process import WorkerDiedError, WorkerProcess

__all__ = ["Engine"]

_BATCH_BYTES = 64 * MIB  # a record that is larger than this is alone in its batch
_FIRST = 10
"""Records of the first batch, when nothing is known of how long one takes, and after a death: were
it the largest allowed, somebody who kills us again and again would never let us finish it."""
_SHORTEST = 1e-6  # s: no record takes less
_STRIKES = 2
_STRIKES_BY_OTHERS = 5  # whoever ended the worker may have had nothing against the record
_STILLBIRTHS = 5  # deaths without a record in hand, one after the other


@dataclass
class _Outcome:
    """What a worker has said of the records of an order."""

    answered: dict[str, int] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    replaced: list[str] = field(default_factory=list)
    files: tuple[StagedFile, ...] = ()
    begun: str = ""
    together: bool = False

    def take(self, reply: Reply) -> None:
        """Note a reply."""
        self.begun = reply.id if reply.kind == "begin" else ""
        self.together = reply.kind == "begin-together"
        if reply.kind == "answered":
            self.answered[reply.id] = reply.rows
        elif reply.kind == "refused":
            self.refused[reply.id] = reply.reason
        elif reply.kind == "replaced":
            self.replaced.append(reply.id)
        elif reply.kind == "end":
            self.files = reply.files


class Engine:
    """Has batches answered, and sees to it that each record comes to one end.

    Parameters
    ----------
    spool : Spool
        Where the records are.
    worker : WorkerProcess
        What answers.
    publisher : Publisher
        Where the answers go.
    options : EngineOptions
        How much is done at once.
    bundle : str
        Hash of the bundle.
    """

    def __init__(
        self,
        spool: Spool,
        worker: WorkerProcess,
        publisher: Publisher,
        options: EngineOptions,
        bundle: str,
    ) -> None:
        self._spool = spool
        self._worker = worker
        self._publisher = publisher
        self._options = options
        self._bundle = bundle
        self._seconds_per_record: float | None = None
        self._stillbirths = 0
        self._suspects: set[str] = set()  # a worker died over them all: they are answered singly

    def step(self) -> bool:
        """Have the next batch answered and publish it; tell whether there was one.

        Raises
        ------
        OutputError
            If the answers cannot be written: their records are still pending.
        SkysiftError
            If the worker cannot be started, or says that it cannot go on.
        """
        records = self._next_records()
        if not records:
            return False
        started = time.monotonic()
        outcome = _Outcome()
        order = self._order(records)
        try:
            self._worker.start()
            started = time.monotonic()  # the load of a model says nothing of the records
            for reply in self._worker.run(order):
                outcome.take(reply)
        except WorkerDiedError as death:
            self._seconds_per_record = None
            self._publisher.discard(order.stem)
            if outcome.together:
                self._suspect(death, records)
            else:
                self._bury(death, {record.id: record for record in records}.get(outcome.begun))
            return True
        self._stillbirths = 0
        self._suspects.difference_update(record.id for record in records)
        self._finish(records, outcome)
        if outcome.replaced and self._worker.remembers:
            self._worker.stop()  # what it remembers of them was never answered
        self._learn((time.monotonic() - started) / len(records))
        self._tell(records, outcome, time.monotonic() - started)
        return True

    def _next_records(self) -> list[Record]:
        """Return as many records as the latency allows, all of one night."""
        most = _FIRST
        if self._seconds_per_record is not None:
            most = max(1, int(self._options.latency / max(self._seconds_per_record, _SHORTEST)))
        most = min(most, self._options.batch_records)
        records = self._spool.next_records(most, _BATCH_BYTES)
        nights = [self._publisher.night(record) for record in records]
        return [record for record, night in zip(records, nights, strict=True) if night == nights[0]]

    def _order(self, records: list[Record]) -> Order:
        items = tuple(map(Item.of, records))
        together = self._suspects.isdisjoint(record.id for record in records)
        attempt = f"{records[0].sequence:010}-{secrets.token_hex(4)}"
        stem = self._publisher.staging / attempt
        return Order(items=items, stem=stem, together=together)

    def _finish(self, records: list[Record], outcome: _Outcome) -> None:
        """Note and publish what a batch came to, in the order that no kill can harm."""
        files = self._publisher.planned(
            self._publisher.night(records[0]), records[0].sequence, outcome.files
        )
        batch = Batch(outcome.answered, outcome.refused, outcome.replaced, tuple(files))
        number = self._spool.prepare(batch, self._bundle)
        if not self._publisher.publish(files):
            raise OutputError(
                "Somebody has removed answers before they were published.",
                "Start the service again: it makes them anew. Leave its staging folder alone.",
                path=self._publisher.staging,
            )
        self._spool.publish(number)

    def _learn(self, seconds: float) -> None:
        """Follow the time that a record takes, half of it the last batch's."""
        before = self._seconds_per_record
        self._seconds_per_record = seconds if before is None else (before + seconds) / 2

    def _suspect(self, death: WorkerDiedError, records: list[Record]) -> None:
        """Have the records that were answered together tried singly: the culprit will be found."""
        log(logging.WARNING, "worker-died", reason=death.reason, records=len(records))
        self._suspects.update(record.id for record in records)

    def _bury(self, death: WorkerDiedError, record: Record | None) -> None:
        """Count a death against the record that the worker had in hand, if it had one."""
        if record is None:
            self._stillbirths += 1
            log(logging.WARNING, "worker-died", reason=death.reason)
            if self._stillbirths >= _STILLBIRTHS:
                raise SkysiftError(
                    f"The worker died {_STILLBIRTHS} times before it read a record: "
                    f"{death.reason}.",
                    "See worker.log beside the spool.",
                )
            return
        self._stillbirths = 0
        strikes = self._spool.strike(record.id)
        log(
            logging.WARNING,
            "worker-died",
            reason=death.reason,
            record=record.id,
            input=record.name,
            strikes=strikes,
        )
        if strikes >= (_STRIKES_BY_OTHERS if death.by_others else _STRIKES):
            times = "twice" if strikes == _STRIKES else f"{strikes} times"
            reason = f"It ended the worker {times}; the last time: {death.reason}."
            self._spool.publish(
                self._spool.prepare(Batch(refused={record.id: reason}), self._bundle)
            )
            _tell_refused(record, reason)

    def _tell(self, records: list[Record], outcome: _Outcome, seconds: float) -> None:
        log(
            logging.INFO,
            "batch",
            records=len(records),
            answered=len(outcome.answered),
            rows=sum(outcome.answered.values()),
            quarantined=len(outcome.refused),
            seconds=round(seconds, 4),
            oldest_seconds=round(time.time() - records[0].arrived, 4),
        )
        for record in records:
            if record.id in outcome.refused:
                _tell_refused(record, outcome.refused[record.id])
            elif record.id in outcome.replaced:
                log(logging.WARNING, "replaced", record=record.id, input=record.name)


def _tell_refused(record: Record, reason: str) -> None:
    log(logging.WARNING, "quarantined", record=record.id, input=record.name, reason=reason)
