"""Values that mean the same wherever on the disk and whenever they were measured."""

from dataclasses import replace
from itertools import pairwise
from math import ceil, sqrt

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import ContractError
from skysift.data.solar.flags import PixelMask
from skysift.data.solar.solar_image import ImageKind, SolarImage
from skysift.preprocess.solar.heliographic import mu_map

__all__ = ["centre_to_limb", "flatten_disk", "quiet_sun_ratio", "radial_field", "robust_scale"]

_LEAST_MU = 0.1
_DEGREE = 5
_RINGS = 50
_MOST_SAMPLES = 100_000
_FEWEST_IN_RING = 20
_CENTRAL_MU = 0.5  # the limb and what stands beyond it are left out of levels


def radial_field(image: SolarImage, *, least_mu: float = _LEAST_MU) -> SolarImage:
    """Return a line-of-sight magnetogram as if the field stood upright: divided by mu.

    Leka, Barnes & Wagner 2017 (Sol. Phys. 292, 36) tell how well that holds. Towards
    the limb the noise grows with the field.

    Parameters
    ----------
    image : SolarImage
        A magnetogram, of the disk or a map.
    least_mu : float
        Nearer the limb, values become NaN.

    Raises
    ------
    ContractError
        If it is no magnetogram.
    """
    if image.kind is not ImageKind.MAGNETOGRAM:
        raise ContractError(
            f"The image shows {image.kind.value}, not the magnetic field.",
            "Give a magnetogram.",
            path=image.source or None,
        )
    return _divided(image, mu_map(image), least_mu, image.unit)


def centre_to_limb(image: SolarImage) -> NDArray[np.float64]:
    """Return the polynomial of the median brightness in mu, highest power first, shape (6,).

    The form is that of Neckel & Labs 1994 (Sol. Phys. 153, 91). Medians of rings of equal area
    leave spots and active regions out; the rings are weighted alike.

    Parameters
    ----------
    image : SolarImage
        Of the disk.

    Raises
    ------
    ContractError
        If too little of the disk has a value.
    """
    step = ceil(sqrt(image.data.size / _MOST_SAMPLES))
    mu = mu_map(image)[::step, ::step]
    values = image.data[::step, ::step]
    good = (mu > _LEAST_MU) & np.isfinite(values)
    mu, values = mu[good], values[good]
    # Rings of equal area are intervals of mu^2 alike.
    ring = np.minimum((mu**2 * _RINGS).astype(np.uint8), _RINGS - 1)
    order = np.argsort(ring, kind="stable")
    bounds = np.searchsorted(ring[order], np.arange(_RINGS + 1))
    full = [order[start:end] for start, end in pairwise(bounds) if end - start >= _FEWEST_IN_RING]
    if len(full) <= 2 * _DEGREE:
        raise ContractError(
            "Too little of the disk has a value to fit its brightness from centre to limb.",
            "Give an image of the whole disk.",
            path=image.source or None,
        )
    middle = np.array([mu[part].mean() for part in full], dtype=np.float64)
    level = np.array([np.median(values[part]) for part in full], dtype=np.float64)
    return np.asarray(np.polyfit(middle, level, _DEGREE))


def flatten_disk(image: SolarImage, *, least_mu: float = _LEAST_MU) -> SolarImage:
    """Return the contrast to the quiet disk: limb darkening, or brightening, divided out.

    Parameters
    ----------
    image : SolarImage
        Of the disk, in intensity or EUV.
    least_mu : float
        Nearer the limb, values become NaN.

    Raises
    ------
    ContractError
        If it is a magnetogram, or too little of the disk has a value.
    """
    _require_brightness(image)
    coefficients = centre_to_limb(image)
    mu = mu_map(image)
    profile = np.full_like(mu, coefficients[0])
    for coefficient in coefficients[1:]:
        profile *= mu
        profile += np.float32(coefficient)
    profile[(profile <= 0) | (mu < least_mu)] = np.nan
    return _divided(image, profile, 0.0, "")


def quiet_sun_ratio(image: SolarImage) -> SolarImage:
    """Return brightness in units of the median of the disk, so that a loss of throughput cancels.

    AIA has lost more than half of its sensitivity in some channels (Barnes et al. 2020, JOSS 5,
    2801; Boerner et al. 2014, Sol. Phys. 289, 2377); a threshold in DN drifts with it. Only for
    values proportional to the light; see :func:`robust_scale` for pictures.

    Parameters
    ----------
    image : SolarImage
        Of the disk, in intensity or EUV.

    Raises
    ------
    ContractError
        If it is a magnetogram, or the disk is dark.
    """
    _require_brightness(image)
    level = float(np.median(_central(image)))
    if level <= 0:
        raise ContractError(
            "The median of the disk is not positive.",
            "Give an image whose dark level is subtracted.",
            path=image.source or None,
        )
    return replace(image, data=image.data / np.float32(level), unit="")


def robust_scale(image: SolarImage) -> SolarImage:
    """Return brightness less the median of the disk, in quartile ranges of the disk.

    Whatever offset and scale the maker of a picture chose drops out; a display curve does not.

    Parameters
    ----------
    image : SolarImage
        Of the disk.

    Raises
    ------
    ContractError
        If the disk has one value only.
    """
    low, middle, high = np.percentile(_central(image), (25, 50, 75))
    if high <= low:
        raise ContractError(
            "Half of the disk has the same value.", "Give another image.", path=image.source or None
        )
    scaled = (image.data - np.float32(middle)) / np.float32(high - low)
    return replace(image, data=scaled, unit="")


def _divided(
    image: SolarImage, divisor: NDArray[np.float32], least: float, unit: str
) -> SolarImage:
    """Divide; what is at the limb or beyond becomes NaN, and is masked as off the limb."""
    outside = ~(divisor >= least)
    data = image.data / divisor
    data[outside] = np.nan
    mask = np.where(outside & (image.mask == 0), np.uint8(int(PixelMask.OFF_LIMB)), image.mask)
    return replace(image, data=data, mask=mask.astype(np.uint8, copy=False), unit=unit)


def _require_brightness(image: SolarImage) -> None:
    if image.kind in {ImageKind.MAGNETOGRAM, ImageKind.SEGMENTATION}:
        raise ContractError(
            f"The image is a {image.kind.value}, which has no brightness.",
            "Give an intensity or EUV image.",
            path=image.source or None,
        )


def _central(image: SolarImage) -> NDArray[np.float32]:
    values = image.data[mu_map(image) > _CENTRAL_MU]
    values = values[np.isfinite(values)]
    if not len(values):
        raise ContractError(
            "No pixel of the inner disk has a value.",
            "Give an image of the disk.",
            path=image.source or None,
        )
    return values
