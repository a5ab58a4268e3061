"""Regions to look at: what the network of numbers rests on, and where it is surest and wrong."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from scipy import ndimage

from skysift.core.errors import ReadError
from skysift.data.solar.browse import read_picture
from skysift.data.solar.limits import SOLAR_LIMITS
from skysift.data.table import FeatureTable
from skysift.evaluate.occlusion import occlusion_map
from skysift.report.plots.style import new_grid
from skysift.tasks.flare.image_features import CUTOUT_SIDE, Cutouts, measure_cutouts
from skysift.tasks.flare.model import FlareModel
from skysift.tasks.flare.regions import Regions

__all__ = ["disk_pictures", "pictures_of", "plot_cutouts", "plot_disks", "plot_occlusion"]

_LEVEL = "C"
_ABREAST = 4
_KINDS = ("hits", "false alarms", "misses", "correct and quiet")
_REGION = 64
_PATCH, _STRIDE = 16, 8
_BLUR = 8.0  # pixel, standard deviation
_SHRUNK = 2
_MAPS = 4

Floats = NDArray[np.float64]


def pictures_of(
    regions: Regions, scores: FeatureTable, model: FlareModel
) -> dict[str, list[dict[str, Any]]]:
    """Return cutouts of the surest hits, errors and quiet regions, and occlusion maps, JSON-ready.

    Parameters
    ----------
    regions : Regions
        n regions with images.
    scores : FeatureTable
        What was said of them, in the same order.
    model : FlareModel
        Asked again for the occlusion maps.
    """
    event = scores[f"event {_LEVEL}"].astype(bool)
    said = scores[f"p {_LEVEL} image"]
    order = np.argsort(-said, kind="stable")
    most = [row for row in order if event[row]], [row for row in order if not event[row]]
    chosen = {
        "hits": most[0][:_ABREAST],
        "false alarms": most[1][:_ABREAST],
        "misses": most[0][::-1][:_ABREAST],
        "correct and quiet": most[1][::-1][:_ABREAST],
    }
    shown = [
        {**_told(scores, int(row)), "kind": kind, "pixels": _pixels(regions.cutouts, int(row))}
        for kind in _KINDS
        for row in chosen[kind]
    ]
    mapped = [*chosen["hits"][: _MAPS // 2], *chosen["false alarms"][: _MAPS // 2]]
    return {
        "cutouts": shown,
        "maps": [
            {
                **_told(scores, int(row)),
                "pixels": _pixels(regions.cutouts, int(row), CUTOUT_SIDE),
                "map": _occlusion(regions, int(row), model),
            }
            for row in mapped
        ],
    }


def disk_pictures(scores: FeatureTable, images: Mapping[str, Path | bytes]) -> list[dict[str, Any]]:
    """Return the disks with the likeliest flare and with the most regions, JSON-ready.

    Parameters
    ----------
    scores : FeatureTable
        What was said of regions.
    images : mapping of str to Path or bytes
        Pictures by name, or where they are.
    """
    files = scores["file"].astype(np.str_)
    names, counts = np.unique(files, return_counts=True)
    likeliest = str(files[np.argmax(scores[f"p {_LEVEL} both"])])
    shown = []
    for name in dict.fromkeys([likeliest, str(names[np.argmax(counts)])]):
        image = images.get(name)
        if image is None:
            continue
        data = image if isinstance(image, bytes) else image.read_bytes()
        try:
            stored, _ = read_picture(data, SOLAR_LIMITS)
        except ReadError:  # a FITS file is no picture: it is not shown
            continue
        rows = np.flatnonzero(files == name)
        small = stored[::_SHRUNK, ::_SHRUNK]
        shown.append(
            {
                "file": name,
                "pixels": np.nan_to_num(small).astype(int).tolist(),
                "regions": [
                    {
                        **_told(scores, int(row)),
                        "x": float(scores["x"][row]) / _SHRUNK,
                        "y": float(scores["y"][row]) / _SHRUNK,
                        "both": float(scores[f"p {_LEVEL} both"][row]),
                    }
                    for row in rows
                ],
            }
        )
    return shown


def plot_disks(shown: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw disks with a box about each region: solid where it flared, with its probability."""
    figure, grid = new_grid(len(shown), len(shown), width=9.0, height=4.6)
    for axes, one in zip(grid, shown, strict=True):
        axes.imshow(np.array(one["pixels"]), origin="upper", cmap="inferno", vmin=0, vmax=255)
        half = _REGION / _SHRUNK / 2
        for region in one["regions"]:
            axes.add_patch(
                Rectangle(
                    (region["x"] - half, region["y"] - half),
                    2 * half,
                    2 * half,
                    fill=False,
                    edgecolor="white",
                    linestyle="-" if region["event"] else ":",
                    linewidth=1.3,
                )
            )
            axes.text(
                region["x"] - half + 1,
                region["y"] - half - 2,
                f"{region['both']:.2f}",
                color="white",
                fontsize=8,
                fontweight="bold" if region["event"] else "normal",
            )
        axes.set_title(one["file"], fontsize=8)
    return figure


def plot_cutouts(shown: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw cutouts, a row for each kind."""
    figure, grid = new_grid(len(shown), _ABREAST, width=9.0, height=2.5)
    for axes, one in zip(grid, shown, strict=True):
        axes.imshow(np.array(one["pixels"]), origin="lower", cmap="inferno", vmin=0, vmax=255)
        axes.set_title(
            f"{one['kind']}: p = {one['p']:.2f}\nAR {one['noaa']}, {one['time'][:10]}", fontsize=8
        )
    return figure


def plot_occlusion(shown: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw cutouts beside what hiding each part of them does to the probability."""
    figure, grid = new_grid(2 * len(shown), 4, width=9.0, height=2.6)
    for place, one in enumerate(shown):
        seen, change = np.array(one["pixels"]), np.array(one["map"])
        limit = max(float(np.abs(change).max()), 1e-6)
        left, right = grid[2 * place], grid[2 * place + 1]
        left.imshow(seen, origin="lower", cmap="inferno", vmin=0, vmax=255)
        left.set_title(f"AR {one['noaa']}, p = {one['p']:.2f}", fontsize=8)
        drawn = right.imshow(
            change,
            origin="lower",
            cmap="RdBu_r",
            vmin=-limit,
            vmax=limit,
            extent=left.images[0].get_extent(),
        )
        right.contour(seen, levels=[150.0], colors="0.3", linewidths=0.6)
        right.set_title("flare" if one["event"] else "no flare", fontsize=8)
        figure.colorbar(drawn, ax=right, shrink=0.8)
    return figure


def _told(scores: FeatureTable, row: int) -> dict[str, Any]:
    return {
        "noaa": int(scores["noaa"][row]),
        "time": str(scores["time"][row]),
        "p": float(scores[f"p {_LEVEL} image"][row]),
        "event": bool(scores[f"event {_LEVEL}"][row]),
    }


def _pixels(cutouts: Cutouts, row: int, side: int = _REGION) -> list[list[int]]:
    start = (CUTOUT_SIDE - side) // 2
    middle = cutouts.pixels[row, start : start + side, start : start + side]
    listed: list[list[int]] = np.nan_to_num(middle).astype(int).tolist()
    return listed


def _occlusion(regions: Regions, row: int, model: FlareModel) -> list[list[float]]:
    """Return by how much the log-odds fall where a patch is blurred.

    A patch of one brightness would have edges, which statistics take for structure.
    """
    seen = regions.cutouts.take(np.array([row]))
    head = model.regions[_LEVEL].image

    def log_odds(pixels: NDArray[np.float32]) -> Floats:
        many = Cutouts(
            pixels, np.repeat(seen.disk, len(pixels), axis=0), np.repeat(seen.mu, len(pixels))
        )
        return head.log_odds(measure_cutouts(many))

    pixels = np.nan_to_num(seen.pixels[0])
    blurred = ndimage.gaussian_filter(pixels, _BLUR)
    change = occlusion_map(log_odds, pixels, patch=_PATCH, stride=_STRIDE, fill=blurred)
    shrunk = change.reshape(CUTOUT_SIDE // _SHRUNK, _SHRUNK, -1, _SHRUNK).mean(axis=(1, 3))
    listed: list[list[float]] = shrunk.round(4).tolist()
    return listed
