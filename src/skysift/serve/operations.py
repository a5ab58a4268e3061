"""Watching over a service from within: it is counted, its state noted, and questions answered."""

import logging
import os
import platform
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from skysift import __version__
from skysift.core.bundle import Bundle
from skysift.core.errors import BundleError, SkysiftError
from skysift.serve.health import DAY, is_running
from skysift.serve.journal import heard_by, run_name
from skysift.serve.latency import LatencyCounts
from skysift.serve.ledger import Ledger, PublishedBatch, ledger_of
from skysift.serve.listener import Listener
from skysift.serve.notify import notify
from skysift.serve.operations_options import OperationsOptions
from skysift.serve.service_state import (
    BundleFacts,
    ServiceState,
    Totals,
    read_state,
    write_state,
)
from skysift.serve.spool import Spool

__all__ = ["Operations", "refuse_bundle"]

_AGAIN = 1.0  # s between two notes of the state
_BATCHES = 200  # batches that are counted at once, so that answers need not wait


class Operations:
    """A follower that counts what was published and notes the state of the service.

    Parameters
    ----------
    options : OperationsOptions
        Limits, and where to listen.
    task : str
        What predicts.
    bundle : Bundle
        With what.
    clock : callable
        Returns Unix time [s].
    schemas : Path, optional
        Avro schemas of messages that come without theirs, for those who look at them.

    Notes
    -----
    What is counted is stored together with the number of the last batch that is in it: killed at
    any moment, nothing is counted twice or left out.
    """

    name = "operations"

    def __init__(
        self,
        options: OperationsOptions,
        task: str,
        bundle: Bundle,
        clock: Callable[[], float] = time.time,
        *,
        schemas: Path | None = None,
    ) -> None:
        self._options = options
        self._schemas = schemas
        self._task = task
        self._bundle = bundle
        self._clock = clock
        self._events: Counter[str] = Counter()
        self._workers: set[int] = set()
        self._hearing = threading.Lock()
        self._started = clock()
        self._noted = -_AGAIN
        self._totals = Totals()
        self._ledger: Ledger | None = None

    @contextmanager
    def watching(self, sink: Path) -> Iterator[None]:
        """Watch for as long as the block lasts, listening where the options say.

        Raises
        ------
        OutputError
            If it cannot listen there, or the state cannot be noted.
        """
        with ExitStack() as stack:
            before = _state_before(sink)
            totals = Totals() if before is None else before.totals
            self._totals = totals.model_copy(update={"starts": totals.starts + 1})
            stack.enter_context(heard_by(self._hear))
            self._ledger = stack.enter_context(ledger_of(sink))
            self._note(sink)
            if self._options.address is not None:
                stack.enter_context(Listener(self._options.address, sink))
            stack.callback(self._end, sink)
            yield

    def follow(self, spool: Spool, folder: Path) -> None:
        """Count what is new, and note the state once a second."""
        del spool  # asked through a ledger of our own
        notify("WATCHDOG=1")
        now = time.monotonic()
        if now - self._noted < _AGAIN:
            return
        self._noted = now
        self._count(folder)
        self._note(folder)

    def _count(self, sink: Path) -> None:
        if self._ledger is not None:
            for batch in self._ledger.batches_after(self._totals.batch, _BATCHES):
                self._totals = counted(self._totals, batch, sink, self._options.deadline)

    def _hear(self, level: int, event: str, fields: Mapping[str, Any]) -> None:
        """Take note of an event, in whichever thread it happens."""
        with self._hearing:
            self._events[f"{logging.getLevelName(level).lower()} {event}"] += 1
            if event == "worker-started":
                self._workers.add(int(fields["process"]))
        if event == "started":
            notify("READY=1")

    def _workers_counted(self) -> Totals:
        """Return the totals with the starts and deaths of workers in this run."""
        totals = self._totals
        return totals.model_copy(
            update={
                "worker_starts": totals.worker_starts + self._events["info worker-started"],
                "worker_deaths": totals.worker_deaths + self._events["warning worker-died"],
            }
        )

    def _note(self, sink: Path, *, stopped: float | None = None) -> None:
        bundle = self._bundle
        with self._hearing:
            me = os.getpid()
            self._workers = {worker for worker in self._workers if is_running(worker, me)}
            workers, events = tuple(sorted(self._workers)), dict(self._events)
        state = ServiceState(
            skysift=__version__,
            python=platform.python_version(),
            run=run_name(),
            task=self._task,
            process=me,
            workers=workers,
            bundle=BundleFacts(name=bundle.name, hash=bundle.hash, created=bundle.manifest.created),
            started=self._started,
            beat=self._clock(),
            stopped=stopped,
            events=events,
            options=self._options,
            schemas=self._schemas,
            totals=self._workers_counted(),
        )
        write_state(sink, state)

    def _end(self, sink: Path) -> None:
        notify("STOPPING=1")
        try:
            self._count(sink)
            self._note(sink, stopped=self._clock())
        except SkysiftError:
            return  # the disk is full: what ended the service says so


def counted(
    totals: Totals, batch: PublishedBatch, sink: Path, deadline: float | None = None
) -> Totals:
    """Return the totals with one more batch in them.

    Parameters
    ----------
    totals : Totals
        Without it.
    batch : PublishedBatch
        The next one.
    sink : Path
        Where its files are.
    deadline : float, optional
        [s].
    """
    latencies = LatencyCounts(list(totals.latencies), totals.latency_sum, totals.missed)
    latencies.add(batch.latencies, deadline)
    return totals.model_copy(
        update={
            "batch": batch.number,
            "batches": totals.batches + 1,
            "answered": totals.answered + len(batch.latencies),
            "rows": totals.rows + batch.rows,
            "read_bytes": totals.read_bytes + batch.size,
            "written_bytes": totals.written_bytes + sum(_size(sink / name) for name in batch.files),
            "latencies": tuple(latencies.counts),
            "latency_sum": latencies.total,
            "missed": latencies.missed,
        }
    )


def refuse_bundle(bundle: Bundle, options: OperationsOptions, now: float) -> None:
    """Make sure that a bundle is the one that was meant, and not too old.

    Parameters
    ----------
    bundle : Bundle
        Of which schema, task and hashes are checked already.
    options : OperationsOptions
        What is asked of it.
    now : float
        Unix time [s].

    Raises
    ------
    BundleError
        If it is another, too old, or made in the future.
    """
    if not bundle.hash.startswith(options.bundle_hash):
        raise BundleError(
            f"The bundle has the hash {bundle.hash[:16]}..., not {options.bundle_hash[:16]}....",
            "Name the bundle that was meant, or change operations.bundle_hash.",
            path=bundle.folder,
        )
    if options.stale_after is None:
        return
    days = (now - bundle.manifest.created.timestamp()) / DAY
    if days > options.stale_after:
        made = bundle.manifest.created.astimezone(UTC)
        raise BundleError(
            f"The bundle was made {days:.1f} days ago, on {made:%Y-%m-%d}; "
            f"operations.stale_after is {options.stale_after:g}.",
            "Train it again on newer data, or raise the limit.",
            path=bundle.folder,
        )
    if days < -1:
        today = datetime.fromtimestamp(now, UTC)
        raise BundleError(
            f"By the clock, {today:%Y-%m-%d}, the bundle is not made yet.",
            "Set the clock right: nights and the age of the bundle follow it.",
            path=bundle.folder,
        )


def _state_before(sink: Path) -> ServiceState | None:
    """Return the state of the run before; one that is damaged is counted again from the spool."""
    try:
        return read_state(sink)
    except SkysiftError:
        return None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # moved away already
