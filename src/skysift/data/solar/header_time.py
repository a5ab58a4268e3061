"""When an image was taken, as the headers of solar observatories say it."""

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from skysift.data.solar.ephemeris import utc_of_tai

__all__ = ["parse_time", "time_of_header"]

# 2011-02-15T01:59:54.30Z, 2011.02.15_01:59:54_TAI, 2025/01/09 01:35:16
_YEAR_FIRST = re.compile(
    r"^(\d{4})[-./](\d{1,2})[-./](\d{1,2})"
    r"(?:[T_ ]+(\d{1,2}):(\d{2})(?::(\d{2}(?:\.\d*)?))?)?(?:Z|_?(TAI|UTC?))?$"
)
_GPS_MINUS_TAI = -19
_PIVOT = 57  # two-digit years below are of this century: no magnetogram is older
_MS = 1000.0


def parse_time(text: str, *, atomic: bool = False) -> np.datetime64 | None:
    """Return the UTC that a text means, None if it is no time.

    Parameters
    ----------
    text : str
        As the FITS standard or JSOC write it.
    atomic : bool
        Whether a text that does not say its scale is TAI.

    Examples
    --------
    >>> str(parse_time("2011.02.15_01:59:54_TAI"))
    '2011-02-15T01:59:20.000'
    >>> str(parse_time("2014-03-01T00:00:27.90"))
    '2014-03-01T00:00:27.900'
    >>> parse_time("unknown")
    """
    match = _YEAR_FIRST.match(text.strip())
    if match is None:
        return None
    year, month, day, hour, minute, second, scale = match.groups()
    try:
        days = np.datetime64(f"{year}-{int(month):02d}-{int(day):02d}", "ms")
    except ValueError:
        return None
    since = (int(hour or 0) * 60 + int(minute or 0)) * 60 + float(second or 0)
    time = days + np.timedelta64(round(since * _MS), "ms")
    is_atomic = scale == "TAI" or (atomic and scale is None and not text.strip().endswith("Z"))
    return utc_of_tai(time) if is_atomic else time


def time_of_header(header: Mapping[str, Any]) -> np.datetime64 | None:
    """Return the middle of the exposure where a header states it, else its beginning [UTC].

    Parameters
    ----------
    header : mapping of str to value
        By FITS keywords in capitals.
    """
    if str(header.get("ORIGIN", "")).startswith("MT. WILSON"):
        return _mount_wilson(header)
    if str(header.get("TELESCOP", "")).endswith("GONG"):
        time = _gong(header)
        if time is not None:
            return time
    atomic = str(header.get("TIMESYS", "")).strip().upper() == "TAI"
    for keyword in ("T_OBS", "DATE-AVG", "DATE-OBS", "DATE_OBS", "DATE-BEG", "T_REC"):
        text = str(header.get(keyword, "")).strip()
        of_day = str(header.get("TIME-OBS", header.get("TIME_OBS", ""))).strip()
        if text and ":" not in text and of_day:
            text = f"{text}T{of_day}"
        time = parse_time(text, atomic=atomic)
        if time is not None:
            return time
    return None


def _gong(header: Mapping[str, Any]) -> np.datetime64 | None:
    """Return UTC of the GPS time of GONG's magnetograms."""
    if str(header.get("IMTYPE", "")).strip() != "MAGNETIC":
        return None
    words = (str(header.get(keyword, "")).strip() for keyword in ("DATE-OBS", "TIME-OBS"))
    time = parse_time(" ".join(words))
    return None if time is None else utc_of_tai(time - np.timedelta64(_GPS_MINUS_TAI, "s"))


def _mount_wilson(header: Mapping[str, Any]) -> np.datetime64 | None:
    """Return the time of a card such as DATE-OBS = '03-31-11', and of TAVG-UT in hours."""
    with suppress(ValueError, KeyError, TypeError):
        month, day, year = (int(part) for part in str(header["DATE-OBS"]).split("-"))
        century = 2000 if year < _PIVOT else 1900
        date = np.datetime64(f"{century + year}-{month:02d}-{day:02d}", "ms")
        return date + np.timedelta64(round(float(header["TAVG-UT"]) * 3600 * _MS), "ms")
    return None
