"""The strongest flare of a region in a window of time, for many windows at once."""

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import ContractError
from skysift.data.solar.catalogs.policies import LabelPolicy
from skysift.data.solar.catalogs.rotation import rotate_longitude
from skysift.data.table import FeatureTable

__all__ = ["NOBODY", "FlareIndex", "assign_by_position"]

Times = NDArray[np.datetime64]
Rows = NDArray[np.int64]

NOBODY = 0
"""The number of a flare without a region."""

_NONE = -1
_NEAR_IN_TIME = np.timedelta64(36, "h")


class FlareIndex:
    """The flares of a list by region and time, ready for many questions.

    Parameters
    ----------
    flares : FeatureTable
        A list of flares.

    Raises
    ------
    ContractError
        If a flare has neither class nor flux.
    """

    def __init__(self, flares: FeatureTable) -> None:
        flux = flares["flux"].astype(np.float64)
        if np.isnan(flux).any():
            raise ContractError(
                f"{np.isnan(flux).sum():,} flares have no GOES class.",
                "Join them with a list that has: labels rest on the class.",
                path=flares.meta.get("path"),
                row=int(np.isnan(flux).argmax()),
            )
        order = np.lexsort((flares["start"], flares["noaa"]))
        self._start, self._end = flares["start"][order], flares["end"][order]
        self._flux = flux[order]
        self._class = flares["goes_class"].astype(str)[order]
        numbers, first = np.unique(flares["noaa"][order].astype(np.int64), return_index=True)
        self._runs = {
            int(one): slice(int(a), int(b))
            for one, a, b in zip(numbers, first, [*first[1:], len(order)], strict=True)
        }
        self._tops = _tops(self._flux)
        known = self._end[~np.isnat(self._end)] - self._start[~np.isnat(self._end)]
        self._longest = known.max() if len(known) else np.timedelta64(0, "s")

    def strongest(self, number: Rows, low: Times, high: Times) -> Rows:
        """Return the strongest flare that starts in (low, high], shape (n,); -1 for none.

        Parameters
        ----------
        number : array of int, shape (n,)
            Region of each window; `NOBODY` for flares without one.
        low, high : array of datetime64, shape (n,)
            Limits of each window.
        """
        first, stop = self._between(number, low, high)
        best = np.full(len(number), _NONE, dtype=np.int64)
        some = np.flatnonzero(stop > first)
        # Two overlapping runs of 2 ** level flares cover each window.
        level = np.log2(stop[some] - first[some]).astype(np.int64)
        for k in np.unique(level):
            rows = some[level == k]
            left, right = self._tops[k][first[rows]], self._tops[k][stop[rows] - 2**k]
            best[rows] = np.where(self._flux[right] > self._flux[left], right, left)
        return best

    def in_progress(self, number: Rows, time: Times) -> Rows:
        """Return the strongest flare of a region that lasts at a time, shape (n,); -1 for none."""
        second = np.timedelta64(1, "s")
        first, stop = self._between(number, time - self._longest - second, time)
        best = np.full(len(number), _NONE, dtype=np.int64)
        for row in np.flatnonzero(stop > first):
            lasting = np.arange(first[row], stop[row])
            lasting = lasting[self._end[lasting] >= time[row]]
            if len(lasting):
                best[row] = lasting[self._flux[lasting].argmax()]
        return best

    def flux_of(self, flare: Rows) -> NDArray[np.float64]:
        """Return the peak flux of each flare [W / m2], 0 for none (-1)."""
        return np.asarray(np.append(self._flux, 0.0)[flare])

    def class_of(self, flare: Rows) -> NDArray[np.str_]:
        """Return the class of each flare, empty for none (-1)."""
        return np.asarray(np.append(self._class, "")[flare])

    def _between(self, number: Rows, low: Times, high: Times) -> tuple[Rows, Rows]:
        """Return the run of flares that start in (low, high], first and stop, shape (n,) each."""
        first, stop = np.zeros(len(number), np.int64), np.zeros(len(number), np.int64)
        for one in np.unique(number):
            run = self._runs.get(int(one))
            if run is not None:
                rows = np.flatnonzero(number == one)
                start = self._start[run]
                first[rows] = run.start + np.searchsorted(start, low[rows], side="right")
                stop[rows] = run.start + np.searchsorted(start, high[rows], side="right")
        return first, stop


def assign_by_position(
    flares: FeatureTable, regions: FeatureTable, policy: LabelPolicy
) -> FeatureTable:
    """Give flares that have a position but no region the number of the nearest region.

    Parameters
    ----------
    flares : FeatureTable
        A list of flares.
    regions : FeatureTable
        Regions at times, with ``time``, ``noaa``, ``lat`` and ``lon``.
    policy : LabelPolicy
        Its `match_radius` and `rotation`.

    Returns
    -------
    FeatureTable
        The same list; a flare with no region within the radius, at the times up to 36 h away, is
        left without.
    """
    number = flares["noaa"].astype(np.int64).copy()
    lat, lon, start = flares["lat"], flares["lon"], flares["start"]
    lost = np.flatnonzero((number == NOBODY) & np.isfinite(lat) & np.isfinite(lon))
    order = np.argsort(regions["time"], kind="stable")
    time = regions["time"][order]
    for row in lost:
        low, high = np.searchsorted(time, [start[row] - _NEAR_IN_TIME, start[row] + _NEAR_IN_TIME])
        near = order[low:high]
        if not len(near):
            continue
        elapsed = start[row] - regions["time"][near]
        there = rotate_longitude(
            regions["lon"][near], regions["lat"][near], elapsed, policy.rotation
        )
        apart = _separation(regions["lat"][near], there, lat[row], lon[row])
        if np.nanmin(apart, initial=np.inf) <= policy.match_radius:
            number[row] = regions["noaa"][near[np.nanargmin(apart)]]
    return flares.with_columns({"noaa": number})


def _tops(flux: NDArray[np.float64]) -> list[Rows]:
    """Return, for each level, the strongest of 2 ** level flares from each flare on."""
    tops = [np.arange(len(flux))]
    step = 1
    while 2 * step <= len(flux):
        left, right = tops[-1][:-step], tops[-1][step:]
        tops.append(np.where(flux[right] > flux[left], right, left))
        step *= 2
    return tops


def _separation(
    lat: NDArray[np.float64], lon: NDArray[np.float64], lat0: float, lon0: float
) -> NDArray[np.float64]:
    """Return angles on the sphere [deg]."""
    a, b, c, d = (np.deg2rad(value) for value in (lat, lon, lat0, lon0))
    cosine = np.sin(a) * np.sin(c) + np.cos(a) * np.cos(c) * np.cos(b - d)
    return np.asarray(np.rad2deg(np.arccos(np.clip(cosine, -1.0, 1.0))))
