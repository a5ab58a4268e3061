"""How well the counts of sources are measured, and what errors are stated for them."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from skysift.report.plots.elements import draw_beside_each_other, draw_tolerance, mark_level
from skysift.report.plots.labels import place_legend
from skysift.report.plots.series import Series, require_some
from skysift.report.plots.style import GRID, drawing, strokes

__all__ = ["plot_bias", "plot_pulls"]

_MANY = 300  # values, from which on narrow bins are not noise alone


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
        draw_tolerance(axes, 0.0, 100 * tolerance)
        mark_level(axes, 0.0)
        per_cent = {name: _in_per_cent(one) for name, one in groups.items()}
        draw_beside_each_other(axes, per_cent, colors, log=False, joined=False)
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


def _in_per_cent(one: Series) -> Series:
    low, high = (
        None if values is None else 100 * np.asarray(values, float)
        for values in (one.low, one.high)
    )
    return Series(one.x, 100 * np.asarray(one.y, float), low, high)
