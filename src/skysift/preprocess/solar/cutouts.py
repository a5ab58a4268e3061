"""Pieces of solar images: in pixels, and as maps in which every pixel has the same area."""

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from skysift.core.errors import UsageError
from skysift.data.solar.cea import CeaGrid
from skysift.data.solar.flags import PixelMask, SolarFlag
from skysift.data.solar.solar_image import Placement, SolarImage
from skysift.preprocess.solar.heliographic import (
    carrington_of_stonyhurst,
    mu_of_position,
    pixels_of,
    stonyhurst_of_carrington,
)

__all__ = ["SHARP_STEP", "cea_map", "crop", "cutout_stack"]

SHARP_STEP = 0.03
"""Of the SHARP series, about HMI's pixel at the centre of the disk [deg]."""


def crop(image: SolarImage, x: float, y: float, width: int, height: int) -> SolarImage:
    """Return a rectangle of an image about a pixel; NaN where it reaches over the edge.

    Parameters
    ----------
    image : SolarImage
    x, y : float
        Column and row of its middle; they are rounded, and an even side has one more pixel before
        the middle than behind it [pixel].
    width, height : int
        [pixel]

    Raises
    ------
    UsageError
        If a side is not positive.
    """
    if width < 1 or height < 1:
        raise UsageError(f"A cutout of {width} x {height} pixels.", "Ask for 1 or more.")
    left, bottom = round(x) - width // 2, round(y) - height // 2
    data = np.full((height, width), np.nan, dtype=np.float32)
    mask = np.full((height, width), int(PixelMask.PADDED), dtype=np.uint8)
    ny, nx = image.shape
    rows = slice(max(bottom, 0), min(bottom + height, ny))
    columns = slice(max(left, 0), min(left + width, nx))
    if rows.start < rows.stop and columns.start < columns.stop:
        to = (
            slice(rows.start - bottom, rows.stop - bottom),
            slice(columns.start - left, columns.stop - left),
        )
        data[to], mask[to] = image.data[rows, columns], image.mask[rows, columns]
    return replace(
        image,
        data=data,
        mask=mask,
        frame=None if image.frame is None else image.frame.moved(left, bottom),
        placement=image.placement.after(Placement(x0=float(left), y0=float(bottom))),
    )


def cutout_stack(image: SolarImage, x: ArrayLike, y: ArrayLike, side: int) -> NDArray[np.float32]:
    """Return square pieces about many pixels, shape (n, side, side); NaN over the edge.

    Parameters
    ----------
    image : SolarImage
    x, y : array-like, shape (n,)
        Columns and rows of their middles; see :func:`crop` [pixel].
    side : int
        [pixel]

    Raises
    ------
    UsageError
        If the side is not positive, or a position is no number.
    """
    columns, rows = (np.atleast_1d(np.asarray(axis, np.float64)) for axis in (x, y))
    if not (np.isfinite(columns).all() and np.isfinite(rows).all()):
        raise UsageError("A position is no number.", "Leave out what is behind the limb.")
    pieces = [crop(image, *at, side, side).data for at in zip(columns, rows, strict=True)]
    return np.stack(pieces) if pieces else np.empty((0, side, side), dtype=np.float32)


def cea_map(
    image: SolarImage,
    lon: float,
    lat: float,
    *,
    width: int,
    height: int,
    step: float = SHARP_STEP,
) -> SolarImage:
    """Return a map of part of the disk in the cylindrical equal-area projection of SHARPs.

    Values are interpolated bilinearly (Bobra et al. 2014, Sol. Phys. 289, 3549;
    Calabretta & Greisen 2002, A&A 395, 1077). A step much coarser than the pixels of the image
    would miss some of them.

    Parameters
    ----------
    image : SolarImage
        Of the disk.
    lon, lat : float
        Stonyhurst longitude and latitude of the middle of the map [deg].
    width, height : int
        [pixel]
    step : float
        Side of a pixel in the middle of the map [deg].

    Returns
    -------
    SolarImage
        Its frame is a :class:`CeaGrid`; its placement is in its own pixels.

    Raises
    ------
    UsageError
        If a side or the step is not positive.
    ContractError
        If the image has no disk, or its observer is unknown.
    """
    if width < 1 or height < 1 or not step > 0:
        raise UsageError(
            f"A map of {width} x {height} pixels of {step} deg.", "Ask for positive numbers."
        )
    observer = image.seen_from
    middle = float(carrington_of_stonyhurst(lon, observer))
    grid = CeaGrid((width - 1) / 2, (height - 1) / 2, middle, lat, step, step)
    row, column = np.mgrid[:height, :width]
    carrington, latitude = grid.heliographic(column, row)
    longitude = stonyhurst_of_carrington(carrington, observer)
    hidden = ~(mu_of_position(image, longitude, latitude) > 0)
    x, y = pixels_of(image, longitude, latitude)
    hidden |= ~np.isfinite(x)
    at = [np.where(hidden, 0.0, y), np.where(hidden, 0.0, x)]
    data = ndimage.map_coordinates(
        image.data, at, order=1, mode="constant", cval=np.nan, output=np.float32
    )
    mask = _sampled_mask(image, at)
    mask[hidden] = int(PixelMask.OFF_LIMB)
    mask[(mask == 0) & ~np.isfinite(data)] = int(PixelMask.MISSING)
    data[mask != 0] = np.nan
    return replace(
        image,
        data=data,
        mask=mask,
        frame=grid,
        flags=image.flags | SolarFlag.RESAMPLED,
        placement=Placement(),
    )


def _sampled_mask(image: SolarImage, at: list[NDArray[np.float64]]) -> NDArray[np.uint8]:
    """Return the mask of the nearest pixels; beyond the edge there was nothing observed."""
    return np.asarray(
        ndimage.map_coordinates(
            image.mask,
            at,
            order=0,
            mode="constant",
            cval=int(PixelMask.PADDED),
            output=np.uint8,
        )
    )
