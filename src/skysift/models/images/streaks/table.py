"""Trails of all cutouts of an image set, one row each."""

from math import ceil, isfinite

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import InputError
from skysift.data.images.image_set import ImageSet, own_part
from skysift.data.table import FeatureTable
from skysift.models.images.streaks.features import STREAK_FEATURES, streak_features
from skysift.models.images.streaks.measurement import TrailFit, fit_trail
from skysift.models.images.streaks.point_spread import PointSpread
from skysift.models.images.streaks.segments import Place

__all__ = ["measure_streaks", "point_spread_of"]

_COLUMNS = {
    "trail_x": ("pix", "middle of the trail, along a row"),
    "trail_y": ("pix", "middle of the trail, along a column"),
    "trail_flux": ("", "flux of the trail, in the unit of the image"),
    "trail_flux_error": ("", "its standard deviation"),
    "trail_length": ("pix", "length of the trail"),
    "trail_length_error": ("pix", "its standard deviation"),
    "trail_angle": ("deg", "direction of the trail, from +x towards +y"),
    "trail_angle_error": ("deg", "its standard deviation"),
}

_MOST = 0.5
"""Of the measured pixels: where fewer have a variance, the scatter of the sky is taken."""


def measure_streaks(
    images: ImageSet,
    *,
    nominal: PointSpread | None = None,
    reach: float | None = None,
    widest: float | None = None,
) -> FeatureTable:
    """Fit a trail to each cutout and return its numbers and features.

    Pixels are weighted by their variance where the set brings it, else by the scatter of the sky.

    Parameters
    ----------
    images : ImageSet
        Cutouts, best of difference images.
    nominal : PointSpread, optional
        For cutouts that bring neither an image of the point-spread function nor their seeing.
    reach : float, optional
        Look only at what has its middle this near to the centre of the cutout [pixel].
    widest : float, optional
        Look at no more of a cutout than this, around its centre [full width at half maximum].

    Returns
    -------
    FeatureTable
        One row for each cutout, with `identifier`, the fit with free width, and the columns of
        `STREAK_FEATURES`; NaN for those that cannot be measured.

    Raises
    ------
    InputError
        If a cutout has no point-spread function of any sort.
    """
    width = len(_COLUMNS) + len(STREAK_FEATURES)
    rows = np.full((len(images), width), np.nan)
    for number in range(len(images)):
        spread = point_spread_of(images, number, nominal=nominal)
        side = None if widest is None else widest * spread.fwhm
        part, (y, x) = _window(images, number, side)
        pixels, start = images.pixels[number][part], (part[0].start, part[1].start)
        variance = _variance(images, number, part)
        near = None if reach is None else Place(x, y, reach)
        try:
            fit = fit_trail(pixels, spread, variance=variance, near=near, free_width=True)
            features = streak_features(pixels, spread, variance=variance, fit=fit)
        except InputError:
            continue  # blank: its row stays NaN
        rows[number] = [*_numbers(fit, start), *features]
    names = [*_COLUMNS, *STREAK_FEATURES]
    columns: dict[str, NDArray[np.generic]] = {"identifier": images.identifiers}
    columns |= {name: rows[:, k] for k, name in enumerate(names)}
    return FeatureTable.from_columns(
        columns,
        units={name: unit for name, (unit, _) in _COLUMNS.items()},
        descriptions={name: text for name, (_, text) in _COLUMNS.items()},
    )


def point_spread_of(
    images: ImageSet, number: int, *, nominal: PointSpread | None = None
) -> PointSpread:
    """Return the point-spread function of one cutout: its image, else its seeing, else `nominal`.

    Raises
    ------
    InputError
        If there is none of these.
    """
    if images.psf is not None and np.isfinite(images.psf[number]).any():
        return PointSpread.from_image(np.nan_to_num(own_part(images.psf[number])))
    seeing = float(images.facts["seeing"][number]) if "seeing" in images.facts else np.nan
    if seeing > 0.0:
        return PointSpread.moffat(seeing)
    if nominal is not None:
        return nominal
    raise InputError(
        f"Cutout '{images.identifiers[number]}' brings no seeing.",
        "Give nominal=PointSpread.moffat(fwhm=...).",
        row=number,
    )


def _window(
    images: ImageSet, number: int, side: float | None
) -> tuple[tuple[slice, slice], tuple[float, float]]:
    """Return what is looked at of a cutout, and the target in it, y and x."""
    sizes, center = images.sizes[number].tolist(), images.centers[number].tolist()
    if side is None or not isfinite(side):
        return (slice(0, sizes[0]), slice(0, sizes[1])), (center[0], center[1])
    wanted = max(round(side), 1)
    y, x = (max(ceil(place - 0.5 * wanted), 0) for place in center)
    part = (slice(y, min(y + wanted, sizes[0])), slice(x, min(x + wanted, sizes[1])))
    return part, (center[0] - y, center[1] - x)


def _variance(
    images: ImageSet, number: int, part: tuple[slice, slice]
) -> NDArray[np.float32] | None:
    """Return the variance of what is looked at, if the cutout brings it for the most of it."""
    if images.variance is None:
        return None
    variance = images.variance[number][part]
    measured = np.isfinite(images.pixels[number][part])
    known = np.isfinite(variance) & measured
    return variance if known.sum() > _MOST * measured.sum() else None


def _numbers(fit: TrailFit, start: tuple[int, int]) -> list[float]:
    trail = fit.trail
    return [
        *(trail.x + start[1], trail.y + start[0], trail.flux, fit.flux_error),
        *(trail.length, fit.length_error, trail.angle, fit.angle_error),
    ]
