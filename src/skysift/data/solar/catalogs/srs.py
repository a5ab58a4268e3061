"""The Solar Region Summary of NOAA: the daily text as it is published, and tables made of it.

References
----------
NOAA Space Weather Prediction Center, "Solar Region Summary", README of the product, 2008.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from skysift.core.errors import ContractError, ReadError
from skysift.data.column_names import in_our_case
from skysift.data.io import read_table
from skysift.data.solar.catalogs.cells import (
    as_days,
    as_numbers,
    as_region_numbers,
    check_none_missing,
)
from skysift.data.solar.catalogs.lists import full_number, join_lists, region_list
from skysift.data.solar.catalogs.text_files import read_text
from skysift.data.table import FeatureTable

__all__ = ["parse_srs", "read_regions"]

SOURCE = "NOAA SRS"

_SECTION = re.compile(r"^(IA|III|II|I)\.\s", re.IGNORECASE)
_ISSUED = re.compile(r"^:Issued:\s*(\d{4} [A-Za-z]{3} \d{1,2})", re.MULTILINE)
_SPOTS = re.compile(
    r"(\d{4,5})\s+(\S+)\s+(\d{1,3})\s+(\d+)\s+([A-Z][a-z]{2})\s+(\d+)\s+(\d+)\s*(.*)", re.IGNORECASE
)
_PLAGE = re.compile(r"(\d{4,5})\s+(\S+)\s+(\d{1,3})\b.*")
_RETURN = re.compile(r"(\d{4,5})\s+([NS]\d{1,2})\s+(\d{1,3})\b.*", re.IGNORECASE)
_PLACE = re.compile(r"([NS])(\d{1,2})([EW])(\d{1,3})", re.IGNORECASE)
_NOT_ROWS = ("nmbr", "none")
_WIDTHS = {"I": _SPOTS, "IA": _PLAGE, "II": _RETURN}
_TABLE = {
    "valid": ("srs_file_date", "valid"), "section": ("section",), "noaa": ("noaa",),
    "lat": ("lat",), "lon": ("lon",), "carrington_lon": ("carrington_lon", "carr"),
    "area": ("area",), "mcintosh": ("mcintosh",), "extent": ("extent",),
    "n_spots": ("n_spots", "nspots"), "hale": ("hale",),
}  # fmt: skip
_NEEDED = ("valid", "section", "noaa", "lat", "lon")
_NUMBERS = frozenset({"lat", "lon", "carrington_lon", "area", "extent", "n_spots"})


def parse_srs(text: str, *, path: Path | None = None) -> FeatureTable:
    """Return the regions of one daily report.

    A line that cannot be understood is left out and listed in the meta under ``skipped``, as file,
    number of the line, and text.

    Parameters
    ----------
    text : str
        The report, in capitals (before October 2000) or not.
    path : Path, optional
        Where it comes from.

    Returns
    -------
    FeatureTable
        As :func:`~skysift.data.solar.catalogs.lists.region_list`; sections I, IA and II.

    Raises
    ------
    ReadError
        If the text has no date of issue or no section: it is no such report, or cut short.
    """
    issued = _ISSUED.search(text)
    if issued is None:
        raise ReadError(
            "The text has no line ':Issued:' with a date.", "Is it a daily SRS report?", path=path
        )
    try:
        day = datetime.strptime(issued[1], "%Y %b %d").replace(tzinfo=UTC)
    except ValueError as error:
        raise ReadError(f"'{issued[1]}' is no date.", "Mend the report.", path=path) from error
    rows: list[dict[str, Any]] = []
    skipped: list[tuple[str, int, str]] = []
    section = ""
    for number, line in enumerate(text.splitlines(), start=1):
        heading = _SECTION.match(line)
        if heading is not None:
            section = heading[1].upper()
        elif line.strip() and section in _WIDTHS and not line.lower().startswith(_NOT_ROWS):
            row = _row(section, line.strip())
            if row is None:
                skipped.append((str(path or ""), number, line.strip()))
            else:
                rows.append(row)
    if not section:
        raise ReadError(
            "The report has no sections.", "It may be cut short: fetch it again.", path=path
        )
    issue = np.datetime64(day.strftime("%Y-%m-%d"), "s")
    valid = np.full(len(rows), issue)
    columns: dict[str, Any] = {
        name: [row[name] for row in rows]
        for name in (rows[0] if rows else {"section": "", "noaa": 0})
    }
    columns["noaa"] = full_number(np.array(columns["noaa"], dtype=np.int64), valid)
    return region_list(
        {"valid": valid, **columns},
        source=SOURCE,
        days=[issue],
        meta={"skipped": tuple(skipped)},
    )


def read_regions(paths: Iterable[str | Path]) -> FeatureTable:
    """Read lists of regions: daily texts, folders of them, and tables.

    A table needs the columns ``srs_file_date`` (20140225 or 2014-02-25) or ``valid``, ``section``,
    ``noaa`` (12192 or AR12192), ``lat`` and ``lon``; ``carr`` or ``carrington_lon``,
    ``area``, ``mcintosh``, ``extent``, ``nspots`` or ``n_spots`` and ``hale`` are taken where they
    are.

    Parameters
    ----------
    paths : iterable of path-like
        Files, or folders with ``*SRS.txt``.

    Returns
    -------
    FeatureTable
        As :func:`~skysift.data.solar.catalogs.lists.region_list`. A day without regions is known as
        such from its text only: in a table it looks like one without a summary. A report that
        cannot be read is listed in the meta under ``skipped``, and so is each line. A region that
        several lists have on a day is taken once, from the last of them: see
        :func:`~skysift.data.solar.catalogs.lists.join_lists`.

    Raises
    ------
    ReadError
        If nothing can be read.
    ContractError
        If a table lacks a column, a day or the number of a region, or a cell is no number.
    """
    files = [
        file
        for path in map(Path, paths)
        for file in (sorted(path.glob("*SRS.txt")) if path.is_dir() else [path])
    ]
    lists: list[FeatureTable] = []
    failed: list[ReadError] = []
    for file in files:
        if file.suffix.lower() != ".txt":
            lists.append(_from_table(read_table(file)))
            continue
        try:
            lists.append(parse_srs(read_text(file), path=file))
        except ReadError as error:
            failed.append(error)
    if not lists:
        if failed:
            raise failed[0]
        raise ReadError("There is no list of regions.", "Give daily SRS texts, or a table.")
    joined = join_lists(lists)
    unread = tuple((str(error.path), 0, error.problem) for error in failed)
    return joined.with_meta(skipped=joined.meta.get("skipped", ()) + unread)


def _row(section: str, line: str) -> dict[str, Any] | None:
    match = _WIDTHS[section].fullmatch(line)
    if match is None:
        return None
    row: dict[str, Any] = {
        "section": section,
        "noaa": int(match[1]),
        "lat": np.nan,
        "lon": np.nan,
        "carrington_lon": float(match[3]),
        **dict.fromkeys(("area", "extent", "n_spots"), np.nan),
        "mcintosh": "",
        "hale": "",
    }
    if section == "II":
        row["lat"] = float(match[2][1:]) * (1 if match[2][0] in "Nn" else -1)
        return row
    place = _PLACE.fullmatch(match[2])
    if place is None:
        return None
    row["lat"] = float(place[2]) * (1 if place[1] in "Nn" else -1)
    row["lon"] = float(place[4]) * (1 if place[3] in "Ww" else -1)
    if section == "I":
        row |= {
            "area": float(match[4]),
            "mcintosh": match[5].capitalize(),
            "extent": float(match[6]),
            "n_spots": float(match[7]),
            "hale": match[8].strip().title(),
        }
    return row


def _from_table(table: FeatureTable) -> FeatureTable:
    path = table.meta.get("path")
    table = in_our_case(table, chain.from_iterable(_TABLE.values()))
    found = {
        name: column
        for name, choices in _TABLE.items()
        if (column := next((choice for choice in choices if choice in table), None)) is not None
    }
    for name in _NEEDED:
        if name not in found:
            raise ContractError(
                f"The table of regions has no column '{' or '.join(_TABLE[name])}'.",
                f"It has: {', '.join(table)}.",
                path=path,
            )
    valid = as_days(table[found["valid"]], column=found["valid"], path=path)
    check_none_missing(valid, column=found["valid"], path=path)
    columns: dict[str, Any] = {
        name: as_numbers(table[column], column=column, path=path)
        if name in _NUMBERS
        else table[column]
        for name, column in found.items()
    }
    number = as_region_numbers(columns["noaa"], path=path)
    if (number <= 0).any():
        raise ContractError(
            f"The number of the region is missing in {np.count_nonzero(number <= 0):,} rows.",
            "Fill it in, or remove the row.",
            path=path,
            row=int((number <= 0).argmax()),
        )
    return region_list(
        {**columns, "valid": valid, "noaa": full_number(number, valid)}, source=SOURCE
    )
