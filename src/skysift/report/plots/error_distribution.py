"""How position errors are distributed."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from skysift.report.plots.labels import mark_level, place_legend
from skysift.report.plots.series import require_some
from skysift.report.plots.style import drawing, strokes

__all__ = ["plot_error_distribution"]

_LEVELS = (0.68, 0.95)


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
