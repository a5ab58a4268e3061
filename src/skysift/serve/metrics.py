"""What a service does, in numbers that Prometheus reads: from its spool and its note of itself.

Nothing is kept in memory between two askings, so that any process can be asked: the service, the
live page, or a command.
"""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from skysift.serve.drift.report import drift_families
from skysift.serve.exposition import Family, Sample, histogram, render
from skysift.serve.health import Health, health
from skysift.serve.latency import BUCKETS, LatencySummary, summarise
from skysift.serve.ledger import ledger_of
from skysift.serve.metrics_alerts import alert_families
from skysift.serve.service_state import ServiceState, read_state

__all__ = ["latency", "metrics_text"]


def metrics_text(sink: Path, *, now: float | None = None) -> str:
    """Return all metrics of a service in the text format of Prometheus.

    Parameters
    ----------
    sink : Path
        Where it writes to.
    now : float, optional
        Unix time [s].

    Raises
    ------
    SkysiftError
        If there is no spool, or it cannot be read.
    """
    moment = time.time() if now is None else now
    return render(_families(sink, moment))


def latency(sink: Path) -> LatencySummary:
    """Return how long the latest records took from arrival to published answer.

    Parameters
    ----------
    sink : Path
        Where the service writes to.

    Raises
    ------
    SkysiftError
        If there is no spool, or it cannot be read.
    """
    state = read_state(sink)
    recent, deadline = (5000, None) if state is None else _asked(state)
    with ledger_of(sink) as ledger:
        return summarise(ledger.latest(recent), deadline)


def _asked(state: ServiceState) -> tuple[int, float | None]:
    return state.options.recent, state.options.deadline


def _families(sink: Path, now: float) -> Iterator[Family]:
    state = read_state(sink)
    yield from _of_the_spool(sink, now)
    yield from _of_latency(sink, state)
    yield from _of_the_disk(sink)
    yield from drift_families(sink)
    yield from alert_families(sink)
    if state is None:
        return
    yield from _of_the_run(state, now)
    yield from _of_all_runs(state)
    yield from _of_processes(state)
    yield from _of_health(health(sink, now=now))


def _of_the_spool(sink: Path, now: float) -> Iterator[Family]:
    with ledger_of(sink) as ledger:
        counts = ledger.counts()
        moments = {
            "skysift_oldest_pending_age_seconds": (
                "Time since the oldest pending record arrived; 0 if none is.",
                ledger.oldest_pending(),
            ),
            "skysift_last_arrival_age_seconds": (
                "Time since the latest record arrived.",
                ledger.last_arrival(),
            ),
            "skysift_last_published_age_seconds": (
                "Time since an answer was published.",
                ledger.last_published(),
            ),
        }
    yield Family(
        "skysift_records",
        "gauge",
        "Records in the spool by what has become of them.",
        [Sample(count, {"state": state}) for state, count in counts.items()],
    )
    yield _gauge("skysift_backlog_records", "Records that wait for an answer.", counts["pending"])
    for name, (about, when) in moments.items():
        if when is not None:
            yield _gauge(name, about, max(0.0, now - when))
        elif "pending" in name:
            yield _gauge(name, about, 0)


def _of_latency(sink: Path, state: ServiceState | None) -> Iterator[Family]:
    task = {} if state is None else {"task": state.task}
    found = latency(sink)
    quantiles = {"0.5": found.p50, "0.95": found.p95, "0.99": found.p99, "1": found.worst}
    yield Family(
        "skysift_recent_latency_seconds",
        "gauge",
        "Exact quantiles of the time from arrival to published answer, of the latest records.",
        [
            Sample(value, {**task, "quantile": name})
            for name, value in quantiles.items()
            if value is not None
        ],
    )
    yield _gauge("skysift_recent_records", "Records that these quantiles are of.", found.records)
    if found.deadline is not None:
        yield _gauge("skysift_deadline_seconds", "What the latency should be.", found.deadline)
        yield _gauge(
            "skysift_recent_missed_records",
            "Records among the latest that came after the deadline.",
            found.missed,
        )


def _of_the_disk(sink: Path) -> Iterator[Family]:
    try:
        free = shutil.disk_usage(sink).free
    except OSError:
        return
    yield _gauge("skysift_disk_free_bytes", "Free on the disk of the sink.", free)


def _of_the_run(state: ServiceState, now: float) -> Iterator[Family]:
    facts = {
        "skysift": state.skysift,
        "python": state.python,
        "task": state.task,
        "bundle": state.bundle.name,
        "bundle_hash": state.bundle.hash,
        "run": state.run,
    }
    yield Family("skysift_info", "gauge", "Versions, task and model.", [Sample(1, facts)])
    yield _gauge("skysift_start_time_seconds", "When the run began, Unix time.", state.started)
    yield _gauge(
        "skysift_loop_age_seconds", "Time since the loop came round.", max(0.0, now - state.beat)
    )
    age = now - state.bundle.created.timestamp()
    yield _gauge("skysift_bundle_age_seconds", "Time since the bundle was made.", age)
    yield Family(
        "skysift_events_total",
        "counter",
        "Lines of the log of this run.",
        [
            Sample(count, dict(zip(("level", "event"), key.split(" ", 1), strict=True)))
            for key, count in sorted(state.events.items())
        ],
    )


def _of_all_runs(state: ServiceState) -> Iterator[Family]:
    totals = state.totals
    task = {"task": state.task}
    for name, about, count in (
        ("skysift_batches_total", "Batches published.", totals.batches),
        ("skysift_answered_records_total", "Records answered.", totals.answered),
        ("skysift_rows_total", "Rows of answers published.", totals.rows),
        ("skysift_read_bytes_total", "Size of the answered records.", totals.read_bytes),
        ("skysift_written_bytes_total", "Size of the published files.", totals.written_bytes),
        ("skysift_starts_total", "Starts of the service.", totals.starts),
        ("skysift_worker_starts_total", "Starts of a worker.", totals.worker_starts),
        ("skysift_worker_deaths_total", "Deaths of a worker.", totals.worker_deaths),
    ):
        yield Family(name, "counter", about, [Sample(count, task)])
    if state.options.deadline is not None:
        about = "Records that were answered after the deadline."
        yield Family(
            "skysift_missed_records_total", "counter", about, [Sample(totals.missed, task)]
        )
    yield histogram(
        "skysift_latency_seconds",
        "From the arrival of a record to its published answer.",
        edges=BUCKETS,
        counts=totals.latencies,
        total=totals.latency_sum,
        labels=task,
    )


def _of_processes(state: ServiceState) -> Iterator[Family]:
    processes = {"service": [state.process], "worker": state.workers}
    samples = [
        Sample(size, {"of": name, "process": str(process)})
        for name, several in processes.items()
        for process in several
        if (size := resident(process)) is not None
    ]
    yield Family("skysift_resident_bytes", "gauge", "Memory of the processes.", samples)


def _of_health(found: Health) -> Iterator[Family]:
    yield _gauge("skysift_live", "Whether all checks of life are met.", found.alive)
    yield _gauge("skysift_ready", "Whether all checks are met.", found.is_ready)
    yield Family(
        "skysift_check",
        "gauge",
        "Whether a check is met.",
        [Sample(check.ok, {"check": check.name}) for check in (*found.live, *found.ready)],
    )


def resident(process: int) -> int | None:
    """Return the memory that a process has in use [byte]; None where the system does not tell."""
    try:
        pages = Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1]
    except (OSError, IndexError):
        return None
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _gauge(name: str, about: str, value: float) -> Family:
    return Family(name, "gauge", about, [Sample(value)])
