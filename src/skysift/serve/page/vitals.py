"""How the stream is doing: rate, backlog, age of the last record, latency against the deadline."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from skysift.serve.latency import LatencySummary, summarise
from skysift.serve.records import State

__all__ = ["Pulse", "PulseHistory", "Vitals"]

_RATE_SECONDS = 10.0
_HISTORY = 900  # samples, one a second
_BUSY = 60.0  # s without a record: quiet


@dataclass(frozen=True, slots=True)
class Vitals:
    """What the ledger says at one moment.

    Parameters
    ----------
    counts : dict of str to int
        Records in each state.
    last_arrival, oldest_pending : float or None
        Unix time [s].
    latencies : sequence of float
        Of the last answered records [s].
    """

    counts: dict[str, int]
    last_arrival: float | None
    oldest_pending: float | None
    latencies: Sequence[float]


@dataclass(frozen=True, slots=True)
class Pulse:
    """The same for people.

    Parameters
    ----------
    time : float
        Unix time [s].
    rate : float
        Records that were finished, per second.
    backlog : int
        Records that are pending.
    age : float or None
        Of the last record [s].
    waiting : float or None
        How long the oldest pending record has been waiting [s].
    latency : LatencySummary
    counts : dict of str to int
    """

    time: float
    rate: float
    backlog: int
    age: float | None
    waiting: float | None
    latency: LatencySummary
    counts: dict[str, int]

    @property
    def verdict(self) -> str:
        """One word: ``late``, ``behind``, ``quiet`` or ``good``; ``waiting`` before any record."""
        if self.age is None:
            return "waiting"
        deadline = self.latency.deadline
        if deadline is not None:
            if self.latency.p99 is not None and self.latency.p99 > deadline:
                return "late"
            if self.waiting is not None and self.waiting > deadline:
                return "behind"
        return "quiet" if self.age > _BUSY else "good"


class PulseHistory:
    """The pulse of the last quarter of an hour, second by second.

    Parameters
    ----------
    clock : callable
        Returns Unix time [s].
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._finished: deque[tuple[float, int]] = deque()
        self.samples: deque[Pulse] = deque(maxlen=_HISTORY)

    def sample(self, vitals: Vitals, deadline: float) -> Pulse:
        """Note how it is now."""
        now = self._clock()
        pulse = Pulse(
            now,
            self._rate(now, vitals.counts),
            vitals.counts[State.PENDING.value],
            None if vitals.last_arrival is None else max(0.0, now - vitals.last_arrival),
            None if vitals.oldest_pending is None else max(0.0, now - vitals.oldest_pending),
            summarise(vitals.latencies, deadline),
            vitals.counts,
        )
        self.samples.append(pulse)
        return pulse

    def _rate(self, now: float, counts: dict[str, int]) -> float:
        """Return how many records a second left the pending, over the last seconds."""
        done = sum(counts.values()) - counts[State.PENDING.value]
        self._finished.append((now, done))
        while len(self._finished) > 2 and now - self._finished[1][0] >= _RATE_SECONDS:  # noqa: PLR2004  # a difference needs two
            self._finished.popleft()
        begun, before = self._finished[0]
        return max(0.0, (done - before) / (now - begun)) if now > begun else 0.0

    def series(self, after: float = 0.0) -> dict[str, list[float | None]]:
        """Return what the charts show, of samples after a moment: columns of equal length."""
        samples = [one for one in list(self.samples) if one.time > after]
        return {
            "time": [one.time for one in samples],
            "rate": [one.rate for one in samples],
            "backlog": [float(one.backlog) for one in samples],
            "p50": [one.latency.p50 for one in samples],
            "p95": [one.latency.p95 for one in samples],
            "p99": [one.latency.p99 for one in samples],
        }
