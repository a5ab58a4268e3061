"""Streaks made by their physics and added to stamps that have a sky of their own.

No labelled set of streaks on stamps is free, so they are simulated; what is simulated is said to
be so wherever numbers rest on it. The sky under them is real where the stamps are.

- **Asteroid**: an even trail of the length that its rate and the exposure give, seeing-convolved
  (Vereš et al. 2012, PASP 124, 1197).
- **Satellite**: in low orbit it crosses a degree in a second or so, hence any stamp from edge to
  edge. It is near enough to be out of focus, by the angle under which the mirror is seen from it,
  and to have a size itself (Tyson et al. 2020, AJ 160, 226, eq. 1; Bektešević et al. 2018,
  MNRAS 474, 4837). It may tumble, which modulates the trail.
- **Glints**: flashes of a tumbling satellite or debris, points at even steps along a line
  (Corbett et al. 2020, ApJL 903, L27; Nir et al. 2021, MNRAS 505, 2477).
- **Cosmic ray**: charge along the path of a particle through the sensor, which no optics and no
  seeing has blurred, only diffusion; a track of pixels, straight or, for electrons, scattered.
- **Hot pixels**: one pixel, or a piece of a column or row.
- **Dipole, ring, edge**: what a subtraction leaves where the images do not fit
  (:mod:`skysift.models.images.streaks.subtraction`).
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from skysift.core.errors import UsageError
from skysift.models.images.streaks.point_spread import PointSpread
from skysift.models.images.streaks.stamp import prepare_stamp
from skysift.models.images.streaks.subtraction import leftover_of_star, step_of_sky
from skysift.models.images.streaks.trail import Trail, trail_image

__all__ = ["Injection", "Optics", "StreakKind", "Survey", "draw_injection", "inject"]

_ARCSEC_PER_RADIAN = 180.0 * 3600.0 / math.pi
_SECONDS_PER_DAY = 86400.0


class StreakKind(StrEnum):
    """What is injected."""

    ASTEROID = "asteroid"
    SATELLITE = "satellite"
    GLINTS = "glints"
    COSMIC_RAY = "cosmic-ray"
    HOT_PIXELS = "hot-pixels"
    DIPOLE = "dipole"
    RING = "ring"
    EDGE = "edge"


@dataclass(frozen=True, slots=True)
class Optics:
    """What blurs a streak, apart from the seeing.

    Parameters
    ----------
    aperture : float
        Diameter of the mirror [m].
    pixel_scale : float
        Of the sensor [arcsec].
    """

    aperture: float
    pixel_scale: float

    def defocus(self, distance: float, size: float) -> float:
        """Return the width that distance and size add to a streak, as a sigma [pixel].

        Parameters
        ----------
        distance : float
            Of the satellite [m].
        size : float
            Of the satellite [m].

        Notes
        -----
        A uniform disk of diameter d has a standard deviation of d/4 along either axis.
        """
        angle = math.hypot(self.aperture, size) / distance * _ARCSEC_PER_RADIAN
        return 0.25 * angle / self.pixel_scale


@dataclass(frozen=True, slots=True)
class Survey:
    """What the streaks of a survey are like; ranges are drawn from evenly in the logarithm.

    Parameters
    ----------
    optics : Optics
        Mirror and pixels.
    exposure : float
        Exposure time [s].
    rates : tuple of float
        Slowest and fastest asteroid [deg per day].
    snr : tuple of float
        Faintest and brightest streak, by its total signal-to-noise ratio in the stamp as a
        matched filter sees it against the sky.
    altitudes : tuple of float
        Lowest and highest satellite [m].
    sizes : tuple of float
        Smallest and largest satellite [m].
    tumbling : float
        Share of the satellites whose brightness changes along the trail.
    centering : float
        Largest distance of a streak's middle, or of a crossing line, from the middle of the
        stamp, as a share of half its side: a stamp is cut around what was detected.
    """

    optics: Optics
    exposure: float
    rates: tuple[float, float] = (2.5, 18.0)
    snr: tuple[float, float] = (6.0, 200.0)
    altitudes: tuple[float, float] = (4.0e5, 2.0e6)
    sizes: tuple[float, float] = (0.5, 5.0)
    tumbling: float = 0.3
    centering: float = 0.2

    @classmethod
    def ztf(cls) -> "Survey":
        """Return the Zwicky Transient Facility: 1.2 m, 1.01 arcsec pixels, 30 s."""
        return cls(Optics(aperture=1.2, pixel_scale=1.012), exposure=30.0)

    @classmethod
    def rubin(cls) -> "Survey":
        """Return the LSST camera of Rubin: 8.4 m, 0.2 arcsec pixels, 30 s."""
        return cls(Optics(aperture=8.4, pixel_scale=0.2), exposure=30.0, rates=(0.8, 8.0))

    def trail_length(self, rate: float) -> float:
        """Return the length of a trail from its rate in degrees per day [pixel]."""
        return rate * 3600.0 / _SECONDS_PER_DAY * self.exposure / self.optics.pixel_scale


@dataclass(frozen=True, slots=True)
class Injection:
    """A streak, and the truth about it.

    Parameters
    ----------
    kind : StreakKind
        What it is.
    image : array of float64, shape (ny, nx)
        Its light alone.
    trail : Trail
        Where it runs. The ends of a satellite's lie outside the stamp; the trail of glints goes
        from the first flash to the last.
    snr : float
        Signal-to-noise ratio in the stamp.
    truth : mapping of str to float
        What was drawn: rate, distance, extra width, period and so on.
    """

    kind: StreakKind
    image: NDArray[np.float64]
    trail: Trail
    snr: float
    truth: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Scene:
    shape: tuple[int, int]
    point_spread: PointSpread
    survey: Survey
    rng: np.random.Generator

    def log_uniform(self, limits: tuple[float, float]) -> float:
        return math.exp(float(self.rng.uniform(math.log(limits[0]), math.log(limits[1]))))

    def angle(self) -> float:
        return float(self.rng.uniform(0.0, 180.0))

    def near_center(self) -> tuple[float, float]:
        ny, nx = self.shape
        reach = 0.5 * self.survey.centering
        x, y = self.rng.uniform(-reach, reach, 2) * (nx, ny)
        return 0.5 * (nx - 1) + float(x), 0.5 * (ny - 1) + float(y)

    @property
    def diagonal(self) -> float:
        return math.hypot(*self.shape)


def inject(
    stamp: ArrayLike,
    kind: StreakKind | str,
    point_spread: PointSpread,
    survey: Survey,
    *,
    rng: np.random.Generator,
    gain: float | None = None,
) -> tuple[NDArray[np.float64], Injection]:
    """Add a streak to a stamp.

    Parameters
    ----------
    stamp : array, shape (ny, nx)
        A stamp with its own noise; it is not changed, and NaN stays NaN.
    kind : StreakKind or str
        What to add.
    point_spread : PointSpread
        Of the stamp.
    survey : Survey
        What streaks are like there.
    rng : numpy.random.Generator
        Draws the streak.
    gain : float, optional
        Electrons per unit of the stamp: adds the Poisson noise of the streak's own light.

    Returns
    -------
    image : array of float64, shape (ny, nx)
        The stamp with the streak.
    injection : Injection
        The truth.
    """
    prepared = prepare_stamp(stamp)
    drawn = draw_injection(
        kind, prepared.pixels.shape, point_spread, survey, noise=prepared.noise, rng=rng
    )
    light = drawn.image
    if gain is not None:
        light = rng.poisson(np.clip(light, 0.0, None) * gain) / gain
    return np.asarray(stamp, dtype=np.float64) + light, drawn


def draw_injection(
    kind: StreakKind | str,
    shape: tuple[int, ...],
    point_spread: PointSpread,
    survey: Survey,
    *,
    noise: float,
    rng: np.random.Generator,
) -> Injection:
    """Draw a streak for a stamp of this shape; parameters as :func:`inject`.

    `noise` is the standard deviation of the sky, in which the brightness is measured.

    Examples
    --------
    >>> drawn = draw_injection(
    ...     "asteroid", (31, 31), PointSpread.gaussian(2.0), Survey.ztf(),
    ...     noise=1.0, rng=np.random.default_rng(5),
    ... )
    >>> drawn.trail.length == Survey.ztf().trail_length(drawn.truth["rate"])
    True
    """
    if not noise > 0.0 or len(shape) != 2:  # noqa: PLR2004 - a stamp has two axes
        raise UsageError("A stamp has two axes and a noise above zero.", "Measure its sky.")
    scene = _Scene((shape[0], shape[1]), point_spread, survey, rng)
    light, trail, truth = _DRAW[StreakKind(kind)](scene)
    wanted = scene.log_uniform(survey.snr)
    # A matched filter has flux^2 * sum(profile^2) / noise^2.
    factor = wanted * noise / math.sqrt(float(np.sum(light**2)))
    scaled = Trail(trail.x, trail.y, trail.flux * factor, trail.length, trail.angle)
    return Injection(StreakKind(kind), light * factor, scaled, wanted, truth)


_Drawn = tuple[NDArray[np.float64], Trail, dict[str, float]]


def _asteroid(scene: _Scene) -> _Drawn:
    rate = scene.log_uniform(scene.survey.rates)
    x, y = scene.near_center()
    trail = Trail(x, y, 1.0, scene.survey.trail_length(rate), scene.angle())
    return trail_image(trail, scene.shape, scene.point_spread), trail, {"rate": rate}


def _orbit(scene: _Scene) -> tuple[PointSpread, dict[str, float]]:
    """Draw distance and size of a satellite; return how it blurs."""
    # The line of sight is longer than the altitude by up to two, at 60 degrees from the zenith.
    distance = scene.log_uniform(scene.survey.altitudes) * float(scene.rng.uniform(1.0, 2.0))
    size = scene.log_uniform(scene.survey.sizes)
    blur = scene.survey.optics.defocus(distance, size)
    return scene.point_spread.broadened(blur), {"distance": distance, "size": size, "blur": blur}


def _satellite(scene: _Scene) -> _Drawn:
    blurred, truth = _orbit(scene)
    x, y = scene.near_center()
    trail = Trail(x, y, 1.0, 4.0 * scene.diagonal, scene.angle())
    light = trail_image(trail, scene.shape, blurred)
    if scene.rng.random() < scene.survey.tumbling:
        period = scene.log_uniform((0.5 * scene.diagonal, 4.0 * scene.diagonal))
        depth = float(scene.rng.uniform(0.2, 0.9))
        phase = float(scene.rng.uniform(0.0, 2.0 * math.pi))
        j, i = np.indices(scene.shape)
        radians = math.radians(trail.angle)
        u = (i - x) * math.cos(radians) + (j - y) * math.sin(radians)
        light *= 1.0 + depth * np.sin(2.0 * math.pi * u / period + phase)
        truth |= {"period": period, "depth": depth}
    return light, trail, truth


def _glints(scene: _Scene) -> _Drawn:
    blurred, truth = _orbit(scene)
    x, y = scene.near_center()
    # One flash in a stamp is a point and nothing else: at least two lie in it.
    longest = 0.4 * min(scene.shape)
    step = float(scene.rng.uniform(min(2.0 * scene.point_spread.fwhm, longest), longest))
    angle, phase = scene.angle(), float(scene.rng.uniform(-0.5, 0.5))
    dx, dy = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    light = np.zeros(scene.shape)
    places = []
    for k in range(-round(scene.diagonal / step), round(scene.diagonal / step) + 1):
        px, py = x + (k + phase) * step * dx, y + (k + phase) * step * dy
        if 0.0 <= px <= scene.shape[1] - 1 and 0.0 <= py <= scene.shape[0] - 1:
            flash = float(scene.rng.uniform(0.5, 1.0))
            light += trail_image(Trail(px, py, flash, 0.0, 0.0), scene.shape, blurred)
            places.append((px, py))
    trail = Trail.between(places[0], places[-1], float(light.sum()))
    return light, trail, {**truth, "step": step, "flashes": float(len(places))}


def _cosmic_ray(scene: _Scene) -> _Drawn:
    length = float(scene.rng.exponential(6.0)) + 1.0
    diffusion = float(scene.rng.uniform(0.15, 0.4))
    bend = float(scene.rng.exponential(0.08)) if scene.rng.random() < 0.3 else 0.0  # noqa: PLR2004 - share of electrons among the tracks
    x, y = scene.near_center()
    step = 0.25
    count = max(2, round(length / step))
    headings = math.radians(scene.angle()) + np.cumsum(scene.rng.normal(0.0, bend + 1e-12, count))
    px = np.cumsum(step * np.cos(headings))
    py = np.cumsum(step * np.sin(headings))
    px, py = px - px.mean() + x, py - py.mean() + y
    # Energy loss in thin silicon fluctuates much (Landau 1944); a gamma law stands for it.
    deposit = scene.rng.gamma(0.8, 1.0, count)
    light = _pixel_charge(px, py, deposit, diffusion, scene.shape)
    if not light.any():
        light[round(y), round(x)] = 1.0
    trail = Trail.between(
        (float(px[0]), float(py[0])), (float(px[-1]), float(py[-1])), float(light.sum())
    )
    return light, trail, {"length": length, "diffusion": diffusion, "bend": bend}


def _hot_pixels(scene: _Scene) -> _Drawn:
    x, y = (round(value) for value in scene.near_center())
    light = np.zeros(scene.shape)
    longest = min(scene.shape) // 2
    count = 1 if scene.rng.random() < 0.5 else int(scene.rng.integers(2, longest))  # noqa: PLR2004 - single or row
    vertical = bool(scene.rng.random() < 0.7)  # noqa: PLR2004 - columns are read out together
    for k in range(count):
        j, i = (y - count // 2 + k, x) if vertical else (y, x - count // 2 + k)
        if 0 <= j < scene.shape[0] and 0 <= i < scene.shape[1]:
            light[j, i] = float(scene.rng.uniform(0.8, 1.0))
    angle = 90.0 if vertical else 0.0
    trail = Trail(float(x), float(y), float(light.sum()), float(count), angle)
    return light, trail, {"pixels": float(count)}


def _leftover(scene: _Scene, *, displaced: bool) -> _Drawn:
    x, y = scene.near_center()
    light, truth = leftover_of_star(
        (x, y), scene.shape, scene.point_spread, displaced=displaced, rng=scene.rng
    )
    return light, Trail(x, y, float(light.sum()), 0.0, 0.0), truth


def _edge(scene: _Scene) -> _Drawn:
    x, y = scene.near_center()
    light = step_of_sky((x, y), scene.shape, scene.rng)
    return light, Trail(x, y, float(light.sum()), 0.0, 0.0), {}


def _pixel_charge(
    px: NDArray[np.float64],
    py: NDArray[np.float64],
    charge: NDArray[np.float64],
    diffusion: float,
    shape: tuple[int, int],
) -> NDArray[np.float64]:
    """Return the charge in each pixel: diffused Gaussians, integrated over the pixels."""
    edges_x, edges_y = np.arange(shape[1] + 1) - 0.5, np.arange(shape[0] + 1) - 0.5
    share_x = np.diff(ndtr((edges_x[None, :] - px[:, None]) / diffusion), axis=1)
    share_y = np.diff(ndtr((edges_y[None, :] - py[:, None]) / diffusion), axis=1)
    return np.asarray(np.einsum("k,ky,kx->yx", charge, share_y, share_x))


_DRAW: dict[StreakKind, Callable[[_Scene], _Drawn]] = {
    StreakKind.ASTEROID: _asteroid,
    StreakKind.SATELLITE: _satellite,
    StreakKind.GLINTS: _glints,
    StreakKind.COSMIC_RAY: _cosmic_ray,
    StreakKind.HOT_PIXELS: _hot_pixels,
    StreakKind.DIPOLE: lambda scene: _leftover(scene, displaced=True),
    StreakKind.RING: lambda scene: _leftover(scene, displaced=False),
    StreakKind.EDGE: _edge,
}
