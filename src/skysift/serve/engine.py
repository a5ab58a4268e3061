"""From pending records to published answers, batch by batch."""

import logging
import secrets
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
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
    profile: str = ""
    begun: str = ""
    together: bool = False
    death: WorkerDiedError | None = None
    seconds: float = 0.0

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
            self.profile = reply.profile


@dataclass(frozen=True)
class _Errand:
    """A batch in the hands of a worker."""

    worker: WorkerProcess
    records: list[Record]
    order: Order


class Engine:
    """Has batches answered, and sees to it that each record comes to one end.

    Parameters
    ----------
    spool : Spool
        Where the records are.
    workers : sequence of WorkerProcess
        What answers, each a batch at a time.
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
        workers: Sequence[WorkerProcess],
        publisher: Publisher,
        options: EngineOptions,
        bundle: str,
    ) -> None:
        self._spool = spool
        self._free = list(workers)
        self._pool = ThreadPoolExecutor(len(workers), "worker")
        self._errands: dict[Future[_Outcome], _Errand] = {}
        self._publisher = publisher
        self._options = options
        self._bundle = bundle
        self._seconds_per_record: float | None = None
        self._stillbirths = 0
        self._suspects: set[str] = set()  # a worker died over them all: they are answered singly

    def step(self, *, begin: bool = True) -> bool:
        """Give every free worker a batch, wait for the first to end and publish what it answered.

        Parameters
        ----------
        begin : bool
            Whether to give any, or only to end what was begun.

        Returns
        -------
        bool
            Whether there was anything to do.

        Raises
        ------
        OutputError
            If the answers cannot be written: their records are still pending.
        SkysiftError
            If a worker cannot be started, or says that it cannot go on.
        """
        while begin and self._free and (records := self._next_records()):
            errand = _Errand(self._free.pop(), records, self._order(records))
            self._errands[self._pool.submit(_ask, errand)] = errand
        if not self._errands:
            return False
        for done in wait(self._errands, return_when=FIRST_COMPLETED).done:
            errand = self._errands.pop(done)
            self._free.append(errand.worker)
            self._conclude(errand, done.result())
        return True

    def close(self) -> None:
        """Forget the batches in hand; the workers have been stopped, and their records wait."""
        self._pool.shutdown(cancel_futures=True)

    def _conclude(self, errand: _Errand, outcome: _Outcome) -> None:
        """Publish a batch, or find out of what the worker died."""
        records = errand.records
        if outcome.death is not None:
            self._seconds_per_record = None
            self._publisher.discard(errand.order.stem)
            if outcome.together:
                self._suspect(outcome.death, records)
            else:
                known = {record.id: record for record in records}
                self._bury(outcome.death, known.get(outcome.begun))
            return
        self._stillbirths = 0
        self._suspects.difference_update(record.id for record in records)
        self._finish(records, outcome)
        if outcome.replaced and errand.worker.remembers:
            errand.worker.stop()  # what it remembers of them was never answered
        self._learn(outcome.seconds / len(records))
        self._tell(records, outcome)

    def _next_records(self) -> list[Record]:
        """Return as many records as the latency allows, all of one night."""
        most = _FIRST
        if self._seconds_per_record is not None:
            most = max(1, int(self._options.latency / max(self._seconds_per_record, _SHORTEST)))
        most = min(most, self._options.batch_records)
        taken = {item.id for errand in self._errands.values() for item in errand.order.items}
        records = self._spool.next_records(most, _BATCH_BYTES, taken)
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
        batch = Batch(
            outcome.answered, outcome.refused, outcome.replaced, tuple(files), outcome.profile
        )
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

    def _tell(self, records: list[Record], outcome: _Outcome) -> None:
        log(
            logging.INFO,
            "batch",
            records=len(records),
            answered=len(outcome.answered),
            rows=sum(outcome.answered.values()),
            quarantined=len(outcome.refused),
            seconds=round(outcome.seconds, 4),
            oldest_seconds=round(time.time() - records[0].arrived, 4),
        )
        for record in records:
            if record.id in outcome.refused:
                _tell_refused(record, outcome.refused[record.id])
            elif record.id in outcome.replaced:
                log(logging.WARNING, "replaced", record=record.id, input=record.name)


def _ask(errand: _Errand) -> _Outcome:
    """Have a batch answered; return what the worker said, and whether it died over it."""
    outcome = _Outcome()
    try:
        errand.worker.start()
        started = time.monotonic()  # the load of a model says nothing of the records
        for reply in errand.worker.run(errand.order):
            outcome.take(reply)
        outcome.seconds = time.monotonic() - started
    except WorkerDiedError as death:
        outcome.death = death
    return outcome


def _tell_refused(record: Record, reason: str) -> None:
    log(logging.WARNING, "quarantined", record=record.id, input=record.name, reason=reason)
