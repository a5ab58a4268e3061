r"""The image of a source that moves on a straight line while the shutter is open.

Vereš et al. 2012, PASP 124, 1197, eq. 3: a point-spread function that is a Gaussian, spread evenly
over a segment of length L, with u along it and v across,

    I(u, v) = F / (2 L) * exp(-v^2 / 2 s^2) / (sqrt(2 pi) s)
              * [erf((u + L/2) / (sqrt(2) s)) - erf((u - L/2) / (sqrt(2) s))].

Sums of Gaussians and elliptical shapes follow: the first term by term, the second in coordinates
in which the shape is round, where a segment is still a segment.
"""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from skysift.models.images.streaks.point_spread import PointSpread

__all__ = ["Trail", "trail_image", "trail_model"]

_SHORTEST = 1e-3  # of sigma: half-lengths below cannot be told from a point, and divide by zero
_ROOT_TWO_PI = math.sqrt(2.0 * math.pi)
_HALF_TURN = 180.0


@dataclass(frozen=True, slots=True)
class Trail:
    """An evenly bright segment.

    Parameters
    ----------
    x, y : float
        Its middle [pixel].
    flux : float
        Total flux, in the unit of the image.
    length : float
        From end to end [pixel].
    angle : float
        From +x towards +y [deg], 0 to 180.
    """

    x: float
    y: float
    flux: float
    length: float
    angle: float

    @classmethod
    def between(cls, start: tuple[float, float], end: tuple[float, float], flux: float) -> Self:
        """Make the segment between two points x, y."""
        dx, dy = end[0] - start[0], end[1] - start[1]
        return cls(
            x=0.5 * (start[0] + end[0]),
            y=0.5 * (start[1] + end[1]),
            flux=flux,
            length=math.hypot(dx, dy),
            angle=math.degrees(math.atan2(dy, dx)) % _HALF_TURN,
        )

    @property
    def half(self) -> tuple[float, float]:
        """Vector x, y from the middle to one end."""
        radians = math.radians(self.angle)
        return 0.5 * self.length * math.cos(radians), 0.5 * self.length * math.sin(radians)

    @property
    def ends(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Both ends, x and y each."""
        dx, dy = self.half
        return (self.x - dx, self.y - dy), (self.x + dx, self.y + dy)


def trail_image(
    trail: Trail, shape: tuple[int, int], point_spread: PointSpread
) -> NDArray[np.float64]:
    """Return the image of a trail, shape (ny, nx), sampled at the centres of the pixels.

    Examples
    --------
    >>> seeing = PointSpread.gaussian(fwhm=2.0)
    >>> image = trail_image(Trail(20.0, 20.0, 100.0, 12.0, 30.0), (41, 41), seeing)
    >>> round(float(image.sum()), 3)
    100.0
    """
    y, x = np.indices(shape)
    parameters = np.array([trail.x, trail.y, trail.flux, *trail.half, 0.0])
    points = np.stack([x.ravel(), y.ravel()]).astype(np.float64)
    return trail_model(parameters, points, point_spread)[0].reshape(shape)


def trail_model(
    parameters: NDArray[np.float64], points: NDArray[np.float64], point_spread: PointSpread
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the model at points and its derivatives.

    Parameters
    ----------
    parameters : array, shape (6,)
        x, y, flux, the half vector hx, hy from the middle to one end, and the logarithm of a
        factor on the widths of the point-spread function.
    points : array, shape (2, n)
        x and y [pixel].
    point_spread : PointSpread
        The image of a point.

    Returns
    -------
    model : array, shape (n,)
    jacobian : array, shape (n, 6)
        By each parameter.
    """
    white = point_spread.whitening()
    flux = float(parameters[2])
    half = white @ parameters[3:5]
    sigmas = np.array(point_spread.sigmas)[:, None] * math.exp(float(parameters[5]))
    weights = np.array(point_spread.weights)[:, None]
    reach = max(float(np.hypot(*half)), _SHORTEST * float(sigmas.min()))
    along = half / np.hypot(*half) if np.any(half) else np.array([1.0, 0.0])
    across = np.array([-along[1], along[0]])
    offset = white @ (points - parameters[:2, None])
    u, v = along @ offset, across @ offset

    high, low = (u + reach) / sigmas, (u - reach) / sigmas
    profile = weights * np.exp(-0.5 * (v / sigmas) ** 2) / (_ROOT_TWO_PI * sigmas) / (2.0 * reach)
    # ndtr loses nothing where both arguments are large and negative: mirror those that are not.
    side = np.where(low > 0.0, -1.0, 1.0)
    share = side * (ndtr(side * high) - ndtr(side * low))
    bell_high, bell_low = np.exp(-0.5 * high**2), np.exp(-0.5 * low**2)
    unit = (profile * share).sum(axis=0)
    by_u = (profile * (bell_high - bell_low) / (_ROOT_TWO_PI * sigmas)).sum(axis=0)
    by_v = -(profile * share / sigmas**2).sum(axis=0) * v
    by_reach = -unit / reach + (profile * (bell_high + bell_low) / (_ROOT_TWO_PI * sigmas)).sum(
        axis=0
    )
    by_turn = v * by_u - u * by_v
    by_width = (
        profile
        * (((v / sigmas) ** 2 - 1.0) * share - (high * bell_high - low * bell_low) / _ROOT_TWO_PI)
    ).sum(axis=0)

    by_place = white @ -(np.outer(along, by_u) + np.outer(across, by_v))
    by_half = white @ (np.outer(along, by_reach) + np.outer(across, by_turn / reach))
    jacobian = np.stack(
        [
            flux * by_place[0],
            flux * by_place[1],
            unit,
            flux * by_half[0],
            flux * by_half[1],
            flux * by_width,
        ],
        axis=1,
    )
    return flux * unit, jacobian
