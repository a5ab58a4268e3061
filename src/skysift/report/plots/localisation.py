"""How far from the truth sources are found, and whether their error ellipses hold it."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from skysift.report.plots.elements import draw_beside_each_other, draw_tolerance, mark_level
from skysift.report.plots.labels import place_legend
from skysift.report.plots.series import Series, require_some
from skysift.report.plots.style import GRID, MUTED, drawing, log_axis, strokes

__all__ = ["plot_containment", "plot_error_distribution", "plot_position_error"]

_FLUX = "Flux [Crab]"
_LEVELS = (0.68, 0.95)


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
        draw_beside_each_other(axes, curves, colors, log=log)
        log_axis(axes, "y")
        if log:
            log_axis(axes, "x")
        _headroom(axes, [np.asarray(one.y, float) for one in curves.values()], bound)
        axes.set_xlabel(label)
        axes.set_ylabel("68 % position error [deg]")
        place_legend(axes, "upper right", fontsize=8.0)
    return axes


def plot_error_distribution(
    errors: Mapping[str, ArrayLike],
    *,
    label: str = "Distance from the true position [deg]",
    colors: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the share of all cases within a position error.

    Parameters
    ----------
    errors : mapping of str to array-like, shape (n,)
        By method [deg]; NaN where nothing was found, which keeps the curve below 1.
    label : str
        What the errors are.
    colors : mapping of str to str, optional
        Colours fixed by method.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure in the house style if None.

    Raises
    ------
    InputError
        There is no method.
    """
    require_some(errors, "method")
    with drawing(ax) as axes:
        for name, stroke in strokes(errors, colors).items():
            values = np.asarray(errors[name], float)
            found = np.sort(values[np.isfinite(values)])
            share = np.arange(1, len(found) + 1) / max(len(values), 1)
            axes.step(
                np.concatenate([[0.0], found]),
                np.concatenate([[0.0], share]),
                where="post",
                color=stroke.color,
                linewidth=1.6,
                label=f"{name} ({len(found)} of {len(values)} found)",
            )
        for level in _LEVELS:
            mark_level(axes, level, f"{100 * level:.0f} %")
        axes.set_xlim(left=0.0)
        axes.set_ylim(0.0, 1.02)
        axes.set_xlabel(label)
        axes.set_ylabel("Share of all within")
        place_legend(axes, "lower right", fontsize=8.5)
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
            draw_tolerance(axes, level, tolerance)
            mark_level(axes, level, f"{100 * level:.0f} %")
        for level in stated:
            here = {name: levels[level] for name, levels in points.items() if level in levels}
            draw_beside_each_other(
                axes, here, colors, log=True, named=level == stated[0], joined=False
            )
        log_axis(axes, "x")
        axes.set_ylim(top=1.005)
        axes.set_xlabel(label)
        axes.set_ylabel("Share of ellipses that hold the truth")
        place_legend(axes, "center right")
    return axes


def _headroom(axes: Axes, values: Sequence[ArrayLike], bound: Series | None) -> None:
    """Leave some room below the smallest and above the largest value of a logarithmic axis."""
    every = [np.asarray(one, float) for one in values]
    if bound is not None:
        every.append(np.asarray(bound.y, float))
    known = np.concatenate(every)
    known = known[np.isfinite(known) & (known > 0)]
    if len(known):
        axes.set_ylim(known.min() / 1.5, known.max() * 1.6)
