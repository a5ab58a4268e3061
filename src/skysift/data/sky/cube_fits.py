"""The parts of a FITS file that make an image cube with energy bands, as gammapy's Map has them."""

from typing import TYPE_CHECKING

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from skysift.data.sky.tangent import TangentGrid

if TYPE_CHECKING:
    from astropy.wcs import WCS

__all__ = ["BANDS", "bands_hdu", "cube_header", "wcs_cube_header"]

BANDS = "EBOUNDS"
"""Name of the table of energy bands."""


def cube_header(grid: TangentGrid, n_bands: int) -> fits.Header:
    """Return the cards of a cube [band, y, x] on a grid, whose bands are in the table `BANDS`."""
    return wcs_cube_header(grid.wcs(), (n_bands, *grid.shape))


def wcs_cube_header(wcs: "WCS", shape: tuple[int, int, int]) -> fits.Header:
    """Return the cards of a cube of a shape (n_bands, n_y, n_x) in any coordinates of the sky."""
    header = wcs.to_header()
    n_bands, n_y, n_x = shape
    header["WCSSHAPE"] = f"({n_x},{n_y},{n_bands})"
    header["BANDSHDU"] = BANDS
    header["AXCOLS1"] = "E_MIN,E_MAX"
    header["INTERP1"] = "log"
    header["BUNIT"] = ""
    return header


def bands_hdu(edges: NDArray[np.float64]) -> fits.BinTableHDU:
    """Return the table of energy bands.

    Parameters
    ----------
    edges : array, shape (n_bands + 1,) [TeV]
    """
    low, high = edges[:-1], edges[1:]
    columns = [
        fits.Column("CHANNEL", "K", array=np.arange(len(low))),
        fits.Column("ENERGY", "D", unit="TeV", array=np.sqrt(low * high)),
        fits.Column("E_MIN", "D", unit="TeV", array=low),
        fits.Column("E_MAX", "D", unit="TeV", array=high),
    ]
    hdu = fits.BinTableHDU.from_columns(columns, name=BANDS)
    hdu.header["AXCOLS1"] = "E_MIN,E_MAX"
    hdu.header["INTERP1"] = "log"
    return hdu
