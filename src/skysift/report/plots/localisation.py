"""How well sources are found: errors, ellipses, efficiency, counts, false alarms, time."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from skysift.report.plots.labels import mark_level, place_legend
from skysift.report.plots.series import Series, require_some
from skysift.report.plots.style import (
    GRID,
    INK,
    MUTED,
    SERIES,
    drawing,
    log_axis,
    strokes,
)

__all__ = [
    "plot_bias",
    "plot_containment",
    "plot_detection",
    "plot_false_alarms",
    "plot_position_error",
    "plot_pulls",
    "plot_stage_times",
]

_SPREAD = 0.02  # of a decade, or of a place: between methods at one position
_MANY = 300  # values, from which on narrow bins are not noise alone
_FLUX = "Flux [Crab]"


def plot_position_error(
    curves: Mapping[str, Series],
    *,
    bound: Series | None = None,
    label: str = _FLUX,
    log: bool = True,
    colors: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the radius that holds 68 % of the position errors, against the Cramer-Rao bound.

    Parameters
    ----------
    curves : mapping of str to Series
        `x` = flux or offset, `y` = radius [deg] with its interval, by method.
    bound : Series, optional
        The same of errors at the bound.
    label : str
        What `x` is.
    log : bool
        Whether its axis is logarithmic.
    colors : mapping of str to str, optional
        Colours fixed by method.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure in the house style if None.

    Raises
    ------
    InputError
        There is no curve.
    """
    require_some(curves, "method")
    with drawing(ax) as axes:
        if bound is not None:
            x, y = np.asarray(bound.x, float), np.asarray(bound.y, float)
            axes.fill_between(x, 0, y, color=GRID, alpha=0.8, linewidth=0)
            axes.plot(x, y, color=MUTED, linewidth=1.6, label="Cramer-Rao bound")
        _points(axes, curves, colors, log=log)
        log_axis(axes, "y")
        if log:
            log_axis(axes, "x")
        _headroom(axes, [np.asarray(one.y, float) for one in curves.values()], bound)
        axes.set_xlabel(label)
        axes.set_ylabel("68 % position error [deg]")
        place_legend(axes, "upper right", fontsize=8.0)
    return axes


def plot_detection(
    curves: Mapping[str, Series],
    *,
    colors: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the share of sources that is found against their flux.

    Parameters
    ----------
    curves : mapping of str to Series
        `x` = flux [Crab], `y` = share found, with its interval, by method.
    colors : mapping of str to str, optional
        Colours fixed by method.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure in the house style if None.

    Raises
    ------
    InputError
        There is no curve.
    """
    require_some(curves, "method")
    with drawing(ax) as axes:
        _points(axes, curves, colors, log=True)
        log_axis(axes, "x")
        axes.set_ylim(0.0, 1.04)
        axes.set_xlabel(_FLUX)
        axes.set_ylabel("Share of sources found")
        place_legend(axes, "lower right")
    return axes


def plot_containment(
    points: Mapping[str, Mapping[float, Series]],
    *,
    tolerance: float = 0.03,
    label: str = _FLUX,
    colors: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw how often error ellipses hold the true position, against what they state.

    Parameters
    ----------
    points : mapping of str to mapping of float to Series
        By method and stated probability: `x` = flux, `y` = share that holds the truth.
    tolerance : float
        Half width of the band about what is stated.
    label : str
        What `x` is.
    colors : mapping of str to str, optional
        Colours fixed by method.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure in the house style if None.

    Raises
    ------
    InputError
        There is no method.
    """
    require_some(points, "method")
    stated = sorted({level for levels in points.values() for level in levels})
    with drawing(ax) as axes:
        for level in stated:
            axes.axhspan(level - tolerance, level + tolerance, color=GRID, alpha=0.7, linewidth=0)
            mark_level(axes, level, f"{100 * level:.0f} %")
        for level in stated:
            here = {name: levels[level] for name, levels in points.items() if level in levels}
            _points(axes, here, colors, log=True, named=level == stated[0], joined=False)
        log_axis(axes, "x")
        axes.set_ylim(top=1.005)
        axes.set_xlabel(label)
        axes.set_ylabel("Share of ellipses that hold the truth")
        place_legend(axes, "center right")
    return axes


def plot_pulls(
    pulls: Mapping[str, ArrayLike],
    *,
    label: str = "(measured counts less true) / stated error",
    colors: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the distribution of differences from the truth in units of the stated error.

    Parameters
    ----------
    pulls : mapping of str to array-like, shape (n,)
        By method.
    label : str
        What they are.
    colors : mapping of str to str, optional
        Colours fixed by method.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure in the house style if None.

    Raises
    ------
    InputError
        There is no method.
    """
    require_some(pulls, "method")
    fewest = min(len(np.asarray(values)) for values in pulls.values())
    edges = np.linspace(-4.5, 4.5, 37 if fewest > _MANY else 19)
    middle = np.linspace(-4.5, 4.5, 200)
    with drawing(ax) as axes:
        normal = np.exp(-(middle**2) / 2) / np.sqrt(2 * np.pi)
        axes.fill_between(middle, normal, color=GRID, linewidth=0, label="standard normal")
        for name, stroke in strokes(pulls, colors).items():
            values = np.asarray(pulls[name], float)
            density, _ = np.histogram(values[np.isfinite(values)], edges, density=True)
            axes.stairs(density, edges, color=stroke.color, linewidth=1.6, label=name)
        axes.set_xlim(edges[0], edges[-1])
        axes.set_ylim(bottom=0)
        axes.set_xlabel(label)
        axes.set_ylabel("Density")
        place_legend(axes, "upper left", fontsize=8.5)
    return axes


def plot_bias(
    groups: Mapping[str, Series],
    places: Sequence[str],
    *,
    label: str,
    tolerance: float = 0.03,
    colors: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the relative bias of measured counts under several conditions.

    Parameters
    ----------
    groups : mapping of str to Series
        `x` = number of the condition, from 0, `y` = relative bias with its interval, by method.
    places : sequence of str
        Names of the conditions.
    label : str
        What the conditions are.
    tolerance : float
        Half width of the band about 0.
    colors : mapping of str to str, optional
        Colours fixed by method.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure in the house style if None.

    Raises
    ------
    InputError
        There is no method.
    """
    require_some(groups, "method")
    with drawing(ax) as axes:
        axes.axhspan(-100 * tolerance, 100 * tolerance, color=GRID, alpha=0.7, linewidth=0)
        axes.axhline(0.0, color=MUTED, linewidth=1.2, zorder=1)
        per_cent = {name: _in_per_cent(one) for name, one in groups.items()}
        _points(axes, per_cent, colors, log=False, joined=False)
        low, high = axes.get_ylim()
        reach = max(-low, high, 200 * tolerance)
        axes.set_ylim(-reach, reach)
        axes.set_xticks(range(len(places)), places)
        axes.set_xlim(-0.5, len(places) - 0.5)
        axes.grid(visible=False, axis="x")
        axes.set_xlabel(label)
        axes.set_ylabel("Bias of the counts [%]")
        place_legend(axes, "upper left", fontsize=8.5)
    return axes


def plot_false_alarms(
    curves: Mapping[str, Series],
    *,
    colors: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw counted against stated false alarms per field.

    Parameters
    ----------
    curves : mapping of str to Series
        `x` = stated, `y` = counted, with its interval, by method and condition.
    colors : mapping of str to str, optional
        Colours fixed by name.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure in the house style if None.

    Raises
    ------
    InputError
        There is no curve.
    """
    require_some(curves, "curve")
    with drawing(ax) as axes:
        stated = np.unique(np.concatenate([np.asarray(one.x, float) for one in curves.values()]))
        ends = np.array([stated[0] / 1.6, stated[-1] * 1.6])
        axes.plot(ends, ends, color=MUTED, linewidth=1.4, zorder=1)
        _points(axes, curves, colors, log=True, joined=False)
        log_axis(axes, "x")
        log_axis(axes, "y")
        axes.set_xlim(*ends)
        axes.set_ylim(ends[0] / 3, ends[1] * 1.5)
        axes.set_xlabel("Stated false alarms per field")
        axes.set_ylabel("Counted false alarms per field")
        place_legend(axes, "upper left", fontsize=8.5)
    return axes


def plot_stage_times(
    stages: Mapping[str, Mapping[str, float]],
    *,
    limit: tuple[float, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the milliseconds that each stage takes, as stacked bars.

    Parameters
    ----------
    stages : mapping of str to mapping of str to float
        By method and stage, in their order [ms].
    limit : (float, str), optional
        A time to stay below and its name.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure in the house style if None.

    Raises
    ------
    InputError
        There is no method.
    """
    require_some(stages, "method")
    names = list(dict.fromkeys(stage for times in stages.values() for stage in times))
    with drawing(ax, width=8.0, height=1.5 + 0.5 * len(stages)) as axes:
        for row, times in enumerate(stages.values()):
            start = 0.0
            for i, stage in enumerate(names):
                spent = times.get(stage, 0.0)
                axes.barh(
                    row,
                    spent,
                    left=start,
                    height=0.55,
                    color=SERIES[i % len(SERIES)],
                    label=stage if row == 0 else None,
                )
                start += spent
            axes.annotate(
                f"{start:.1f} ms", (start, row), (6, 0), textcoords="offset points", va="center",
                color=INK, fontsize=9,
            )  # fmt: skip
        if limit is not None:
            axes.axvline(limit[0], color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)))
            axes.annotate(
                limit[1], (limit[0], 1.0), (3, 3), xycoords=("data", "axes fraction"),
                textcoords="offset points", color=MUTED, fontsize=8.5,
            )  # fmt: skip
        axes.set_yticks(range(len(stages)), list(stages))
        axes.set_ylim(len(stages) - 0.5, -0.5)
        axes.margins(x=0.14)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("Median time per field [ms]")
        axes.legend(
            loc="upper center", bbox_to_anchor=(0.45, -0.32), ncols=len(names), fontsize=9,
            handlelength=1.0, columnspacing=1.2,
        )  # fmt: skip
    return axes


def _points(
    axes: Axes,
    curves: Mapping[str, Series],
    colors: Mapping[str, str] | None,
    *,
    log: bool,
    named: bool = True,
    joined: bool = True,
) -> None:
    """Draw each series with error bars, side by side where they share a position."""
    for i, (name, stroke) in enumerate(strokes(curves, colors).items()):
        one = curves[name]
        shift = _SPREAD * (i - (len(curves) - 1) / 2)
        x = np.asarray(one.x, float)
        axes.errorbar(
            x * 10**shift if log else x + 4 * shift,
            np.asarray(one.y, float),
            yerr=one.errors(),
            color=stroke.color,
            marker=stroke.marker,
            markersize=4.5,
            linewidth=1.4,
            linestyle=stroke.linestyle if joined else "none",
            elinewidth=1.3,
            label=name if named else None,
        )


def _in_per_cent(one: Series) -> Series:
    low, high = (
        None if values is None else 100 * np.asarray(values, float)
        for values in (one.low, one.high)
    )
    return Series(one.x, 100 * np.asarray(one.y, float), low, high)


def _headroom(axes: Axes, values: Sequence[ArrayLike], bound: Series | None) -> None:
    """Leave some room below the smallest and above the largest value of a logarithmic axis."""
    every = [np.asarray(one, float) for one in values]
    if bound is not None:
        every.append(np.asarray(bound.y, float))
    known = np.concatenate(every)
    known = known[np.isfinite(known) & (known > 0)]
    if len(known):
        axes.set_ylim(known.min() / 1.5, known.max() * 1.6)
