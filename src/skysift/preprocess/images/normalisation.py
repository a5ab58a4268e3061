"""Normalisations of cutouts, as scikit-learn transformers of stacks of pixels.

The first five are those of the star/galaxy classifier of Goumiri et al. 2021 (arXiv:2105.01106), in
the form of its public code. It took the extremes "of all images" over test images as well, a leak;
here they come from what was fitted, so that a brighter test image may leave the unit interval.

Each transformer takes a stack, shape (n, ny, nx) or flattened (n, n_pixels), NaN where a pixel is
not valid, and returns shape (n, n_pixels), finite.
"""

from enum import StrEnum
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from skysift.core.errors import InputError, UsageError
from skysift.preprocess.images.sky_level import sky_and_noise

__all__ = ["AsinhStretch", "Normalisation", "PixelNormaliser"]

FloatArray = NDArray[np.float64]

_FLAT, _STACK = 2, 3


class Normalisation(StrEnum):
    """The original's inputs; x are the pixels of an image, ``all`` those of all fitted images."""

    RAW = "raw"
    """x"""
    LOG_MINUS_MIN = "norm-1"
    """log10 x - min(log10 x)"""
    UNIT_RANGE = "norm-2"
    """(x - min x) / (max x - min x)"""
    COMMON_RANGE = "norm-3"
    """(x - min all) / (max all - min all)"""
    COMMON_MAXIMUM = "norm-4"
    """(x - min x) / max all"""
    LOG_COMMON_MAXIMUM = "norm-5"
    """(log10 x - min(log10 x)) / log10(max all)"""


class PixelNormaliser(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """One of the original's normalisations.

    Parameters
    ----------
    kind : Normalisation or str
        Which; see :class:`Normalisation` for the formulas.

    Attributes
    ----------
    minimum_, maximum_ : float
        Extremes of the valid pixels of the images that were fitted.

    Raises
    ------
    UsageError
        If the kind is not known.
    InputError
        If a stack has another shape than that which was fitted, or no valid pixel.

    Notes
    -----
    A pixel that is not valid takes the smallest valid value of its image, as does one that is not
    positive where a logarithm is taken (the original has neither).

    Examples
    --------
    >>> train, test = np.array([[[1.0, 10.0]], [[10.0, 100.0]]]), np.array([[[10.0, 1000.0]]])
    >>> PixelNormaliser("norm-1").fit(train).transform(test).tolist()
    [[0.0, 2.0]]
    >>> PixelNormaliser("norm-4").fit(train).transform(test).tolist()
    [[0.0, 9.9]]
    """

    def __init__(self, kind: str = Normalisation.UNIT_RANGE) -> None:
        self.kind = kind

    def fit(self, X: ArrayLike, y: Any = None) -> Self:  # noqa: N803, ARG002 - scikit-learn's names
        """Take the extremes of the training images."""
        if self.kind not in set(Normalisation):
            raise UsageError(
                f"There is no normalisation '{self.kind}'.", f"Known: {', '.join(Normalisation)}."
            )
        pixels = _flat(X)
        if not np.isfinite(pixels).any():
            raise InputError("The images have no valid pixel.", "Leave such images out.")
        self.minimum_ = float(np.nanmin(pixels))
        self.maximum_ = float(np.nanmax(pixels))
        self.n_features_in_ = pixels.shape[1]
        return self

    def transform(self, X: ArrayLike) -> FloatArray:  # noqa: N803 - scikit-learn's name
        """Return normalised pixels, shape (n, n_pixels)."""
        check_is_fitted(self)
        pixels = _flat(X)
        if pixels.shape[1] != self.n_features_in_:
            raise InputError(
                f"The images have {pixels.shape[1]} pixels, those of the training "
                f"{self.n_features_in_}.",
                "Cut or pad them to the same side.",
            )
        takes_log = self.kind in {
            Normalisation.LOG_MINUS_MIN,
            Normalisation.LOG_COMMON_MAXIMUM,
        }
        if takes_log:
            pixels = np.log10(np.where(pixels > 0, pixels, np.nan))
        low, high = _extremes(pixels)
        pixels = np.where(np.isfinite(pixels), pixels, low)
        match self.kind:
            case Normalisation.RAW:
                return pixels
            case Normalisation.LOG_MINUS_MIN:
                return pixels - low
            case Normalisation.UNIT_RANGE:
                return _divided(pixels - low, high - low)
            case Normalisation.COMMON_RANGE:
                return _divided(pixels - self.minimum_, self.maximum_ - self.minimum_)
            case Normalisation.COMMON_MAXIMUM:
                return _divided(pixels - low, self.maximum_)
            case _:
                return _divided(pixels - low, np.log10(max(self.maximum_, np.finfo(float).tiny)))


class AsinhStretch(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Subtract the sky, divide by its noise, and take the inverse hyperbolic sine.

    Lupton, Gunn & Szalay 1999, AJ 118, 1406: linear where noise rules and logarithmic where the
    object does. Each image is treated by itself; nothing is learned from the others.

    Parameters
    ----------
    softening : float
        Number of noise standard deviations at which the logarithm takes over.
    unit_flux : bool
        Divide by the largest value of the image after the stretch, which takes brightness away.

    Examples
    --------
    >>> stamp = np.full((1, 20, 20), 200.0) + np.arange(20) % 2
    >>> stamp[0, 10, 10] = 1200.0
    >>> bright = AsinhStretch().fit_transform(stamp).max()
    >>> fainter = AsinhStretch().fit_transform(np.where(stamp > 300, 700.0, stamp)).max()
    >>> bool(0.6 < bright - fainter < 0.8)  # about ln 2
    True
    """

    def __init__(self, softening: float = 1.0, *, unit_flux: bool = False) -> None:
        self.softening = softening
        self.unit_flux = unit_flux

    def fit(self, X: ArrayLike, y: Any = None) -> Self:  # noqa: N803, ARG002 - scikit-learn's names
        """Check the parameter; there is nothing to learn."""
        if not self.softening > 0:
            raise UsageError(f"softening = {self.softening}.", "Give a positive number.")
        self.n_features_in_ = _flat(X).shape[1]
        return self

    def transform(self, X: ArrayLike) -> FloatArray:  # noqa: N803 - scikit-learn's name
        """Return stretched pixels, shape (n, n_pixels); 0 is the sky."""
        check_is_fitted(self)
        flat = _flat(X)
        sky, noise = sky_and_noise(_square(X))
        signal = (flat - sky[:, np.newaxis]) / (noise * self.softening)[:, np.newaxis]
        stretched = np.arcsinh(np.where(np.isfinite(signal), signal, 0.0))
        if not self.unit_flux:
            return np.asarray(stretched)
        return _divided(stretched, np.maximum(stretched.max(axis=1, keepdims=True), 1.0))


def _flat(stack: ArrayLike) -> FloatArray:
    pixels = np.asarray(stack, dtype=np.float64)
    if pixels.ndim not in {_FLAT, _STACK}:
        raise InputError(
            f"The cutouts have shape {pixels.shape}.", "Give (n, ny, nx) or (n, n_pixels)."
        )
    flat = pixels.reshape(len(pixels), int(np.prod(pixels.shape[1:])))
    return np.where(np.isfinite(flat), flat, np.nan)


def _square(stack: ArrayLike) -> FloatArray:
    """Return a stack, shape (n, side, side), of one that may be flattened."""
    pixels = np.asarray(stack, dtype=np.float64)
    if pixels.ndim == _STACK:
        return pixels
    side = int(np.sqrt(pixels.shape[1]))
    if side * side != pixels.shape[1]:
        raise InputError(
            f"{pixels.shape[1]} pixels are no square.", "Give a stack, shape (n, ny, nx)."
        )
    return pixels.reshape(-1, side, side)


def _extremes(pixels: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the extremes of the valid pixels of each image, 0 of one that has none."""
    finite = np.isfinite(pixels)
    low = np.min(pixels, axis=1, where=finite, initial=np.inf, keepdims=True)
    high = np.max(pixels, axis=1, where=finite, initial=-np.inf, keepdims=True)
    return np.where(np.isfinite(low), low, 0.0), np.where(np.isfinite(high), high, 0.0)


def _divided(values: FloatArray, by: ArrayLike) -> FloatArray:
    """Divide, with 0 for an image of one value."""
    divisor = np.broadcast_to(np.asarray(by, dtype=np.float64), values.shape)
    return np.divide(values, divisor, out=np.zeros_like(values), where=divisor != 0)
