"""The page of a stress test: what moves, under which shift, and how far."""

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from skysift.report.closing import add_how_to_repeat, provenance_facts
from skysift.report.page import Page, Section
from skysift.report.plots.elements import draw_points, mark_level
from skysift.report.plots.series import Series
from skysift.report.plots.style import new_grid, strokes, style
from skysift.report.run_folder import RunRecord
from skysift.report.tables import Column

__all__ = ["plot_stress", "stress_page"]

_COLUMNS = 3
_WIDEST = 38  # characters of a title that fit a panel
_TINY = 1e-9  # less is rounding
_NUMBER = ".3f"

Row = Mapping[str, Any]


def stress_page(record: RunRecord) -> Page:
    """Return the page of a run of ``skysift stress``, drawn from what it stored.

    Parameters
    ----------
    record : RunRecord
        With the facts ``model``, ``data``, ``shifts``, ``measures`` and ``rows``.
    """
    facts = record.facts
    page = Page(
        title=f"{record.task}/{facts['model']} under stress",
        subtitle=facts["data"],
        provenance=provenance_facts(record),
    )
    page.hero(_worst(facts))
    summary = page.section(
        "What moves", lead="The largest change of each metric under each shift, of the sizes tried."
    )
    summary.table(_summary(facts), columns=_summary_columns(facts), caption=_CAPTION)
    for shift in facts["shifts"]:
        _add_shift(page.section(shift["title"], lead=shift["reason"]), shift, facts)
    notes = page.section("How it was measured")
    notes.text(
        "The same rows are put under each shift and answered by the same bundle; its thresholds "
        "stay as they are. Intervals are 95 %, from a bootstrap of independent blocks of rows that "
        "is the same for every shift, so that changes are of pairs. All sizes of a shift share "
        "their random numbers. Of many intervals one in twenty leaves out zero by chance: believe "
        "a change that grows with its shift."
    )
    add_how_to_repeat(page, record)
    return page


_CAPTION = (
    "Change from no shift, where it is largest, and the size of the shift there; in brackets where "
    "its 95 % interval holds zero."
)


def plot_stress(rows: Sequence[Row], measures: Mapping[str, Row], shift: Row) -> Figure:
    """Return a figure with a panel for each metric, against the size of one shift.

    Parameters
    ----------
    rows : sequence of mapping
        As :meth:`skysift.evaluate.stress.Stressed.to_dict` returns, of one shift.
    measures : mapping of str to mapping
        ``title`` and ``wanted`` of each metric.
    shift : mapping
        ``none`` and ``quantity``.
    """
    figure, panels = new_grid(len(measures), _COLUMNS, width=10.0, height=2.5)
    (stroke,) = strokes(["metric"]).values()
    with style():
        for axes, (name, measure) in zip(panels, measures.items(), strict=True):
            axes.set_axis_on()
            axes.grid(visible=True)
            mine = [row for row in rows if row["metric"] == name and row["value"] is not None]
            axes.set_title(fill(measure["title"], _WIDEST), fontsize=9, loc="left")
            axes.set_xlabel(shift["quantity"], fontsize=8)
            axes.tick_params(labelsize=8)
            if not mine:
                continue
            x, y, low, high = (
                np.array([row[key] for row in mine], dtype=np.float64)
                for key in ("size", "value", "low", "high")
            )
            draw_points(axes, None, Series(x, y, np.minimum(low, y), np.maximum(high, y)), stroke)
            axes.axvline(shift["none"], color="0.6", linewidth=0.9, linestyle=":")
            if measure["wanted"] is not None:
                mark_level(axes, measure["wanted"])
    return figure


def _add_shift(section: Section, shift: Row, facts: Mapping[str, Any]) -> None:
    rows = [row for row in facts["rows"] if row["shift"] == shift["name"]]
    measures = facts["measures"]
    names = ", ".join(measure["title"] for measure in measures.values())
    section.figure(
        plot_stress(rows, measures, shift),
        caption=f"Each metric against {shift['quantity']}, with its 95 % interval. Upright "
        "line: no shift; level line: what is wanted.",
        alt=f"{names}, against {shift['quantity']}",
        wide=True,
    )
    section.details("Numbers").table(
        [
            {
                shift["quantity"]: f"{row['size']:g}",
                "metric": measures[row["metric"]]["title"],
                "value": _with_limits(row, ""),
                "change": _with_limits(row, "change"),
            }
            for row in rows
        ],
        caption="Values with their intervals, and changes from no shift, of the same rows.",
    )


def _with_limits(row: Row, of: str) -> str:
    first, low, high = (
        (row["value"], row["low"], row["high"])
        if not of
        else (row["change"], row["change_low"], row["change_high"])
    )
    if first is None:
        return "not defined"
    sign = "+" if of else ""
    return f"{first:{sign}{_NUMBER}} [{low:{sign}{_NUMBER}}, {high:{sign}{_NUMBER}}]"


def _summary_columns(facts: Mapping[str, Any]) -> list[Column]:
    shifts = (Column(one["name"], one["title"], align="right") for one in facts["shifts"])
    return [Column("metric"), *shifts]


def _summary(facts: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return a row for each metric."""
    found = []
    for name, measure in facts["measures"].items():
        row = {"metric": measure["title"]}
        for shift in facts["shifts"]:
            largest = _largest(facts["rows"], shift["name"], name)
            row[shift["name"]] = "not defined" if largest is None else _told(largest)
        found.append(row)
    return found


def _largest(rows: Sequence[Row], shift: str, metric: str) -> Row | None:
    mine = [
        row
        for row in rows
        if row["shift"] == shift and row["metric"] == metric and row["change"] is not None
    ]
    return max(mine, key=lambda row: abs(row["change"]), default=None)


def _told(row: Row) -> str:
    if abs(row["change"]) < _TINY:
        return "none"
    text = f"{row['change']:+{_NUMBER}} at {row['size']:g}"
    return text if row["is_certain"] else f"({text})"


def _worst(facts: Mapping[str, Any]) -> str:
    """Return which shifts move the first metric most, in words."""
    name, measure = next(iter(facts["measures"].items()))
    found = []
    for shift in facts["shifts"]:
        row = _largest(facts["rows"], shift["name"], name)
        if row is not None and row["is_certain"]:
            found.append((abs(row["change"]), shift, row))
    if not found:
        return f"No shift that was tried moves the {measure['title']} for sure."
    _, shift, row = max(found, key=lambda item: item[0])
    return (
        f"Of {len(facts['shifts'])} shifts, {len(found)} move the {measure['title']} for sure. It "
        f"moves most under **{shift['title']}**: by {_with_limits(row, 'change')} at "
        f"{row['size']:g} ({shift['quantity']})."
    )
