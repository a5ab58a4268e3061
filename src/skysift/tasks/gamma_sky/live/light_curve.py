"""The counts of a source over time at a given place, whether or not a search would find it.

Each bin is measured by itself (:mod:`skysift.models.sky.forced`); its bounds and limits are those
of a counting experiment with the same excess and error (:mod:`skysift.evaluate.count_bounds`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skysift.data.irf.response import InstrumentResponse
from skysift.data.sky.event_list import EventList
from skysift.data.table import FeatureTable
from skysift.evaluate.count_bounds import count_bounds, count_upper_limit, equal_background
from skysift.models.sky.forced import forced_counts
from skysift.models.sky.trials import TrialsTable
from skysift.tasks.gamma_sky.live.camera import beside_dead_parts
from skysift.tasks.gamma_sky.live.schedule import WindowLength
from skysift.tasks.gamma_sky.live.tables import bins_table, mjd
from skysift.tasks.gamma_sky.methods import SearchMethod
from skysift.tasks.gamma_sky.options import PredictOptions, ReadOptions
from skysift.tasks.gamma_sky.window_methods import BinnedWindow, bin_window, search_method_of

__all__ = ["BinMeasurement", "light_curve", "measure_bin"]

_WIDE = 0.95
_DETECTED = 2.0  # standard deviations


@dataclass(frozen=True, slots=True)
class BinMeasurement:
    """What a bin says of a place.

    Parameters
    ----------
    ra, dec : float [deg]
    excess, excess_error : float
        Counts, and their standard deviation.
    excess_low, excess_high : float
        Bounds at one standard deviation, not below 0.
    excess_ul : float
        What the counts are below with 95 % confidence, one-sided.
    crab : float
        Counts that the Crab nebula would have had, NaN where the exposure is not known.
    """

    ra: float
    dec: float
    excess: float
    excess_error: float
    excess_low: float
    excess_high: float
    excess_ul: float
    crab: float

    @property
    def upper_limit(self) -> bool:
        """Whether there is too little to speak of a measurement."""
        return not self.excess >= _DETECTED * self.excess_error

    def row(self) -> dict[str, float | bool]:
        """Return the columns of the table of bins that it fills."""
        crab = self.crab
        return {
            "ra": self.ra,
            "dec": self.dec,
            "excess": self.excess,
            "excess_error": self.excess_error,
            "excess_low": self.excess_low,
            "excess_high": self.excess_high,
            "excess_ul": self.excess_ul,
            "flux": self.excess / crab,
            "flux_error": self.excess_error / crab,
            "flux_low": self.excess_low / crab,
            "flux_high": self.excess_high / crab,
            "flux_ul": self.excess_ul / crab,
            "upper_limit": self.upper_limit,
        }


def measure_bin(
    binned: BinnedWindow,
    method: SearchMethod,
    response: InstrumentResponse | None,
    places: Sequence[tuple[float, float]],
) -> list[BinMeasurement]:
    """Measure the counts at some places in one window.

    Parameters
    ----------
    binned : BinnedWindow
        The photons.
    method : SearchMethod
        For background and point spread functions.
    response : InstrumentResponse or None
        For the exposure.
    places : sequence of (float, float)
        RA and Dec [deg].

    Returns
    -------
    list of BinMeasurement
        One for each place; none if the photons were not kept.
    """
    counts = method.counts_of(binned.counts.counts)
    photons = method.photons_of(binned.photons)
    if photons is None or not places:
        return []
    search, _ = beside_dead_parts(method.search, counts)
    measured = []
    for ra, dec in places:
        xi, eta = map(float, binned.counts.grid.to_plane(ra, dec))
        found = forced_counts(search, counts, photons, (xi, eta))
        crab = np.nan
        if response is not None:
            crab = float(search.source.rate_at(search.offset_of(xi, eta)).sum())
            crab = crab * binned.counts.livetime or np.nan
        behind = equal_background(found.counts, found.error)
        low, high = count_bounds(found.counts, behind)
        limit = count_upper_limit(found.counts, behind, confidence=_WIDE)
        measured.append(
            BinMeasurement(
                ra, dec, found.counts, found.error, float(low), float(high), float(limit), crab
            )
        )
    return measured


def light_curve(
    events: EventList,
    ra: float,
    dec: float,
    bin_seconds: float,
    *,
    trials: TrialsTable,
    reading: ReadOptions | None = None,
    response: InstrumentResponse | None = None,
    source_id: str = "",
) -> FeatureTable:
    """Return the light curve at a place from a list of photons.

    Parameters
    ----------
    events : EventList
        Of one pointing.
    ra, dec : float [deg]
        Where.
    bin_seconds : float [s]
        Length of the bins, which end at whole multiples of it after the reference of the events.
    trials : TrialsTable
        Of the bundle.
    reading : ReadOptions, optional
        Energies and pixels.
    response : InstrumentResponse, optional
        The instrument's own; without it there is no flux.
    source_id : str
        For the column.

    Returns
    -------
    FeatureTable
        The table of bins (see ``docs/live-windows.md``), one row for each with good time.
    """
    reading, options = reading or ReadOptions(), PredictOptions()
    rows: list[dict[str, Any]] = []
    if len(events.gti) == 0:
        return bins_table([])
    grid = WindowLength(bin_seconds, bin_seconds)
    first, last = float(events.gti.start[0]), float(events.gti.stop[-1])
    for end in grid.ends(first, last + bin_seconds):
        part = events.between(end - bin_seconds, end)
        if part.gti.duration <= 0:
            continue
        binned = bin_window(part, reading)
        method = search_method_of(binned, response, options, trials, options.false_alarms)
        about = {
            "window_id": "",
            "revision": 0,
            "source_id": source_id,
            "bin": bin_seconds,
            "t_start": mjd(end - bin_seconds),
            "t_stop": mjd(end),
            "livetime": part.livetime,
        }
        measured = measure_bin(binned, method, response, [(ra, dec)])
        rows += [{**about, **one.row()} for one in measured]
    return bins_table(rows)
