"""Models side by side: forest plots, operating points, dependence on size and on training data."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from numpy.typing import ArrayLike

from skysift.core.errors import InputError, UnknownNameError
from skysift.report.plots.elements import (
    draw_band,
    draw_estimate,
    draw_points,
    frame_rows,
    mark_value,
    write_at_right,
)
from skysift.report.plots.labels import (
    acceptance_label,
    efficiency_label,
    label_ends,
    place_legend,
)
from skysift.report.plots.series import Estimate, Series, require_some
from skysift.report.plots.style import GRID, MUTED, SERIES, drawing, log_axis, plain, strokes

__all__ = [
    "plot_comparison",
    "plot_efficiency_by_bin",
    "plot_learning_curve",
    "plot_operating_points",
]


def plot_comparison(
    estimates: Mapping[str, Estimate],
    *,
    label: str,
    reference: str | None = None,
    target: tuple[float, str] | None = None,
    higher_is_better: bool = True,
    digits: int = 4,
    colors: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw one value with its interval per model, best on top (a forest plot).

    Parameters
    ----------
    estimates : mapping of str to Estimate
        Objects with `value`, `low` and `high`, e.g. :class:`skysift.core.results.Metric`, by model.
    label : str
        What the number is, with its unit.
    reference : str, optional
        The model through whose value a line is drawn.
    target : (float, str), optional
        A value to be reached and its name; a dashed line.
    higher_is_better : bool
        Which end is the best.
    digits : int
        Decimals of the numbers that are written at the right.
    colors : mapping of str to str, optional
        Colours fixed by model; without them all models have one colour.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure in the house style if None.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        There is no estimate.
    UnknownNameError
        `reference` is not one of the models.
    """
    require_some(estimates, "estimate")
    if reference is not None and reference not in estimates:
        raise UnknownNameError("model", reference, estimates)
    order = sorted(estimates, key=lambda name: estimates[name].value, reverse=higher_is_better)
    with drawing(ax, width=6.4, height=1.25 + 0.36 * len(order)) as axes:
        for row, name in enumerate(order):
            here = estimates[name]
            color = (colors or {}).get(name, SERIES[0])
            draw_estimate(axes, row, here, color=color)
            write_at_right(axes, row, _as_text(here, digits), bold=row == 0)
        frame_rows(axes, order, margin=0.08)
        axes.set_xlabel(label)
        if reference is not None:
            axes.axvline(estimates[reference].value, color=MUTED, linewidth=1.0, zorder=1)
        if target is not None:
            mark_value(axes, *target, strong=True)
    return axes


def plot_operating_points(
    points: Mapping[str, Series],
    *,
    classes: tuple[str, str] = ("signal", "background"),
    colors: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw each model's efficiency and interval at a few background acceptances.

    Parameters
    ----------
    points : mapping of str to Series
        `x` = background acceptance, `y` = signal efficiency, by model. All models of one figure
        should share the acceptances.
    classes : tuple of str
        Names of the signal and of the background class.
    colors : mapping of str to str, optional
        Colours fixed by model.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure in the house style if None.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        There is no model.
    """
    require_some(points, "operating point")
    acceptances = np.unique(np.concatenate([np.asarray(p.x, float) for p in points.values()]))
    with drawing(ax) as axes:
        for i, (name, stroke) in enumerate(strokes(points, colors).items()):
            series = points[name]
            slot = np.searchsorted(acceptances, np.asarray(series.x, float))
            x = slot + _dodge(i, len(points))
            draw_points(axes, name, series, stroke, x=x, joined=False, size=5.0, bar=1.6)
        for edge in range(1, len(acceptances)):
            axes.axvline(edge - 0.5, color=GRID, linewidth=1.2)
        axes.grid(visible=False, axis="x")
        axes.set_xticks(range(len(acceptances)), [f"{a:g}" for a in acceptances])
        axes.tick_params(axis="x", length=0)
        axes.set_xlim(-0.5, len(acceptances) - 0.5)
        axes.set_xlabel(acceptance_label(classes))
        axes.set_ylabel(efficiency_label(classes))
        place_legend(axes, "lower right")
    return axes


def plot_efficiency_by_bin(
    edges: ArrayLike,
    curves: Mapping[str, Series],
    *,
    label: str = "SIZE [photoelectrons]",
    value: str = "Signal efficiency",
    log: bool = True,
    colors: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a value and its interval in bins of another quantity, such as the image size.

    Parameters
    ----------
    edges : array-like, shape (n_bins + 1,)
        Edges of the bins.
    curves : mapping of str to Series
        `y` = value in each bin, shape (n_bins,), by model; `x` is not used.
    label : str
        Name and unit of the binned quantity.
    value : str
        Name of the value.
    log : bool
        Whether the bins lie on a logarithmic axis.
    colors : mapping of str to str, optional
        Colours fixed by model.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure in the house style if None.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        There is no model, or a curve does not fit the edges.
    """
    require_some(curves, "curve")
    at_edges = np.asarray(edges, dtype=float)
    low, high = (
        (np.log(at_edges[:-1]), np.log(at_edges[1:])) if log else (at_edges[:-1], at_edges[1:])
    )
    with drawing(ax) as axes:
        for i, (name, stroke) in enumerate(strokes(curves, colors).items()):
            series = curves[name]
            if np.shape(series.y) != low.shape:
                raise InputError(
                    f"'{name}' has {np.size(series.y)} values for {low.size} bins.",
                    "Give one value for each bin.",
                )
            centre = (low + high) / 2 + _dodge(i, len(curves)) * (high - low)
            x = np.exp(centre) if log else centre
            draw_points(axes, name, series, stroke, x=x, line=0.9, bar=1.6)
        if log:
            log_axis(axes, "x")
        axes.xaxis.set_major_locator(FixedLocator(list(at_edges)))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: plain(x)))
        axes.set_xlim(at_edges[0], at_edges[-1])
        axes.set_xlabel(label)
        axes.set_ylabel(value)
        place_legend(axes)
    return axes


def plot_learning_curve(
    curves: Mapping[str, Series],
    *,
    label: str = "Training events",
    value: str = "Area under the ROC curve",
    log: bool = True,
    colors: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw how a value grows with the number of training events.

    Parameters
    ----------
    curves : mapping of str to Series
        `x` = number of training events, `y` = value, by model.
    label, value : str
        Names of the two axes.
    log : bool
        Whether the number of events lies on a logarithmic axis.
    colors : mapping of str to str, optional
        Colours fixed by model.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure in the house style if None.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        There is no curve.
    """
    require_some(curves, "learning curve")
    with drawing(ax) as axes:
        ends = []
        for name, stroke in strokes(curves, colors).items():
            series = curves[name]
            draw_band(axes, series, stroke)
            y = np.asarray(series.y, float)
            axes.plot(
                np.asarray(series.x, float),
                y,
                color=stroke.color,
                linestyle=stroke.linestyle,
                marker=stroke.marker,
                markersize=4.5,
                label=name,
            )
            ends.append((float(y[-1]), name, stroke.color))
        if log:
            log_axis(axes, "x")
        axes.margins(x=0.0)
        axes.set_xlabel(label)
        axes.set_ylabel(value)
        label_ends(axes, ends)
    return axes


def _dodge(i: int, n: int) -> float:
    """Offset of the i-th of n neighbours within a slot of width 1."""
    return (i - (n - 1) / 2) * (0.7 / n)


def _as_text(estimate: Estimate, digits: int) -> str:
    text = _number(estimate.value, digits)
    if estimate.low is None or estimate.high is None:
        return text
    return f"{text}  [{_number(estimate.low, digits)}, {_number(estimate.high, digits)}]"


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}".replace("-", "\N{MINUS SIGN}")
