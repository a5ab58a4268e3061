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
    problem, grid = _interpreted(wcs, n_x, n_y)
    if grid is None:
        raise ReadError(
            f"The map is no tangent grid: {problem}.",
            "Make it with the projection TAN in ICRS about its middle, with square pixels.",
            path=path,
        )
    return grid


def _interpreted(wcs: Any, n_x: int, n_y: int) -> tuple[str, TangentGrid | None]:
    """Return what speaks against the WCS, or the grid that it is."""
    try:
        wcs.wcs.set()
    except ValueError as error:
        return f"astropy cannot interpret it ({str(error).splitlines()[-1]})", None
    kind = list(wcs.wcs.ctype)
    if kind != ["RA---TAN", "DEC--TAN"] or wcs.wcs.radesys not in {"", "ICRS", "FK5"}:
        return f"its axes are {', '.join(kind)} in {wcs.wcs.radesys or 'no frame'}", None
    if not np.allclose(wcs.wcs.crpix, [(n_x + 1) / 2, (n_y + 1) / 2], rtol=0, atol=_NEAR):
        return f"it touches the sky at pixel {wcs.wcs.crpix}, not at the middle", None
    matrix = wcs.pixel_scale_matrix
    size = float(np.abs(matrix[1, 1]))
    if not np.allclose(matrix, size * np.diag([-1.0, 1.0]), rtol=_NEAR, atol=_NEAR * size):
        return "its pixels are not upright squares with east to the left", None
    ra, dec = (float(value) for value in wcs.wcs.crval)
    turn = float(wcs.wcs.lonpole) % 360.0
    if turn == 0 and abs(dec) == _HALF_TURN / 2:
        # About a pole, half a turn of the picture is half a turn of right ascension.
        ra, turn = (ra + _HALF_TURN) % 360.0, _HALF_TURN
    if turn != _HALF_TURN:
        return f"it is turned (LONPOLE = {wcs.wcs.lonpole})", None
    return "", TangentGrid(ra, dec, n_x, n_y, size)
