"""Published answers, of which the rows are read that may be worth an alert."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from skysift.core.errors import ReadError
from skysift.serve.alerts.options import RuleOptions
from skysift.serve.alerts.rows import COLUMNS, Row

__all__ = ["Answers", "read_answers"]

_ROWS_AT_ONCE = 10_000
_WINDOW = "candidates"  # column of the table of windows
_BIN = "bin"  # column of the table of light curves


@dataclass
class Answers:
    """What the files of a batch hold for alerts.

    Parameters
    ----------
    rows : list of Row
        Candidates; with a rule, only those above it and those without a number.
    without : int
        Rows that lack the column on which alerts are decided.
    """

    rows: list[Row] = field(default_factory=list)
    without: int = 0


def read_answers(paths: Iterable[Path], rule: RuleOptions | None) -> Answers:
    """Read the files of one batch.

    Of a window that was answered more than once, the highest revision counts. Bins of light curves
    are passed over.

    Raises
    ------
    ReadError
        If a file is gone or cannot be read.
    """
    score = "" if rule is None else rule.column
    needed = score or "far"
    answers = Answers()
    windows: dict[str, Mapping[str, Any]] = {}
    found: list[Mapping[str, Any]] = []
    for path in paths:
        for columns, rows in _tables(path, {*COLUMNS, needed, _WINDOW, _BIN}):
            if _BIN in columns:
                continue
            if _WINDOW in columns and needed not in columns:
                for row in rows:
                    _keep_newest(windows, row)
            elif needed not in columns:
                answers.without += sum(1 for _ in rows)
            else:
                found += [row for row in rows if rule is None or _worth(row, rule)]
    for candidate in found:
        window = candidate.get("window_id")
        summary = windows.get(str(window)) if window else None
        if summary is not None and summary.get("revision") != candidate.get("revision"):
            continue  # superseded
        answers.rows.append(Row.of(candidate, summary, score=score))
    return answers


def _keep_newest(windows: dict[str, Mapping[str, Any]], row: Mapping[str, Any]) -> None:
    name = str(row.get("window_id"))
    before = windows.get(name)
    if before is None or (row.get("revision") or 0) >= (before.get("revision") or 0):
        windows[name] = row


def _worth(row: Mapping[str, Any], rule: RuleOptions) -> bool:
    """Tell whether a row is above the rule, or nobody knows."""
    value = row.get(rule.column)
    # A NaN is not below anything.
    return not (isinstance(value, int | float) and value <= rule.above)


def _tables(
    path: Path, wanted: Collection[str]
) -> Iterator[tuple[Collection[str], Iterable[dict[str, Any]]]]:
    """Yield the columns of a file and its rows; of lines of JSON, each row by itself."""
    try:
        if path.suffix == ".jsonl":
            with path.open("rb") as file:
                for line in file:
                    row = json.loads(line)
                    yield row.keys(), (row,)
            return
        with pq.ParquetFile(path) as parquet:
            columns = parquet.schema_arrow.names
            yield columns, _rows(parquet, [name for name in columns if name in wanted])
    except (OSError, ValueError, pa.ArrowException) as error:
        raise ReadError(
            f"Published answers cannot be read: {error}.",
            "Leave the files of a service in place until its alerts have been decided.",
            path=path,
        ) from error


def _rows(file: pq.ParquetFile, columns: list[str]) -> Iterator[dict[str, Any]]:
    for batch in file.iter_batches(_ROWS_AT_ONCE, columns=columns):
        yield from batch.to_pylist()
