"""The two lists that labels are made of, in one form whatever file they come from.

A list of regions has a row for each active region and day, a list of flares one for each flare;
both are a :class:`~skysift.data.table.FeatureTable` with the columns below. Times are UTC.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from skysift.core.errors import ContractError
from skysift.data.solar.catalogs.cells import check_none_missing
from skysift.data.solar.catalogs.goes_class import flux_of_class
from skysift.data.table import FeatureTable

__all__ = [
    "FLARE_COLUMNS",
    "REGION_COLUMNS",
    "flare_list",
    "full_number",
    "join_lists",
    "region_list",
]

REGION_COLUMNS: Final = {
    "valid": "time that the position holds for, 00:00 UTC of the day of issue",
    "section": "I with sunspots, IA plage only, II due to return",
    "noaa": "number of the region, five digits",
    "lat": "heliographic latitude",
    "lon": "Stonyhurst longitude, west positive; NaN where only the Carrington one is given",
    "carrington_lon": "Carrington longitude",
    "area": "area corrected for foreshortening, millionths of a hemisphere",
    "mcintosh": "modified Zurich (McIntosh) class",
    "extent": "extent in longitude",
    "n_spots": "number of sunspots",
    "hale": "Mount Wilson magnetic class",
}
FLARE_COLUMNS: Final = {
    "start": "beginning of the flare",
    "peak": "time of the greatest flux; NaT where unknown",
    "end": "end of the flare; NaT where unknown",
    "goes_class": "GOES class; empty where unknown",
    "flux": "peak flux in 1-8 Angstrom; NaN where unknown",
    "noaa": "number of the region, 0 where none is given",
    "lat": "heliographic latitude, NaN where unknown",
    "lon": "Stonyhurst longitude, west positive, NaN where unknown",
}
_UNITS = {
    "lat": "deg", "lon": "deg", "carrington_lon": "deg", "extent": "deg", "flux": "W / m2",
}  # fmt: skip
_TIMES = frozenset({"valid", "start", "peak", "end"})
_TEXTS = frozenset({"section", "mcintosh", "hale", "goes_class"})
_DAY = np.timedelta64(1, "D")
# Region 10000 was numbered in June 2002; reports still print four digits. A high number in a report
# soon after is of before.
_RESTART = np.datetime64("2002-06-15", "s")
_OLD_BEGIN = 9000


def full_number(printed: ArrayLike, when: ArrayLike) -> NDArray[np.int64]:
    """Return region numbers of five digits from the four that reports print.

    Parameters
    ----------
    printed : array_like of int, shape (n,)
        Numbers; 0 is none and stays so, five digits stay as they are.
    when : array_like of datetime64, shape (n,)
        Time of the report.

    Examples
    --------
    >>> full_number([2293, 9169, 0], np.array(["2015-03-06"] * 3, "datetime64[D]")).tolist()
    [12293, 9169, 0]
    """
    number = np.asarray(printed, dtype=np.int64)
    new = np.asarray(when, dtype="datetime64[s]") >= _RESTART
    return np.where(new & (number > 0) & (number < _OLD_BEGIN), number + 10_000, number)


def region_list(
    columns: Mapping[str, ArrayLike],
    *,
    source: str,
    days: Iterable[np.datetime64] = (),
    meta: Mapping[str, Any] | None = None,
) -> FeatureTable:
    """Return a list of regions in order of day and number; columns left out are unknown.

    Parameters
    ----------
    columns : mapping of str to array_like, shape (n,)
        Some of `REGION_COLUMNS`.
    source : str
        Whose list it is.
    days : iterable of datetime64
        Days that have a summary, be it one without regions; days with a row need no mention. They
        are in the meta under ``days``.
    meta : mapping, optional
        What else is known of the list.

    Raises
    ------
    ContractError
        If the day, the section or the number is missing.
    """
    table = _listed(columns, REGION_COLUMNS, ("valid", "section", "noaa"), source, meta or {})
    also = np.array(list(days), dtype="datetime64[s]")
    return table.with_meta(days=np.union1d(table["valid"], also))


def flare_list(
    columns: Mapping[str, ArrayLike], *, source: str, meta: Mapping[str, Any] | None = None
) -> FeatureTable:
    """Return a list of flares in order of start; columns left out are unknown.

    Two repairs are made, and counted in the meta under ``repaired``: a peak or an end before the
    start, by less than a day, is of the next day, as happens in lists that give one date to all
    three; and rows that are equal in all columns are taken once.

    Raises
    ------
    ContractError
        If the start is missing, in all rows or in one, or a class is none.
    """
    filled = dict(columns)
    if "goes_class" in filled and "flux" not in filled:
        filled["flux"] = flux_of_class(str(one or "") for one in np.asarray(filled["goes_class"]))
    repaired = {"midnight": 0, "repeated": 0}
    start = np.asarray(filled.get("start", ()), dtype="datetime64[s]")
    check_none_missing(start, column="start")
    for name in ("peak", "end"):
        if name in filled:
            time = np.array(filled[name], dtype="datetime64[s]")
            early = (time < start) & (time + _DAY >= start)
            time[early] += _DAY
            filled[name] = time
            repaired["midnight"] += int(np.count_nonzero(early))
    table = _listed(filled, FLARE_COLUMNS, ("start",), source, meta or {})
    seen = list(zip(*(table[name].astype(str).tolist() for name in table), strict=True))
    first = dict(zip(reversed(seen), range(len(seen) - 1, -1, -1), strict=True))
    kept = np.array(sorted(first.values()), dtype=np.int64)
    repaired["repeated"] = len(table) - len(kept)
    return table.take(kept).with_meta(repaired=repaired)


def join_lists(lists: Sequence[FeatureTable]) -> FeatureTable:
    """Return lists of one kind as one, in order of time, each region and flare once.

    Rows are of one region if day, section and number are equal. Where they contradict one another,
    the last list given counts. They are of one flare if start, class and region are; the row
    that knows most of it is kept, the last of several. The meta counts under ``repaired`` the rows
    left out: ``repeated``, and of regions those ``contradicted`` by the row that is kept.

    Parameters
    ----------
    lists : sequence of FeatureTable
        Lists of regions, or of flares.

    Raises
    ------
    ContractError
        If there is none.
    """
    if not lists:
        raise ContractError("There is no list to join.", "Give one at least.")
    table = (
        lists[0] if len(lists) == 1 else FeatureTable(pa.concat_tables([x.arrow for x in lists]))
    )
    repaired = Counter[str]()
    for one in lists:
        repaired.update(one.meta.get("repaired", {}))
    of_regions = "valid" in table
    kept, left_out = _each_region(table) if of_regions else _each_flare(table)
    repaired.update(left_out)
    time = table["valid" if of_regions else "start"][kept]
    joined = table.take(kept[np.lexsort((table["noaa"][kept], time))])
    sources = dict.fromkeys(str(one.meta.get("source", "")) for one in lists)
    skipped = [row for one in lists for row in one.meta.get("skipped", ())]
    joined = joined.with_meta(
        source=" + ".join(sources), skipped=tuple(skipped), repaired=dict(repaired)
    )
    if not of_regions:
        return joined
    return joined.with_meta(days=np.unique(np.concatenate([one.meta["days"] for one in lists])))


def _each_region(table: FeatureTable) -> tuple[NDArray[np.int64], dict[str, int]]:
    """Return the last row of each region and day, and how many rows are left out, by reason."""
    names = ("valid", "section", "noaa")
    keys = list(zip(*(table[name].tolist() for name in names), strict=True))
    last = {key: row for row, key in enumerate(keys)}
    again = [row for row, key in enumerate(keys) if last[key] != row]
    counts = {"repeated": 0, "contradicted": 0}
    for row in again:
        same = _texts_of(table, row) == _texts_of(table, last[keys[row]])
        counts["repeated" if same else "contradicted"] += 1
    return np.array(sorted(last.values()), dtype=np.int64), counts


def _each_flare(table: FeatureTable) -> tuple[NDArray[np.int64], dict[str, int]]:
    """Return the row of each flare that knows most of it, and how many rows are left out."""
    strength = [
        name or f"{flux:.3g}"
        for name, flux in zip(table["goes_class"].tolist(), table["flux"].tolist(), strict=True)
    ]
    keys = list(zip(table["start"].tolist(), strength, table["noaa"].tolist(), strict=True))
    known = sum(~np.isnat(table[name]) for name in ("peak", "end")) + np.isfinite(table["lat"])
    best = {keys[row]: row for row in np.argsort(known, kind="stable").tolist()}
    kept = np.array(sorted(best.values()), dtype=np.int64)
    return kept, {"repeated": len(table) - len(kept)}


def _texts_of(table: FeatureTable, row: int) -> list[str]:
    return [str(table[name][row]) for name in table]


def _listed(
    columns: Mapping[str, ArrayLike],
    known: Mapping[str, str],
    needed: tuple[str, ...],
    source: str,
    meta: Mapping[str, Any],
) -> FeatureTable:
    for name in needed:
        if name not in columns:
            raise ContractError(f"The list has no column '{name}'.", "Add it.")
    n = len(np.asarray(columns[needed[0]]))
    filled = {name: _column(name, columns.get(name), n) for name in known}
    order = np.lexsort((filled["noaa"], filled[needed[0]]))
    return FeatureTable.from_columns(
        {name: values[order] for name, values in filled.items()},
        units={name: unit for name, unit in _UNITS.items() if name in known},
        descriptions=known,
        meta={**meta, "source": source},
    )


def _column(name: str, values: ArrayLike | None, n: int) -> NDArray[Any]:
    if name in _TIMES:
        missing: Any = np.full(n, np.datetime64("NaT", "s"))
        return np.asarray(missing if values is None else values, dtype="datetime64[s]")
    if name in _TEXTS:
        texts = [""] * n if values is None else np.asarray(values).tolist()
        return np.array(["" if text is None else str(text) for text in texts], dtype=np.str_)
    if name == "noaa":
        return np.zeros(n, np.int64) if values is None else np.asarray(values, dtype=np.int64)
    return np.full(n, np.nan) if values is None else np.asarray(values, dtype=np.float64)
