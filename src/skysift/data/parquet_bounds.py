"""Read Parquet in bounded memory, however far a hostile file would unpack.

A page of zeros shrinks without limit, and a long text that is stored once, in a dictionary, may
stand in a million rows.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from skysift.core.errors import ReadError

__all__ = ["bounded_parquet", "bounded_record_batches"]

_HARMLESS = 32 * 2**20  # bytes
_MAX_RATIO = 500
_MOST_AT_ONCE = 128 * 2**20  # bytes of one column of one batch
_DICTIONARIES = {"PLAIN_DICTIONARY", "RLE_DICTIONARY"}


def bounded_parquet(source: object) -> pq.ParquetFile:
    """Open a file; texts and blobs that stand in dictionaries are left there.

    Parameters
    ----------
    source : path-like or pyarrow.NativeFile
        The file.

    Raises
    ------
    ReadError
        If a part of it unpacks to far more than it has.
    """
    with pq.ParquetFile(source) as file:
        metadata = file.metadata
    named: set[str] = set()
    for group in range(metadata.num_row_groups):
        for place in range(metadata.num_columns):
            column = metadata.row_group(group).column(place)
            unpacked, packed = column.total_uncompressed_size, column.total_compressed_size
            if unpacked > max(_HARMLESS, _MAX_RATIO * packed):
                raise ReadError(
                    f"The column '{column.path_in_schema}' of the Parquet table unpacks to more "
                    f"than {_MAX_RATIO} times its size.",
                    "If you trust it, write it without compression.",
                )
            if column.physical_type == "BYTE_ARRAY" and _DICTIONARIES & set(column.encodings):
                named.add(column.path_in_schema)
    return pq.ParquetFile(source, read_dictionary=sorted(named))


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
