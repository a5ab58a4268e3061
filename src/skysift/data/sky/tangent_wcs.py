"""The way back from an astropy WCS to a tangent grid, for those that are one."""

from pathlib import Path
from typing import Any

import numpy as np

from skysift.core.errors import ReadError
from skysift.data.sky.tangent import TangentGrid

__all__ = ["grid_of_wcs"]

_NEAR = 1e-9  # relative, and of a pixel or degree
_HALF_TURN = 180.0


def grid_of_wcs(wcs: Any, n_x: int, n_y: int, *, path: str | Path | None = None) -> TangentGrid:
    """Return the grid whose pixels are those of a WCS.

    Parameters
    ----------
    wcs : astropy.wcs.WCS
        With two celestial axes.
    n_x, n_y : int
        Pixels.
    path : path-like, optional
        Where it came from, for the error.

    Raises
    ------
    ReadError
        If it is no tangent plane in ICRS or FK5, upright, with square pixels, that touches the
        sky at the middle of the map.
    """
    wcs.wcs.set()
    kind = list(wcs.wcs.ctype)
    problem = ""
    if kind != ["RA---TAN", "DEC--TAN"] or wcs.wcs.radesys not in {"", "ICRS", "FK5"}:
        problem = f"its axes are {', '.join(kind)} in {wcs.wcs.radesys or 'no frame'}"
    elif not np.allclose(wcs.wcs.crpix, [(n_x + 1) / 2, (n_y + 1) / 2], rtol=0, atol=_NEAR):
        problem = f"it touches the sky at pixel {wcs.wcs.crpix}, not at the middle"
    size = float(np.abs(wcs.pixel_scale_matrix[1, 1]))
    upright = size * np.diag([-1.0, 1.0])
    if not problem and not np.allclose(
        wcs.pixel_scale_matrix, upright, rtol=_NEAR, atol=_NEAR * size
    ):
        problem = "its pixels are not upright squares with east to the left"
    ra, dec = (float(value) for value in wcs.wcs.crval)
    turn = float(wcs.wcs.lonpole) % 360.0
    if turn == 0 and abs(dec) == _HALF_TURN / 2:
        # About a pole, half a turn of the picture is half a turn of right ascension.
        ra, turn = (ra + _HALF_TURN) % 360.0, _HALF_TURN
    if not problem and turn != _HALF_TURN:
        problem = f"it is turned (LONPOLE = {wcs.wcs.lonpole})"
    if problem:
        raise ReadError(
            f"The map is no tangent grid: {problem}.",
            "Make it with the projection TAN in ICRS about its middle, with square pixels.",
            path=path,
        )
    return TangentGrid(ra, dec, n_x, n_y, size)
