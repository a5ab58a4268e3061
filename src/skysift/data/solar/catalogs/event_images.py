"""Tables that join events with images: links of LMSAL's event pages, archive times of flares."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from skysift.core.errors import ContractError
from skysift.data.io import read_table
from skysift.data.table import FeatureTable
from skysift.data.times import as_times

__all__ = ["read_archive_times", "read_event_images"]

_ARCHIVE_COLUMNS = {"start": "Start", "peak": "Maximum", "end": "End", "image": "Data"}
_MADE = re.compile(r"_(\d{2})(\d{2})(\d{2})_(\d{2})(\d{2})(\d{2})_")
_MADE_LONG = re.compile(r"made_(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})")
_IRIS = re.compile(r"/(\d{4})(\d{2})(\d{2})_(\d{2})(\d{2})(\d{2})_")
_CHANNEL = re.compile(r"(?:cutout|AIA|SJI)[_-](\d{2,4})")


def read_event_images(path: str | Path) -> FeatureTable:
    """Read a list of image links with the kind of event (``Image``, ``Type``), as LMSAL's.

    Returns
    -------
    FeatureTable
        Columns ``image`` (the link), ``kind`` (as given, e.g. AR or FL), ``made`` (time in the
        link, NaT where none), ``channel`` (wavelength in the link [Angstrom], 0 where none),
        ``origin`` (host and first folders of the link), ``copies`` (how often the link occurs).

    Raises
    ------
    ContractError
        If the columns are missing.
    """
    table = read_table(path)
    for name in ("Image", "Type"):
        if name not in table:
            raise ContractError(f"The table has no column '{name}'.", "Add it.", path=path)
    links = [str(link or "") for link in table["Image"]]
    copies = Counter(links)
    columns: dict[str, Any] = {
        "image": np.array(links, dtype=np.str_),
        "kind": np.array([str(kind or "") for kind in table["Type"]], dtype=np.str_),
        "made": np.array([_made(link) for link in links], dtype="datetime64[s]"),
        "channel": np.array(
            [int(found[1]) if (found := _CHANNEL.search(link)) else 0 for link in links]
        ),
        "origin": np.array([_origin(link) for link in links], dtype=np.str_),
        "copies": np.array([copies[link] for link in links]),
    }
    return FeatureTable.from_columns(columns, units={"channel": "Angstrom"}, meta=table.meta)


def read_archive_times(path: str | Path) -> FeatureTable:
    """Read a table of flares with the time of an archived image (``Date``, ``Start``, ``Data``).

    Returns
    -------
    FeatureTable
        Columns ``start``, ``peak``, ``end`` of the flare and ``image``, the time of the image.

    Raises
    ------
    ContractError
        If a column is missing.
    """
    table = read_table(path)
    days = [str(day or "") for day in table["Date"]]
    columns = {}
    for name, column in _ARCHIVE_COLUMNS.items():
        texts = [f"{day} {clock}" for day, clock in zip(days, table[column], strict=True)]
        columns[name] = as_times(texts, path=path, column=column)
    day = np.timedelta64(1, "D")
    for name in ("peak", "end"):
        columns[name] = np.where(
            columns[name] < columns["start"], columns[name] + day, columns[name]
        )
    return FeatureTable.from_columns(columns, meta=table.meta)


def _made(link: str) -> np.datetime64:
    for pattern in (_MADE_LONG, _IRIS, _MADE):
        match = pattern.search(link)
        if match is not None:
            year, month, day, hour, minute, second = match.groups()
            century = "" if len(year) == 4 else "20"  # noqa: PLR2004 - digits of a year
            text = f"{century}{year}-{month}-{day}T{hour}:{minute}:{second}"
            return np.datetime64(text, "s")
    return np.datetime64("NaT", "s")


def _origin(link: str) -> str:
    parts = link.split("://", 1)[-1].split("/")
    return "/".join(part for part in parts[:4] if not part[:1].isdigit())
