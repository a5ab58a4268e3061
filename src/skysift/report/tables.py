"""Tables of results: how each cell reads, sorts, and stands out."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal

from skysift.core.errors import InputError
from skysift.core.suggest import did_you_mean
from skysift.data.table import FeatureTable

__all__ = ["Cell", "Column", "TableView", "build_table"]

_ABSENT = "–"  # noqa: RUF001 - an en dash, the sign for "no value" in tables


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Parameters
    ----------
    name : str
        Key of the value in each row.
    label : str, optional
        Heading; the name if None.
    align : {"left", "right"}, optional
        Numbers stand right and all else left if None.
    format : str
        Format specification of numbers, e.g. ``.4f``, ``,d`` or ``.1%``.
    unit : str
        Unit, shown after the heading.
    best : {"max", "min"}, optional
        Which end is best; the best value is emphasised.
    bar : bool
        Whether a small interval plot accompanies values that come with an interval.
    """

    name: str
    label: str | None = None
    align: Literal["left", "right"] | None = None
    format: str = ""
    unit: str = ""
    best: Literal["max", "min"] | None = None
    bar: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """What the page shows in one place of a table.

    Parameters
    ----------
    text : str
        The value as text.
    interval : str
        Its interval as text, or empty.
    sort : float or str
        What the cell is sorted by.
    is_best : bool
        Whether it is the best of its column.
    bar : (float, float, float) or None
        Low, value and high on the scale of the column, from 0 to 100.
    """

    text: str
    interval: str = ""
    sort: float | str = ""
    is_best: bool = False
    bar: tuple[float, float, float] | None = None


@dataclass(frozen=True, slots=True)
class TableView:
    """A table that is ready for the page: headings, alignments, and rows of cells."""

    headings: tuple[str, ...]
    units: tuple[str, ...]
    alignments: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


def build_table(
    rows: FeatureTable | Iterable[Mapping[str, Any]], columns: Sequence[Column] | None = None
) -> TableView:
    """Turn rows into cells.

    Parameters
    ----------
    rows : FeatureTable or iterable of mapping
        One mapping from column name to value for each row. A value with the attributes `value`,
        `low` and `high` (:class:`skysift.core.results.Metric`) shows its interval.
    columns : sequence of Column, optional
        The columns, in order; those of the first row if None.

    Returns
    -------
    TableView

    Raises
    ------
    InputError
        There are no columns to show, or no row knows a column.
    """
    if isinstance(rows, FeatureTable):
        columns = columns or [Column(name, unit=rows.unit(name)) for name in rows.columns]
        records: list[Mapping[str, Any]] = list(rows.arrow.to_pylist())
    else:
        records = list(rows)
    if columns is None:
        columns = [Column(name) for name in (records[0] if records else ())]
    if not columns:
        raise InputError("The table has neither rows nor columns.", "Name its columns.")
    known = {name for record in records for name in record}
    for column in columns:
        if records and column.name not in known:
            raise InputError(
                f"No row of the table has a value '{column.name}'.",
                did_you_mean(column.name, known) + f"It has: {', '.join(sorted(known))}.",
            )
    values = [[record.get(column.name) for record in records] for column in columns]
    cells = [
        _cells(column, column_values) for column, column_values in zip(columns, values, strict=True)
    ]
    return TableView(
        headings=tuple(column.name if column.label is None else column.label for column in columns),
        units=tuple(column.unit for column in columns),
        alignments=tuple(
            column.align or _alignment(column_values)
            for column, column_values in zip(columns, values, strict=True)
        ),
        rows=tuple(zip(*cells, strict=True)),
    )


def _alignment(values: Sequence[Any]) -> str:
    present = [value for value in values if value is not None]
    return "right" if present and all(_number(v) is not None for v in present) else "left"


def _cells(column: Column, values: Sequence[Any]) -> list[Cell]:
    numbers = [_number(value) for value in values]
    finite = [number for number in numbers if number is not None and math.isfinite(number)]
    best = (max if column.best == "max" else min)(finite) if column.best and finite else None
    scale = _scale(values) if column.bar else None
    return [
        Cell(
            text=_text(value, column.format),
            interval=_interval(value, column.format),
            sort=_sort_key(value, number),
            is_best=best is not None and number == best,
            bar=_bar(value, scale),
        )
        for value, number in zip(values, numbers, strict=True)
    ]


def _number(value: Any) -> float | None:
    """Return what a cell is measured by, or None if it is no number."""
    value = getattr(value, "value", value)
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    return float(value)


def _limits(value: Any) -> tuple[float, float] | None:
    low, high = getattr(value, "low", None), getattr(value, "high", None)
    return None if low is None or high is None else (float(low), float(high))


def _text(value: Any, spec: str) -> str:
    number = _number(value)
    if value is None or (number is not None and math.isnan(number)):
        return _ABSENT
    if number is None:
        return str(value)
    return format(getattr(value, "value", value), spec).replace("-", "\N{MINUS SIGN}")


def _interval(value: Any, spec: str) -> str:
    limits = _limits(value)
    return "" if limits is None else f"{_text(limits[0], spec)} to {_text(limits[1], spec)}"


def _sort_key(value: Any, number: float | None) -> float | str:
    if number is not None:
        return number if math.isfinite(number) else ""
    return "" if value is None else str(value)


def _scale(values: Sequence[Any]) -> tuple[float, float] | None:
    ends = [end for value in values for end in (_limits(value) or ())]
    ends += [number for value in values if (number := _number(value)) is not None]
    ends = [end for end in ends if math.isfinite(end)]
    return (min(ends), max(ends)) if ends and min(ends) < max(ends) else None


def _bar(value: Any, scale: tuple[float, float] | None) -> tuple[float, float, float] | None:
    limits, number = _limits(value), _number(value)
    if scale is None or limits is None or number is None or not math.isfinite(number):
        return None
    low, middle, high = (
        round(100 * (x - scale[0]) / (scale[1] - scale[0]), 2)
        for x in (limits[0], number, limits[1])
    )
    return low, middle, high
