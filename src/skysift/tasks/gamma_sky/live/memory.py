"""The photons of the last minutes of one field, in order, each once, whatever came when."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import InputError
from skysift.data.irf.response import InstrumentResponse
from skysift.data.sky.counts_map import CountsMap
from skysift.data.sky.event_list import GADF_REFERENCE_MJD, EventList, Pointing
from skysift.data.sky.gti import GoodTimeIntervals
from skysift.data.sky.sliding import SlidingCounts
from skysift.data.sky.tangent import separation
from skysift.models.sky.local_source import Photons
from skysift.preprocess.folding import energy_bands
from skysift.tasks.gamma_sky.options import ReadOptions
from skysift.tasks.gamma_sky.window_methods import BinnedWindow, grid_of

__all__ = ["Change", "FieldMemory", "in_gadf_time"]

FloatArray = NDArray[np.float64]

_COLUMNS = ("time", "ra", "dec", "energy", "xi", "eta")
_SMALLEST = 1024  # photons for which there is room at first
_SAME_POINTING = 0.02  # deg
_DAY = 86400.0  # s


@dataclass(frozen=True, slots=True)
class Change:
    """From when to when [s] a record has brought something new."""

    low: float
    high: float


def in_gadf_time(events: EventList) -> EventList:
    """Return events whose times count from the GADF reference, whatever theirs did from."""
    shift = (events.reference_mjd - GADF_REFERENCE_MJD) * _DAY
    if shift == 0:
        return events
    gti = GoodTimeIntervals(events.gti.start + shift, events.gti.stop + shift)
    return replace(events, time=events.time + shift, gti=gti, reference_mjd=GADF_REFERENCE_MJD)


class FieldMemory:
    """Photons and good time of one pointing, and counts over sliding windows of them.

    What it holds depends on the set of what was added, not on the order: photons are sorted by
    time, then place, then energy; those that are equal in all of it are one.

    Parameters
    ----------
    pointing : Pointing
        Where the telescope looks, the centre of the maps.
    reading : ReadOptions
        Energies and pixels.
    lengths : tuple of float [s]
        Windows that will be asked for.
    response : InstrumentResponse or None
        The instrument's own.
    """

    def __init__(
        self,
        pointing: Pointing,
        reading: ReadOptions,
        lengths: tuple[float, ...],
        response: InstrumentResponse | None = None,
    ) -> None:
        self.pointing = pointing
        self.response = response
        self.grid = grid_of(pointing, reading)
        self.edges = energy_bands(reading.emin, reading.emax, reading.bands)
        self._energies = reading.emin, reading.emax
        self._lengths = lengths
        self._columns = np.empty((len(_COLUMNS), _SMALLEST))
        self._first = self._last = 0
        # start, stop, live fraction, zenith angle and whether the pointing moved of what was good,
        # sorted, each once
        self._good = np.empty((0, 5))
        self._sliding: SlidingCounts | None = None

    def __len__(self) -> int:
        return self._last - self._first

    @property
    def stop(self) -> float:
        """End of the good time [s], minus infinity if there is none."""
        return float(self._good[:, 1].max()) if len(self._good) else -np.inf

    @property
    def corner(self) -> float:
        """Distance [deg] of the corners of the map from the pointing."""
        return float(np.hypot(self.grid.n_x, self.grid.n_y) * self.grid.pixel_size / 2)

    def is_at(self, pointing: Pointing) -> bool:
        """Tell whether a pointing is the one of this memory, but for what tracking is off by."""
        mine = self.pointing
        return bool(separation(mine.ra, mine.dec, pointing.ra, pointing.dec) < _SAME_POINTING)

    def add(self, events: EventList, *, moves: bool = False) -> Change | None:
        """Add photons and good time; return what changed, None if nothing did.

        Parameters
        ----------
        events : EventList
            With times from the GADF reference.
        moves : bool
            Whether the telescope moved away from their mean pointing.
        """
        fresh = self._fresh_photons(events.in_energy(*self._energies))
        good = self._fresh_intervals(events, moves=moves)
        if len(fresh[0]) == 0 and len(good) == 0:
            return None
        low = min([*fresh[0][:1], *good[:, 0]])
        high = max([*fresh[0][-1:], *good[:, 1]])
        self._good = _sorted(np.concatenate([self._good, good]))
        self._merge(fresh)
        self._follow(fresh, good)
        return Change(float(low), float(high))

    def spans(self, after: float) -> list[tuple[float, float]]:
        """Return from when to when [s] there was good time, of what ends after a time, in order."""
        good = self._good[self._good[:, 1] > after]
        if len(good) == 0:
            return []
        start, stop = good[:, 0], np.maximum.accumulate(good[:, 1])
        gaps = np.flatnonzero(start[1:] > stop[:-1])
        starts, stops = start[[0, *(gaps + 1)]], stop[[*gaps, -1]]
        return list(zip(starts.tolist(), stops.tolist(), strict=True))

    def good_time(self, begin: float, end: float) -> float:
        """Return how much of a time [s] was good."""
        return self._interval(begin, end)[0].duration

    def moves(self, begin: float, end: float) -> bool:
        """Tell whether the telescope moved away from its pointing in a time [s]."""
        good = self._good
        return bool(good[(good[:, 1] > begin) & (good[:, 0] < end), 4].any())

    def window(self, length: float, end: float) -> BinnedWindow:
        """Return the photons with ``end - length <= time < end`` and their map.

        Raises
        ------
        InputError
            If no window is that long.
        """
        events, columns = self._events(end - length, end)
        counts = CountsMap(
            self._counts(length, end),
            self.edges,
            self.grid,
            events.gti,
            events.livetime,
            events.pointing,
        )
        xi, eta, energy = columns[4], columns[5], columns[3]
        seen = np.flatnonzero(self.grid.plane_index(xi, eta) >= 0)
        band = np.searchsorted(self.edges, energy[seen], side="right") - 1
        return BinnedWindow(events, counts, Photons(xi[seen], eta[seen], band, np.ones(len(seen))))

    def forget(self, before: float) -> None:
        """Drop what is older than a time [s]."""
        time = self._held[0]
        self._first += int(np.searchsorted(time, before, side="left"))
        self._good = self._good[self._good[:, 1] > before]

    # --- what is held ---------------------------------------------------------------------------

    @property
    def _held(self) -> FloatArray:
        return self._columns[:, self._first : self._last]

    def _events(self, begin: float, end: float) -> tuple[EventList, FloatArray]:
        held = self._held
        first, last = np.searchsorted(held[0], (begin, end), side="left")
        columns = held[:, int(first) : int(last)]
        gti, live, zenith = self._interval(begin, end)
        time, ra, dec, energy = columns[:4]
        pointing = replace(self.pointing, zenith=zenith)
        return EventList(time, ra, dec, energy, gti, pointing, live), columns

    def _interval(self, begin: float, end: float) -> tuple[GoodTimeIntervals, float, float]:
        """Return the good time in a time, with its mean live fraction and zenith angle."""
        good = self._good
        some = good[(good[:, 1] > begin) & (good[:, 0] < end)]
        if len(some) == 0:
            return GoodTimeIntervals.of([]), 1.0, self.pointing.zenith
        start, stop = np.maximum(some[:, 0], begin), np.minimum(some[:, 1], end)
        gti = GoodTimeIntervals.of(list(zip(start, stop, strict=True)))
        return gti, _mean(some[:, 2], stop - start), _mean(some[:, 3], stop - start)

    def _fresh_photons(self, events: EventList) -> FloatArray:
        """Return the columns of those that are not held yet, sorted."""
        xi, eta = self.grid.to_plane(events.ra, events.dec)
        new = np.stack([events.time, events.ra, events.dec, events.energy, xi, eta])
        new = _unique(new[:, _order(new)])
        held = self._held
        if new.shape[1] == 0 or len(self) == 0 or new[0, 0] > held[0, -1]:
            return new
        first = int(np.searchsorted(held[0], new[0, 0], side="left"))
        last = int(np.searchsorted(held[0], new[0, -1], side="right"))
        known = {tuple(row) for row in held[:4, first:last].T}
        return new[:, [tuple(row) not in known for row in new[:4].T]]

    def _fresh_intervals(self, events: EventList, *, moves: bool) -> FloatArray:
        """Return the rows of good time that are not held yet."""
        gti = events.gti
        live = np.full(len(gti), events.live_fraction)
        zenith, moved = (np.full(len(gti), one) for one in (events.pointing.zenith, float(moves)))
        new = np.stack([gti.start, gti.stop, live, zenith, moved], 1)
        near = self._good[self._good[:, 1] > np.min(gti.start, initial=np.inf)]
        known = {_hashable(row) for row in near}
        return new[[_hashable(row) not in known for row in new]]

    def _merge(self, fresh: FloatArray) -> None:
        """Put photons among those that are held; costs as much as what comes after the first."""
        n = fresh.shape[1]
        if n == 0:
            return
        self._reserve(n)
        place = self._first + int(np.searchsorted(self._held[0], fresh[0, 0], side="left"))
        self._columns[:, self._last : self._last + n] = fresh
        in_order = place == self._last
        self._last += n
        if not in_order:
            tail = self._columns[:, place : self._last]
            tail[:] = tail[:, _order(tail)]

    def _reserve(self, extra: int) -> None:
        if self._last + extra <= self._columns.shape[1]:
            return
        held = self._held
        columns = np.empty((len(_COLUMNS), max(_SMALLEST, 2 * (held.shape[1] + extra))))
        columns[:, : held.shape[1]] = held
        self._columns, self._first, self._last = columns, 0, held.shape[1]

    # --- counts ---------------------------------------------------------------------------------

    def _follow(self, fresh: FloatArray, good: FloatArray) -> None:
        """Let the sliding counts know; what is late has them begin anew when they are asked."""
        sliding = self._sliding
        if sliding is None or fresh.shape[1] == 0:
            return
        if fresh[0, 0] < sliding.now:
            self._sliding = None
            return
        sliding.append(_event_list(fresh, good, self.pointing))

    def _counts(self, length: float, end: float) -> NDArray[np.float32]:
        if length not in self._lengths:
            raise InputError(
                f"No window of {length} s is counted.",
                f"Ask for one of {', '.join(f'{one:g}' for one in self._lengths)} s.",
            )
        if self._sliding is None or self._sliding.now > end:
            self._sliding = SlidingCounts(self.grid, self.edges, self._lengths, self.pointing)
            time = self._held[0]
            first = int(np.searchsorted(time, end - max(self._lengths), side="left"))
            self._sliding.append(_event_list(self._held[:, first:], self._good, self.pointing))
        self._sliding.slide(end)
        return self._sliding.counts_map(length).counts


def _event_list(columns: FloatArray, good: FloatArray, pointing: Pointing) -> EventList:
    gti = GoodTimeIntervals.of([(start, stop) for start, stop, *_ in good])
    time, ra, dec, energy = columns[:4]
    return EventList(time, ra, dec, energy, gti, pointing)


def _order(columns: FloatArray) -> NDArray[np.int64]:
    time, ra, dec, energy = columns[:4]
    return np.lexsort((energy, dec, ra, time))


def _unique(columns: FloatArray) -> FloatArray:
    """Return sorted columns without repetitions."""
    again = np.all(columns[:4, 1:] == columns[:4, :-1], axis=0)
    return columns[:, np.concatenate([[True], ~again])] if columns.shape[1] else columns


def _sorted(good: FloatArray) -> FloatArray:
    return good[np.lexsort(good.T[::-1])]


def _hashable(row: FloatArray) -> tuple[float | None, ...]:
    """Return a row in which what is not known equals itself."""
    return tuple(None if np.isnan(value) else float(value) for value in row)


def _mean(values: FloatArray, weights: FloatArray) -> float:
    known = np.isfinite(values)
    if not known.any():
        return float("nan")
    values, weights = values[known], weights[known]
    first = float(values[0])
    # About the first, so that the mean of equal values is that value to the last digit.
    return first + float(np.sum((values - first) * weights) / np.sum(weights))
