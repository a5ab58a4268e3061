"""Moffat profiles fitted to many cutouts at once.

    I(x, y) = A (1 + r^2 / a^2)^-beta + B,    FWHM = 2 a sqrt(2^(1/beta) - 1)

Moffat 1969, A&A 3, 455. The exponent is fixed, so that the width is well determined at any
signal-to-noise ratio; how well the profile fits is a feature of its own. Levenberg (1944) and
Marquardt (1963) steps are taken for all cutouts together, or where numba is installed in a compiled
loop over them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skysift.core.compiler import has_compiler

__all__ = ["BETA", "MoffatFit", "fit_moffat"]

FloatArray = NDArray[np.float64]

BETA = 2.5
"""Exponent: 2.5 describes seeing-limited stars without their far wings; it makes powers roots."""

_HALF = 5  # of the window that is fitted [pixel]
_STEPS = 10
_WIDTH_RANGE = (0.5, 6.0)  # of a [pixel]; nothing is sharper than a pixel
_FREE = 5
_FWHM_OVER_A = 2 * np.sqrt(2 ** (1 / BETA) - 1)
_FURTHEST = 3.0  # from the first guess [pixel]
_FIRST_DAMPING = 1e-2


@dataclass(frozen=True, slots=True)
class MoffatFit:
    """Fitted profiles, shape (n,) each.

    Parameters
    ----------
    amplitude : array
        A, in the unit of the pixels.
    background : array
        B, left after the sky was subtracted.
    y, x : array
        Centre [pixel].
    fwhm : array
        Full width at half maximum [pixel].
    residual : array
        Root of the mean squared residual, in units of the noise.
    width_error : array
        Standard deviation of the logarithm of the width, from the noise of the sky.
    """

    amplitude: FloatArray
    background: FloatArray
    y: FloatArray
    x: FloatArray
    fwhm: FloatArray
    residual: FloatArray
    width_error: FloatArray


def fit_moffat(
    signal: FloatArray, valid: NDArray[np.bool_], centers: FloatArray, noise: FloatArray
) -> MoffatFit:
    """Fit the profile in a window of 11 x 11 pixels about each target.

    Parameters
    ----------
    signal : array, shape (n, ny, nx)
        Pixels minus sky, finite.
    valid : array of bool, shape (n, ny, nx)
        Pixels that count.
    centers : array, shape (n, 2)
        First guess of the centres, y and x [pixel].
    noise : array, shape (n,)
        Standard deviation of a pixel.
    """
    values, weights, y, x = _window(signal, valid, centers)
    scale = np.maximum(np.abs(values).max(axis=1), 1e-30)
    values = values / scale[:, np.newaxis]
    theta = _first_guess(values, weights, y, x)
    descend = _descend_compiled if has_compiler() else _descend
    theta, cost, normal = descend(theta, values, weights, y, x)
    free = np.maximum(weights.sum(axis=1) - _FREE, 1.0)
    nearest = np.rint(centers)
    return MoffatFit(
        amplitude=theta[:, 0] * scale,
        background=theta[:, 1] * scale,
        y=theta[:, 2] + nearest[:, 0],
        x=theta[:, 3] + nearest[:, 1],
        fwhm=np.exp(theta[:, 4]) * _FWHM_OVER_A,
        residual=np.sqrt(cost / free) * scale / noise,
        width_error=_width_error(normal) * noise / scale,
    )


def _descend(
    theta: FloatArray, values: FloatArray, weights: FloatArray, y: FloatArray, x: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return parameters, sums of squared residuals and products of the derivatives."""
    damping = np.full(len(theta), _FIRST_DAMPING)
    residual, jacobian = _linearised(theta, values, weights, y, x)
    cost = np.einsum("np,np->n", residual, residual)
    for _ in range(_STEPS):
        tried = _clipped(theta + _step(residual, jacobian, damping))
        new_residual, new_jacobian = _linearised(tried, values, weights, y, x)
        new_cost = np.einsum("np,np->n", new_residual, new_residual)
        better = new_cost < cost
        damping = np.where(better, damping * 0.2, damping * 8.0)
        theta = np.where(better[:, np.newaxis], tried, theta)
        cost = np.where(better, new_cost, cost)
        residual = np.where(better[:, np.newaxis], new_residual, residual)
        jacobian = np.where(better[:, np.newaxis, np.newaxis], new_jacobian, jacobian)
    return theta, cost, jacobian @ jacobian.transpose(0, 2, 1)


def _descend_compiled(
    theta: FloatArray, values: FloatArray, weights: FloatArray, y: FloatArray, x: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the same, one cutout after the other."""
    from skysift.preprocess.images.moffat_compiled import descend  # noqa: PLC0415 - imports numba

    cost, normal = np.empty(len(theta)), np.empty((len(theta), _FREE, _FREE))
    limits = np.array([_FURTHEST, *np.log(_WIDTH_RANGE), _FIRST_DAMPING])
    descend(theta, values, weights, y, x, _STEPS, limits, cost, normal)
    return theta, cost, normal


def _window(
    signal: FloatArray, valid: NDArray[np.bool_], centers: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return values and weights, shape (n, n_window), with their coordinates, shape (n_window,)."""
    n, ny, nx = signal.shape
    offsets = np.arange(-_HALF, _HALF + 1)
    nearest = np.rint(centers).astype(np.int64)
    rows = (nearest[:, :1] + offsets)[:, :, np.newaxis]
    columns = (nearest[:, 1:] + offsets)[:, np.newaxis, :]
    inside = (rows >= 0) & (rows < ny) & (columns >= 0) & (columns < nx)
    where = (
        np.arange(n)[:, np.newaxis, np.newaxis],
        np.clip(rows, 0, ny - 1),
        np.clip(columns, 0, nx - 1),
    )
    weights = (inside & valid[where]).astype(np.float64).reshape(n, len(offsets) ** 2)
    y, x = (
        axis.ravel().astype(np.float64) for axis in np.meshgrid(offsets, offsets, indexing="ij")
    )
    return signal[where].reshape(weights.shape) * weights, weights, y, x


def _first_guess(
    values: FloatArray, weights: FloatArray, y: FloatArray, x: FloatArray
) -> FloatArray:
    near = (np.abs(y) <= 2) & (np.abs(x) <= 2)  # noqa: PLR2004 - 5 x 5 pixels
    peak = np.maximum((values * near).max(axis=1), 1e-3)
    flux = np.maximum((values * near).sum(axis=1), 1e-3)
    # The flux of the profile is pi a^2 A / (beta - 1).
    width = np.clip(np.sqrt(flux * (BETA - 1) / (np.pi * peak)), 0.6, 3.0)
    theta = np.zeros((len(values), _FREE))
    theta[:, 0] = peak * 1.2
    theta[:, 4] = np.log(width)
    positive = np.maximum(values, 0) * weights * near
    total = np.maximum(positive.sum(axis=1), 1e-30)
    theta[:, 2], theta[:, 3] = positive @ y / total, positive @ x / total
    return theta


def _linearised(
    theta: FloatArray, values: FloatArray, weights: FloatArray, y: FloatArray, x: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return residuals, shape (n, m), and derivatives of the model, shape (n, 5, m)."""
    amplitude, background = theta[:, :1], theta[:, 1:2]
    dy, dx = y - theta[:, 2:3], x - theta[:, 3:4]
    inverse = np.exp(-2 * theta[:, 4:5])  # 1 / a^2
    squared = (dy * dy + dx * dx) * inverse
    base = 1 / (1 + squared)
    profile = base * base * np.sqrt(base) * weights  # the power -2.5
    slope = (2 * BETA) * amplitude * profile * base
    jacobian = np.empty((len(theta), _FREE, len(y)))
    jacobian[:, 0] = profile
    jacobian[:, 1] = weights
    jacobian[:, 2] = slope * dy * inverse
    jacobian[:, 3] = slope * dx * inverse
    jacobian[:, 4] = slope * squared
    return values - amplitude * profile - background * weights, jacobian


def _step(residual: FloatArray, jacobian: FloatArray, damping: FloatArray) -> FloatArray:
    normal = jacobian @ jacobian.transpose(0, 2, 1)
    gradient = (jacobian @ residual[:, :, np.newaxis])[:, :, 0]
    diagonal = np.einsum("nii->ni", normal)
    diagonal *= 1 + damping[:, np.newaxis]
    diagonal += 1e-12
    return np.asarray(np.linalg.solve(normal, gradient[:, :, np.newaxis])[:, :, 0])


def _width_error(normal: FloatArray) -> FloatArray:
    """Return the standard deviation of ln a for pixels of unit noise."""
    np.einsum("nii->ni", normal)[:] += 1e-12
    return np.asarray(np.sqrt(np.linalg.inv(normal)[:, -1, -1]))


def _clipped(theta: FloatArray) -> FloatArray:
    theta[:, 2:4] = np.clip(theta[:, 2:4], -_FURTHEST, _FURTHEST)
    theta[:, 4] = np.clip(theta[:, 4], *np.log(_WIDTH_RANGE))
    return theta
