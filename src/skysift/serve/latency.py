"""From the arrival of records to their published answers: how long, for how many, at the worst."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["BUCKETS", "LatencyCounts", "LatencySummary", "summarise"]

BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0, 300.0, 1800.0, 7200.0)
"""Upper limits of the buckets of the histogram [s]; 20 s is what CTAO asks of an alert."""


@dataclass
class LatencyCounts:
    """A histogram that is counted up, batch after batch.

    Parameters
    ----------
    counts : list of int, length ``len(BUCKETS) + 1``
        Records in each bucket.
    total : float
        Sum of the latencies [s].
    missed : int
        Records that came after the deadline.
    """

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    total: float = 0.0
    missed: int = 0

    def add(self, latencies: Iterable[float], deadline: float | None) -> None:
        """Count latencies [s]."""
        for latency in latencies:
            self.counts[_bucket(latency)] += 1
            self.total += latency
            self.missed += deadline is not None and latency > deadline


@dataclass(frozen=True, slots=True)
class LatencySummary:
    """The latest records: percentiles that were observed, without a model.

    Parameters
    ----------
    records : int
        How many they are.
    p50, p95, p99, worst : float or None
        Smallest latency [s] that this part of the records does not exceed; None without records.
    deadline : float or None
        What is asked for [s].
    missed : int
        Records of them that came later than that.
    """

    records: int
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    worst: float | None = None
    deadline: float | None = None
    missed: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready mapping."""
        return asdict(self)


def summarise(latencies: Sequence[float], deadline: float | None = None) -> LatencySummary:
    """Return exact percentiles.

    Parameters
    ----------
    latencies : sequence of float, length n
        [s].
    deadline : float, optional
        [s].

    Examples
    --------
    >>> summarise([float(second) for second in range(1, 101)], deadline=98)
    LatencySummary(records=100, p50=50.0, p95=95.0, p99=99.0, worst=100.0, deadline=98, missed=2)
    """
    if not latencies:
        return LatencySummary(0, deadline=deadline)
    ordered = sorted(latencies)
    p50, p95, p99 = (ordered[math.ceil(part * len(ordered)) - 1] for part in (0.5, 0.95, 0.99))
    missed = 0 if deadline is None else sum(latency > deadline for latency in ordered)
    return LatencySummary(len(ordered), p50, p95, p99, ordered[-1], deadline, missed)


def _bucket(latency: float) -> int:
    for place, edge in enumerate(BUCKETS):
        if latency <= edge:
            return place
    return len(BUCKETS)
