"""What a service has published, file by file: rows of plain values, with units and provenance."""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from skysift.data.io.schema import description_of, unit_of
from skysift.serve.staging import BUNDLE_COLUMN, INPUT_COLUMN, RECORD_COLUMN

__all__ = ["Answers", "Row", "provenance_of", "read_answers"]

_NAME = re.compile(r"night=\d{4}-\d\d-\d\d/part-[0-9A-Za-z_-]+\.(parquet|jsonl)")
_PROVENANCE = b"skysift"
_MOST_BYTES = 64 * 2**20  # of a file of lines: the end of a larger one is read
_LABELS = {RECORD_COLUMN, INPUT_COLUMN, BUNDLE_COLUMN}


class Row(dict[str, Any]):
    """A row: a column that it does not have, like NaN in one that it has, is None.

    Examples
    --------
    >>> row = Row.of({"ra": 83.6, "flux": float("nan")})
    >>> row["ra"], row["flux"], row["far"]
    (83.6, None, None)
    """

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Return the row with these values."""
        known = (
            (key, None if isinstance(value, float) and math.isnan(value) else value)
            for key, value in values.items()
        )
        return cls(known)

    def __missing__(self, key: str) -> None:
        return None


@dataclass(frozen=True, slots=True)
class Answers:
    """One table of a published file.

    Parameters
    ----------
    file : str
        Path relative to the sink.
    columns : frozenset of str
        Of the task, without those of the service.
    rows : list of Row
        The last ones, if there are more than were asked for.
    count : int
        Of all rows.
    units, descriptions : mapping of str to str
        Of the columns that have some.
    """

    file: str
    columns: frozenset[str]
    rows: list[Row]
    count: int
    units: Mapping[str, str] = field(default_factory=dict)
    descriptions: Mapping[str, str] = field(default_factory=dict)


def read_answers(sink: Path, file: str, wanted: Callable[[frozenset[str]], int]) -> list[Answers]:
    """Return what a published file holds, nothing if it is gone or not of a service.

    Parameters
    ----------
    sink : Path
        The folder.
    file : str
        Path relative to it, as the ledger has it.
    wanted : callable
        Returns how many rows of a table with such columns are of use; the last are taken.
    """
    if not _NAME.fullmatch(file):
        return []
    path = sink / file
    try:
        return (
            [_parquet(path, file, wanted)]
            if path.suffix == ".parquet"
            else _lines(path, file, wanted)
        )
    except (OSError, pa.ArrowException, ValueError):
        return []  # moved away or rewritten by somebody: the page shows what is there


def provenance_of(sink: Path, file: str) -> Mapping[str, Any]:
    """Return how a published file was made; empty where it does not say so, as lines of JSON."""
    if not _NAME.fullmatch(file) or not file.endswith(".parquet"):
        return {}
    try:
        metadata = pq.read_schema(sink / file).metadata or {}
        found = json.loads(metadata.get(_PROVENANCE, b"{}"))
    except (OSError, pa.ArrowException, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _parquet(path: Path, file: str, wanted: Callable[[frozenset[str]], int]) -> Answers:
    with pq.ParquetFile(path) as opened:
        schema = opened.schema_arrow
        count = opened.metadata.num_rows
        columns = frozenset(schema.names) - _LABELS
        most = wanted(columns)
        groups: list[int] = []
        rows = 0
        for group in reversed(range(opened.metadata.num_row_groups)):
            if rows >= most:
                break
            groups.insert(0, group)
            rows += opened.metadata.row_group(group).num_rows
        table = opened.read_row_groups(groups)
    last = table.slice(max(0, table.num_rows - most))
    return Answers(
        file,
        columns,
        [Row.of(row) for row in last.to_pylist()],
        count,
        {item.name: unit for item in schema if (unit := unit_of(item))},
        {item.name: text for item in schema if (text := description_of(item))},
    )


def _lines(path: Path, file: str, wanted: Callable[[frozenset[str]], int]) -> list[Answers]:
    """Return the tables of a file of lines: each row says by its keys which one it is of."""
    tables: dict[frozenset[str], list[Row]] = {}
    for line in _last_lines(path):
        row = Row.of(json.loads(line))
        tables.setdefault(frozenset(row) - _LABELS, []).append(row)
    return [
        Answers(file, columns, rows[max(0, len(rows) - wanted(columns)) :], len(rows))
        for columns, rows in tables.items()
    ]


def _last_lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as opened:
        size = path.stat().st_size
        if size > _MOST_BYTES:
            opened.seek(size - _MOST_BYTES)
            opened.readline()  # the rest of a line
        yield from opened
