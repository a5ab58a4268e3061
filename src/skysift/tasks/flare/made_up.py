"""Made-up suns in the light of 211 A, with regions whose brightness tells of made-up flares.

They exercise every step on a machine without data. No number measured on them says anything about
the Sun.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from skysift.data.io import open_writer
from skysift.data.solar.browse import browse_image
from skysift.data.solar.flags import SolarFlag
from skysift.data.table import FeatureTable
from skysift.tasks.flare.regions import Regions, regions_of

__all__ = ["MADE_UP", "MadeUpRegions", "made_up_regions", "write_made_up"]

MADE_UP = "made-up suns"
"""Name of a sample that says nothing of the Sun."""

_SIDE, _RADIUS = 512, 197.0
_PER_DISK = 12
_QUIET, _NOISE = 55.0, 6.0
_LOOP, _GLOW = 4.0, 60.0  # width [pixel] and brightness
_FARTHEST = 62.0  # deg
_BRIGHTEST_LATITUDE = 32.0
_CADENCE = np.timedelta64(100, "h")
_START = np.datetime64("2011-01-01T00:00:00")
_RATE = 0.35  # C flares per day of a region of middling activity
_SLOPE = 0.5  # of the logarithm of the number of flares against that of the flux
_BRIGHTEST = 3e-4  # W / m2
_CLASSES: Final = (
    ("Axx", "Alpha"),
    ("Bxo", "Beta"),
    ("Dao", "Beta"),
    ("Eai", "Beta-Gamma"),
    ("Fkc", "Beta-Gamma-Delta"),
)


@dataclass(frozen=True, eq=False)
class MadeUpRegions(Regions):
    """Made-up regions, with the pictures that they lie on.

    Parameters
    ----------
    pictures : mapping of str to bytes
        PNG files by name.
    """

    pictures: Mapping[str, bytes] | None = None


def made_up_regions(n: int, rng: np.random.Generator) -> MadeUpRegions:
    """Make n labelled regions, a dozen to a disk."""
    parts: list[Regions] = []
    pictures: dict[str, bytes] = {}
    tables: list[dict[str, Any]] = []
    for number in range(-(-n // _PER_DISK)):
        count = min(_PER_DISK, n - number * _PER_DISK)
        time = _START + number * _CADENCE
        name = f"{str(time).translate(str.maketrans('', '', '-:')).replace('T', '_')}_512_0211.png"
        rows, picture = _disk(count, name, time, number, rng)
        stored = np.asarray(Image.open(BytesIO(picture)), dtype=np.float32)
        image = browse_image(stored, source=name, sha256="0" * 64, flags=SolarFlag.DISPLAY_SCALE)
        pictures[name] = picture
        tables += rows
        parts.append(regions_of(image, _as_table(rows), MADE_UP))
    joined = Regions.join(parts, _as_table(tables), MADE_UP)
    return MadeUpRegions(
        joined.table,
        joined.cutouts,
        joined.codes,
        MADE_UP,
        joined.image_flags,
        pictures=pictures,
    )


def write_made_up(regions: Regions, folder: Path) -> Path:
    """Write made-up regions as a table with its pictures beside it, and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in (getattr(regions, "pictures", None) or {}).items():
        (folder / name).write_bytes(picture)
    path = folder / "regions.csv"
    with open_writer(path) as writer:
        writer.write(regions.table)
    return path


def _disk(
    count: int, name: str, time: np.datetime64, number: int, rng: np.random.Generator
) -> tuple[list[dict[str, Any]], bytes]:
    """Return the rows of the regions of one disk, and its picture."""
    y, x = np.mgrid[:_SIDE, :_SIDE] - (_SIDE - 1) / 2
    distance = np.hypot(x, y) / _RADIUS
    corona = np.exp(-np.clip(distance - 1, 0, None) / 0.1)
    light = _QUIET * np.where(distance < 1, 1 + 0.3 * np.clip(distance, 0, 1) ** 4, 1.6 * corona)
    spots = np.zeros(light.shape)
    rows = []
    for place in range(count):
        activity = float(rng.normal())
        longitude = _FARTHEST * (2 * (place + rng.uniform(0.2, 0.8)) / _PER_DISK - 1)
        latitude = float(rng.choice([-1, 1]) * rng.uniform(5, _BRIGHTEST_LATITUDE))
        west = np.cos(np.radians(latitude)) * np.sin(np.radians(longitude)) * _RADIUS
        north = np.sin(np.radians(latitude)) * _RADIUS
        _add_loops(spots, (_SIDE - 1) / 2 + west, (_SIDE - 1) / 2 - north, activity, rng)
        rows.append(
            {
                "file": name,
                "time": str(time),
                "section": "I",
                "noaa": 11000 + number * _PER_DISK + place,
                "lon": longitude,
                "lat": latitude,
                "x": west + (_SIDE - 1) / 2,
                "y": (_SIDE - 1) / 2 - north,
                **_past_and_future(activity, rng),
            }
        )
    light += ndimage.gaussian_filter(spots, _LOOP) * 2 * np.pi * _LOOP**2 * _GLOW
    light += rng.normal(0, _NOISE, light.shape) * (distance < 1)
    buffer = BytesIO()
    Image.fromarray(np.clip(light, 0, 255).astype(np.uint8)).save(buffer, "PNG")
    return rows, buffer.getvalue()


def _add_loops(
    spots: NDArray[np.float64], x: float, y: float, activity: float, rng: np.random.Generator
) -> None:
    """Add the loops of one region as points, more and brighter the more active it is."""
    for _ in range(3 + int(2 * np.clip(activity + 1.5, 0, 3))):
        column, row = rng.normal((x, y), max(9 + 2 * activity, 2.0)).round().astype(int)
        spots[row, column] += np.exp(0.35 * activity + rng.normal(0, 0.3))


def _past_and_future(activity: float, rng: np.random.Generator) -> dict[str, Any]:
    rate = _RATE * np.exp(1.1 * activity)

    def strongest(days: float) -> float:
        """Draw the strongest of a Poisson number of flares, whose fluxes follow a power law."""
        count = rng.poisson(10**_SLOPE * rate * days)
        if not count:
            return 0.0
        return float(min(1e-7 * rng.random(count).min() ** (-1 / _SLOPE), _BRIGHTEST))

    day = strongest(1.0)
    size = int(np.clip(round(2 + activity + rng.normal(0, 0.7)), 0, len(_CLASSES) - 1))
    mcintosh, hale = _CLASSES[size]
    return {
        "area": float(np.round(60 * np.exp(0.8 * activity + rng.normal(0, 0.4)), -1)),
        "mcintosh": mcintosh,
        "extent": float(2 + 3 * size),
        "nspots": float(1 + rng.poisson(3 * np.exp(0.6 * activity))),
        "hale": hale,
        "maxflux_prev24h": strongest(1.0),
        "maxflux_24h": day,
        "maxflux_48h": max(day, strongest(1.0)),
    }


def _as_table(rows: list[dict[str, Any]]) -> FeatureTable:
    return FeatureTable.from_columns({name: [row[name] for row in rows] for name in rows[0]})
