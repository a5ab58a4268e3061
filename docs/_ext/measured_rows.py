"""Where measured numbers are stored, and how they are written into a page."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["cited", "interval", "listed", "named", "quoted", "row_of", "stored", "table", "told"]

DOCS = Path(__file__).parents[1]
ROOT = DOCS.parent
TASKS = ROOT / "src" / "skysift" / "tasks"
Row = Sequence[str]


def stored(path: str) -> Any:
    """Return a file of a task in the package, or a result stored with the pages or benchmarks."""
    place = {"measured": DOCS, "benchmarks": ROOT}.get(path.partition("/")[0], TASKS)
    return json.loads((place / path).read_text(encoding="utf-8"))


def quoted(page: str, first: str, *columns: int) -> tuple[str, ...]:
    """Return cells of the row of a table on another page, by what its first cell says."""
    for line in (DOCS / page).read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and cells[0] == first and len(cells) > max(columns):
            return tuple(cells[column] for column in columns)
    raise LookupError(f"{page} has no row {first!r}")


def row_of(rows: Sequence[Mapping[str, Any]], **wanted: str) -> Mapping[str, Any]:
    """Return the one row that has these values."""
    found = [row for row in rows if wanted.items() <= row.items()]
    if len(found) != 1:
        raise LookupError(f"{len(found)} rows have {wanted}")
    return found[0]


def listed(
    rows: Sequence[Mapping[str, Any]],
    key: str,
    names: Mapping[str, str],
    cells: Callable[[Mapping[str, Any]], Row],
) -> list[Row]:
    """Write the row of each name: what it is called here, then its cells."""
    return [(shown, *cells(row_of(rows, **{key: name}))) for name, shown in names.items()]


def cited(page: str, names: Sequence[str], *columns: int) -> list[Row]:
    """Quote a row of another page for each name."""
    return [(name, *quoted(page, name, *columns)) for name in names]


def interval(value: Mapping[str, Any], digits: int = 2) -> str:
    """Write a number with its 95 % interval, on one line."""
    rounded = (round(value[key], digits) + 0.0 for key in ("value", "low", "high"))  # no -0.00
    middle, low, high = (f"{number:.{digits}f}" for number in rounded)
    return f"{middle} [{low}, {high}]".replace(" ", "\N{NO-BREAK SPACE}")


def named(row: Mapping[str, Any], name: str, digits: int = 4) -> str:
    """Write a number whose bounds stand beside it under ``_low`` and ``_high``."""
    bounds = {"low": row.get(f"{name}_low"), "high": row.get(f"{name}_high")}
    if bounds["low"] is None:
        return f"{row[name]:.{digits}f}"
    return interval({"value": row[name], **bounds}, digits)


def table(head: Row, rows: Sequence[Row]) -> str:
    """Write a table of Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def told(head: Row, rows: Sequence[Row], command: str, split: str) -> str:
    """Write a table, and below it where its numbers come from."""
    source = f"*{split[:1].upper()}{split[1:]}.* Command: `{command}`"
    return f"{table(head, rows)}\n\n{source}"
