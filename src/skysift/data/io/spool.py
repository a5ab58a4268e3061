"""Hold batches on disk until all is known that a file's header must say.

FITS and HDF5 tables need the longest text of each column before their first row.
"""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from skysift.data.io.schema import plain_types

__all__ = ["Spool", "SpooledSink"]


class Spool:
    """Batches of one schema in a temporary Arrow file, and what was seen of them.

    Parameters
    ----------
    path : Path
        The temporary file; :meth:`close` removes it.

    Attributes
    ----------
    rows : int
        Rows held.
    widths : dict of int
        For each text column the longest text, in bytes of UTF-8.
    with_nulls : set of str
        The columns in which values are missing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: pa.OSFile | None = None
        self._writer: pa.RecordBatchFileWriter | None = None
        self.schema: pa.Schema = pa.schema([])
        self.rows = 0
        self.widths: dict[str, int] = {}
        self.with_nulls: set[str] = set()

    def write(self, table: pa.Table) -> None:
        """Add the rows of a table."""
        if self._writer is None:
            self.schema = table.schema
            self._file = pa.OSFile(str(self._path), "wb")
            self._writer = pa.ipc.new_file(self._file, table.schema)
        self._writer.write_table(table)
        self.rows += len(table)
        for name, column in zip(table.column_names, table.columns, strict=True):
            if column.null_count:
                self.with_nulls.add(name)
            if pa.types.is_string(column.type):
                longest = pc.max(pc.binary_length(column)).as_py() or 0
                self.widths[name] = max(self.widths.get(name, 0), longest)

    def tables(self) -> Iterator[pa.Table]:
        """Give all rows back, in pieces; nothing can be added after that."""
        self._end()
        with pa.memory_map(str(self._path)) as file:
            reader = pa.ipc.open_file(file)
            for number in range(reader.num_record_batches):
                yield pa.Table.from_batches([reader.get_batch(number)], reader.schema)

    def close(self) -> None:
        """Remove the temporary file."""
        self._end()
        self._path.unlink(missing_ok=True)

    def _end(self) -> None:
        if self._writer is not None and self._file is not None:
            self._writer.close()
            self._file.close()
            self._writer = self._file = None


class SpooledSink:
    """Base of the formats that are written at the end: the rows wait in a spool.

    Parameters
    ----------
    temporary : Path
        The file to write.
    provenance : str
        JSON, empty if there is none.
    """

    def __init__(self, temporary: Path, _final: Path, provenance: str) -> None:
        self._temporary = temporary
        self._provenance = provenance
        self._spool = Spool(temporary.with_suffix(".spool"))

    def write(self, table: pa.Table) -> None:
        """Add rows."""
        self._spool.write(plain_types(table))

    def close(self) -> None:
        """Remove the spool."""
        self._spool.close()
