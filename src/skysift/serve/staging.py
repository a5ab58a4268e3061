"""Answers of a batch, written into staged files that are whole and on disk before anyone is told.

Answers with the same columns share a Parquet file; lines of JSON need no columns.
"""

import base64
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from skysift.core.errors import OutputError
from skysift.serve.disk import flush_file, flush_folder
from skysift.serve.messages import Item, StagedFile

if TYPE_CHECKING:
    from skysift.data.io.sinks import Sink

__all__ = ["BUNDLE_COLUMN", "INPUT_COLUMN", "RECORD_COLUMN", "StagedBatch", "json_line", "warm_up"]

RECORD_COLUMN = "skysift_record"
INPUT_COLUMN = "skysift_input"
BUNDLE_COLUMN = "skysift_bundle"

_HELD = 16 * 2**20  # bytes of answers in memory, per file
_FEW, _ROW = 100, 1024  # rows of a table that is not measured, and bytes that each is taken for
_SLICE = 10_000  # rows that are Python objects at a time


class JsonLinesSink:
    """One JSON object for each row; NaN and infinities, which JSON does not have, become null."""

    def __init__(self, temporary: Path, _final: Path, provenance: str) -> None:
        del provenance  # a row names its record and bundle, which the spool and the log know
        self._file = temporary.open("w", encoding="utf-8")

    def write(self, table: pa.Table) -> None:
        """Add rows."""
        for start in range(0, table.num_rows, _SLICE):
            for row in table.slice(start, _SLICE).to_pylist():
                self._file.write(json_line(row))

    def finish(self) -> None:
        """Complete the file."""
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _parquet_sink(temporary: Path, final: Path, provenance: str) -> "Sink":
    from skysift.data.io.sinks import ParquetSink  # noqa: PLC0415  # brings all other formats

    return ParquetSink(temporary, final, provenance)


_SINKS: "dict[str, Callable[[Path, Path, str], Sink]]" = {
    "jsonl": JsonLinesSink,
    "parquet": _parquet_sink,
}


class _File:
    """One staged file, and the rows that wait to be written to it.

    Rows are labelled when there are many of them: for each of a thousand alerts, it would take
    longer than to answer it.
    """

    def __init__(self, path: Path, sink: "Sink", schema: pa.Schema, bundle: str) -> None:
        self.path = path
        self.sink = sink
        self.schema = schema
        self.ids: dict[str, None] = {}  # a set that keeps the order
        self._bundle = bundle
        self._held: list[tuple[Item, pa.Table]] = []
        self._bytes = 0

    def hold(self, item: Item, table: pa.Table) -> None:
        """Keep rows until there are enough for a row group, or others follow."""
        if self._held and not self._held[0][1].schema.equals(table.schema):
            self.write_held()
        self.ids[item.id] = None
        self._held.append((item, table))
        small = table.num_rows < _FEW  # to measure a slice takes as long as to write it
        self._bytes += table.num_rows * _ROW if small else table.nbytes
        if self._bytes > _HELD:
            self.write_held()

    def write_held(self) -> None:
        """Write what is kept; each row says what record it answers, its file, and what answered."""
        if not self._held:
            return
        table = pa.concat_tables([rows for _, rows in self._held])
        counts = [rows.num_rows for _, rows in self._held]
        which = pa.array(np.repeat(np.arange(len(counts)), counts))
        labels = {
            RECORD_COLUMN: [item.id for item, _ in self._held],
            INPUT_COLUMN: [item.name for item, _ in self._held],
            BUNDLE_COLUMN: [self._bundle] * len(counts),
        }
        for place, (name, values) in enumerate(labels.items()):
            column = pa.array(values, pa.string()).take(which)
            table = table.add_column(place, pa.field(name, pa.string()), column)
        self.sink.write(table)
        self._held, self._bytes = [], 0


def warm_up() -> None:
    """Let pyarrow import what it will need, before it counts as the time of a record.

    With its first scalar it looks for pandas, which takes half a second where it is installed.
    """
    pa.array([""], pa.string()).take(pa.array(np.arange(1)))


class StagedBatch:
    """The files of one batch.

    Parameters
    ----------
    stem : Path
        Beginning of their paths.
    kind : str
        ``parquet`` or ``jsonl``.
    provenance : str
        JSON that goes into each Parquet file.
    bundle : str
        Hash of the model.
    """

    def __init__(self, stem: Path, kind: str, provenance: str, bundle: str) -> None:
        self._stem = stem
        self._kind = kind
        self._provenance = provenance
        self._bundle = bundle
        self._files: list[_File] = []

    def add(self, item: Item, pieces: Iterable[pa.Table]) -> int:
        """Add the answer to a record and return its number of rows.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        rows = 0
        for piece in pieces:
            if piece.num_rows == 0:
                continue
            rows += piece.num_rows
            with self._explained():
                self._file_for(piece.schema).hold(item, piece)
        return rows

    def finish(self) -> tuple[StagedFile, ...]:
        """Complete the files and force them to disk.

        Raises
        ------
        OutputError
            If they cannot be written.
        """
        with self._explained():
            for file in self._files:
                file.write_held()
                file.sink.finish()
                file.sink.close()
                flush_file(file.path)
            if self._files:
                flush_folder(self._stem.parent)
        return tuple(StagedFile(path=file.path, ids=tuple(file.ids)) for file in self._files)

    def discard(self) -> None:
        """Remove the files."""
        files, self._files = self._files, []
        for file in files:
            with self._explained():
                file.sink.close()
                file.path.unlink(missing_ok=True)

    def _file_for(self, schema: pa.Schema) -> _File:
        for file in self._files:
            if self._kind == "jsonl" or file.schema.equals(schema):
                return file
        ordinal = f"-{len(self._files)}" if self._files else ""
        path = self._stem.with_name(f"{self._stem.name}{ordinal}.{self._kind}")
        file = _File(path, _SINKS[self._kind](path, path, self._provenance), schema, self._bundle)
        self._files.append(file)
        return file

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutputError(
                f"Cannot write here: {error.strerror or error}.",
                "Check that you may write there and that the disk has room.",
                path=self._stem.parent,
            ) from error


def json_line(row: Mapping[str, Any]) -> str:
    """Return a row as a line of JSON, with null for NaN and infinities."""
    return json.dumps(_strict(row), allow_nan=False, default=_text) + "\n"


def _strict(value: Any) -> Any:
    """Return a value with null for what JSON has no number for."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: _strict(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_strict(item) for item in value]
    return value


def _text(value: Any) -> str:
    """Return text for what JSON has no type for."""
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)
