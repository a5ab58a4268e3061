"""Cutouts to files: one multi-extension FITS, one Parquet table with FITS bytes, one Zarr group."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from astropy.io import fits

from skysift.core.errors import OutputError
from skysift.core.files import atomic_path, staged_folder
from skysift.core.suggest import did_you_mean
from skysift.data.images.cutout_piece import CutoutSink, Piece, StampForm
from skysift.data.images.image_set import ImageSet
from skysift.data.images.parquet_stamps import STAMP_COLUMN
from skysift.data.images.zarr_cutouts import ZARR_MARKER, ZarrSink, import_zarr
from skysift.data.io import check_target
from skysift.data.io.fits_sink import provenance_hdu
from skysift.data.io.parquet import PROVENANCE_KEY
from skysift.data.io.provenance import provenance_text
from skysift.data.table import FeatureTable

__all__ = ["CUTOUT_SUFFIXES", "check_cutout_target", "open_cutout_file"]

CUTOUT_SUFFIXES = (".fits", ".parquet", ".zarr")
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


def check_cutout_target(path: str | Path, *, inputs: Sequence[str | Path] = ()) -> None:
    """Check that cutouts can be written to a path, before the long work.

    Parameters
    ----------
    path : path-like
        The file to be written; for Zarr a folder, which may replace one of its own kind only.
    inputs : sequence of path-like
        Files that are read; none of them may be overwritten.

    Raises
    ------
    OutputError
        If the suffix names no format, or the path cannot be written.
    MissingExtraError
        If the format is Zarr, and zarr is not installed.
    """
    target = Path(path)
    suffix = target.suffix.lower()
    if suffix not in CUTOUT_SUFFIXES:
        raise OutputError(
            f"Cutouts are not written as '{target.suffix}'.",
            f"{did_you_mean(target.suffix, CUTOUT_SUFFIXES)}Known: {', '.join(CUTOUT_SUFFIXES)}.",
            path=path,
        )
    if suffix != ".zarr":
        check_target(target, inputs=inputs)
        return
    import_zarr()
    if target.is_dir() and any(target.iterdir()) and not (target / ZARR_MARKER).is_file():
        raise OutputError(
            "The folder is there, and is no Zarr group.", "Choose another name.", path=target
        )
    if not target.is_dir():
        check_target(target, inputs=inputs)


@contextmanager
def open_cutout_file(
    path: str | Path, *, provenance: Mapping[str, Any] | None = None
) -> Iterator[CutoutSink]:
    """Open a file for cutouts; it appears, whole, when the block ends without an error.

    Parameters
    ----------
    path : path-like
        The suffix names the format.
    provenance : mapping, optional
        What the cutouts were made of and how; it is stored in the file.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    check_cutout_target(path)
    target = Path(path)
    text = provenance_text(provenance)
    match target.suffix.lower():
        case ".zarr":
            with staged_folder(target, overwrite=True, marker=ZARR_MARKER) as folder:
                group = ZarrSink(folder, text)
                yield group
                group.finish()
        case ".fits":
            with atomic_path(target) as temporary, temporary.open("wb") as file:
                extensions = _FitsSink(file, text)
                yield extensions
                extensions.finish()
        case _:
            with atomic_path(target) as temporary:
                rows = _ParquetSink(temporary, text)
                try:
                    yield rows
                    rows.finish()
                finally:
                    rows.close()


class _FitsSink:
    form = StampForm.EXTENSION

    def __init__(self, file: BinaryIO, provenance: str) -> None:
        self._file = file
        self._provenance = provenance
        self._file.write(_PRIMARY)
        self._tables: list[pa.Table] = []

    def write(self, piece: Piece) -> None:
        for stamp in piece.stamps:
            self._file.write(stamp)
        self._tables.append(piece.table().arrow)

    def finish(self) -> None:
        """Write the table of all cutouts, with the number of the extension of each."""
        extra = [provenance_hdu(self._provenance)] if self._provenance else []
        if self._tables:
            extra.insert(0, self._table())
        written = BytesIO()
        fits.HDUList([fits.PrimaryHDU(), *extra]).writeto(written)
        self._file.write(written.getvalue()[2880:])  # behind the empty primary part

    def _table(self) -> fits.BinTableHDU:
        joined = FeatureTable(pa.concat_tables(self._tables))
        columns = [fits.Column("EXTENSION", "J", array=np.arange(1, len(joined) + 1))]
        for name in joined.columns:
            if joined.arrow.column(name).null_count and pa.types.is_integer(
                joined.arrow.schema.field(name).type
            ):
                columns.append(_whole_with_gaps(name, joined))
                continue
            values = joined[name]
            if values.dtype.kind == "O":
                values = np.array(["" if value is None else str(value) for value in values])
            unit = joined.unit(name) or None
            columns.append(fits.Column(name.upper(), _form(values), unit=unit, array=values))
        return fits.BinTableHDU.from_columns(columns, name="CUTOUTS")


def _whole_with_gaps(name: str, table: FeatureTable) -> fits.Column:
    """Return a column of whole numbers of which some are missing, to the last digit."""
    column = table.arrow.column(name).combine_chunks()
    unit = table.unit(name) or None
    try:
        whole = column.cast(pa.int64())
    except pa.ArrowInvalid:  # unsigned, and too large
        texts = np.array(column.cast(pa.string()).fill_null("").to_pylist(), dtype=np.str_)
        return fits.Column(name.upper(), _form(texts), unit=unit, array=texts)
    there = set(whole.drop_null().to_pylist())
    null = int(np.iinfo(np.int64).min)
    while null in there:
        null += 1
    values = whole.fill_null(null).to_numpy()
    return fits.Column(name.upper(), "K", unit=unit, null=null, array=values)


def _form(values: np.ndarray[Any, np.dtype[Any]]) -> str:
    """Return the format of a column of a FITS table."""
    match values.dtype.kind:
        case "U":
            return f"A{max(values.dtype.itemsize // 4, 1)}"
        case "b":
            return "L"
        case "i" | "u":
            return "K"
        case _:
            return "D"


class _ParquetSink:
    form = StampForm.FILE

    def __init__(self, path: Path, provenance: str) -> None:
        self._path = path
        self._provenance = provenance
        self._writer: pq.ParquetWriter | None = None

    def write(self, piece: Piece) -> None:
        self._append(piece.table().arrow, piece.stamps)

    def _append(self, table: pa.Table, stamps: Sequence[bytes]) -> None:
        table = table.append_column(STAMP_COLUMN, pa.array(stamps, pa.binary()))
        if self._writer is None:
            known = {PROVENANCE_KEY: self._provenance.encode()} if self._provenance else {}
            schema = table.schema.with_metadata({**(table.schema.metadata or {}), **known})
            self._writer = pq.ParquetWriter(self._path, schema, compression="zstd")
        self._writer.write_table(table.cast(self._writer.schema))

    def finish(self) -> None:
        if self._writer is None:
            empty = ImageSet.from_pixels(np.zeros((0, 1, 1)))
            self._append(Piece.without_stamps(empty).table().arrow, [])
        self.close()

    def close(self) -> None:
        if self._writer is not None and self._writer.is_open:
            self._writer.close()
