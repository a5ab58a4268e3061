"""From pixels to the sky: the length and the position angle of a trail."""

import math

import astropy.units as u
import numpy as np
from astropy.coordinates import Angle
from numpy.typing import ArrayLike

from skysift.core.errors import InputError
from skysift.models.images.streaks.trail import Trail

__all__ = ["trail_on_sky"]


def trail_on_sky(trail: Trail, pixel_matrix: ArrayLike) -> tuple[Angle, Angle]:
    """Return length and position angle of a trail on the sky.

    Parameters
    ----------
    trail : Trail
        In pixels.
    pixel_matrix : array, shape (2, 2)
        Change of the tangent-plane coordinates, east and north, per pixel in x and y [deg]:
        astropy's ``WCS.pixel_scale_matrix``.

    Returns
    -------
    length : Angle
    position_angle : Angle
        From north through east, 0 to 180 degrees.

    Raises
    ------
    InputError
        If the matrix is singular.

    Examples
    --------
    >>> arcsecond = 1.0 / 3600.0
    >>> length, angle = trail_on_sky(
    ...     Trail(0.0, 0.0, 1.0, 10.0, 45.0), [[-0.2 * arcsecond, 0.0], [0.0, 0.2 * arcsecond]]
    ... )
    >>> round(float(length.arcsec), 6), round(float(angle.deg), 6)
    (2.0, 135.0)
    """
    matrix = np.asarray(pixel_matrix, dtype=np.float64)
    if matrix.shape != (2, 2) or not np.isfinite(matrix).all() or np.linalg.det(matrix) == 0.0:
        raise InputError("This is no pixel matrix.", "Give WCS.pixel_scale_matrix.")
    radians = math.radians(trail.angle)
    east, north = matrix @ np.array([math.cos(radians), math.sin(radians)])
    length = Angle(trail.length * math.hypot(east, north) * u.deg)
    return length, Angle(math.degrees(math.atan2(east, north)) % 180.0 * u.deg)
