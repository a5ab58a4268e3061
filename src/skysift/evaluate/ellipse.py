"""Error ellipses on the sky: from a covariance on the tangent plane to axes, angle and radii."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from skysift.core.errors import InputError
from skysift.data.sky.tangent import TangentGrid
from skysift.evaluate.inputs import FloatArray, require_fraction

__all__ = ["ErrorEllipse", "containment_radius", "ellipse_scale", "sky_covariance"]

_DIRECTIONS = 128
_MOST_STEPS = 60
_PRECISION = 1e-13


@dataclass(frozen=True, slots=True)
class ErrorEllipse:
    """Two-dimensional Gaussian position errors.

    Parameters
    ----------
    major, minor : array, shape (n,) [deg]
        Standard deviations along the axes; NaN where there is no covariance.
    angle : array, shape (n,) [deg]
        Position angle of the major axis, from north through east, in [0, 180).

    Examples
    --------
    >>> east_west = ErrorEllipse.of_covariance(np.diag([4e-4, 1e-4]))
    >>> [round(float(value[0]), 3) for value in east_west.axes(0.6827)]
    [0.03, 0.015]
    >>> float(east_west.angle[0])
    90.0
    """

    major: FloatArray
    minor: FloatArray
    angle: FloatArray

    @classmethod
    def of_covariance(cls, covariance: ArrayLike) -> Self:
        """Return the ellipses of covariances of (east, north), shape (n, 2, 2) or (2, 2) [deg2].

        Where a covariance is not finite, or has no positive eigenvalue, all is NaN.
        """
        values = np.asarray(covariance, dtype=np.float64)
        if values.shape[-2:] != (2, 2):
            raise InputError(
                f"A covariance of shape {values.shape} is not of two coordinates.",
                "Give shape (n, 2, 2).",
            )
        east, cross, north = (values.reshape(-1, 4)[:, index] for index in (0, 1, 3))
        half_difference = np.hypot((east - north) / 2, cross)
        middle = (east + north) / 2
        large = middle + half_difference
        # The product of the eigenvalues loses fewer digits than their difference from the middle.
        small = (east * north - cross**2) / np.where(large > 0, large, np.nan)
        possible = np.isfinite(small) & (small >= 0)
        major = np.sqrt(np.where(possible, large, np.nan))
        minor = np.sqrt(np.where(possible, small, np.nan))
        angle = np.mod(np.degrees(np.arctan2(2 * cross, north - east)) / 2, 180.0)
        return cls(major, minor, np.where(possible, angle, np.nan))

    @classmethod
    def on_sky(
        cls, grid: TangentGrid, xi: ArrayLike, eta: ArrayLike, covariance: ArrayLike
    ) -> Self:
        """Return the ellipses, on the sky, of errors on a tangent plane; see `sky_covariance`."""
        return cls.of_covariance(sky_covariance(grid, xi, eta, covariance))

    def axes(self, confidence: float) -> tuple[FloatArray, FloatArray]:
        """Return the semi-axes [deg] of the ellipse that holds the position with a probability."""
        scale = ellipse_scale(confidence)
        return scale * self.major, scale * self.minor

    def radius(self, confidence: float) -> FloatArray:
        """Return the radius [deg] of the circle that does; see :func:`containment_radius`."""
        return containment_radius(self.major, self.minor, confidence)


def sky_covariance(
    grid: TangentGrid, xi: ArrayLike, eta: ArrayLike, covariance: ArrayLike
) -> FloatArray:
    """Return the covariance of the local east and north of covariances on the tangent plane.

    Away from the tangent point the plane's axes are not the local east and north (near a pole they
    differ by any angle), and the plane stretches the sky.

    Parameters
    ----------
    grid : TangentGrid
        The plane.
    xi, eta : array_like, shape (n,) [deg]
        Plane coordinates.
    covariance : array_like, shape (n, 2, 2) [deg2]
        Of (xi, eta).

    Returns
    -------
    array, shape (n, 2, 2) [deg2]
        Of the displacements to the east and north, along great circles.
    """
    x, y = (np.radians(np.atleast_1d(np.asarray(axis, dtype=np.float64))) for axis in (xi, eta))
    ra, dec = grid.from_plane(np.degrees(x), np.degrees(y))
    east_0, north_0 = _east_north(np.asarray([grid.ra]), np.asarray([grid.dec]))
    # d(direction) = (d_xi east_0 + d_eta north_0) / |v|, less a part along the direction itself,
    # where v = tangent point + xi east_0 + eta north_0; the local axes do not see that part.
    length = np.sqrt(1 + x**2 + y**2)
    jacobian = np.empty((len(x), 2, 2))
    for row, local in enumerate(_east_north(ra, dec)):
        for column, plane in enumerate((east_0, north_0)):
            jacobian[:, row, column] = (local * plane).sum(axis=1) / length
    given = np.asarray(covariance, dtype=np.float64).reshape(-1, 2, 2)
    return np.asarray(jacobian @ given @ np.swapaxes(jacobian, 1, 2))


def ellipse_scale(confidence: float) -> float:
    """Return the semi-axis, in standard deviations, of an ellipse that holds a probability.

    The root of the quantile of chi-squared with two degrees of freedom, ``sqrt(-2 ln(1 - p))``.

    Examples
    --------
    >>> round(ellipse_scale(0.68), 4), round(ellipse_scale(0.95), 4)
    (1.5096, 2.4477)
    """
    return float(np.sqrt(-2 * np.log1p(-require_fraction("confidence", confidence))))


def containment_radius(major: ArrayLike, minor: ArrayLike, confidence: float) -> FloatArray:
    """Return the radius of the circle that holds a probability of an elliptical Gaussian.

    Parameters
    ----------
    major, minor : array_like, shape (n,)
        Standard deviations along the axes, >= 0.
    confidence : float
        The probability.

    Returns
    -------
    array, shape (n,)
        In the unit of the axes, to twelve digits; NaN where an axis is.

    Notes
    -----
    In the plane where the Gaussian is round, the circle is a curve at a distance that depends on
    the direction; the probability within is the mean over directions t of
    ``1 - exp(-R^2 / 2 (major^2 cos^2 t + minor^2 sin^2 t))``, solved for R by Newton's method
    between the radii of the two round Gaussians.

    Examples
    --------
    >>> round(float(containment_radius(1.0, 1.0, 0.68)), 4)
    1.5096
    >>> round(float(containment_radius(1.0, 0.0, 0.6827)), 3)  # one dimension
    1.0
    """
    long, short = np.broadcast_arrays(
        np.asarray(major, dtype=np.float64), np.asarray(minor, dtype=np.float64)
    )
    scale = ellipse_scale(confidence)
    turn = np.pi * (np.arange(_DIRECTIONS) + 0.5) / _DIRECTIONS
    spread = (long[..., None] * np.cos(turn)) ** 2 + (short[..., None] * np.sin(turn)) ** 2
    spread = np.where(spread > 0, spread, np.finfo(np.float64).tiny)
    low, high = scale * short, scale * long
    radius = high
    for _ in range(_MOST_STEPS):
        exponent = radius[..., None] ** 2 / (2 * spread)
        outside = np.exp(-exponent)
        excess = np.mean(1 - outside, axis=-1) - confidence
        slope = np.mean(2 * exponent * outside, axis=-1)  # times the radius
        change = excess * radius / np.where(slope > 0, slope, 1.0)
        new = np.clip(radius - change, low, high)
        if np.all(np.abs(new - radius) <= _PRECISION * high, where=np.isfinite(high)):
            return np.asarray(new)
        radius = new
    return np.asarray(radius)


def _east_north(ra: FloatArray, dec: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the unit vectors to the east and north of directions [deg], shape (n, 3) each."""
    longitude, latitude = np.radians(ra), np.radians(dec)
    zero = np.zeros_like(longitude)
    east = np.stack([-np.sin(longitude), np.cos(longitude), zero], axis=1)
    north = np.stack(
        [
            -np.sin(latitude) * np.cos(longitude),
            -np.sin(latitude) * np.sin(longitude),
            np.cos(latitude),
        ],
        axis=1,
    )
    return east, north
