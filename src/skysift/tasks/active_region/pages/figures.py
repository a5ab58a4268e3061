"""Figures of disks with boxes, of patches with what they rest on, and of skill by place."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from skysift.report.plots.style import drawing, new_grid, strokes
from skysift.tasks.active_region.pictures import unpacked

__all__ = ["plot_disks", "plot_hidden", "plot_precision_recall", "plot_recall_by"]

_FOUND, _WRONG, _SPOTS, _PLAGE = "#3ddc84", "#ffb000", "#ffffff", "#7fb8ff"


def plot_disks(pictures: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw disks: boxes of what was found, crosses where the catalogue has regions."""
    columns = min(len(pictures), 3)
    figure, grid = new_grid(len(pictures), columns, width=9.6, height=3.3)
    for axes, one in zip(grid, pictures, strict=True):
        _draw_disk(axes, one)
    return figure


def _draw_disk(axes: Axes, one: Mapping[str, Any]) -> None:
    left, right, bottom, top = one["extent"]
    axes.imshow(
        unpacked(one["pixels"]),
        cmap="gray",
        origin="lower",
        extent=(left, right, bottom, top),
        vmin=0,
        vmax=255,
    )
    for box in one["boxes"]:
        colour = _FOUND if box["hit"] else _WRONG
        corner = box["box_x"] - box["width"] / 2, box["box_y"] - box["height"] / 2
        axes.add_patch(
            Rectangle(
                corner, box["width"], box["height"], fill=False, edgecolor=colour, linewidth=1.0
            )
        )
        # Upwards on the page, whichever way the file counts its rows.
        up = corner[1] + (box["height"] if top > bottom else 0.0)
        axes.annotate(
            f"{box['score']:.2f}",
            (corner[0], up),
            xytext=(0, 1),
            textcoords="offset points",
            color=colour,
            fontsize=6,
            path_effects=[withStroke(linewidth=1.6, foreground="#101010")],
        )
    for region in one["truth"]:
        colour = _SPOTS if region["spots"] else _PLAGE
        axes.plot(region["x"], region["y"], "+", color=colour, markersize=6, markeredgewidth=0.9)
    axes.set_title(one["title"], fontsize=7)
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)


def plot_hidden(patches: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw patches, each beside the change of its probability where a square is hidden."""
    figure, grid = new_grid(2 * len(patches), 6, width=9.6, height=1.9)
    for number, one in enumerate(patches):
        left, right = grid[2 * number], grid[2 * number + 1]
        left.imshow(unpacked(one["pixels"]), cmap="gray", vmin=0, vmax=255)
        left.set_title(f"{one['title']}, p = {one['p']:.2f}", fontsize=6.5)
        change = np.array(one["change"], dtype=np.float64)
        limit = max(float(np.abs(change).max()), 0.02)
        right.imshow(change, cmap="RdBu_r", vmin=-limit, vmax=limit)
        right.set_title(f"change up to {limit:.2f}", fontsize=6.5)
    return figure


def plot_precision_recall(
    curves: Mapping[str, tuple[Any, Any]], chosen: Mapping[str, tuple[float, float]]
) -> Axes:
    """Draw precision against recall of several methods, and where each is used."""
    with drawing(None) as axes:
        for name, stroke in strokes(curves).items():
            precision, recall = curves[name]
            axes.plot(recall, precision, color=stroke.color, linestyle=stroke.linestyle, label=name)
            if name in chosen:
                axes.plot(*chosen[name][::-1], "o", color=stroke.color, markersize=5)
        axes.set_xlabel("Recall: share of the regions that are found")
        axes.set_ylabel("Precision: share of what is found that is a region")
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1.02)
        axes.legend()
    return axes


def plot_recall_by(
    names: Sequence[str], values: Sequence[tuple[float, float, float, int]], label: str
) -> Axes:
    """Draw shares with their intervals, one for each class of region or disk.

    Parameters
    ----------
    names : sequence of str
        Of the classes.
    values : sequence of tuple
        Value, lower and upper limit, number.
    label : str
        What the shares are.
    """
    with drawing(None) as axes:
        stroke = strokes([label])[label]
        value, low, high = (np.array([one[k] for one in values]) for k in range(3))
        place = np.arange(len(names))
        axes.errorbar(
            place, value, [value - low, high - value], fmt="o", markersize=5, color=stroke.color
        )
        axes.set_xticks(place)
        axes.set_xticklabels([f"{name}\n{one[3]}" for name, one in zip(names, values, strict=True)])
        axes.set_ylim(0, 1.02)
        axes.set_xlim(-0.5, len(names) - 0.5)
        axes.set_ylabel(label)
    return axes
