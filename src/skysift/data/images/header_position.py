"""Where a cutout points, from the few header cards that say so.

`astropy.wcs` takes milliseconds for a header; a stream has one for a stamp. Tangent-plane
coordinates with the distortions of survey images are a page of arithmetic: Calabretta & Greisen
2002 (A&A 395, 1077), TPV (FITS registry of conventions) and SIP (Shupe et al. 2005, ASPC 347, 491).
Other projections are left to astropy, in :mod:`skysift.data.images.science_image`.
"""

from math import atan2, cos, degrees, hypot, isnan, radians, sin

from skysift.core.errors import ReadError
from skysift.data.sky.fits_table import Cards

__all__ = ["linear_matrix", "sky_position"]

_PROJECTIONS = {("RA---TAN", "DEC--TAN"), ("RA---TPV", "DEC--TPV")}
_SIP = ("RA---TAN-SIP", "DEC--TAN-SIP")
_HIGHEST_ORDER = 7
_LONPOLE = 180.0
_FULL_CIRCLE = 360.0


def linear_matrix(cards: Cards) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the matrix from pixels to degrees: CDi_j, or CDELTi times PCi_j or CROTA2.

    Raises
    ------
    ReadError
        If a card cannot be understood.
    """
    if any(cards.get(f"CD{i}_{j}") is not None for i in (1, 2) for j in (1, 2)):
        cd = [_or(cards, f"CD{i}_{j}", 0.0) for i in (1, 2) for j in (1, 2)]
        return (cd[0], cd[1]), (cd[2], cd[3])
    x_step, y_step = _or(cards, "CDELT1", 1.0), _or(cards, "CDELT2", 1.0)
    turned = radians(_or(cards, "CROTA2", 0.0))
    return (
        (x_step * _or(cards, "PC1_1", cos(turned)), x_step * _or(cards, "PC1_2", -sin(turned))),
        (y_step * _or(cards, "PC2_1", sin(turned)), y_step * _or(cards, "PC2_2", cos(turned))),
    )


def sky_position(cards: Cards, y: float, x: float) -> tuple[float, float] | None:
    """Return right ascension and declination of a pixel [deg], None for other projections.

    Parameters
    ----------
    cards : Cards
        The header.
    y, x : float
        Pixel, 0 being the centre of the first.

    Raises
    ------
    ReadError
        If a card cannot be understood, or all of them make no sense.
    """
    kind = (cards.text("CTYPE1"), cards.text("CTYPE2"))
    has_sip = kind == _SIP
    if not (has_sip or kind in _PROJECTIONS) or not _is_plain(cards):
        return None
    try:
        return _position(cards, y, x, has_sip=has_sip)
    except (ArithmeticError, ValueError) as error:  # powers and sines of absurd numbers
        raise ReadError("The coordinates of the header make no sense.") from error


def _position(cards: Cards, y: float, x: float, *, has_sip: bool) -> tuple[float, float]:
    """Follow a pixel through distortion, matrix and projection."""
    dx, dy = x + 1 - cards.number("CRPIX1"), y + 1 - cards.number("CRPIX2")
    if has_sip:
        dx, dy = dx + _sip(cards, "A", dx, dy), dy + _sip(cards, "B", dx, dy)
    matrix = linear_matrix(cards)
    xi = matrix[0][0] * dx + matrix[0][1] * dy
    eta = matrix[1][0] * dx + matrix[1][1] * dy
    if not has_sip:
        xi, eta = _tpv(cards, 1, xi, eta), _tpv(cards, 2, eta, xi)
    return _deprojected(radians(xi), radians(eta), cards.number("CRVAL1"), cards.number("CRVAL2"))


def _is_plain(cards: Cards) -> bool:
    """Tell whether units and pole are the usual ones."""
    units = {cards.text("CUNIT1") or "deg", cards.text("CUNIT2") or "deg"}
    return units == {"deg"} and _or(cards, "LONPOLE", _LONPOLE) == _LONPOLE


def _sip(cards: Cards, axis: str, u: float, v: float) -> float:
    order = int(_or(cards, f"{axis}_ORDER", 0.0))
    return sum(
        _or(cards, f"{axis}_{p}_{q}", 0.0) * u**p * v**q
        for p in range(order + 1)
        for q in range(order + 1 - p)
    )


def _tpv(cards: Cards, axis: int, own: float, other: float) -> float:
    """Apply the polynomial of an axis; its terms come order by order, odd ones with a radial."""
    radius = hypot(own, other)
    total = _or(cards, f"PV{axis}_0", 0.0)
    number = 1
    for order in range(1, _HIGHEST_ORDER + 1):
        terms = [own ** (order - k) * other**k for k in range(order + 1)]
        if order % 2:
            terms.append(radius**order)
        for term in terms:
            total += _or(cards, f"PV{axis}_{number}", 1.0 if number == 1 else 0.0) * term
            number += 1
    return total


def _deprojected(xi: float, eta: float, ra_0: float, dec_0: float) -> tuple[float, float]:
    """Return the direction of a point of the tangent plane [deg]."""
    sine, cosine = sin(radians(dec_0)), cos(radians(dec_0))
    along = cosine - eta * sine
    ra = ra_0 + degrees(atan2(xi, along))
    return ra % _FULL_CIRCLE, degrees(atan2(sine + eta * cosine, hypot(xi, along)))


def _or(cards: Cards, keyword: str, default: float) -> float:
    value = cards.number(keyword)  # NaN if it is missing, the most frequent case, or no number
    return default if isnan(value) and cards.get(keyword) is None else value
