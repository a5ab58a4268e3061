"""Statistics and shapes of an active region in an EUV image, relative to the disk it lies on.

The pictures of the browse archive have a display curve, and the instrument loses sensitivity with
the years. Brightness is therefore told in the disk's own scale: its median is 0, the distance of
its quartiles 1, and thresholds are quantiles of the disk. What touches the top of the display
(saturated loops) is counted as such.
"""

from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from math import ceil
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from skysift.data.solar.solar_image import Disk, SolarImage
from skysift.preprocess.solar.cutouts import cutout_stack
from skysift.preprocess.solar.heliographic import mu_map

__all__ = [
    "CUTOUT_SIDE",
    "DISK_QUANTILES",
    "DISK_RADIUS",
    "FEATURES",
    "Cutouts",
    "cut_regions",
    "measure_cutouts",
]

CUTOUT_SIDE = 128
"""Side of what is looked at about a region [pixel]: 610 arcsec; its middle half is the region."""

DISK_RADIUS = 197.0
"""Of the disk in the images that the models know [pixel]; others are brought to it."""

DISK_QUANTILES: Final = (0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999)
_LOWER, _MEDIAN, _UPPER, _Q90, _Q95, _Q99 = range(6)

_TOLERATED = 0.1  # of the radius, before pixels are interpolated
_WINDOWS = (32, 64, 128)
_QUANTILES = (0.5, 0.75, 0.9, 0.97, 0.995)
_DISPLAY = (150.0, 200.0, 250.0)
_SCALES = (1.0, 2.0, 4.0, 8.0)
_LEAST_MU = 0.1
_LEAST_SPREAD = 1.0
_WORTH = 4  # pixels of a patch that counts
_BINS = 32
_WHITE = 256.0
_TINY = 1e-6

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Cutouts:
    """What is seen about regions.

    Parameters
    ----------
    pixels : array of float32, shape (n, side, side)
        As stored in the image, rows from south to north; NaN where there is no image.
    disk : array, shape (n, 7)
        `DISK_QUANTILES` of the disk that each lies on.
    mu : array, shape (n,)
        Cosine of the angle from the centre of the disk.
    """

    pixels: NDArray[np.float32]
    disk: Floats
    mu: Floats

    def __len__(self) -> int:
        return len(self.pixels)

    def take(self, rows: NDArray[np.bool_] | NDArray[np.integer]) -> "Cutouts":
        """Return some of them."""
        return Cutouts(self.pixels[rows], self.disk[rows], self.mu[rows])

    def contrast(self) -> NDArray[np.float32]:
        """Return brightness less the disk's median, in its quartile distance, shape as `pixels`."""
        spread = np.maximum(self.disk[:, _UPPER] - self.disk[:, _LOWER], _LEAST_SPREAD)
        level = self.disk[:, _MEDIAN].astype(np.float32)[:, None, None]
        return np.asarray((self.pixels - level) / spread.astype(np.float32)[:, None, None])

    @classmethod
    def join(cls, parts: list["Cutouts"]) -> "Cutouts":
        """Return the cutouts of several images as one."""
        if not parts:
            empty = np.empty((0, CUTOUT_SIDE, CUTOUT_SIDE), dtype=np.float32)
            return cls(empty, np.empty((0, len(DISK_QUANTILES))), np.empty(0))
        return cls(
            np.concatenate([one.pixels for one in parts]),
            np.concatenate([one.disk for one in parts]),
            np.concatenate([one.mu for one in parts]),
        )


def cut_regions(image: SolarImage, x: ArrayLike, y: ArrayLike) -> Cutouts:
    """Cut regions out of an image of the disk.

    Parameters
    ----------
    image : SolarImage
        Of the whole disk, with its limb known.
    x, y : array_like, shape (n,)
        Columns and rows of the regions in the image [pixel].

    Raises
    ------
    ContractError
        If the image shows no disk.
    UsageError
        If a position is no number.
    """
    disk = image.disk
    columns, rows = (np.atleast_1d(np.asarray(axis, dtype=np.float64)) for axis in (x, y))
    scale = disk.radius / DISK_RADIUS
    side = CUTOUT_SIDE
    if abs(scale - 1) > _TOLERATED:
        side = ceil(CUTOUT_SIDE * scale)
    pieces = cutout_stack(image, columns, rows, side)
    if side != CUTOUT_SIDE:
        pieces = _resized(pieces)
    values = image.data[mu_map(image) > _LEAST_MU]
    values = values[np.isfinite(values)]
    quantiles = np.quantile(values, DISK_QUANTILES) if len(values) else np.zeros(7)
    squared = ((columns - disk.x) ** 2 + (rows - disk.y) ** 2) / disk.radius**2
    mu = np.sqrt(np.clip(1.0 - squared, 0.0, 1.0))
    return Cutouts(pieces, np.tile(quantiles, (len(columns), 1)), mu)


def assumed_disk(image: SolarImage) -> Disk:
    """Return the disk that a browse image has by its making, where no limb was found."""
    ny, nx = image.shape
    return Disk((nx - 1) / 2, (ny - 1) / 2, DISK_RADIUS * nx / 512)


def measure_cutouts(cutouts: Cutouts) -> Floats:
    """Return the features of cutouts, shape (n, n_features), in the order of `FEATURES`."""
    found = np.full((len(cutouts), len(FEATURES)), np.nan)
    for row, (pixels, disk, mu) in enumerate(
        zip(cutouts.pixels, cutouts.disk, cutouts.mu, strict=True)
    ):
        if np.isfinite(pixels).any():
            found[row] = _measure(np.nan_to_num(pixels), disk, float(mu))
    return found


def _measure(pixels: NDArray[np.float32], disk: Floats, mu: float) -> list[float]:
    spread = max(float(disk[_UPPER] - disk[_LOWER]), _LEAST_SPREAD)
    contrast = (pixels - np.float32(disk[_MEDIAN])) / np.float32(spread)
    return [
        *(value for side in _WINDOWS for value in _statistics(pixels, contrast, disk, side)),
        *_textures(contrast),
        _entropy(_middle(pixels, 64)),
        *(
            value
            for level in (disk[_Q95], disk[_Q99], 200.0)
            for value in _patches(_middle(pixels, 64) > level)
        ),
        *_extent(np.clip(_middle(pixels, 64) - disk[_Q90], 0.0, None)),
        mu,
        spread,
        *disk[[_MEDIAN, _Q95, _Q99, 6]].tolist(),
    ]


def _names() -> tuple[str, ...]:
    """Return the names of what `_measure` returns, in its order."""
    statistics = (
        "mean",
        "deviation",
        *(f"quantile_{q:g}" for q in _QUANTILES),
        *(f"above_disk_{q:g}" for q in (0.9, 0.95, 0.99)),
        *(f"above_{level:g}" for level in _DISPLAY),
        "excess",
    )
    patches = ("patches", "largest_patch", "raggedness")
    return (
        *(f"{name}_{side}" for side in _WINDOWS for name in statistics),
        *(f"{name}_{scale:g}" for scale in _SCALES for name in ("texture", "peak", "core")),
        "gradient",
        "steep_gradient",
        "steepest_gradient",
        "entropy",
        *(f"{name}_{level}" for level in ("disk_0.95", "disk_0.99", "200") for name in patches),
        "offset",
        "size",
        "elongation",
        "mu",
        "disk_spread",
        *(f"disk_{q:g}" for q in (0.5, 0.95, 0.99, 0.999)),
    )


def _statistics(
    pixels: NDArray[np.float32], contrast: NDArray[np.float32], disk: Floats, side: int
) -> list[float]:
    raw, seen = _middle(pixels, side), _middle(contrast, side)
    levels = (*disk[[_Q90, _Q95, _Q99]], *_DISPLAY)
    return [
        float(seen.mean()),
        float(seen.std()),
        *np.quantile(seen, _QUANTILES).tolist(),
        *(float((raw > level).mean()) for level in levels),
        float(np.clip(raw - disk[_Q95], 0.0, None).mean()),
    ]


def _textures(contrast: NDArray[np.float32]) -> list[float]:
    """Return structure at several scales, and gradients."""
    smooth = [ndimage.gaussian_filter(contrast, scale, truncate=3.0) for scale in _SCALES]
    smooth.append(ndimage.gaussian_filter(smooth[-1], np.sqrt(3) * _SCALES[-1], truncate=3.0))
    found = []
    for fine, coarse in pairwise(smooth):
        band = fine - coarse
        around = _middle(band, 64)
        found += [around.std(), np.quantile(around, 0.995), _middle(band, 32).std()]
    steep = _middle(np.hypot(*np.gradient(smooth[0])), 64)
    found += [steep.mean(), np.quantile(steep, 0.95), steep.max()]
    return [float(value) for value in found]


def _entropy(pixels: NDArray[np.float32]) -> float:
    share = np.histogram(pixels, bins=_BINS, range=(0.0, _WHITE))[0] / pixels.size
    share = share[share > 0]
    return float(-(share * np.log(share)).sum())


def _patches(bright: NDArray[np.bool_]) -> list[float]:
    """Return the number of bright patches, the area of the largest, how ragged edges are."""
    labels, count = ndimage.label(bright)
    areas = np.bincount(labels.ravel())[1:] if count else np.zeros(1)
    edge = bright & ~ndimage.binary_erosion(bright)
    raggedness = edge.sum() / np.sqrt(max(int(bright.sum()), 1))
    return [float((areas >= _WORTH).sum()), float(areas.max()), float(raggedness)]


def _extent(excess: NDArray[np.float32]) -> list[float]:
    """Return offset, size and elongation of what is brighter than nine tenths of the disk."""
    total = float(excess.sum()) + _TINY
    x, y = _grid(len(excess))
    mean_x, mean_y = float((excess * x).sum()) / total, float((excess * y).sum()) / total
    dx, dy = x - mean_x, y - mean_y
    xx, yy, xy = (float((excess * one).sum()) / total for one in (dx * dx, dy * dy, dx * dy))
    short, long = np.sqrt(np.clip(np.linalg.eigvalsh([[xx, xy], [xy, yy]]), 0.0, None))
    return [float(np.hypot(mean_x, mean_y)), float(short + long), float(short / (long + _TINY))]


@cache
def _grid(side: int) -> tuple[Floats, Floats]:
    y, x = np.mgrid[:side, :side] - side / 2
    return x, y


def _middle(pixels: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    start = (len(pixels) - side) // 2
    return pixels[start : start + side, start : start + side]


def _resized(pieces: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bring pieces of another scale to the side that models know, by means over pixels or lines."""
    factor = CUTOUT_SIDE / pieces.shape[1]
    if factor < 1:  # as many points as the finer grid has, lest the mean of a pixel hang on a few
        sigma = 0.5 * (1 / factor - 1)
        pieces = np.stack([ndimage.gaussian_filter(one, sigma) for one in pieces])
    zoomed = [ndimage.zoom(one, factor, order=1, grid_mode=True, mode="nearest") for one in pieces]
    return np.asarray(np.stack(zoomed)[:, :CUTOUT_SIDE, :CUTOUT_SIDE], dtype=np.float32)


FEATURES: Final = _names()
"""Names of the features, in order."""
