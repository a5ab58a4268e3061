"""Arrow fields with units and descriptions, and tables reduced to plain types."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from skysift.core.errors import OutputError

__all__ = [
    "description_of",
    "plain_types",
    "refuse_gaps_in_whole_vectors",
    "to_arrow",
    "unit_of",
    "vectors",
]


def unit_of(field: pa.Field) -> str:
    """Return the unit of a field, or nothing."""
    return str((field.metadata or {}).get(b"unit", b"").decode())


def description_of(field: pa.Field) -> str:
    """Return the description of a field, or nothing."""
    return str((field.metadata or {}).get(b"description", b"").decode())


def to_arrow(values: NDArray[Any], mask: NDArray[np.bool_] | None = None) -> pa.Array:
    """Turn an array of shape (n_rows, ...) into one Arrow array, vectors as fixed-size lists.

    Parameters
    ----------
    values : array, shape (n_rows, ...)
        Numbers, booleans or text, of either byte order.
    mask : array of bool, shape (n_rows,), optional
        True where a value is missing; for one-dimensional arrays.
    """
    values = np.ascontiguousarray(values)
    if not values.dtype.isnative:
        values = values.astype(values.dtype.newbyteorder("="))
    array = pa.array(values.reshape(-1), mask=mask if values.ndim == 1 else None)
    for size in reversed(values.shape[1:]):
        array = pa.FixedSizeListArray.from_arrays(array, size)
    return array


def plain_types(table: pa.Table) -> pa.Table:
    """Reduce a table to numbers, booleans, text and lists of them, as most formats know no more.

    Dictionaries are decoded, timestamps become ISO 8601 text, decimals become float64.

    Raises
    ------
    OutputError
        If a column has a type that only Parquet can hold.
    """
    for position, field in enumerate(table.schema):
        target = _plain_type(field)
        if target != field.type:
            column = table.column(position).cast(target)
            table = table.set_column(position, field.with_type(target), column)
    return table


def vectors(array: pa.FixedSizeListArray) -> NDArray[Any]:
    """Return a column of vectors as a matrix, shape (n_rows, length of a vector).

    A missing vector has NaN, or 0 where its numbers cannot be NaN.
    """
    known = np.asarray(array.is_valid())
    values = array.flatten().to_numpy(zero_copy_only=False)  # of the vectors that are there
    if known.all():
        return np.asarray(values.reshape(len(array), array.type.list_size))
    found = np.zeros((len(array), array.type.list_size), dtype=values.dtype)
    if values.dtype.kind == "f":
        found[~known] = np.nan
    found[known] = values.reshape(-1, array.type.list_size)
    return found


def refuse_gaps_in_whole_vectors(
    name: str, column: pa.Array | pa.ChunkedArray, file_format: str
) -> None:
    """Refuse vectors of whole numbers or booleans, some missing, where a format has no mark.

    Raises
    ------
    OutputError
        If the column is one of such vectors.
    """
    kind = column.type
    if not pa.types.is_fixed_size_list(kind) or pa.types.is_floating(kind.value_type):
        return
    if column.null_count or pc.list_flatten(column).null_count:
        raise OutputError(
            f"Column '{name}' holds vectors of whole numbers, some of them missing, which "
            f"{file_format} cannot mark.",
            "Write .parquet or .ecsv.",
        )


def _plain_type(field: pa.Field) -> pa.DataType:
    kind, types = field.type, pa.types
    if types.is_dictionary(kind):
        return _plain_type(field.with_type(kind.value_type))
    if types.is_float16(kind):
        return pa.float32()
    if types.is_decimal(kind):
        return pa.float64()
    textual = types.is_large_string(kind) or types.is_string_view(kind) or types.is_null(kind)
    if textual or (types.is_temporal(kind) and not types.is_duration(kind)):
        return pa.string()
    cell = kind.value_type if types.is_fixed_size_list(kind) else kind
    numeric = types.is_floating(cell) or types.is_integer(cell) or types.is_boolean(cell)
    if not numeric and not types.is_string(kind):
        raise OutputError(
            f"Column '{field.name}' is of type {kind}, which this format cannot hold.",
            "Write .parquet, or leave the column out.",
        )
    return kind
