"""Shape features of cutouts: what astronomers have told stars from galaxies by, measured at once.

A star has the width and the profile of the point-spread function (PSF) and a galaxy is wider;
hence each width and concentration is compared with what the PSF of the same exposure gives.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import UsageError
from skysift.data.images.facts import APERTURE_CORRECTIONS, APERTURE_DIAMETERS
from skysift.data.images.image_set import ImageSet
from skysift.data.table import FeatureTable
from skysift.preprocess.images.apertures import aperture_fluxes, radius_of_part
from skysift.preprocess.images.moffat import MoffatFit, fit_moffat
from skysift.preprocess.images.moments import asymmetry, brightest_near, weighted_moments
from skysift.preprocess.images.point_source import measured_psfs
from skysift.preprocess.images.sky_level import sky_and_noise

__all__ = ["SHAPE_FEATURES", "ShapeFeatures"]

FloatArray = NDArray[np.float64]

_RADII = (0.5, 0.75, *(diameter / 2 for diameter in APERTURE_DIAMETERS))
_REFERENCE = 3  # aperture of 6 pixels: wide enough for stars, narrow enough for faint ones
_CHUNK = 256  # cutouts at a time: what is in work stays in the cache
_MAGNITUDES = 2.5
_FAINTEST = 1e-3  # of the reference flux, so that a negative flux has a magnitude

SHAPE_FEATURES: Mapping[str, str] = MappingProxyType(
    {
        "fwhm_excess": "ln(FWHM of the Moffat fit / FWHM of the PSF) (Moffat 1969, A&A 3, 455)",
        "fwhm": "FWHM of the Moffat fit [pix]",
        "extension": "fwhm_excess over its standard deviation from the noise of the sky, as arsinh",
        "fit_residual": "ln of the rms residual of the Moffat fit in units of the noise",
        "fit_residual_part": "rms residual of the Moffat fit over its amplitude",
        **{
            f"concentration_{k + 1}": (
                f"magnitude in {APERTURE_DIAMETERS[k]:g} pix minus that in 6 pix, minus the same "
                "for a point source by the aperture corrections [mag] (ZTF: APCOR; cf. the "
                "concentration of Abraham et al. 1994, ApJ 432, 75)"
            )
            for k in range(len(APERTURE_DIAMETERS))
            if k != _REFERENCE
        },
        **{
            f"growth_{k + 1}": (
                f"magnitude in {APERTURE_DIAMETERS[k]:g} pix minus that in 6 pix [mag]"
            )
            for k in range(len(APERTURE_DIAMETERS))
            if k != _REFERENCE
        },
        "peak_part": "amplitude of the Moffat fit over the flux in 6 pix (a sharpness)",
        "half_light_radius": "radius of half the flux in 14 pix [pix]",
        "radius_80": "radius of 80 % of the flux in 14 pix [pix]",
        "half_light_excess": "ln(2 half-light radii / FWHM of the PSF)",
        "moment_size": "ln of the root of Ixx + Iyy under a Gaussian of 4 pix FWHM [pix]",
        "moment_size_narrow": "the same under a Gaussian of 2 pix FWHM",
        "moment_excess": "ln of the root of Ixx + Iyy over the FWHM of the PSF",
        "ellipticity": "sqrt((Ixx - Iyy)^2 + 4 Ixy^2) / (Ixx + Iyy) (Kaiser et al. 1995)",
        "kurtosis": "fourth moment over the square of the second",
        "asymmetry": "rotational asymmetry (Conselice 2003, ApJS 147, 1, eq. 1)",
        "seeing": "FWHM of the PSF of the exposure [pix]",
        "log_snr": "log10 of the flux in 6 pix over its noise",
        "saturation_part": "brightest pixel over the saturation level of the image",
    }
)
"""The features and their definitions, in the order of their columns."""


class ShapeFeatures:
    """Measure shapes of cutouts.

    Features that need the PSF are NaN where the exposure has neither SEEING nor aperture
    corrections in its header nor a PSF image; cutouts carry a flag in that case.

    Parameters
    ----------
    names : sequence of str, optional
        Features to return, of `SHAPE_FEATURES`; all of them if not given.
    side : int
        Larger cutouts are cut to this side first [pixel].

    Raises
    ------
    UsageError
        If a feature is not known.

    Notes
    -----
    There is nothing to fit: each cutout is measured by itself, so that no statistics leak from one
    to another. Some five thousand cutouts of 20 x 20 pixels a second on one core.
    """

    def __init__(self, names: Sequence[str] | None = None, *, side: int = 21) -> None:
        unknown = [name for name in names or () if name not in SHAPE_FEATURES]
        if unknown:
            raise UsageError(
                f"There is no shape feature '{unknown[0]}'.", f"Known: {', '.join(SHAPE_FEATURES)}."
            )
        self.names = tuple(SHAPE_FEATURES) if names is None else tuple(names)
        self.side = side

    def table(self, images: ImageSet) -> FeatureTable:
        """Return the features as columns of a table, one row for each cutout."""
        values = self.matrix(images)
        return FeatureTable.from_columns(
            {name: values[:, k] for k, name in enumerate(self.names)},
            descriptions={name: SHAPE_FEATURES[name] for name in self.names},
        )

    def matrix(self, images: ImageSet) -> FloatArray:
        """Return the features, shape (n, n_features), NaN where one is not defined."""
        if max(images.pixels.shape[1:]) > self.side:
            images = images.cropped(self.side)
        values = np.empty((len(images), len(self.names)))
        for start in range(0, len(images), _CHUNK):
            rows = np.arange(start, min(start + _CHUNK, len(images)))
            measured = _measured(images.take(rows))
            for k, name in enumerate(self.names):
                values[rows, k] = measured[name]
        values[~np.isfinite(values)] = np.nan
        return values


def _measured(images: ImageSet) -> dict[str, FloatArray]:
    """Return all features of a few cutouts."""
    seeing, corrections = _of_point_sources(images)
    signal, valid, noise = _without_sky(images)
    fit = fit_moffat(signal, valid, brightest_near(signal, images.centers), noise)
    centers = np.stack([fit.y, fit.x], axis=1)
    fluxes = aperture_fluxes(signal, centers, _RADII)
    return {
        "seeing": seeing,
        "saturation_part": _saturation_part(images),
        **_profile(fit, fluxes, seeing, noise),
        **_growth(fluxes[:, -len(APERTURE_DIAMETERS) :], corrections),
        **_radii(fluxes, seeing),
        **_moments(signal, centers, seeing),
    }


def _without_sky(images: ImageSet) -> tuple[FloatArray, NDArray[np.bool_], FloatArray]:
    valid = images.valid
    sky, noise = sky_and_noise(images.pixels, images.centers)
    with np.errstate(invalid="ignore"):
        signal = images.pixels.astype(np.float64) - sky[:, np.newaxis, np.newaxis]
    return np.where(valid, signal, 0.0), valid, noise


def _saturation_part(images: ImageSet) -> FloatArray:
    """Return the brightest pixel over the saturation level, NaN where that is not above 0."""
    brightest = np.max(images.pixels, axis=(1, 2), where=images.valid, initial=0.0)
    level = images.facts["saturation"]
    with np.errstate(over="ignore"):  # by a level next to nothing
        return np.asarray(brightest / np.where(level > 0, level, np.nan), dtype=np.float64)


def _of_point_sources(images: ImageSet) -> tuple[FloatArray, FloatArray]:
    """Return FWHM, shape (n,), and aperture corrections, shape (n, 6), of the header or the PSF."""
    facts = images.facts
    seeing = np.where(facts["seeing"] > 0, facts["seeing"], np.nan)
    corrections = facts.matrix(APERTURE_CORRECTIONS)
    if images.psf is None:
        return seeing, corrections
    lacking = np.isnan(seeing) | np.isnan(corrections).any(axis=1)
    rows = np.flatnonzero(lacking & np.isfinite(images.psf).any(axis=(1, 2)))
    if len(rows):
        measured = measured_psfs(images.psf[rows])
        seeing[rows] = np.where(np.isnan(seeing[rows]), measured.fwhm, seeing[rows])
        absent = np.isnan(corrections[rows]).any(axis=1, keepdims=True)
        corrections[rows] = np.where(absent, measured.corrections, corrections[rows])
    return seeing, corrections


def _profile(
    fit: MoffatFit, fluxes: FloatArray, seeing: FloatArray, noise: FloatArray
) -> dict[str, FloatArray]:
    reference = fluxes[:, -len(APERTURE_DIAMETERS) + _REFERENCE]
    pixels = np.pi * (APERTURE_DIAMETERS[_REFERENCE] / 2) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "fwhm": fit.fwhm,
            "fwhm_excess": np.log(fit.fwhm / seeing),
            "extension": np.arcsinh(np.log(fit.fwhm / seeing) / fit.width_error),
            "fit_residual": np.log(fit.residual),
            "fit_residual_part": fit.residual * noise / np.abs(fit.amplitude),
            "peak_part": fit.amplitude / reference,
            "log_snr": np.log10(np.maximum(reference / (noise * np.sqrt(pixels)), 1e-2)),
        }


def _growth(fluxes: FloatArray, corrections: FloatArray) -> dict[str, FloatArray]:
    """Return magnitudes in the apertures relative to that in 6 pixels."""
    reference = fluxes[:, [_REFERENCE]]
    with np.errstate(divide="ignore", invalid="ignore"):
        part = np.where(reference > 0, np.maximum(fluxes / reference, _FAINTEST), np.nan)
    growth = -_MAGNITUDES * np.log10(part)
    concentration = growth + corrections - corrections[:, [_REFERENCE]]
    others = [k for k in range(len(APERTURE_DIAMETERS)) if k != _REFERENCE]
    return {
        **{f"growth_{k + 1}": growth[:, k] for k in others},
        **{f"concentration_{k + 1}": concentration[:, k] for k in others},
    }


def _radii(fluxes: FloatArray, seeing: FloatArray) -> dict[str, FloatArray]:
    half = radius_of_part(_RADII, fluxes, fluxes[:, -1], 0.5)
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "half_light_radius": half,
            "radius_80": radius_of_part(_RADII, fluxes, fluxes[:, -1], 0.8),
            "half_light_excess": np.log(2 * half / seeing),
        }


def _moments(signal: FloatArray, centers: FloatArray, seeing: FloatArray) -> dict[str, FloatArray]:
    n = len(signal)
    wide = weighted_moments(signal, centers, np.full(n, 4.0))
    narrow = weighted_moments(signal, centers, np.full(n, 2.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        size = 0.5 * np.log(wide.size)
        return {
            "moment_size": size,
            "moment_size_narrow": 0.5 * np.log(narrow.size),
            "moment_excess": size - np.log(seeing),
            "ellipticity": wide.ellipticity,
            "kurtosis": wide.kurtosis,
            "asymmetry": asymmetry(signal, centers),
        }
