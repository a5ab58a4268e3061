"""From pixels and the header of an observatory to a solar image."""

from collections.abc import Mapping
from math import isclose, isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.data.solar.cea import CeaGrid
from skysift.data.solar.flags import PixelMask, SolarFlag
from skysift.data.solar.header_facts import (
    angular_radius,
    instrument_of,
    kind_of,
    number,
    observer_of,
    text,
    unit_of,
    wavelength_of,
)
from skysift.data.solar.header_time import time_of_header
from skysift.data.solar.limits import SolarReadError
from skysift.data.solar.orientation import LARGEST_TILT, Pointing, north_up, pointing_of
from skysift.data.solar.solar_image import (
    Disk,
    ImageKind,
    Observer,
    Placement,
    SolarImage,
)

__all__ = ["image_of_header", "is_cut", "mask_of"]

_OFF_LIMB_ANGLE = 89.0  # from the middle of the disk [deg]
_ON_DISK = 0.99  # radii
_SAME_RATIO = 1e-2
_WIDEST_MAP = 180.0  # [deg]
_CEA = ("CRLN-CEA", "CRLT-CEA")
_DEGREES = {"deg", "degree", "degrees", ""}


def image_of_header(
    pixels: NDArray[np.float32],
    header: Mapping[str, Any],
    *,
    source: str,
    sha256: str,
    flags: SolarFlag = SolarFlag.NONE,
    stored: Placement | None = None,
    largest_tilt: float = LARGEST_TILT,
) -> SolarImage | None:
    """Return the image that pixels and their header make, None if it has no coordinates.

    Parameters
    ----------
    pixels : array of float32, shape (ny, nx)
        The first row is the one that the header counts as the first.
    header : mapping of str to value
        By FITS keywords in capitals.
    source, sha256 : str
        Of the file.
    flags : SolarFlag
        What is known already.
    stored : Placement, optional
        Where `pixels` lie in the file.
    largest_tilt : float
        See :func:`skysift.data.solar.orientation.north_up` [deg].

    Raises
    ------
    SolarReadError
        If its coordinates make no sense.
    """
    time = time_of_header(header)
    observer, stated = observer_of(header, time)
    if time is None:
        flags |= SolarFlag.NO_TIME
    if observer is not None and not stated:
        flags |= SolarFlag.ASSUMED_OBSERVER
    quality = number(header, "QUALITY")
    if isfinite(quality) and quality != 0:
        flags |= SolarFlag.BAD_QUALITY
    kind = kind_of(header, source.rpartition("/")[2])
    flags |= SolarFlag.UNKNOWN_KIND if kind is ImageKind.UNKNOWN else SolarFlag.NONE
    framed = _framed(
        pixels, header, observer, flags, stored=stored or Placement(), largest_tilt=largest_tilt
    )
    if framed is None:
        return None
    data, mask, frame, placement, flags = framed
    return SolarImage(
        data=data,
        mask=mask,
        frame=frame,
        time=time,
        observer=observer,
        kind=kind,
        unit=unit_of(header),
        wavelength=wavelength_of(header),
        instrument=instrument_of(header),
        source=source,
        sha256=sha256,
        flags=flags,
        header=dict(header),
        placement=placement,
    )


def mask_of(
    data: NDArray[np.float32],
    frame: Disk | CeaGrid | None,
    observer: Observer | None,
    observed: NDArray[np.bool_] | None = None,
) -> NDArray[np.uint8]:
    """Return why pixels without a value have none, shape (ny, nx).

    Parameters
    ----------
    data : array, shape (ny, nx)
    frame : Disk, CeaGrid or None
    observer : Observer or None
        Needed to know what of a map is off the limb.
    observed : array of bool, shape (ny, nx), optional
        False where the image does not reach.
    """
    mask = np.zeros(data.shape, dtype=np.uint8)
    without = ~np.isfinite(data)
    if without.any():
        rows, columns = np.nonzero(without)
        off = _is_off_limb(rows, columns, frame, observer)
        mask[rows, columns] = np.where(off, int(PixelMask.OFF_LIMB), int(PixelMask.MISSING))
    if observed is not None:
        mask[~observed] = int(PixelMask.PADDED)
    return mask


def _is_off_limb(
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
    frame: Disk | CeaGrid | None,
    observer: Observer | None,
) -> NDArray[np.bool_]:
    if isinstance(frame, Disk):
        # At the limb itself a pixel may well have no value.
        least = _ON_DISK * frame.radius
        far = (columns - frame.x) ** 2 + (rows - frame.y) ** 2 > least**2
        return np.asarray(far, dtype=np.bool_)
    if frame is None or observer is None:
        return np.zeros(len(rows), dtype=np.bool_)
    lon, lat = (np.radians(angle) for angle in frame.heliographic(columns, rows))
    b0, l0 = np.radians(observer.b0), np.radians(observer.l0)
    cosine = np.sin(lat) * np.sin(b0) + np.cos(lat) * np.cos(b0) * np.cos(lon - l0)
    return np.asarray(~(cosine > np.cos(np.radians(_OFF_LIMB_ANGLE))), dtype=np.bool_)


def _framed(
    pixels: NDArray[np.float32],
    header: Mapping[str, Any],
    observer: Observer | None,
    flags: SolarFlag,
    *,
    stored: Placement,
    largest_tilt: float,
) -> tuple[NDArray[np.float32], NDArray[np.uint8], Disk | CeaGrid, Placement, SolarFlag] | None:
    pixels[~np.isfinite(pixels)] = np.nan
    if (text(header, "CTYPE1"), text(header, "CTYPE2")) == _CEA:
        grid = _grid(header, pixels.shape)
        mask = mask_of(pixels, grid, observer)
        return pixels, mask, grid, stored, flags | _missing(mask)
    radius = angular_radius(header, observer)
    pointing = pointing_of(header, radius)
    if pointing is None:
        return None
    pointing, rescaled = _of_shape(pointing, header, pixels.shape)
    turned = north_up(pixels, pointing, radius, largest_tilt=largest_tilt)
    mask = mask_of(turned.data, turned.disk, observer, turned.observed)
    flags |= _missing(mask)
    flags |= SolarFlag.RESCALED_WCS if rescaled else SolarFlag.NONE
    flags |= SolarFlag.RESAMPLED if turned.observed is not None else SolarFlag.NONE
    flags |= SolarFlag.CUT_DISK if is_cut(turned.disk, turned.data.shape) else SolarFlag.NONE
    return turned.data, mask, turned.disk, stored.after(turned.placement), flags


def is_cut(disk: Disk, shape: tuple[int, ...]) -> bool:
    """Tell whether part of the disk lies outside an image."""
    ny, nx = shape
    return not (
        disk.radius - 1 <= disk.x <= nx - disk.radius
        and disk.radius - 1 <= disk.y <= ny - disk.radius
    )


def _missing(mask: NDArray[np.uint8]) -> SolarFlag:
    found = bool((mask == int(PixelMask.MISSING)).any())
    return SolarFlag.MISSING_ON_DISK if found else SolarFlag.NONE


def _of_shape(
    pointing: Pointing, header: Mapping[str, Any], shape: tuple[int, ...]
) -> tuple[Pointing, bool]:
    """Scale the coordinates of a header that still speaks of the image before it was shrunk."""
    nx, ny = number(header, "NAXIS1"), number(header, "NAXIS2")
    if not (nx >= 1 and ny >= 1) or (ny, nx) == shape:
        return pointing, False
    factor = shape[1] / nx
    if not isclose(factor, shape[0] / ny, rel_tol=_SAME_RATIO):
        raise SolarReadError(
            "bad-coordinates",
            f"The header speaks of {nx:.0f} x {ny:.0f} pixels, the image has "
            f"{shape[1]} x {shape[0]}.",
            "Give the image as it was published.",
        )
    return pointing.scaled(factor), True


def _grid(header: Mapping[str, Any], shape: tuple[int, ...]) -> CeaGrid:
    names = ("CRPIX1", "CRPIX2", "CRVAL1", "CRVAL2", "CDELT1", "CDELT2")
    x, y, lon, lat, step_x, step_y = (number(header, name) for name in names)
    units = {text(header, "CUNIT1").lower(), text(header, "CUNIT2").lower()}
    sound = isfinite(x + y + lon + lat + step_x + step_y) and step_x > 0 and step_y > 0
    if not sound or not units <= _DEGREES or abs(number(header, "CROTA2")) > 0:
        raise SolarReadError(
            "bad-coordinates",
            "The coordinates of the map make no sense.",
            "Give a map in degrees with north up.",
        )
    if shape[1] * step_x > _WIDEST_MAP:
        raise SolarReadError(
            "synoptic-map",
            "The map covers a whole rotation, not what was seen at one time.",
            "Give an image of the Sun, or a map of an active region.",
        )
    return CeaGrid(x - 1, y - 1, lon, lat, step_x, step_y)
