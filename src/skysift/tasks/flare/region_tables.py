"""Tables of regions on images: their columns, and where the images lie that they name."""

from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import ContractError, ReadError
from skysift.data.column_names import in_our_case
from skysift.data.images.stamp import Rejected
from skysift.data.io import read_table
from skysift.data.solar.readers import iter_solar_images
from skysift.data.table import FeatureTable
from skysift.data.times import without_offset
from skysift.models.flare_history import HISTORY_COLUMNS

__all__ = ["find_images", "is_table", "number", "read_region_table", "text", "times"]

_TABLES = (".csv", ".ecsv", ".parquet", ".vot", ".gz")
_PACKED_FITS = (".fits.gz", ".fit.gz", ".fts.gz")
_NEEDED = ("file",)
_PLACES = (("x", "y"), ("lon", "lat"))
_KNOWN = (
    *("file", "time", "section", "noaa", "overlap"),
    *chain(*_PLACES),
    *HISTORY_COLUMNS,
    *("maxflux_24h", "maxflux_48h"),
)

Floats = NDArray[np.float64]


def number(table: FeatureTable, name: str) -> Floats:
    """Return a column as numbers, NaN where it is missing or is none, shape (n,)."""
    if name not in table:
        return np.full(len(table), np.nan)
    values = table[name]
    if values.dtype.kind in "OU":
        return np.array([_as_number(one) for one in values])
    return np.asarray(values, dtype=np.float64)


def text(table: FeatureTable, name: str) -> NDArray[np.str_]:
    """Return a column as text, empty where it is missing, shape (n,)."""
    if name not in table:
        return np.full(len(table), "", dtype=np.str_)
    return np.array(["" if _is_none(one) else str(one) for one in table[name]], dtype=np.str_)


def times(table: FeatureTable) -> NDArray[np.datetime64]:
    """Return the column time, NaT where it is missing or is none, shape (n,)."""
    if "time" in table and table["time"].dtype.kind == "M":
        return np.asarray(table["time"].astype("datetime64[s]"))
    found = np.full(len(table), np.datetime64("NaT", "s"))
    for row, one in enumerate(text(table, "time")):
        clock, ahead = without_offset(str(one).strip().removesuffix("Z"))
        try:
            found[row] = np.datetime64(clock.replace(" ", "T"), "s") - ahead
        except ValueError:
            continue
    return found


def is_table(path: Path) -> bool:
    """Tell whether what is given is a table of regions, and no image.

    Gzipped FITS is an image unless a table is all that it holds.
    """
    if not path.name.lower().endswith(_PACKED_FITS):
        return path.suffix.lower() in _TABLES
    try:
        found = next(iter_solar_images([path]), None)
    except ReadError:
        return False
    return isinstance(found, Rejected) and found.code == "no-image-in-file"


def read_region_table(path: Path) -> FeatureTable:
    """Read a table of regions on images; its known columns in small letters.

    Raises
    ------
    ReadError
        If it cannot be read.
    ContractError
        If it has no column ``file``, or no position.
    """
    table = in_our_case(read_table(path), _KNOWN)
    placed = any(set(pair) <= set(table.columns) for pair in _PLACES)
    missing = [name for name in _NEEDED if name not in table]
    if missing or not placed:
        raise ContractError(
            f"The table has no column {missing[0]}."
            if missing
            else "The table says neither x and y nor lon and lat.",
            "A row names its image (file) and where the region lies on it: x, y [pixel, from the "
            "top left] or lon, lat [deg].",
            path=path,
        )
    return table


def find_images(names: NDArray[np.str_], folder: Path) -> dict[str, Path]:
    """Return where images lie, by name: in a folder, or in one of those in it."""
    folders = [folder, *sorted(one for one in folder.iterdir() if one.is_dir())]
    found = {}
    for name in dict.fromkeys(names.tolist()):
        plain = Path(str(name)).name
        places = [place / plain for place in folders]
        if ".." not in Path(str(name)).parts:
            places.insert(0, folder / str(name))
        path = next((place for place in places if plain and place.is_file()), None)
        if path is not None:
            found[str(name)] = path
    return found


def _is_none(value: object) -> bool:
    return value is None or (isinstance(value, float) and np.isnan(value))


def _as_number(value: object) -> float:
    try:
        return float(str(value)) if not _is_none(value) else float("nan")
    except ValueError:
        return float("nan")
