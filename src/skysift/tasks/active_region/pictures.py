"""Small pictures of disks with what was found on them, for the pages: JSON-ready."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.models.solar.strength import DISK_GRID
from skysift.tasks.active_region.detection import Found
from skysift.tasks.active_region.disks import DiskMap
from skysift.tasks.active_region.evaluation import Scores
from skysift.tasks.active_region.reader import SolarDisks

__all__ = ["packed", "picture_of", "pictures_of", "unpacked"]

_MOST = 6
_LOW, _HIGH = 1.0, 99.7  # percentiles of what is shown
_WHITE = 255
_FLUX_SHOWN = (0.0, 25.0)  # at black and white, in the flux of the quiet disk
_DARKNESS_SHOWN = (-0.05, 0.15)  # in the brightness of the quiet disk: spots are white

Rows = list[dict[str, Any]]


def pictures_of(disks: SolarDisks, scores: Scores | None, least: float) -> Rows:
    """Return disks spread evenly over the time, with the catalogue and what was found.

    Parameters
    ----------
    disks : SolarDisks
    scores : Scores or None
        Of the same disks; None shows the catalogue alone.
    least : float
        Score from which something found is shown.
    """
    rows = np.unique(np.linspace(0, len(disks) - 1, min(_MOST, len(disks))).round().astype(int))
    return [_labelled(disks, int(row), scores, least) for row in rows]


def _labelled(disks: SolarDisks, row: int, scores: Scores | None, least: float) -> dict[str, Any]:
    one = disks.maps[row]
    regions = disks.regions.take(disks.regions["disk"] == row)
    truth = [
        {"x": float(x), "y": float(y), "name": f"{noaa}", "spots": str(section) == "I"}
        for x, y, noaa, section in zip(
            *(regions[name] for name in ("x", "y", "noaa", "section")), strict=True
        )
    ]
    boxes: Rows = []
    if scores is not None:
        found = scores.found
        shown = (
            (found["disk"] == row)
            & (found["method"].astype(str) == "best")
            & (found["score"] >= least)
        )
        names = ("box_x", "box_y", "width", "height", "score", "hit")
        boxes = [
            {**dict(zip(names, map(float, values), strict=True))}
            for values in zip(*(found[name][shown] for name in names), strict=True)
        ]
    return {**_base(one), "truth": truth, "boxes": boxes}


def picture_of(one: DiskMap, found: Found, title: str) -> dict[str, Any]:
    """Return a disk without labels, with what was found on it."""
    names = ("box_x", "box_y", "width", "height", "score")
    boxes = [
        {**dict(zip(names, map(float, values), strict=True)), "hit": 1.0}
        for values in zip(*(getattr(found, name) for name in names), strict=True)
    ]
    return {**_base(one), "title": title, "truth": [], "boxes": boxes}


def packed(grey: NDArray[np.floating[Any]]) -> str:
    """Return a square of grey values, 0 to 255, as text: two digits for each pixel."""
    text: str = np.rint(grey).astype(np.uint8).tobytes().hex()
    return text


def unpacked(text: str) -> NDArray[np.uint8]:
    """Return the square that :func:`packed` wrote.

    Examples
    --------
    >>> unpacked(packed(np.array([[0.0, 255.0], [7.2, 1.0]]))).tolist()
    [[0, 255], [7, 1]]
    """
    grey = np.frombuffer(bytes.fromhex(text), dtype=np.uint8)
    side = round(len(grey) ** 0.5)
    return grey.reshape(side, side)


def _base(one: DiskMap) -> dict[str, Any]:
    """Return the map of a disk as grey values, and where its corners lie in the file."""
    strength = one.activity
    low, high = _shown(one)
    scaled = np.clip((strength - low) / max(high - low, 1e-6), 0, 1)
    title = one.file if one.image.time is None else str(one.image.time)[:16].replace("T", " ")
    return {
        "title": title,
        "pixels": packed(scaled * _WHITE),
        "extent": _extent(one),
        "magnetogram": one.is_magnetogram,
    }


def _shown(one: DiskMap) -> tuple[float, float]:
    """Return what is black and what is white: fixed where the quiet disk is the unit."""
    if one.is_magnetogram:
        return _FLUX_SHOWN
    if one.is_continuum:
        return _DARKNESS_SHOWN
    low, high = np.percentile(one.activity, (_LOW, _HIGH))
    return float(low), float(high)


def _extent(one: DiskMap) -> list[float]:
    """Return left, right, bottom and top of the map in pixels of the file."""
    ends = np.array([-0.5, DISK_GRID.side - 0.5])
    x, y = one.placement.to_file(*DISK_GRID.to_image(one.disk, ends, ends))
    (left, right), (bottom, top) = np.asarray(x), np.asarray(y)
    return [float(left), float(right), float(bottom), float(top)]
