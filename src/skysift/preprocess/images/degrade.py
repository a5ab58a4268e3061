"""Cutouts as they would be under a worse sky: broader, noisier, with a wrong level.

Each function returns cutouts as they are for the size that stands for no change.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from skysift.core.errors import UsageError
from skysift.data.images.image_set import ImageSet, own_part
from skysift.preprocess.images.sky_level import sky_and_noise

__all__ = ["blurred", "lifted", "noisier"]

_SIGMA_OF_FWHM = 1.0 / 2.354820045
_TYPICAL_SEEING = 2.0  # pixel, where nothing tells it
_WIDTHS = ("seeing", "difference_fwhm")

Images = NDArray[np.float32]


def blurred(images: ImageSet, factor: float, rng: np.random.Generator) -> ImageSet:
    """Return cutouts of worse seeing, with the noise that they had, and a seeing that says so.

    Parameters
    ----------
    images : ImageSet
        n cutouts.
    factor : float
        New over old full width at half maximum, 1 or more.
    rng : numpy.random.Generator
        Draws the noise that the convolution takes away.

    Raises
    ------
    UsageError
        If the seeing would become better.
    """
    if factor < 1.0:
        raise UsageError(f"Seeing cannot be made better, by {factor:g}.", "Give 1 or more.")
    if factor == 1.0:
        return images
    known = images.facts["seeing"]
    width = np.where(known > 0, known, _TYPICAL_SEEING) * np.sqrt(factor**2 - 1.0)
    sky, noise = sky_and_noise(images.pixels, images.centers)
    pixels = images.pixels.copy()
    for row, sigma in enumerate(width * _SIGMA_OF_FWHM):
        valid = np.isfinite(pixels[row])
        filled = np.where(valid, pixels[row], np.float32(sky[row]))
        smooth = ndimage.gaussian_filter(filled, sigma, mode="nearest")
        lost = noise[row] * np.sqrt(1.0 - _kept_variance(float(sigma)))
        smooth = smooth + rng.normal(0.0, lost, smooth.shape)
        pixels[row] = np.where(valid, smooth, np.nan)
    facts = {name: images.facts[name] * factor for name in _WIDTHS}
    return replace(
        images,
        pixels=pixels,
        facts=images.facts.with_columns(facts),
        psf=None if images.psf is None else _blurred_psf(images.psf, width * _SIGMA_OF_FWHM),
    )


def noisier(images: ImageSet, factor: float, rng: np.random.Generator) -> ImageSet:
    """Return cutouts below a brighter sky: of the same objects, with more noise.

    Parameters
    ----------
    images : ImageSet
        n cutouts.
    factor : float
        New over old brightness of the sky, 1 or more; its noise grows by the square root.
    rng : numpy.random.Generator
        Draws the noise.

    Raises
    ------
    UsageError
        If the sky would become darker.
    """
    if factor < 1.0:
        raise UsageError(f"A sky cannot be made darker, by {factor:g}.", "Give 1 or more.")
    if factor == 1.0:
        return images
    _, noise = sky_and_noise(images.pixels, images.centers)
    extra_noise = (noise * np.sqrt(factor - 1.0))[:, None, None]
    added = rng.standard_normal(images.pixels.shape) * extra_noise
    variance = images.variance
    if variance is not None:
        variance = (variance + extra_noise**2).astype(np.float32)
    return replace(images, pixels=(images.pixels + added).astype(np.float32), variance=variance)


def lifted(images: ImageSet, sigmas: float) -> ImageSet:
    """Return cutouts whose level is wrong by so many standard deviations of a pixel's noise."""
    if sigmas == 0.0:
        return images
    _, noise = sky_and_noise(images.pixels, images.centers)
    level = (sigmas * noise)[:, None, None]
    return replace(images, pixels=(images.pixels + level).astype(np.float32))


def _kept_variance(sigma: float) -> float:
    """Return the share of the variance of white noise that a Gaussian filter leaves."""
    spot = np.zeros((33, 33))
    spot[16, 16] = 1.0
    return float((ndimage.gaussian_filter(spot, sigma) ** 2).sum())


def _blurred_psf(psf: Images, sigmas: NDArray[np.float64]) -> Images:
    blurred_psf = psf.copy()
    for one, sigma in zip(map(own_part, blurred_psf), sigmas, strict=True):
        if one.size and not np.isnan(one).any():
            one[:] = ndimage.gaussian_filter(one, sigma, mode="constant")
    return blurred_psf
