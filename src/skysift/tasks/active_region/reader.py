"""Read labelled disks: their maps, the regions on them, and patches with and without a region."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import ContractError, InputError, ReadError
from skysift.data.column_names import in_our_case
from skysift.data.contract import Checked, Finding, Verdict
from skysift.data.images.stamp import Rejected
from skysift.data.io import read_table
from skysift.data.solar.image_names import images_in
from skysift.data.solar.readers import iter_solar_images
from skysift.data.solar.solar_image import SolarImage
from skysift.data.table import FeatureTable
from skysift.models.solar.patch_features import PATCH, PATCH_FEATURES
from skysift.models.solar.region_training import Centres
from skysift.preprocess.solar.heliographic import pixels_of
from skysift.tasks.active_region.disks import DiskMap, disk_map, patch_rows
from skysift.tasks.active_region.options import ReadOptions

__all__ = ["BIG_AREA", "FARTHEST", "Patches", "SolarDisks", "disks_of", "image_files", "read_disks"]

FARTHEST = 70.0
"""Longitude beyond which a region is no example for patches [deg]."""

BIG_AREA = 200.0
"""Of a big region [millionths of a hemisphere]."""

_REGION_COLUMNS = ("file", "section", "noaa", "lat", "lon", "x", "y")
_QUIET_COLUMNS = ("file", "x", "y")
_NO_NUMBER = 0
_NO_IMAGES = {".csv", ".ecsv", ".json", ".md", ".parquet", ".toml", ".txt"}

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Patches:
    """Patches of disks with their labels, all arrays of length n.

    Parameters
    ----------
    disk : array of int
        Index of the disk.
    is_region : array of bool
        Whether a region with sunspots lies in the middle; else nothing numbered is near.
    noaa : array of int
        Number of the region, 0 without.
    lon : array
        Longitude [deg].
    features : array, shape (n, 121)
        Of :mod:`~skysift.models.solar.patch_features`.
    pixels : array of float32, shape (n, 64, 64)
        Brightness.
    """

    disk: NDArray[np.int64]
    is_region: NDArray[np.bool_]
    noaa: NDArray[np.int64]
    lon: Floats
    features: Floats = field(repr=False)
    pixels: NDArray[np.float32] = field(repr=False)

    def __len__(self) -> int:
        return len(self.disk)


@dataclass(frozen=True, eq=False)
class SolarDisks:
    """Labelled disks.

    Parameters
    ----------
    name : str
        Of the data set.
    maps : tuple of DiskMap, shape (n,)
        In the order of reading.
    regions : FeatureTable
        Numbered regions in front of the limb: ``disk``, ``section``, ``noaa``, ``lat``, ``lon``,
        ``x``, ``y`` (pixel of the file), ``west``, ``north`` (radius of the disk), ``area``.
    patches : Patches
        Of regions with spots within 70 deg of the meridian, and quiet ones.
    checked : Checked
        What became of each file.
    """

    name: str
    maps: tuple[DiskMap, ...]
    regions: FeatureTable
    patches: Patches
    checked: Checked = field(repr=False)

    def __len__(self) -> int:
        return len(self.maps)

    @property
    def times(self) -> NDArray[np.datetime64]:
        """Times of the disks, shape (n,).

        Raises
        ------
        InputError
            If the time of a labelled disk is unknown.
        """
        for row, one in enumerate(self.maps):
            if one.image.time is None:
                raise InputError(
                    "The time of a labelled disk is unknown.",
                    "Name it e.g. 20140701_120000_512_0211.jpg.",
                    path=one.source,
                    row=row,
                )
        return np.array([one.image.time for one in self.maps], dtype="datetime64[s]")

    def of_disk(self, disk: int, section: str) -> FeatureTable:
        """Return the regions of one section on one disk."""
        table = self.regions
        return table.take((table["disk"] == disk) & (table["section"].astype(str) == section))

    def spots(self) -> list[Floats]:
        """Return how far west and north regions with spots lie on each disk [radius]."""
        return [one.spots for one in self.centres()]

    def centres(self) -> list[Centres]:
        """Return where the regions of each disk lie."""
        return [
            Centres(*(self.of_disk(disk, part).matrix(["west", "north"]) for part in ("I", "IA")))
            for disk in range(len(self))
        ]

    @property
    def has_big(self) -> NDArray[np.bool_]:
        """Whether a region of 200 millionths or more is on each disk, shape (n,)."""
        big = self.regions["disk"][self.regions["area"] >= BIG_AREA]
        return np.isin(np.arange(len(self)), big)

    @property
    def has_spots(self) -> NDArray[np.bool_]:
        """Whether any region with spots is on each disk, shape (n,)."""
        spotted = self.regions["disk"][self.regions["section"].astype(str) == "I"]
        return np.isin(np.arange(len(self)), spotted)

    def take(self, chosen: NDArray[np.bool_]) -> "SolarDisks":
        """Return some of the disks with what belongs to them; shape (n,)."""
        number = np.cumsum(chosen) - 1
        rows = chosen[self.regions["disk"]]
        regions = self.regions.take(rows)
        kept = chosen[self.patches.disk]
        patches = Patches(
            number[self.patches.disk[kept]],
            self.patches.is_region[kept],
            self.patches.noaa[kept],
            self.patches.lon[kept],
            self.patches.features[kept],
            self.patches.pixels[kept],
        )
        return replace(
            self,
            maps=tuple(one for one, is_in in zip(self.maps, chosen, strict=True) if is_in),
            regions=regions.with_columns({"disk": number[regions["disk"]]}),
            patches=patches,
        )


def read_disks(paths: Sequence[Path], options: ReadOptions) -> SolarDisks:
    """Read labelled disks.

    Raises
    ------
    ReadError
        If there is no table of regions or quiet patches.
    ContractError
        If a table lacks a column.
    InputError
        If no disk can be used.
    """
    regions = _table(paths, options.regions, "regions.csv", _REGION_COLUMNS)
    quiet = _table(paths, options.quiet, "quiet.csv", _QUIET_COLUMNS)
    pictures = [path for path in paths if path.suffix.lower() not in _NO_IMAGES]
    found = (
        item
        for item in iter_solar_images(image_files(pictures))
        if _wanted(item, options.since, options.before)
    )
    name = Path(paths[0]).resolve().name if len(paths) == 1 else f"{len(paths)} files"
    return disks_of(found, regions, quiet, name=name)


def disks_of(
    found: Iterator[SolarImage | Rejected],
    regions: FeatureTable,
    quiet: FeatureTable,
    *,
    name: str,
) -> SolarDisks:
    """Return labelled disks from images and tables.

    Raises
    ------
    InputError
        If no disk can be used.
    """
    maps: list[DiskMap] = []
    listed: list[FeatureTable] = []
    pieces: list[Patches] = []
    refused: list[Rejected | None] = []
    for item in found:
        if isinstance(item, Rejected):
            refused.append(item)
            continue
        one = disk_map(item, with_square=True)
        of_this = regions.take(regions["file"].astype(str) == one.file)
        if one.strength is None:
            refused.append(Rejected(one.file, one.source, "no-disk", "no solar limb was found"))
            continue
        refused.append(None)
        table = _located(of_this, item, len(maps))
        listed.append(table)
        calm = quiet.take(quiet["file"].astype(str) == one.file)
        pieces.append(_patches(table, calm, item, len(maps)))
        maps.append(one)
    if not maps:
        raise InputError("There is no labelled disk.", "Give full disks and their tables.")
    return SolarDisks(name, tuple(maps), _joined(listed), _stacked(pieces), _checked(maps, refused))


def image_files(paths: Sequence[Path]) -> list[Path]:
    """Return the files of folders without the tables beside them.

    Raises
    ------
    InputError
        If there are none in the folders that are all that is given.
    """
    return images_in(paths, leave_out=_NO_IMAGES)


def _wanted(item: SolarImage | Rejected, since: date | None, before: date | None) -> bool:
    if isinstance(item, Rejected) or item.time is None:
        return True
    after = since is None or item.time >= np.datetime64(since, "s")
    return bool(after and (before is None or item.time < np.datetime64(before, "s")))


def _table(
    paths: Sequence[Path], given: str | None, default: str, columns: Sequence[str]
) -> FeatureTable:
    folders = [path if path.is_dir() else path.parent for path in paths]
    places = [Path(given)] if given else [folder / default for folder in folders]
    for place in places:
        if place.is_file():
            table = in_our_case(read_table(place), (*columns, "area", "lon"))
            for column in columns:
                if column not in table:
                    raise ContractError(
                        f"The table has no column '{column}'.",
                        f"It needs: {', '.join(columns)}.",
                        path=place,
                    )
            return table
    raise ReadError(
        f"There is no table of {default.partition('.')[0]} for the disks.",
        f"Name it with --{default.partition('.')[0]}.",
        path=places[0] if places else None,
    )


def _located(table: FeatureTable, image: SolarImage, disk: int) -> FeatureTable:
    """Return the regions in front of the limb, with where they lie on the disk."""
    frame = image.disk
    x, y = (np.asarray(table[axis], np.float64) for axis in ("x", "y"))
    at = image.placement.from_file(x, y)
    if image.observer is not None:
        lon, lat = (np.asarray(table[axis], np.float64) for axis in ("lon", "lat"))
        at = pixels_of(image, lon, lat)
    west, north = (np.asarray(axis) for axis in frame.offsets(*at))
    area = np.asarray(table["area"], np.float64) if "area" in table else np.full(len(x), np.nan)
    seen = np.isfinite(west) & np.isfinite(north) & np.isfinite(x) & np.isfinite(y)
    located = FeatureTable.from_columns(
        {
            "disk": np.full(len(x), disk, dtype=np.int64),
            "section": table["section"].astype(str),
            "noaa": np.asarray(table["noaa"], dtype=np.int64),
            "lat": np.asarray(table["lat"], np.float64),
            "lon": np.asarray(table["lon"], np.float64),
            "x": x,
            "y": y,
            "west": west,
            "north": north,
            "area": np.nan_to_num(area),
        },
        units={"lat": "deg", "lon": "deg", "x": "pix", "y": "pix"},
    )
    return located.take(seen)


def _patches(table: FeatureTable, quiet: FeatureTable, image: SolarImage, disk: int) -> Patches:
    spots = table.take((table["section"].astype(str) == "I") & (np.abs(table["lon"]) <= FARTHEST))
    n, m = len(spots), len(quiet)
    x, y = (
        np.concatenate([spots[axis], np.asarray(quiet[axis], np.float64)]) for axis in ("x", "y")
    )
    features, pixels = patch_rows(image, x, y)
    calm = quiet["lon"] if "lon" in quiet else np.full(m, np.nan)
    return Patches(
        np.full(n + m, disk, dtype=np.int64),
        np.arange(n + m) < n,
        np.concatenate([spots["noaa"], np.full(m, _NO_NUMBER)]).astype(np.int64),
        np.concatenate([spots["lon"], np.asarray(calm, np.float64)]),
        features,
        pixels,
    )


def _joined(tables: Sequence[FeatureTable]) -> FeatureTable:
    names = tables[0].columns
    return FeatureTable.from_columns(
        {name: np.concatenate([table[name] for table in tables]) for name in names},
        units={"lat": "deg", "lon": "deg", "x": "pix", "y": "pix"},
    )


def _stacked(pieces: Sequence[Patches]) -> Patches:
    if not any(len(one) for one in pieces):
        empty = np.empty(0)
        return Patches(
            empty.astype(np.int64),
            empty.astype(bool),
            empty.astype(np.int64),
            empty,
            np.empty((0, len(PATCH_FEATURES))),
            np.empty((0, PATCH, PATCH), np.float32),
        )
    return Patches(
        *(
            np.concatenate([getattr(one, name) for one in pieces])
            for name in ("disk", "is_region", "noaa", "lon", "features", "pixels")
        )
    )


def _checked(maps: Sequence[DiskMap], refused: Sequence[Rejected | None]) -> Checked:
    usable = np.array([item is None for item in refused], dtype=bool)
    names = iter(one.file for one in maps)
    table = FeatureTable.from_columns(
        {
            "file": [item.identifier if item else next(names) for item in refused],
            "code": [item.code if item else "" for item in refused],
            "reason": [item.reason if item else "" for item in refused],
        }
    )
    codes = table["code"].astype(str)
    findings = tuple(
        Finding(
            code,
            Verdict.REJECTED,
            next(item.reason for item in refused if item and item.code == code),
            np.flatnonzero(codes == code),
        )
        for code in dict.fromkeys(codes[~usable])
    )
    return Checked(table, usable, findings)
