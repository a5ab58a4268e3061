"""What forbids an alert. All of it fails closed: what is not known is as bad as what is known bad.

>>> from skysift.serve.alerts.options import AlertOptions
>>> from skysift.serve.alerts.rows import Row
>>> nothing_known = Row(record="5eed", input="a.fits", bundle="")
>>> [veto.name for veto in vetoes(nothing_known, AlertOptions(), now=0.0)]
['bundle', 'far', 'position', 'error', 'time', 'flags', 'gti']
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from skysift.serve.alerts.options import AlertOptions
from skysift.serve.alerts.rows import Row

__all__ = ["FLAG_VETOES", "Veto", "is_injection", "vetoes"]

FLAG_VETOES = ("dead-sector", "rate-step", "not-converged", "truncated")
"""Flags that are vetoes of their own name; any other that is not allowed is the veto 'flags'."""

_RIGHT_ANGLE = 90.0
_TURN = 360.0


@dataclass(frozen=True, slots=True)
class Veto:
    """A reason why there is no alert.

    Parameters
    ----------
    name : str
        One word.
    reason : str
        A sentence for people.
    """

    name: str
    reason: str


def vetoes(row: Row, options: AlertOptions, *, now: float) -> list[Veto]:
    """Return all that forbids an alert of a row; nothing if it is allowed.

    Parameters
    ----------
    row : Row
    options : AlertOptions
    now : float
        Unix time [s].
    """
    return [veto for check in _CHECKS if (veto := check(row, options, now)) is not None]


def is_injection(row: Row, options: AlertOptions) -> bool:
    """Tell whether a row is of a signal that was put into the data."""
    return "injected" in row.marks or _named(row, options.injections)


def _named(row: Row, patterns: tuple[str, ...]) -> bool:
    names = [row.input.lower(), row.label.lower(), *row.label.lower().split()]
    return any(fnmatchcase(name, pattern.lower()) for name in names for pattern in patterns)


def _bundle(row: Row, _options: AlertOptions, _now: float) -> Veto | None:
    if row.bundle:
        return None
    return Veto("bundle", "It is not known which model found it.")


def _strength(row: Row, options: AlertOptions, _now: float) -> Veto | None:
    if options.rule is not None:
        if row.score is None:
            return Veto("score", f"Its '{options.rule.column}' is missing or no number.")
        return None
    if row.far is None or row.far < 0:
        return Veto("far", "Its false-alarm rate is missing or no number.")
    return None


def _position(row: Row, _options: AlertOptions, _now: float) -> Veto | None:
    if row.ra is None or row.dec is None:
        return Veto("position", "Its position is missing or no number.")
    if not (0 <= row.ra <= _TURN and abs(row.dec) <= _RIGHT_ANGLE):
        return Veto("position", f"There is no place at {row.ra:g}, {row.dec:g} deg.")
    return None


def _error(row: Row, options: AlertOptions, _now: float) -> Veto | None:
    if options.rule is not None and row.major is None and row.minor is None:
        return None  # the catalogue position of a stamp has no ellipse
    if row.major is None or row.minor is None or not row.major >= row.minor > 0:
        return Veto("error", "The error of its position is missing or no ellipse.")
    if row.major > _RIGHT_ANGLE:
        return Veto("error", "The error of its position is as large as the sky.")
    if row.angle is None and not math.isclose(row.major, row.minor):
        return Veto("error", "The direction of its error ellipse is not known.")
    return None


def _time(row: Row, options: AlertOptions, now: float) -> Veto | None:
    timed = row.start is not None and row.stop is not None
    if row.begun is None or row.ended is None or not (timed or options.rule is not None):
        return Veto("time", "It is not known when its data were taken.")
    if row.ended < row.begun:
        return Veto("time", "Its data end before they begin.")
    age = now - row.ended
    if age < -options.clock_tolerance:
        return Veto("clock", f"Its data end {-age:,.0f} s in the future: a clock is wrong.")
    if age > options.max_age:
        return Veto("clock", f"Its data ended {age:,.0f} s ago; the limit is {options.max_age:g}.")
    return None


def _flags(row: Row, options: AlertOptions, _now: float) -> Veto | None:
    if row.flags is None:
        return Veto("flags", "Its flags, or those of its window, are not known.")
    bad = [flag for flag in row.flags if flag not in options.flags]
    if not bad:
        return None
    name = next((flag for flag in FLAG_VETOES if flag in bad), "flags")
    return Veto(name, f"It is flagged {', '.join(bad)}.")


def _gti(row: Row, options: AlertOptions, _now: float) -> Veto | None:
    if options.gti_fraction == 0 or options.rule is not None:
        return None
    if row.good is None:
        return Veto("gti", "It is not known how much of its window is good time.")
    if row.good < options.gti_fraction:
        least = f"{options.gti_fraction:.0%}"
        return Veto("gti", f"{row.good:.0%} of its window is good time; {least} is asked for.")
    return None


def _test_data(row: Row, options: AlertOptions, _now: float) -> Veto | None:
    if options.tense != "live" or is_injection(row, options):
        return None
    if "unreadable" in row.marks:
        return Veto("origin", "The header of its file cannot be read: it may be of a test.")
    marks = sorted(row.marks & {"simulated", "test"})
    if marks:
        return Veto("test-data", f"Its data are marked {', '.join(marks)}.")
    if _named(row, options.test_inputs):
        return Veto("test-data", f"'{row.input}' or '{row.label}' is a name of test data.")
    return None


_CHECKS: tuple[Callable[[Row, AlertOptions, float], Veto | None], ...] = (
    _bundle,
    _strength,
    _position,
    _error,
    _time,
    _flags,
    _gti,
    _test_data,
)
