"""Draw what benchmarks/gamma_sky_targets.json holds, with python -m benchmarks.gamma_sky_figures.

The published networks in the figure of the two faults are those of the stored comparison with them.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from skysift.report.plots.counts import plot_bias
from skysift.report.plots.elements import draw_beside_each_other, draw_tolerance, mark_level
from skysift.report.plots.localisation import plot_position_error
from skysift.report.plots.residuals import plot_residuals
from skysift.report.plots.series import Series
from skysift.report.plots.style import BACKGROUND, MUTED, SERIES, style
from skysift.tasks.gamma_sky.pages.published import stored_costs
from skysift.tasks.gamma_sky.pages.reading import COLOURS, FREE, KNOWN, ORACLE

ROOT = Path(__file__).parents[1]
NAMES = {KNOWN: "response known", FREE: "no response"}
SHADES = {shown: COLOURS[name] for name, shown in NAMES.items()}
NETWORKS = {"original": BACKGROUND, "fixed grid": SERIES[2]}
OURS = "refined likelihood, IRF-free"
CONDITIONS = {
    "zenith": "Zenith angle [deg]",
    "exposure": "Exposure [s]",
    "flux": "Flux [Crab]",
    "offset": "Offset [deg]",
}
Rows = Sequence[Mapping[str, Any]]


def main() -> None:
    """Draw and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    stored = ROOT / "benchmarks/gamma_sky_targets.json"
    parser.add_argument("--results", type=Path, default=stored)
    parser.add_argument("--images", type=Path, default=ROOT / "docs/images")
    given = parser.parse_args()
    found = json.loads(given.results.read_text(encoding="utf-8"))
    for name, draw in {
        "gamma-sky-errors": errors,
        "gamma-sky-counts": counts,
        "gamma-sky-faults": faults,
    }.items():
        with style():
            draw(found).savefig(given.images / f"{name}.png", dpi=110)


def errors(found: Mapping[str, Any]) -> Figure:
    """Draw errors against the bound, by flux and by offset."""
    figure, (by_flux, by_offset, over) = sheet(1, 3)
    rows = found["localisation"]["by_flux"]
    curves = {shown: series(of(rows, name), "flux", "error68") for name, shown in NAMES.items()}
    bound = of(rows, ORACLE)
    limit = Series([row["flux"] for row in bound], [row["bound68_all"] for row in bound])
    plot_position_error(curves, bound=limit, colors=SHADES, ax=by_flux)
    rows = [
        {**row, "offset": (row["low"] + row["high"]) / 2}
        for row in found["localisation"]["by_offset"]
    ]
    for flux, marker in ((1.0, "1 Crab"), (0.3, "0.3 Crab")):
        here = [row for row in rows if row["flux"] == flux]
        chosen = {
            f"{shown}, {marker}": series(of(here, name), "offset", "ratio")
            for name, shown in NAMES.items()
        }
        axes = by_offset if flux == 1.0 else over
        shades = {name: SHADES[name.partition(",")[0]] for name in chosen}
        draw_beside_each_other(axes, chosen, shades, log=False)
        mark_level(axes, 1.0)
        mark_level(axes, 1.1)
        axes.set_ylim(0.8, 1.3)
        axes.set_xlabel("Offset from the pointing [deg]")
        axes.set_ylabel("68 % error over the bound")
        axes.legend(loc="upper left", fontsize=8.5)
    return figure


def counts(found: Mapping[str, Any]) -> Figure:
    """Draw bias and pull width of the counts by each condition, and the bias in its cells."""
    figure, panels = sheet(3, 3)
    groups = found["counts"]["groups"]
    for axes, (by, label) in zip(panels, list(CONDITIONS.items())[:3], strict=False):
        _by_condition(axes, [row for row in groups if row["by"] == by], "bias", label, 0.03)
    for axes, (by, label) in zip(panels[3:], list(CONDITIONS.items())[:3], strict=False):
        rows = [row for row in groups if row["by"] == by]
        _by_condition(axes, rows, "pull_width", label, 0.1, level=1.0)
        axes.set_ylabel("Pull width less 1 [%]")
    cells = [row for row in found["counts"]["cells"] if "flux" in row]
    for axes, flux in zip(panels[6:], (0.1, 0.3, 1.0), strict=True):
        rows = [{**row, "at": row["exposure"]} for row in cells if row["flux"] == flux]
        _by_condition(axes, rows, "bias", f"Exposure [s], {flux:g} Crab", 0.03)
    return figure


def _by_condition(
    axes: Axes, rows: Rows, what: str, label: str, tolerance: float, *, level: float = 0.0
) -> None:
    places = sorted({row["at"] for row in rows})
    curves = {}
    for name, shown in NAMES.items():
        placed = [{**row, "x": places.index(row["at"])} for row in of(rows, name)]
        one = series(placed, "x", what)
        lowered = (np.asarray(values, float) - level for values in (one.y, one.low, one.high))
        curves[shown] = Series(one.x, *lowered)
    names = [f"{place:g}" for place in places]
    plot_bias(curves, names, label=label, tolerance=tolerance, colors=SHADES, ax=axes)
    axes.legend(loc="upper right", fontsize=8.5)


def faults(found: Mapping[str, Any]) -> Figure:
    """Draw the two faults that are known of the published network, in it and here."""
    figure, panels = sheet(2, 3)
    kept, across, along, uneven, suspect, everywhere = panels
    published = {row["method"]: row for row in (stored_costs() or {})["rows"]}
    shown = {name: published[name] for name in (*NETWORKS, OURS)}
    colours = {**NETWORKS, OURS: COLOURS[FREE]}
    _kept(kept, shown, colours)
    for axes, direction in ((across, "across"), (along, "along")):
        edges = shown[OURS]["residuals"]["edges"]
        plot_residuals(
            {name: row["residuals"][direction] for name, row in shown.items()},
            edges,
            label=f"Found less true place, {direction} [deg]",
            colors=colours,
            ax=axes,
        )
        _leave_room(axes)
    study = found["counts"]
    parts = {name: study["faults"][name]["by_counts"] for name in NAMES}
    curves = {
        NAMES[name]: series([{**row, "x": at} for at, row in enumerate(rows)], "x", "bias")
        for name, rows in parts.items()
    }
    places = [f"{row['low']:.0f} to\n{row['high']:.0f}" for row in parts[FREE]]
    label = f"Expected counts, zenith {study['suspect_zenith']:g} deg"
    plot_bias(curves, places, label=label, colors=SHADES, ax=uneven)
    uneven.legend(loc="upper right", fontsize=8.5)
    edges = study["pulls"]["edges"]
    for axes, key, where in (
        (suspect, "suspect_zenith", f"zenith {study['suspect_zenith']:g} deg"),
        (everywhere, "any_zenith", "all zenith angles"),
    ):
        pulls = {NAMES[name]: heights for name, heights in study["pulls"][key].items()}
        plot_residuals(
            pulls, edges, label=f"Counts less true / error, {where}", colors=SHADES, ax=axes
        )
        axes.set_ylabel("Sources")
        _leave_room(axes)
    return figure


def _leave_room(axes: Axes) -> None:
    """Leave room for the legend above a histogram."""
    axes.set_ylim(0, 1.35 * axes.get_ylim()[1])


def _kept(axes: Axes, shown: Mapping[str, Mapping[str, Any]], colours: Mapping[str, str]) -> None:
    draw_tolerance(axes, 1.0, 0.03)
    curves = {}
    for name, row in shown.items():
        bands = [{**band, "x": (band["low"] + band["high"]) / 2} for band in row["by_zenith"]]
        curves[name] = series(bands, "x", "kept")
    draw_beside_each_other(axes, curves, colours, log=False)
    mark_level(axes, 1.0)
    axes.set_ylim(0.9, 1.7)
    axes.set_xlabel("Zenith angle [deg]")
    axes.set_ylabel("Counts kept of one")
    axes.legend(loc="upper left", fontsize=8.5)


def of(rows: Rows, name: str) -> list[Mapping[str, Any]]:
    """Return the rows of a method."""
    return [row for row in rows if row["method"] == name]


def series(rows: Rows, x: str, y: str) -> Series:
    """Return what rows hold, where they hold it."""
    known = [row for row in rows if row[y] is not None]
    values = ([row[y][key] for row in known] for key in ("value", "low", "high"))
    return Series([row[x] for row in known], *values)


def sheet(rows: int, columns: int) -> tuple[Figure, list[Axes]]:
    """Return a figure of equal Axes in the house style."""
    figure = Figure(figsize=(4.4 * columns, 3.3 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in panels:
        axes.tick_params(which="both", color=MUTED)
    return figure, panels


if __name__ == "__main__":
    main()
