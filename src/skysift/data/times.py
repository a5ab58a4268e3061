"""Times as files write them."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import ContractError

__all__ = ["as_times"]


def as_times(values: Iterable[Any], *, path: Any = None, column: str = "time") -> NDArray[Any]:
    """Return datetime64[s], shape (n,), of texts or of times; NaT where empty.

    Dates may be written 2014-02-25, 2014/02/25 or 2014.02.25, with a ``T``, a blank or an
    underscore before the time; a final ``Z``, ``_UTC`` or ``_TAI`` and fractions of a second are
    left out.

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
        try:
            out[row] = np.datetime64(f"{date}T{clock}" if clock else date, "s")
        except ValueError as error:
            raise ContractError(
                f"'{text}' in column '{column}' is no time.",
                "Write e.g. 2014-02-25 00:39:00.",
                path=path,
                row=row,
            ) from error
    return out
