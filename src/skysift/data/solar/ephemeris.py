"""Where the Earth stands as seen from the Sun, and how the solar axis lies on the sky.

The position of the Earth is that of `erfa.epv00` (some kilometres off the numerical ephemerides);
the solar axis and prime meridian are those of the IAU working group (Archinal et al. 2018, CeMDA
130, 22, table 1): pole at right ascension 286.13 deg, declination 63.87 deg, and
W = 84.176 deg + 14.1844 deg/d from J2000. What these mean on the disk is told by Thompson 2006
(A&A 449, 791, sections 2 and 3).
"""

from dataclasses import dataclass

import erfa  # type: ignore[import-untyped]
import numpy as np
from numpy.typing import NDArray

__all__ = [
    "ASTRONOMICAL_UNIT",
    "CARRINGTON_RATE",
    "SOLAR_RADIUS",
    "EarthView",
    "earth_view",
    "ecliptic_observer",
    "utc_of_tai",
]

ASTRONOMICAL_UNIT = 149_597_870_700.0
"""[m]"""

SOLAR_RADIUS = 695_700_000.0
"""Nominal radius of the photosphere, IAU 2015 resolution B3 [m]."""

CARRINGTON_RATE = 14.1844
"""Sidereal rotation of the Carrington frame [deg/d]."""

_POLE_RA, _POLE_DEC = 286.13, 63.87
_MERIDIAN_AT_J2000 = 84.176
_J2000 = 2_451_545.0
_UNIX_EPOCH = 2_440_587.5
_MS_PER_DAY = 86_400_000.0
_SECONDS_PER_DAY = 86_400.0
_LIGHT_DAYS_PER_AU = 499.004_783_836 / _SECONDS_PER_DAY
_TT_MINUS_TAI = 32.184
_FULL_CIRCLE = 360.0
# TAI - UTC [s] from the first of each month on, of the Bulletins C of the IERS; 10 s before.
_LEAP_MONTHS = np.array(
    [
        *("1972-01", "1972-07", "1973-01", "1974-01", "1975-01", "1976-01", "1977-01", "1978-01"),
        *("1979-01", "1980-01", "1981-07", "1982-07", "1983-07", "1985-07", "1988-01", "1990-01"),
        *("1991-01", "1992-07", "1993-07", "1994-07", "1996-01", "1997-07", "1999-01", "2006-01"),
        *("2009-01", "2012-07", "2015-07", "2017-01"),
    ],
    dtype="datetime64[ms]",
)
_FIRST_LEAP = 10


@dataclass(frozen=True, slots=True)
class EarthView:
    """The Sun as an observer at the centre of the Earth sees it; arrays where times are.

    Parameters
    ----------
    b0 : float or array
        Heliographic latitude of the centre of the disk [deg].
    l0 : float or array
        Carrington longitude of the centre of the disk [deg], 0 to 360, light time allowed for.
    p : float or array
        Position angle of the solar north pole from the true north of the date, eastwards [deg].
    distance : float or array
        To the centre of the Sun [m].
    """

    b0: NDArray[np.float64]
    l0: NDArray[np.float64]
    p: NDArray[np.float64]
    distance: NDArray[np.float64]


def utc_of_tai(time: np.datetime64) -> np.datetime64:
    """Return UTC of an atomic time.

    Examples
    --------
    >>> str(utc_of_tai(np.datetime64("2012-03-06T20:24:00.000")))
    '2012-03-06T20:23:26.000'
    """
    steps = _FIRST_LEAP + np.arange(len(_LEAP_MONTHS))
    starts = _LEAP_MONTHS + steps.astype("timedelta64[s]")
    number = max(int(np.searchsorted(starts, time, side="right")) - 1, 0)
    return time - np.timedelta64(int(steps[number]), "s")


def earth_view(time: NDArray[np.datetime64] | np.datetime64) -> EarthView:
    """Return what an observer on the Earth sees at given times.

    Parameters
    ----------
    time : datetime64 or array of it
        UTC.

    Examples
    --------
    The example of Meeus, Astronomical Algorithms, chapter 29: B0 +5.99, L0 238.63, P +26.27 deg.

    >>> view = earth_view(np.datetime64("1992-10-13T00:00:00"))
    >>> print(f"{view.b0:.2f} {view.l0:.1f} {view.p:.2f}")
    5.99 238.6 26.27
    """
    days = _days_tt(np.asarray(time, dtype="datetime64[ms]"))
    earth = np.asarray(erfa.epv00(_J2000, days)[0]["p"], dtype=np.float64)
    distance = np.linalg.norm(earth, axis=-1)
    outwards = earth / distance[..., None]
    from_node, b0 = _solar_angles(outwards)
    # Light leaves the surface, not the centre.
    light = (distance - SOLAR_RADIUS / ASTRONOMICAL_UNIT) * _LIGHT_DAYS_PER_AU
    turned = _MERIDIAN_AT_J2000 + CARRINGTON_RATE * (days - light)
    return EarthView(
        b0=b0[()],
        l0=((from_node - turned) % _FULL_CIRCLE)[()],
        p=_position_angle(days, -outwards)[()],
        distance=(distance * ASTRONOMICAL_UNIT)[()],
    )


def ecliptic_observer(
    position: NDArray[np.float64], time: np.datetime64
) -> tuple[float, float, float]:
    """Return Stonyhurst longitude and latitude [deg] and distance [m] of a spacecraft.

    Parameters
    ----------
    position : array, shape (3,)
        Heliocentric Aries ecliptic, mean equinox of J2000, as AIA states it [m].
    time : datetime64
        UTC.
    """
    days = _days_tt(np.asarray(time, dtype="datetime64[ms]"))
    equatorial = np.asarray(erfa.ecm06(_J2000, 0.0)).T @ position
    distance = float(np.linalg.norm(equatorial))
    longitude, latitude = _solar_angles(equatorial / distance)
    earth = np.asarray(erfa.epv00(_J2000, days)[0]["p"], dtype=np.float64)
    of_earth, _ = _solar_angles(earth / np.linalg.norm(earth))
    stonyhurst = (longitude - of_earth + _FULL_CIRCLE / 2) % _FULL_CIRCLE - _FULL_CIRCLE / 2
    return float(stonyhurst), float(latitude), distance


def _solar_angles(
    direction: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return longitude from the node of the solar equator, and latitude, of directions [deg]."""
    pole = _direction(_POLE_RA, _POLE_DEC)
    node = _direction(_POLE_RA + 90.0, 0.0)
    longitude = np.arctan2(direction @ np.cross(pole, node), direction @ node)
    return np.degrees(longitude), np.degrees(np.arcsin(direction @ pole))


def _days_tt(utc: NDArray[np.datetime64]) -> NDArray[np.float64]:
    """Return days from J2000 in terrestrial time, which is that of the planets to 2 ms."""
    number = np.maximum(np.searchsorted(_LEAP_MONTHS, utc, side="right") - 1, 0)
    offset = (_TT_MINUS_TAI + _FIRST_LEAP + number) / _SECONDS_PER_DAY
    return utc.astype(np.int64) / _MS_PER_DAY + (_UNIX_EPOCH - _J2000) + offset


def _position_angle(
    days: NDArray[np.float64], sunwards: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the angle at the Sun from the celestial pole of the date to the solar one [deg]."""
    pole = _direction(_POLE_RA, _POLE_DEC)
    celestial = np.asarray(erfa.pnm06a(_J2000, days))[..., 2, :]
    east = np.cross(celestial, sunwards)
    north = np.cross(sunwards, east)
    return np.degrees(np.arctan2(east @ pole, north @ pole))


def _direction(ra: float, dec: float) -> NDArray[np.float64]:
    a, d = np.radians(ra), np.radians(dec)
    return np.array([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)])
