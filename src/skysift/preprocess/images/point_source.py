"""What a point source looks like where the survey does not say: a Moffat profile of a given width.

The stars of the ZTF cutouts that models are trained on have, in the median over 51 exposures, the
growth of a Moffat profile of exponent 2.5 to 0.01 mag between 2 and 6 pixels; one exponent
therefore serves for what :func:`skysift.preprocess.images.moffat.fit_moffat` fits and for these.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from skysift.data.images.facts import APERTURE_DIAMETERS
from skysift.data.images.image_set import by_own_size
from skysift.preprocess.images.apertures import aperture_fluxes
from skysift.preprocess.images.moffat import BETA, fit_moffat

__all__ = [
    "SEEING_OVER_FWHM",
    "PointSources",
    "measured_point_sources",
    "measured_psfs",
    "point_sources",
    "profile_images",
]

FloatArray = NDArray[np.float64]

SEEING_OVER_FWHM = 1.105
"""SEEING of ZTF headers (SExtractor) over the width that a Moffat fit gives their stars, median."""

_MAGNITUDES = 2.5
_PARTS = 5  # of a pixel along each axis
_PLACES = 3  # of the centre within a pixel, along each axis
_WIDTHS = (0.6, 10.0, 32)  # from, to, number [pixel]
_OVER_A = 2 * np.sqrt(2 ** (1 / BETA) - 1)


class PointSources:
    """Images of point sources of several widths, and what is measured of them.

    Parameters
    ----------
    fwhm : array, shape (n,)
        What a Moffat fit gives, growing [pixel].
    corrections : array, shape (n, 6)
        Total minus aperture magnitude in the apertures of the APCOR cards [mag].
    """

    def __init__(self, fwhm: FloatArray, corrections: FloatArray) -> None:
        self.fwhm = fwhm
        self.corrections = corrections

    def corrections_of(self, fwhm: FloatArray) -> FloatArray:
        """Return the aperture corrections of widths, shape (m,), as shape (m, 6) [mag]."""
        columns = [np.interp(fwhm, self.fwhm, column) for column in self.corrections.T]
        return np.where(np.isfinite(fwhm)[:, np.newaxis], np.stack(columns, axis=1), np.nan)


@lru_cache(maxsize=1)
def point_sources() -> PointSources:
    """Return Moffat profiles, integrated over pixels, measured as cutouts are.

    Examples
    --------
    >>> table = point_sources()
    >>> inside_2_pixels = table.corrections_of(np.array([1.6, 3.2]))[:, 0]
    >>> inside_2_pixels.round(1).tolist()  # a wider star has less of its light there
    [-0.9, -2.0]
    """
    fwhm, corrections = [], []
    for width in np.geomspace(*_WIDTHS):
        stack, centers = profile_images(width)
        found = measured_point_sources(stack, centers)
        fwhm.append(np.median(found.fwhm))
        corrections.append(np.median(found.corrections, axis=0))
    return PointSources(np.array(fwhm), np.array(corrections))


def profile_images(width: float, *, side: int = 41) -> tuple[FloatArray, FloatArray]:
    """Return unit-flux profiles of a true FWHM at several places of the pixel, and their centres.

    Returns
    -------
    stack : array, shape (9, side, side)
    centers : array, shape (9, 2)
        y and x [pixel].
    """
    a = width / _OVER_A
    places = (np.arange(_PLACES) + 0.5) / _PLACES - 0.5
    centers = (side - 1) / 2 + np.stack(np.meshgrid(places, places), axis=-1).reshape(-1, 2)
    steps = (np.arange(side * _PARTS) + 0.5) / _PARTS - 0.5
    dy2, dx2 = ((steps - centers[:, axis, np.newaxis]) ** 2 for axis in (0, 1))
    base = 1 + (dy2[:, :, np.newaxis] + dx2[:, np.newaxis, :]) / a**2
    fine = 1 / (base * base * np.sqrt(base))  # the power -2.5
    stack = fine.reshape(-1, side, _PARTS, side, _PARTS).mean(axis=(2, 4))
    return stack * (BETA - 1) / (np.pi * a**2), centers


def measured_point_sources(
    stack: FloatArray, centers: FloatArray, total: FloatArray | float = 1.0
) -> PointSources:
    """Measure images of point sources, shape (n, ny, nx), of a total flux, one row each."""
    signal = np.nan_to_num(stack)
    noise = np.maximum(1e-6 * signal.max(axis=(1, 2)), 1e-30)
    fit = fit_moffat(signal, np.isfinite(stack), np.rint(centers), noise)
    radii = [diameter / 2 for diameter in APERTURE_DIAMETERS]
    fluxes = aperture_fluxes(signal, np.stack([fit.y, fit.x], axis=1), radii)
    with np.errstate(divide="ignore", invalid="ignore"):
        part = fluxes / np.broadcast_to(np.asarray(total), len(stack))[:, np.newaxis]
        return PointSources(fit.fwhm, _MAGNITUDES * np.log10(part))


def measured_psfs(psf: NDArray[np.float32]) -> PointSources:
    """Measure images of point-spread functions, each in the middle of its own pixels, a row each.

    Parameters
    ----------
    psf : array of float32, shape (n, ky, kx)
        Those of smaller images padded with NaN at their far sides; NaN comes of those without.
    """
    fwhm = np.full(len(psf), np.nan)
    corrections = np.full((len(psf), len(APERTURE_DIAMETERS)), np.nan)
    for rows, images in by_own_size(psf):
        stack = images.astype(np.float64)
        middle = np.tile((np.array(stack.shape[1:]) - 1) / 2, (len(stack), 1))
        found = measured_point_sources(stack, middle, np.nansum(stack, axis=(1, 2)))
        fwhm[rows], corrections[rows] = found.fwhm, found.corrections
    return PointSources(fwhm, corrections)
