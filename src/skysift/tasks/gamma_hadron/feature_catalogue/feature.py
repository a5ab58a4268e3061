"""One feature, and the arithmetic that features share. Arrays have the shape (n,)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "SMALL",
    "Array",
    "Feature",
    "along",
    "disp",
    "finite_width",
    "log",
    "miss",
    "over",
    "same",
]

Array = NDArray[np.float32]

SMALL = np.float32(0.02)
"""Added to a ratio before its logarithm, so that values near zero do not run away."""


@dataclass(frozen=True, slots=True)
class Feature:
    """One number that a model may see.

    Parameters
    ----------
    name : str
        Name of the feature.
    formula : str
        How it is computed from the image parameters.
    reason : str
        Why it should tell gammas from hadrons.
    requires : tuple of str
        Canonical columns that it is computed from, in the order that `compute` takes them.
    compute : callable
        Maps columns, shape (n,) each, to the feature, shape (n,).
    """

    name: str
    formula: str
    reason: str
    requires: tuple[str, ...]
    compute: Callable[..., Array]

    @property
    def source_dependent(self) -> bool:
        """True if it needs to know where the source is."""
        return not {"alpha", "dist"}.isdisjoint(self.requires)


def same(values: Array) -> Array:
    """Return what was measured, unchanged."""
    return values


def log(values: Array) -> Array:
    """Return the decimal logarithm; what is zero or negative counts as 1e-6."""
    return np.asarray(np.log10(np.maximum(values, np.float32(1e-6))))


def finite_width(length: Array, width: Array) -> Array:
    """Return the width, never zero: some images are one pixel wide."""
    return np.asarray(width + np.float32(0.03) * length)


def over(above: Array, length: Array) -> Array:
    """Return the ratio; a length of zero counts as 1e-6."""
    return np.asarray(above / np.maximum(length, np.float32(1e-6)))


def miss(alpha: Array, dist: Array) -> Array:
    """Return the distance of the major axis from the source."""
    return np.asarray(dist * np.sin(np.radians(alpha)))


def along(alpha: Array, dist: Array) -> Array:
    """Return the distance of the source along the major axis."""
    return np.asarray(dist * np.cos(np.radians(alpha)))


def disp(length: Array, width: Array) -> Array:
    """Return 1.1 - width / length: about proportional to the distance of a gamma shower.

    An ellipse has a width below its length; where a table says otherwise, it is never zero.
    """
    return np.asarray(np.maximum(np.float32(1.1) - over(width, length), np.float32(0.1)))
