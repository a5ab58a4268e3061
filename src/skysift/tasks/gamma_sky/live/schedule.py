"""When windows end: on a grid of time that knows nothing of files.

A window of length T ends at whole multiples of its step after the GADF reference (2001-01-01 UTC),
and holds ``end - T <= time < end``. The step is T / n with the largest whole n up to 20 that keeps
it at a second or more. Long windows take longer to search than short ones: so that no file has to
wait for several of them, those with steps of 5 s or more are searched a few seconds after their
end, each length at another second.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

__all__ = ["LONGEST_DELAY", "WindowLength", "bin_id", "staggered", "window_id"]

LONGEST_DELAY = 4.0
"""Time [s] after the end of a window by which it is searched."""

_MOST_STEPS = 20
_SHORTEST_STEP = 1.0  # s
_LONG_STEP = 5.0  # s
_ROUNDING = 1e-6  # of a step: numbers of steps are near 1e9


@dataclass(frozen=True, slots=True, order=True)
class WindowLength:
    """A length of windows with the grid of their ends.

    Parameters
    ----------
    length, step : float [s]
    delay : float [s]
        From the end of a window to its search, in time of the stream.

    Examples
    --------
    >>> [WindowLength.of(length).step for length in (1.0, 10.0, 100.0, 600.0, 1800.0)]
    [1.0, 1.0, 5.0, 30.0, 90.0]
    >>> list(WindowLength.of(100.0).ends(200.0, 211.0))
    [205.0, 210.0]
    """

    length: float
    step: float
    delay: float = 0.0

    @classmethod
    def of(cls, length: float) -> Self:
        """Return a length with the step that keeps its cost in bounds."""
        steps = min(_MOST_STEPS, max(1, math.floor(length / _SHORTEST_STEP + _ROUNDING)))
        return cls(length, length / steps)

    def ends(self, after: float, until: float) -> Iterator[float]:
        """Yield the ends [s] with ``after < end <= until``."""
        first = math.floor(after / self.step + _ROUNDING) + 1
        last = math.floor(until / self.step + _ROUNDING)
        for number in range(first, last + 1):
            yield number * self.step


def staggered(lengths: Sequence[float]) -> tuple[WindowLength, ...]:
    """Return lengths, the shortest first, with delays that keep the long ones apart.

    Examples
    --------
    >>> [one.delay for one in staggered([1.0, 10.0, 100.0, 600.0, 1800.0])]
    [0.0, 0.0, 1.0, 2.0, 3.0]
    """
    found, delay = [], 0.0
    for length in sorted(lengths):
        one = WindowLength.of(length)
        if one.step >= _LONG_STEP:
            delay = min(delay + 1.0, LONGEST_DELAY)
            one = replace(one, delay=delay)
        found.append(one)
    return tuple(found)


def window_id(length: float, end: float, ra: float, dec: float) -> str:
    """Return the name of a window.

    Parameters
    ----------
    length, end : float [s]
    ra, dec : float [deg]
        Of the pointing.

    Examples
    --------
    >>> window_id(100.0, 838943015.0, 83.6, 22.0)
    '100s-838943015-083.600+22.000'
    """
    return f"{length:g}s-{round(end, 6):.15g}-{ra % 360:07.3f}{dec:+07.3f}"


def bin_id(length: float, end: float, ra: float, dec: float) -> str:
    """Return the name of a bin of light curves, which is never that of a window."""
    return f"bin-{window_id(length, end, ra, dec)}"
