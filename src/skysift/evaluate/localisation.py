"""How well sources are found: position errors, their stated ellipses, and the bound on both.

The bound is that of Cramer and Rao: no unbiased method whatever is better [1]_. For a point source
of s counts with image p(r) on a flat background of density b, summed over energy bands, the
information on a coordinate of its position is

    I = pi sum_k integral (s_k p_k'(r))^2 / (s_k p_k(r) + b_k) r dr

and the smallest standard deviation is I^(-1/2). Position and counts do not share information
there, by symmetry, so that it does not matter whether the counts are known.

References
----------
.. [1] Cramer 1946, Mathematical Methods of Statistics, chapter 32; Mendez et al. 2013, PASP 125,
   580, for positions on a background.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import bdtrik, chdtri

from skysift.core.errors import InputError
from skysift.evaluate.ellipse import ellipse_scale
from skysift.evaluate.inputs import FloatArray, require_fraction
from skysift.evaluate.intervals import (
    Interval,
    mean_interval,
    normal_interval,
    wilson_interval,
)
from skysift.preprocess.folding import PointSourceModel

__all__ = [
    "PullSummary",
    "cramer_rao_bound",
    "detection_efficiency",
    "ellipse_containment",
    "error_quantile",
    "mahalanobis_squared",
    "poisson_interval",
    "poisson_rate",
    "quantile_of_bounds",
    "summarise_pulls",
    "threshold_for",
]

_TINY = 1e-300


@dataclass(frozen=True, slots=True)
class PullSummary:
    """Differences from the truth in units of the stated error.

    Parameters
    ----------
    mean : Interval
        0 for an unbiased method.
    width : Interval
        Standard deviation: 1 where the stated errors are right.
    n : int
        Number of pulls.
    """

    mean: Interval
    width: Interval
    n: int


def cramer_rao_bound(
    source: PointSourceModel, offset: float, exposure: float, background: ArrayLike
) -> float:
    """Return the smallest standard deviation of a coordinate of a source's position.

    Parameters
    ----------
    source : PointSourceModel
        Rates and images of a source of unit flux.
    offset : float [deg]
        Of the source from the pointing.
    exposure : float [s]
        Live time times flux, in units of that of the model.
    background : array_like, shape (n_bands,) [deg-2]
        Density of the background counts at the source.

    Returns
    -------
    float [deg]
        Infinite where the data tell nothing of the position.

    Raises
    ------
    InputError
        If the bands differ, or a background is negative.
    """
    level = np.asarray(background, dtype=np.float64)
    if level.shape != source.rate.shape[1:] or np.any(level < 0):
        raise InputError(
            f"Background densities of shape {level.shape} do not fit {source.rate.shape[1]} bands.",
            "Give one that is not negative for each band of the source.",
        )
    image = (source.rate_at(offset) * exposure)[:, None] * source.density_at(offset)
    slope = np.gradient(image, source.radii, axis=1)
    integrand = np.divide(
        slope**2, image + level[:, None], out=np.zeros_like(image), where=slope**2 > _TINY
    )
    information = np.pi * np.trapezoid(integrand * source.radii, source.radii, axis=1).sum()
    return float(1 / np.sqrt(information)) if information > 0 else np.inf


def quantile_of_bounds(sigma: ArrayLike, fraction: float = 0.68) -> float:
    """Return the radius that holds a fraction of errors, each round with its own deviation.

    Parameters
    ----------
    sigma : array_like, shape (n,) [deg]
        Standard deviation of a coordinate, > 0 and finite, e.g. the bound of each simulated map.
    fraction : float
        Between 0 and 1.

    Returns
    -------
    float [deg]
        What :func:`error_quantile` tends to where every error is at its bound.

    Examples
    --------
    >>> round(quantile_of_bounds([0.01, 0.01], 0.68), 5)
    0.0151
    """
    spread = np.asarray(sigma, dtype=np.float64)
    if len(spread) == 0 or not np.all((spread > 0) & np.isfinite(spread)):
        raise InputError("A bound is missing or not positive.", "Give one for each source.")
    scale = ellipse_scale(fraction)

    def excess(radius: float) -> float:
        return float(np.mean(-np.expm1(-(radius**2) / (2 * spread**2)))) - fraction

    low, high = scale * float(spread.min()), scale * float(spread.max())
    return low if high - low < 1e-12 * high else float(brentq(excess, low * 0.999, high * 1.001))


def error_quantile(
    errors: ArrayLike, fraction: float = 0.68, *, confidence: float = 0.95
) -> Interval:
    """Return the radius that holds a fraction of position errors, with its interval.

    Parameters
    ----------
    errors : array_like, shape (n,) [deg]
        Angles between true and measured positions.
    fraction : float
        Between 0 and 1.
    confidence : float
        Of the interval.

    Returns
    -------
    Interval
        Its limits are order statistics whose ranks follow from the binomial law: exact whatever
        the distribution of the errors. All NaN where there is no error.
    """
    values = np.sort(np.asarray(errors, dtype=np.float64))
    share, n = require_fraction("fraction", fraction), len(values)
    if n == 0:
        return Interval(np.nan, np.nan, np.nan, confidence, "binomial")
    tail = (1 - require_fraction("confidence", confidence)) / 2
    below = np.floor(bdtrik(tail, n, share))
    above = np.ceil(bdtrik(1 - tail, n, share)) + 1
    ranks = np.clip(np.nan_to_num([below, above]), 0, n - 1).astype(int)
    value = float(np.quantile(values, share))
    low, high = values[ranks]
    return Interval(value, min(float(low), value), max(float(high), value), confidence, "binomial")


def mahalanobis_squared(displacement: ArrayLike, covariance: ArrayLike) -> FloatArray:
    """Return squared distances from the truth in units of the stated ellipses.

    Parameters
    ----------
    displacement : array_like, shape (n, 2) [deg]
        Measured less true position, on the plane of the covariance.
    covariance : array_like, shape (n, 2, 2) [deg2]

    Returns
    -------
    array, shape (n,)
        Chi-squared with two degrees of freedom where the ellipses are right; NaN where a
        covariance is not finite or not positive.
    """
    given = np.asarray(covariance, dtype=np.float64).reshape(-1, 2, 2)
    away = np.asarray(displacement, dtype=np.float64).reshape(-1, 2)
    a, b, c = given[:, 0, 0], (given[:, 0, 1] + given[:, 1, 0]) / 2, given[:, 1, 1]
    determinant = a * c - b**2
    possible = np.isfinite(determinant) & (determinant > 0) & (a > 0)
    x, y = away.T
    square = np.full(len(away), np.nan)
    np.divide(c * x**2 - 2 * b * x * y + a * y**2, determinant, out=square, where=possible)
    return square


def ellipse_containment(
    squared: ArrayLike, stated: float, *, confidence: float = 0.95
) -> tuple[Interval, int]:
    """Return the share of true positions within the ellipse of a stated probability.

    Parameters
    ----------
    squared : array_like, shape (n,)
        From :func:`mahalanobis_squared`; NaN are left out.
    stated : float
        Probability that the ellipse claims, e.g. 0.68.
    confidence : float
        Of the interval (Wilson's).

    Returns
    -------
    containment : Interval
    n : int
        Number of ellipses.
    """
    known = np.asarray(squared, dtype=np.float64)
    known = known[np.isfinite(known)]
    inside = int(np.sum(known <= ellipse_scale(stated) ** 2))
    return wilson_interval(inside, len(known), confidence=confidence), len(known)


def threshold_for(
    empty: ArrayLike, false_alarms: float = 0.01, *, confidence: float = 0.95
) -> Interval:
    """Return the level that a share of empty fields exceeds.

    Parameters
    ----------
    empty : array_like, shape (n,)
        The largest statistic on each field without sources, minus infinity where there is none.
    false_alarms : float
        Share of the fields.
    confidence : float
        Of the interval, of order statistics.

    Raises
    ------
    InputError
        If there are fewer fields than one false alarm needs.
    """
    values = np.asarray(empty, dtype=np.float64)
    if len(values) * false_alarms < 1:
        raise InputError(
            f"{len(values)} empty fields do not show a level that {false_alarms:g} of them exceed.",
            f"Give {int(np.ceil(1 / false_alarms))} at least.",
        )
    answered = values[np.isfinite(values)]
    # A method that is silent on all of them needs no level: any significance is above 0.
    lowest = answered.min() if len(answered) else 0.0
    finite = np.where(np.isfinite(values), values, lowest)
    return error_quantile(finite, 1 - false_alarms, confidence=confidence)


def detection_efficiency(
    statistics: ArrayLike, threshold: Interval, *, confidence: float = 0.95
) -> Interval:
    """Return the share of sources above a threshold that was found on empty fields.

    Parameters
    ----------
    statistics : array_like, shape (n,)
        Of the candidate that is the source; minus infinity or NaN where it was not found.
    threshold : Interval
        From :func:`threshold_for`, of the same confidence.
    confidence : float
        Of the interval.

    Returns
    -------
    Interval
        Its limits hold the uncertainty of the threshold too, in quadrature with Wilson's.
    """
    values = np.nan_to_num(np.asarray(statistics, dtype=np.float64), nan=-np.inf)
    above = wilson_interval(
        int(np.sum(values > threshold.value)), len(values), confidence=confidence
    )
    strict, loose = (float(np.mean(values > level)) for level in (threshold.high, threshold.low))
    down = np.hypot(above.value - above.low, above.value - strict)
    up = np.hypot(above.high - above.value, loose - above.value)
    return Interval(
        above.value,
        float(max(above.value - down, 0.0)),
        float(min(above.value + up, 1.0)),
        confidence,
        "Wilson, with the threshold's order statistics",
    )


def summarise_pulls(pulls: ArrayLike, *, confidence: float = 0.95) -> PullSummary:
    """Return mean and width of pulls; NaN are left out.

    The error of the width is ``sqrt((m4 - s^4) / n) / 2 s`` with m4 the fourth central moment,
    which is right whatever the distribution (Kendall & Stuart 1977, section 10.8).

    Raises
    ------
    InputError
        If there are fewer than two.
    """
    values = np.asarray(pulls, dtype=np.float64)
    values = values[np.isfinite(values)]
    n = len(values)
    if n < 2:  # noqa: PLR2004 a spread needs two
        raise InputError(f"{n} pulls have no width.", "Give two at least.")
    width = float(values.std(ddof=1))
    fourth = float(np.mean((values - values.mean()) ** 4))
    error = np.sqrt(max(fourth - width**4, 0.0) / n) / max(2 * width, _TINY)
    return PullSummary(
        mean_interval(values, confidence=confidence),
        normal_interval(width, float(error), confidence=confidence),
        n,
    )


def poisson_interval(count: int, *, confidence: float = 0.95) -> Interval:
    """Return the exact central interval of a Poisson mean (Garwood 1936, Biometrika 28, 437).

    Examples
    --------
    >>> print(poisson_interval(0))
    0.0000 [0.0000, 3.6889]
    """
    tail = (1 - require_fraction("confidence", confidence)) / 2
    low = chdtri(2 * count, 1 - tail) / 2 if count else 0.0
    high = chdtri(2 * (count + 1), tail) / 2
    return Interval(float(count), float(low), float(high), confidence, "Garwood")


def poisson_rate(count: int, n: int) -> Interval:
    """Return how many there are in each of n fields, with the limits of :func:`poisson_interval`.

    Examples
    --------
    >>> print(poisson_rate(3, 100))
    0.0300 [0.0062, 0.0877]
    """
    total = poisson_interval(count)
    return Interval(total.value / n, total.low / n, total.high / n, method=total.method)
