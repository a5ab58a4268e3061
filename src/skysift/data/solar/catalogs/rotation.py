"""Differential rotation: where on the disk a region is some hours before or after."""

from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["RotationLaw", "rotate_longitude", "synodic_rate"]

EARTH_RATE = 0.9856
"""Mean motion of the Earth about the Sun [deg / day], by which longitudes fall behind."""

_HALF, _WHOLE = 180.0, 360.0
_MICRORADIAN_PER_SECOND = 86_400e-6 * 180.0 / np.pi  # in deg / day


class RotationLaw(StrEnum):
    r"""Sidereal rate as :math:`A + B \\sin^2 b + C \\sin^4 b` of the latitude *b*.

    ``howard``: small magnetic features, Howard et al. [1]_, the default of sunpy.
    ``snodgrass-ulrich``: the photospheric plasma, Snodgrass & Ulrich [2]_.

    References
    ----------
    .. [1] R. F. Howard, J. W. Harvey, S. Forgach, Solar Physics 130 (1990) 295.
    .. [2] H. B. Snodgrass, R. K. Ulrich, Astrophysical Journal 351 (1990) 309.
    """

    HOWARD = "howard"
    SNODGRASS_ULRICH = "snodgrass-ulrich"

    @property
    def coefficients(self) -> tuple[float, float, float]:
        """A, B and C [deg / day]."""
        if self is RotationLaw.SNODGRASS_ULRICH:
            return (14.713, -2.396, -1.787)
        a, b, c = (number * _MICRORADIAN_PER_SECOND for number in (2.894, -0.428, -0.370))
        return (a, b, c)


def synodic_rate(lat: ArrayLike, law: RotationLaw = RotationLaw.HOWARD) -> NDArray[np.float64]:
    """Return how fast Stonyhurst longitude grows at a latitude, as seen from the Earth.

    Parameters
    ----------
    lat : array_like, shape (n,)
        Heliographic latitude [deg].
    law : RotationLaw
        The coefficients.

    Returns
    -------
    array, shape (n,)
        Rate [deg / day].

    Examples
    --------
    >>> synodic_rate([0.0, 30.0]).round(3).tolist()
    [13.341, 12.697]
    """
    squared = np.sin(np.deg2rad(np.asarray(lat, dtype=np.float64))) ** 2
    a, b, c = law.coefficients
    return np.asarray(a + b * squared + c * squared**2 - EARTH_RATE)


def rotate_longitude(
    lon: ArrayLike,
    lat: ArrayLike,
    elapsed: ArrayLike,
    law: RotationLaw = RotationLaw.HOWARD,
) -> NDArray[np.float64]:
    """Return Stonyhurst longitudes after some time of differential rotation.

    Parameters
    ----------
    lon, lat : array_like, shape (n,)
        Stonyhurst longitude, west positive, and latitude [deg].
    elapsed : array_like of timedelta64, shape (n,)
        Time that has passed; negative for the past.
    law : RotationLaw
        The coefficients.

    Returns
    -------
    array, shape (n,)
        Longitudes from -180 up to 180 deg; beyond 90 the region is behind the limb.

    Examples
    --------
    >>> rotate_longitude([0.0], [0.0], np.array([12], "timedelta64[h]")).round(2).tolist()
    [6.67]
    """
    days = np.asarray(elapsed, dtype="timedelta64[s]").astype(np.float64) / 86_400.0
    turned = np.asarray(lon, dtype=np.float64) + synodic_rate(lat, law) * days
    return np.asarray((turned + _HALF) % _WHOLE - _HALF)
