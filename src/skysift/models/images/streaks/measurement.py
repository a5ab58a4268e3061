"""Length, angle and flux of a trail by maximum likelihood, with errors from the Fisher matrix.

The model is :func:`~skysift.models.images.streaks.trail.trail_model` on a flat background. The
search begins at the segment that stands out most and, once more, at a point; the better end is
kept. With Gaussian noise of known variance the least chi-square is the highest likelihood.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skysift.models.images.streaks.descent import descend
from skysift.models.images.streaks.point_spread import PointSpread
from skysift.models.images.streaks.segments import Place, Segment, find_segment
from skysift.models.images.streaks.stamp import Stamp, prepare_stamp
from skysift.models.images.streaks.trail import Trail, trail_model

__all__ = ["TrailFit", "fit_trail"]

_WINDOW = 3.0  # full widths at half maximum around the segment that the fit looks at
_ROUNDS = 3
_WIDEST = math.log(6.0)
_NARROWEST = math.log(0.15)
_POINT_LENGTH = 0.3  # of the width: where the derivative by length is not yet zero
_UNTOLD = 1e-12  # of the largest information
_FEWEST_PIXELS = 28  # four for each parameter


@dataclass(frozen=True, slots=True)
class TrailFit:
    """A trail, how sure each number is, and how well a point would have done.

    Parameters
    ----------
    trail : Trail
        The best one, in the coordinates of the stamp.
    x_error, y_error, flux_error, length_error, angle_error : float
        One standard deviation, same units; from the Fisher matrix, times the root of chi-square
        per degree of freedom where that is above 1. The angle of a trail that cannot be told from
        a point has no meaning, nor has its error.
    background : float
        Level under the trail.
    width : float
        Factor on the width of the point-spread function; 1 where it was held.
    width_error : float
        Of the above; 0 where it was held.
    chi2 : float
        Of the trail, over the pixels of the window.
    point_chi2 : float
        Of the best point source of the same width, over the same pixels.
    dof : int
        Pixels less parameters.
    noise : float
        Standard deviation of the sky.
    segment : Segment
        Where the fit began.
    ends_inside : int
        How many of the two ends lie in the stamp: a trail with fewer is longer than measured.
    """

    trail: Trail
    x_error: float
    y_error: float
    flux_error: float
    length_error: float
    angle_error: float
    background: float
    width: float
    width_error: float
    chi2: float
    point_chi2: float
    dof: int
    noise: float
    segment: Segment
    ends_inside: int

    @property
    def reduced_chi2(self) -> float:
        """Chi-square per degree of freedom."""
        return self.chi2 / max(self.dof, 1)

    @property
    def snr(self) -> float:
        """Flux over its error."""
        return self.trail.flux / self.flux_error if self.flux_error > 0.0 else 0.0

    @property
    def trail_significance(self) -> float:
        """Root of the drop of chi-square from a point to a trail, per unit of reduced chi-square.

        About the number of standard deviations by which the source is not a point.
        """
        drop = max(self.point_chi2 - self.chi2, 0.0)
        return math.sqrt(drop / max(self.reduced_chi2, 1.0))


def fit_trail(
    pixels: ArrayLike,
    point_spread: PointSpread,
    *,
    variance: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    gain: float | None = None,
    near: Place | None = None,
    free_width: bool = False,
) -> TrailFit:
    """Fit a trail to the source of a stamp that stands out most.

    Parameters
    ----------
    pixels : array, shape (ny, nx)
        The image; NaN where there is none.
    point_spread : PointSpread
        The image of a point.
    variance, mask, gain
        As :func:`~skysift.models.images.streaks.stamp.prepare_stamp`.
    near : Place, optional
        Where the detection is; without it, the whole stamp is searched.
    free_width : bool
        Also fit a factor on the width of the point-spread function: below 1 for cosmic rays,
        above for galaxies and for satellites out of focus.

    Raises
    ------
    InputError
        If the stamp has too few good pixels.

    Examples
    --------
    >>> from skysift.models.images.streaks.trail import trail_image
    >>> seeing = PointSpread.gaussian(2.0)
    >>> image = trail_image(Trail(15.0, 14.0, 900.0, 9.0, 30.0), (31, 31), seeing)
    >>> image += np.random.default_rng(1).normal(0.0, 1.0, image.shape)
    >>> fit = fit_trail(image, seeing)
    >>> abs(fit.trail.length - 9.0) < 3 * fit.length_error
    True
    """
    stamp = prepare_stamp(pixels, variance=variance, mask=mask, gain=gain)
    segment = find_segment(stamp, point_spread.fwhm, near=near)
    problem = _Problem(stamp, point_spread, free_width)
    guess = segment.trail
    for _ in range(_ROUNDS):
        points = problem.window(guess)
        best = problem.best(points, guess)
        trail = _trail(best[0])
        if _covers(guess, trail, point_spread.fwhm):
            break
        guess = trail
    return problem.summary(points, best, segment)


_Found = tuple[NDArray[np.float64], float]
"""Parameters x, y, flux, hx, hy, logarithm of the width, background; and their chi-square."""


@dataclass(frozen=True, slots=True)
class _Problem:
    stamp: Stamp
    point_spread: PointSpread
    free_width: bool

    def window(self, guess: Trail) -> NDArray[np.int64]:
        """Return x and y of the good pixels near a segment, shape (2, n)."""
        y, x = np.nonzero(self.stamp.weights)
        radians = math.radians(guess.angle)
        dx, dy = x - guess.x, y - guess.y
        u = dx * math.cos(radians) + dy * math.sin(radians)
        beyond = np.clip(np.abs(u) - 0.5 * guess.length, 0.0, None)
        v = -dx * math.sin(radians) + dy * math.cos(radians)
        near = np.hypot(beyond, v) <= max(_WINDOW * self.point_spread.fwhm, 5.0)
        if near.sum() < _FEWEST_PIXELS:
            near[:] = True
        return np.stack([x[near], y[near]])

    def residuals(
        self, parameters: NDArray[np.float64], points: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return residuals in standard deviations and their derivatives, (n,) and (n, 7)."""
        root = np.sqrt(self.stamp.weights[points[1], points[0]])
        model, jacobian = trail_model(parameters[:6], points.astype(np.float64), self.point_spread)
        data = self.stamp.pixels[points[1], points[0]]
        full = np.column_stack([jacobian, np.ones(len(data))])
        return root * (model + parameters[6] - data), root[:, None] * full

    def best(self, points: NDArray[np.int64], guess: Trail) -> _Found:
        """Return the better of two descents: from the segment, and from a point on it."""
        short = _POINT_LENGTH * self.point_spread.fwhm
        starts = [guess]
        if guess.length > 2.0 * short:
            x, y = self._brightest(points)
            starts.append(Trail(x, y, guess.flux, short, guess.angle))
        ends = [self._descend(points, start, trailed=True) for start in starts]
        return min(ends, key=lambda end: end[1])

    def _brightest(self, points: NDArray[np.int64]) -> tuple[float, float]:
        values = self.stamp.pixels[points[1], points[0]]
        peak = int(np.argmax(values))
        return float(points[0, peak]), float(points[1, peak])

    def _descend(self, points: NDArray[np.int64], start: Trail, *, trailed: bool) -> _Found:
        parameters = np.array([start.x, start.y, start.flux, *start.half, 0.0, 0.0])
        free = [0, 1, 2, *([3, 4] if trailed else []), *([5] if self.free_width else []), 6]
        if not trailed:
            parameters[3:5] = 0.0
        ny, nx = self.stamp.pixels.shape
        diagonal = math.hypot(nx, ny)
        low = np.array([-nx, -ny, -np.inf, -diagonal, -diagonal, _NARROWEST, -np.inf])
        high = np.array([2 * nx, 2 * ny, np.inf, diagonal, diagonal, _WIDEST, np.inf])
        parameters = np.asarray(np.clip(parameters, low, high))

        def full(some: NDArray[np.float64]) -> NDArray[np.float64]:
            whole = np.array(parameters)
            whole[free] = some
            return whole

        def evaluate(
            some: NDArray[np.float64],
        ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
            residuals, jacobian = self.residuals(full(some), points)
            return residuals, jacobian[:, free]

        found, chi2 = descend(evaluate, parameters[free], low[free], high[free])
        return full(found), chi2

    def summary(self, points: NDArray[np.int64], found: _Found, segment: Segment) -> TrailFit:
        """Return the fit with its errors."""
        best, chi2 = found
        trail = _trail(best)
        brightest = Trail(*self._brightest(points), trail.flux, 0.0, 0.0)
        point_chi2 = min(
            self._descend(points, start, trailed=False)[1] for start in (trail, brightest)
        )
        dof = points.shape[1] - (7 if self.free_width else 6)
        inflation = max(1.0, chi2 / max(dof, 1))
        covariance = inflation * self._covariance(best, points)
        reach = max(0.5 * trail.length, 1e-9)
        along = best[3:5] / max(float(np.hypot(*best[3:5])), 1e-300)
        across = np.array([-along[1], along[0]])
        of_half = covariance[3:5, 3:5]
        ny, nx = self.stamp.pixels.shape
        inside = sum(
            abs(x - 0.5 * (nx - 1)) <= 0.5 * nx and abs(y - 0.5 * (ny - 1)) <= 0.5 * ny
            for x, y in trail.ends
        )
        return TrailFit(
            trail=trail,
            x_error=math.sqrt(covariance[0, 0]),
            y_error=math.sqrt(covariance[1, 1]),
            flux_error=math.sqrt(covariance[2, 2]),
            length_error=2.0 * math.sqrt(max(float(along @ of_half @ along), 0.0)),
            angle_error=math.degrees(math.sqrt(max(float(across @ of_half @ across), 0.0)) / reach),
            background=self.stamp.background + float(best[6]),
            width=math.exp(float(best[5])),
            width_error=math.exp(float(best[5])) * math.sqrt(covariance[5, 5]),
            chi2=chi2,
            point_chi2=max(point_chi2, chi2),
            dof=dof,
            noise=self.stamp.noise,
            segment=segment,
            ends_inside=inside,
        )

    def _covariance(
        self, best: NDArray[np.float64], points: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return the inverse of the Fisher matrix; zero for what was held."""
        free = [0, 1, 2, 3, 4, *([5] if self.free_width else []), 6]
        jacobian = self.residuals(best, points)[1][:, free]
        # Flux and length differ by orders of magnitude: scale before inverting.
        scale = np.sqrt((jacobian**2).sum(axis=0))
        scale[scale == 0.0] = 1.0
        values, vectors = np.linalg.eigh((jacobian / scale).T @ (jacobian / scale))
        # What the pixels do not tell, such as the length of a line that leaves the stamp, has an
        # error that is huge but finite.
        inverse = (vectors / np.maximum(values, _UNTOLD)) @ vectors.T
        covariance = np.zeros((7, 7))
        covariance[np.ix_(free, free)] = inverse / np.outer(scale, scale)
        return covariance


def _trail(parameters: NDArray[np.float64]) -> Trail:
    x, y, flux, dx, dy = (float(value) for value in parameters[:5])
    return Trail.between((x - dx, y - dy), (x + dx, y + dy), flux)


def _covers(window: Trail, trail: Trail, fwhm: float) -> bool:
    """Tell whether a window around one segment is also one around another."""
    radians = math.radians(window.angle)
    for x, y in trail.ends:
        u = (x - window.x) * math.cos(radians) + (y - window.y) * math.sin(radians)
        v = -(x - window.x) * math.sin(radians) + (y - window.y) * math.cos(radians)
        beyond = max(abs(u) - 0.5 * window.length, 0.0)
        if math.hypot(beyond, v) > fwhm:
            return False
    return True
