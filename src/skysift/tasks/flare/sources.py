"""Where the regions on an image are known from: a table that names images, or daily summaries.

Both are replaced by newer ones while a service runs, so whoever asks looks whether the files have
changed.
"""

from abc import abstractmethod
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from skysift.core.errors import ContractError, InputError
from skysift.data.column_names import in_our_case
from skysift.data.io import read_table
from skysift.data.solar.catalogs.policies import LabelPolicy
from skysift.data.solar.catalogs.positions import regions_at
from skysift.data.solar.catalogs.srs import read_regions
from skysift.data.solar.solar_image import SolarImage
from skysift.data.table import FeatureTable
from skysift.preprocess.solar.heliographic import pixels_of
from skysift.tasks.flare.image_features import assumed_disk
from skysift.tasks.flare.region_tables import read_region_table, text
from skysift.tasks.flare.renewed import Renewed

__all__ = ["DailySummaries", "NamedRegions", "RegionSource", "UnknownRegionsError", "source_of"]

OVERDUE: Final = 24.5
"""Age from which a daily summary should have been followed by another [h]."""

_NEEDED = ("section", "noaa", "lat", "lon")
_SUMMARY = ("file", "valid", "srs_file_date", *_NEEDED)
_SECTIONS = ("I",)  # the models of regions know those with sunspots
_COLUMNS = ("section", "noaa", "lat", "lon", "area", "mcintosh", "extent", "hale")
_NOT_RENEWED = "regions-not-renewed"


class UnknownRegionsError(InputError):
    """The regions on an image are unknown.

    Parameters
    ----------
    code : str
        For the flags of its row.
    problem, remedy : str
        As of all errors.
    """

    def __init__(self, code: str, problem: str, remedy: str) -> None:
        super().__init__(problem, remedy)
        self.code = code


class RegionSource(Renewed[FeatureTable]):
    """Regions in files that may be replaced at any time.

    Where newer files cannot be read, the answers are flagged ``regions-not-renewed``.

    Parameters
    ----------
    path : Path
        A file, or a folder of daily texts.

    Raises
    ------
    InputError
        If it cannot be read.
    """

    def rows(self, image: SolarImage) -> tuple[FeatureTable, tuple[str, ...]]:
        """Return the regions on an image, and flags of all of them.

        Raises
        ------
        UnknownRegionsError
            If they are unknown; that there are none is known by an empty table.
        """
        self.renewed()
        table, flags = self._rows(image)
        return table, (*flags, _NOT_RENEWED) if self.stale else flags

    @abstractmethod
    def _rows(self, image: SolarImage) -> tuple[FeatureTable, tuple[str, ...]]:
        """Return the regions on an image from what was read."""


class NamedRegions(RegionSource):
    """A table with a row for each region and image, as :func:`.read_region_table` takes it."""

    @property
    def schema(self) -> pa.Schema:
        """Columns of the table."""
        return self._held.arrow.schema

    def _read(self) -> FeatureTable:
        return read_region_table(self.path)

    def _rows(self, image: SolarImage) -> tuple[FeatureTable, tuple[str, ...]]:
        name = Path(image.source).name
        names = [Path(one).name for one in text(self._held, "file").tolist()]
        found = np.array(names, dtype=np.str_) == name
        if not found.any():
            raise UnknownRegionsError(
                "not-in-the-table",
                f"The table {self.path.name} has no region of the image {name}.",
                "Add its regions, or give daily region summaries.",
            )
        return self._held.take(found), ()


class DailySummaries(RegionSource):
    """Summaries of the regions of each day, carried to the time of an image by the Sun's rotation.

    Parameters
    ----------
    path : Path
        A daily text (``20140225SRS.txt``), a folder of them, or a table with ``valid`` (or
        ``srs_file_date``), ``section``, ``noaa``, ``lat`` and ``lon``.
    oldest : float
        Older summaries tell nothing of an image [h].
    """

    def __init__(self, path: Path, oldest: float) -> None:
        super().__init__(path)
        self._policy = LabelPolicy(oldest=oldest)

    def _files(self) -> list[Path]:
        return sorted(self.path.glob("*SRS.txt")) if self.path.is_dir() else [self.path]

    def _read(self) -> FeatureTable:
        return read_regions([self.path])

    def _rows(self, image: SolarImage) -> tuple[FeatureTable, tuple[str, ...]]:
        if image.time is None or image.observer is None:
            raise UnknownRegionsError(
                "no-time",
                "Neither the image nor its name tells its time, so its regions are unknown.",
                "Name it e.g. 20140701_120000_512_0211.jpg.",
            )
        listed = regions_at(self._held, [image.time], sections=_SECTIONS, policy=self._policy)
        days = np.asarray(self._held.meta["days"], "datetime64[s]")
        before = days[days <= image.time]
        if len(listed.meta["without_summary"]):
            last = f"the last one is of {before[-1]}" if len(before) else "there is none before"
            raise UnknownRegionsError(
                "stale-regions",
                f"No region summary that is at most {self._policy.oldest:g} h old tells the "
                f"regions at {image.time.astype('datetime64[s]')}; {last}.",
                "Put the newer summary in its place and replay the image.",
            )
        is_old = (image.time - before[-1]) / np.timedelta64(1, "h") > OVERDUE
        return _placed(listed, image), ("old-regions",) if is_old else ()


def source_of(path: Path, oldest: float) -> RegionSource:
    """Return what tells regions by the files at a path, whichever of the two it is.

    Raises
    ------
    InputError
        If they cannot be read, or are neither.
    """
    if path.is_dir() or path.suffix.lower() == ".txt":
        return DailySummaries(path, oldest)
    columns = set(in_our_case(read_table(path), _SUMMARY).columns)
    if "file" in columns or not columns & {"valid", "srs_file_date"}:
        return NamedRegions(path)  # says what is missing, if it is neither
    missing = set(_NEEDED) - columns
    if missing:
        raise ContractError(
            f"The summaries have no column '{min(missing)}'.",
            "They need valid (or srs_file_date), section, noaa, lat and lon.",
            path=path,
        )
    return DailySummaries(path, oldest)


def _placed(listed: FeatureTable, image: SolarImage) -> FeatureTable:
    """Return the regions on an image as a table that names it."""
    framed = image if image.frame is not None else replace(image, frame=assumed_disk(image))
    at = pixels_of(framed, listed["lon"], listed["lat"])
    x, y = (np.asarray(axis, dtype=np.float64) for axis in image.placement.to_file(*at))
    columns: dict[str, Any] = {name: listed[name] for name in _COLUMNS}
    columns |= {"time": listed["time"], "nspots": listed["n_spots"], "x": x, "y": y}
    name = Path(image.source).name
    return FeatureTable.from_columns({"file": [name] * len(listed), **columns})
