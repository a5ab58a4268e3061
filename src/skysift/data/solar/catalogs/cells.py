"""Cells of a catalogue as numbers, days and regions; what is none is named with its row."""

import re
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skysift.core.errors import ContractError
from skysift.data.times import as_times

__all__ = ["as_days", "as_numbers", "as_region_numbers", "check_none_missing"]

_REGION = re.compile(r"(?:NOAA)?[\s_-]*(?:AR)?[\s_-]*(\d{1,6})(?:\.0*)?", re.IGNORECASE)
_DAY = re.compile(r"(\d{4})(\d{2})(\d{2})(?:\.0*)?")


def as_numbers(values: ArrayLike, *, column: str, path: Any = None) -> NDArray[np.float64]:
    """Return a column of numbers, shape (n,); NaN where empty.

    Raises
    ------
    ContractError
        If a cell is no number.

    Examples
    --------
    >>> as_numbers(["-20", None, "57.5"], column="lat").tolist()
    [-20.0, nan, 57.5]
    """
    array = np.asarray(values)
    if array.dtype.kind in "biuf":
        return array.astype(np.float64)
    out = np.full(len(array), np.nan)
    for row, text in enumerate(_texts(array)):
        try:
            out[row] = float(text) if text else np.nan
        except ValueError as error:
            raise ContractError(
                f"'{text}' in column '{column}' is no number.", "Correct it.", path=path, row=row
            ) from error
    return out


def as_region_numbers(
    values: ArrayLike, *, column: str = "noaa", path: Any = None
) -> NDArray[np.int64]:
    """Return the numbers of regions as they are printed, shape (n,); 0 where there is none.

    Raises
    ------
    ContractError
        If a cell is no number of a region.

    Examples
    --------
    >>> as_region_numbers(["AR12186", "NOAA 12187", "2192.0", ""]).tolist()
    [12186, 12187, 2192, 0]
    """
    array = np.asarray(values)
    if array.dtype.kind in "biu":
        return array.astype(np.int64)
    out = np.zeros(len(array), dtype=np.int64)
    for row, text in enumerate(_texts(array)):
        match = _REGION.fullmatch(text)
        if match is not None:
            out[row] = int(match[1])
        elif text:
            raise ContractError(
                f"'{text}' in column '{column}' is no number of a region.",
                "Write e.g. 12192 or AR12192, and nothing where there is none.",
                path=path,
                row=row,
            )
    return out


def as_days(values: ArrayLike, *, column: str, path: Any = None) -> NDArray[Any]:
    """Return datetime64[s], shape (n,), of days written 20141018 or 2014-10-18; NaT where empty.

    Raises
    ------
    ContractError
        If a cell is no day.

    Examples
    --------
    >>> as_days([20141018], column="day").tolist() == as_days(["2014-10-18"], column="day").tolist()
    True
    """
    array = np.asarray(values)
    if array.dtype.kind == "M":
        return as_times(array)
    written = [
        "-".join(match.groups()) if (match := _DAY.fullmatch(text)) else text
        for text in _texts(array)
    ]
    return as_times(written, path=path, column=column)


def check_none_missing(times: NDArray[Any], *, column: str, path: Any = None) -> None:
    """Refuse a column of times in which one is missing.

    Raises
    ------
    ContractError
        If there is one; the error names the first row.
    """
    missing = np.flatnonzero(np.isnat(times))
    if len(missing):
        raise ContractError(
            f"The column '{column}' is empty in {len(missing):,} of {len(times):,} rows.",
            "Fill it in, or remove the row.",
            path=path,
            row=int(missing[0]),
        )


def _texts(array: NDArray[Any]) -> list[str]:
    """Return the cells as texts, empty where there is none."""
    return [
        "" if cell is None or cell != cell else str(cell).strip()  # noqa: PLR0124 - NaN
        for cell in array.tolist()
    ]
