"""The most confident errors: which they are, and the grid of their images."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from skysift.data.images.image_set import ImageSet
from skysift.preprocess.images.normalisation import AsinhStretch
from skysift.report.plots.style import new_grid
from skysift.tasks.star_galaxy.reader import CLASSES
from skysift.tasks.star_galaxy.scoring import Scored

__all__ = ["most_confident_errors", "plot_gallery"]

_MOST = 18
_COLUMNS = 6
_SIDE = 20
_LONGEST_NAME = 24
_EVEN = 0.5


def most_confident_errors(scored: Scored, images: ImageSet, name: str) -> list[dict[str, Any]]:
    """Return the wrongly classified objects of a model, the surest first, with their pixels.

    Parameters
    ----------
    scored : Scored
        Probabilities of all models.
    images : ImageSet
        The same objects, in the same order.
    name : str
        The model.

    Returns
    -------
    list of dict
        JSON-ready: ``file``, ``label``, ``p_galaxy``, ``magnitude``, ``ambiguous`` and ``pixels``,
        a stretched image scaled to 0...255.
    """
    probability = scored.probability[name]
    wrong = np.flatnonzero((probability > _EVEN) != scored.is_galaxy)
    surest = wrong[np.argsort(-np.abs(probability[wrong] - _EVEN), kind="stable")][:_MOST]
    if not len(surest):
        return []
    cut = images.take(surest).cropped(_SIDE)
    stretched = AsinhStretch(softening=2.0).fit_transform(cut.pixels)
    low = stretched.min(axis=1, keepdims=True)
    span = np.maximum(stretched.max(axis=1, keepdims=True) - low, 1e-9)
    grey = np.rint(255 * (stretched - low) / span).astype(int).reshape(-1, _SIDE, _SIDE)
    return [
        {
            "file": str(scored.identifiers[row]),
            "label": CLASSES[int(scored.is_galaxy[row])],
            "p_galaxy": float(probability[row]),
            "magnitude": float(scored.magnitude[row]),
            "ambiguous": bool(scored.ambiguous[name][row]),
            "pixels": picture.tolist(),
        }
        for row, picture in zip(surest, grey, strict=True)
    ]


def plot_gallery(errors: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw images in a grid, each under its name, label and probability."""
    figure, grid = new_grid(len(errors), _COLUMNS, width=9.0, height=1.95)
    for axes, error in zip(grid, errors, strict=True):
        _draw(axes, error)
    return figure


def _draw(axes: Axes, error: Mapping[str, Any]) -> None:
    picture = np.array(error["pixels"], dtype=np.float64)
    axes.imshow(picture, cmap="gray", origin="lower", interpolation="nearest")
    doubt = " (ambiguous)" if error["ambiguous"] else ""
    axes.set_title(
        f"{_short(error['file'])}\n{error['label']}{doubt}\n"
        f"{error['magnitude']:.1f} mag, p = {error['p_galaxy']:.3f}",
        fontsize=6.0,
    )


def _short(name: str) -> str:
    """Return a name without its middle, if it is wider than a picture; the table has it whole."""
    if len(name) <= _LONGEST_NAME:
        return name
    half = _LONGEST_NAME // 2
    return f"{name[:half]}...{name[-half:]}"
