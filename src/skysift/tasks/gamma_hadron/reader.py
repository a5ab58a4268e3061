"""From files to events that a model can take: mapped, labelled, checked."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from skysift.core.config import build_config
from skysift.core.errors import ContractError, ReadError, UsageError
from skysift.core.files import sha256_of_file
from skysift.core.suggest import did_you_mean
from skysift.data.columns import CANONICAL_COLUMNS, ColumnMap, detect_map, known_maps, load_map
from skysift.data.contract import Checked, Finding
from skysift.data.io import iter_table
from skysift.data.splits import distinct_groups
from skysift.data.table import FeatureTable
from skysift.tasks.gamma_hadron.contract import Conventions, check, conventions_of
from skysift.tasks.gamma_hadron.labels import Labels, label_rows
from skysift.tasks.gamma_hadron.options import ReadOptions
from skysift.tasks.gamma_hadron.split import MAGIC_SHA256, magic_test_rows

__all__ = ["MAGIC", "Batch", "Events", "batches", "canonical_map", "read_events"]

MAGIC = "MAGIC"
"""Name of the MAGIC table, whose test rows are fixed."""

Purpose = Literal["explore", "train", "evaluate"]

_BATCH_ROWS = 262_144
_MOST_SHOWN = 12
_CANONICAL_AT_LEAST = ("length", "width", "log_size")


@dataclass(frozen=True)
class Events:
    """A labelled table of events after its input contract, in memory.

    Parameters
    ----------
    table : FeatureTable
        Canonical columns, then all others; usable rows only.
    is_gamma : array of bool, shape (n_rows,)
        The truth.
    groups : array of int, shape (n_rows,)
        Equal for rows that are duplicates of each other.
    checked : Checked
        The table as read, with all rows and what the contract found.
    name : str
        Name of the data.
    split : str
        Which rows of it these are.
    column_map : ColumnMap
        How the columns were named in the file.
    """

    table: FeatureTable
    is_gamma: NDArray[np.bool_]
    groups: NDArray[np.int64]
    checked: Checked
    name: str
    split: str
    column_map: ColumnMap

    def __len__(self) -> int:
        return len(self.table)

    def take(self, rows: NDArray[Any], split: str) -> Self:
        """Return some of the rows, chosen by a mask or by numbers."""
        return replace(
            self,
            table=self.table.take(rows),
            is_gamma=self.is_gamma[rows],
            groups=self.groups[rows],
            split=split,
        )

    def distinct(self) -> Self:
        """Return each event once: the first of its duplicates."""
        _, first = np.unique(self.groups, return_index=True)
        return self.take(np.sort(first), f"{self.split}, distinct")

    def feature_columns(self) -> list[str]:
        """Return the columns that a model may be trained on: no truth, no label, numbers only."""
        excluded = set(self.column_map.excluded(self.table.columns))
        return [
            name
            for name in self.table.columns
            if name not in excluded and self.table[name].dtype.kind in "biuf"
        ]


def read_events(
    paths: Sequence[Path],
    options: ReadOptions,
    needed: Sequence[str] | None,
    *,
    purpose: Purpose,
    training_range: Mapping[str, tuple[float, float]] | None = None,
    fallback: Mapping[str, Any] | None = None,
) -> Events:
    """Read labelled files into memory.

    Parameters
    ----------
    paths : sequence of Path
        Files with the same columns.
    options : ReadOptions
        Column map, and which rows of the MAGIC table.
    needed : sequence of str, optional
        Columns that must be there and usable; all canonical ones of the table if left out.
    purpose : {"explore", "train", "evaluate"}
        Decides which rows of the MAGIC table ``rows = "auto"`` means.
    training_range : mapping, optional
        Range of each column in the training data of the model that will be applied.
    fallback : mapping, optional
        The column map that a model was trained with.

    Raises
    ------
    InputError
        If a file cannot be read, a needed column is missing, or only one class is there.
    """
    _require_known_background(paths, options)
    files = [_read_file(path, options, fallback) for path in paths]
    if not files:
        raise ReadError("There is no file to read.", "Name one with --data.")
    column_map = files[-1].column_map
    common = _common_columns([file.table for file in files])
    canonical = [name for name in column_map.columns if name in common]
    wanted = canonical if needed is None else needed
    checked = _joined_checks(
        [
            file.labels.apply(
                check(file.table, wanted, file.conventions, training_range=training_range)
            )
            for file in files
        ]
    )
    is_gamma = np.concatenate([file.labels.is_gamma for file in files])
    events = Events(
        table=checked.table,
        is_gamma=is_gamma,
        groups=distinct_groups(np.column_stack([checked.table.matrix(canonical), is_gamma])),
        checked=checked,
        name=_name(paths),
        split="all rows",
        column_map=column_map,
    )
    chosen = _rows(events, paths, options, purpose)
    usable = chosen.take(checked.usable[chosen.table["_row"]], chosen.split)
    _require_both_classes(usable, paths[0])
    return replace(usable, table=_without_row_number(usable.table))


@dataclass(frozen=True, slots=True)
class _File:
    """All rows of one file before their contract: each file has conventions of its own."""

    table: FeatureTable
    labels: Labels
    conventions: Conventions
    column_map: ColumnMap


def _read_file(path: Path, options: ReadOptions, fallback: Mapping[str, Any] | None) -> _File:
    file_class = _class_of(path, options)
    parts = list(batches(path, options, fallback=fallback))
    labels = [label_rows(part.table, part.column_map, file_class=file_class) for part in parts]
    return _File(
        _joined([part.table for part in parts]),
        Labels.merge(labels),
        parts[0].conventions,
        parts[0].column_map,
    )


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows of a file under canonical names, and what is known of the file."""

    table: FeatureTable
    conventions: Conventions
    column_map: ColumnMap


def batches(
    path: Path,
    options: ReadOptions,
    *,
    fallback: Mapping[str, Any] | None = None,
    batch_rows: int = _BATCH_ROWS,
) -> Iterator[Batch]:
    """Read a file in batches of rows under canonical names.

    Raises
    ------
    InputError
        If it cannot be read, or no column map fits.
    """
    column_map = None
    if options.columns is not None:
        column_map = load_map(options.columns)
    elif fallback is not None:
        column_map = build_config(ColumnMap, fallback)
    first, rest, column_map = _open(path, column_map, batch_rows, given=options.columns is not None)
    conventions: Conventions | None = None
    for raw in chain([first], rest):
        table = column_map.apply(raw)
        if conventions is None:
            conventions = conventions_of(table, _with_unit(raw, column_map))
        yield Batch(table, conventions, column_map)


def _open(
    path: Path, column_map: ColumnMap | None, batch_rows: int, *, given: bool
) -> tuple[FeatureTable, Iterator[FeatureTable], ColumnMap]:
    """Return the first batch, the others, and the column map that fits."""
    if column_map is not None:
        try:
            first, rest = _start(path, column_map, batch_rows)
        except ReadError:
            if given:
                raise
        else:
            if given or column_map.fits(first.columns):
                return first, rest, column_map
    try:
        first, rest = _start(path, None, batch_rows)
    except ReadError as error:
        # A file without a header line: the MAGIC table is the one that we know.
        column_map = load_map("uci-magic")
        with suppress(ReadError):
            return *_start(path, column_map, batch_rows), column_map
        raise error from None
    column_map = _map_for(first.columns, path)
    if column_map.table.table_path is not None:
        first, rest = _start(path, column_map, batch_rows)
    return first, rest, column_map


def _map_for(columns: Sequence[str], path: Path) -> ColumnMap:
    absent = [name for name in _CANONICAL_AT_LEAST if name not in columns]
    if not absent:
        return canonical_map(columns)
    name = detect_map(columns)
    if name is not None:
        return load_map(name)
    for known in map(load_map, known_maps()):
        needed = [source for source in known.columns.values() if not source.optional]
        if sum(source.found_in(columns) is None for source in needed) == 1:
            return known  # to be told which column is missing, and what comes near
    missing = ""
    if len(absent) == 1:
        missing = f"Only '{absent[0]}' is missing. {did_you_mean(absent[0], columns)}"
    raise ContractError(
        f"No column map fits the columns {', '.join(columns[:_MOST_SHOWN])}"
        f"{' ...' if len(columns) > _MOST_SHOWN else '.'}",
        f"{missing}Write one (TOML) and give it with --columns; docs/column-maps.md shows how.",
        path=path,
    )


def _start(
    path: Path, column_map: ColumnMap | None, batch_rows: int
) -> tuple[FeatureTable, Iterator[FeatureTable]]:
    layout: dict[str, Any] = {}
    if column_map is not None:
        layout = column_map.table.model_dump(exclude_none=True)
        if "#" in str(path) and not path.exists():
            layout = {key: layout[key] for key in layout if key not in ("hdu", "table_path")}
    if "names" in layout and "header" not in layout:
        # A header of the file's own goes first: its columns may be in another order than the map's.
        own = {key: value for key, value in layout.items() if key != "names"}
        with suppress(ReadError):
            rest = iter_table(path, batch_rows=batch_rows, **own)
            return next(rest), rest
    rest = iter_table(path, batch_rows=batch_rows, **layout)
    return next(rest), rest


def canonical_map(columns: Sequence[str]) -> ColumnMap:
    """Return the map of a table that has canonical names already, as our own outputs do."""
    label = next((name for name in ("class", "label", "is_gamma") if name in columns), None)
    return build_config(
        ColumnMap,
        {
            "columns": {name: name for name in columns if name in CANONICAL_COLUMNS},
            "label": None
            if label is None
            else {"column": label, "signal": ("g", "gamma", 1), "background": ("h", "hadron", 0)},
        },
    )


def _with_unit(raw: FeatureTable, column_map: ColumnMap) -> set[str]:
    """Return the canonical columns whose unit the file itself states."""
    stated = set()
    for name, source in column_map.columns.items():
        found = source.found_in(raw.columns)
        if found is not None and raw.unit(found):
            stated.add(name)
    return stated


def _class_of(path: Path, options: ReadOptions) -> Literal["signal", "background"] | None:
    if not options.background:
        return None
    held = {Path(name).resolve() for name in options.background}
    return "background" if path.resolve() in held else "signal"


def _require_known_background(paths: Sequence[Path], options: ReadOptions) -> None:
    known = {path.resolve() for path in paths}
    for name in options.background:
        if Path(name).resolve() not in known:
            hint = did_you_mean(Path(name).name, [path.name for path in paths])
            raise UsageError(
                f"--background names '{name}', which is none of the files that are read.",
                f"{hint}Name it with --data, too.",
            )


def _common_columns(tables: Sequence[FeatureTable]) -> list[str]:
    return [name for name in tables[0].columns if all(name in table for table in tables)]


def _joined(parts: Sequence[FeatureTable]) -> FeatureTable:
    """Put tables together; a column that one of them lacks is left out."""
    common = _common_columns(parts)
    arrow = pa.concat_tables(
        [part.select(common).arrow.replace_schema_metadata(None) for part in parts],
        promote_options="permissive",
    )
    return FeatureTable(arrow, parts[0].meta)


def _joined_checks(parts: Sequence[Checked]) -> Checked:
    """Put what the contract found in each file together, with the rows numbered through."""
    table = _joined([part.table for part in parts])
    found: dict[str, Finding] = {}
    offset = 0
    for part in parts:
        for finding in part.findings:
            rows = [finding.rows + offset]
            if finding.code in found:
                rows.insert(0, found[finding.code].rows)
            found[finding.code] = replace(finding, rows=np.concatenate(rows))
        offset += len(part.table)
    return Checked(
        table.with_columns({"_row": np.arange(len(table))}),
        np.concatenate([part.usable for part in parts]),
        tuple(found.values()),
    )


def _without_row_number(table: FeatureTable) -> FeatureTable:
    return table.select([name for name in table.columns if name != "_row"])


def _rows(events: Events, paths: Sequence[Path], options: ReadOptions, purpose: Purpose) -> Events:
    is_magic = _is_magic(paths)
    rows: str = options.rows
    if rows == "auto":
        rows = {"explore": "all", "train": "train", "evaluate": "test"}[purpose]
    elif rows != "all" and not is_magic:
        raise ContractError(
            f"Only the MAGIC table has fixed {rows} rows.",
            "Leave --rows out, or give a file of those rows.",
            path=paths[0],
        )
    if not is_magic or rows == "all":
        return events
    test = np.zeros(len(events), dtype=bool)
    test[magic_test_rows(events.groups, events.is_gamma)] = True
    return events.take(test if rows == "test" else ~test, f"{rows} rows")


def _name(paths: Sequence[Path]) -> str:
    if _is_magic(paths):
        return MAGIC
    return " + ".join(Path(str(path).partition("#")[0]).stem for path in paths)


def _is_magic(paths: Sequence[Path]) -> bool:
    """Tell whether this is the MAGIC table, byte for byte, whatever the file is called."""
    return len(paths) == 1 and paths[0].is_file() and sha256_of_file(paths[0]) == MAGIC_SHA256


def _require_both_classes(events: Events, path: Path) -> None:
    gammas = int(events.is_gamma.sum())
    if gammas in (0, len(events)):
        only = "no usable row" if len(events) == 0 else f"only {'gammas' if gammas else 'hadrons'}"
        raise ContractError(
            f"The data holds {only}; both classes are needed.",
            "Check the [label] section of the column map, or add a file of the other class.",
            path=path,
        )
