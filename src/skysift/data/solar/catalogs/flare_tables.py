"""Flare lists as tables: of HEK, NCEI, LMSAL, SpaceWeatherLive, and any with plain names."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import ContractError
from skysift.data.solar.catalogs.cells import (
    as_numbers,
    as_region_numbers,
    check_none_missing,
)
from skysift.data.solar.catalogs.lists import flare_list, full_number
from skysift.data.table import FeatureTable
from skysift.data.times import as_times

__all__ = ["HEK_METHODS", "flares_of_hek", "flares_of_table"]

HEK_METHODS = ("SWPC", "SSW Latest Events")
"""Who found a flare, in the order of preference: HEK lists one flare once for each of them."""

_NAMES = {
    "start": ("start", "start_time", "starttime", "begin", "tstart"),
    "peak": ("peak", "peak_time", "peaktime", "max", "maximum", "tpeak"),
    "end": ("end", "end_time", "endtime", "tend"),
    "goes_class": ("goes_class", "class", "flare_class", "fclass", "goes"),
    "flux": ("flux", "peak_flux", "xrsb_flux"),
    "noaa": (
        *("noaa", "noaa_ar", "noaa_active_region"),
        *("active_region", "region", "ar", "ar_noaanum"),
    ),
    "lat": ("lat", "latitude", "hgs_y"),
    "lon": ("lon", "longitude", "hgs_x"),
}  # fmt: skip
_STATUS = {"EVENT_START": "start", "EVENT_PEAK": "peak", "EVENT_END": "end"}
_PARTS = ("start", "peak", "end")
_MEASURED = ("flux", "lat", "lon")


def flares_of_table(table: FeatureTable) -> FeatureTable:
    """Return a table of flares in the form of :func:`.lists.flare_list`, whosever it is.

    Four kinds are told apart by their columns: results of HEK (``event_starttime``,
    ``fl_goescls``), the flare summary of NCEI (``time``, ``status``, ``flare_class``, a row for
    each status), tables in the manner of SpaceWeatherLive (``Date`` beside times of day, with or
    without a class), and tables with a row for each flare under plain names (``start`` or
    ``start_time``, ``GOES Class``, ``noaa_ar``), as LMSAL's.

    Raises
    ------
    ContractError
        If the table has no column with the start of a flare, a flare has no start, or a cell is no
        time, number or region.

    Notes
    -----
    NCEI's science-quality fluxes are 1 / 0.7 of the operational ones before GOES-16: lists of the
    two kinds should not be joined.

    Examples
    --------
    >>> lmsal = {"Start": ["2026-01-01 00:56:00"], "GOES Class": ["C1.7"], "Class_Type": ["C"]}
    >>> flares_of_table(FeatureTable.from_columns(lmsal))["flux"].tolist()
    [1.7e-06]
    """
    path = table.meta.get("path")
    names = {name.strip().lower().replace(" ", "_"): name for name in table}
    if "event_starttime" in names:
        rows = [dict(zip(names, row, strict=True)) for row in _rows(table)]
        return flares_of_hek(rows)
    if {"time", "status"} <= set(names):
        return _of_summary(table, names)
    found = {
        name: names[choice]
        for name, choices in _NAMES.items()
        if (choice := next((one for one in choices if one in names), None)) is not None
    }
    if "start" not in found:
        raise ContractError(
            f"No column tells when a flare starts: {', '.join(table)}.",
            "It lists images: read it with skysift.data.solar.catalogs.read_event_images."
            if {"image", "type"} <= set(names)
            else "Name it 'start'.",
            path=path,
        )
    dates = [str(one) for one in table[names["date"]]] if "date" in names else None
    columns: dict[str, Any] = {name: table[column] for name, column in found.items()}
    for name in set(_PARTS) & set(columns):
        given = columns[name]
        if dates is not None:
            given = [
                f"{day} {clock}" if clock else "" for day, clock in zip(dates, given, strict=True)
            ]
        columns[name] = as_times(given, path=path, column=found[name])
    check_none_missing(columns["start"], column=found["start"], path=path)
    for name in set(_MEASURED) & set(columns):
        columns[name] = as_numbers(columns[name], column=found[name], path=path)
    if "noaa" in columns:
        columns["noaa"] = as_region_numbers(columns["noaa"], column=found["noaa"], path=path)
    source = "SpaceWeatherLive" if dates is not None else "flare table"
    return _listed(columns, source)


def flares_of_hek(
    rows: Iterable[Mapping[str, Any]], *, methods: Sequence[str] = HEK_METHODS
) -> FeatureTable:
    """Return the flares of an answer of the Heliophysics Event Knowledgebase.

    Parameters
    ----------
    rows : iterable of mapping
        Events, with ``event_starttime``, ``event_peaktime``, ``event_endtime``, ``fl_goescls``,
        ``ar_noaanum``, and where there are ``hgs_x``, ``hgs_y`` and ``frm_name``.
    methods : sequence of str
        Names of methods, the best first; events of the first that occurs are taken, all of them
        if none occurs. Several methods list one flare several times.

    Returns
    -------
    FeatureTable
        Events without a GOES class are left out and counted in the meta under ``no_class``. A
        position of exactly (0, 0) is what HEK has for an unknown one, and becomes NaN.
    """
    events = list(rows)
    found = {str(event.get("frm_name") or "") for event in events}
    chosen = next((method for method in methods if method in found), None)
    if chosen is not None:
        events = [event for event in events if event.get("frm_name") == chosen]
    classed = [event for event in events if str(event.get("fl_goescls") or "").strip()]
    place = np.array(
        [[_number(event.get("hgs_y")), _number(event.get("hgs_x"))] for event in classed]
    ).reshape(-1, 2)
    place[~place.any(axis=1)] = np.nan
    columns: dict[str, Any] = {
        part: as_times(event.get(f"event_{part}time") for event in classed) for part in _PARTS
    }
    check_none_missing(columns["start"], column="event_starttime")
    columns["goes_class"] = [str(event["fl_goescls"]).strip() for event in classed]
    columns["noaa"] = np.array([_number(event.get("ar_noaanum")) for event in classed], np.int64)
    columns["lat"], columns["lon"] = place.T
    return _listed(columns, f"HEK {chosen or ''}".strip()).with_meta(
        no_class=len(events) - len(classed)
    )


def _of_summary(table: FeatureTable, names: Mapping[str, str]) -> FeatureTable:
    """Return the flares of NCEI's summary: rows of one flare follow one another."""
    times = as_times(table[names["time"]], path=table.meta.get("path"))
    flares: list[dict[str, Any]] = []
    letters = table[names["flare_class"]] if "flare_class" in names else [""] * len(table)
    for time, status, letter in zip(times, table[names["status"]], letters, strict=True):
        part = _STATUS.get(str(status).strip())
        if part == "start":
            flares.append({"start": time})
        elif part is not None and flares:
            flares[-1][part] = time
        if flares and letter:
            flares[-1]["goes_class"] = str(letter)
    missing = np.datetime64("NaT", "s")
    columns: dict[str, Any] = {
        part: np.array([flare.get(part, missing) for flare in flares], dtype="datetime64[s]")
        for part in _PARTS
    }
    columns["goes_class"] = [flare.get("goes_class", "") for flare in flares]
    return _listed(columns, "NCEI flare summary")


def _listed(columns: dict[str, Any], source: str) -> FeatureTable:
    if "noaa" in columns:
        columns["noaa"] = full_number(columns["noaa"], columns["start"])
    return flare_list(columns, source=source)


def _rows(table: FeatureTable) -> list[tuple[Any, ...]]:
    columns: list[NDArray[Any]] = [table[name] for name in table]
    return list(zip(*(column.tolist() for column in columns), strict=True))


def _number(value: Any) -> float:
    """Return a number, 0 for none, as HEK has it."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return 0.0
    return 0.0 if np.isnan(number) else number
