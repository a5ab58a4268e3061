"""Made-up disks of the corona: quiet Sun, bright regions at active latitudes, a corona about it.

For tests and where no real disk is at hand: no number made on them says anything about the Sun.
"""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from skysift.data.io import open_writer
from skysift.data.solar.browse import browse_image
from skysift.data.solar.flags import SolarFlag
from skysift.data.solar.solar_image import SolarImage
from skysift.data.table import FeatureTable
from skysift.preprocess.solar.heliographic import pixels_of
from skysift.tasks.active_region.reader import SolarDisks, disks_of

__all__ = ["MADE_UP", "MadeUpDisks", "made_up_disks", "write_disks"]

MADE_UP = "made-up disks"

_SIDE = 512
_RADIUS = 196.0
_QUIET = 100.0
_LATITUDES = (8.0, 26.0)  # of regions, on either side [deg]
_FARTHEST = 65.0  # longitude [deg]
_STEP = np.timedelta64(4 * 24 + 5, "h")
_BEGIN = np.datetime64("2012-01-03T02:15:48", "s")
_MOST_REGIONS = 5
_QUIET_PATCHES = 4
_CLEAR = 64.0  # between a quiet patch and a region [pixel]
_TRIES = 200
_CORE, _LOOPS = 7.0, 13.0  # widths of a region [pixel]
_PATCH = 2.0  # of the loops [pixel]
_SPOTTED = 0.7
_CORONA = 0.15  # height over which the corona fades [radius]

Floats = NDArray[np.float64]
Row = dict[str, Any]


@dataclass(frozen=True, eq=False)
class MadeUpDisks(SolarDisks):
    """Disks that were made up, with what is needed to write them.

    Parameters
    ----------
    pictures : tuple of array of uint8, shape (512, 512)
        Rows from the top.
    tables : tuple of FeatureTable
        Of regions and of quiet patches, as files have them.
    """

    pictures: tuple[NDArray[np.uint8], ...] = field(default=(), repr=False)
    tables: tuple[FeatureTable, ...] = field(default=(), repr=False)


def made_up_disks(n: int, rng: np.random.Generator) -> MadeUpDisks:
    """Draw labelled disks, four days apart."""
    images, pictures, regions, quiet = [], [], [], []
    for number in range(n):
        time = _BEGIN + number * _STEP
        name = f"{str(time).translate(_COMPACT)}_512_0211.png"
        x, y = rng.uniform(-2, 2, 2) + (_SIDE - 1) / 2
        blank = _picture(np.zeros((_SIDE, _SIDE)), (x, y), rng)
        where = _image(blank, name)
        of_disk = _regions(where, name, 11000 + 10 * number, rng)
        bright = sum((_bright(one, rng) for one in of_disk), np.zeros((_SIDE, _SIDE)))
        picture = _picture(bright, (x, y), rng)
        pictures.append(picture)
        images.append(_image(picture, name))
        regions += of_disk
        quiet += _calm(where, name, of_disk, rng)
    tables = (_table(regions, _REGION), _table(quiet, _CALM))
    made = disks_of(iter(images), *tables, name=MADE_UP)
    known = {one.name: getattr(made, one.name) for one in fields(SolarDisks)}
    return MadeUpDisks(**known, pictures=tuple(pictures), tables=tables)


_COMPACT = str.maketrans({"-": None, ":": None, "T": "_"})
_REGION = {
    "file": "U", "section": "U", "noaa": "i8", "lat": "f8", "lon": "f8", "x": "f8", "y": "f8",
    "area": "f8",
}  # fmt: skip
_CALM = {"file": "U", "x": "f8", "y": "f8", "lon": "f8"}


def write_disks(disks: MadeUpDisks, folder: Path) -> Path:
    """Write disks as PNG with their tables into a folder, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    for one, picture in zip(disks.maps, disks.pictures, strict=True):
        Image.fromarray(picture).save(folder / one.file)
    for name, table in zip(("regions.csv", "quiet.csv"), disks.tables, strict=True):
        with open_writer(folder / name, provenance={}) as writer:
            writer.write(table)
    return folder


def _table(rows: list[Row], kinds: dict[str, str]) -> FeatureTable:
    return FeatureTable.from_columns(
        {name: np.array([row[name] for row in rows], dtype=kind) for name, kind in kinds.items()}
    )


def _image(picture: NDArray[np.uint8], name: str) -> SolarImage:
    """Read a picture as its file is read."""
    return browse_image(
        picture.astype(np.float32), source=name, sha256="", flags=SolarFlag.DISPLAY_SCALE
    )


def _picture(
    bright: Floats, centre: tuple[float, float], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Draw a quiet disk with what is bright on it; rows from the top."""
    row, column = np.mgrid[:_SIDE, :_SIDE]
    distance = np.hypot(column - centre[0], row - centre[1]) / _RADIUS
    disk = 1 + 0.1 * np.minimum(distance, 1) ** 4
    corona = 1.8 * np.exp(-(distance - 1) / _CORONA)
    level = _QUIET * np.where(distance < 1, disk, corona)
    cells = ndimage.gaussian_filter(rng.normal(size=(_SIDE, _SIDE)), 2.0)
    level = level * (1 + 0.9 * cells) + bright
    noisy = np.clip(level + rng.normal(0, 2, level.shape), 0, 255)
    return np.asarray(noisy, dtype=np.uint8)


def _regions(image: SolarImage, name: str, first: int, rng: np.random.Generator) -> list[Row]:
    rows = []
    for number in range(int(rng.integers(2, _MOST_REGIONS + 1))):
        lat = float(rng.uniform(*_LATITUDES) * rng.choice([-1, 1]))
        lon = float(rng.uniform(-_FARTHEST, _FARTHEST))
        x, y = image.placement.to_file(*pixels_of(image, lon, lat))
        spotted = bool(rng.random() < _SPOTTED) or number == 0
        area = float(np.round(rng.lognormal(4.5, 1.0))) if spotted else 0.0
        rows.append(
            {
                "file": name,
                "section": "I" if spotted else "IA",
                "noaa": first + number,
                "lat": round(lat, 2),
                "lon": round(lon, 2),
                "x": round(float(x), 1),
                "y": round(float(y), 1),
                "area": area,
            }
        )
    return rows


def _bright(region: Row, rng: np.random.Generator) -> Floats:
    """Draw loops as patchy as real ones, and a core where there are spots."""
    row, column = np.mgrid[:_SIDE, :_SIDE]
    x, y = region["x"] + rng.normal(0, 3), region["y"] + rng.normal(0, 3)
    squared = (column - x) ** 2 + (row - y) ** 2
    patchy = 1 + 2.0 * ndimage.gaussian_filter(rng.normal(size=squared.shape), _PATCH)
    loops = rng.uniform(50, 80) * patchy * np.exp(-squared / (2 * _LOOPS**2))
    core = rng.uniform(60, 100) * patchy * np.exp(-squared / (2 * _CORE**2))
    return np.asarray(loops + (core if region["section"] == "I" else 0.0))


def _calm(image: SolarImage, name: str, regions: list[Row], rng: np.random.Generator) -> list[Row]:
    """Draw positions far from all regions."""
    rows: list[Row] = []
    for _ in range(_TRIES):
        lat, lon = rng.uniform(-45, 45), rng.uniform(-_FARTHEST, _FARTHEST)
        x, y = (float(one) for one in image.placement.to_file(*pixels_of(image, lon, lat)))
        near = [np.hypot(x - one["x"], y - one["y"]) < _CLEAR for one in regions]
        if not any(near):
            rows.append({"file": name, "x": round(x, 1), "y": round(y, 1), "lon": float(lon)})
        if len(rows) == _QUIET_PATCHES:
            break
    return rows
