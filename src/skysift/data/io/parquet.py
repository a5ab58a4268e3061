"""Read Parquet: one file, or a folder of partitions."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from skysift.core.errors import ReadError
from skysift.data.io.batches import rebatch
from skysift.data.io.source import Source, chosen_columns
from skysift.data.table import FeatureTable

__all__ = ["PROVENANCE_KEY", "read_parquet"]

PROVENANCE_KEY = b"skysift"
"""Key of the provenance, as JSON, in the metadata of a Parquet schema."""


def read_parquet(source: Source) -> Iterator[FeatureTable]:
    """Read batches of rows, one row group at a time in memory."""
    if source.file.is_dir():
        yield from _read_folder(source)
        return
    with pq.ParquetFile(source.file) as file:
        schema = file.schema_arrow
        names = chosen_columns(schema.names, source)
        batches = file.iter_batches(batch_size=source.options.batch_rows, columns=names)
        yield from _tables(batches, schema, names)


def _read_folder(source: Source) -> Iterator[FeatureTable]:
    dataset = ds.dataset(source.file, format="parquet", partitioning="hive")
    if not dataset.files:
        raise ReadError("The folder holds no Parquet files.", "Check the path.", path=source.path)
    names = chosen_columns(dataset.schema.names, source)
    batches = dataset.to_batches(
        columns=names,
        batch_size=source.options.batch_rows,
        batch_readahead=1,  # bounds the memory; the default reads sixteen batches ahead
        fragment_readahead=1,
    )
    tables = (pa.Table.from_batches([batch]) for batch in batches)
    joined = rebatch(tables, source.options.batch_rows)
    yield from _tables(joined, dataset.schema, names)


def _tables(
    batches: Iterator[pa.RecordBatch | pa.Table], schema: pa.Schema, names: list[str]
) -> Iterator[FeatureTable]:
    """Give tables with the metadata of the file's fields; at least one, for the schema."""
    wanted = pa.schema([schema.field(name) for name in names])
    meta = _meta(schema.metadata or {})
    empty = True
    for batch in batches:
        empty = False
        table = batch if isinstance(batch, pa.Table) else pa.Table.from_batches([batch])
        yield FeatureTable(table.select(names).cast(wanted), meta)
    if empty:
        yield FeatureTable(wanted.empty_table(), meta)


def _meta(metadata: Mapping[bytes, bytes]) -> dict[str, Any]:
    stored = metadata.get(PROVENANCE_KEY)
    return {} if stored is None else {"provenance": json.loads(stored)}
