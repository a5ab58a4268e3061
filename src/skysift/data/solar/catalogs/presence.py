"""Labels of what is on the disk: the numbered regions at a time, or that there are none."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from skysift.core.errors import ContractError
from skysift.data.solar.catalogs.policies import Gaps, LabelPolicy, LabelStatus
from skysift.data.solar.catalogs.positions import regions_at
from skysift.data.solar.catalogs.windows import NOBODY
from skysift.data.solar.ephemeris import earth_view
from skysift.data.table import FeatureTable

__all__ = ["label_presence"]

_CLASS = {"I": "spots", "IA": "plage"}


def label_presence(
    regions: FeatureTable,
    times: ArrayLike,
    *,
    sections: Sequence[str] = ("I", "IA"),
    policy: LabelPolicy | None = None,
) -> FeatureTable:
    """Say which regions are on the disk at each time.

    Parameters
    ----------
    regions : FeatureTable
        A list of regions.
    times : array_like of datetime64, shape (n,)
        Times, UTC.
    sections : sequence of str
        Sections of the summary: I with sunspots, IA plage only.
    policy : LabelPolicy, optional
        Its `positions`, `oldest`, `rotation`, and `gaps` for times without a summary.

    Returns
    -------
    FeatureTable
        The rows of :func:`.positions.regions_at`, with ``class`` (spots or plage), ``horizon``
        (0 h), ``status`` and ``source``, and ``mu``, the cosine of the angle from the middle of the
        disk as the Earth sees it: not above 0 where rotation has brought a region behind the limb
        since the summary (or before, with the nearest one), so that no image shows it. A disk
        without regions has one row with the number 0 and the class *none*; one without a summary
        the same, with the status *gap* or as the policy says.

    Raises
    ------
    ContractError
        If the policy refuses gaps, and there is one.
    """
    rules = policy or LabelPolicy()
    time = np.atleast_1d(np.asarray(times, dtype="datetime64[s]"))
    found = regions_at(regions, time, sections=sections, policy=rules)
    unknown = np.asarray(found.meta["without_summary"])
    if rules.gaps is Gaps.REFUSE and len(unknown):
        raise ContractError(
            f"{len(unknown):,} times have no region summary within {rules.oldest:g} h, the first "
            f"{time[unknown[0]]}.",
            "Give more summaries, or another policy for gaps.",
            row=int(unknown[0]),
        )
    empty = np.setdiff1d(np.arange(len(time)), found["image"])
    if rules.gaps is Gaps.DROP:
        empty = np.setdiff1d(empty, unknown)
    table = FeatureTable(pa.concat_tables([found.arrow, _nothing_at(found, time, empty)]))
    table = table.take(np.argsort(table["image"], kind="stable"))
    gap = np.isin(table["image"], unknown) & (rules.gaps is Gaps.MARK)
    section = table["section"].astype(str)
    columns: dict[str, Any] = {
        "class": [_CLASS.get(one, "none") for one in section.tolist()],
        "mu": _mu(table),
        "horizon": np.zeros(len(table)),
        "status": np.where(gap, str(LabelStatus.GAP), str(LabelStatus.CERTAIN)),
        "source": np.full(len(table), str(regions.meta.get("source", "unknown"))),
    }
    return table.with_columns(columns, units={"horizon": "h"}).with_meta(
        policy=rules.model_dump(mode="json"), without_summary=unknown
    )


def _mu(table: FeatureTable) -> NDArray[np.float64]:
    """Return the cosine of the angle of each row from the middle of the disk; NaN of none."""
    b0 = np.radians(earth_view(table["time"]).b0)
    lon, lat = (np.radians(np.asarray(table[name], np.float64)) for name in ("lon", "lat"))
    return np.asarray(np.sin(b0) * np.sin(lat) + np.cos(b0) * np.cos(lat) * np.cos(lon))


def _nothing_at(like: FeatureTable, time: Any, image: Any) -> pa.Table:
    """Return a row without a region for each image, with the columns of a table."""
    known = {
        "image": image,
        "time": time[image],
        "noaa": np.full(len(image), NOBODY, dtype=np.int64),
        **{name: np.full(len(image), "") for name in ("section", "mcintosh", "hale")},
    }
    arrays = [
        pa.array(known[field.name].tolist(), field.type)
        if field.name in known
        else pa.nulls(len(image), field.type)
        for field in like.arrow.schema
    ]
    return pa.Table.from_arrays(arrays, schema=like.arrow.schema)
