"""Read HDF5: FACT's groups of columns, and the tables of ctapipe, lstchain and PyTables."""

import json
from collections.abc import Iterator, Mapping
from math import prod
from pathlib import PurePosixPath
from typing import Any, Protocol

import h5py
import numpy as np
import pyarrow as pa

from skysift.core.errors import ReadError
from skysift.core.suggest import did_you_mean
from skysift.data.io.pytables import CompoundTable, is_compound_table
from skysift.data.io.schema import to_arrow
from skysift.data.io.source import Source, chosen_columns
from skysift.data.table import FeatureTable, described_field

__all__ = ["PROVENANCE_DATASET", "read_hdf5"]

PROVENANCE_DATASET = "skysift_provenance"
"""Name of the dataset at the root that holds the provenance as JSON."""

_PARAMETERS = "/dl1/event/telescope/parameters"
_FACT_GROUP = "/events"
_TEL_PREFIX = "tel_"
_HARMLESS = 64 * 2**20  # bytes
_MAX_RATIO = 500
_LARGEST_CHUNK = 32 * 2**20  # bytes


class _Table(Protocol):
    """What the dialects have in common."""

    names: list[str]
    skipped: dict[str, str]

    def __len__(self) -> int: ...

    def rows(self, start: int, stop: int, names: list[str], /) -> pa.Table: ...


class _ColumnGroup:
    """FACT's dialect: a group with one dataset for each column, shape (n_rows, ...)."""

    def __init__(self, group: h5py.Group) -> None:
        self._columns = _datasets(group)
        self._length = len(next(iter(self._columns.values())))
        self.skipped = {
            name: f"values of type {dataset.dtype} do not fit a column"
            for name, dataset in self._columns.items()
            if dataset.dtype.kind not in "biufSO"
            or (dataset.dtype.kind in "SO" and dataset.ndim > 1)
        }
        self.names = [name for name in self._columns if name not in self.skipped]

    def __len__(self) -> int:
        return self._length

    def rows(self, start: int, stop: int, names: list[str]) -> pa.Table:
        fields, arrays = [], []
        for name in names:
            dataset = self._columns[name]
            array = _column(dataset[start:stop])
            arrays.append(array)
            fields.append(described_field(name, array.type))
        return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def read_hdf5(source: Source) -> Iterator[FeatureTable]:
    """Read a table: the one that the options name, or the one that the file is known for.

    Without a path the order is: image parameters of ctapipe and lstchain, FACT's ``/events``,
    and then the only table there is. A group of tables, one for each telescope, is read as one
    table with a column ``tel_id`` if the options ask for all telescopes.

    Raises
    ------
    ReadError
        If the table is not there, not clear, or compressed with a filter that is not installed.
    """
    with h5py.File(source.file, "r") as file:
        tables = _tables_to_read(file, source)
        meta = _meta(file, tables)
        for path, table in tables.items():
            tel_id = _tel_id(path) if len(tables) > 1 else None
            names = _wanted(table, source, has_tel_id=tel_id is not None)
            step = source.options.batch_rows
            for start in range(0, max(len(table), 1), step):
                rows = table.rows(start, min(start + step, len(table)), names)
                if tel_id is not None:
                    rows = _with_tel_id(rows, tel_id)
                yield FeatureTable(rows, meta)


def _tables_to_read(file: h5py.File, source: Source) -> dict[str, _Table]:
    asked = source.options.table_path
    found = _all_tables(file)
    if asked is None:
        paths = _preferred(found)
    else:
        asked = "/" + asked.strip("/")
        paths = [asked] if asked in found else [p for p in found if p.startswith(f"{asked}/")]
    if not paths:
        raise _no_table(asked, found, source)
    per_telescope = all(_tel_id(path) is not None for path in paths)
    if len(paths) > 1 and not (per_telescope and source.options.all_telescopes):
        hint = ", or ask for all telescopes" if per_telescope else ""
        raise ReadError(
            f"The file holds {len(paths)} tables: {', '.join(paths)}.",
            f"Name one, e.g. '{source.path.name}#{paths[0]}'{hint}.",
            path=source.path,
        )
    for path in paths:
        _check_filters(file[path], source)
    return {path: _opened(file[path]) for path in paths}


def _opened(node: h5py.HLObject) -> _Table:
    return CompoundTable(node) if isinstance(node, h5py.Dataset) else _ColumnGroup(node)


def _all_tables(file: h5py.File) -> list[str]:
    """Return the paths of all tables, of either dialect, in order."""
    found: list[str] = []

    def visit(name: str, node: h5py.HLObject) -> None:
        inside_group = str(PurePosixPath(f"/{name}").parent) in found
        if is_compound_table(node) or (
            isinstance(node, h5py.Group) and _is_column_group(node) and not inside_group
        ):
            found.append(f"/{name}")

    file.visititems(visit)
    return found


def _preferred(found: list[str]) -> list[str]:
    parameters = [path for path in found if path.startswith(f"{_PARAMETERS}/")]
    if parameters:
        return parameters
    return [_FACT_GROUP] if _FACT_GROUP in found else found


def _is_column_group(group: h5py.Group) -> bool:
    """Tell whether all in a group are columns of one length; matrices alone are no table."""
    datasets = _datasets(group)
    lengths = {len(dataset) for dataset in datasets.values()}
    one_dimensional = any(dataset.ndim == 1 for dataset in datasets.values())
    return len(datasets) == len(group) and len(lengths) == 1 and one_dimensional


def _datasets(group: h5py.Group) -> dict[str, h5py.Dataset]:
    return {
        name: node
        for name, node in group.items()
        if isinstance(node, h5py.Dataset) and node.ndim > 0 and node.dtype.names is None
    }


def _no_table(asked: str | None, found: list[str], source: Source) -> ReadError:
    if asked is None:
        return ReadError("The file holds no table.", "Check the file.", path=source.path)
    return ReadError(
        f"The file holds no table '{asked}'.",
        f"{did_you_mean(asked, found)}It holds: {', '.join(found) or 'none'}.",
        path=source.path,
    )


def _check_filters(node: h5py.HLObject, source: Source) -> None:
    """Find out before reading whether all compression filters are installed."""
    datasets = [node] if isinstance(node, h5py.Dataset) else list(_datasets(node).values())
    for dataset in datasets:
        _check_size(dataset, source)
        settings = dataset.id.get_create_plist()
        for number in range(settings.get_nfilters()):
            code, _, _, name = settings.get_filter(number)
            if h5py.h5z.filter_avail(code) or _plugin_provides(code):
                continue
            raise ReadError(
                f"The table is compressed with '{name.decode()}' (HDF5 filter {code}), "
                "which is not installed.",
                "Run: pip install hdf5plugin. If that does not help, recompress the file with "
                "ptrepack --complib zlib.",
                path=source.path,
            )


def _check_size(dataset: h5py.Dataset, source: Source) -> None:
    """Refuse what claims far more than is stored, or is unpacked in pieces that are too large."""
    claimed, stored = int(dataset.size) * dataset.dtype.itemsize, dataset.id.get_storage_size()
    piece = prod(dataset.chunks or ()) * dataset.dtype.itemsize
    if claimed > max(_HARMLESS, _MAX_RATIO * stored) or (dataset.chunks and piece > _LARGEST_CHUNK):
        raise ReadError(
            f"'{dataset.name}' unpacks to {claimed:,} bytes, in pieces of {piece:,}, from "
            f"{stored:,}: no table does.",
            "If you trust it, rewrite it without compression, e.g. with h5repack.",
            path=source.path,
        )


def _plugin_provides(code: int) -> bool:
    """Load hdf5plugin, which registers Blosc, Zstandard and others, if it is installed."""
    try:
        import hdf5plugin  # noqa: F401, PLC0415 - optional; importing it registers the filters
    except ImportError:
        return False
    return bool(h5py.h5z.filter_avail(code))


def _wanted(table: _Table, source: Source, *, has_tel_id: bool) -> list[str]:
    for name in source.options.columns or ():
        if name in table.skipped:
            raise ReadError(
                f"Column '{name}' cannot be read: {table.skipped[name]}.",
                "Leave it out.",
                path=source.path,
            )
    joined = ["tel_id"] if has_tel_id and "tel_id" not in table.names else []
    chosen = chosen_columns([*table.names, *joined], source)
    return [name for name in chosen if name not in joined]


def _with_tel_id(rows: pa.Table, tel_id: int) -> pa.Table:
    if "tel_id" in rows.column_names:
        return rows
    return rows.append_column("tel_id", pa.array(np.full(len(rows), tel_id, dtype=np.int16)))


def _tel_id(path: str) -> int | None:
    name = PurePosixPath(path).name
    number = name.removeprefix(_TEL_PREFIX)
    return int(number) if name.startswith(_TEL_PREFIX) and number.isdigit() else None


def _meta(file: h5py.File, tables: Mapping[str, _Table]) -> dict[str, Any]:
    meta: dict[str, Any] = {"table_path": ", ".join(tables)}
    skipped = {name: why for table in tables.values() for name, why in table.skipped.items()}
    if skipped:
        meta["skipped_columns"] = skipped
    if PROVENANCE_DATASET in file:
        meta["provenance"] = json.loads(file[PROVENANCE_DATASET][()])
    return meta


def _column(values: Any) -> pa.Array:
    if values.dtype.kind in "SO":
        text = [item.decode("utf-8", "replace") for item in values.tolist()]
        return pa.array(text, type=pa.string())
    return to_arrow(values)
