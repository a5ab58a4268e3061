"""Times as files write them."""

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import ContractError

__all__ = ["as_times", "without_offset"]

_WITH_OFFSET = re.compile(r"(.*\d{2}:\d{2}(?::\d{2}(?:\.\d*)?)?)\s*([+-])([01]\d):?([0-5]\d)?")


def as_times(values: Iterable[Any], *, path: Any = None, column: str = "time") -> NDArray[Any]:
    """Return datetime64[s], shape (n,), of texts or of times; NaT where empty.

    Dates may be written 2014-02-25, 2014/02/25 or 2014.02.25, with a ``T``, a blank or an
    underscore before the time; a final ``Z``, ``_UTC`` or ``_TAI`` and fractions of a second are
    left out. A time with an offset, 05:00:00+02:00, is brought to UTC.

    Raises
    ------
    ContractError
        If a text is no time.

    Examples
    --------
    >>> as_times(["2014/02/25 00:39", "2014.02.25_00:39:00_UTC", ""])[:2].astype(str).tolist()
    ['2014-02-25T00:39:00', '2014-02-25T00:39:00']
    """
    array = values if isinstance(values, np.ndarray) else np.array(list(values), dtype=object)
    if array.dtype.kind == "M":
        return array.astype("datetime64[s]")
    out = np.full(len(array), np.datetime64("NaT", "s"))
    for row, value in enumerate(array.tolist()):
        text = "" if value is None or value != value else str(value).strip()  # noqa: PLR0124 - NaN
        if not text:
            continue
        clean = text.removesuffix("_UTC").removesuffix("_TAI").removesuffix("Z")
        date, clock = clean[:10].replace("/", "-").replace(".", "-"), clean[10:].lstrip("T _")
        clock, ahead = without_offset(clock)
        if "+" in clock or "-" in clock:  # what numpy would take for an offset
            date = ""
        try:
            out[row] = np.datetime64(f"{date}T{clock}" if clock else date, "s") - ahead
        except ValueError as error:
            raise ContractError(
                f"'{text}' in column '{column}' is no time.",
                "Write e.g. 2014-02-25 00:39:00.",
                path=path,
                row=row,
            ) from error
    return out


def without_offset(clock: str) -> tuple[str, np.timedelta64]:
    """Return a time of day, or a date with one, and how far it is ahead of UTC; 0 if unsaid.

    Examples
    --------
    >>> text, ahead = without_offset("2014-01-01T05:00:00+02:00")
    >>> text, str(np.datetime64(text) - ahead)
    ('2014-01-01T05:00:00', '2014-01-01T03:00:00')
    """
    match = _WITH_OFFSET.fullmatch(clock)
    if match is None:
        return clock, np.timedelta64(0, "s")
    text, sign, hours, minutes = match.groups(default="0")
    seconds = 3600 * int(hours) + 60 * int(minutes)
    return text, np.timedelta64(-seconds if sign == "-" else seconds, "s")
