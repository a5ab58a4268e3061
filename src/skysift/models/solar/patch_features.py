"""Numbers that tell an active region from the quiet Sun in a square patch of a picture.

Statistics of the brightness at three scales in three windows about the middle, of its gradient, and
the same over the median of the disk, so that neither the exposure nor the aging of an instrument
decides.
"""

from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from skysift.data.solar.solar_image import SolarImage
from skysift.preprocess.solar.cutouts import cutout_stack

__all__ = [
    "PATCH",
    "PATCH_FEATURES",
    "disk_median",
    "patch_features",
    "patch_statistics",
    "patches_of",
]

PATCH = 64
"""Side of a patch [pixel]; on a browse picture of 512 pixels that is 307 arcsec."""

_SCALES = (1, 2, 4)  # standard deviation of the smoothing [pixel]
_WINDOWS = (64, 32, 16)  # about the middle [pixel]
_BRIGHTNESS = ("max", "min", "mean", "std", "p90", "p50")
_GRADIENT = ("mean", "std", "p95")
_DARKEST = 20.0
_INNER = 0.9  # radii

Floats = NDArray[np.float64]

_NAMES = (
    *(
        f"{name}_{window}px_smooth{scale}"
        for scale, window, name in product(_SCALES, _WINDOWS, _BRIGHTNESS)
    ),
    *(f"gradient_{name}_{window}px" for window, name in product(_WINDOWS[:2], _GRADIENT)),
)
PATCH_FEATURES = (*_NAMES, *(f"{name}_over_disk" for name in _NAMES), "disk_median")
"""Names of the columns of :func:`patch_features`."""


def patches_of(image: SolarImage, x: ArrayLike, y: ArrayLike) -> NDArray[np.float32]:
    """Return patches as their file shows them, shape (n, 64, 64); black where nothing is known.

    Parameters
    ----------
    image : SolarImage
        A picture, rows from the top in its file.
    x, y : array_like, shape (n,)
        Column and row in the file, as it counts them; a patch is
        ``[y - 32 : y + 32, x - 32 : x + 32]`` [pixel].
    """
    column, row = (_whole(axis) for axis in (x, y))
    # Where a file counts rows from the top, the pixel before the middle is the one behind it.
    if image.placement.yy < 0:
        row = row - 1
    inside = image.placement.from_file(column, row)
    pieces = cutout_stack(image, np.asarray(inside[0]), np.asarray(inside[1]), PATCH)
    return np.nan_to_num(pieces)[:, ::-1]


def _whole(axis: ArrayLike) -> Floats:
    return np.asarray(np.round(np.asarray(axis, dtype=np.float64)), dtype=np.float64)


def patch_statistics(patches: NDArray[np.float32]) -> Floats:
    """Return eight plain statistics of patches, shape (n, 8): what any model should beat.

    Minimum, maximum, mean, standard deviation, and the 10th, 50th, 90th and 99th percentile.
    """
    flat = patches.reshape(len(patches), -1).astype(np.float64)
    quantiles = np.percentile(flat, (10, 50, 90, 99), axis=1)
    columns = [flat.min(axis=1), flat.max(axis=1), flat.mean(axis=1), flat.std(axis=1), *quantiles]
    return np.stack(columns, axis=1)


def disk_median(image: SolarImage) -> float:
    """Return the median brightness of the inner disk; of the picture if no disk is known."""
    if image.frame is None:
        values = image.data
    else:
        disk = image.disk
        ny, nx = image.shape
        y, x = np.ogrid[:ny, :nx]
        near = (x - disk.x) ** 2 + (y - disk.y) ** 2 < (_INNER * disk.radius) ** 2
        values = image.data[near]
    values = values[np.isfinite(values)]
    return max(float(np.median(values)) if len(values) else 0.0, _DARKEST)


def patch_features(patches: NDArray[np.float32], level: ArrayLike) -> Floats:
    """Return the columns `PATCH_FEATURES` of patches, shape (n, 121).

    Parameters
    ----------
    patches : array, shape (n, 64, 64)
        Brightness, 0 to 255.
    level : array_like, shape (n,)
        Of :func:`disk_median`.
    """
    columns = []
    for scale in _SCALES:
        smooth = ndimage.gaussian_filter(patches, (0, scale, scale))
        for window in _WINDOWS:
            columns += _brightness(_middle(smooth, window))
    slope = np.hypot(*np.gradient(patches, axis=(1, 2)))
    for window in _WINDOWS[:2]:
        part = _middle(slope, window)
        columns += [part.mean(axis=1), part.std(axis=1), np.percentile(part, 95, axis=1)]
    plain = np.stack(columns, axis=1).astype(np.float64)
    median = np.asarray(level, dtype=np.float64)[:, None]
    return np.concatenate([plain, plain / median, median], axis=1)


def _middle(patches: NDArray[np.float32], window: int) -> NDArray[np.float32]:
    margin = (PATCH - window) // 2
    part = patches[:, margin : PATCH - margin, margin : PATCH - margin]
    return part.reshape(len(patches), -1)


def _brightness(part: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    high, middle = np.percentile(part, (90, 50), axis=1)
    spread = part.max(axis=1), part.min(axis=1), part.mean(axis=1), part.std(axis=1)
    return [*spread, high, middle]
