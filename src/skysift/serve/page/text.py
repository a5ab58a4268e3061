"""Numbers as people read them, with their units."""

import math
from typing import Any

from skysift.serve.clock import to_unix, utc_text

__all__ = [
    "FILTERS",
    "degrees",
    "duration",
    "far_text",
    "number",
    "probability",
    "short",
    "utc_of_mjd",
]

NOTHING = "\N{EN DASH}"
_MINUS = "\N{MINUS SIGN}"
_THIN = "\N{NARROW NO-BREAK SPACE}"
_UNITS = ((1.0, "s"), (60.0, "min"), (3600.0, "h"), (86400.0, "d"), (31557600.0, "yr"))
_ID = 12
_BILLION_YEARS = 1e9 * 31557600.0


def _known(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def number(value: Any, digits: int = 3) -> str:
    """Return a number with so many significant digits.

    Examples
    --------
    >>> [number(value) for value in (0.01234, 12.345, 123456, 3)]
    ['0.0123', '12.3', '123456', '3']
    """
    if not _known(value):
        return NOTHING
    if value == 0:
        return "0"
    if isinstance(value, int) or abs(value) >= 10**digits:
        return f"{value:.0f}".replace("-", _MINUS)
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    if decimals > 2 * digits:
        return f"{value:.{digits - 1}e}".replace("-", _MINUS)
    return f"{value:.{decimals}f}".replace("-", _MINUS)


def probability(value: Any) -> str:
    """Return a probability, or its error, to a thousandth: one below the other they compare.

    Examples
    --------
    >>> probability(0.71), probability(6e-5), probability(None) == probability(float("nan"))
    ('0.710', '0.000', True)
    """
    return f"{value:.3f}" if _known(value) else NOTHING


def degrees(value: Any, decimals: int = 4) -> str:
    """Return an angle in degrees, without the unit."""
    return f"{value:.{decimals}f}".replace("-", _MINUS) if _known(value) else NOTHING


def duration(seconds: Any) -> str:
    """Return a time with a unit that suits it.

    Examples
    --------
    >>> [duration(value).replace(_THIN, " ") for value in (0.0123, 3.21, 100.0, 5000.0, 1e7)]
    ['12 ms', '3.2 s', '100 s', '83 min', '116 d']
    """
    if not _known(seconds):
        return NOTHING
    if seconds < 1:
        return f"{seconds * 1000:.0f}{_THIN}ms"
    size, unit = next(
        (
            (size, unit)
            for size, unit in reversed(_UNITS)
            if seconds >= (2 * size if size > 1 else 1)
        ),
        _UNITS[0],
    )
    value = seconds / size
    return f"{value:.1f}{_THIN}{unit}" if value < 10 and value % 1 else f"{value:.0f}{_THIN}{unit}"  # noqa: PLR2004  # one digit


def far_text(far: Any) -> str:
    """Return a rate of false alarms [Hz] as how often one is to be expected.

    Examples
    --------
    >>> far_text(1 / 36000).replace(_THIN, " ")
    '1 in 10 h'
    """
    if not _known(far):
        return NOTHING
    if far * _BILLION_YEARS <= 1:
        return f"less than 1 in 10⁹{_THIN}yr"
    return f"1 in {_long(1 / far)}"


def _long(seconds: float) -> str:
    years = seconds / _UNITS[-1][0]
    if years < 10_000:  # noqa: PLR2004  # longer ones read better as a power of ten
        return duration(seconds)
    exponent = math.floor(math.log10(years))
    digits = str(exponent).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{years / 10**exponent:.0f}\N{MULTIPLICATION SIGN}10{digits}{_THIN}yr"


def utc_of_mjd(mjd: Any) -> str:
    """Return an MJD in TT as UTC."""
    return utc_text(to_unix(mjd)) if _known(mjd) else NOTHING


def clock_of_mjd(mjd: Any) -> str:
    """Return the time of day of an MJD in TT, UTC."""
    return utc_of_mjd(mjd)[-8:]


def short(identity: Any) -> str:
    """Return the beginning of a hash."""
    return str(identity)[:_ID]


def size(count: Any) -> str:
    """Return a number of bytes.

    Examples
    --------
    >>> size(2880).replace(_THIN, " "), size(3 * 10**9).replace(_THIN, " ")
    ('2.9 kB', '3 GB')
    """
    if not _known(count):
        return NOTHING
    value, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while value >= 1000 and len(units) > 1:  # noqa: PLR2004  # of SI
        value /= 1000
        units.pop(0)
    return f"{value:.1f}".removesuffix(".0") + f"{_THIN}{units[0]}"


FILTERS = {
    "number": number,
    "probability": probability,
    "degrees": degrees,
    "duration": duration,
    "far": far_text,
    "utc": utc_text,
    "utc_of_mjd": utc_of_mjd,
    "clock_of_mjd": clock_of_mjd,
    "short": short,
    "size": size,
}
