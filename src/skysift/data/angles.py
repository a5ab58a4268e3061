"""Positions of catalogues in degrees, whatever unit their columns state."""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import ContractError
from skysift.data.table import FeatureTable

__all__ = ["degrees_of"]

_DEGREES = frozenset({"", "deg", "degree", "degrees"})
_AS_ASTROPY: Final[Mapping[str, str]] = {
    "radian": "rad",
    "radians": "rad",
    "hours": "hourangle",
    "hour": "hourangle",
    "h": "hourangle",
    "hr": "hourangle",
}


def degrees_of(table: FeatureTable, column: str) -> NDArray[np.float64]:
    """Return a column of angles in degrees, shape (n,).

    Parameters
    ----------
    table : FeatureTable
        A catalogue.
    column : str
        One of its columns. A unit that it states is converted; without one, the numbers are taken
        for degrees. Hours are those of right ascension, 15 deg each.

    Returns
    -------
    array of float64, shape (n,) [deg]
        NaN where a value is missing.

    Raises
    ------
    ContractError
        If the column holds no numbers, or states a unit that is none of an angle.

    Examples
    --------
    >>> table = FeatureTable.from_columns({"ra": [0.5, 1.0]}, units={"ra": "hourangle"})
    >>> degrees_of(table, "ra").round(9).tolist()
    [7.5, 15.0]
    """
    values = table[column]
    path = table.meta.get("path")
    if values.dtype.kind not in "fiu":
        example = next((f" ({one!r})" for one in values.tolist() if one is not None), "")
        raise ContractError(
            f"The column '{column}' holds what is no number{example}.",
            "Give angles in degrees, as numbers.",
            path=path,
        )
    numbers = np.asarray(values, dtype=np.float64)
    unit = table.unit(column).strip()
    if unit.lower() in _DEGREES:
        return numbers
    return np.asarray(numbers * _degrees_in(unit, column, path))


def _degrees_in(unit: str, column: str, path: object) -> float:
    """Return how many degrees a unit has."""
    from astropy import units as u  # noqa: PLC0415 slow to import; most catalogues need none

    try:
        return float(u.Unit(_AS_ASTROPY.get(unit.lower(), unit)).to(u.deg))
    except (ValueError, TypeError) as error:  # astropy's UnitConversionError is a TypeError
        raise ContractError(
            f"The column '{column}' states the unit '{unit}', which is none of an angle.",
            "Give angles in deg, rad or hourangle, or no unit for degrees.",
            path=None if path is None else str(path),
        ) from error
