"""The parts that several figures are made of: lines, intervals, distributions, levels, rows."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from skysift.report.plots.series import Estimate, Series
from skysift.report.plots.style import GRID, INK, MUTED, Stroke, strokes

__all__ = [
    "draw_band",
    "draw_beside_each_other",
    "draw_curve",
    "draw_estimate",
    "draw_histogram",
    "draw_points",
    "draw_tolerance",
    "frame_rows",
    "mark_level",
    "mark_value",
    "write_at_right",
]

_SPREAD = 0.02  # of a decade, or a quarter of that of a place: between series at one position


def draw_band(ax: Axes, series: Series, stroke: Stroke) -> None:
    """Fill the interval of a series, if it has one."""
    if series.low is None or series.high is None:
        return
    x, low, high = (np.asarray(values, float) for values in (series.x, series.low, series.high))
    ax.fill_between(x, low, high, color=stroke.color, alpha=0.18, linewidth=0)


def draw_curve(ax: Axes, name: str, series: Series, stroke: Stroke) -> None:
    """Draw a series as a line over the band of its interval, if it has one."""
    draw_band(ax, series, stroke)
    ax.plot(
        np.asarray(series.x, float),
        np.asarray(series.y, float),
        color=stroke.color,
        linestyle=stroke.linestyle,
        label=name,
    )


def draw_points(
    ax: Axes,
    name: str | None,
    series: Series,
    stroke: Stroke,
    *,
    x: ArrayLike | None = None,
    joined: bool = True,
    size: float = 4.5,
    line: float = 1.4,
    bar: float = 1.3,
) -> None:
    """Draw a series as markers with error bars.

    Parameters
    ----------
    ax : Axes
        Where.
    name : str or None
        For the legend; None to leave it out of that.
    series : Series
        Values and their intervals.
    stroke : Stroke
        Colour, marker and line.
    x : array-like, shape (n,), optional
        Positions in place of the series' own.
    joined : bool
        Whether a line joins the markers.
    size, line, bar : float
        Of the markers, the line and the error bars, in points.
    """
    ax.errorbar(
        np.asarray(series.x if x is None else x, float),
        np.asarray(series.y, float),
        yerr=series.errors(),
        color=stroke.color,
        marker=stroke.marker,
        markersize=size,
        linewidth=line,
        linestyle=stroke.linestyle if joined else "none",
        elinewidth=bar,
        label=name,
    )


def draw_beside_each_other(
    ax: Axes,
    curves: Mapping[str, Series],
    colors: Mapping[str, str] | None,
    *,
    log: bool,
    named: bool = True,
    joined: bool = True,
) -> None:
    """Draw each series with error bars, side by side where they share a position.

    Parameters
    ----------
    ax : Axes
        Where.
    curves : mapping of str to Series
        By name.
    colors : mapping of str to str or None
        Colours fixed by name.
    log : bool
        Whether the x axis is logarithmic.
    named : bool
        Whether the legend lists them.
    joined : bool
        Whether lines join the markers.
    """
    for i, (name, stroke) in enumerate(strokes(curves, colors).items()):
        one = curves[name]
        shift = _SPREAD * (i - (len(curves) - 1) / 2)
        x = np.asarray(one.x, float)
        draw_points(
            ax,
            name if named else None,
            one,
            stroke,
            x=x * 10**shift if log else x + 4 * shift,
            joined=joined,
        )


def draw_histogram(
    ax: Axes,
    heights: ArrayLike,
    edges: ArrayLike,
    *,
    color: str,
    label: str,
    opacity: float = 0.2,
    line: float = 1.6,
) -> None:
    """Draw a distribution as an outline over a tint of the same colour."""
    ax.stairs(heights, edges, color=color, fill=True, alpha=opacity)
    ax.stairs(heights, edges, color=color, linewidth=line, label=label)


def draw_estimate(
    ax: Axes, row: float, estimate: Estimate, *, color: str, size: float = 6.5
) -> None:
    """Draw a value as a dot on the bar of its interval, if it has one, on a row of its own."""
    if estimate.low is not None and estimate.high is not None:
        ax.plot(
            [estimate.low, estimate.high], [row, row], color=color, linestyle="-", linewidth=2.4
        )
    ax.plot([estimate.value], [row], color=color, marker="o", markersize=size)


def frame_rows(ax: Axes, names: Sequence[str], *, margin: float) -> None:
    """Make an axis of named rows, the first one on top, without a line for each.

    Parameters
    ----------
    ax : Axes
        Where :func:`draw_estimate` drew the rows 0, 1, ...
    names : sequence of str
        Of the rows.
    margin : float
        Left and right of the values, as a share of their range.
    """
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.margins(x=margin)
    ax.grid(visible=False, axis="y")
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)


def draw_tolerance(ax: Axes, level: float, half_width: float) -> None:
    """Shade what lies near enough to a level."""
    ax.axhspan(level - half_width, level + half_width, color=GRID, alpha=0.7, linewidth=0)


def mark_level(ax: Axes, level: float, text: str = "") -> None:
    """Draw a quiet horizontal line and write its meaning beside the right edge of the Axes."""
    ax.axhline(level, color=MUTED, linewidth=1.2, zorder=1)
    if text:
        write_at_right(ax, level, text, x=1.012, color=MUTED)


def mark_value(ax: Axes, value: float, text: str, *, strong: bool = False) -> None:
    """Draw a dashed vertical line and write its meaning above the Axes; a strong one in ink."""
    color = INK if strong else MUTED
    width, dashes = (1.2, (4, 2)) if strong else (1.0, (4, 3))
    ax.axvline(value, color=color, linewidth=width, linestyle=(0, dashes), zorder=1)
    ax.annotate(
        text,
        (value, 1.0),
        (0, 3),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        ha="center",
        va="bottom",
        color=color,
        fontsize=8.5,
    )


def write_at_right(
    ax: Axes, height: float, text: str, *, x: float = 1.02, color: str = INK, bold: bool = False
) -> None:
    """Write something beside the right edge of the Axes.

    Parameters
    ----------
    ax : Axes
        Beside which.
    height : float
        Where, in data units.
    text : str
        What.
    x : float
        Where it begins, in widths of the Axes.
    color : str
        Of the letters.
    bold : bool
        Whether they are bold.
    """
    ax.annotate(
        text,
        (x, height),
        xycoords=("axes fraction", "data"),
        va="center",
        color=color,
        fontsize=8.5,
        fontweight="bold" if bold else "normal",
        annotation_clip=False,
    )
