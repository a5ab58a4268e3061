"""Cutouts of many objects out of one image, with coordinates that stay exact."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from skysift.core.errors import InputError, UsageError
from skysift.data.images.facts import PIXEL_MATRIX, fact_table, plausible_facts
from skysift.data.images.fits_stamps import FLAG_KEYWORD, NAME_KEYWORD
from skysift.data.images.flags import StampFlag
from skysift.data.images.image_set import ImageSet
from skysift.data.images.limits import DEFAULT_LIMITS
from skysift.data.images.science_image import ScienceImage
from skysift.data.images.sphere import chord_of, unit_vectors
from skysift.data.images.stamp import common_flags

__all__ = [
    "Positions",
    "cut_out",
    "is_blended",
    "reference_pixels",
    "side_in_pixels",
    "stamp_bytes",
]

Parity = Literal["nearest", "odd", "even"]

_BLOCK, _CARD = 2880, 80
_LONGEST_TEXT = 66
_MOST_BYTES = 2 << 30  # of the cutouts of one image, which are in memory together
_EDGE = 0.5
_ITSELF = 0.01  # arcsec within which a neighbour is the object


@dataclass(frozen=True, eq=False)
class Positions:
    """Objects of a catalogue.

    Parameters
    ----------
    names : array of str, shape (n,)
        Identifiers.
    ra, dec : array, shape (n,)
        Position, ICRS [deg].
    blended : array of bool, shape (n,)
        Whether another object is too near; see :func:`is_blended`.

    Raises
    ------
    InputError
        If a position is not on the sky, or the arrays do not fit together.
    """

    names: NDArray[np.str_]
    ra: NDArray[np.float64]
    dec: NDArray[np.float64]
    blended: NDArray[np.bool_]

    def __post_init__(self) -> None:
        if len({len(self.names), len(self.ra), len(self.dec), len(self.blended)}) != 1:
            raise InputError("Names, positions and flags have different lengths.", "Align them.")
        bad = np.flatnonzero(~(np.isfinite(self.ra) & (np.abs(self.dec) <= 90)))  # noqa: PLR2004
        if len(bad):
            row = int(bad[0])
            raise InputError(
                f"The position ({self.ra[row]}, {self.dec[row]}) deg is not on the sky.",
                "Give right ascension and declination in degrees.",
                row=row,
            )

    def __len__(self) -> int:
        return len(self.names)


def is_blended(
    ra: ArrayLike, dec: ArrayLike, radius: float, *, neighbours: tuple[ArrayLike, ArrayLike] | None
) -> NDArray[np.bool_]:
    """Tell which objects have another one near.

    Parameters
    ----------
    ra, dec : array_like, shape (n,)
        Positions [deg].
    radius : float
        Distance below which two blend [arcsec].
    neighbours : tuple of array_like or None
        Positions of all objects there are, if that is another catalogue; an object does not blend
        with itself (a position within 0.01 arcsec).

    Examples
    --------
    >>> is_blended([10.0, 10.001, 20.0], [0.0, 0.0, 0.0], 5.0, neighbours=None).tolist()
    [True, True, False]
    """
    own = unit_vectors(ra, dec)
    others = own if neighbours is None else unit_vectors(*neighbours)
    tree = cKDTree(others)
    within = tree.query_ball_point(own, chord_of(radius), return_length=True)
    itself = tree.query_ball_point(own, chord_of(_ITSELF), return_length=True)
    if neighbours is None:
        itself = np.ones(len(own), dtype=np.int64)
    return np.asarray(within > itself)


def side_in_pixels(size: float, pixel_scale: float, parity: Parity = "nearest") -> int:
    """Return the number of pixels that comes nearest to an angle, odd or even if asked for.

    Parameters
    ----------
    size, pixel_scale : float
        Side of the cutout and of a pixel [arcsec].
    parity : {"nearest", "odd", "even"}
        Which whole numbers to choose from.

    Raises
    ------
    UsageError
        If nothing would be left.

    Examples
    --------
    >>> [side_in_pixels(20.0, 1.012, parity) for parity in ("nearest", "odd", "even")]
    [20, 19, 20]
    """
    exact = size / pixel_scale
    match parity:
        case "odd":
            side = 2 * round((exact - 1) / 2) + 1
        case "even":
            side = 2 * round(exact / 2)
        case _:
            side = round(exact)
    if side < 1:
        raise UsageError(
            f'A cutout of {size}" is less than a pixel of {pixel_scale:.3g}".', "Ask for more."
        )
    return side


def cut_out(image: ScienceImage, positions: Positions, side: int) -> ImageSet:
    """Cut out all objects whose position lies on an image.

    The target stays within half a pixel of the middle; no value is interpolated. What lies beyond
    the edge is NaN, and flagged.

    Parameters
    ----------
    image : ScienceImage
        The image.
    positions : Positions
        Objects; those off the image are left out.
    side : int
        Side of the cutouts [pixel].

    Returns
    -------
    ImageSet
        One cutout for each object on the image, in their order. Columns ``row`` (of `positions`),
        ``start_y`` and ``start_x`` (first pixel, from 0) stand behind its facts.

    Raises
    ------
    UsageError
        If `side` is less than 1 or more than a cutout may have, or all of them together are too
        large for memory.
    """
    if not 1 <= side <= DEFAULT_LIMITS.side:
        raise UsageError(
            f"side = {side:,} pixels.", f"Ask for 1 to {DEFAULT_LIMITS.side:,} pixels."
        )
    ny, nx = image.pixels.shape
    places = image.pixel_positions(positions.ra, positions.dec)
    with np.errstate(invalid="ignore"):
        on_image = ((places >= -_EDGE) & (places < np.array([ny, nx]) - _EDGE)).all(axis=1)
    rows = np.flatnonzero(on_image)
    _require_room(len(rows), side)
    places = places[rows]
    start = np.ceil(places - side / 2).astype(np.int64)
    pixels = _windows(image.pixels, start, side)
    matrix = dict(zip(PIXEL_MATRIX, image.wcs.pixel_scale_matrix.ravel().tolist(), strict=True))
    facts = fact_table(
        [
            {
                "pixel_scale": image.pixel_scale,
                **matrix,
                **image.facts,
                "object": str(positions.names[row]),
                "ra": float(positions.ra[row]),
                "dec": float(positions.dec[row]),
            }
            for row in rows
        ]
    ).with_columns({"row": rows, "start_y": start[:, 0], "start_x": start[:, 1]})
    sizes = np.full((len(rows), 2), side, dtype=np.int32)
    outside = ((start < 0) | (start + side > [ny, nx])).any(axis=1)
    facts = plausible_facts(facts, sizes)
    flags = common_flags(pixels, sizes, facts)
    # Beyond the edge there is no value: only NaN within the image counts as one.
    holes = ~np.isfinite(pixels) & _inside(start, side, (ny, nx))
    flags &= ~np.uint32(StampFlag.NAN)
    flags[holes.any(axis=(1, 2))] |= np.uint32(StampFlag.NAN)
    flags[outside] |= np.uint32(StampFlag.PADDED)
    flags[positions.blended[rows]] |= np.uint32(StampFlag.BLENDED)
    pixels[~np.isfinite(pixels)] = np.nan
    return ImageSet(
        pixels=pixels,
        identifiers=np.asarray(positions.names[rows], dtype=np.str_),
        sources=np.full(len(rows), str(image.path), dtype=np.str_),
        facts=facts,
        flags=flags,
        sizes=sizes,
        centers=places - start,
    )


def reference_pixels(image: ScienceImage, cutouts: ImageSet) -> NDArray[np.float64]:
    """Return CRPIX1 and CRPIX2 of each cutout of an image, shape (n, 2)."""
    start = cutouts.facts.matrix(["start_x", "start_y"])
    return np.asarray(np.asarray(image.wcs.wcs.crpix) - start)


def stamp_bytes(image: ScienceImage, cutouts: ImageSet, row: int, *, is_extension: bool) -> bytes:
    """Return one cutout as a FITS file, or as an extension of one.

    The header keeps the coordinates of the image with CRPIX moved by whole pixels, hence exactly,
    whatever the distortion: TPV and SIP polynomials count from CRPIX.

    Parameters
    ----------
    image : ScienceImage
        Where `cutouts` come from.
    cutouts : ImageSet
        As :func:`cut_out` returns.
    row : int
        Which.
    is_extension : bool
        Whether it goes behind others.
    """
    ny, nx = cutouts.pixels.shape[1:]
    facts = cutouts.facts
    start = np.array([facts["start_x"][row], facts["start_y"][row]])
    crpix = np.asarray(image.wcs.wcs.crpix) - start
    y, x = cutouts.centers[row] + 1  # FITS counts from 1
    first = _text_card("XTENSION", "IMAGE   ") if is_extension else _card("SIMPLE", "T", "")
    middle = [_card("PCOUNT", "0", ""), _card("GCOUNT", "1", "")] if is_extension else []
    head = [
        first,
        _card("BITPIX", "-32", ""),
        _card("NAXIS", "2", ""),
        _card("NAXIS1", str(nx), ""),
        _card("NAXIS2", str(ny), ""),
        *middle,
        _text_card(NAME_KEYWORD, str(cutouts.identifiers[row])),
        _text_card("OBJECTID", str(facts["object"][row])),
        _number_card("RA_TARG", facts["ra"][row], "[deg] target"),
        _number_card("DEC_TARG", facts["dec"][row], "[deg] target"),
        _number_card("TARGX", x, "target, first pixel is 1"),
        _number_card("TARGY", y, "target, first pixel is 1"),
        _card(FLAG_KEYWORD, str(int(cutouts.flags[row])), "bits, see skysift"),
        _number_card("CRPIX1", crpix[0], ""),
        _number_card("CRPIX2", crpix[1], ""),
    ]
    header = b"".join(head) + image.cards + b"END".ljust(_CARD)
    data = cutouts.pixels[row].astype(">f4").tobytes()
    return _padded(header, b" ") + _padded(data, b"\0")


def _require_room(n: int, side: int) -> None:
    """Refuse cutouts of one image that memory cannot hold together.

    Raises
    ------
    UsageError
        If they are too many or too large.
    """
    size = n * side**2 * np.dtype(np.float32).itemsize
    if size > _MOST_BYTES:
        raise UsageError(
            f"{n:,} cutouts of {side:,} x {side:,} pixels of one image take "
            f"{size / 2**30:.1f} GiB, more than {_MOST_BYTES / 2**30:g}.",
            "Ask for a smaller side, or give the catalogue in parts.",
        )


def _windows(
    pixels: NDArray[np.float32], start: NDArray[np.int64], side: int
) -> NDArray[np.float32]:
    """Return windows of an image, shape (n, side, side), NaN beyond its edges."""
    ny, nx = pixels.shape
    out = np.full((len(start), side, side), np.nan, dtype=np.float32)
    for k, (y, x) in enumerate(start.tolist()):
        low_y, low_x = max(y, 0), max(x, 0)
        high_y, high_x = min(y + side, ny), min(x + side, nx)
        out[k, low_y - y : high_y - y, low_x - x : high_x - x] = pixels[low_y:high_y, low_x:high_x]
    return out


def _inside(start: NDArray[np.int64], side: int, shape: tuple[int, int]) -> NDArray[np.bool_]:
    steps = np.arange(side)
    y, x = start[:, :1] + steps, start[:, 1:] + steps
    inside_y, inside_x = (y >= 0) & (y < shape[0]), (x >= 0) & (x < shape[1])
    return np.asarray(inside_y[:, :, np.newaxis] & inside_x[:, np.newaxis, :])


def _card(keyword: str, value: str, comment: str) -> bytes:
    text = f"{keyword:<8}= {value:>20}" + (f" / {comment}" if comment else "")
    return text.encode("ascii")[:_CARD].ljust(_CARD)


def _number_card(keyword: str, value: float, comment: str) -> bytes:
    return _card(keyword, repr(float(value)).upper(), comment)


def _text_card(keyword: str, value: str) -> bytes:
    plain = value.encode("ascii", "replace").decode().replace("'", "''")[:_LONGEST_TEXT]
    return f"{keyword:<8}= '{plain:<8}'".encode("ascii").ljust(_CARD)


def _padded(data: bytes, fill: bytes) -> bytes:
    return data + fill * (-len(data) % _BLOCK)
