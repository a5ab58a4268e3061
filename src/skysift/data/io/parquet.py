"""Read Parquet: one file, or a folder of partitions."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from skysift.core.errors import ReadError
from skysift.data.io.astropy_parquet import AstropyColumns
from skysift.data.io.batches import rebatch
from skysift.data.io.source import Source, chosen_columns
from skysift.data.parquet_bounds import bounded_parquet, bounded_record_batches
from skysift.data.table import FeatureTable

__all__ = ["PROVENANCE_KEY", "read_parquet"]

_SUFFIXES = {"", ".parquet", ".parq", ".pq"}

PROVENANCE_KEY = b"skysift"
"""Key of the provenance, as JSON, in the metadata of a Parquet schema."""


def read_parquet(source: Source) -> Iterator[FeatureTable]:
    """Read batches of rows, one row group at a time in memory."""
    if source.file.is_dir():
        yield from _read_folder(source)
        return
    with pq.ParquetFile(source.file) as plain:
        schema = plain.schema_arrow
    known = AstropyColumns.of(schema)
    with bounded_parquet(source.file) as file:
        names = chosen_columns(known.names, source)
        wanted = known.stored(names)
        # One row group at a time: over all of them at once, pyarrow keeps what it has read.
        batches = (
            pa.Table.from_batches([batch])
            for group in range(file.num_row_groups)
            for batch in bounded_record_batches(file, source.options.batch_rows, wanted, [group])
        )
        yield from _tables(rebatch(batches, source.options.batch_rows), schema, names, known)


def _read_folder(source: Source) -> Iterator[FeatureTable]:
    import pyarrow.dataset as ds  # noqa: PLC0415  # imports pandas where it is installed

    for file in source.file.rglob("*"):
        if file.suffix not in _SUFFIXES and _counts(file, source.file):
            raise ReadError(
                f"The folder holds {file.name}: as a table, a folder of Parquet files is read.",
                "Name the table in it.",
                path=source.path,
            )
    dataset = ds.dataset(source.file, format="parquet", partitioning="hive")
    if not dataset.files:
        raise ReadError("The folder holds no Parquet files.", "Check the path.", path=source.path)
    known = AstropyColumns.of(dataset.schema)
    names = chosen_columns(known.names, source)
    wanted = known.stored(names)
    batches = (
        pa.Table.from_batches([batch])
        for file in dataset.get_fragments()
        for group in file.split_by_row_group()  # as above: bounds the memory
        for batch in group.to_batches(
            schema=dataset.schema, columns=wanted, batch_size=source.options.batch_rows
        )
    )
    yield from _tables(rebatch(batches, source.options.batch_rows), dataset.schema, names, known)


def _counts(path: Path, folder: Path) -> bool:
    """Tell whether a file is one that pyarrow would take for a part of a table."""
    inside = path.relative_to(folder).parts
    return path.is_file() and not any(name.startswith((".", "_")) for name in inside)


def _tables(
    tables: Iterator[pa.Table], schema: pa.Schema, names: list[str], known: AstropyColumns
) -> Iterator[FeatureTable]:
    """Give tables with the metadata of the file's fields; at least one, for the schema."""
    wanted = pa.schema([known.field(schema.field(name)) for name in names])
    meta = _meta(schema.metadata or {})
    empty = True
    for table in tables:
        empty = False
        yield FeatureTable(known.masked(table, names).cast(wanted), meta)
    if empty:
        yield FeatureTable(wanted.empty_table(), meta)


def _meta(metadata: Mapping[bytes, bytes]) -> dict[str, Any]:
    stored = metadata.get(PROVENANCE_KEY)
    return {} if stored is None else {"provenance": json.loads(stored)}
