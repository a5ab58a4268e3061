"""Bounds and upper limits of counts by the profile of a Poisson likelihood.

With n photons over an expected background b, the source's counts s have
``-2 ln L = 2 (s + b - n ln(s + b))`` (Cash 1979, ApJ 228, 939, eq. 6). Its rise above the minimum
by k^2 bounds s at k standard deviations; the two solutions are branches of Lambert's function.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import lambertw, ndtri

from skysift.core.errors import InputError
from skysift.evaluate.inputs import require_fraction

__all__ = ["count_bounds", "count_upper_limit", "equal_background"]

FloatArray = NDArray[np.float64]

_FEWEST = 0.01  # photons: with fewer the likelihood is that of none
_ROUNDING = 1e-9
_BELOW, _ABOVE = 0, -1  # branches


def equal_background(excess: ArrayLike, error: ArrayLike) -> FloatArray:
    """Return the background of the counting experiment that has an excess and its error.

    A fit by weights tells as much of the counts as counting them over a known background b with
    ``error^2 = excess + b``: the same best value and the same curvature there.

    Parameters
    ----------
    excess, error : array_like, shape (n,)

    Returns
    -------
    array, shape (n,)
        Not below 0, nor so low that the number of photons would be.
    """
    found, spread = (np.asarray(one, dtype=np.float64) for one in (excess, error))
    return np.maximum(spread**2 - found, np.maximum(-found, 0.0))


def count_bounds(
    excess: ArrayLike, background: ArrayLike, *, n_sigma: float = 1.0
) -> tuple[FloatArray, FloatArray]:
    """Return the bounds of a source's counts at some standard deviations.

    Parameters
    ----------
    excess : array_like, shape (n,)
        Photons less background; NaN gives NaN.
    background : array_like, shape (n,)
        Expected, known.
    n_sigma : float
        Above 0.

    Returns
    -------
    low, high : array, shape (n,)
        Not below 0.

    Raises
    ------
    InputError
        If a background is negative, or there are fewer than no photons.

    Examples
    --------
    >>> low, high = count_bounds(4.0, 0.0)
    >>> low.round(3).item(), high.round(3).item()
    (2.318, 6.346)
    """
    photons, behind = _photons(excess, background)
    low, high = (
        _solution(photons, photons, n_sigma**2 / 2, branch) - behind for branch in (_BELOW, _ABOVE)
    )
    return np.maximum(low, 0.0), np.maximum(high, 0.0)


def count_upper_limit(
    excess: ArrayLike, background: ArrayLike, *, confidence: float = 0.95
) -> FloatArray:
    """Return what the counts of a source are below with a confidence, one-sided.

    A best value below 0 is moved to 0 first, so that no deficit makes a limit negative.

    Parameters
    ----------
    excess, background : array_like, shape (n,)
        As for `count_bounds`.
    confidence : float
        Above 0.5 and below 1.

    Raises
    ------
    InputError
        As `count_bounds`, or for another confidence.

    Examples
    --------
    >>> count_upper_limit(0.0, 0.0).round(3).item()
    1.353
    """
    rise = ndtri(require_fraction("confidence", confidence)) ** 2 / 2
    photons, behind = _photons(excess, background)
    return _solution(photons, np.maximum(photons, behind), rise, _ABOVE) - behind


def _solution(photons: FloatArray, best: FloatArray, rise: float, branch: int) -> FloatArray:
    """Return the expectation whose -ln L is higher than that of `best` by `rise`."""
    some = np.maximum(photons, _FEWEST)
    height = (best + rise) / some - np.log(np.maximum(best, _FEWEST) / some)
    found = -some * np.real(lambertw(-np.exp(-height), branch))
    none = best + rise if branch == _ABOVE else np.zeros_like(best)
    return np.where(photons < _FEWEST, none, found)


def _photons(excess: ArrayLike, background: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return the number of photons and the background."""
    found = np.asarray(excess, dtype=np.float64)
    behind = np.asarray(background, dtype=np.float64)
    photons = found + behind
    if np.any(behind < 0) or np.any(photons < -_ROUNDING):
        raise InputError(
            "A background, or the photons of an excess with its background, are negative.",
            "Give the excess as photons less background.",
        )
    return np.maximum(photons, 0.0), behind
