"""Good time intervals: when the instrument was looking."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import InputError

__all__ = ["GoodTimeIntervals"]


@dataclass(frozen=True, slots=True)
class GoodTimeIntervals:
    """Intervals of time, in order and without overlap.

    Parameters
    ----------
    start, stop : array, shape (n,) [s]
        From a reference time that the owner states. An interval holds its start, not its stop.

    Raises
    ------
    InputError
        If an interval is not finite, ends before it starts, or begins before the last has ended.

    Examples
    --------
    >>> gti = GoodTimeIntervals.of([(0.0, 10.0), (20.0, 25.0)])
    >>> gti.duration
    15.0
    >>> gti.contains(np.array([5.0, 15.0, 20.0])).tolist()
    [True, False, True]
    """

    start: NDArray[np.float64]
    stop: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.start.shape != self.stop.shape or self.start.ndim != 1:
            raise InputError(
                "Good time intervals need as many starts as stops.", "Check the GTI table."
            )
        finite = np.isfinite(self.start).all() and np.isfinite(self.stop).all()
        if not finite or np.any(self.stop < self.start) or np.any(self.start[1:] < self.stop[:-1]):
            raise InputError(
                "Good time intervals are not in order, overlap, or are not finite.",
                "Use GoodTimeIntervals.of, which sorts and merges them.",
            )

    @classmethod
    def of(cls, intervals: Sequence[tuple[float, float]]) -> Self:
        """Return intervals in order; those that overlap or touch are merged, empty ones dropped."""
        merged: list[tuple[float, float]] = []
        for start, stop in sorted((float(a), float(b)) for a, b in intervals if b > a):
            if merged and start <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
            else:
                merged.append((start, stop))
        bounds = np.array(merged, dtype=np.float64).reshape(-1, 2)
        return cls(bounds[:, 0].copy(), bounds[:, 1].copy())

    def __len__(self) -> int:
        return len(self.start)

    @property
    def duration(self) -> float:
        """Sum of the intervals [s]."""
        return float(np.sum(self.stop - self.start))

    def contains(self, time: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Tell which times lie in an interval."""
        if len(self) == 0:
            return np.zeros(np.shape(time), dtype=bool)
        place = np.searchsorted(self.start, time, side="right") - 1
        return np.asarray((place >= 0) & (time < self.stop[np.maximum(place, 0)]))

    def within(self, start: float, stop: float) -> Self:
        """Return the parts of the intervals between two times."""
        low, high = np.maximum(self.start, start), np.minimum(self.stop, stop)
        kept = high > low
        return type(self)(low[kept], high[kept])
