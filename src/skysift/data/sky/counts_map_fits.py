"""Counts maps as FITS files: an image cube, its energy bands and its good time.

The layout is that of gammapy's `Map.write`, so that `Map.read(path)` gives the same map: the
cube in the primary part with a TAN WCS (Calabretta & Greisen 2002, A&A 395, 1077), the bands in
a table that the keyword BANDSHDU names, the intervals as GADF has them, and livetime and pointing
both in cards of their own and in META, which holds gammapy's `Map.meta` as JSON.
"""

import gzip
import json
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units as u
from astropy.io import fits
from astropy.time import Time
from astropy.wcs import WCS
from numpy.typing import NDArray

from skysift.core.errors import ReadError
from skysift.core.files import write_atomic
from skysift.data.images.fits_bytes import require_sound_headers
from skysift.data.sky.counts_map import CountsMap
from skysift.data.sky.counts_map_meta import circumstances, meta_numbers, numbers_of_text
from skysift.data.sky.cube_fits import bands_hdu, cube_header
from skysift.data.sky.event_list import GADF_REFERENCE_MJD
from skysift.data.sky.fits_stream import MAX_BYTES, read_bounded
from skysift.data.sky.gadf_write import gti_hdu
from skysift.data.sky.gti import GoodTimeIntervals
from skysift.data.sky.tangent_wcs import grid_of_wcs

__all__ = ["read_counts_map", "write_counts_map"]

_COMMENTS = {"LIVETIME": "[s] good time less dead time"}
_CUBE = 3
_DAMAGED = (  # what astropy raises of headers and tables that make no sense
    ArithmeticError, AssertionError, AttributeError, LookupError, OSError, TypeError, ValueError,
    fits.VerifyError,
)  # fmt: skip


def write_counts_map(counts_map: CountsMap, path: str | Path) -> None:
    """Write a counts map; a name that ends in ``.gz`` is gzipped.

    Parameters
    ----------
    counts_map : CountsMap
        What is written.
    path : path-like
        The file, replaced if it is there.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    cards = cube_header(counts_map.grid, counts_map.n_bands)
    primary = fits.PrimaryHDU(counts_map.counts, header=cards)
    header = primary.header
    numbers = meta_numbers(counts_map)  # a card cannot hold NaN
    for keyword, value in numbers.items():
        header[keyword] = (value, _COMMENTS.get(keyword, "[deg]"))
    header["META"] = json.dumps(numbers)
    header["CREATOR"] = "skysift"
    hdus = fits.HDUList(
        [
            primary,
            bands_hdu(counts_map.energy_edges),
            gti_hdu(counts_map.gti, counts_map.reference_mjd),
        ]
    )
    buffer = BytesIO()
    hdus.writeto(buffer)
    data = buffer.getvalue()
    write_atomic(path, gzip.compress(data, mtime=0) if str(path).endswith(".gz") else data)


def read_counts_map(path: str | Path, *, max_bytes: int = MAX_BYTES) -> CountsMap:
    """Read a counts map that :func:`write_counts_map` or gammapy's `Map.write` wrote.

    Livetime and pointing of a file that does not give them are NaN; a missing GTI table gives no
    good time.

    Raises
    ------
    ReadError
        If the file cannot be read, is no cube with energy bands, or its WCS is no tangent plane
        with square pixels that touches the sky at the middle of the map.
    """
    data = read_bounded(path, max_bytes=max_bytes)
    require_sound_headers(data, str(path))
    try:
        with fits.open(BytesIO(data)) as hdus:
            hdu = hdus[0]
            cube = np.asarray(hdu.data, dtype=np.float32)
            header = hdu.header
            edges = _energy_edges(hdus[header["BANDSHDU"]])
            gti, reference = _gti(hdus)
            livetime, where = circumstances(header, numbers_of_text(header.get("META")))
            wcs = WCS(header, naxis=2)
    except _DAMAGED as error:
        raise ReadError(
            f"The file holds no counts map ({error}).",
            "Give a cube with energy bands, as gammapy's Map.write makes.",
            path=path,
        ) from error
    if cube.ndim != _CUBE or len(cube) != len(edges) - 1:
        raise ReadError(
            f"A cube of shape {cube.shape} does not fit {len(edges) - 1} energy bands.",
            "Give counts[band, y, x] with one spectral axis.",
            path=path,
        )
    grid = grid_of_wcs(wcs, cube.shape[2], cube.shape[1], path=path)
    return CountsMap(cube, edges, grid, gti, livetime, where, reference)


def _energy_edges(hdu: Any) -> NDArray[np.float64]:
    unit = u.Unit(hdu.columns["E_MIN"].unit or "TeV")
    low, high = (np.asarray(hdu.data[name], dtype=np.float64) for name in ("E_MIN", "E_MAX"))
    factor = float(unit.to(u.TeV))
    edges = np.append(low, high[-1])
    return edges if factor == 1 else edges * factor


def _gti(hdus: fits.HDUList) -> tuple[GoodTimeIntervals, float]:
    """Return the intervals and the zero [d] of their times in TT."""
    if "GTI" not in hdus:
        return GoodTimeIntervals.of([]), GADF_REFERENCE_MJD
    table, header = hdus["GTI"].data, hdus["GTI"].header
    zero = Time(
        header["MJDREFI"],
        header.get("MJDREFF", 0.0),
        format="mjd",
        scale=str(header.get("TIMESYS", "TT")).lower(),
    )
    bounds = zip(table["START"].tolist(), table["STOP"].tolist(), strict=True)
    return GoodTimeIntervals.of(list(bounds)), float(zero.tt.mjd)
