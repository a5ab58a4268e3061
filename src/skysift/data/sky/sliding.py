"""Counts over the last seconds of a stream of events, for several window lengths at once."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import InputError, UsageError
from skysift.data.sky.counts_map import CountsMap, cell_index
from skysift.data.sky.event_list import GADF_REFERENCE_MJD, EventList, Pointing
from skysift.data.sky.gti import GoodTimeIntervals
from skysift.data.sky.tangent import TangentGrid

__all__ = ["SlidingCounts"]

_SMALLEST = 1024  # events for which the buffer has room at first


class SlidingCounts:
    """Maps of the events with ``now - window <= time < now``.

    Events are binned once, when they arrive. To slide costs as much as the events that enter and
    leave; the map itself is touched nowhere else. At any time :meth:`counts_map` equals
    ``CountsMap.from_events(events.between(now - window, now), grid, energy_edges)``.

    Parameters
    ----------
    grid : TangentGrid
        The pixels.
    energy_edges : array, shape (n_bands + 1,) [TeV]
        Edges of the bands of reconstructed energy.
    windows : sequence of float [s]
        Lengths; all share one buffer.
    pointing : Pointing
        Where the telescope looks; begin anew when it looks elsewhere.
    live_fraction : float
        Live time over good time.
    reference_mjd : float [d]
        Zero of the times, TT.

    Examples
    --------
    >>> grid = TangentGrid(83.6, 22.0, 10, 10, 0.1)
    >>> sliding = SlidingCounts(grid, np.array([0.1, 10.0]), [5.0, 60.0], Pointing(83.6, 22.0))
    >>> time = np.arange(10.0)
    >>> events = EventList(
    ...     time, np.full(10, 83.6), np.full(10, 22.0), np.ones(10),
    ...     GoodTimeIntervals.of([(0.0, 10.0)]), sliding.pointing,
    ... )
    >>> sliding.append(events)
    >>> sliding.slide(8.0)
    >>> [float(sliding.counts_map(window).counts.sum()) for window in (5.0, 60.0)]
    [5.0, 8.0]
    >>> sliding.counts_map(60.0).livetime
    8.0
    """

    def __init__(
        self,
        grid: TangentGrid,
        energy_edges: NDArray[np.float64],
        windows: Sequence[float],
        pointing: Pointing,
        *,
        live_fraction: float = 1.0,
        reference_mjd: float = GADF_REFERENCE_MJD,
    ) -> None:
        self.windows = tuple(float(window) for window in windows)
        if not self.windows or not all(0 < w < np.inf for w in self.windows):
            raise UsageError(
                f"Windows of {list(windows)} s make no sense.",
                "Give at least one length above 0 s.",
            )
        self.grid = grid
        self.energy_edges = np.asarray(energy_edges, dtype=np.float64)
        self.pointing = pointing
        self.live_fraction = live_fraction
        self.reference_mjd = reference_mjd
        self._now = -np.inf
        self._gti = GoodTimeIntervals.of([])
        self._buffer = _EventBuffer()
        self._entered = 0  # events up to here are earlier than now
        self._left = dict.fromkeys(self.windows, 0)  # events up to here have left the window
        n_cells = (len(self.energy_edges) - 1) * grid.n_x * grid.n_y
        self._counts = {w: np.zeros(n_cells, dtype=np.float32) for w in self.windows}

    @property
    def now(self) -> float:
        """End [s] of all windows, minus infinity before the first :meth:`slide`."""
        return self._now

    @property
    def n_buffered(self) -> int:
        """Events that are kept: those of the longest window and those still to come."""
        return len(self._buffer.time)

    def append(self, events: EventList) -> None:
        """Add events and their good time; they count once :meth:`slide` has passed them.

        Those of one list must be in order; lists may overlap in time as long as none reaches back
        before `now`.

        Raises
        ------
        InputError
            If an event is earlier than `now`, is out of order, or the list has another zero of
            time. Nothing is added then.
        """
        self._check(events)
        if len(events):
            cells = cell_index(events, self.grid, self.energy_edges)
            self._buffer.add(events.time, cells, first_movable=self._entered)
        self._gti = _union(self._gti, events.gti)

    def slide(self, now: float) -> None:
        """Move the end of all windows to a time [s], which never goes back.

        Raises
        ------
        UsageError
            If the time is earlier than `now` or not finite.
        """
        if not (np.isfinite(now) and now >= self._now):
            raise UsageError(
                f"The windows end at {self._now} s and cannot slide to {now} s.",
                "Slide forward only; begin anew to look back.",
            )
        time, cells = self._buffer.time, self._buffer.cell
        entered = int(np.searchsorted(time, now, side="left"))
        for window, counts in self._counts.items():
            left = int(np.searchsorted(time, now - window, side="left"))
            # What came and went between two calls is never counted.
            _change(counts, cells[max(self._entered, left) : entered], 1)
            _change(counts, cells[self._left[window] : min(left, self._entered)], -1)
            self._left[window] = left
        self._now, self._entered = float(now), entered
        self._forget()

    def counts_map(self, window: float) -> CountsMap:
        """Return a copy of the counts of one window as they are now.

        Raises
        ------
        UsageError
            If the window is none of those asked for at the start.
        """
        if window not in self._counts:
            raise UsageError(
                f"No window of {window} s is counted.",
                f"Choose one of {', '.join(f'{w:g}' for w in self.windows)} s.",
            )
        gti = self._gti.within(self._now - window, self._now)
        shape = (len(self.energy_edges) - 1, *self.grid.shape)
        return CountsMap(
            self._counts[window].reshape(shape).copy(),
            self.energy_edges,
            self.grid,
            gti,
            gti.duration * self.live_fraction,
            self.pointing,
            self.reference_mjd,
        )

    def _check(self, events: EventList) -> None:
        if events.reference_mjd != self.reference_mjd:
            raise InputError(
                f"The events count time from MJD {events.reference_mjd}, the windows from "
                f"{self.reference_mjd}.",
                "Give reference_mjd of the events when the windows are made.",
            )
        late = np.flatnonzero(events.time < self._now)
        if len(late):
            raise InputError(
                f"An event of {events.time[late[0]]} s comes after the windows have slid to "
                f"{self._now} s.",
                "Slide only as far as events are complete.",
                row=int(late[0]),
            )
        back = np.flatnonzero(events.time[1:] < events.time[:-1])
        if len(back):
            raise InputError(
                "The events are not in the order of their times.",
                "Sort them by time.",
                row=int(back[0]) + 1,
            )

    def _forget(self) -> None:
        """Drop the events and intervals that have left every window, now and then."""
        gone = min(self._left.values())
        if gone > _SMALLEST and 2 * gone > len(self._buffer.time):
            self._buffer.drop(gone)
            self._entered -= gone
            self._left = {window: left - gone for window, left in self._left.items()}
            oldest = self._now - max(self.windows)
            kept = self._gti.stop > oldest
            self._gti = GoodTimeIntervals(self._gti.start[kept], self._gti.stop[kept])


class _EventBuffer:
    """Times and cells of events in order, in arrays that grow by doubling."""

    def __init__(self) -> None:
        self._time = np.empty(_SMALLEST)
        self._cell = np.empty(_SMALLEST, dtype=np.int64)
        self._first = 0
        self._last = 0

    @property
    def time(self) -> NDArray[np.float64]:
        return self._time[self._first : self._last]

    @property
    def cell(self) -> NDArray[np.int64]:
        return self._cell[self._first : self._last]

    def add(
        self, time: NDArray[np.float64], cell: NDArray[np.int64], *, first_movable: int
    ) -> None:
        """Add events; those from `first_movable` on may be sorted together with them."""
        self._reserve(len(time))
        held = self._last - self._first
        self._time[self._last : self._last + len(time)] = time
        self._cell[self._last : self._last + len(time)] = cell
        self._last += len(time)
        if held > first_movable and time[0] < self.time[held - 1]:
            order = np.argsort(self.time[first_movable:], kind="stable")
            self.time[first_movable:] = self.time[first_movable:][order]
            self.cell[first_movable:] = self.cell[first_movable:][order]

    def drop(self, count: int) -> None:
        self._first += count

    def _reserve(self, extra: int) -> None:
        if self._last + extra <= len(self._time):
            return
        held = self._last - self._first
        capacity = max(_SMALLEST, 2 * (held + extra))
        for name in ("_time", "_cell"):
            old = getattr(self, name)
            new = np.empty(capacity, dtype=old.dtype)
            new[:held] = old[self._first : self._last]
            setattr(self, name, new)
        self._first, self._last = 0, held


def _change(counts: NDArray[np.float32], cells: NDArray[np.int64], by: int) -> None:
    np.add.at(counts, cells[cells >= 0], np.float32(by))


def _union(one: GoodTimeIntervals, other: GoodTimeIntervals) -> GoodTimeIntervals:
    both = [*zip(one.start, one.stop, strict=True), *zip(other.start, other.stop, strict=True)]
    return GoodTimeIntervals.of(both)
