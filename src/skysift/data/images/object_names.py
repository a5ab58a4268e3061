"""How objects of a catalogue are called: the columns that name them, and their names as text."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["NAME_COLUMNS", "object_names"]

NAME_COLUMNS = (
    *("identifier", "id", "ID", "name", "object"),
    *("objectId", "source_id", "ls_id", "objID"),
)
"""Columns that name the objects of a catalogue, the first that is there."""


def object_names(values: NDArray[Any]) -> NDArray[np.str_]:
    """Return identifiers as text, shape (n,); whole numbers that a file gives as real are whole.

    Examples
    --------
    >>> object_names(np.array([1.0, 2.0])).tolist()
    ['1', '2']
    """
    if values.dtype.kind == "f" and np.all(np.mod(values, 1) == 0):
        values = values.astype(np.int64)
    return np.array([str(value) for value in values], dtype=np.str_)
