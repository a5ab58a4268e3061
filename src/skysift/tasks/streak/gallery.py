"""Stamps to look at: some of each class, and those that a model is surest and wrong about."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from skysift.data.images.image_set import ImageSet
from skysift.data.table import FeatureTable
from skysift.report.plots.style import new_grid
from skysift.tasks.streak.stamps import CLASSES

__all__ = ["examples", "most_confident_errors", "plot_gallery"]

_PER_CLASS, _MOST = 6, 18
_COLUMNS = 6
_LOW, _HIGH = 5.0, 99.7  # percentiles of what is shown


def examples(images: ImageSet, scores: FeatureTable) -> list[dict[str, Any]]:
    """Return the first stamps of each class, JSON-ready."""
    label = scores["label"].astype(np.str_)
    rows = np.concatenate([np.flatnonzero(label == name)[:_PER_CLASS] for name in CLASSES])
    return _shown(images, scores, rows)


def most_confident_errors(images: ImageSet, scores: FeatureTable) -> list[dict[str, Any]]:
    """Return wrongly classified stamps, the surest first, JSON-ready.

    Parameters
    ----------
    images : ImageSet
        n stamps.
    scores : FeatureTable
        As :func:`skysift.tasks.streak.evaluation.score` returns, in the same order.
    """
    wrong = np.flatnonzero(scores["label"].astype(np.str_) != scores["class"].astype(np.str_))
    sure = np.nan_to_num(_best(scores)[wrong])
    return _shown(images, scores, wrong[np.argsort(-sure, kind="stable")][:_MOST])


def plot_gallery(shown: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw stamps in a grid, each under its class and what it was taken for."""
    figure, grid = new_grid(len(shown), _COLUMNS, width=9.0, height=1.85)
    for axes, one in zip(grid, shown, strict=True):
        _draw(axes, one)
    return figure


def _best(scores: FeatureTable) -> NDArray[np.float64]:
    return np.asarray(scores.matrix([f"p_{name}" for name in CLASSES]).max(axis=1))


def _shown(images: ImageSet, scores: FeatureTable, rows: NDArray[Any]) -> list[dict[str, Any]]:
    return [
        {
            "id": str(scores["id"][row]),
            "kind": str(scores["kind"][row]),
            "label": str(scores["label"][row]),
            "class": str(scores["class"][row]),
            "p": float(_best(scores)[row]),
            "pixels": _picture(images, int(row)),
        }
        for row in rows
    ]


def _picture(images: ImageSet, row: int) -> list[list[int]]:
    """Return a stamp scaled to 0...255."""
    ny, nx = images.sizes[row]
    pixels = images.pixels[row, :ny, :nx].astype(np.float64)
    low, high = np.nanpercentile(pixels, (_LOW, _HIGH))
    scaled = np.clip((pixels - low) / max(high - low, 1e-12), 0.0, 1.0)
    grey: list[list[int]] = np.rint(255 * np.nan_to_num(scaled)).astype(int).tolist()
    return grey


def _draw(axes: Axes, one: Mapping[str, Any]) -> None:
    picture = np.array(one["pixels"], dtype=np.float64)
    axes.imshow(picture, cmap="gray", origin="lower", interpolation="nearest")
    answer = f"{one['class'] or 'unmeasured'}, p = {one['p']:.2f}"
    kind = one["kind"].replace(", ", ",\n")  # else it is wider than the stamp
    axes.set_title(f"{kind}\n{answer}", fontsize=6.5)
