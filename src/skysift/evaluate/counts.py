"""Significance of an excess of counts in an on region over that expected from an off region.

`alpha` is the exposure of the on region over that of the off region, so that `alpha * n_off` is the
expected background and `n_on - alpha * n_off` the excess. Equation numbers are those of Li & Ma
(1983), ApJ 272, 317.
"""

import numpy as np
from astropy import units as u
from numpy.typing import ArrayLike
from scipy.special import ndtr, xlog1py

from skysift.core.errors import InputError, UsageError
from skysift.evaluate.inputs import FloatArray

__all__ = [
    "asimov_significance",
    "check_on_off",
    "detection_probability",
    "expected_significance",
    "in_unit",
    "li_ma_significance",
    "livetime_for_significance",
    "significance_eq5",
    "significance_eq9",
]


def li_ma_significance(n_on: ArrayLike, n_off: ArrayLike, alpha: ArrayLike) -> FloatArray:
    """Return the significance of Li & Ma eq. 17, negative for a deficit.

    Parameters
    ----------
    n_on, n_off : array_like, broadcast against each other
        Counts in the on and off regions, >= 0 (fractions are allowed: expectations have them).
    alpha : array_like, broadcast likewise
        On exposure over off exposure, > 0.

    Returns
    -------
    array, shape of the broadcast
        Standard deviations. The limits are exact: no counts give 0, ``n_on = 0`` gives
        ``-sqrt(2 n_off ln(1 + alpha))`` and ``n_off = 0`` gives
        ``sqrt(2 n_on ln((1 + alpha) / alpha))``.

    Raises
    ------
    InputError
        If a count is negative or not finite, or alpha is not positive.

    Notes
    -----
    With N = n_on + n_off and excess e, eq. 17 is
    ``S^2 = 2 [m_on h(e / (alpha N)) + m_off h(-e / N)]`` where m_on = alpha N / (1 + alpha) and
    m_off = N / (1 + alpha) are the counts expected without a source and
    h(d) = (1 + d) ln(1 + d) - d. Every term is then >= 0 and a zero excess gives exactly 0, where
    the printed form subtracts two nearly equal numbers.

    Examples
    --------
    >>> round(float(li_ma_significance(120, 160, alpha=1 / 2)), 3)
    3.315
    """
    on, off, ratio = check_on_off(n_on, n_off, alpha)
    total = on + off
    excess = on - ratio * off
    some = np.where(total > 0, total, 1.0)
    half_square = ratio * total / (1 + ratio) * _relative_entropy(
        excess / (ratio * some)
    ) + total / (1 + ratio) * _relative_entropy(-excess / some)
    return np.asarray(np.sign(excess) * np.sqrt(2 * half_square))


def significance_eq5(n_on: ArrayLike, n_off: ArrayLike, alpha: ArrayLike) -> FloatArray:
    """Return excess / sqrt(n_on + alpha^2 n_off), eq. 5: the error of the measured excess.

    Parameters, shapes and errors are those of :func:`li_ma_significance`; no counts give 0.
    """
    on, off, ratio = check_on_off(n_on, n_off, alpha)
    return _over_root(on - ratio * off, on + ratio**2 * off)


def significance_eq9(n_on: ArrayLike, n_off: ArrayLike, alpha: ArrayLike) -> FloatArray:
    """Return excess / sqrt(alpha (n_on + n_off)), eq. 9: the error if there is no source.

    Parameters, shapes and errors are those of :func:`li_ma_significance`; no counts give 0.
    """
    on, off, ratio = check_on_off(n_on, n_off, alpha)
    return _over_root(on - ratio * off, ratio * (on + off))


def asimov_significance(signal: ArrayLike, background: ArrayLike, alpha: ArrayLike) -> FloatArray:
    """Return Li & Ma's significance of the expected counts: its median over many observations.

    Parameters
    ----------
    signal, background : array_like, broadcast against each other
        Expected counts of signal and background in the on region, >= 0.
    alpha : array_like, broadcast likewise
        On exposure over off exposure, > 0.

    Notes
    -----
    Cowan, Cranmer, Gross & Vitells (2011), EPJ C 71, 1554: the median significance is nearly that
    of the data set in which every count equals its expectation.
    """
    behind = np.asarray(background, dtype=np.float64)
    ratio = np.asarray(alpha, dtype=np.float64)
    _require_positive_alpha(ratio)
    return li_ma_significance(np.asarray(signal) + behind, behind / ratio, ratio)


def expected_significance(
    signal_rate: u.Quantity,
    background_rate: u.Quantity,
    livetime: u.Quantity,
    alpha: ArrayLike,
) -> FloatArray:
    """Return the significance expected of an observation.

    Parameters
    ----------
    signal_rate, background_rate : `~astropy.units.Quantity`, 1 / time, broadcast
        Rates of events in the on region.
    livetime : `~astropy.units.Quantity`, time
        Length of the observation.
    alpha : array_like
        On exposure over off exposure, > 0.

    Raises
    ------
    UsageError
        If an argument has no unit or the wrong one.

    Examples
    --------
    >>> from astropy import units as u
    >>> s = expected_significance(0.1 / u.s, 1 / u.s, 1 * u.h, alpha=0.2)
    >>> round(float(s), 2)
    5.37
    """
    seconds = in_unit("livetime", livetime, u.s)
    return asimov_significance(
        in_unit("signal_rate", signal_rate, u.s**-1) * seconds,
        in_unit("background_rate", background_rate, u.s**-1) * seconds,
        alpha,
    )


def livetime_for_significance(
    significance: float,
    signal_rate: u.Quantity,
    background_rate: u.Quantity,
    alpha: ArrayLike,
) -> u.Quantity:
    """Return the livetime after which `significance` is expected.

    Significance grows as the square root of time. Parameters are those of
    :func:`expected_significance`.

    Returns
    -------
    `~astropy.units.Quantity`, s
        Infinite where there is no signal.
    """
    each_second = expected_significance(signal_rate, background_rate, 1 * u.s, alpha)
    with np.errstate(divide="ignore"):
        return (significance / each_second) ** 2 * u.s


def detection_probability(expected: ArrayLike, threshold: float = 5.0) -> FloatArray:
    """Return the probability that an observation exceeds `threshold` (asymptotic power).

    The measured significance is taken as normal with unit variance around the expected one, which
    holds from about ten counts in each region.

    Parameters
    ----------
    expected : array_like
        Expected significance, as from :func:`expected_significance`.
    threshold : float
        Significance to exceed.

    Examples
    --------
    >>> float(detection_probability(5.0, threshold=5.0))
    0.5
    """
    return np.asarray(ndtr(np.asarray(expected, dtype=np.float64) - threshold))


def in_unit(name: str, quantity: u.Quantity, unit: u.UnitBase) -> FloatArray:
    """Return the value of `quantity` in `unit`; the error names the argument.

    Raises
    ------
    UsageError
        If it has no unit or another kind of unit.
    """
    try:
        return np.asarray(u.Quantity(quantity).to_value(unit), dtype=np.float64)
    except u.UnitConversionError:
        found = getattr(quantity, "unit", None)
        raise UsageError(
            f"{name} has {'no unit' if found is None else f'the unit {found}'}.",
            f"Give it in units like {unit}.",
        ) from None


def _relative_entropy(departure: FloatArray) -> FloatArray:
    """Return (1 + d) ln(1 + d) - d for d >= -1, without cancellation near 0."""
    exact = xlog1py(1 + departure, departure) - departure
    series = departure**2 * (1 / 2 - departure * (1 / 6 - departure / 12))
    return np.asarray(np.where(np.abs(departure) < 1e-4, series, exact))  # noqa: PLR2004 - d^3/20 < 1e-13 of the sum


def _over_root(excess: FloatArray, variance: FloatArray) -> FloatArray:
    return np.asarray(excess / np.sqrt(np.where(variance > 0, variance, 1.0)))


def _require_positive_alpha(alpha: FloatArray) -> None:
    if not np.all(np.isfinite(alpha) & (alpha > 0)):
        raise InputError(
            f"alpha = {alpha} is not a positive number.",
            "Give the exposure of the on region over that of the off region.",
        )


def check_on_off(
    n_on: ArrayLike, n_off: ArrayLike, alpha: ArrayLike
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return counts on and off and the ratio of exposures as floats.

    Raises
    ------
    InputError
        If a count is negative or not finite, or a ratio is not positive.
    """
    on, off, ratio = (np.asarray(values, dtype=np.float64) for values in (n_on, n_off, alpha))
    for name, counts in (("n_on", on), ("n_off", off)):
        if not np.all(np.isfinite(counts) & (counts >= 0)):
            raise InputError(f"{name} holds a negative or undefined count.", "Give counts >= 0.")
    _require_positive_alpha(ratio)
    return on, off, ratio
