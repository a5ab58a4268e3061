"""Directions and distances on the sphere, in degrees."""

import numpy as np
from numpy.typing import ArrayLike

from skysift.evaluate.inputs import FloatArray

__all__ = ["annulus_points", "offset_by", "position_angle", "solid_angle"]

_GOLDEN_ANGLE = 180.0 * (3.0 - np.sqrt(5.0))


def position_angle(
    ra: ArrayLike, dec: ArrayLike, ra_to: ArrayLike, dec_to: ArrayLike
) -> FloatArray:
    """Return the angle [deg], from north through east in [0, 360), of the way to a direction.

    Arguments [deg] are broadcast against each other. At a pole, east and north are those of the
    meridian `ra`.

    Examples
    --------
    >>> float(position_angle(0.0, 0.0, 1.0, 0.0))
    90.0
    """
    d_ra = np.radians(np.asarray(ra_to, dtype=np.float64) - np.asarray(ra, dtype=np.float64))
    low, high = (np.radians(np.asarray(angle, dtype=np.float64)) for angle in (dec, dec_to))
    east = np.cos(high) * np.sin(d_ra)
    north = np.cos(low) * np.sin(high) - np.sin(low) * np.cos(high) * np.cos(d_ra)
    return np.asarray(np.mod(np.degrees(np.arctan2(east, north)), 360.0))


def offset_by(
    ra: ArrayLike, dec: ArrayLike, angle: ArrayLike, distance: ArrayLike
) -> tuple[FloatArray, FloatArray]:
    """Return the direction at a distance and position angle from another.

    Parameters
    ----------
    ra, dec : array_like [deg]
        Where the way begins.
    angle : array_like [deg]
        From north through east.
    distance : array_like [deg]
        Along the great circle.

    Returns
    -------
    ra, dec : array, shape of the broadcast [deg]
        RA in [0, 360).

    Examples
    --------
    >>> ra, dec = offset_by(359.5, 0.0, 90.0, 1.0)
    >>> round(float(ra), 9)
    0.5
    """
    latitude, turn, way = (
        np.radians(np.asarray(value, dtype=np.float64)) for value in (dec, angle, distance)
    )
    # The end in a frame whose axes are the start, its east and its north.
    ahead = np.cos(way)
    east, north = np.sin(way) * np.sin(turn), np.sin(way) * np.cos(turn)
    x = ahead * np.cos(latitude) - north * np.sin(latitude)
    z = ahead * np.sin(latitude) + north * np.cos(latitude)
    longitude = np.asarray(ra, dtype=np.float64) + np.degrees(np.arctan2(east, x))
    return np.asarray(np.mod(longitude, 360.0)), np.asarray(
        np.degrees(np.arctan2(z, np.hypot(x, east)))
    )


def solid_angle(radius: ArrayLike, inner: ArrayLike = 0.0) -> FloatArray:
    """Return the solid angle [deg2] between two radii [deg] about a direction."""
    outer_half, inner_half = (
        np.radians(np.asarray(r, dtype=np.float64)) / 2 for r in (radius, inner)
    )
    # 2 pi (cos a - cos b) without the cancellation of small angles.
    steradian = 4 * np.pi * (np.sin(outer_half) ** 2 - np.sin(inner_half) ** 2)
    return np.asarray(np.degrees(np.degrees(steradian)))


def annulus_points(
    ra: float, dec: float, inner: float, outer: float, n: int
) -> tuple[FloatArray, FloatArray]:
    """Return `n` directions that share an annulus out into equal areas.

    The points lie on Vogel's spiral (1979, Math. Biosci. 44, 179), so that the mean of a smooth
    function over them approaches its mean over the annulus as 1 / n.

    Parameters
    ----------
    ra, dec : float [deg]
        Centre.
    inner, outer : float [deg]
        Radii; an inner radius of 0 makes a circle.
    n : int
        Number of points.
    """
    low, high = (np.sin(np.radians(radius) / 2) ** 2 for radius in (inner, outer))
    share = (np.arange(n) + 0.5) / n
    distance = np.degrees(2 * np.arcsin(np.sqrt(low + (high - low) * share)))
    return offset_by(ra, dec, _GOLDEN_ANGLE * np.arange(n), distance)
