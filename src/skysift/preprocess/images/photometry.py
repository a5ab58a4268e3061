"""Magnitudes of cutouts, by the aperture photometry that their image was calibrated for."""

import numpy as np
from numpy.typing import NDArray

from skysift.data.images.facts import APERTURE_DIAMETERS
from skysift.data.images.image_set import ImageSet
from skysift.preprocess.images.apertures import aperture_fluxes
from skysift.preprocess.images.moments import brightest_near
from skysift.preprocess.images.sky_level import sky_and_noise

__all__ = ["aperture_magnitude"]

_APERTURE = 3  # of 6 pixels


def aperture_magnitude(images: ImageSet) -> NDArray[np.float64]:
    """Return the magnitude in an aperture of 6 pixels, shape (n,).

    ``zero point - 2.5 log10(flux) + APCOR4``: for a star its PSF magnitude, for a galaxy that in
    the aperture. The correction is left out where the image has none; NaN where there is no zero
    point or no flux.
    """
    valid = images.valid
    sky, _ = sky_and_noise(images.pixels, images.centers)
    with np.errstate(invalid="ignore"):
        signal = images.pixels.astype(np.float64) - sky[:, np.newaxis, np.newaxis]
    signal = np.where(valid, signal, 0.0)
    centers = brightest_near(signal, images.centers)
    radius = APERTURE_DIAMETERS[_APERTURE] / 2
    flux = aperture_fluxes(signal, centers, [radius])[:, 0]
    correction = np.nan_to_num(images.facts[f"apcor{_APERTURE + 1}"])
    with np.errstate(divide="ignore", invalid="ignore"):
        magnitude = -2.5 * np.log10(np.where(flux > 0, flux, np.nan))
    return np.asarray(images.facts["zero_point"] + magnitude + correction)
