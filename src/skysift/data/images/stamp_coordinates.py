"""What the header of a cutout says of the sky: position, pixel scale and directions, if sound.

Greisen & Calabretta 2002, A&A 395, 1061 (axes, matrix); Calabretta & Greisen 2002, A&A 395, 1077
(projections).
"""

import re
from functools import lru_cache
from math import hypot, isfinite

from skysift.data.images.facts import PIXEL_MATRIX, FactValues
from skysift.data.images.flags import StampFlag
from skysift.data.images.header_position import linear_matrix, sky_position
from skysift.data.sky.fits_table import Cards

__all__ = ["note_coordinates", "note_position"]

_Matrix = tuple[tuple[float, float], tuple[float, float]]

_SCALE_RANGE = (1e-3, 100.0)  # arcsec per pixel of anything that is called a survey
_SCALE_TOLERANCE = 0.05
_POLE = 90.0
_FULL_CIRCLE = 360.0
_ARCSEC_PER_DEG = 3600.0

# How far the middle of a cutout may lie from the reference pixel. The widest mosaics that share
# one, 1.4 deg at 0.03 arcsec, reach 84,000 pixels; the widest plates and lenses reach 40 deg.
_FARTHEST = 1e5  # pixels along an axis
_FARTHEST_ON_PLANE = 60.0  # of a tangent plane [deg]

_AXIS = re.compile(r"([A-Z]{1,4})-+([A-Z]{3})(?:-[A-Z]{3})?")  # behind it a distortion, as SIP
_TANGENT = frozenset({"TAN", "TPV", "TNX", "TPD", "TUV"})
_PROJECTIONS = _TANGENT | frozenset(
    {
        *("AZP", "SZP", "STG", "SIN", "ARC", "ZPN", "ZEA", "AIR", "CYP", "CEA", "CAR", "MER"),
        *("SFL", "PAR", "MOL", "AIT", "COP", "COE", "COD", "COO", "BON", "PCO", "TSC", "CSC"),
        *("QSC", "HPX", "XPH", "ZPX", "GLS", "NCP", "DSS"),
    }
)


def note_coordinates(cards: Cards, facts: FactValues, shape: tuple[int, ...]) -> StampFlag:
    """Check the coordinates of a header but for their distortion, and fill in the pixel scale.

    Parameters
    ----------
    cards : Cards
        The header.
    facts : dict
        Facts of the cutout; ``pixel_scale``, unless it is there, and the step along each axis are
        added.
    shape : tuple of int
        Of the cutout (ny, nx).

    Returns
    -------
    StampFlag
        None, ``NO_WCS`` or ``WRONG_WCS``. They are wrong where a number is none or out of its
        range, the axes are no pair of the sky or their projection has no such name, the reference
        pixel is more than 100,000 pixels or 60 deg of a tangent plane away, or the pixel scale is
        no survey's or not the stated one.

    Raises
    ------
    ReadError
        If a card cannot be understood.
    """
    axes = cards.text("CTYPE1"), cards.text("CTYPE2")
    if not all(axes):
        if cards.get("PC1_1") is not None and cards.get("CRVAL1") is not None:
            _note_matrix(linear_matrix(cards), facts)  # stamps of Rubin say all but the projection
        return StampFlag.NO_WCS
    if not any(map(_AXIS.fullmatch, axes)):
        return StampFlag.NO_WCS  # plain axes, as LINEAR or PIXEL
    projection, matrix = _projection(*axes), linear_matrix(cards)
    scale = _sound_scale(cards, matrix)
    if projection is None or scale is None or _is_far(cards, matrix, shape, projection):
        return StampFlag.WRONG_WCS
    _note_matrix(matrix, facts)
    stated = facts.setdefault("pixel_scale", scale)
    agrees = isinstance(stated, float) and abs(stated / scale - 1) < _SCALE_TOLERANCE
    return StampFlag.NONE if agrees else StampFlag.WRONG_WCS


def note_position(cards: Cards, facts: FactValues, shape: tuple[int, ...]) -> StampFlag:
    """Fill in the position of the middle, unless the facts have one or the projection is rare.

    Parameters
    ----------
    cards, facts, shape
        As of `note_coordinates`, which has found nothing to say against them.

    Returns
    -------
    StampFlag
        ``WRONG_WCS`` if the coordinates, with their distortion, give no number.

    Raises
    ------
    ReadError
        If a card cannot be understood, or all of them make no sense.
    """
    if "ra" in facts and "dec" in facts:
        return StampFlag.NONE
    middle = sky_position(cards, *_middle(shape))
    if middle is None:
        return StampFlag.NONE
    if not all(map(isfinite, middle)):
        return StampFlag.WRONG_WCS
    facts["ra"], facts["dec"] = middle
    return StampFlag.NONE


def _sound_scale(cards: Cards, matrix: _Matrix) -> float | None:
    """Return the side of a pixel [arcsec], None where it, or the reference, is out of range."""
    values = [cards.number(name) for name in ("CRPIX1", "CRPIX2", "CRVAL1", "CRVAL2")]
    determinant = matrix[0][0] * matrix[1][1] - matrix[0][1] * matrix[1][0]
    if not all(map(isfinite, [*values, determinant])):
        return None
    if abs(values[3]) > _POLE or not -_FULL_CIRCLE <= values[2] <= _FULL_CIRCLE:
        return None
    scale = abs(determinant) ** 0.5 * _ARCSEC_PER_DEG
    return scale if _SCALE_RANGE[0] < scale < _SCALE_RANGE[1] else None


def _is_far(cards: Cards, matrix: _Matrix, shape: tuple[int, ...], projection: str) -> bool:
    """Tell whether the reference pixel is farther from the middle than in any image."""
    y, x = _middle(shape)
    dx, dy = x + 1 - cards.number("CRPIX1"), y + 1 - cards.number("CRPIX2")
    if max(abs(dx), abs(dy)) > _FARTHEST:
        return True
    xi, eta = (along_x * dx + along_y * dy for along_x, along_y in matrix)
    return projection in _TANGENT and hypot(xi, eta) > _FARTHEST_ON_PLANE


@lru_cache(maxsize=64)
def _projection(first: str, second: str) -> str | None:
    """Return the projection of both axes, None unless they are a pair of the sky that shares one.

    Examples
    --------
    >>> _projection("RA---TAN-SIP", "DEC--TAN-SIP"), _projection("GLON-CAR", "GLAT-CAR")
    ('TAN', 'CAR')
    >>> _projection("FOO---TAN", "DEC--TAN"), _projection("RA---FOO", "DEC--FOO")
    (None, None)
    """
    found = _AXIS.fullmatch(first), _AXIS.fullmatch(second)
    if found[0] is None or found[1] is None or found[0][2] != found[1][2]:
        return None
    names = found[0][1], found[1][1]
    if _latitude_of(names[0]) != names[1] and _latitude_of(names[1]) != names[0]:
        return None
    return found[0][2] if found[0][2] in _PROJECTIONS else None


def _latitude_of(longitude: str) -> str:
    """Return the axis that goes with a longitude: RA, GLON, HPLN and their like; else nothing."""
    if longitude == "RA":
        return "DEC"
    for ending, other in (("LON", "LAT"), ("LN", "LT")):
        if longitude.endswith(ending):
            return longitude.removesuffix(ending) + other
    return ""


def _note_matrix(matrix: _Matrix, facts: FactValues) -> None:
    """Fill in the step on the sky along each axis, unless it is no number."""
    steps = (*matrix[0], *matrix[1])
    if all(map(isfinite, steps)):
        facts.update(zip(PIXEL_MATRIX, steps, strict=True))


def _middle(shape: tuple[int, ...]) -> tuple[float, float]:
    return (shape[0] - 1) / 2, (shape[1] - 1) / 2
