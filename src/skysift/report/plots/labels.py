"""Names of axes and lines, put where they cover nothing."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from skysift.report.plots.style import INK, MUTED

__all__ = ["acceptance_label", "efficiency_label", "label_ends", "place_legend"]

Corner = Literal[
    "upper left", "upper right", "lower left", "lower right", "center right", "center left"
]

_CORNERS: Mapping[Corner, tuple[float, float]] = {
    "upper left": (0.0, 1.0),
    "upper right": (1.0, 1.0),
    "lower left": (0.0, 0.0),
    "lower right": (1.0, 0.0),
    "center right": (1.0, 0.5),
    "center left": (0.0, 0.5),
}


def efficiency_label(classes: tuple[str, str]) -> str:
    """Return the label of an axis of signal efficiency; the classes are signal and background."""
    return f"{classes[0].capitalize()} efficiency (fraction kept)"


def acceptance_label(classes: tuple[str, str]) -> str:
    """Return the label of an axis of background acceptance, as :func:`efficiency_label`."""
    return f"{classes[1].capitalize()} acceptance (fraction kept)"


def place_legend(ax: Axes, first: Corner = "upper left", *, fontsize: float = 9.0) -> None:
    """Put the legend into a corner that is free of lines, or else beside the Axes.

    Unlike matplotlib's ``loc="best"`` the work does not grow with the number of points.

    Parameters
    ----------
    ax : Axes
        Its labelled artists are listed. Call this after the limits are final.
    first : str
        The corner to be preferred where several are equally empty.
    fontsize : float
        In points.
    """
    handles, names = ax.get_legend_handles_labels()
    if not names:
        return
    extent, dpi = ax.get_window_extent(), _dpi(ax)
    em = fontsize / 72.0
    width = em * (4.0 + 0.53 * max(len(name) for name in names)) / max(extent.width / dpi, em)
    height = em * (0.8 + 1.5 * len(names)) / max(extent.height / dpi, em)
    points = _points(ax)
    covered: dict[Corner, int] = {}
    for corner, (x, y) in _CORNERS.items():
        left, bottom = x * (1 - width), y * (1 - height)
        inside = (np.abs(points[:, 0] - left - width / 2) < width / 2) & (
            np.abs(points[:, 1] - bottom - height / 2) < height / 2
        )
        covered[corner] = int(inside.sum())
    best = min(covered, key=lambda corner: (covered[corner], corner != first))
    if covered[best]:
        ax.legend(
            handles,
            names,
            loc="upper left",
            bbox_to_anchor=(1.0, 1.02),
            fontsize=fontsize,
            handlelength=1.6,
        )
    else:
        ax.legend(handles, names, loc=best, fontsize=fontsize, handlelength=1.6)


def _points(ax: Axes) -> NDArray[np.float64]:
    """Return up to 300 places along each line, evenly spread over it, in axes fractions."""
    found = [np.empty((0, 2))]
    to_axes = ax.transData + ax.transAxes.inverted()
    for line in ax.get_lines():
        if line.get_transform() != ax.transData or line.get_color() == MUTED:
            continue  # guide lines may pass under the legend
        xy = np.column_stack([np.asarray(line.get_xdata()), np.asarray(line.get_ydata())])
        at = to_axes.transform(xy.astype(float))
        at = at[np.isfinite(at).all(axis=1)]
        if len(at) > 1 and line.get_linestyle() != "None":
            travelled = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(at, axis=0).T))])
            steps = np.linspace(0.0, travelled[-1], 300)
            at = np.column_stack([np.interp(steps, travelled, at[:, i]) for i in (0, 1)])
        found.append(at)
    return np.concatenate(found)


def _dpi(ax: Axes) -> float:
    figure = ax.get_figure(root=True)
    return figure.dpi if figure else 100.0


def label_ends(ax: Axes, ends: Sequence[tuple[float, str, str]], *, fontsize: float = 9.0) -> None:
    """Write the names of lines at the right edge of the Axes, pushed apart where they would touch.

    Call this after the limits of the y axis are final.

    Parameters
    ----------
    ax : Axes
        Where the lines are.
    ends : sequence of (y, text, color)
        Height in data units at which each line leaves the Axes, its name and its colour.
    fontsize : float
        In points.
    """
    if not ends:
        return
    to_axes = ax.transData + ax.transAxes.inverted()
    x_right = ax.get_xlim()[1]
    wanted = [float(to_axes.transform((x_right, y))[1]) for y, _, _ in ends]
    height = ax.get_window_extent().height / _dpi(ax) * 72.0
    placed = _spread(wanted, gap=1.45 * fontsize / max(height, 1.0))
    for at, there, (_, text, color) in zip(wanted, placed, ends, strict=True):
        ax.annotate(
            text,
            xy=(1.005, min(max(at, 0.0), 1.0)),
            xytext=(1.055, there),
            xycoords="axes fraction",
            textcoords="axes fraction",
            fontsize=fontsize,
            color=INK,
            va="center",
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": color,
                "linewidth": 1.6,
                "shrinkA": 1,
                "shrinkB": 0,
                "relpos": (0.0, 0.5),
            },
        )


def _spread(heights: Sequence[float], gap: float) -> list[float]:
    """Move heights apart to at least `gap`, as little as possible, keeping their order."""
    order = sorted(range(len(heights)), key=lambda i: heights[i])
    groups: list[tuple[float, list[int]]] = []
    for i in order:
        groups.append((heights[i], [i]))
        while len(groups) > 1 and _overlap(groups[-2], groups[-1], gap):
            upper, lower = groups.pop(), groups.pop()
            members = lower[1] + upper[1]
            centre = (lower[0] * len(lower[1]) + upper[0] * len(upper[1])) / len(members)
            groups.append((centre, members))
    out = [0.0] * len(heights)
    for centre, members in groups:
        for k, i in enumerate(members):
            out[i] = centre + (k - (len(members) - 1) / 2) * gap
    return out


def _overlap(lower: tuple[float, list[int]], upper: tuple[float, list[int]], gap: float) -> bool:
    reach = (len(lower[1]) + len(upper[1])) / 2 * gap
    return upper[0] - lower[0] < reach
