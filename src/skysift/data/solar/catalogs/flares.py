"""Read lists of flares, whatever their format."""

import json
from collections.abc import Iterable
from pathlib import Path

from skysift.core.errors import ReadError
from skysift.data.io import read_table
from skysift.data.solar.catalogs.flare_tables import flares_of_hek, flares_of_table
from skysift.data.solar.catalogs.flare_texts import parse_events, parse_xray_report
from skysift.data.solar.catalogs.lists import join_lists
from skysift.data.solar.catalogs.text_files import read_text
from skysift.data.table import FeatureTable

__all__ = ["read_flares"]


def read_flares(paths: Iterable[str | Path]) -> FeatureTable:
    """Read lists of flares: SWPC events, NCEI reports, answers of HEK in JSON, and tables.

    Parameters
    ----------
    paths : iterable of path-like
        Files, or folders with ``*events.txt``.

    Returns
    -------
    FeatureTable
        As :func:`~skysift.data.solar.catalogs.lists.flare_list`. What could not be understood is
        listed in the meta under ``skipped``, as file, number of the line, and text.

    Raises
    ------
    ReadError
        If a file is of none of these kinds.

    See Also
    --------
    skysift.data.solar.catalogs.flare_tables.flares_of_table : the tables that are known.
    """
    files = [
        file
        for path in map(Path, paths)
        for file in (sorted(path.glob("*events.txt")) if path.is_dir() else [path])
    ]
    if not files:
        raise ReadError("There is no list of flares.", "Give event texts, or a table.")
    return join_lists([_read(file) for file in files])


def _read(path: Path) -> FeatureTable:
    if path.suffix.lower() == ".txt":
        text = read_text(path)
        parse = parse_events if text.lstrip().startswith(":") else parse_xray_report
        return parse(text, path=path)
    if path.suffix.lower() == ".json":
        return _read_json(path)
    return flares_of_table(read_table(path))


def _read_json(path: Path) -> FeatureTable:
    try:
        document = json.loads(read_text(path))
    except ValueError as error:
        raise ReadError(f"Not valid JSON: {error}.", "Fetch it again.", path=path) from error
    rows = document.get("result") if isinstance(document, dict) else document
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ReadError(
            "The document has no list of events.", "Give the answer of HEK as it came.", path=path
        )
    return flares_of_hek(rows)
