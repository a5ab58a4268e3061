"""Read Parquet in bounded memory, however far a hostile file would unpack.

A page of zeros shrinks without limit, and a long text that is stored once, in a dictionary, may
stand in a million rows.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from skysift.core.errors import ReadError
from skysift.data.parquet_footer import ColumnChunk, column_chunks

__all__ = ["bounded_parquet", "bounded_record_batches"]

_HARMLESS = 32 * 2**20  # bytes
_MAX_RATIO = 500
_MOST_AT_ONCE = 128 * 2**20  # bytes of one column of one batch


def bounded_parquet(
    source: str | Path | pa.NativeFile, *, most_group_bytes: int | None = None
) -> pq.ParquetFile:
    """Open a file; texts and blobs that stand in dictionaries are left there.

    Of the file that is given back, ask no metadata of row groups: where they are damaged, pyarrow
    ends the process. See :mod:`skysift.data.parquet_footer`.

    Parameters
    ----------
    source : path-like or pyarrow.NativeFile
        The file.
    most_group_bytes : int, optional
        Most bytes of a row group before compression.

    Raises
    ------
    ReadError
        If a part of it unpacks to far more than it has.
    pyarrow.ArrowInvalid
        If it is damaged.
    """
    named: set[str] = set()
    for chunk in _chunks(source):
        if chunk.unpacked > max(_HARMLESS, _MAX_RATIO * chunk.packed):
            raise ReadError(
                f"The column '{chunk.path}' of the Parquet table unpacks to more "
                f"than {_MAX_RATIO} times its size.",
                "If you trust it, write it without compression.",
            )
        if most_group_bytes is not None and chunk.group_bytes > most_group_bytes:
            raise ReadError(
                "A row group of the Parquet table is larger than "
                f"{most_group_bytes / 2**30:.3g} GiB.",
                "Write it in smaller row groups.",
            )
        if chunk.is_dictionary_of_bytes:
            named.add(chunk.path)
    with pq.ParquetFile(source) as plain:
        known = {plain.schema.column(place).path for place in range(plain.metadata.num_columns)}
    return pq.ParquetFile(source, read_dictionary=sorted(named & known))


def _chunks(source: str | Path | pa.NativeFile) -> list[ColumnChunk]:
    if isinstance(source, pa.NativeFile):
        return list(column_chunks(source))
    with Path(source).open("rb") as file:
        return list(column_chunks(file))


def bounded_record_batches(
    file: pq.ParquetFile, batch_rows: int, columns: Sequence[str], row_groups: Sequence[int]
) -> Iterator[pa.RecordBatch]:
    """Yield batches with the columns unpacked, each of a size that memory can bear.

    Parameters
    ----------
    file : pyarrow.parquet.ParquetFile
        Of :func:`bounded_parquet`.
    batch_rows : int
        Most rows of a batch.
    columns : sequence of str
        What is read.
    row_groups : sequence of int
        Of the file.

    Raises
    ------
    ReadError
        If the dictionary of a column unpacks too far.
    """
    for batch in file.iter_batches(
        batch_size=batch_rows, row_groups=list(row_groups), columns=list(columns)
    ):
        arrays = [
            _unpacked(array, field.name)
            for field, array in zip(batch.schema, batch.columns, strict=True)
        ]
        fields = [
            field.with_type(array.type) for field, array in zip(batch.schema, arrays, strict=True)
        ]
        yield pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields, batch.schema.metadata))


def _unpacked(array: pa.Array, name: str) -> pa.Array:
    if isinstance(array, pa.StructArray):
        return _unpacked_struct(array, name)
    if isinstance(array, pa.MapArray):  # which is a list for pyarrow as well
        parts = (_unpacked(part, name).type for part in (array.keys, array.items))
        return array.cast(pa.map_(*parts))
    if isinstance(array, pa.ListArray | pa.LargeListArray):
        entry = array.type.value_field.with_type(_unpacked(array.flatten(), name).type)
        kind = pa.large_list if isinstance(array, pa.LargeListArray) else pa.list_
        return array.cast(kind(entry))
    if not isinstance(array, pa.DictionaryArray):
        return array
    entries = array.dictionary
    if pa.types.is_string(entries.type) or pa.types.is_binary(entries.type):
        lengths = pc.binary_length(entries).to_numpy(zero_copy_only=False)
        used = array.indices.drop_null().to_numpy(zero_copy_only=False)
        if int(np.take(lengths, used).astype(np.int64).sum()) > _MOST_AT_ONCE:
            raise ReadError(
                f"The column '{name}' of the Parquet table repeats its entries to more than "
                f"{_MOST_AT_ONCE // 2**20} MiB in a few rows.",
                "If you trust it, write it without dictionaries.",
            )
    return array.dictionary_decode()


def _unpacked_struct(array: pa.StructArray, name: str) -> pa.Array:
    """Return a record with its parts unpacked."""
    parts = [_unpacked(part, name) for part in array.flatten()]
    fields = [
        field.with_type(part.type) for field, part in zip(array.type.fields, parts, strict=True)
    ]
    return pa.StructArray.from_arrays(parts, fields=fields, mask=array.is_null())
