"""Cutouts to files: one multi-extension FITS, or one Parquet table with FITS bytes."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from astropy.io import fits

from skysift.core.errors import OutputError
from skysift.core.files import atomic_path
from skysift.data.images.image_set import ImageSet
from skysift.data.images.parquet_stamps import STAMP_COLUMN
from skysift.data.table import FeatureTable

__all__ = ["CUTOUT_SUFFIXES", "CutoutSink", "Piece", "check_cutout_target", "open_cutout_file"]

CUTOUT_SUFFIXES = (".fits", ".parquet")
"""Suffixes of the files that cutouts are written to."""

_PRIMARY = b"".join(
    card.ljust(80)
    for card in (
        b"SIMPLE  =                    T",
        b"BITPIX  =                    8",
        b"NAXIS   =                    0",
        b"EXTEND  =                    T",
        b"ORIGIN  = 'skysift '",
        b"END",
    )
).ljust(2880)


@dataclass(frozen=True, eq=False)
class Piece:
    """Cutouts of one image, and each of them as FITS bytes."""

    cutouts: ImageSet
    stamps: Sequence[bytes]

    def table(self) -> FeatureTable:
        """Return one row for each: name, flags, facts."""
        names = {
            "identifier": self.cutouts.identifiers,
            "flags": self.cutouts.flags.astype(np.int64),
            "flag_names": np.array(self.cutouts.flag_texts(), dtype=np.str_),
        }
        facts = self.cutouts.facts
        kept = [name for name in facts.columns if name not in {"row", "start_y", "start_x"}]
        table = FeatureTable.from_columns(names)
        described = facts.select(kept).arrow
        for field, column in zip(described.schema, described.columns, strict=True):
            table = FeatureTable(table.arrow.append_column(field, column))
        return table


class CutoutSink(Protocol):
    """What :func:`open_cutout_file` gives."""

    is_extension: bool
    """Whether the FITS bytes must be extensions, not files."""

    def write(self, piece: Piece) -> None:
        """Add the cutouts of one image."""


def check_cutout_target(path: str | Path) -> None:
    """Check that cutouts can be written to a path, before the long work.

    Raises
    ------
    OutputError
        If the suffix names no format.
    """
    if Path(path).suffix.lower() not in CUTOUT_SUFFIXES:
        raise OutputError(
            f"Cutouts are not written as '{Path(path).suffix}'.",
            f"Known: {', '.join(CUTOUT_SUFFIXES)}.",
            path=path,
        )


@contextmanager
def open_cutout_file(path: str | Path) -> Iterator[CutoutSink]:
    """Open a file for cutouts; it appears, whole, when the block ends without an error.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    check_cutout_target(path)
    target = Path(path)
    with atomic_path(target) as temporary:
        if target.suffix.lower() == ".fits":
            with temporary.open("wb") as file:
                extensions = _FitsSink(file)
                yield extensions
                extensions.finish()
            return
        rows = _ParquetSink(temporary)
        try:
            yield rows
            rows.finish()
        finally:
            rows.close()


class _FitsSink:
    is_extension = True

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._file.write(_PRIMARY)
        self._tables: list[pa.Table] = []

    def write(self, piece: Piece) -> None:
        for stamp in piece.stamps:
            self._file.write(stamp)
        self._tables.append(piece.table().arrow)

    def finish(self) -> None:
        """Write the table of all cutouts, with the number of the extension of each."""
        if not self._tables:
            return
        joined = FeatureTable(pa.concat_tables(self._tables))
        columns = [fits.Column("EXTENSION", "J", array=np.arange(1, len(joined) + 1))]
        for name in joined.columns:
            values = joined[name]
            if values.dtype.kind == "O":
                values = values.astype(np.str_)
            kind = f"A{max(values.dtype.itemsize // 4, 1)}" if values.dtype.kind == "U" else ""
            form = kind or ("K" if values.dtype.kind in "iu" else "D")
            unit = joined.unit(name) or None
            columns.append(fits.Column(name.upper(), form, unit=unit, array=values))
        table = fits.BinTableHDU.from_columns(columns, name="CUTOUTS")
        written = BytesIO()
        fits.HDUList([fits.PrimaryHDU(), table]).writeto(written)
        self._file.write(written.getvalue()[2880:])  # behind the empty primary part


class _ParquetSink:
    is_extension = False

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: pq.ParquetWriter | None = None

    def write(self, piece: Piece) -> None:
        self._append(piece.table().arrow, piece.stamps)

    def _append(self, table: pa.Table, stamps: Sequence[bytes]) -> None:
        table = table.append_column(STAMP_COLUMN, pa.array(stamps, pa.binary()))
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, table.schema, compression="zstd")
        self._writer.write_table(table.cast(self._writer.schema))

    def finish(self) -> None:
        if self._writer is None:
            empty = ImageSet.from_pixels(np.zeros((0, 1, 1)))
            self._append(Piece(empty, []).table().arrow, [])
        self.close()

    def close(self) -> None:
        if self._writer is not None and self._writer.is_open:
            self._writer.close()
