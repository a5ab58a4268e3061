"""How the number of flaring regions hangs on what is called one."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.data.solar.catalogs import LabelPolicy, Unassociated, label_regions
from skysift.data.table import FeatureTable
from skysift.tasks.flare.region_tables import number, text
from skysift.tasks.flare.regions import LEVELS, Regions

__all__ = ["event_definitions"]

_HORIZONS = (12.0, 24.0, 48.0)
_STANDARD = 24.0


def event_definitions(regions: Regions, flares: FeatureTable) -> list[dict[str, Any]]:
    """Label the same regions by several rules, and count what changes.

    Parameters
    ----------
    regions : Regions
        With time and number, and the labels of their table.
    flares : FeatureTable
        Of :func:`~skysift.data.solar.catalogs.read_flares`.

    Returns
    -------
    list of dict
        A row for each rule: rows, flares of each class, and labels of class C that differ from
        those of the table.
    """
    table = FeatureTable.from_columns(
        {
            "time": regions.time,
            "noaa": regions.noaa,
            "lon": number(regions.table, "lon"),
            "lat": number(regions.table, "lat"),
            "row": np.arange(len(regions)),
        }
    )
    standard = regions.flared("C")
    rows = [_row("as in the table", np.ones(len(regions), dtype=bool), regions, standard)]
    for hours in _HORIZONS:
        for rule, words in (
            (Unassociated.IGNORE, "flares of no region left aside"),
            (Unassociated.DROP, "uncertain regions left out"),
        ):
            labelled = label_regions(
                table, flares, horizons=[hours], policy=LabelPolicy(unassociated=rule)
            )
            rows.append(_of_labels(words, hours, labelled, standard))
    alone = ~np.isin(np.char.lower(text(regions.table, "overlap")), ("true", "1"))
    if not alone.all():
        rows.append(_row("overlapping regions left out", alone, regions, standard))
    return rows


def _row(
    name: str, inside: NDArray[np.bool_], regions: Regions, standard: NDArray[np.bool_]
) -> dict[str, Any]:
    counts = {f"flares {level}": int(regions.flared(level)[inside].sum()) for level in LEVELS}
    return {
        "definition": name,
        "hours": _STANDARD,
        "rows": int(inside.sum()),
        **counts,
        "share": float(standard[inside].mean()),
        "changed": 0,
    }


def _of_labels(
    name: str, hours: float, labelled: FeatureTable, standard: NDArray[np.bool_]
) -> dict[str, Any]:
    event = {level: labelled[f"flare_{level}"].astype(bool) for level in LEVELS}
    return {
        "definition": name,
        "hours": hours,
        "rows": len(labelled),
        **{f"flares {level}": int(event[level].sum()) for level in LEVELS},
        "share": float(event["C"].mean()),
        "changed": int((event["C"] != standard[labelled["row"]]).sum()),
    }
