"""What a star leaves where images do not quite fit: artefacts of the subtraction itself.

A difference image is the new one less the template, brought to the same place and the same seeing
(Alard & Lupton 1998, ApJ 503, 325). Where that fails, a star that has not changed leaves

- a **dipole**, if the two are displaced by a part of a pixel,
- a **ring**, if the seeing was matched too wide or too narrow, or the flux scaled wrongly,

and in both cases the photon noise of its light, which was in both images. At the **edge** of the
template, or of an amplifier, the sky has a step.
"""

import math

import numpy as np
from numpy.typing import NDArray

from skysift.models.images.streaks.point_spread import PointSpread
from skysift.models.images.streaks.trail import Trail, trail_image

__all__ = ["leftover_of_star", "step_of_sky"]

Floats = NDArray[np.float64]

_ELECTRONS = (1e4, 1e6)  # of a star whose leftover is detected
_DISPLACED, _HARDLY_DISPLACED = (0.1, 1.0), (0.01, 0.1)  # pixels
_MISMATCH, _HARDLY_MISMATCHED = (0.03, 0.25), (0.003, 0.03)  # of the width
_SCALE_ERROR = 0.02  # of the flux


def leftover_of_star(
    place: tuple[float, float],
    shape: tuple[int, int],
    seeing: PointSpread,
    *,
    displaced: bool,
    rng: np.random.Generator,
) -> tuple[Floats, dict[str, float]]:
    """Return what the subtraction of a star leaves, in parts of its flux.

    Parameters
    ----------
    place : (float, float)
        Of the star, x and y [pixel].
    shape : (int, int)
        Of the stamp.
    seeing : PointSpread
        Of the new image.
    displaced : bool
        Whether the images are displaced most of all, or their widths differ.
    rng : numpy.random.Generator
        Draws how far, how much, and the photon noise.

    Returns
    -------
    image : array, shape (ny, nx)
        New less old.
    truth : dict of str to float
        ``shift`` [pixel], ``mismatch`` and ``scale`` (relative), ``electrons``.
    """
    shift = _log_uniform(_DISPLACED if displaced else _HARDLY_DISPLACED, rng)
    mismatch = _log_uniform(_HARDLY_MISMATCHED if displaced else _MISMATCH, rng)
    mismatch *= float(rng.choice((-1.0, 1.0)))
    scale = float(rng.normal(0.0, _SCALE_ERROR))
    electrons = _log_uniform(_ELECTRONS, rng)
    angle = float(rng.uniform(0.0, 2.0 * math.pi))
    dx, dy = 0.5 * shift * math.cos(angle), 0.5 * shift * math.sin(angle)
    new = _star(place[0] + dx, place[1] + dy, shape, seeing)
    old = _star(place[0] - dx, place[1] - dy, shape, seeing.scaled(1.0 + mismatch))
    photons = rng.normal(size=shape) * np.sqrt((new + old) / electrons)
    truth = {"shift": shift, "mismatch": mismatch, "scale": scale, "electrons": electrons}
    return new - (1.0 + scale) * old + photons, truth


def step_of_sky(
    place: tuple[float, float], shape: tuple[int, int], rng: np.random.Generator
) -> Floats:
    """Return a sky of 1 on one side of a row or column through a place, x and y, and 0 else."""
    axis = int(rng.integers(2))
    above = np.indices(shape)[axis] > place[1 - axis]
    chosen = above if rng.random() < 0.5 else ~above  # noqa: PLR2004  # either side
    step: Floats = chosen.astype(np.float64)
    return step


def _star(x: float, y: float, shape: tuple[int, int], seeing: PointSpread) -> Floats:
    return trail_image(Trail(x, y, 1.0, 0.0, 0.0), shape, seeing)


def _log_uniform(limits: tuple[float, float], rng: np.random.Generator) -> float:
    return math.exp(float(rng.uniform(math.log(limits[0]), math.log(limits[1]))))
