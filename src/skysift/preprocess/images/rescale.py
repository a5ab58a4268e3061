"""Cutouts of worse seeing or smaller pixels, resampled to what a model has been trained on.

A star of 4 pixels looks like a galaxy to a model that has only seen stars of 1.6. On pixels that
are larger by the same factor it looks like a star again, and a galaxy as extended as it is.
"""

from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import UsageError
from skysift.data.images.facts import APERTURE_CORRECTIONS
from skysift.data.images.flags import StampFlag
from skysift.data.images.image_set import ImageSet
from skysift.preprocess.images.point_source import (
    SEEING_OVER_FWHM,
    PointSources,
    measured_point_sources,
    profile_images,
)
from skysift.preprocess.images.seeing_match import keys_kernel

__all__ = ["resampled", "resampled_to_seeing"]

FloatArray = NDArray[np.float64]

_CUTOUTS_AT_A_TIME = 64  # so that what is in work stays in the cache
_SUPPORT = 2  # of the kernel [new pixel]
_LEAST_VALID = 0.5  # of the weight of a new pixel
_MODEL_WIDTHS = (1.4, 5.0, 12)  # from, to, number [pixel]
_MODEL_SIDE = 61


def resampled_to_seeing(
    images: ImageSet, *, worst: float, wanted: float, side: int = 21
) -> ImageSet:
    """Bring cutouts whose seeing is worse than a model knows to larger pixels.

    Each new pixel is a mean under Keys' cubic kernel stretched to its size (Keys 1981, IEEE Trans.
    ASSP 29, 1153), times its area: fluxes are kept, and the width changes with the pixel alone.

    Parameters
    ----------
    images : ImageSet
        Cutouts; those of better or of unknown seeing stay as they are.
    worst : float
        FWHM from which they are resampled [pixel].
    wanted : float
        FWHM afterwards, in new pixels.
    side : int
        Side of resampled cutouts [pixel]; where their image ends, they are NaN.

    Returns
    -------
    ImageSet
        Larger ones are cut to `side`, smaller ones stay as they are, so that it does not matter to
        any which others it came with. The facts ``seeing``, ``pixel_scale`` and the aperture
        corrections of resampled cutouts are those in new pixels, for a Moffat profile;
        they carry the flag ``resampled``.

    Raises
    ------
    UsageError
        If `wanted` is not positive or above `worst`.
    """
    if not 0 < wanted <= worst:
        raise UsageError(f"wanted = {wanted}, worst = {worst}.", "Both positive, in this order.")
    chosen = images.facts["seeing"] > worst
    if not chosen.any():
        return _no_larger(images, side)
    rows = np.flatnonzero(chosen)
    part = images.take(rows)
    seeing = part.facts["seeing"]
    step = seeing / wanted
    cut = _no_larger(images, side)
    pixels = _on_squares(cut.pixels, side)
    centers, sizes = cut.centers.copy(), cut.sizes.copy()
    for start in range(0, len(rows), _CUTOUTS_AT_A_TIME):
        some = slice(start, start + _CUTOUTS_AT_A_TIME)
        pixels[rows[some]] = resampled(part.pixels[some], part.centers[some], step[some], side)
    centers[rows], sizes[rows] = (side - 1) / 2, side
    before, after = _point_sources_after(wanted / SEEING_OVER_FWHM)
    native = seeing / SEEING_OVER_FWHM
    new = {
        "seeing": SEEING_OVER_FWHM * np.interp(native, before, after.fwhm),
        "seeing_error": part.facts["seeing_error"] / step,
        "pixel_scale": part.facts["pixel_scale"] * step,
    }
    corrections = PointSources(before, after.corrections).corrections_of(native)
    new |= dict(zip(APERTURE_CORRECTIONS, corrections.T, strict=True))
    columns = {name: cut.facts[name].copy() for name in new}
    for name, values in new.items():
        columns[name][rows] = values
    sparse = ~np.isfinite(pixels).all(axis=(1, 2)) & chosen
    padded = np.uint32(StampFlag.PADDED)
    flags = np.where(chosen, images.flags & ~padded, cut.flags).astype(np.uint32)
    done = replace(
        cut,
        pixels=pixels,
        centers=centers,
        sizes=sizes,
        facts=cut.facts.with_columns(columns),
        flags=flags,
        variance=None,  # new pixels share the old ones, so that theirs are not independent
    )
    return done.with_flag(StampFlag.PADDED, sparse).with_flag(StampFlag.RESAMPLED, chosen)


def _no_larger(images: ImageSet, side: int) -> ImageSet:
    """Cut those cutouts that are larger than a square, each by its own size."""
    larger = np.asarray(images.sizes.max(axis=1) > side)
    if not larger.any():
        return images
    cut = images.cropped(side)
    if larger.all():
        return cut
    each = larger[:, np.newaxis]
    return replace(
        cut,
        pixels=np.where(each[..., np.newaxis], cut.pixels, _on_squares(images.pixels, side)),
        variance=None
        if images.variance is None or cut.variance is None
        else np.where(each[..., np.newaxis], cut.variance, _on_squares(images.variance, side)),
        sizes=np.where(each, cut.sizes, images.sizes),
        centers=np.where(each, cut.centers, images.centers),
        flags=np.where(larger, cut.flags, images.flags),
    )


def _on_squares(stack: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Return the first pixels of each image on a square, shape (n, side, side); NaN elsewhere."""
    squares = np.full((len(stack), side, side), np.nan, dtype=np.float32)
    ny, nx = (min(length, side) for length in stack.shape[1:])
    squares[:, :ny, :nx] = stack[:, :ny, :nx]
    return squares


def resampled(
    pixels: NDArray[np.float32], centers: FloatArray, step: FloatArray, side: int
) -> NDArray[np.float32]:
    """Return stamps with pixels `step` times as large, the targets in the middle.

    Parameters
    ----------
    pixels : array, shape (n, ny, nx)
        NaN where not valid.
    centers : array, shape (n, 2)
        Targets, y and x [pixel].
    step : array, shape (n,)
        Side of a new pixel [old pixel].
    side : int
        Side of the result [new pixel].
    """
    rows, columns = (
        _within_reach(centers[:, axis], step, pixels.shape[1 + axis], side) for axis in (0, 1)
    )
    near = pixels[:, rows, columns]
    along_y = _weights(centers[:, 0] - rows.start, step, near.shape[1], side)
    along_x = _weights(centers[:, 1] - columns.start, step, near.shape[2], side)
    along_x = along_x.transpose(0, 2, 1)
    valid = np.isfinite(near)
    total = along_y @ np.where(valid, near, 0.0).astype(np.float64) @ along_x
    if valid.all():
        weight = along_y.sum(axis=2)[:, :, np.newaxis] * along_x.sum(axis=1)[:, np.newaxis]
    else:
        weight = along_y @ valid.astype(np.float64) @ along_x
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(weight > _LEAST_VALID, total / weight, np.nan)
    with np.errstate(over="ignore"):  # what float32 does not hold is no value
        new = (mean * np.square(step)[:, np.newaxis, np.newaxis]).astype(np.float32)
    return np.where(np.isfinite(new), new, np.float32(np.nan))


def _within_reach(center: FloatArray, step: FloatArray, length: int, side: int) -> slice:
    """Return the old pixels that a new one of any stamp can see along an axis."""
    reach = step * (side / 2 + _SUPPORT)
    first = max(int(np.floor((center - reach).min(initial=length))), 0)
    return slice(first, min(int(np.ceil((center + reach).max(initial=0.0))) + 1, length))


def _weights(center: FloatArray, step: FloatArray, length: int, side: int) -> FloatArray:
    offsets = np.arange(side) - (side - 1) / 2
    places = center[:, np.newaxis] + step[:, np.newaxis] * offsets
    distance = np.abs(places[:, :, np.newaxis] - np.arange(length))
    return (
        np.asarray(keys_kernel(distance / step[:, np.newaxis, np.newaxis]))
        / step[:, np.newaxis, np.newaxis]
    )


@lru_cache(maxsize=4)
def _point_sources_after(wanted: float) -> tuple[FloatArray, PointSources]:
    """Return widths of stars before, and what is measured of them once they are resampled.

    Stars of more pixels than the last one look the same when they are resampled.
    """
    before, fwhm, corrections = [], [], []
    for width in np.geomspace(*_MODEL_WIDTHS):
        stack, centers = profile_images(width, side=_MODEL_SIDE)
        native = float(np.median(measured_point_sources(stack, centers).fwhm))
        step = np.full(len(stack), native / wanted)
        # A cutout is centred on a whole pixel, and the star is wherever it is in it.
        middle = np.rint(centers)
        side = 2 * int(_MODEL_SIDE / step[0] / 2) - 1  # odd, as that of cutouts
        new = resampled(stack.astype(np.float32), middle, step, side)
        places = (side - 1) / 2 + (centers - middle) / step[:, np.newaxis]
        found = measured_point_sources(new.astype(np.float64), places)
        before.append(native)
        fwhm.append(np.median(found.fwhm))
        corrections.append(np.median(found.corrections, axis=0))
    return np.array(before), PointSources(np.array(fwhm), np.array(corrections))
