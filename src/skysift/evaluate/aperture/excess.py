"""Confidence limits of an excess of counts over a measured background, from the likelihood."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import xlogy

from skysift.core.errors import InputError
from skysift.evaluate.counts import check_on_off
from skysift.evaluate.inputs import FloatArray
from skysift.evaluate.intervals import z_score

__all__ = ["excess_interval", "excess_upper_limit"]

_HALVINGS = 60
_DOUBLINGS = 60


def excess_interval(
    n_on: ArrayLike,
    n_off: ArrayLike,
    alpha: ArrayLike,
    *,
    confidence: float = 0.6826894921370859,
    physical: bool = True,
) -> tuple[FloatArray, FloatArray]:
    """Return the limits within which -2 ln(profile likelihood) rises by less than z squared.

    The counts are Poisson, n_on of mean s + b and n_off of mean b / alpha, and b is profiled out
    (Rolke, Lopez & Conrad 2005, NIM A 551, 493).

    Parameters
    ----------
    n_on, n_off : array_like, broadcast against each other
        Counts in the on and off regions, >= 0.
    alpha : array_like, broadcast likewise
        On exposure over off exposure, > 0.
    confidence : float
        Confidence level of the two-sided interval.
    physical : bool
        True keeps s >= 0: the likelihood is compared with its maximum over s >= 0 (the bounded
        likelihood of section 5 of the reference), so that a deficit yields limits from 0 upwards
        and never an empty interval. False lets s be negative, as gammapy's errn and errp do.

    Returns
    -------
    low, high : array, shape of the broadcast

    Raises
    ------
    InputError
        If a count is negative or not finite, or alpha is not positive.

    Notes
    -----
    The coverage is that of a likelihood ratio: within a few per cent of nominal from about five
    counts on; with fewer, the interval of a source-free position over-covers when s is bounded.

    Examples
    --------
    >>> low, high = excess_interval(120, 160, 0.5)
    >>> round(float(low), 2), round(float(high), 2)
    (27.55, 52.87)
    """
    on, off, ratio = np.broadcast_arrays(*check_on_off(n_on, n_off, alpha))
    rise = z_score(confidence) ** 2
    best = on - ratio * off
    reference = np.maximum(best, 0.0) if physical else best
    ceiling = _statistic(reference, on, off, ratio) + rise
    step = np.sqrt(on + ratio**2 * off) + ratio + 1
    high = _crossing(reference, step, ceiling, (on, off, ratio))
    low = _crossing(reference, -step, ceiling, (on, off, ratio))
    return (np.maximum(low, 0.0) if physical else low), high


def excess_upper_limit(
    n_on: ArrayLike, n_off: ArrayLike, alpha: ArrayLike, *, confidence: float = 0.95
) -> FloatArray:
    """Return the one-sided upper limit of an excess, from the bounded profile likelihood.

    Parameters, shapes and errors are those of :func:`excess_interval`; the limit is the upper end
    of the two-sided interval of level ``2 * confidence - 1``.
    """
    if not 0.5 < confidence < 1:  # noqa: PLR2004 - below one half, no two-sided interval matches
        raise InputError(
            f"An upper limit of confidence {confidence} has no sense.", "Give 0.5 to 1."
        )
    return excess_interval(n_on, n_off, alpha, confidence=2 * confidence - 1)[1]


def _crossing(
    start: FloatArray,
    step: FloatArray,
    ceiling: FloatArray,
    counts: tuple[FloatArray, FloatArray, FloatArray],
) -> FloatArray:
    """Return where the statistic first exceeds the ceiling, on one side of its minimum."""
    far = start + step
    for _ in range(_DOUBLINGS):
        short = _statistic(far, *counts) < ceiling
        if not short.any():
            break
        step = np.where(short, 2 * step, step)
        far = np.where(short, start + step, far)
    near = start + np.zeros_like(far)
    for _ in range(_HALVINGS):
        middle = (near + far) / 2
        below = _statistic(middle, *counts) < ceiling
        near, far = np.where(below, middle, near), np.where(below, far, middle)
    return np.asarray((near + far) / 2)


def _statistic(
    source: FloatArray, on: FloatArray, off: FloatArray, alpha: FloatArray
) -> FloatArray:
    """Return -2 ln L, up to a constant of the counts, at the best background for each source."""
    centre = alpha * (on + off) - (1 + alpha) * source
    # max: exactly zero can come out of the rounding below it
    root = np.sqrt(np.maximum(centre**2 + 4 * alpha * (1 + alpha) * off * source, 0.0))
    background = np.maximum((centre + root) / (2 * (1 + alpha)), np.maximum(-source, 0.0))
    both = np.maximum(source + background, 0.0)
    tiny = np.finfo(np.float64).tiny
    return np.asarray(
        2
        * (
            both
            - xlogy(on, np.maximum(both, tiny))
            + background / alpha
            - xlogy(off, np.maximum(background / alpha, tiny))
        )
    )
