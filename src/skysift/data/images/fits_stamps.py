"""Cutouts out of the bytes of a FITS file: a single image, a multi-extension file, an alert stamp.

FITS Standard 4.0, doi:10.1051/0004-6361/201015362, sections 4.4, 5 and 7.1.
"""

import warnings
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from math import isfinite
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from skysift.core.errors import ReadError
from skysift.data.images.extension_names import AUXILIARY, Extension, extension_names
from skysift.data.images.facts import FactValues, facts_of_cards
from skysift.data.images.fits_bytes import FitsBytes
from skysift.data.images.flags import StampFlag
from skysift.data.images.limits import DEFAULT_LIMITS, Limits
from skysift.data.images.stamp import NOTED, Rejected, Stamp, StampError, require_sound
from skysift.data.images.stamp_coordinates import note_coordinates, note_position
from skysift.data.images.tiles import require_small_tiles
from skysift.data.sky.fits_table import Cards, FitsHdu, walk_hdus

__all__ = ["FLAG_KEYWORD", "NAME_KEYWORD", "decode_image", "read_alert_stamp", "read_fits_stamps"]

FLAG_KEYWORD = "STAMPFLG"
"""Card of the flags of a cutout that skysift made."""

NAME_KEYWORD = "OBJNAME"
"""Card of its name."""

_TYPES = {8: ">u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
_PLANE = 2
_PSF_NAMES = {"PSFIMAGE", "PSF"}
_VARIANCE_NAMES = {"UNCERT", "VARIANCE", "ERR"}


def read_fits_stamps(
    data: bytes, identifier: str, source: str, *, limits: Limits = DEFAULT_LIMITS
) -> Iterator[Stamp | Rejected]:
    """Yield the cutouts of a FITS file in memory.

    A file with an image in its primary part is one cutout, and images behind it are its
    uncertainty, mask or point-spread function. Without one, each image extension is a cutout.

    Parameters
    ----------
    data : bytes
        The file, not compressed.
    identifier : str
        Name of the cutout; those of extensions get their EXTNAME behind it, with EXTVER or the
        number where it is not unique, or the number alone.
    source : str
        Where the data came from.
    limits : Limits
        Bounds of what is read.
    """
    named: dict[str, Any] = {"identifier": identifier, "source": source, "limits": limits}
    try:
        with FitsBytes(data, source) as stream:
            hdus = walk_hdus(stream)
            primary = next(hdus)
            if _axes(primary):
                yield _primary_stamp(primary, hdus, stream, **named)
                return
            yield from _extension_stamps(primary, hdus, stream, **named)
    except StampError as error:
        yield Rejected(identifier, source, error.code, error.problem)
    except ReadError as error:
        yield Rejected(identifier, source, "damaged-fits", error.problem)


def read_alert_stamp(
    data: bytes, identifier: str, source: str, *, limits: Limits = DEFAULT_LIMITS
) -> Stamp:
    """Return the cutout of an alert, from the bytes of its FITS file.

    Its header is asked for coordinates only: the alert itself states all other facts.

    Raises
    ------
    ReadError
        If it is damaged, or no model can use it.
    """
    with FitsBytes(data, source) as stream:
        hdus = walk_hdus(stream)
        primary = next(hdus)
        if not _axes(primary):
            raise StampError("no-image", "The FITS file has no image in its primary part.")
        pixels = decode_image(primary, stream, limits)
        require_sound(pixels, limits)
        known: FactValues = {}
        try:
            flags = note_coordinates(primary.cards, known, pixels.shape)
        except ReadError:
            flags = StampFlag.WRONG_WCS
        psf, variance = _company(primary, hdus, stream, limits, pixels.shape)
        return Stamp(identifier, source, pixels, known, flags, psf=psf, variance=variance)


def decode_image(hdu: FitsHdu, stream: FitsBytes, limits: Limits) -> NDArray[np.float32]:
    """Return the pixels of an image, shape (ny, nx), scaled as BSCALE, BZERO and BLANK say.

    Raises
    ------
    ReadError
        If the header makes no sense, the image is too large, or the data end too early.
    """
    cards = hdu.cards
    shape = [cards.integer(f"NAXIS{axis}") for axis in range(cards.integer("NAXIS"), 0, -1)]
    while len(shape) > _PLANE and shape[0] == 1:
        shape.pop(0)
    if len(shape) != _PLANE:
        raise StampError("not-an-image", f"The data have {len(shape)} axes, an image has 2.")
    if 0 in shape:
        raise StampError("empty-image", "The image has no pixels.")
    if max(shape) > limits.side:
        raise StampError(
            "too-large",
            f"The image has {shape[0]} x {shape[1]} pixels, more than {limits.side} on a side.",
            "Cut out its objects first, with skysift cutouts.",
        )
    bits = cards.number("BITPIX")
    if bits not in _TYPES:
        raise StampError("damaged-fits", f"BITPIX = {cards.get('BITPIX')} is not allowed.")
    kind = np.dtype(_TYPES[int(bits)])
    raw = stream.read(hdu.data_start, kind.itemsize * shape[0] * shape[1])
    return _scaled(np.frombuffer(raw, dtype=kind).reshape(shape), cards)


def _scaled(raw: NDArray[Any], cards: Cards) -> NDArray[np.float32]:
    scale, zero, blank = (cards.number(name) for name in ("BSCALE", "BZERO", "BLANK"))
    scale = scale if isfinite(scale) else 1.0
    zero = zero if isfinite(zero) else 0.0
    if raw.dtype.kind == "f" and scale == 1 and zero == 0:
        with np.errstate(over="ignore", invalid="ignore"):  # a float64 beyond float32 is no value
            return raw.astype(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        values = raw.astype(np.float64) * scale + zero
        if raw.dtype.kind in "iu" and isfinite(blank):
            values[raw == blank] = np.nan
        return values.astype(np.float32)


def _axes(hdu: FitsHdu) -> int:
    return hdu.cards.integer("NAXIS")


def _primary_stamp(
    primary: FitsHdu,
    others: Iterator[FitsHdu],
    stream: FitsBytes,
    *,
    identifier: str,
    source: str,
    limits: Limits,
) -> Stamp:
    pixels = decode_image(primary, stream, limits)
    require_sound(pixels, limits)
    facts, flags = _facts(primary.cards, None, pixels.shape)
    psf, variance = _company(primary, others, stream, limits, pixels.shape)
    center, noted = _center(primary.cards), _is_noted(primary.cards)
    return Stamp(identifier, source, pixels, facts, flags, center, psf, variance, noted)


def _company(
    primary: FitsHdu,
    others: Iterator[FitsHdu],
    stream: FitsBytes,
    limits: Limits,
    shape: tuple[int, ...],
) -> tuple[NDArray[np.float32] | None, NDArray[np.float32] | None]:
    """Return point-spread function and variance behind an image, each if there is one."""
    psf = variance = None
    if stream.is_end(primary.end):
        return psf, variance
    for hdu in others:
        if hdu.is_table:
            continue
        if hdu.name in _PSF_NAMES and psf is None:
            psf = decode_image(hdu, stream, limits)
        elif hdu.name in _VARIANCE_NAMES and variance is None and _axes(hdu) == _PLANE:
            spread = decode_image(hdu, stream, limits)
            if spread.shape == shape:
                variance = _as_variance(spread, hdu)
    return psf, variance


def _as_variance(spread: NDArray[np.float32], hdu: FitsHdu) -> NDArray[np.float32]:
    """Return variances by the kind that astropy's CCDData notes as UTYPE; NaN unless above 0."""
    kind = hdu.cards.text("UTYPE") or ("StdDevUncertainty" if hdu.name == "ERR" else "")
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        if kind == "StdDevUncertainty":
            spread = spread * spread
        elif kind == "InverseVariance":
            spread = np.float32(1.0) / spread
        return np.where((spread > 0) & np.isfinite(spread), spread, np.float32(np.nan))


def _extension_stamps(
    primary: FitsHdu,
    others: Iterator[FitsHdu],
    stream: FitsBytes,
    *,
    identifier: str,
    source: str,
    limits: Limits,
) -> Iterator[Stamp | Rejected]:
    found, damage = _cutouts_among(others)
    names = extension_names([_extension(hdu) for hdu in found])
    for hdu in found:
        compressed = _is_compressed(hdu)
        name = f"{identifier}#{names[hdu.number]}"
        where = f"{source}#{hdu.number}"
        try:
            pixels = (
                _uncompressed(hdu, stream, limits)
                if compressed
                else decode_image(hdu, stream, limits)
            )
            require_sound(pixels, limits)
            facts, flags = _facts(hdu.cards, primary.cards, pixels.shape)
            own_name = hdu.cards.text(NAME_KEYWORD) or name
            center, noted = _center(hdu.cards), _is_noted(hdu.cards)
            yield Stamp(own_name, where, pixels, facts, flags, center, noted=noted)
        except StampError as error:
            yield Rejected(name, where, error.code, error.problem)
    if damage is not None:
        raise damage
    if not found:
        raise StampError("no-image", "The FITS file has no image.")


def _is_compressed(hdu: FitsHdu) -> bool:
    return hdu.is_table and hdu.cards.get("ZIMAGE") is True


def _is_cutout(hdu: FitsHdu) -> bool:
    is_plain = not hdu.is_table and hdu.name not in AUXILIARY and _axes(hdu) > 0
    return is_plain or _is_compressed(hdu)


def _cutouts_among(hdus: Iterator[FitsHdu]) -> tuple[list[FitsHdu], ReadError | None]:
    """Return the extensions that are cutouts, and what is damaged behind them."""
    found: list[FitsHdu] = []
    try:
        found.extend(hdu for hdu in hdus if _is_cutout(hdu))
    except ReadError as error:
        return found, error
    return found, None


def _extension(hdu: FitsHdu) -> Extension:
    version = hdu.cards.number("EXTVER")
    return Extension(hdu.number, hdu.name, int(version) if isfinite(version) else None)


def _uncompressed(hdu: FitsHdu, stream: FitsBytes, limits: Limits) -> NDArray[np.float32]:
    """Return a tile-compressed image, which astropy unpacks."""
    shape = [hdu.cards.integer(f"ZNAXIS{axis}") for axis in (2, 1)]
    if max(shape) > limits.side:
        raise StampError("too-large", f"The image has {shape[0]} x {shape[1]} pixels.")
    data = stream.read_all()
    require_small_tiles(hdu, data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with fits.open(BytesIO(data), memmap=False) as opened:
                return np.asarray(opened[hdu.number].data, dtype=np.float32)
        except Exception as error:  # a damaged file can make the codecs raise anything
            raise StampError("damaged-fits", f"The compressed image is damaged: {error}") from error


def _center(cards: Cards) -> tuple[float, float] | None:
    """Return where the target lies, if the cutout says so, as ours do."""
    y, x = cards.number("TARGY"), cards.number("TARGX")
    return (y - 1, x - 1) if isfinite(y) and isfinite(x) else None


def _is_noted(cards: Cards) -> bool:
    """Tell whether a cutout carries the flags of its maker, as ours do."""
    return isfinite(cards.number(FLAG_KEYWORD))


def _facts(
    cards: Cards, primary: Cards | None, shape: tuple[int, ...]
) -> tuple[FactValues, StampFlag]:
    facts, sound = facts_of_cards(cards, primary)
    flags = StampFlag.NONE if sound else StampFlag.BAD_CARD
    if _is_noted(cards):
        flags |= StampFlag(int(cards.number(FLAG_KEYWORD))) & NOTED
    with suppress(ReadError):  # a card that cannot be read is no coordinate
        of_wcs = note_coordinates(cards, facts, shape)
        return facts, flags | (of_wcs or note_position(cards, facts, shape))
    return facts, flags | StampFlag.WRONG_WCS
