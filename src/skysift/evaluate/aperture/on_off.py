"""Counts on and off a source, and what follows from them."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from skysift.core.errors import InputError
from skysift.evaluate.aperture.excess import excess_interval
from skysift.evaluate.counts import li_ma_significance
from skysift.evaluate.intervals import Interval

__all__ = ["OnOff", "stack"]

_ONE_SIGMA = 0.6826894921370859


@dataclass(frozen=True, slots=True)
class OnOff:
    """An on/off measurement.

    Parameters
    ----------
    n_on, n_off : float
        Counts in the on and off regions, >= 0.
    alpha : float
        Exposure of the on region over that of the off region, > 0.

    Raises
    ------
    InputError
        If a count is negative or not finite, or alpha is not positive.

    Examples
    --------
    >>> crab = OnOff(120, 160, alpha=0.5)
    >>> crab.excess, round(crab.significance, 2), round(crab.excess_error, 2)
    (40.0, 3.31, 12.65)
    """

    n_on: float
    n_off: float
    alpha: float

    def __post_init__(self) -> None:
        counts = (self.n_on, self.n_off)
        if not all(np.isfinite(n) and n >= 0 for n in counts):
            raise InputError(
                f"{self.n_on} on and {self.n_off} off are no counts.", "Give numbers >= 0."
            )
        if not (np.isfinite(self.alpha) and self.alpha > 0):
            raise InputError(
                f"alpha = {self.alpha} is not a positive number.",
                "Give the exposure of the on region over that of the off region.",
            )

    @property
    def background(self) -> float:
        """Expected background in the on region, alpha * n_off."""
        return self.alpha * self.n_off

    @property
    def excess(self) -> float:
        """Counts of the source, n_on - alpha * n_off."""
        return self.n_on - self.background

    @property
    def excess_error(self) -> float:
        """Standard deviation of the excess, the denominator of eq. 5 of Li & Ma (1983)."""
        return float(np.sqrt(self.n_on + self.alpha**2 * self.n_off))

    @property
    def significance(self) -> float:
        """Significance of eq. 17 of Li & Ma (1983), negative for a deficit."""
        return float(li_ma_significance(self.n_on, self.n_off, self.alpha))

    def interval(self, confidence: float = _ONE_SIGMA, *, physical: bool = True) -> Interval:
        """Return the excess with its profile-likelihood limits; see :func:`excess_interval`."""
        low, high = excess_interval(
            self.n_on, self.n_off, self.alpha, confidence=confidence, physical=physical
        )
        return Interval(self.excess, float(low), float(high), confidence, "profile likelihood")


def stack(measurements: Iterable[OnOff]) -> OnOff:
    """Return the sum of independent measurements of one source, e.g. of several runs.

    The background of the sum is the sum of the backgrounds: alpha is their mean, weighted by the
    off counts, or, where there are no off counts at all, by the off exposures.

    Raises
    ------
    InputError
        If there is nothing to stack.

    Examples
    --------
    >>> stack([OnOff(10, 20, 0.5), OnOff(8, 10, 0.1)])
    OnOff(n_on=18, n_off=30, alpha=0.36666666666666664)
    """
    every = list(measurements)
    if not every:
        raise InputError("There is no on/off measurement to stack.", "Give one at least.")
    n_off = sum(one.n_off for one in every)
    background = sum(one.background for one in every)
    alpha = background / n_off if n_off > 0 else len(every) / sum(1 / one.alpha for one in every)
    return OnOff(sum(one.n_on for one in every), n_off, alpha)
