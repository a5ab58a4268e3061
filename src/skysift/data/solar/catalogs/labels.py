"""Labels of flares to come: which region, which class, within how many hours, and how certain."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skysift.core.errors import ContractError, UsageError
from skysift.data.solar.catalogs.goes_class import at_least, flux_of_class
from skysift.data.solar.catalogs.policies import (
    Gaps,
    LabelPolicy,
    LabelStatus,
    Overlapping,
    Unassociated,
)
from skysift.data.solar.catalogs.windows import NOBODY, FlareIndex, assign_by_position
from skysift.data.table import FeatureTable

__all__ = ["Coverage", "label_disk", "label_regions"]

Times = NDArray[np.datetime64]


@dataclass(frozen=True, slots=True)
class Coverage:
    """The time in which a list of flares is complete.

    Parameters
    ----------
    start, end : datetime64
        Its limits.
    gaps : sequence of pairs of datetime64
        Beginning and end of the times that are missing in between.
    """

    start: np.datetime64
    end: np.datetime64
    gaps: Sequence[tuple[np.datetime64, np.datetime64]] = ()

    @classmethod
    def of(
        cls,
        flares: FeatureTable,
        gaps: Sequence[tuple[np.datetime64, np.datetime64]] = (),
    ) -> Self:
        """Return the coverage of a list: from the day of the first flare to that of the last.

        A flare whose start is not known says nothing of it.

        Raises
        ------
        ContractError
            If the list is empty.
        """
        start = flares["start"]
        days = start[~np.isnat(start)].astype("datetime64[D]")
        if not len(days):
            raise ContractError("The list of flares is empty.", "State its coverage.")
        return cls(
            days.min().astype("datetime64[s]"), (days.max() + 1).astype("datetime64[s]"), gaps
        )

    def covers(self, low: Times, high: Times) -> NDArray[np.bool_]:
        """Tell whether each window from `low` to `high` lies in covered time, shape (n,)."""
        inside = (low >= self.start) & (high <= self.end)
        for begin, end in self.gaps:
            inside &= (high <= begin) | (low >= end)
        return np.asarray(inside)


def label_regions(
    regions: FeatureTable,
    flares: FeatureTable,
    *,
    horizons: Sequence[float] = (24.0,),
    coverage: Coverage | None = None,
    policy: LabelPolicy | None = None,
) -> FeatureTable:
    """Say of each region and time which flares it had in the hours after.

    Parameters
    ----------
    regions : FeatureTable
        Regions at times, as :func:`.positions.regions_at` returns them.
    flares : FeatureTable
        A list of flares.
    horizons : sequence of float
        Lengths of the window, each at least a minute [h].
    coverage : Coverage, optional
        When the list of flares is complete; by default from its first day to its last.
    policy : LabelPolicy, optional
        What to do where the catalogues say nothing.

    Returns
    -------
    FeatureTable
        A row for each region, time and horizon: the columns of `regions`, and

        ``horizon``
            Length of the window [h]: flares that start in (time, time + horizon].
        ``class``, ``flux_next``
            GOES class and peak flux of the strongest; empty and 0 for none.
        ``class_prev``, ``flux_prev``
            The same for (time - horizon, time]; NaN where that time is not covered.
        ``flaring_now``
            Class of the strongest flare in progress at the time; empty for none.
        ``flux_bound``
            What `flux_next` may be at most, for all that is known.
        ``flare_C``, ``flare_M``, ...
            Whether `flux_next` reaches the class.
        ``status``
            A :class:`.policies.LabelStatus`.
        ``source``
            The lists that the row rests on.

    Raises
    ------
    ContractError
        If a flare has no class; or if the policy refuses gaps, and there is one.
    UsageError
        If a horizon is too short.
    """
    rules = policy or LabelPolicy()
    number = regions["noaa"].astype(np.int64)
    if rules.unassociated is Unassociated.NEAREST:
        flares = assign_by_position(flares, regions, rules)
    lists = FlareIndex(flares)
    builder = _Builder(lists, coverage or Coverage.of(flares), rules)
    source = " + ".join(str(table.meta.get("source", "unknown")) for table in (regions, flares))
    return builder.table(regions, number, horizons, source)


def label_disk(
    times: ArrayLike,
    flares: FeatureTable,
    *,
    horizons: Sequence[float] = (24.0,),
    coverage: Coverage | None = None,
    policy: LabelPolicy | None = None,
) -> FeatureTable:
    """Say of each time which flares the whole disk had in the hours after.

    Parameters, columns and errors are those of :func:`label_regions`; ``noaa`` is 0, and since
    every flare is of the disk, no label is uncertain for want of a region.
    """
    rules = (policy or LabelPolicy()).model_copy(update={"unassociated": Unassociated.IGNORE})
    time = np.atleast_1d(np.asarray(times, dtype="datetime64[s]"))
    disk = FeatureTable.from_columns(
        {
            "image": np.arange(len(time)),
            "time": time,
            "noaa": np.full(len(time), NOBODY, dtype=np.int64),
        }
    )
    everything = flares.with_columns({"noaa": np.full(len(flares), NOBODY, dtype=np.int64)})
    builder = _Builder(FlareIndex(everything), coverage or Coverage.of(flares), rules)
    source = str(flares.meta.get("source", "unknown"))
    return builder.table(disk, disk["noaa"].astype(np.int64), horizons, source)


@dataclass(frozen=True, slots=True)
class _Builder:
    lists: FlareIndex
    coverage: Coverage
    rules: LabelPolicy

    def table(
        self, rows: FeatureTable, number: NDArray[np.int64], horizons: Sequence[float], source: str
    ) -> FeatureTable:
        if not horizons or min(horizons) * 60 < 1:
            raise UsageError(f"horizons = {list(horizons)}.", "Give hours, e.g. 24.")
        parts = [self._of_horizon(rows, number, float(hours)) for hours in horizons]
        n, index = len(rows), np.concatenate([np.arange(len(rows))] * len(parts))
        columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        columns["source"] = np.full(n * len(parts), source)
        units = {
            "horizon": "h",
            **dict.fromkeys(("flux_next", "flux_prev", "flux_bound"), "W / m2"),
        }
        table = rows.take(index).with_columns(columns, units=units)
        kept = self._kept(table, number[index])
        return table.take(kept).with_meta(policy=self.rules.model_dump(mode="json"), source=source)

    def _of_horizon(
        self, rows: FeatureTable, number: NDArray[np.int64], hours: float
    ) -> dict[str, Any]:
        time: Times = rows["time"].astype("datetime64[s]")
        width = np.timedelta64(round(hours * 3600), "s")
        after = self.lists.strongest(number, time, time + width)
        before = self.lists.strongest(number, time - width, time)
        flux = self.lists.flux_of(after)
        bound, status = self._certainty(flux, time, time + width)
        covered = self.coverage.covers(time - width, time) | (self.rules.gaps is Gaps.QUIET)
        return {
            "horizon": np.full(len(rows), hours),
            "class": self.lists.class_of(after),
            "flux_next": flux,
            "class_prev": self.lists.class_of(before),
            "flux_prev": np.where(covered, self.lists.flux_of(before), np.nan),
            "flaring_now": self.lists.class_of(self.lists.in_progress(number, time)),
            "flux_bound": bound,
            **{f"flare_{name}": at_least(flux, name) for name in self.rules.classes},
            "status": status,
        }

    def _certainty(
        self, flux: NDArray[np.float64], low: Times, high: Times
    ) -> tuple[NDArray[np.float64], NDArray[np.str_]]:
        """Return how strong a flare may have been at most, and the status of the label."""
        limits = flux_of_class(self.rules.classes)
        status = np.full(len(flux), str(LabelStatus.CERTAIN), dtype="U9")
        bound = flux.copy()
        if self.rules.unassociated is not Unassociated.IGNORE:
            nobody = np.full(len(flux), NOBODY, dtype=np.int64)
            orphan = self.lists.strongest(nobody, low, high)
            bound = np.maximum(bound, self.lists.flux_of(orphan))
            status[_unsettled(flux, bound, limits)] = LabelStatus.UNCERTAIN
        if self.rules.gaps is not Gaps.QUIET:
            missing = ~self.coverage.covers(low, high)
            gap = missing & _unsettled(flux, np.where(missing, np.inf, flux), limits)
            if self.rules.gaps is Gaps.REFUSE and gap.any():
                raise ContractError(
                    f"The list of flares does not cover the window of {gap.sum():,} rows.",
                    "Give a list that does, or another policy for gaps.",
                    row=int(gap.argmax()),
                )
            bound[missing] = np.inf
            status[gap] = LabelStatus.GAP
        return bound, status

    def _kept(self, table: FeatureTable, number: NDArray[np.int64]) -> NDArray[np.bool_]:
        status = table["status"].astype(str)
        kept = np.ones(len(table), dtype=bool)
        if self.rules.unassociated is Unassociated.DROP:
            kept &= status != LabelStatus.UNCERTAIN
        if self.rules.gaps is Gaps.DROP:
            kept &= status != LabelStatus.GAP
        if self.rules.overlapping is Overlapping.THIN:
            kept &= _thinned(number, table["time"], table["horizon"], kept)
        return kept


def _unsettled(
    flux: NDArray[np.float64], bound: NDArray[np.float64], limits: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Tell whether a threshold lies between what is known and what is possible."""
    low, high = (values[:, None] * (1 + 1e-9) >= limits for values in (flux, bound))
    return np.asarray((high & ~low).any(axis=1))


def _thinned(
    number: NDArray[np.int64], time: Times, hours: NDArray[np.float64], usable: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Tell which rows to keep so that no two windows of a region overlap."""
    kept = np.zeros(len(number), dtype=bool)
    free: dict[tuple[int, float], np.datetime64] = {}
    for row in np.argsort(time, kind="stable"):
        key = (int(number[row]), float(hours[row]))
        if usable[row] and (key not in free or time[row] >= free[key]):
            kept[row] = True
            free[key] = time[row] + np.timedelta64(round(key[1] * 3600), "s")
    return kept
