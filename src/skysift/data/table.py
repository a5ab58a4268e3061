"""FeatureTable: a table of events or objects, one row each, columns with units."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from skysift.core.errors import ContractError
from skysift.core.suggest import did_you_mean, listed

__all__ = ["FeatureTable", "described_field"]

_UNIT = b"unit"
_DESCRIPTION = b"description"


class FeatureTable:
    """A table with one row per event or object.

    A thin, immutable layer over :class:`pyarrow.Table`: columns that a model does not know pass
    through untouched, and units travel in the field metadata under the key ``unit``.

    Parameters
    ----------
    arrow : pyarrow.Table
        The columns, shape (n_rows,) each.
    meta : mapping, optional
        What is known of the table as a whole (source file, telescope, provenance).

    Examples
    --------
    >>> table = FeatureTable.from_columns({"length": [28.8, 31.6]}, units={"length": "mm"})
    >>> len(table), table.unit("length"), table["length"].dtype
    (2, 'mm', dtype('float64'))
    """

    __slots__ = ("arrow", "meta")

    def __init__(self, arrow: pa.Table, meta: Mapping[str, Any] | None = None) -> None:
        self.arrow = arrow
        self.meta: dict[str, Any] = dict(meta or {})

    @classmethod
    def from_columns(
        cls,
        columns: Mapping[str, ArrayLike],
        *,
        units: Mapping[str, str] | None = None,
        descriptions: Mapping[str, str] | None = None,
        meta: Mapping[str, Any] | None = None,
    ) -> Self:
        """Build a table from arrays of equal length, shape (n_rows,) each."""
        arrays = [_to_arrow(values) for values in columns.values()]
        fields = [
            described_field(
                name, array.type, (units or {}).get(name), (descriptions or {}).get(name)
            )
            for name, array in zip(columns, arrays, strict=True)
        ]
        return cls(pa.Table.from_arrays(arrays, schema=pa.schema(fields)), meta)

    def __len__(self) -> int:
        return int(self.arrow.num_rows)

    def __contains__(self, name: str) -> bool:
        return name in self.arrow.column_names

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __repr__(self) -> str:
        return f"<FeatureTable {len(self):,} rows x {len(self.columns)} columns>"

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Return one column as a numpy array, shape (n_rows,); nulls of floats become NaN."""
        column = self.arrow.column(self._known(name))
        return np.asarray(column.to_numpy())

    @property
    def columns(self) -> list[str]:
        """Names of the columns, in order."""
        return list(self.arrow.column_names)

    def unit(self, name: str) -> str:
        """Return the unit of a column as text, empty if it has none or none is known."""
        metadata = self.arrow.schema.field(self._known(name)).metadata or {}
        return str(metadata.get(_UNIT, b"").decode())

    def matrix(
        self, names: Sequence[str], dtype: type[np.floating[Any]] = np.float64
    ) -> NDArray[Any]:
        """Return the named columns as a matrix, shape (n_rows, n_names), C order."""
        out = np.empty((len(self), len(names)), dtype=dtype)
        for j, name in enumerate(names):
            out[:, j] = self[name]
        return out

    def with_columns(
        self,
        columns: Mapping[str, ArrayLike],
        *,
        units: Mapping[str, str] | None = None,
        descriptions: Mapping[str, str] | None = None,
    ) -> Self:
        """Return a table with columns added, or replaced where the name exists."""
        arrow = self.arrow
        for name, values in columns.items():
            array = _to_arrow(values)
            field = described_field(
                name, array.type, (units or {}).get(name), (descriptions or {}).get(name)
            )
            where = arrow.schema.get_field_index(name)
            arrow = (
                arrow.append_column(field, array)
                if where < 0
                else arrow.set_column(where, field, array)
            )
        return type(self)(arrow, self.meta)

    def select(self, names: Sequence[str]) -> Self:
        """Return a table of the named columns, in that order."""
        return type(self)(self.arrow.select([self._known(name) for name in names]), self.meta)

    def take(self, rows: ArrayLike) -> Self:
        """Return the rows chosen by a boolean mask, shape (n_rows,), or by an index array."""
        rows = np.asarray(rows)
        arrow = self.arrow.filter(pa.array(rows)) if rows.dtype == bool else self.arrow.take(rows)
        return type(self)(arrow, self.meta)

    def with_meta(self, **meta: Any) -> Self:
        """Return the same table with meta entries added or replaced."""
        return type(self)(self.arrow, {**self.meta, **meta})

    def _known(self, name: str) -> str:
        if name not in self.arrow.column_names:
            raise ContractError(
                f"The table has no column '{name}'.",
                f"{did_you_mean(name, self.columns)}It has: {listed(self.columns)}.",
                path=self.meta.get("path"),
            )
        return name


def _to_arrow(values: ArrayLike) -> pa.Array:
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values
    array = np.asarray(values)
    if array.dtype.kind == "U":
        return pa.array(array.tolist(), pa.string())  # text, also where there is no row
    if array.dtype.kind == "O":
        return pa.array(array.tolist())
    if array.dtype.byteorder not in "=|":
        array = array.astype(array.dtype.newbyteorder("="))
    return pa.array(array)


def described_field(
    name: str, kind: pa.DataType, unit: str | None = None, description: str | None = None
) -> pa.Field:
    """Return a field that carries its unit and description."""
    about = {_UNIT: unit, _DESCRIPTION: description}
    metadata = {key: text.encode() for key, text in about.items() if text}
    return pa.field(name, kind, metadata=metadata or None)
