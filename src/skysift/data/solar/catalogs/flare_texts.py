"""Flare lists as texts: the edited events of SWPC and the X-ray reports of NCEI.

References
----------
NOAA Space Weather Prediction Center, "Edited Solar Events Lists", README of the product, 2011.
NOAA National Geophysical Data Center, "X-ray Solar Flare Report Format".
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from skysift.core.errors import ReadError
from skysift.data.solar.catalogs.lists import flare_list, full_number
from skysift.data.table import FeatureTable

__all__ = ["parse_events", "parse_xray_report"]

_DATE = re.compile(r"^:Date:\s*(\d{4}) (\d{2}) (\d{2})", re.MULTILINE)
_EVENT = re.compile(
    r"(?P<event>\d{4})\s*\+?\s+[A-Z]?(?P<start>\d{4}|////)\s+[A-Z]?(?P<peak>\d{4}|////)\s+"
    r"[A-Z]?(?P<end>\d{4}|////)\s+\S+\s+\S+\s+(?P<type>[A-Z]{3})\s+(?P<place>\S+)\s*(?P<rest>.*)"
)
_CLASS = re.compile(r"[ABCMX]\d+\.\d")
_REGION = re.compile(r"(?<![\d.E+-])(\d{4,5})\s*$")
_PLACE = re.compile(r"([NS])(\d{2})([EW])(\d{2,3})")
_REPORT = "31777"  # data code of X-ray flares, station code of GOES
_CENTURY = 75  # the reports began in 1975
_MINUTES, _HOURS = 60, 24


def parse_events(text: str, *, path: Path | None = None) -> FeatureTable:
    """Return the X-ray flares of one daily list of edited events (``20140225events.txt``).

    The position is that of the optical flare with the same event number, where there is one. A
    line of an X-ray event that cannot be understood is listed in the meta under ``skipped``.

    Raises
    ------
    ReadError
        If the text has no date.
    """
    date = _DATE.search(text)
    if date is None:
        raise ReadError(
            "The text has no line ':Date:'.", "Is it a daily list of SWPC events?", path=path
        )
    try:
        day = np.datetime64("-".join(date.groups()), "D")
    except ValueError as error:
        raise ReadError(
            f"The list is of {'-'.join(date.groups())}, which is no day.",
            "Download it again.",
            path=path,
        ) from error
    rows: list[dict[str, Any]] = []
    places: dict[str, tuple[float, float]] = {}
    skipped: list[tuple[str, int, str]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        match = _EVENT.match(line.strip())
        if match is not None and match["type"] == "FLA":
            if (place := _place(match["place"])) is not None:
                places.setdefault(match["event"], place)
        elif match is not None and match["type"] == "XRA":
            row = _xray_event(match, day)
            if row is None:
                skipped.append((str(path or ""), number, line.strip()))
            else:
                rows.append(row)
        elif match is None and " XRA " in line:
            skipped.append((str(path or ""), number, line.strip()))
    for row in rows:
        row["lat"], row["lon"] = places.get(row.pop("event"), (np.nan, np.nan))
    return _as_list(rows, "SWPC events", skipped)


def parse_xray_report(text: str, *, path: Path | None = None) -> FeatureTable:
    """Return the flares of a yearly X-ray report (``goes-xrs-report_2014.txt``), fixed columns.

    A line without a class is an optical flare only; it is listed in the meta under ``skipped``,
    and so is one that cannot be understood.

    Raises
    ------
    ReadError
        If no line begins with the code of such a report.
    """
    rows: list[dict[str, Any]] = []
    skipped: list[tuple[str, int, str]] = []
    known = False
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        known = known or line.startswith(_REPORT)
        row = _report_row(line) if line.startswith(_REPORT) else None
        if row is None:
            skipped.append((str(path or ""), number, line.strip()))
        else:
            rows.append(row)
    if not known:
        raise ReadError(
            f"No line begins with {_REPORT}.", "Is it a GOES X-ray flare report?", path=path
        )
    return _as_list(rows, "NCEI X-ray report", skipped)


def _xray_event(match: re.Match[str], day: np.datetime64) -> dict[str, Any] | None:
    goes_class = _CLASS.search(match["rest"])
    start = _clock(day, match["start"])
    if goes_class is None or np.isnat(start):
        return None
    region = _REGION.search(match["rest"][goes_class.end() :])
    return {
        "event": match["event"],
        "start": start,
        "peak": _clock(day, match["peak"]),
        "end": _clock(day, match["end"]),
        "goes_class": goes_class[0],
        "noaa": int(region[1]) if region else 0,
    }


def _report_row(line: str) -> dict[str, Any] | None:
    letter, factor = line[59:60], line[60:63].strip()
    if letter not in tuple("ABCMX") or not re.fullmatch(r"\d{2,3}|\d\.\d", factor):
        return None
    year = line[5:7]
    century = "19" if year.isdigit() and int(year) >= _CENTURY else "20"
    try:
        day = np.datetime64(f"{century}{year}-{line[7:9]}-{line[9:11]}", "D")
    except ValueError:
        return None
    start, end, peak = (_clock(day, line[k : k + 4]) for k in (13, 18, 23))
    if np.isnat(start):
        return None
    lat, lon = _place(line[28:34]) or (np.nan, np.nan)
    region = line[80:85].strip()
    strength = float(factor) if "." in factor else int(factor) / 10
    return {
        "start": start,
        "peak": peak,
        "end": end,
        "goes_class": f"{letter}{strength:.1f}",
        "noaa": int(region) if region.isdigit() else 0,
        "lat": lat,
        "lon": lon,
    }


def _clock(day: np.datetime64, text: str) -> np.datetime64:
    """Return the time of a day that ``hhmm`` is; 2400 is midnight, what is no time is NaT."""
    if not text.isdigit() or int(text[2:]) >= _MINUTES or int(text[:2]) > _HOURS:
        return np.datetime64("NaT", "s")
    minutes = _MINUTES * int(text[:2]) + int(text[2:])
    return np.datetime64(f"{day}T00:00", "s") + np.timedelta64(60 * minutes, "s")


def _place(text: str) -> tuple[float, float] | None:
    """Return latitude and longitude, west positive [deg], of e.g. ``N19W66``."""
    match = _PLACE.match(text)
    if match is None:
        return None
    lat = float(match[2]) * (1 if match[1] == "N" else -1)
    return lat, float(match[4]) * (1 if match[3] == "W" else -1)


def _as_list(
    rows: Sequence[Mapping[str, Any]], source: str, skipped: Sequence[tuple[str, int, str]]
) -> FeatureTable:
    names = ("start", "peak", "end", "goes_class", "noaa", "lat", "lon")
    columns: dict[str, Any] = {name: [row[name] for row in rows] for name in names}
    columns["start"] = np.array(columns["start"], dtype="datetime64[s]")
    columns["noaa"] = full_number(np.array(columns["noaa"], dtype=np.int64), columns["start"])
    return flare_list(columns, source=source, meta={"skipped": tuple(skipped)})
