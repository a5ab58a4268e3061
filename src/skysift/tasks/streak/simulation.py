"""Stamps with a known content: streaks and sources on skies, real ones where they are given.

Satellites, glints, cosmic rays, hot pixels, asteroid trails, bad subtractions and some of the stars
and galaxies are SIMULATED (:mod:`skysift.models.images.streaks.injection`): no labelled set is
free.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import InputError
from skysift.data.images.facts import PIXEL_MATRIX, FactValues
from skysift.data.images.image_set import ImageSet
from skysift.models.images.streaks.classifier import class_of
from skysift.models.images.streaks.injection import StreakKind, Survey, inject
from skysift.models.images.streaks.point_spread import PointSpread
from skysift.models.images.streaks.stamp import prepare_stamp
from skysift.models.images.streaks.trail import Trail, trail_image

__all__ = ["Made", "Sky", "made_up_skies", "real_skies", "stamp_on"]

SHARES = {
    StreakKind.ASTEROID: 0.28,
    StreakKind.SATELLITE: 0.18,
    StreakKind.GLINTS: 0.07,
    StreakKind.COSMIC_RAY: 0.15,
    StreakKind.HOT_PIXELS: 0.08,
    "star": 0.12,
    "galaxy": 0.12,
}
"""What is put on the skies, and how often."""

LEFTOVERS = {StreakKind.DIPOLE: 0.55, StreakKind.RING: 0.35, StreakKind.EDGE: 0.10}
"""What bad subtractions leave, and how often each, where they are asked for."""

_SIDES, _LARGE_SHARE = (20, 31), 0.6
_SAMPLED_FINELY = 0.5  # share of the stamps whose stars are wider than ZTF's 2 pixels
_WIDTHS = (2.0, 4.0)  # full width at half maximum [pixel]
_WIDTH_ERROR = 0.12  # of the logarithm: how far a stated seeing is from that of the stamp
_BETAS = (3.0, 4.5)
_FINITE = 0.8  # share of the pixels of a usable sky
_UNTOLD, _UNTOLD_WIDTHS = 0.3, (1.7, 3.5)  # share that do not tell their seeing, and theirs [pixel]
_OFF_CENTER = 2.0  # pixels
# A profile that falls as an exponential, as Gaussians in units of its half-light radius.
_DISK = ((0.35, 0.42), (0.40, 0.85), (0.25, 1.55))
_RADII = (0.5, 2.5)  # half-light radius, in full widths at half maximum of a star


@dataclass(frozen=True, eq=False)
class Sky:
    """A sky without a source in its middle.

    Parameters
    ----------
    pixels : array of float64, shape (ny, nx)
        Its values.
    group : str
        The object whose stamp it is a part of.
    facts : dict
        Pixel scale, coordinates and so on.
    """

    pixels: NDArray[np.float64]
    group: str
    facts: FactValues


@dataclass(frozen=True, eq=False)
class Made:
    """A stamp with a known content.

    Parameters
    ----------
    pixels : array of float32, shape (ny, nx)
        Its values.
    label, kind, group : str
        Class, what it is in more detail, and the object that it must not be parted from.
    facts : dict
        What its header tells.
    truth : dict of str to float
        ``true_length`` [arcsec], ``true_angle`` [deg], ``true_snr``; empty for real sources.
    """

    pixels: NDArray[np.float32]
    label: str
    kind: str
    group: str
    facts: FactValues
    truth: dict[str, float] = field(default_factory=dict)


def made_up_skies(n: int, rng: np.random.Generator, *, scale: float) -> Iterator[Sky]:
    """Make skies of nothing but noise, turned at random.

    Parameters
    ----------
    n : int
        Number of skies.
    rng : numpy.random.Generator
        Draws noise and orientation.
    scale : float
        Side of a pixel [arcsec].
    """
    side = max(_SIDES)
    for number in range(n):
        turned = rng.uniform(0.0, 2.0 * math.pi)
        step = scale / 3600.0
        matrix = (
            -step * math.cos(turned),
            step * math.sin(turned),
            step * math.sin(turned),
            step * math.cos(turned),
        )
        facts: FactValues = {
            "pixel_scale": scale,
            "ra": float(rng.uniform(0.0, 360.0)),
            "dec": float(rng.uniform(-60.0, 60.0)),
            **dict(zip(PIXEL_MATRIX, matrix, strict=True)),
        }
        noise = math.exp(rng.uniform(math.log(3.0), math.log(30.0)))
        yield Sky(rng.normal(0.0, noise, (side, side)), f"sky-{number}", facts)


def real_skies(base: ImageSet, corners: int, rng: np.random.Generator) -> Iterator[Sky]:
    """Take corners of stamps, away from the source in the middle.

    Parameters
    ----------
    base : ImageSet
        Difference stamps.
    corners : int
        How many of each.
    rng : numpy.random.Generator
        Chooses them.

    Raises
    ------
    InputError
        If no stamp is large enough.
    """
    side = max(_SIDES)
    found = 0
    for number in range(len(base)):
        ny, nx = base.sizes[number].tolist()
        if min(ny, nx) < 2 * side:
            continue
        known = {
            name: float(base.facts[name][number])
            for name in ("ra", "dec", "pixel_scale", *PIXEL_MATRIX)
            if np.isfinite(base.facts[name][number])
        }
        group = str(base.facts["object"][number]) or str(base.identifiers[number])
        for corner in rng.permutation(4)[:corners]:
            y, x = (ny - side) * (corner // 2), (nx - side) * (corner % 2)
            sky = base.pixels[number, y : y + side, x : x + side].astype(np.float64)
            if np.isfinite(sky).mean() >= _FINITE and np.nanstd(sky) > 0:
                found += 1
                yield Sky(sky, group, {**known})
    if not found:
        raise InputError(
            f"None of the {len(base)} base stamps has free corners of {side} pixels.",
            f"Give stamps of {2 * side} pixels or more.",
        )


def stamp_on(
    sky: Sky, survey: Survey, rng: np.random.Generator, *, bad_subtractions: float = 0.0
) -> Made:
    """Put something on a sky: a streak, a star, a galaxy or an artefact, by the shares of a sample.

    Parameters
    ----------
    sky : Sky
        Where to.
    survey : Survey
        What streaks are like.
    rng : numpy.random.Generator
        Draws what, where, how bright, and under what seeing.
    bad_subtractions : float
        Share of the stamps with dipoles, rings and edges.
    """
    side = _SIDES[int(rng.random() < _LARGE_SHARE)]
    start = (max(_SIDES) - side) // 2
    ground = sky.pixels[start : start + side, start : start + side]
    width = float(rng.uniform(*_WIDTHS)) if rng.random() < _SAMPLED_FINELY else _WIDTHS[0]
    is_told = rng.random() >= _UNTOLD
    if not is_told:
        width = float(rng.uniform(*_UNTOLD_WIDTHS))
    # What is stated of the seeing is never quite what it was.
    seeing = PointSpread.moffat(
        width * math.exp(rng.normal(0.0, _WIDTH_ERROR)), float(rng.uniform(*_BETAS))
    )
    kind = _kind(rng, bad_subtractions)
    scale = float(sky.facts["pixel_scale"])
    if isinstance(kind, StreakKind):
        pixels, drawn = inject(ground, kind, seeing, survey, rng=rng)
        label, snr = class_of(kind), drawn.snr
        truth = {"true_length": drawn.trail.length * scale, "true_angle": drawn.trail.angle}
        if kind is not StreakKind.ASTEROID:  # the others have no ends in the stamp, or no line
            truth["true_length"] = math.nan
    else:
        pixels, snr = _still(ground, kind, seeing, survey, rng)
        # Without the seeing, a galaxy is no other than a star on a bad night: neither moves.
        label = kind if is_told else "star"
        truth = {"true_length": math.nan, "true_angle": math.nan}
    return Made(
        pixels.astype(np.float32),
        label,
        f"simulated {kind}" if is_told else f"simulated {kind}, seeing untold",
        sky.group,
        {**sky.facts, "object": sky.group, **({"seeing": width} if is_told else {})},
        {**truth, "true_snr": snr},
    )


def _kind(rng: np.random.Generator, bad_subtractions: float) -> StreakKind | str:
    """Draw what is put on a sky; without bad subtractions, nothing is drawn for them."""
    is_bad = bad_subtractions > 0 and rng.random() < bad_subtractions
    kinds = [*LEFTOVERS] if is_bad else [*SHARES]
    shares = [*LEFTOVERS.values()] if is_bad else [*SHARES.values()]
    return kinds[int(rng.choice(len(kinds), p=shares))]


def _still(
    ground: NDArray[np.float64],
    kind: str,
    seeing: PointSpread,
    survey: Survey,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], float]:
    """Add a star or a galaxy near the middle, as bright as streaks are; return how bright."""
    y, x = 0.5 * (np.array(ground.shape) - 1.0) + rng.uniform(-_OFF_CENTER, _OFF_CENTER, 2)
    if kind == "star":
        light = trail_image(Trail(float(x), float(y), 1.0, 0.0, 0.0), ground.shape, seeing)
    else:
        light = _galaxy((float(y), float(x)), ground.shape, seeing, rng)
    low, high = survey.snr
    snr = math.exp(rng.uniform(math.log(low), math.log(high)))
    factor = snr * prepare_stamp(ground).noise / math.sqrt(float(np.sum(light**2)))
    return ground + factor * light, snr


def _galaxy(
    place: tuple[float, float],
    shape: tuple[int, ...],
    seeing: PointSpread,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Return an inclined exponential disk of unit flux, convolved with the seeing."""
    radius = seeing.fwhm * math.exp(rng.uniform(math.log(_RADII[0]), math.log(_RADII[1])))
    ratio, angle = float(rng.uniform(0.3, 1.0)), float(rng.uniform(0.0, math.pi))
    axes = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    disk = axes @ np.diag([1.0, ratio**2]) @ axes.T
    y, x = np.indices(shape)
    offset = np.stack([x - place[1], y - place[0]])
    image = np.zeros(shape)
    for share, size in _DISK:
        for weight, sigma in zip(seeing.weights, seeing.sigmas, strict=True):
            covariance = (size * radius) ** 2 * disk + sigma**2 * np.eye(2)
            distance = np.einsum("iyx,ij,jyx->yx", offset, np.linalg.inv(covariance), offset)
            norm = 2.0 * math.pi * math.sqrt(np.linalg.det(covariance))
            image += share * weight * np.exp(-0.5 * distance) / norm
    return image
