"""Splits in time: the past trains, the future tests, and nothing is on both sides.

A row belongs to its time, and with it to all that happens until its label is settled and to the
object (active region, night, source) that it shows. Rows that would let one side see the other are
left out, and never moved.
"""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from skysift.core.errors import InputError, UsageError

__all__ = [
    "LEFT_OUT",
    "Straddling",
    "chronological_folds",
    "chronological_split",
    "linked_groups",
    "time_blocks",
]

LEFT_OUT = -1
"""The part of a row that is on no side."""

Times = NDArray[np.datetime64]
Mask = NDArray[np.bool_]

_NO_TIME = np.timedelta64(0, "s")


class Straddling(StrEnum):
    """Where the rows of a group stay that has rows before and after a boundary."""

    EARLIER = "earlier"
    """In the part of its first row; what comes later is left out."""
    LATER = "later"
    """In the part of its last row; what came earlier is left out."""
    NEITHER = "neither"
    """All its rows are left out."""


def chronological_split(
    times: ArrayLike,
    boundaries: Sequence[np.datetime64 | str],
    *,
    purge: np.timedelta64 = _NO_TIME,
    groups: ArrayLike | None = None,
    straddling: Straddling = Straddling.EARLIER,
) -> NDArray[np.int64]:
    """Return the part of each row: 0 before the first boundary, 1 before the second, and so on.

    Parameters
    ----------
    times : array_like of datetime64, shape (n,)
        Times of the rows.
    boundaries : sequence of datetime64, shape (n_parts - 1,)
        Where parts begin, ascending; a row at a boundary is of the later part.
    purge : timedelta64
        Rows this much before a boundary are left out: their labels are settled after it. For a
        forecast, its horizon at least.
    groups : array_like, shape (n,), optional
        The object of each row, e.g. the number of an active region: no group is in two parts.
    straddling : Straddling
        Where a group stays that would be.

    Returns
    -------
    array of int, shape (n,)
        Parts, `LEFT_OUT` (-1) for rows that are in none.

    Raises
    ------
    UsageError
        If the boundaries do not ascend, or the gap is negative.
    InputError
        If a time is missing, or the groups do not fit.

    Examples
    --------
    >>> days = np.arange("2014-06-28", "2014-07-03", dtype="datetime64[D]")
    >>> chronological_split(days, ["2014-07-01"], purge=np.timedelta64(36, "h")).tolist()
    [0, 0, -1, 1, 1]
    >>> chronological_split(days, ["2014-07-01"], groups=[1, 2, 2, 2, 3]).tolist()
    [0, 0, 0, -1, 1]
    """
    time = _checked(times)
    limits = np.array(list(boundaries), dtype="datetime64[s]")
    if not len(limits) or np.any(np.diff(limits) <= _NO_TIME) or purge < _NO_TIME:
        raise UsageError(
            f"boundaries = {[str(one) for one in limits]}, purge = {purge}.",
            "Give one boundary or more in ascending order, and a gap of 0 or more.",
        )
    part = np.searchsorted(limits, time, side="right")
    # A label that is settled at the very boundary is settled in time.
    settled = np.searchsorted(limits, time + purge, side="left")
    part = np.where(settled > part, LEFT_OUT, part)
    if groups is not None:
        group = _group_of(groups, len(time))
        part = _unstraddled(part, group, straddling)
    return part.astype(np.int64)


def chronological_folds(
    times: ArrayLike,
    *,
    n_splits: int,
    purge: np.timedelta64 = _NO_TIME,
    groups: ArrayLike | None = None,
    past_only: bool = False,
) -> Iterator[tuple[Mask, Mask]]:
    """Yield training and test rows of folds that are runs in time, in order.

    Parameters
    ----------
    times : array_like of datetime64, shape (n,)
        Times of the rows.
    n_splits : int
        Number of folds, >= 2; each tests about as many rows. With `past_only`, the first run is
        never a test.
    purge : timedelta64
        Rows this near to a test run, on either side, are not trained on.
    groups : array_like, shape (n,), optional
        Rows of a group that is in the test run are not trained on.
    past_only : bool
        Train on what is before the test run only, as a forecaster must.

    Yields
    ------
    train, test : array of bool, shape (n,)
        Rows with equal times are on one side.

    Raises
    ------
    UsageError
        If there are fewer than 2 folds.
    InputError
        If there are fewer distinct times than runs, a time is missing, or the groups do not fit.
    """
    if n_splits < 2:  # noqa: PLR2004 - one fold is no split
        raise UsageError(f"n_splits = {n_splits} is too few.", "Use at least 2 folds.")
    time = _checked(times)
    group = None if groups is None else _group_of(groups, len(time))
    n_runs = n_splits + past_only
    ordered = np.sort(time)
    limits = np.unique(ordered[[k * len(time) // n_runs for k in range(1, n_runs)]])
    run = np.searchsorted(limits, time, side="right")
    if len(np.unique(run)) < n_runs:
        raise InputError(
            f"The times do not make {n_runs} runs.", "Use fewer folds, or give more rows."
        )
    for k in range(int(past_only), n_runs):
        test = run == k
        first, last = time[test].min(), time[test].max()
        train = time + purge < first
        if not past_only:
            train |= time - purge > last
        if group is not None:
            train &= ~np.isin(group, group[test])
        yield train, test


def time_blocks(times: ArrayLike, width: np.timedelta64) -> NDArray[np.int64]:
    """Return the block of time of each row, for intervals that heed how rows hang together.

    Parameters
    ----------
    times : array_like of datetime64, shape (n,)
        Times of the rows.
    width : timedelta64
        Length of a block; the first begins with the first row.

    Returns
    -------
    array of int, shape (n,)
        Consecutive from 0 in order of time; a block without rows has no number.

    Examples
    --------
    >>> days = np.array(["2014-01-01", "2014-01-20", "2014-01-07"], "datetime64[D]")
    >>> time_blocks(days, np.timedelta64(7, "D")).tolist()
    [0, 1, 0]
    """
    time = _checked(times)
    if not width > _NO_TIME:
        raise UsageError(f"width = {width}.", "Give a time above 0.")
    block = (time - time.min()) // width.astype("timedelta64[s]")
    return np.unique(block, return_inverse=True)[1].astype(np.int64)


def linked_groups(members: Sequence[Iterable[Hashable]]) -> NDArray[np.int64]:
    """Return groups of rows that share a member with one another, directly or through others.

    Parameters
    ----------
    members : sequence of iterables, shape (n,)
        What each row shows, e.g. the NOAA numbers in a patch. A row without any is alone.

    Returns
    -------
    array of int, shape (n,)
        Consecutive from 0; equal for rows of one group.

    Examples
    --------
    >>> linked_groups([(11424, 11427), (11427,), (), (), (11423,)]).tolist()
    [0, 0, 1, 2, 3]
    """
    first: dict[Hashable, int] = {}
    pairs = [
        (first.setdefault(member, row), row)
        for row, every in enumerate(members)
        for member in every
    ]
    link = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    n = len(members)
    graph = coo_array((np.ones(len(link), dtype=bool), (link[:, 0], link[:, 1])), shape=(n, n))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def _unstraddled(
    part: NDArray[np.int64], group: NDArray[np.int64], straddling: Straddling
) -> NDArray[np.int64]:
    """Leave out rows, so that no group is in two parts; rows already left out do not count."""
    used = part != LEFT_OUT
    n_groups = int(group.max(initial=-1)) + 1
    lowest = np.full(n_groups, np.iinfo(np.int64).max)
    highest = np.full(n_groups, LEFT_OUT)
    np.minimum.at(lowest, group[used], part[used])
    np.maximum.at(highest, group[used], part[used])
    if straddling is Straddling.EARLIER:
        stays = part == lowest[group]
    elif straddling is Straddling.LATER:
        stays = part == highest[group]
    else:
        stays = (lowest == highest)[group]
    return np.where(stays, part, LEFT_OUT)


def _checked(times: ArrayLike) -> Times:
    time = np.asarray(times, dtype="datetime64[s]")
    if time.ndim != 1 or not len(time):
        raise InputError(f"The times have shape {time.shape}.", "Give one for each row.")
    if np.isnat(time).any():
        raise InputError(
            "A time is missing.", "Leave the row out.", row=int(np.isnat(time).argmax())
        )
    return time


def _group_of(groups: ArrayLike, n: int) -> NDArray[np.int64]:
    given = np.asarray(groups)
    if given.shape != (n,):
        raise InputError(
            f"There are {n} rows, but the groups have shape {given.shape}.",
            "Give one group for each row.",
        )
    return np.unique(given, return_inverse=True)[1].astype(np.int64)
