"""Pixels and header of a solar FITS file: plain or tile-compressed, damaged or hostile.

FITS Standard 4.0, doi:10.1051/0004-6361/201015362, sections 4.4, 7.1 and 10.
"""

import warnings
from io import BytesIO
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from skysift.core.errors import ReadError
from skysift.data.images.fits_bytes import FITS_MAGIC, FitsBytes
from skysift.data.images.fits_stamps import decode_image
from skysift.data.images.limits import Limits
from skysift.data.images.tiles import require_small_tiles
from skysift.data.sky.fits_table import Cards, FitsHdu, walk_hdus
from skysift.data.solar.header_facts import KEPT
from skysift.data.solar.limits import SolarReadError, require_size

__all__ = ["read_fits_pixels"]

_PLANE = 2
_BITS = (8, 16, 32, 64)
_BLOCK = 2880
_OF_PIXELS = {"NAXIS1", "NAXIS2"}  # of the table, where the image is compressed


def read_fits_pixels(
    data: bytes, source: str, limits: Limits
) -> tuple[NDArray[np.float32], dict[str, Any], list[str]]:
    """Return the first image of a FITS file in memory.

    Parameters
    ----------
    data : bytes
        The file, unpacked.
    source : str
        Where it came from, for errors.
    limits : Limits
        Bounds of what is read.

    Returns
    -------
    pixels : array of float32, shape (ny, nx)
        Scaled as BSCALE and BZERO say, NaN where BLANK.
    header : dict
        Values of :data:`skysift.data.solar.header_facts.KEPT`, NaN where a card cannot be
        understood.
    bad : list of str
        Keywords of these cards.

    Raises
    ------
    ReadError
        If there is no image, or it is damaged, cut short or too large.
    """
    _require_fits(data)
    with FitsBytes(data, source) as stream:
        primary: Cards | None = None
        for hdu in walk_hdus(stream):
            compressed = hdu.is_table and hdu.cards.get("ZIMAGE") is True
            if compressed or (not hdu.is_table and hdu.cards.integer("NAXIS") >= _PLANE):
                _require_whole(hdu, data, limits, compressed=compressed)
                pixels = _unpacked(hdu, data) if compressed else decode_image(hdu, stream, limits)
                return pixels, *_header(hdu.cards, primary)
            primary = primary or hdu.cards
    raise SolarReadError(
        "no-image-in-file", "The FITS file has no image.", "Give an image, not a table."
    )


def _require_fits(data: bytes) -> None:
    if data.startswith(FITS_MAGIC):
        return
    what = "begins with zeros" if not any(data[:_BLOCK]) else "does not begin with SIMPLE"
    raise SolarReadError(
        "no-simple-card", f"The file {what}, so it is no FITS file.", "Download it again."
    )


def _require_whole(hdu: FitsHdu, data: bytes, limits: Limits, *, compressed: bool) -> None:
    """Refuse what claims more than there is, before memory is set aside for it."""
    cards = hdu.cards
    prefix = "ZNAXIS" if compressed else "NAXIS"
    sides = (cards.integer(f"{prefix}1"), cards.integer(f"{prefix}2"))
    require_size(*sides, limits, n_bytes=len(data) if compressed else None)
    for axis in range(_PLANE + 1, cards.integer(prefix) + 1):
        if cards.integer(f"{prefix}{axis}") != 1:
            raise SolarReadError(
                "not-an-image", "The image has more than two axes.", "Give a single image."
            )
    cells = cards.integer("NAXIS1") * cards.integer("NAXIS2")
    bits = abs(cards.number("BITPIX"))
    if bits not in _BITS:
        raise SolarReadError(
            "damaged-header", f"The header says BITPIX = {bits:g}.", "Download it again."
        )
    size = int(bits) // 8 * cells
    end = hdu.data_start + size + (cards.integer("PCOUNT") if compressed else 0)
    if end > len(data):  # the padding behind the data may be missing
        raise SolarReadError(
            "cut-short",
            f"The image is cut short: {end - len(data):,} bytes are missing.",
            "Download it again.",
        )


def _header(cards: Cards, primary: Cards | None) -> tuple[dict[str, Any], list[str]]:
    header: dict[str, Any] = {}
    bad: list[str] = []
    for keyword in KEPT:
        if keyword in _OF_PIXELS:
            continue
        try:
            value = cards.get(keyword)
            if value is None and primary is not None:
                value = primary.get(keyword)
        except ReadError:
            bad.append(keyword)
            value = float("nan")
        if value is not None:
            header[keyword] = value
    return header, bad


def _unpacked(hdu: FitsHdu, data: bytes) -> NDArray[np.float32]:
    """Return a tile-compressed image, which astropy unpacks."""
    require_small_tiles(hdu, data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd cards, which astropy mends
        try:
            with fits.open(BytesIO(data), memmap=False) as opened:
                pixels = np.asarray(opened[hdu.number].data, dtype=np.float32)
        except Exception as error:  # a damaged file can make the codecs raise anything
            raise SolarReadError(
                "damaged-fits",
                f"The compressed image is damaged ({error}).",
                "Download it again.",
            ) from error
    sides = tuple(hdu.cards.integer(f"ZNAXIS{axis}") for axis in (2, 1))
    if pixels.shape[-_PLANE:] != sides:  # e.g. of a header that tells another number of axes
        raise SolarReadError(
            "damaged-fits",
            f"The compressed image unpacks to the shape {pixels.shape}, not {sides}.",
            "Download it again.",
        )
    return pixels.reshape(sides)
