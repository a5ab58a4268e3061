"""The compound tables that PyTables, ctapipe and lstchain write, read with h5py alone.

ctapipe stores units, descriptions and how a column was transformed in attributes
``CTAFIELD_<position>_<KEY>`` of the table; before its data model 4 they were called
``<column>_<KEY>``. Attributes that hold pickled objects (enumerations) are never opened.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from skysift.data.io.schema import to_arrow
from skysift.data.table import described_field

__all__ = ["UNKNOWN_UNIT", "CompoundTable", "is_compound_table"]

UNKNOWN_UNIT = "SKYSIFT_UNIT"
"""Key of a unit that astropy does not know: ctapipe could not open a table with it as UNIT."""

_QUARTER_NANOSECONDS = 4
_NANOSECONDS = 1_000_000_000
_TAI = "nanoseconds since 1970-01-01T00:00:00 TAI"


def is_compound_table(node: h5py.HLObject) -> bool:
    """Tell whether a node is a table of rows with named columns."""
    return isinstance(node, h5py.Dataset) and node.ndim == 1 and node.dtype.names is not None


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    is_bool: bool
    attributes: Mapping[str, Any]

    @property
    def unit(self) -> str:
        if self._is_high_resolution_time:
            return "ns"
        if "TIME_FORMAT" in self.attributes:
            return "d" if str(self.attributes["TIME_FORMAT"]).endswith("jd") else ""
        return str(self.attributes.get("UNIT", self.attributes.get(UNKNOWN_UNIT, "")))

    @property
    def description(self) -> str:
        text = str(self.attributes.get("DESC", "")).strip()
        if self._is_high_resolution_time:
            return f"{text}; {_TAI}" if text else _TAI
        if "TIME_FORMAT" in self.attributes:
            scale = str(self.attributes.get("TIME_SCALE", ""))
            return f"{text} ({self.attributes['TIME_FORMAT']}, {scale})".strip()
        return text

    @property
    def _is_high_resolution_time(self) -> bool:
        return self.attributes.get("TIME_FORMAT") == "ctao_high_res"

    def array(self, raw: NDArray[Any]) -> pa.Array:
        """Undo the transform that ctapipe made when it wrote the column."""
        if raw.dtype.kind == "S":
            text = [item.decode("utf-8", "replace") for item in raw.tolist()]
            return pa.array(text, type=pa.string())
        if self.is_bool:
            return to_arrow(raw.astype(bool))
        if self._is_high_resolution_time:
            return to_arrow(_nanoseconds(raw))
        if "TRANSFORM_SCALE" in self.attributes and raw.dtype.kind in "iu":
            return to_arrow(self._from_fixed_point(raw))
        return to_arrow(raw)

    def _from_fixed_point(self, raw: NDArray[Any]) -> NDArray[Any]:
        """Integers back to floats; three integers stand for NaN and the infinities."""
        target = np.dtype(str(self.attributes.get("TRANSFORM_DTYPE", "float32")))
        scale = target.type(self.attributes["TRANSFORM_SCALE"])
        offset = target.type(self.attributes.get("TRANSFORM_OFFSET", 0))
        values = (raw.astype(target) - offset) / scale
        limits = np.iinfo(raw.dtype)
        signed = raw.dtype.kind == "i"
        values[raw == (limits.min + 1 if signed else limits.max - 1)] = np.nan
        values[raw == (limits.min if signed else limits.max - 2)] = -np.inf
        values[raw == limits.max] = np.inf
        return np.asarray(values, dtype=target)


class CompoundTable:
    """A table of rows with named columns in an open HDF5 file.

    Parameters
    ----------
    dataset : h5py.Dataset
        The table, shape (n_rows,), of a compound type.

    Attributes
    ----------
    names : list of str
        The columns that fit a table, in order.
    skipped : dict of str
        The columns that do not, each with the reason.
    """

    def __init__(self, dataset: h5py.Dataset) -> None:
        self._dataset = dataset
        kind = dataset.id.get_type()
        attributes = _plain_attributes(dataset)
        self._columns = {}
        for position, name in enumerate(dataset.dtype.names):
            member = kind.get_member_type(position)
            if isinstance(member, h5py.h5t.TypeArrayID):
                member = member.get_super()
            self._columns[name] = _Column(
                name,
                # PyTables stores booleans as bit fields, which h5py shows as bytes.
                is_bool=isinstance(member, h5py.h5t.TypeBitfieldID)
                or dataset.dtype[name].base.kind == "b",
                attributes=_of_column(attributes, position, name),
            )
        self.skipped = {
            name: f"values of type {kind} do not fit a column"
            for name, (kind, *_) in dataset.dtype.fields.items()
            if kind.base.kind not in "biufS" or (kind.base.kind == "S" and kind.shape)
        }
        self.names = [name for name in self._columns if name not in self.skipped]

    def __len__(self) -> int:
        return int(self._dataset.shape[0])

    def rows(self, start: int, stop: int, names: Sequence[str]) -> pa.Table:
        """Return some rows of some columns."""
        raw = self._dataset[start:stop]
        columns = [self._columns[name] for name in names]
        arrays = [column.array(raw[column.name]) for column in columns]
        fields = [
            described_field(column.name, array.type, column.unit, column.description)
            for column, array in zip(columns, arrays, strict=True)
        ]
        return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def _nanoseconds(raw: NDArray[Any]) -> NDArray[np.int64]:
    """Join seconds and quarter nanoseconds, shape (n, 2); a quarter is below any use here."""
    seconds, quarters = raw[..., 0].astype(np.int64), raw[..., 1].astype(np.int64)
    return np.asarray(seconds * _NANOSECONDS + quarters // _QUARTER_NANOSECONDS)


def _plain_attributes(dataset: h5py.Dataset) -> dict[str, Any]:
    """Return the attributes that are numbers or text."""
    plain: dict[str, Any] = {}
    for key in dataset.attrs:
        value = dataset.attrs[key]
        if isinstance(value, bytes | np.bytes_):
            plain[key] = value.decode("utf-8", "replace")
        elif isinstance(value, str | np.generic):
            plain[key] = value
    return plain


def _of_column(attributes: Mapping[str, Any], position: int, name: str) -> dict[str, Any]:
    found = {}
    for prefix in (f"{name}_", f"CTAFIELD_{position}_"):
        for key, value in attributes.items():
            if key.startswith(prefix):
                found[key[len(prefix) :]] = value
    return found
