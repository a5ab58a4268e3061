"""Significance of an excess around every pixel of a map."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft2, next_fast_len, rfft2

from skysift.core.errors import InputError, UsageError
from skysift.data.sky.counts_map import CountsMap
from skysift.evaluate.aperture.acceptance import RadialAcceptance
from skysift.evaluate.aperture.exclusion import Exclusion
from skysift.evaluate.counts import li_ma_significance
from skysift.evaluate.inputs import BoolArray, FloatArray

__all__ = ["SignificanceMap", "significance_map"]

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class SignificanceMap:
    """On/off counts around every pixel.

    Parameters
    ----------
    n_on, n_off : array, shape (n_y, n_x)
        Counts in the circle and in the ring about each pixel.
    alpha : array, shape (n_y, n_x)
        Acceptance of the circle over that of the ring; NaN where either is zero.
    significance : array, shape (n_y, n_x)
        Li & Ma (1983), eq. 17; NaN where alpha is.
    """

    n_on: FloatArray
    n_off: FloatArray
    alpha: FloatArray
    significance: FloatArray

    @property
    def excess(self) -> FloatArray:
        """Counts above the background, shape (n_y, n_x)."""
        return self.n_on - self.alpha * self.n_off


def significance_map(
    counts: CountsMap,
    radius: float,
    ring: tuple[float, float],
    *,
    acceptance: FloatArray | None = None,
    exclusion: Exclusion | None = None,
    bands: slice | None = None,
) -> SignificanceMap:
    """Return the significance of the excess in a circle over a ring, about every pixel.

    Parameters
    ----------
    counts : CountsMap
        Raw counts.
    radius : float [deg]
        Of the circle; a pixel belongs to it if its centre does.
    ring : tuple of float [deg]
        Inner and outer radius of the ring.
    acceptance : array, shape (n_y, n_x), optional
        Relative density of the background; measured on the map if left out.
    exclusion : Exclusion, optional
        Parts of the map that do not serve as background.
    bands : slice, optional
        Energy bands to add up; all if left out.

    Raises
    ------
    UsageError
        If the radii are not in the order radius, inner, outer.
    InputError
        If the acceptance does not fit the map.

    Notes
    -----
    Distances are those on the tangent plane, as in gammapy's RingBackgroundMaker followed by its
    ExcessMapEstimator without correlation of the off counts, with which this agrees. The sums are
    made by Fourier transform and rounded to the whole numbers that they are.
    """
    if not 0 < radius <= ring[0] < ring[1]:
        raise UsageError(
            f"A ring of {ring} deg does not surround a circle of {radius} deg.",
            "Give radius <= inner < outer.",
        )
    grid = counts.grid
    image = counts.counts[bands if bands is not None else slice(None)].sum(axis=0, dtype=np.float64)
    if acceptance is None:
        acceptance = RadialAcceptance.of_counts(counts, exclusion).on_grid(grid)
    if acceptance.shape != grid.shape:
        raise InputError(
            f"An acceptance of shape {acceptance.shape} does not fit a map of {grid.shape}.",
            "Give one value for each pixel.",
        )
    allowed = None if exclusion is None else exclusion.allowed_pixels(grid)
    radii = (radius / grid.pixel_size, ring[0] / grid.pixel_size, ring[1] / grid.pixel_size)
    n_on, n_off = (np.rint(part) for part in _sums(image, allowed, radii))
    within, around = _sums(acceptance, allowed, radii)
    # What the transform leaves of an empty ring is rounding, not acceptance.
    floor = _ROUNDING * float(acceptance.max()) * np.pi * radii[2] ** 2
    known = (within > floor) & (around > floor)
    alpha = np.where(known, within / np.where(known, around, 1.0), np.nan)
    significance = np.full(grid.shape, np.nan)
    significance[known] = li_ma_significance(n_on[known], n_off[known], alpha[known])
    return SignificanceMap(n_on, n_off, alpha, significance)


def _sums(
    image: FloatArray, allowed: BoolArray | None, radii: tuple[float, float, float]
) -> tuple[FloatArray, FloatArray]:
    """Return the sums over the circle and over the allowed part of the ring about each pixel."""
    reach = int(np.ceil(radii[2]))
    padded = tuple(next_fast_len(n + 2 * reach, real=True) for n in image.shape)
    circle, ring = _kernels(radii, padded)
    whole = rfft2(image, padded)
    part = whole if allowed is None else rfft2(np.where(allowed, image, 0.0), padded)
    n_y, n_x = image.shape
    inside, around = (
        irfft2(spectrum * kernel, padded)[:n_y, :n_x]
        for spectrum, kernel in ((whole, circle), (part, ring))
    )
    return np.maximum(inside, 0.0), np.maximum(around, 0.0)


@lru_cache(maxsize=16)
def _kernels(
    radii: tuple[float, float, float], padded: tuple[int, int]
) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """Return the transforms of circle and ring, centred on the first pixel."""
    y, x = (np.minimum(np.arange(n), n - np.arange(n)) for n in padded)
    distance = np.hypot(y[:, None], x[None, :])
    circle = distance <= radii[0] + _ROUNDING
    ring = (distance >= radii[1] - _ROUNDING) & (distance <= radii[2] + _ROUNDING)
    return rfft2(circle.astype(np.float64)), rfft2(ring.astype(np.float64))
