"""Where regions lie in an image, row by row: at x and y, or else at lon and lat."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from skysift.data.solar.solar_image import Disk, SolarImage
from skysift.data.table import FeatureTable
from skysift.preprocess.solar.heliographic import heliographic, pixels_of
from skysift.tasks.flare.region_tables import number

__all__ = ["APART", "completed", "places_of"]

APART: Final = 0.1
"""Radii of the disk from which on x, y and lon, lat are two places: 6 deg at its centre."""

_PAIRS = (("x", "y"), ("lon", "lat"))

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def places_of(image: SolarImage, rows: FeatureTable) -> tuple[Floats, Floats, Bools]:
    """Return where regions lie in the image.

    Parameters
    ----------
    image : SolarImage
        The image, its disk known or assumed.
    rows : FeatureTable
        Its n regions; a row with neither x nor y lies at its lon and lat.

    Returns
    -------
    x, y : array, shape (n,)
        Column and row [pixel]; one of them at least is NaN if the row does not say.
    apart : array of bool, shape (n,)
        Where x, y and lon, lat are places more than `APART` from one another.
    """
    x, y = (
        np.asarray(axis, dtype=np.float64)
        for axis in image.placement.from_file(number(rows, "x"), number(rows, "y"))
    )
    lon, lat = number(rows, "lon"), number(rows, "lat")
    placed, told = np.isfinite(x + y), np.isfinite(lon + lat)
    # A row that has one of the two is damaged.
    empty = np.isnan(number(rows, "x")) & np.isnan(number(rows, "y"))
    apart = np.zeros(len(rows), dtype=bool)
    if image.observer is None or not told.any():
        return x, y, apart
    at_x, at_y = pixels_of(image, lon, lat)
    if isinstance(image.frame, Disk):
        hidden = np.isnan(at_x + at_y)
        distance = np.hypot(x - at_x, y - at_y) / image.frame.radius
        inside = np.hypot(*image.frame.offsets(x, y)) < 1 - APART  # not merely near the limb
        apart = placed & told & np.where(hidden, inside, distance > APART)
    return np.where(empty, at_x, x), np.where(empty, at_y, y), apart


def completed(rows: FeatureTable, image: SolarImage, x: Floats, y: Floats) -> FeatureTable:
    """Return rows with the places and the time that the table leaves out and the image tells."""
    column, row = image.placement.to_file(x, y)
    told: dict[str, Any] = {"x": column, "y": row}
    if image.observer is not None:
        told["lon"], told["lat"] = heliographic(image, x, y)
    if image.time is not None:
        told["time"] = np.full(len(rows), str(image.time.astype("datetime64[s]")))
    missing = {name: values for name, values in told.items() if name not in rows}
    for pair in _PAIRS:
        if not all(name in rows and name in told for name in pair):
            continue
        first, second = (number(rows, name) for name in pair)
        found = ~np.isfinite(first + second) & np.isfinite(told[pair[0]] + told[pair[1]])
        if found.any():
            missing |= {
                name: np.where(found, told[name], given)
                for name, given in zip(pair, (first, second), strict=True)
            }
    return rows.with_columns(missing) if missing else rows
