"""What a search finds: the sources that are there, and false alarms."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes

from skysift.report.plots.elements import draw_beside_each_other
from skysift.report.plots.labels import place_legend
from skysift.report.plots.series import Series, require_some
from skysift.report.plots.style import MUTED, drawing, log_axis

__all__ = ["plot_detection", "plot_false_alarms"]


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
        draw_beside_each_other(axes, curves, colors, log=True)
        log_axis(axes, "x")
        axes.set_ylim(0.0, 1.04)
        axes.set_xlabel("Flux [Crab]")
        axes.set_ylabel("Share of sources found")
        place_legend(axes, "lower right")
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
        draw_beside_each_other(axes, curves, colors, log=True, joined=False)
        log_axis(axes, "x")
        log_axis(axes, "y")
        axes.set_xlim(*ends)
        axes.set_ylim(ends[0] / 3, ends[1] * 1.5)
        axes.set_xlabel("Stated false alarms per field")
        axes.set_ylabel("Counted false alarms per field")
        place_legend(axes, "upper left", fontsize=8.5)
    return axes
