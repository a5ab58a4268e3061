"""Regions that one class cannot enter and the other fills: the mark of an impossible value.

A region that holds one class alone is no artefact in itself: a good feature separates. What no
honest feature does is to let one class run dense up to a border and stop dead there, while the
other class crosses the border as though there were none. Three questions are asked of a border,
all at the same distance scale ``w``, which is kept as small as the events beyond the border allow:
at the scale of its own tail, any skew distribution seems to begin with a step.

1. *Stop.* Do the events of the stopping class in the strip ``[edge, edge + 2 w)`` fill its near
   half? A density that fades to zero, even as slowly as a straight line, puts at most a quarter
   of them there (binomial test against 1/4); a Gaussian or exponential tail puts far fewer.
2. *Jump.* Is the class composition on the two sides, within ``w``, different (Fisher's exact
   test)?
3. *Crossing.* Does the other class go on with a comparable density on both sides?

The ratio of counts in nested strips is the idea behind Pickands' estimator of the tail index
(Pickands 1975, Ann. Statist. 3, 119, eq. 2.1); 1/4 corresponds to an index of -1/2.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from skysift.evaluate.audit.statistics import one_sided_fisher

__all__ = ["PureRegion", "pure_regions"]

_FADING = 0.25
_FEWEST = 20
_SMALLEST_STRIP = 40
_LARGEST_STRIP = 0.2
_ONE_SIGN = 0.99
_NEAREST = 100
_CROSSING = 0.1
_LEAST_OVERLAP = 0.05
_STRAYS = (0, 1, 2, 5)
_GAPS = 10


@dataclass(frozen=True, slots=True)
class PureRegion:
    """A region that one class fills and the other, stopping at its border, does not enter.

    Parameters
    ----------
    low, high : float
        Limits of the open interval; one is infinite for a one-sided region.
    pure : bool
        The class that fills the region, True for signal.
    n_pure, n_other : int
        Events of either class in the region.
    p_value : float
        The larger of the p-values of the stop and of the jump, before any correction.
    n_tested : int
        Borders and scales that were tested in this variable.
    """

    low: float
    high: float
    pure: bool
    n_pure: int
    n_other: int
    p_value: float
    n_tested: int

    def holds(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which values lie in the region, shape (n,)."""
        return (values > self.low) & (values < self.high)


def pure_regions(values: NDArray[np.float64], y: NDArray[np.bool_]) -> list[PureRegion]:
    """Return the most significant pure region of each class, side and gap of one variable.

    Parameters
    ----------
    values : array of float64, shape (n,)
        The variable; NaN where it is undefined.
    y : array of bool, shape (n,)
        True for signal.

    Returns
    -------
    list of PureRegion
        Candidates of any significance, for the caller to correct for all that it tested.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> stops, crosses = rng.uniform(0.0, 1.0, 5000), rng.uniform(-0.2, 1.0, 5000)
    >>> y = np.repeat([True, False], 5000)
    >>> best = min(pure_regions(np.r_[stops, crosses], y), key=lambda region: region.p_value)
    >>> best.pure, round(best.high, 2), best.p_value < 1e-10
    (False, 0.0, True)
    """
    defined = np.isfinite(values)
    classes = {label: np.sort(values[defined & (y == label)]) for label in (True, False)}
    found = []
    for pure in (True, False):
        fills, stops = classes[pure], classes[not pure]
        if len(fills) < _FEWEST or len(stops) < _SMALLEST_STRIP:
            continue
        inside = np.searchsorted(fills, [stops[0], stops[-1]])
        if inside[1] - inside[0] < _LEAST_OVERLAP * len(fills):
            continue
        low = _best(_tail(fills, stops))
        if low is not None:
            edge, m, strays, p, tested = low
            found.append(PureRegion(-np.inf, edge, pure, m, strays, p, tested))
        high = _best(_tail(-fills[::-1], -stops[::-1]))
        if high is not None:
            edge, m, strays, p, tested = high
            found.append(PureRegion(-edge, np.inf, pure, m, strays, p, tested))
        found += [
            PureRegion(start, end, pure, m, 0, p, len(stops))
            for start, end, m, p in _gaps(fills, stops)
        ]
    return found


_Tail = tuple[float, int, int, float]


def _best(candidates: Iterator[_Tail]) -> tuple[float, int, int, float, int] | None:
    tested = list(candidates)
    if not tested:
        return None
    edge, m, strays, p = min(tested, key=lambda one: one[3])
    return edge, m, strays, p, len(tested)


def _tail(fills: NDArray[np.float64], stops: NDArray[np.float64]) -> Iterator[_Tail]:
    """Yield the lower tail beyond each admissible edge: edge, events, strays, p-value.

    A few strays of the stopping class are let through, for one mislabelled row must not hide an
    artefact.
    """
    logarithm = _natural_logarithm(stops)
    for strays in _STRAYS:
        if strays >= len(stops) // 100:
            break
        edge = float(stops[strays])
        m = int(np.searchsorted(fills, edge))
        if m < max(_FEWEST, 20 * strays):
            continue
        reach = edge - fills[max(m // 10, m - _NEAREST)]
        n_strip = _SMALLEST_STRIP
        while n_strip <= _LARGEST_STRIP * len(stops):
            w = float(stops[strays + n_strip] - edge) / 2
            if w > reach:
                break
            if w > 0:
                p = max(_stop(stops, edge, w, strays), _jump(fills, stops, edge, w))
                if logarithm is not None:
                    first = max(0, strays - (len(stops) - len(logarithm)))
                    p = max(p, _stop_of_strip(logarithm[first:], n_strip))
                yield edge, m, strays, p
            n_strip *= 2


def _stop(stops: NDArray[np.float64], edge: float, w: float, strays: int) -> float:
    """Return how likely a density that fades linearly leaves so many events near its end.

    The event that marks the edge is not counted: given that one, the others are independent.
    """
    near, strip = np.searchsorted(stops, [edge + w, edge + 2 * w]) - strays - 1
    return float(binom.sf(near - 1, strip, _FADING)) if strip > 0 else 1.0


def _stop_of_strip(stops: NDArray[np.float64], n_strip: int) -> float:
    """Return the same for the strip of the lowest `n_strip` events."""
    return _stop(stops, float(stops[0]), float(stops[n_strip] - stops[0]) / 2, 0)


def _natural_logarithm(stops: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return the ascending logarithms of a positive, skew variable; None for any other.

    A log-normal density seems to stop at zero when it is looked at on a linear scale. A border
    elsewhere survives the change of variable, so a positive variable that is less skew as its
    logarithm must stop dead on that scale too.
    """
    positive = stops[stops > 0]
    if len(positive) < _ONE_SIGN * len(stops):
        return None
    logarithm = np.log(positive)
    return logarithm if abs(_skewness(logarithm)) < abs(_skewness(stops)) else None


def _skewness(values: NDArray[np.float64]) -> float:
    """Return the quantile skewness (q95 + q05 - 2 median) / (q95 - q05) of sorted values."""
    low, middle, high = values[(np.array([0.05, 0.5, 0.95]) * (len(values) - 1)).astype(int)]
    return float((high + low - 2 * middle) / (high - low)) if high > low else 0.0


def _jump(fills: NDArray[np.float64], stops: NDArray[np.float64], edge: float, w: float) -> float:
    """Return how likely the composition within `w` on both sides of the edge is the same."""
    here = np.searchsorted(fills, [edge - w, edge, edge + w])
    there = np.searchsorted(stops, [edge - w, edge, edge + w])
    beyond, within = np.diff(here)
    if beyond == 0 or within < _CROSSING * beyond:
        return 1.0
    return one_sided_fisher(
        int(beyond), int(there[1] - there[0]), int(within), int(np.diff(there)[1])
    )


def _gaps(
    fills: NDArray[np.float64], stops: NDArray[np.float64]
) -> Iterator[tuple[float, float, int, float]]:
    """Yield gaps within one class that the other fills: limits, events, p-value.

    Both borders of the gap must stop dead, at the scale of the gap.
    """
    upto = np.searchsorted(fills, stops)
    held = np.diff(upto)
    for i in np.argsort(held)[::-1][:_GAPS]:
        if held[i] < _FEWEST:
            return
        start, end = float(stops[i]), float(stops[i + 1])
        w = end - start
        above = stops[i + 1 :]
        below = -stops[: i + 1][::-1]
        p = max(
            _stop(above, end, w, 0),
            _stop(below, -start, w, 0),
            _jump(fills, stops, end, w),
            _jump(-fills[::-1], -stops[::-1], -start, w),
        )
        yield start, end, int(held[i]), p
