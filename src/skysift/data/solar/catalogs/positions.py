"""Where the numbered regions are at a time."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skysift.core.errors import InputError
from skysift.data.solar.catalogs.policies import LabelPolicy, Positions
from skysift.data.solar.catalogs.rotation import rotate_longitude
from skysift.data.table import FeatureTable

__all__ = ["choose_summaries", "regions_at"]

_ISSUE = np.timedelta64(30, "m")  # a summary of 00:00 is issued at 00:30
_HOUR = 3600


def choose_summaries(
    days: ArrayLike, times: ArrayLike, policy: LabelPolicy | None = None
) -> NDArray[np.int64]:
    """Return which daily summary tells the regions at each time.

    Parameters
    ----------
    days : array_like of datetime64, shape (n_days,)
        Midnights that summaries hold for, ascending.
    times : array_like of datetime64, shape (n,)
        Times.
    policy : LabelPolicy, optional
        Its `positions` and `oldest`.

    Returns
    -------
    array of int, shape (n,)
        Index of the summary; -1 where there is none near enough.
    """
    rules = policy or LabelPolicy()
    day = np.asarray(days, dtype="datetime64[s]")
    time = np.asarray(times, dtype="datetime64[s]")
    if not len(day):
        return np.full(len(time), -1, dtype=np.int64)
    if rules.positions is Positions.ISSUED:
        chosen = np.searchsorted(day + _ISSUE, time, side="right") - 1
    else:
        after = np.searchsorted(day, time)
        before = np.clip(after - 1, 0, len(day) - 1)
        after = np.clip(after, 0, len(day) - 1)
        chosen = np.where(abs(time - day[before]) <= abs(day[after] - time), before, after)
    age = np.abs(time - day[np.maximum(chosen, 0)]).astype(np.float64) / _HOUR
    return np.where((chosen >= 0) & (age <= rules.oldest), chosen, -1).astype(np.int64)


def regions_at(
    regions: FeatureTable,
    times: ArrayLike,
    *,
    sections: Sequence[str] = ("I", "IA"),
    policy: LabelPolicy | None = None,
) -> FeatureTable:
    """Return the regions on the disk at each time, moved there by differential rotation.

    Parameters
    ----------
    regions : FeatureTable
        A list of regions.
    times : array_like of datetime64, shape (n_times,)
        Times, UTC.
    sections : sequence of str
        Sections of the summary: I with sunspots, IA plage only.
    policy : LabelPolicy, optional
        Its `positions`, `oldest` and `rotation`.

    Returns
    -------
    FeatureTable
        A row for each region and time, ordered by time as given: ``image`` (index of the time),
        ``time``, ``lon`` at that time, ``lon_srs`` as listed, and the columns of the list. Its
        meta has ``without_summary``, the indices of times that have none; a time without regions
        has a summary and no row.

    Raises
    ------
    InputError
        If a time is missing.
    """
    rules = policy or LabelPolicy()
    time = np.atleast_1d(np.asarray(times, dtype="datetime64[s]"))
    if np.isnat(time).any():
        raise InputError("A time is missing.", "Leave it out.", row=int(np.isnat(time).argmax()))
    days = np.union1d(regions["valid"], np.asarray(regions.meta.get("days", []), "datetime64[s]"))
    day_of_row = np.searchsorted(days, regions["valid"])
    chosen = choose_summaries(days, time, rules)
    wanted = np.isin(regions["section"].astype(str), list(sections))
    rows_of_day = [np.flatnonzero(wanted & (day_of_row == k)) for k in range(len(days))]
    empty = np.empty(0, dtype=np.int64)
    rows = [rows_of_day[k] if k >= 0 else empty for k in chosen]
    image = np.repeat(np.arange(len(time)), [len(one) for one in rows])
    listed = regions.take(np.concatenate([empty, *rows]).astype(np.int64))
    lon = rotate_longitude(
        listed["lon"], listed["lat"], time[image] - listed["valid"], rules.rotation
    )
    columns: dict[str, Any] = {"image": image, "time": time[image], "lon_srs": listed["lon"]}
    moved = listed.with_columns({**columns, "lon": lon}, units={"lon": "deg", "lon_srs": "deg"})
    return moved.with_meta(without_summary=np.flatnonzero(chosen < 0))
