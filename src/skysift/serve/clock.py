"""Moments as people, charts and other programs want them."""

from datetime import UTC, datetime
from functools import cache

import erfa  # type: ignore[import-untyped]  # has no types
import numpy as np
from numpy.typing import NDArray

__all__ = ["iso_time", "to_mjd_tt", "to_unix", "utc_text"]

_UNIX_EPOCH = 40587.0  # MJD
_DAY = 86400.0
_TT_MINUS_TAI = 32.184  # s
_FIRST_YEAR = 1972  # of whole leap seconds


def to_unix(mjd_tt: float) -> float:
    """Return Unix time [s] of a Modified Julian Date in terrestrial time.

    Examples
    --------
    >>> round(to_unix(51910.00074287037), 3)  # the reference of GADF: 2001-01-01 00:00 UTC
    978307200.0
    """
    return (mjd_tt - _UNIX_EPOCH) * _DAY - _TT_MINUS_TAI - _tai_minus_utc(mjd_tt)


def to_mjd_tt(unix: float) -> float:
    """Return the Modified Julian Date in terrestrial time of Unix time [s].

    Examples
    --------
    >>> round(to_unix(to_mjd_tt(1.8e9)), 3)
    1800000000.0
    """
    days = _UNIX_EPOCH + unix / _DAY
    return days + (_TT_MINUS_TAI + _tai_minus_utc(days)) / _DAY


def iso_time(unix: float) -> str:
    """Return Unix time [s] as ISO 8601 in UTC, to the millisecond.

    Examples
    --------
    >>> iso_time(978307200.25)
    '2001-01-01T00:00:00.250Z'
    """
    moment = datetime.fromtimestamp(round(unix, 3), UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"


def utc_text(unix: float | None) -> str:
    """Return a moment as text to the second; a dash if there is none.

    Examples
    --------
    >>> utc_text(978307200.26), utc_text(None) == utc_text(float("nan"))
    ('2001-01-01 00:00:00', True)
    """
    try:
        return datetime.fromtimestamp(float("nan") if unix is None else unix, UTC).strftime(
            "%Y-%m-%d %H:%M:%S"
        )
    except (OverflowError, ValueError, OSError):
        return "\N{EN DASH}"


def _tai_minus_utc(mjd: float) -> float:
    days, seconds = _leap_seconds()
    place = int(np.searchsorted(days, mjd, side="right")) - 1
    return float(seconds[max(place, 0)])


@cache
def _leap_seconds() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return since which MJD TAI is ahead of UTC by how much [s]."""
    table = erfa.leap_seconds.get()
    whole = table[table["year"] >= _FIRST_YEAR]
    dates = [f"{row['year']:04}-{row['month']:02}-01" for row in whole]
    days = np.array(dates, dtype="datetime64[D]").astype(np.float64) + _UNIX_EPOCH
    return days, whole["tai_utc"].astype(np.float64)
