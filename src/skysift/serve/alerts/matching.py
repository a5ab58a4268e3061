"""Whether two rows are of the same source, by their places on the sky."""

import math

from skysift.evaluate.ellipse import ellipse_scale
from skysift.serve.alerts.rows import Row

__all__ = ["same_place", "separation"]

_WIDENING = ellipse_scale(0.95) / ellipse_scale(0.68)


def separation(a: Row, b: Row) -> tuple[float, float]:
    """Return the distance of two rows [deg], and the position angle of the second [rad].

    Examples
    --------
    >>> a = Row(record="", input="", bundle="", ra=10.0, dec=60.0)
    >>> b = Row(record="", input="", bundle="", ra=12.0, dec=60.0)
    >>> round(separation(a, b)[0], 4)
    1.0
    """
    if None in (a.ra, a.dec, b.ra, b.dec):
        return math.inf, 0.0
    ra_a, dec_a, ra_b, dec_b = (math.radians(float(x or 0)) for x in (a.ra, a.dec, b.ra, b.dec))
    turn = ra_b - ra_a
    east = math.cos(dec_b) * math.sin(turn)
    north = math.cos(dec_a) * math.sin(dec_b)
    north -= math.sin(dec_a) * math.cos(dec_b) * math.cos(turn)
    along = math.sin(dec_a) * math.sin(dec_b) + math.cos(dec_a) * math.cos(dec_b) * math.cos(turn)
    return math.degrees(math.atan2(math.hypot(east, north), along)), math.atan2(east, north)


def same_place(a: Row, b: Row, *, radius: float) -> bool:
    """Tell whether the 95 % error ellipses of two rows meet.

    Of two measurements of one source with equal errors, one pair in 400 does not pass.

    Parameters
    ----------
    a, b : Row
    radius : float
        Instead of an ellipse where there is none [deg].
    """
    distance, direction = separation(a, b)
    return distance <= sum(_extent(row, direction, radius) for row in (a, b))


def _extent(row: Row, direction: float, radius: float) -> float:
    """Return how far the 95 % ellipse of a row reaches in a direction [deg]."""
    if row.major is None or row.minor is None or row.minor <= 0:
        return radius
    turn = direction - math.radians(row.angle or 0.0)
    along, across = math.cos(turn) / row.major, math.sin(turn) / row.minor
    return _WIDENING / math.hypot(along, across)
