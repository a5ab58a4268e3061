"""Small solar files made for tests: a disk whose one bright spot tells where north and west are."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

SIDE = 96
CENTRE = (46.0, 49.5)
RADIUS = 40.0
SPOT = (0.5, 0.25)  # west and north of the centre, in radii
SCALE = 24.2165  # arcsec; the radius is that of 696 Mm from 148.2 Gm


@pytest.fixture
def spot() -> tuple[float, float]:
    """Where the bright spot lies: west and north of the centre of the disk, in radii."""
    return SPOT


@pytest.fixture
def disk_fits(tmp_path: Path) -> Callable[..., Path]:
    """Write a FITS file of a disk seen with the camera turned by `crota2`."""

    def make(
        name: str = "disk.fits",
        *,
        crota2: float = 0.0,
        mirrored: bool = False,
        compressed: str | None = None,
        integer: bool = False,
        data: np.ndarray[Any, Any] | None = None,
        **cards: Any,
    ) -> Path:
        turn = np.radians(crota2)
        matrix = SCALE * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        if mirrored:
            matrix = matrix @ np.diag([-1.0, 1.0])
        header = fits.Header()
        header["DATE-OBS"] = "2014-03-01T00:00:27.90"
        header["TELESCOP"], header["INSTRUME"] = "SDO/HMI", "HMI_FRONT2"
        header["CONTENT"], header["BUNIT"] = "MAGNETOGRAM", "Gauss"
        header["CTYPE1"], header["CTYPE2"] = "HPLN-TAN", "HPLT-TAN"
        header["CUNIT1"] = header["CUNIT2"] = "arcsec"
        header["CRPIX1"], header["CRPIX2"] = CENTRE[0] + 1, CENTRE[1] + 1
        for row in (0, 1):
            for column in (0, 1):
                header[f"CD{row + 1}_{column + 1}"] = matrix[row, column]
        header["DSUN_OBS"], header["RSUN_REF"] = 148205511547.72, 696e6
        header["CRLN_OBS"], header["CRLT_OBS"] = 132.560135, -7.226688
        values = _disk(matrix) if data is None else data
        if integer:
            blank = ~np.isfinite(values)
            values = np.where(blank, 0, np.round(values * 10)).astype(np.int16)
            values[blank] = -32768
        for keyword, value in cards.items():
            header[keyword] = value
        path = tmp_path / name
        hdu = (
            fits.CompImageHDU(values, header, compression_type=compressed)
            if compressed
            else fits.PrimaryHDU(values, header)
        )
        if integer:  # astropy drops the scale of values that it is given unscaled
            hdu.header["BSCALE"], hdu.header["BLANK"] = 0.1, -32768
        hdus = [fits.PrimaryHDU(), hdu] if compressed else [hdu]
        fits.HDUList(hdus).writeto(path)
        return path

    return make


def _disk(matrix: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the field: 5 G on the disk, 500 G in a Gaussian spot, NaN off the limb."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(float)
    west = matrix[0, 0] * (x - CENTRE[0]) + matrix[0, 1] * (y - CENTRE[1])
    north = matrix[1, 0] * (x - CENTRE[0]) + matrix[1, 1] * (y - CENTRE[1])
    radius = RADIUS * SCALE
    distance2 = (west / radius - SPOT[0]) ** 2 + (north / radius - SPOT[1]) ** 2
    data = 5.0 + 500.0 * np.exp(-0.5 * distance2 / 0.06**2)
    data[np.hypot(west, north) > radius * 1.01] = np.nan
    return data
