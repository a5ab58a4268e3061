"""Weighted moments, asymmetry and centres of many cutouts at once."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Moments", "asymmetry", "brightest_near", "weighted_moments"]

FloatArray = NDArray[np.float64]

_SIGMA_OF_FWHM = 1 / (2 * np.sqrt(2 * np.log(2)))


@dataclass(frozen=True, slots=True)
class Moments:
    """Moments under a round Gaussian weight, shape (n,) each.

    Parameters
    ----------
    size : array
        ``Ixx + Iyy``, the mean squared radius [pixel^2].
    ellipticity : array
        ``sqrt((Ixx - Iyy)^2 + 4 Ixy^2) / (Ixx + Iyy)``, 0 for a round image.
    kurtosis : array
        Mean fourth power of the radius over the square of the mean second power, 2 for a Gaussian.
    offset : array
        Distance of the weighted centre from the centre of the weight [pixel].
    """

    size: FloatArray
    ellipticity: FloatArray
    kurtosis: FloatArray
    offset: FloatArray


def weighted_moments(signal: FloatArray, centers: FloatArray, fwhm: FloatArray) -> Moments:
    """Return moments about given centres (Kaiser, Squires & Broadhurst 1995, ApJ 449, 460).

    Parameters
    ----------
    signal : array, shape (n, ny, nx)
        Pixels minus sky, finite.
    centers : array, shape (n, 2)
        Targets, y and x [pixel].
    fwhm : array, shape (n,)
        Full width at half maximum of the Gaussian weight [pixel].
    """
    _, ny, nx = signal.shape
    dy = np.arange(ny) - centers[:, :1]
    dx = np.arange(nx) - centers[:, 1:]
    exponent = -0.5 / np.square(fwhm[:, np.newaxis] * _SIGMA_OF_FWHM)
    # The weight is a product over the axes, and so is each monomial: sums are matrix products.
    along_y = np.stack([dy**k * np.exp(exponent * dy**2) for k in range(5)], axis=1)
    along_x = np.stack([dx**k * np.exp(exponent * dx**2) for k in range(5)], axis=1)
    sums = along_y @ signal @ along_x.transpose(0, 2, 1)
    total = np.where(sums[:, 0, 0] > 0, sums[:, 0, 0], np.nan)
    y, x = sums[:, 1, 0] / total, sums[:, 0, 1] / total
    yy, xx, xy = sums[:, 2, 0] / total, sums[:, 0, 2] / total, sums[:, 1, 1] / total
    fourth = (sums[:, 4, 0] + 2 * sums[:, 2, 2] + sums[:, 0, 4]) / total
    size = xx + yy
    with np.errstate(divide="ignore", invalid="ignore"):
        return Moments(
            size=size,
            ellipticity=np.sqrt((xx - yy) ** 2 + 4 * xy**2) / np.abs(size),
            kurtosis=fourth / size**2,
            offset=np.hypot(y, x),
        )


def asymmetry(signal: FloatArray, centers: FloatArray, *, half: int = 5) -> FloatArray:
    """Return the rotational asymmetry ``sum |I - I_180| / sum |I|``, shape (n,).

    Conselice 2003, ApJS 147, 1, equation 1, without the term of the sky. The centre of the
    rotation is rounded to half pixels, so that no value is interpolated.

    Parameters
    ----------
    signal : array, shape (n, ny, nx)
        Pixels minus sky, finite.
    centers : array, shape (n, 2)
        Targets, y and x [pixel].
    half : int
        Half side of the window [pixel].
    """
    n = len(signal)
    twice = np.rint(2 * centers).astype(np.int64)
    offsets = np.arange(-half, half + 1)
    rows, columns = twice[:, :1] // 2 + offsets, twice[:, 1:] // 2 + offsets
    one = _gathered(signal, rows, columns)
    other = _gathered(signal, twice[:, :1] - rows, twice[:, 1:] - columns)
    difference = np.abs(one - other).reshape(n, -1).sum(axis=1)
    total = np.abs(one).reshape(n, -1).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(difference / total)


def brightest_near(signal: FloatArray, expected: FloatArray, *, radius: float = 3.5) -> FloatArray:
    """Return the brightest place near where the target should be, shape (n, 2) [pixel].

    The image is smoothed with a plus of five pixels first, so that one hot pixel does not win.
    """
    _, ny, nx = signal.shape
    padded = np.pad(signal, ((0, 0), (1, 1), (1, 1)))
    smooth = signal + 0.5 * (
        padded[:, :-2, 1:-1] + padded[:, 2:, 1:-1] + padded[:, 1:-1, :-2] + padded[:, 1:-1, 2:]
    )
    dy = np.arange(ny) - expected[:, :1]
    dx = np.arange(nx) - expected[:, 1:]
    far = dy[:, :, np.newaxis] ** 2 + dx[:, np.newaxis, :] ** 2 > radius**2
    place = np.where(far, -np.inf, smooth).reshape(len(signal), -1).argmax(axis=1)
    return np.stack([place // nx, place % nx], axis=1).astype(np.float64)


def _gathered(
    signal: FloatArray, rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> FloatArray:
    """Return a window of each image, 0 outside."""
    n, ny, nx = signal.shape
    inside_y, inside_x = (rows >= 0) & (rows < ny), (columns >= 0) & (columns < nx)
    values = signal[
        np.arange(n)[:, np.newaxis, np.newaxis],
        np.clip(rows, 0, ny - 1)[:, :, np.newaxis],
        np.clip(columns, 0, nx - 1)[:, np.newaxis, :],
    ]
    return np.where(inside_y[:, :, np.newaxis] & inside_x[:, np.newaxis, :], values, 0.0)
