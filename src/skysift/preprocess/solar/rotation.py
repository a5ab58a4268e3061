"""Where places on the Sun are carried by its rotation, faster at the equator than at the poles."""

from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skysift.data.solar.ephemeris import CARRINGTON_RATE, earth_view

__all__ = ["RotationLaw", "rotated_longitude", "rotation_rate"]

_DEG_PER_DAY = np.degrees(1e-6) * 86_400  # of a microradian per second
_MS_PER_DAY = 86_400_000.0
_FULL_CIRCLE, _HALF_CIRCLE = 360.0, 180.0


class RotationLaw(StrEnum):
    """Measurements of the differential rotation."""

    HOWARD = "howard"
    """Magnetic features: Howard, Harvey & Forgach 1990, Sol. Phys. 130, 295, table 1."""
    SNODGRASS = "snodgrass"
    """Magnetic fields: Snodgrass 1983, ApJ 270, 288."""


_LAWS = {
    RotationLaw.HOWARD: (2.894, -0.428, -0.370),
    RotationLaw.SNODGRASS: (2.851, -0.343, -0.474),
}  # microradian per second: A + B sin^2 + C sin^4 of the latitude


def rotation_rate(lat: ArrayLike, *, law: RotationLaw = RotationLaw.HOWARD) -> NDArray[np.float64]:
    """Return the sidereal rotation at latitudes [deg/d].

    Parameters
    ----------
    lat : array-like
        Heliographic latitude [deg].
    law : RotationLaw
        Whose measurement.

    Examples
    --------
    >>> print(f"{rotation_rate(0.0):.2f} {rotation_rate(30.0):.2f}")
    14.33 13.68
    """
    a, b, c = _LAWS[RotationLaw(law)]
    sine2 = np.sin(np.radians(np.asarray(lat, np.float64))) ** 2
    return np.asarray((a + b * sine2 + c * sine2**2) * _DEG_PER_DAY)


def rotated_longitude(
    lon: ArrayLike,
    lat: ArrayLike,
    *,
    since: ArrayLike,
    until: ArrayLike,
    law: RotationLaw = RotationLaw.HOWARD,
) -> NDArray[np.float64]:
    """Return Stonyhurst longitudes after some time, the motion of the Earth allowed for.

    Parameters
    ----------
    lon, lat : array-like, shape (n,)
        Stonyhurst longitude and latitude at `since` [deg].
    since, until : datetime64 or array of it, shape (n,)
        UTC; `until` may be the earlier one.
    law : RotationLaw
        Whose measurement.

    Returns
    -------
    array, shape (n,)
        Between -180 and 180 [deg].

    Examples
    --------
    >>> start = np.datetime64("2014-03-01T00:00")
    >>> there = rotated_longitude(10.0, 15.0, since=start, until=start + np.timedelta64(1, "D"))
    >>> print(f"{there:.1f}")
    23.2
    """
    start = np.asarray(since, dtype="datetime64[ms]")
    end = np.asarray(until, dtype="datetime64[ms]")
    days = (end - start).astype(np.float64) / _MS_PER_DAY
    # In the Carrington frame only the difference to its own rotation is left.
    carried = (rotation_rate(lat, law=law) - CARRINGTON_RATE) * days
    turned = earth_view(start).l0 - earth_view(end).l0
    moved = np.asarray(lon, np.float64) + carried + turned
    return np.asarray((moved + _HALF_CIRCLE) % _FULL_CIRCLE - _HALF_CIRCLE)
