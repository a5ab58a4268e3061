"""What astropy notes in the Parquet files that it writes: units, descriptions and masks.

Parquet itself knows no units, and astropy stores a mask as a column of its own, beside the values
that were masked. Both are described in the metadata of the schema, as YAML.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from skysift.core.errors import ReadError
from skysift.data.io.schema import description_of, to_arrow, unit_of, vectors
from skysift.data.table import described_field

__all__ = ["AstropyColumns"]

_KEY = b"table_meta_yaml"
_SERIALIZED = "__serialized_columns__"
_MOST_BYTES = 1 << 20  # of the description
_DEEPEST = 8  # of a description of a column


@dataclass(frozen=True)
class AstropyColumns:
    """The columns of a Parquet file, as astropy means them.

    Parameters
    ----------
    names : sequence of str
        The columns, without those that are masks of others.
    masks : mapping of str to str
        The column of the mask of each column that has one.
    units, descriptions : mapping of str to str
        By column, where there is one.
    """

    names: Sequence[str]
    masks: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    descriptions: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, schema: pa.Schema) -> Self:
        """Read the metadata of a schema; one that astropy has not written has plain columns.

        Raises
        ------
        ReadError
            If the metadata cannot be understood: units and masks would be lost.
        """
        text = (schema.metadata or {}).get(_KEY)
        if text is None:
            return cls(schema.names)
        described = _parsed(text)
        masks = dict(_masks(described.get("meta"), set(schema.names)))
        columns = [column for column in _list(described.get("datatype")) if _is_named(column)]
        return cls(
            [name for name in schema.names if name not in set(masks.values())],
            masks,
            {column["name"]: _unit(column) for column in columns if column.get("unit")},
            {
                column["name"]: " ".join(column["description"].split())
                for column in columns
                if isinstance(column.get("description"), str)
            },
        )

    def stored(self, names: Sequence[str]) -> list[str]:
        """Return the columns of the file that these are made of."""
        return [*names, *(self.masks[name] for name in names if name in self.masks)]

    def field(self, plain: pa.Field) -> pa.Field:
        """Return a field of the file with its unit and description."""
        unit, description = self.units.get(plain.name), self.descriptions.get(plain.name)
        kind = plain.type
        if plain.name in self.masks and pa.types.is_fixed_size_list(kind):
            kind = pa.list_(pa.float64(), kind.list_size)  # gaps of vectors are NaN
        if not unit and not description:
            return plain.with_type(kind)
        return described_field(
            plain.name,
            kind,
            unit_of(plain) or unit,
            description_of(plain) or description,
        )

    def masked(self, table: pa.Table, names: Sequence[str]) -> pa.Table:
        """Return some columns, with nulls where their masks say so.

        Raises
        ------
        ReadError
            If a mask does not fit its column.
        """
        if not self.masks.keys() & set(names):
            return table.select(names)
        columns = []
        for name in names:
            column = table.column(name)
            if name in self.masks:
                column = _masked(name, column, table.column(self.masks[name]))
            columns.append(column)
        return pa.table(dict(zip(names, columns, strict=True)))


def _masked(name: str, column: pa.ChunkedArray, mask: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_boolean(mask.type) and not pa.types.is_nested(column.type):
        return pc.if_else(pc.fill_null(mask, False), pa.scalar(None, column.type), column)
    kinds = (column.type, mask.type)
    if all(map(pa.types.is_fixed_size_list, kinds)):
        values, gaps = (vectors(array.combine_chunks()) for array in (column, mask))
        if values.shape == gaps.shape and values.dtype.kind in "biuf":
            return pa.chunked_array([to_arrow(np.where(gaps, np.nan, values.astype(np.float64)))])
    raise ReadError(
        f"The column '{name}' has a mask ({mask.type}) that does not fit it ({column.type}).",
        "Write the table with skysift, or as .ecsv or .fits.",
    )


def _parsed(text: bytes) -> dict[str, Any]:
    # YAML takes longer to import than a small file to read.
    from skysift.data.io.plain_yaml import parse_plain_yaml  # noqa: PLC0415

    try:
        described = parse_plain_yaml(text, most_bytes=_MOST_BYTES)
    except ValueError as error:
        raise _unknown(str(error)) from error
    if not isinstance(described, dict):
        raise _unknown("it describes no table")
    return described


def _unknown(why: str) -> ReadError:
    return ReadError(
        f"What astropy noted of the table, such as its units, cannot be understood: {why}.",
        "Write the table anew, or as .ecsv or .fits.",
    )


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _is_named(column: object) -> bool:
    return isinstance(column, dict) and isinstance(column.get("name"), str)


def _unit(column: Mapping[str, Any]) -> str:
    unit = column["unit"]
    if isinstance(unit, dict):
        unit = unit.get("unit")
    if not isinstance(unit, str):
        raise _unknown(f"the unit of the column '{column['name']}'")
    return unit


def _masks(meta: object, known: set[str]) -> Iterator[tuple[str, str]]:
    """Yield each column that has a mask, and the column that is it."""
    for name, described in _entries(dict(_entries(meta)).get(_SERIALIZED)):
        seen: set[int] = set()
        for data, mask in _pairs(described, seen, _DEEPEST):
            if not {data, mask} <= known:
                raise _unknown(f"the mask of the column '{name}' is not there")
            yield data, mask


def _entries(value: object) -> list[tuple[Any, Any]]:
    """Return the entries of a mapping, or of an ordered one, which is a list of mappings."""
    if isinstance(value, dict):
        return list(value.items())
    return [entry for one in _list(value) if isinstance(one, dict) for entry in one.items()]


def _pairs(node: object, seen: set[int], depth: int) -> Iterator[tuple[str, str]]:
    """Yield the names of data and mask wherever they are described, each place once."""
    if not isinstance(node, dict) or id(node) in seen or not depth:
        return
    seen.add(id(node))
    data, mask = node.get("data"), node.get("mask")
    if mask is not None:
        if not (_is_named(data) and _is_named(mask)):
            raise _unknown("a mask that is no column")
        yield str(data["name"]), str(mask["name"])  # type: ignore[index]
    for value in node.values():
        yield from _pairs(value, seen, depth - 1)
