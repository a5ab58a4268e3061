"""Solar images as sunpy has them."""

from math import cos, radians, sin
from typing import Any

import numpy as np

from skysift.core.errors import ContractError
from skysift.core.extras import import_extra
from skysift.data.solar.cea import CeaGrid
from skysift.data.solar.solar_image import Disk, Observer, SolarImage

__all__ = ["to_sunpy_map", "wcs_header"]

_ARCSEC_PER_DEG = 3600.0


def wcs_header(image: SolarImage) -> dict[str, Any]:
    """Return the FITS keywords of the coordinates of an image (Thompson 2006, A&A 449, 791).

    Raises
    ------
    ContractError
        If its coordinates, its observer or its time are unknown.
    """
    if image.time is None or image.frame is None:
        raise ContractError(
            "Neither sunpy nor FITS coordinates can do without the time and the disk of an image.",
            "Read the image with its time.",
            path=image.source or None,
        )
    observer = image.seen_from
    header: dict[str, Any] = {
        "DATE-OBS": np.datetime_as_string(image.time, unit="ms"),
        "HGLN_OBS": observer.longitude,
        "HGLT_OBS": observer.b0,
        "DSUN_OBS": observer.distance,
        "BUNIT": image.unit,
        "TELESCOP": image.instrument.partition("/")[0],
        "INSTRUME": image.instrument.partition("/")[2],
    }
    if np.isfinite(image.wavelength):
        header |= {"WAVELNTH": image.wavelength, "WAVEUNIT": "Angstrom"}
    if isinstance(image.frame, CeaGrid):
        return header | _of_grid(image.frame)
    return header | _of_disk(image.frame, observer)


def to_sunpy_map(image: SolarImage) -> Any:
    """Return an image as a ``sunpy.map.GenericMap``.

    Raises
    ------
    ContractError
        As of :func:`wcs_header`.
    MissingExtraError
        If sunpy is not installed.
    """
    header = wcs_header(image)
    return import_extra("sunpy.map", extra="solar").Map(image.data, header)


def _of_disk(disk: Disk, observer: Observer) -> dict[str, Any]:
    scale, tilt = disk.pixel_scale, radians(disk.tilt)
    return {
        "CTYPE1": "HPLN-TAN",
        "CTYPE2": "HPLT-TAN",
        "CUNIT1": "arcsec",
        "CUNIT2": "arcsec",
        "CRPIX1": disk.x + 1,
        "CRPIX2": disk.y + 1,
        "CRVAL1": 0.0,
        "CRVAL2": 0.0,
        "CDELT1": scale,
        "CDELT2": scale,
        "PC1_1": cos(tilt),
        "PC1_2": -sin(tilt),
        "PC2_1": sin(tilt),
        "PC2_2": cos(tilt),
        "RSUN_REF": observer.distance * sin(radians(disk.angular_radius / _ARCSEC_PER_DEG)),
        "RSUN_OBS": disk.angular_radius,
    }


def _of_grid(grid: CeaGrid) -> dict[str, Any]:
    return {
        "CTYPE1": "CRLN-CEA",
        "CTYPE2": "CRLT-CEA",
        "CUNIT1": "deg",
        "CUNIT2": "deg",
        "CRPIX1": grid.x + 1,
        "CRPIX2": grid.y + 1,
        "CRVAL1": grid.lon,
        "CRVAL2": grid.lat,
        "CDELT1": grid.step_x,
        "CDELT2": grid.step_y,
    }
