"""Where rows go: one class for each format, all with ``write``, ``finish`` and ``close``."""

import json
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from skysift.core.errors import OutputError
from skysift.core.files import write_atomic
from skysift.data.io.astronomy import PROVENANCE_NAME, to_astropy
from skysift.data.io.parquet import PROVENANCE_KEY
from skysift.data.io.schema import (
    description_of,
    plain_types,
    refuse_gaps_in_whole_vectors,
    unit_of,
)
from skysift.data.io.spool import SpooledSink
from skysift.data.io.text import SIDE_FILE_SUFFIX

__all__ = ["CsvSink", "EcsvSink", "ParquetSink", "Sink", "VotableSink"]


class Sink(Protocol):
    """A file being written.

    Every sink is made of the temporary file to write, the final path, and the provenance as JSON
    (empty if there is none).
    """

    def write(self, table: pa.Table) -> None:
        """Add rows; the schema is the same each time."""

    def finish(self) -> None:
        """Complete the file; nothing is written after that."""

    def close(self) -> None:
        """Free what is held, whether or not the file was completed."""


class ParquetSink:
    """Parquet: one row group for each batch."""

    def __init__(self, temporary: Path, _final: Path, provenance: str) -> None:
        self._temporary = temporary
        self._provenance = provenance
        self._writer: pq.ParquetWriter | None = None

    def write(self, table: pa.Table) -> None:
        """Add rows."""
        if self._writer is None:
            metadata = dict(table.schema.metadata or {})
            if self._provenance:
                metadata[PROVENANCE_KEY] = self._provenance.encode()
            schema = table.schema.with_metadata(metadata or None)
            # A dictionary of measured numbers is as long as the column: writing it takes several
            # times as long, and the file grows.
            texts = [field.name for field in schema if _is_text(field.type)]
            self._writer = pq.ParquetWriter(self._temporary, schema, use_dictionary=texts)
        self._writer.write_table(table.replace_schema_metadata(self._writer.schema.metadata))

    def finish(self) -> None:
        """Write the footer."""
        self.close()

    def close(self) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()


def _is_text(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_dictionary(kind))


class CsvSink:
    """CSV with a header; types, units and provenance go to a side file."""

    def __init__(self, temporary: Path, final: Path, provenance: str) -> None:
        self._temporary = temporary
        self._final = final
        self._provenance = provenance
        self._schema: pa.Schema = pa.schema([])
        self._writer: pacsv.CSVWriter | None = None
        self._file: pa.NativeFile | None = None

    def write(self, table: pa.Table) -> None:
        """Add rows."""
        table = _flat(plain_types(table))
        if self._writer is None:
            self._schema = table.schema
            compression = "gzip" if self._final.suffix.lower() == ".gz" else None
            self._file = pa.output_stream(str(self._temporary), compression=compression)
            self._writer = pacsv.CSVWriter(self._file, table.schema)
        self._writer.write_table(table)

    def finish(self) -> None:
        """Complete the file and write its side file."""
        self.close()
        side = {
            "provenance": json.loads(self._provenance) if self._provenance else None,
            "columns": {
                field.name: {
                    "type": str(field.type),
                    "unit": unit_of(field),
                    "description": description_of(field),
                }
                for field in self._schema
            },
        }
        write_atomic(f"{self._final}{SIDE_FILE_SUFFIX}", json.dumps(side, indent=1) + "\n")

    def close(self) -> None:
        """Close the file."""
        if self._writer is not None and self._file is not None:
            self._writer.close()
            self._file.close()
            self._writer = self._file = None


class _WholeTableSink(SpooledSink):
    """Formats that are written at once."""

    def _whole(self) -> pa.Table:
        return pa.concat_tables(list(self._spool.tables()) or [self._spool.schema.empty_table()])


class EcsvSink(_WholeTableSink):
    """ECSV; the provenance stands in the meta of its header. An empty text reads as missing."""

    def write(self, table: pa.Table) -> None:
        """Add rows."""
        for position, field in enumerate(table.schema):
            if pa.types.is_string(field.type):
                _refuse_lossy(field.name, table.column(position), first=position == 0)
        super().write(table)

    def finish(self) -> None:
        """Write the file."""
        meta = {PROVENANCE_NAME: self._provenance} if self._provenance else {}
        to_astropy(self._whole(), meta).write(self._temporary, format="ascii.ecsv")


class VotableSink(_WholeTableSink):
    """VOTable in its binary form, which keeps floats to the bit; provenance in an INFO."""

    def write(self, table: pa.Table) -> None:
        """Add rows."""
        super().write(_votable_types(table))

    def finish(self) -> None:
        """Write the file."""
        from astropy.io.votable import from_table  # noqa: PLC0415  # slow; for this format alone
        from astropy.io.votable.tree import Info  # noqa: PLC0415

        document = from_table(to_astropy(self._whole()))
        if self._provenance:
            document.infos.append(Info(name=PROVENANCE_NAME, value=self._provenance))
        document.to_xml(str(self._temporary), tabledata_format="binary2")


# astropy does not quote these: a blank at either end is stripped, a line may break here, and a
# row that begins with '#' is taken for a comment, so that it would be lost without a word.
_ECSV_CHANGES = r"^\s|\s$|[\r\v\f\x1c-\x1e\x{85}\x{2028}\x{2029}]"
_ECSV_LOSES = r"^#"


def _refuse_lossy(name: str, column: pa.ChunkedArray, *, first: bool) -> None:
    pattern = f"{_ECSV_CHANGES}|{_ECSV_LOSES}" if first else _ECSV_CHANGES
    lossy = column.filter(pc.fill_null(pc.match_substring_regex(column, pattern), False))
    if len(lossy):
        raise OutputError(
            f"Column '{name}' holds the text {lossy[0].as_py()!r}, which ECSV would not keep.",
            "Write .parquet or .csv.",
        )


_VOTABLE_TYPES = {
    pa.int8(): pa.int16(),
    pa.uint16(): pa.int32(),
    pa.uint32(): pa.int64(),
}


def _votable_types(table: pa.Table) -> pa.Table:
    """Widen the integers that VOTable does not know, and refuse what it has no mark for."""
    for field in table.schema:
        refuse_gaps_in_whole_vectors(field.name, table.column(field.name), "VOTable")
        if field.type == pa.uint64():
            raise OutputError(
                f"Column '{field.name}' holds unsigned 64-bit integers, which VOTable cannot hold.",
                "Write .parquet, or convert the column to int64.",
            )
    fields = [field.with_type(_VOTABLE_TYPES.get(field.type, field.type)) for field in table.schema]
    return table.cast(pa.schema(fields))


def _flat(table: pa.Table) -> pa.Table:
    for field in table.schema:
        if pa.types.is_fixed_size_list(field.type):
            raise OutputError(
                f"Column '{field.name}' holds vectors, which CSV cannot hold.",
                "Write .parquet or .fits, or leave the column out.",
            )
    return table
