"""Times: the hour that tells the class, and neighbours in time on both sides of a split."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import ContractError
from skysift.data.times import as_times
from skysift.evaluate.audit.findings import AuditFinding, Severity
from skysift.evaluate.audit.subject import Subject

__all__ = ["clock_codes", "find_time_neighbours"]

_MOST_MINUTES = 50
_COMMON_MINUTES = 25
_HALF_HOUR = 30
_SAMPLE = 20


def clock_codes(values: NDArray[Any]) -> NDArray[np.int64] | None:
    """Return a category for the time of day of each row, shape (n,); None if these are no times.

    The commonest minutes have one each, the others share that of their half hour: archives take
    one class at full hours and the other at minutes of events.

    Parameters
    ----------
    values : array, shape (n,)
        Times, or texts.
    """
    time = _times(values)
    if time is None:
        return None
    missing = np.isnat(time)
    minute = np.zeros(len(time), dtype=np.int64)
    into_day = time[~missing] - time[~missing].astype("datetime64[D]")
    minute[~missing] = into_day.astype("timedelta64[m]").astype(np.int64)
    levels, number = np.unique(minute[~missing], return_counts=True)
    if not len(levels):
        return None
    codes = 24 * 60 + minute // _HALF_HOUR
    most = len(levels) if len(levels) <= _MOST_MINUTES else _COMMON_MINUTES
    common = np.isin(minute, levels[np.argsort(-number, kind="stable")[:most]])
    codes[common] = minute[common]
    codes[missing] = -1
    return np.unique(codes, return_inverse=True)[1].astype(np.int64)


def find_time_neighbours(
    subject: Subject, times: NDArray[Any], split: NDArray[Any], purge: np.timedelta64
) -> list[AuditFinding]:
    """Find rows that are nearer in time to a row of another part than a gap.

    Parameters
    ----------
    subject : Subject
        The labelled table.
    times : array of datetime64, shape (n,)
        Times of the rows.
    split : array, shape (n,)
        The part of each row.
    purge : timedelta64
        The gap that a forecast needs: its horizon.
    """
    time = np.asarray(times, dtype="datetime64[s]")
    rows = np.flatnonzero(~np.isnat(time))
    rows = rows[np.argsort(time[rows], kind="stable")]
    part = np.unique(split, return_inverse=True)[1][rows]
    ordered = time[rows]
    near = np.zeros(len(rows), dtype=bool)
    for one in np.unique(part):
        others = ordered[part != one]
        if not len(others):
            return []
        own = part == one
        after = np.searchsorted(others, ordered[own])
        before = np.abs(ordered[own] - others[np.maximum(after - 1, 0)])
        ahead = np.abs(others[np.minimum(after, len(others) - 1)] - ordered[own])
        near[own] = np.minimum(before, ahead) < purge
    if not near.any():
        return []
    share = float(near.mean())
    hours = purge / np.timedelta64(1, "h")
    return [
        subject.finding(
            "neighbours-in-time",
            Severity.HIGH if share > 0.05 else Severity.MEDIUM,  # noqa: PLR2004 - more than an edge
            f"{near.sum():,} rows are within {hours:g} h of a row on the other side of the split",
            "What is observed so shortly after one another looks alike and has the same fate: the "
            "test asks for what has been seen in training.",
            rows=rows[near],
            evidence={"share": share, "gap_hours": hours},
            advice="Split in time, and leave out a gap as long as the forecast.",
        )
    ]


def _times(values: NDArray[Any]) -> NDArray[np.datetime64] | None:
    if values.ndim != 1 or values.dtype.kind not in "MOU":
        return None
    try:
        if values.dtype.kind != "M":
            some = [value for value in values[:_SAMPLE].tolist() if value is not None]
            if not some or not all(isinstance(one, str) and ":" in one for one in some):
                return None
        return np.asarray(as_times(values))
    except ContractError:
        return None
