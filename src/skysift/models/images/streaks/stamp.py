"""A stamp made ready for a fit: background, noise, and the pixels that count."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skysift.core.errors import InputError

__all__ = ["Stamp", "prepare_stamp"]

_MAD_TO_SIGMA = 1.4826
_CLIP = 3.0  # sigma
_CLIP_ROUNDS = 8
_FEWEST = 25  # pixels


@dataclass(frozen=True, slots=True)
class Stamp:
    """Pixels without their background, and how much each counts.

    Parameters
    ----------
    pixels : array of float64, shape (ny, nx)
        Zero where `weights` is.
    weights : array of float64, shape (ny, nx)
        Inverse variance; zero for pixels that are masked or were not measured.
    background : float
        What was subtracted.
    noise : float
        Standard deviation of the sky.
    """

    pixels: NDArray[np.float64]
    weights: NDArray[np.float64]
    background: float
    noise: float


def prepare_stamp(
    pixels: ArrayLike,
    *,
    variance: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    gain: float | None = None,
) -> Stamp:
    """Subtract the background of a stamp and weigh its pixels.

    Parameters
    ----------
    pixels : array, shape (ny, nx)
        The image; NaN where there is none.
    variance : array, shape (ny, nx), optional
        Variance of each pixel. Without it, the scatter of the sky is measured.
    mask : array of bool, shape (ny, nx), optional
        True for pixels to leave out.
    gain : float, optional
        Electrons per unit of the image: without `variance`, adds the Poisson noise of what is
        above the sky.

    Raises
    ------
    InputError
        If fewer than 25 pixels are left, or they do not vary at all.
    """
    image = np.asarray(pixels, dtype=np.float64)
    good = np.isfinite(image)
    if mask is not None:
        good &= ~np.asarray(mask, dtype=bool)
    if variance is not None:
        spread = np.asarray(variance, dtype=np.float64)
        good &= np.isfinite(spread) & (spread > 0.0)
    if image.ndim != 2 or good.sum() < _FEWEST:  # noqa: PLR2004 - an image has two axes
        raise InputError(
            f"The stamp has {int(good.sum())} good pixels.", f"A fit needs {_FEWEST} at least."
        )
    background, noise = _sky(image[good])
    if noise <= 0.0:
        raise InputError("The pixels of the stamp are all the same.", "Leave it out.")
    above = np.where(good, image - background, 0.0)
    if variance is None:
        spread = np.full(image.shape, noise**2)
        if gain is not None:
            spread += np.clip(above, 0.0, None) / gain
    weights = np.zeros(image.shape)
    weights[good] = 1.0 / spread[good]
    return Stamp(above, weights, background, noise)


def _sky(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return median and scatter of the sky, sources clipped."""
    kept = values
    for _ in range(_CLIP_ROUNDS):
        middle = float(np.median(kept))
        scatter = _MAD_TO_SIGMA * float(np.median(np.abs(kept - middle)))
        inside = np.abs(kept - middle) <= _CLIP * scatter
        if inside.all() or inside.sum() < _FEWEST:
            break
        kept = kept[inside]
    return middle, scatter
