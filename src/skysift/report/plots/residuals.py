"""Distributions of a residual, one outline per method."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from skysift.report.plots.elements import draw_histogram, mark_value
from skysift.report.plots.labels import place_legend
from skysift.report.plots.series import require_some
from skysift.report.plots.style import drawing, strokes

__all__ = ["plot_residuals"]


def plot_residuals(
    counts: Mapping[str, ArrayLike],
    edges: ArrayLike,
    *,
    label: str,
    colors: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw how a residual is distributed: two peaks, or one beside zero, are a fault.

    Parameters
    ----------
    counts : mapping of str to array-like, shape (n,)
        Entries of each bin, by method.
    edges : array-like, shape (n + 1,)
        Of the bins.
    label : str
        What the residual is, with its unit.
    colors : mapping of str to str, optional
        Colours fixed by method.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure in the house style if None.

    Raises
    ------
    InputError
        There is no method.
    """
    require_some(counts, "method")
    with drawing(ax) as axes:
        for name, stroke in strokes(counts, colors).items():
            entries = np.asarray(counts[name], dtype=np.float64)
            draw_histogram(axes, entries, edges, color=stroke.color, label=name, opacity=0.08)
        mark_value(axes, 0.0, "")
        axes.set_ylim(0, None)
        axes.set_xlabel(label)
        axes.set_ylabel("Maps")
        place_legend(axes, "upper left", fontsize=8.5)
    return axes
