"""Neighbours on the sphere: unit vectors, whose distances a tree can search."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["chord_of", "unit_vectors"]


def unit_vectors(ra: ArrayLike, dec: ArrayLike) -> NDArray[np.float64]:
    """Return unit vectors, shape (n, 3), of right ascension and declination [deg]."""
    longitude, latitude = np.radians(np.asarray(ra)), np.radians(np.asarray(dec))
    across = np.cos(latitude)
    return np.stack(
        [across * np.cos(longitude), across * np.sin(longitude), np.sin(latitude)], axis=-1
    )


def chord_of(angle: float) -> float:
    """Return the distance of two unit vectors that are an angle [arcsec] apart.

    Examples
    --------
    >>> chord_of(180 * 3600.0)
    2.0
    """
    return float(2 * np.sin(np.radians(angle / 3600) / 2))
