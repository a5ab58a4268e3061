"""Read a table of events or objects from a file, whatever its format."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from skysift.core.errors import ReadError, UsageError
from skysift.data.io.astronomy import read_ecsv, read_votable
from skysift.data.io.hdf5 import read_hdf5
from skysift.data.io.parquet import read_parquet
from skysift.data.io.source import (
    MAX_DECOMPRESSED,
    Format,
    ReadOptions,
    Source,
    detect_format,
    plain_file,
    split_fragment,
    translated,
)
from skysift.data.io.text import read_csv, read_keel
from skysift.data.table import FeatureTable

__all__ = ["iter_table", "read_table"]


def _read_fits(source: Source) -> Iterator[FeatureTable]:
    # astropy's FITS takes longer to import than a small file of another format to read.
    from skysift.data.io.fits import read_fits  # noqa: PLC0415

    return read_fits(source)


_READERS: dict[Format, Callable[[Source], Iterator[FeatureTable]]] = {
    Format.CSV: read_csv,
    Format.KEEL: read_keel,
    Format.PARQUET: read_parquet,
    Format.ECSV: read_ecsv,
    Format.VOTABLE: read_votable,
    Format.FITS: _read_fits,
    Format.HDF5: read_hdf5,
}


def iter_table(
    path: str | Path,
    *,
    batch_rows: int = 262_144,
    columns: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
    header: bool | None = None,
    hdu: int | str | None = None,
    table_path: str | None = None,
    all_telescopes: bool = False,
    max_decompressed: int = MAX_DECOMPRESSED,
) -> Iterator[FeatureTable]:
    """Read a table in batches of rows.

    CSV, Parquet, FITS and HDF5 are read in bounded memory; ECSV and VOTable as a whole. The
    format is told by the content of the file. A gzipped file is decompressed to a temporary
    file first.

    Parameters
    ----------
    path : path-like
        A file, a folder of Parquet partitions, or a file and the part of it to read:
        ``events.fits#EVENTS``, ``events.h5#/dl1/event/telescope/parameters/tel_001``.
    batch_rows : int
        Most rows of a batch.
    columns : sequence of str, optional
        The columns to read, in that order; all of them if not given.
    names : sequence of str, optional
        CSV: names of the columns, for a file without a header, or in place of its header.
    header : bool, optional
        CSV: whether the first line is a header; found out if not given.
    hdu : int or str, optional
        FITS: number or name of the extension; the first binary table if not given.
    table_path : str, optional
        HDF5: path of the table, or of a group of tables.
    all_telescopes : bool
        HDF5: read the tables of all telescopes as one, with a column ``tel_id``.
    max_decompressed : int
        Most bytes that a gzipped file may grow to.

    Yields
    ------
    FeatureTable
        At least one batch. Its meta has ``path``, ``first_row`` (the 0-based row of the file that
        the batch begins with) and ``format``; ``provenance``, ``table_path`` and
        ``skipped_columns`` where there are any.

    Raises
    ------
    ReadError
        If the file is missing, empty, damaged or of no known format.
    """
    if batch_rows < 1:
        raise UsageError(f"batch_rows is {batch_rows}.", "Ask for one row or more.")
    file, part = split_fragment(path)
    if not file.exists():
        raise ReadError(
            "There is no such file.", "Check the path, also for typing errors.", path=file
        )
    options = ReadOptions(
        batch_rows=batch_rows,
        columns=columns,
        names=names,
        header=header,
        hdu=part if hdu is None else hdu,
        table_path=part if table_path is None else table_path,
        all_telescopes=all_telescopes,
    )
    return _batches(Source(file, file, options), max_decompressed)


def read_table(
    path: str | Path,
    *,
    columns: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
    header: bool | None = None,
    hdu: int | str | None = None,
    table_path: str | None = None,
    all_telescopes: bool = False,
    max_decompressed: int = MAX_DECOMPRESSED,
) -> FeatureTable:
    r"""Read a whole table; the parameters are those of :func:`iter_table`.

    Returns
    -------
    FeatureTable
        All rows; ``first_row`` of its meta is 0.

    Raises
    ------
    ReadError
        If the file is missing, empty, damaged or of no known format.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "events.csv"
    ...     _ = path.write_text("fLength,class\n28.8,g\n31.6,h\n")
    ...     table = read_table(path)
    >>> table["fLength"].tolist(), table["class"].tolist()
    ([28.8, 31.6], ['g', 'h'])
    """
    batches = list(
        iter_table(
            path,
            columns=columns,
            names=names,
            header=header,
            hdu=hdu,
            table_path=table_path,
            all_telescopes=all_telescopes,
            max_decompressed=max_decompressed,
        )
    )
    return FeatureTable(pa.concat_tables([batch.arrow for batch in batches]), batches[0].meta)


def _batches(source: Source, max_decompressed: int) -> Iterator[FeatureTable]:
    with plain_file(source.path, max_decompressed) as plain:
        source = replace(source, file=plain)
        kind = detect_format(source)
        first_row = 0
        with translated(source.path, kind.value):
            for batch in _READERS[kind](source):
                yield batch.with_meta(path=str(source.path), first_row=first_row, format=kind.value)
                first_row += len(batch)
