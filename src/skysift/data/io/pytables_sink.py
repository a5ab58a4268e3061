"""Write HDF5 tables that PyTables and ctapipe read, with h5py alone.

PyTables knows a table by the attributes CLASS, VERSION, TITLE, NROWS and FIELD_<n>_NAME [1]_;
ctapipe keeps units and descriptions in CTAFIELD_<n>_UNIT and CTAFIELD_<n>_DESC.

References
----------
.. [1] PyTables User's Guide, "PyTables File Format", sections "Table" and "Group".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from astropy import units as u
from numpy.typing import NDArray

from skysift.core.errors import OutputError
from skysift.data.io.hdf5 import PROVENANCE_DATASET
from skysift.data.io.pytables import UNKNOWN_UNIT
from skysift.data.io.schema import (
    description_of,
    refuse_gaps_in_whole_vectors,
    unit_of,
    vectors,
)
from skysift.data.io.spool import Spool, SpooledSink

__all__ = ["GrowingTable", "PyTablesSink", "TableColumn", "ensure_root", "write_provenance"]

_TABLE_PATH = "/events"
_TABLE_VERSION = "2.7"
_GROUP_VERSION = "1.0"
_FORMAT_VERSION = "2.1"
_CHUNK_BYTES = 64 * 1024
_EXACT = 2**53  # whole numbers up to here are real ones, too


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column of an HDF5 table: its name, the type of a cell, and what ctapipe says of it."""

    name: str
    dtype: np.dtype[Any]
    attributes: Mapping[str, str | int]
    shape: tuple[int, ...] = ()

    @property
    def memory(self) -> np.dtype[Any]:
        """The type of the cells in memory: booleans are bytes of 0 and 1."""
        return np.dtype("u1") if self.dtype.kind == "b" else self.dtype

    def h5_type(self) -> h5py.h5t.TypeID:
        """Return the type of the cells in the file: PyTables wants booleans as bit fields."""
        base = (
            h5py.h5t.STD_B8LE
            if self.dtype.kind == "b"
            else h5py.h5t.py_create(self.dtype, logical=False)
        )
        return h5py.h5t.array_create(base, self.shape) if self.shape else base


class GrowingTable:
    """An HDF5 table to which rows are added.

    Parameters
    ----------
    file : h5py.File
        An open file; missing groups are made.
    path : str
        Path of the new table.
    columns : sequence of TableColumn
        Its columns.
    title : str
        What the table holds.
    """

    def __init__(
        self, file: h5py.File, path: str, columns: Sequence[TableColumn], *, title: str
    ) -> None:
        self._columns = list(columns)
        self._layout = np.dtype([(c.name, c.memory, c.shape) for c in self._columns])
        self._type = h5py.h5t.create(h5py.h5t.COMPOUND, self._layout.itemsize)
        for column in self._columns:
            offset = self._layout.fields[column.name][1]  # type: ignore[index]  # a record type has fields
            self._type.insert(column.name.encode(), offset, column.h5_type())
        parent, _, name = path.rpartition("/")
        group = _ensure_group(file, parent)
        self._dataset = h5py.Dataset(
            h5py.h5d.create(
                group.id,
                name.encode(),
                self._type,
                h5py.h5s.create_simple((0,), (h5py.h5s.UNLIMITED,)),
                _creation_settings(self._layout.itemsize),
            )
        )
        self._describe(title)

    def append(self, values: Mapping[str, NDArray[Any]]) -> None:
        """Add rows; one array of shape (n_new, ...) for each column."""
        rows = len(next(iter(values.values())))
        if rows == 0:
            return
        record = np.zeros(rows, dtype=self._layout)
        for column in self._columns:
            record[column.name] = values[column.name]
        start = self._dataset.shape[0]
        self._dataset.resize((start + rows,))
        where = self._dataset.id.get_space()
        where.select_hyperslab((start,), (rows,))
        self._dataset.id.write(h5py.h5s.create_simple((rows,)), where, record, self._type)
        self._dataset.attrs["NROWS"] = np.int64(start + rows)

    def _describe(self, title: str) -> None:
        _set_text(self._dataset, "CLASS", "TABLE")
        _set_text(self._dataset, "VERSION", _TABLE_VERSION)
        _set_text(self._dataset, "TITLE", title)
        self._dataset.attrs["NROWS"] = np.int64(0)
        for position, column in enumerate(self._columns):
            _set_text(self._dataset, f"FIELD_{position}_NAME", column.name)
            for key, value in column.attributes.items():
                full = f"CTAFIELD_{position}_{key}"
                if isinstance(value, int):
                    self._dataset.attrs[full] = np.int64(value)
                elif value:
                    _set_text(self._dataset, full, value)


class PyTablesSink(SpooledSink):
    """An HDF5 file with one table, ``/events``.

    Texts have a fixed width, in UTF-8; integers and booleans of which some are missing become
    float64 with NaN, missing texts become empty ones.
    """

    def finish(self) -> None:
        """Write the file from the spool."""
        columns = [_column(field, self._spool) for field in self._spool.schema]
        with h5py.File(self._temporary, "w") as file:
            ensure_root(file)
            table = GrowingTable(file, _TABLE_PATH, columns, title="skysift table")
            for part in self._spool.tables():
                arrays = {c.name: _values(part.column(c.name), c) for c in columns}
                table.append(arrays)
            write_provenance(file, self._provenance)


def ensure_root(file: h5py.File) -> None:
    """Mark the root group as PyTables does."""
    if "PYTABLES_FORMAT_VERSION" not in file.attrs:
        _mark_group(file["/"])
        _set_text(file["/"], "PYTABLES_FORMAT_VERSION", _FORMAT_VERSION)


def write_provenance(file: h5py.File, provenance: str) -> None:
    """Store the provenance, JSON, as a text dataset at the root; attributes end at 64 KiB."""
    if provenance:
        if PROVENANCE_DATASET in file:
            del file[PROVENANCE_DATASET]
        file[PROVENANCE_DATASET] = np.bytes_(provenance.encode("ascii"))


def _ensure_group(file: h5py.File, path: str) -> h5py.Group:
    group = file["/"]
    for name in filter(None, path.split("/")):
        if name not in group:
            _mark_group(group.create_group(name))
        group = group[name]
    return group


def _mark_group(group: h5py.Group) -> None:
    _set_text(group, "CLASS", "GROUP")
    _set_text(group, "VERSION", _GROUP_VERSION)
    group.attrs["TITLE"] = h5py.Empty("S1")


def _set_text(node: h5py.HLObject, key: str, text: str) -> None:
    """Set a text attribute of fixed length: PyTables reads no others as text."""
    data = text.encode("utf-8")
    node.attrs.create(key, data, dtype=h5py.string_dtype("utf-8", len(data)))


def _creation_settings(row_bytes: int) -> h5py.h5p.PropDCID:
    settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    settings.set_chunk((max(_CHUNK_BYTES // row_bytes, 1),))
    settings.set_shuffle()
    settings.set_deflate(4)  # zlib is the one compression that every HDF5 library has
    settings.set_fletcher32()
    return settings


def _column(field: pa.Field, spool: Spool) -> TableColumn:
    about: dict[str, str | int] = {"DESC": description_of(field)}
    unit = unit_of(field)
    if unit:
        about |= _unit_attributes(unit)
    kind = field.type
    if pa.types.is_string(kind):
        width = max(spool.widths.get(field.name, 0), 1)
        about = {"DESC": about["DESC"], "TRANSFORM": "string", "MAXLEN": width}
        return TableColumn(field.name, np.dtype(f"S{width}"), about)
    if pa.types.is_fixed_size_list(kind):
        cell = np.dtype(kind.value_type.to_pandas_dtype())
        return TableColumn(field.name, cell, about, (kind.list_size,))
    dtype = np.dtype(kind.to_pandas_dtype())
    if field.name in spool.with_nulls and dtype.kind in "biu":
        dtype = np.dtype(np.float64)
    return TableColumn(field.name, dtype, about)


def _values(column: pa.ChunkedArray, stored: TableColumn) -> NDArray[Any]:
    array = column.combine_chunks()
    if stored.dtype.kind == "S":
        text = [b"" if value is None else value.encode() for value in array.to_pylist()]
        return np.array(text, dtype=stored.dtype)
    if stored.shape:
        refuse_gaps_in_whole_vectors(stored.name, array, "HDF5")
        return vectors(array).astype(stored.memory)
    if stored.dtype.kind == "f" and pa.types.is_integer(array.type):
        _refuse_inexact(stored.name, array)
    return np.asarray(array.to_numpy(zero_copy_only=False)).astype(stored.memory)


def _refuse_inexact(name: str, array: pa.Array) -> None:
    """Refuse whole numbers with gaps, stored as real ones, that these cannot tell apart."""
    limits = pc.min_max(array).as_py()
    if max(abs(limit or 0) for limit in limits.values()) > _EXACT:
        raise OutputError(
            f"Column '{name}' has missing values, and also whole numbers beyond 2^53, which HDF5 "
            "would not keep to the last digit.",
            "Write .parquet, .ecsv, .fits or .vot.",
        )


def _unit_attributes(unit: str) -> dict[str, str]:
    """Return what ctapipe writes of a unit (VOUnit); it could not read one that is not known."""
    try:
        return {"TRANSFORM": "quantity", "UNIT": str(u.Unit(unit).to_string("vounit"))}
    except ValueError:
        return {UNKNOWN_UNIT: unit}
