"""What the command line prints: results on stdout, everything else on stderr."""

import json
import logging
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from skysift.core.errors import SkysiftError
from skysift.core.progress import Progress

__all__ = ["Console", "fail", "logged_to"]

_NO_WIDTH = 100_000
_SMALL = 1e-3  # what is below would be told by its zeros


class Console:
    """Prints tables and facts for people, or one JSON document for machines.

    Parameters
    ----------
    as_json : bool
        True for one JSON document on stdout and nothing else there.
    """

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json

    def result(self, document: Mapping[str, Any], lines: Sequence[str] = ()) -> None:
        """Print a result: the document as JSON, or the lines for people."""
        if self.as_json:
            json.dump(_strict(document), sys.stdout, indent=2, default=str, allow_nan=False)
            sys.stdout.write("\n")
        else:
            for line in lines:
                self.line(line)

    def line(self, text: str = "") -> None:
        """Print one line for people on stdout; nothing in JSON mode."""
        if not self.as_json:
            from rich.console import Console as Rich

            Rich(highlight=False, soft_wrap=True).print(text, markup=False)

    def table(self, rows: Sequence[Mapping[str, Any]], *, title: str = "") -> None:
        """Print rows as an aligned table for people; nothing in JSON mode."""
        if self.as_json or not rows:
            return
        from rich import box
        from rich.console import Console as Rich
        from rich.table import Table
        from rich.text import Text

        table = Table(
            title=Text(title) if title else None,
            title_justify="left",
            box=box.SIMPLE_HEAD,
            pad_edge=False,
        )
        rows = _with_intervals(rows)
        first = rows[0]
        for name, value in first.items():
            numeric = isinstance(value, int | float) and not isinstance(value, bool)
            table.add_column(Text(name), justify="right" if numeric else "left", overflow="fold")
        for row in rows:
            table.add_row(*(Text(_cell(row.get(name))) for name in first))
        rich = Rich(highlight=False)
        if not rich.is_terminal:  # a pipe has no width: no cell is folded there
            unbounded = Rich(highlight=False, width=_NO_WIDTH)
            rich = Rich(highlight=False, width=unbounded.measure(table).maximum)
        rich.print(table)

    def note(self, text: str) -> None:
        """Print a remark on stderr."""
        sys.stderr.write(f"{text}\n")

    @contextmanager
    def progress(self, what: str) -> Iterator[Progress]:
        """Show a bar on stderr while a long job runs; nothing if that is not a terminal."""
        if not sys.stderr.isatty():
            yield lambda _fraction, _what: None
            return
        from rich.console import Console as Rich
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Bar(*columns, console=Rich(stderr=True), transient=True) as bar:
            job = bar.add_task(what, total=1.0)
            yield lambda fraction, doing: bar.update(job, completed=fraction, description=doing)


def fail(error: SkysiftError, *, as_json: bool = False) -> int:
    """Print an error on stderr and return the exit code."""
    if as_json:
        document = {
            "error": type(error).__name__,
            "problem": error.problem,
            "remedy": error.remedy,
            "path": None if error.path is None else str(error.path),
            "row": error.row,
        }
        sys.stderr.write(json.dumps(document) + "\n")
    else:
        sys.stderr.write(f"skysift: {error}\n")
    return error.exit_code


def _strict(value: Any) -> Any:
    """Return the value with null for NaN and infinities, which JSON does not have."""
    if isinstance(value, Mapping):
        return {str(key): _strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@contextmanager
def logged_to(handler: logging.Handler) -> Iterator[None]:
    """Write the log of what runs in the block, in lines of JSON."""
    from skysift.serve.journal import LOGGER, JsonLines

    handler.setFormatter(JsonLines())
    logger = logging.getLogger(LOGGER)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()


def _with_intervals(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return rows with one column for a value, `name`, and its bounds, `name_low`, `name_high`."""
    bounded = [name for name in rows[0] if {f"{name}_low", f"{name}_high"} <= rows[0].keys()]
    folded = []
    for row in rows:
        one = {name: value for name, value in row.items() if not _is_bound(name, bounded)}
        for name in bounded:
            if row.get(name) is not None:
                low, high = _cell(row.get(f"{name}_low")), _cell(row.get(f"{name}_high"))
                one[name] = f"{_cell(row[name])} [{low}, {high}]" if low or high else row[name]
        folded.append(one)
    return folded


def _is_bound(name: str, bounded: Sequence[str]) -> bool:
    return name.endswith(("_low", "_high")) and name.rpartition("_")[0] in bounded


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.1e}" if 0 < abs(value) < _SMALL else f"{value:.4f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)
