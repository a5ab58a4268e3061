"""Write a table of events or objects to a file, in the format that its suffix names."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from skysift.core.errors import OutputError
from skysift.core.files import atomic_path, refuse_url
from skysift.core.suggest import did_you_mean
from skysift.data.io.ctapipe import CtapipeDl2Sink
from skysift.data.io.provenance import provenance_text
from skysift.data.io.pytables_sink import PyTablesSink
from skysift.data.io.sinks import CsvSink, EcsvSink, ParquetSink, Sink, VotableSink
from skysift.data.io.source import split_fragment
from skysift.data.table import FeatureTable

__all__ = ["WRITABLE_SUFFIXES", "TableWriter", "check_target", "check_writable", "open_writer"]


def _fits_sink(temporary: Path, final: Path, provenance: str) -> Sink:
    # astropy's FITS takes longer to import than a small file of another format to write.
    from skysift.data.io.fits_sink import FitsSink  # noqa: PLC0415

    return FitsSink(temporary, final, provenance)


_SINKS: dict[str, Callable[[Path, Path, str], Sink]] = {
    ".dl2.h5": CtapipeDl2Sink,
    ".csv.gz": CsvSink,
    ".parquet": ParquetSink,
    ".csv": CsvSink,
    ".ecsv": EcsvSink,
    ".fits": _fits_sink,
    ".vot": VotableSink,
    ".xml": VotableSink,
    ".h5": PyTablesSink,
    ".hdf5": PyTablesSink,
}

WRITABLE_SUFFIXES = tuple(sorted(_SINKS))
"""The suffixes of the formats that can be written."""


class TableWriter(Protocol):
    """What :func:`open_writer` gives."""

    def write(self, batch: FeatureTable) -> None:
        """Add the rows of a batch; all batches have the columns of the first."""


class _Writer:
    """Sees to it that all batches have one schema."""

    def __init__(self, sink: Sink, path: Path) -> None:
        self._sink = sink
        self._path = path
        self._schema: pa.Schema | None = None

    def write(self, batch: FeatureTable) -> None:
        if self._schema is None:
            self._schema = batch.arrow.schema.remove_metadata()
        if set(batch.columns) != set(self._schema.names):
            odd = sorted(set(batch.columns) ^ set(self._schema.names))
            raise OutputError(
                f"A batch differs from the first in its columns: {', '.join(odd)}.",
                "Give all batches the same columns.",
                path=self._path,
            )
        try:
            table = batch.arrow.select(self._schema.names).cast(self._schema)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise OutputError(
                f"A batch differs from the first in the type of a column ({error}).",
                "Give all batches the same types.",
                path=self._path,
            ) from error
        self._sink.write(table)

    def finish(self) -> None:
        if self._schema is None:
            raise OutputError(
                "Nothing was written.",
                "Write one batch at least; it may be empty.",
                path=self._path,
            )
        self._sink.finish()


def check_writable(path: str | Path, *, inputs: Iterable[str | Path] = ()) -> None:
    """Check that a table can be written to a path, before the long work begins.

    Parameters
    ----------
    path : path-like
        The file to be written.
    inputs : iterable of path-like
        Files that are read; none of them may be overwritten.

    Raises
    ------
    OutputError
        If the suffix names no format, the folder is missing or not writable, or the path is a
        folder or one of the inputs.

    Examples
    --------
    >>> check_writable("result.parqet")
    Traceback (most recent call last):
    ...
    skysift.core.errors.OutputError: result.parqet: Tables are not written as '.parqet'. Did you \
mean '.parquet'? Known: .csv, .csv.gz, .dl2.h5, .ecsv, .fits, .h5, .hdf5, .parquet, .vot, .xml.
    """
    _sink_of(Path(path))
    check_target(path, inputs=inputs)


def check_target(path: str | Path, *, inputs: Iterable[str | Path] = ()) -> None:
    """Check that a file of any kind can be written, as :func:`check_writable` does for a table."""
    refuse_url(path)
    target = Path(path)
    folder = target.parent
    if not folder.is_dir():
        raise OutputError(
            "Its folder does not exist.", f"Make it first: mkdir -p '{folder}'.", path=target
        )
    if target.is_dir():
        raise OutputError("This is a folder.", "Give the name of a file.", path=target)
    if not os.access(folder, os.W_OK):
        raise OutputError("You may not write to its folder.", "Choose another folder.", path=target)
    for name in inputs:
        source, _ = split_fragment(name)
        if target.exists() and source.exists() and target.samefile(source):
            raise OutputError(
                "This is also an input, which would be overwritten.",
                "Choose another name.",
                path=target,
            )


@contextmanager
def open_writer(
    path: str | Path, *, provenance: Mapping[str, Any] | None = None
) -> Iterator[TableWriter]:
    """Open a file to write a table in batches.

    The file appears, whole, when the block ends without an error; until then there is a temporary
    file beside it. The suffix names the format: ``.parquet``, ``.csv``, ``.csv.gz``, ``.ecsv``,
    ``.fits``, ``.vot`` or ``.xml`` (VOTable), ``.h5`` or ``.hdf5`` (a PyTables table ``/events``),
    ``.dl2.h5`` (ctapipe's particle classification). ECSV and VOTable are written as a whole, the
    others in bounded memory.

    Parameters
    ----------
    path : path-like
        The file to write; one that is there is replaced.
    provenance : mapping, optional
        What the table was made of and how. It is stored as JSON in the file; for CSV, with the
        units, in ``NAME.provenance.json`` beside it.

    Yields
    ------
    TableWriter
        Its `write` takes batches, all with the columns of the first.

    Raises
    ------
    OutputError
        If the path cannot be written, the batches differ, or there is none.

    Examples
    --------
    >>> import tempfile
    >>> from skysift.data.io import read_table
    >>> table = FeatureTable.from_columns({"alpha": [4.1, 39.0]}, units={"alpha": "deg"})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "events.fits"
    ...     with open_writer(path, provenance={"seed": 3}) as writer:
    ...         writer.write(table)
    ...     back = read_table(path)
    >>> back["alpha"].tolist(), back.unit("alpha"), back.meta["provenance"]
    ([4.1, 39.0], 'deg', {'seed': 3})
    """
    target = Path(path)
    check_writable(target)
    with atomic_path(target) as temporary:
        sink = _sink_of(target)(temporary, target, provenance_text(provenance))
        try:
            writer = _Writer(sink, target)
            yield writer
            writer.finish()
        except OutputError as error:
            error.path = error.path or target  # the formats do not know the final name
            raise
        finally:
            sink.close()


def _sink_of(path: Path) -> Callable[[Path, Path, str], Sink]:
    name = path.name.lower()
    for suffix, sink in _SINKS.items():
        if name.endswith(suffix) and name != suffix:
            return sink
    raise OutputError(
        f"Tables are not written as '{path.suffix}'.",
        f"{did_you_mean(path.suffix, WRITABLE_SUFFIXES)}Known: {', '.join(WRITABLE_SUFFIXES)}.",
        path=path,
    )
