"""Cutouts brought to the same seeing: a star looks the same, whatever the night."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import InputError, UsageError
from skysift.data.images.image_set import ImageSet
from skysift.preprocess.images.moments import brightest_near
from skysift.preprocess.images.sky_level import sky_and_noise

__all__ = ["SeeingMatcher", "keys_kernel"]

FloatArray = NDArray[np.float64]

_A = -0.5  # of the cubic kernel: third-order accurate
_SUPPORT = 2
_CENTROID_ROUNDS = 4
_CENTROID_FWHM = 3.0


class SeeingMatcher:
    """Resample cutouts to a pixel that is a fixed part of the PSF, with the target in the middle.

    By cubic convolution (Keys 1981, IEEE Trans. ASSP 29, 1153, eq. 15 with a = -1/2). Sky is
    subtracted first and the flux per area kept, divided by the noise of the sky.

    Parameters
    ----------
    side : int
        Side of the result [pixel].
    pixels_per_fwhm : float
        Scale of the result: pixels across the full width at half maximum of the PSF.
    default_seeing : float, optional
        FWHM to take where the exposure has none [pixel]; without it such cutouts are all NaN.

    Examples
    --------
    >>> matcher = SeeingMatcher(side=15, pixels_per_fwhm=2.0, default_seeing=1.8)
    >>> stack = np.random.default_rng(2).normal(200, 5, (3, 20, 20))
    >>> matcher.transform(ImageSet.from_pixels(stack)).shape
    (3, 225)
    """

    def __init__(
        self,
        *,
        side: int = 15,
        pixels_per_fwhm: float = 2.0,
        default_seeing: float | None = None,
    ) -> None:
        if side < 1 or not pixels_per_fwhm > 0:
            raise UsageError(
                f"side = {side}, pixels_per_fwhm = {pixels_per_fwhm}.", "Both are positive."
            )
        self.side = side
        self.pixels_per_fwhm = pixels_per_fwhm
        self.default_seeing = default_seeing

    def transform(self, images: ImageSet) -> FloatArray:
        """Return resampled pixels in units of the noise, shape (n, side * side).

        Raises
        ------
        InputError
            If there is no cutout.
        """
        if not len(images):
            raise InputError("There is no cutout.", "Give one or more.")
        seeing = np.array(images.facts["seeing"], dtype=np.float64)
        if self.default_seeing is not None:
            seeing = np.where(seeing > 0, seeing, self.default_seeing)
        sky, noise = sky_and_noise(images.pixels, images.centers)
        with np.errstate(invalid="ignore"):
            signal = images.pixels.astype(np.float64) - sky[:, np.newaxis, np.newaxis]
        signal = np.where(images.valid, signal, 0.0) / noise[:, np.newaxis, np.newaxis]
        centers = _centroids(signal, brightest_near(signal, images.centers))
        step = np.where(seeing > 0, seeing / self.pixels_per_fwhm, np.nan)
        ny, nx = signal.shape[1:]
        along_y = self._weights(centers[:, 0], step, ny)
        along_x = self._weights(centers[:, 1], step, nx)
        return (along_y @ signal @ along_x.transpose(0, 2, 1)).reshape(len(images), -1)

    def _weights(self, center: FloatArray, step: FloatArray, length: int) -> FloatArray:
        """Return the weight of each pixel along one axis, shape (n, side, length)."""
        offsets = np.arange(self.side) - (self.side - 1) / 2
        places = center[:, np.newaxis] + step[:, np.newaxis] * offsets
        distance = np.abs(places[:, :, np.newaxis] - np.arange(length))
        return keys_kernel(distance)


def keys_kernel(distance: FloatArray) -> FloatArray:
    """Return Keys' cubic kernel at distances in pixels, NaN where the distance is."""
    d = distance
    near = ((_A + 2) * d - (_A + 3)) * d * d + 1
    far = _A * (((d - 5) * d + 8) * d - 4)
    values = np.where(d < 1, near, np.where(d < _SUPPORT, far, 0.0))
    return np.asarray(np.where(np.isnan(d), np.nan, values))


def _centroids(signal: FloatArray, first: FloatArray) -> FloatArray:
    """Return centroids under a Gaussian that moves with them, shape (n, 2)."""
    _, ny, nx = signal.shape
    centers = first.copy()
    exponent = -4 * np.log(2) / _CENTROID_FWHM**2
    for _ in range(_CENTROID_ROUNDS):
        dy, dx = np.arange(ny) - centers[:, :1], np.arange(nx) - centers[:, 1:]
        weight_y, weight_x = np.exp(exponent * dy**2), np.exp(exponent * dx**2)
        total = _sums(signal, weight_y, weight_x)
        moved: Any = np.stack(
            [_sums(signal, dy * weight_y, weight_x), _sums(signal, weight_y, dx * weight_x)], axis=1
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            shift = 2 * moved / total[:, np.newaxis]  # a Gaussian weight halves the shift
        centers += np.where(np.isfinite(shift) & (total[:, np.newaxis] > 0), shift, 0.0).clip(-1, 1)
        centers = np.clip(centers, first - 2, first + 2)
    return centers


def _sums(signal: FloatArray, weight_y: FloatArray, weight_x: FloatArray) -> FloatArray:
    return np.asarray(np.einsum("nyx,ny,nx->n", signal, weight_y, weight_x, optimize=True))
