"""How objects of a catalogue are called: the columns that name them, and their names as text."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from skysift.data.table import FeatureTable

__all__ = ["NAME_COLUMNS", "ObjectNames", "names_of", "numbered"]

NAME_COLUMNS = (
    *("identifier", "id", "ID", "name", "object"),
    *("objectId", "source_id", "ls_id", "objID"),
)
"""Columns that name the objects of a catalogue, the first that is there."""

_MOST_WHOLE = 2.0**63


@dataclass(frozen=True, eq=False)
class ObjectNames:
    """What the objects of a catalogue are called.

    Parameters
    ----------
    texts : array of str, shape (n,)
        Identifiers; that of an object without one is ``row-`` and its row, from 0.
    known : array of bool, shape (n,)
        Which objects have an identifier.
    column : str, optional
        Where they come from; None if there is no such column, and objects are numbered.
    """

    texts: NDArray[np.str_]
    known: NDArray[np.bool_]
    column: str | None = None

    @property
    def unnamed(self) -> int:
        """Number of objects without an identifier, in a catalogue that has them."""
        return int((~self.known).sum())

    @property
    def repeated(self) -> int:
        """Number of objects whose identifier another one has, too."""
        _, counts = np.unique(self.texts[self.known], return_counts=True)
        return int(counts[counts > 1].sum())


def numbered(rows: NDArray[np.int64]) -> ObjectNames:
    """Return the names of objects that have none: their rows in the catalogue, from 0."""
    return ObjectNames(rows.astype(np.str_), np.ones(len(rows), dtype=bool))


def names_of(
    table: FeatureTable, column: str, rows: NDArray[np.int64] | None = None
) -> ObjectNames:
    """Return the identifiers of a column as text, to the last digit.

    Whole numbers that a file gives as real are whole. A missing or empty identifier is none.

    Parameters
    ----------
    table : FeatureTable
        n objects.
    column : str
        Its column.
    rows : array of int, shape (n,), optional
        Their rows in the catalogue, where the table is a part of it.

    Examples
    --------
    >>> names_of(FeatureTable.from_columns({"id": [1.0, np.nan, 3.0]}), "id").texts.tolist()
    ['1', 'row-1', '3']
    """
    texts = [None if text is None else str(text) for text in _texts(table, column)]
    known = np.array([text is not None and bool(text.strip()) for text in texts], dtype=bool)
    where = range(len(texts)) if rows is None else rows.tolist()
    named = [
        text if is_known else f"row-{row}"
        for row, text, is_known in zip(where, texts, known, strict=True)
    ]
    return ObjectNames(np.array(named, dtype=np.str_), known, column)


def _texts(table: FeatureTable, column: str) -> list[object]:
    """Return the values of a column, those that are missing as None."""
    values = table.select([column]).arrow.column(0)
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if pa.types.is_integer(values.type):  # numpy would make real numbers of those with a gap
        return list(values.cast(pa.string()).to_pylist())
    missing = np.asarray(values.is_null())
    array = np.asarray(values.to_numpy())
    if array.dtype.kind == "f":
        missing = np.isnan(array)
        there = array[~missing]
        if np.all((np.mod(there, 1) == 0) & (np.abs(there) < _MOST_WHOLE)):
            array = np.where(missing, 0, array).astype(np.int64)
    return [None if gap else value for value, gap in zip(array, missing, strict=True)]
