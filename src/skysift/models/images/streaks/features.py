"""Numbers that tell an asteroid from a satellite, a cosmic ray and a source that does not move.

Lengths are in units of the seeing and brightnesses in units of the noise, so that the numbers of
one survey mean the same in another.
"""

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skysift.core.errors import InputError
from skysift.models.images.streaks.measurement import TrailFit, fit_trail
from skysift.models.images.streaks.point_spread import PointSpread
from skysift.models.images.streaks.segments import Place, find_segment
from skysift.models.images.streaks.stamp import Stamp, prepare_stamp
from skysift.models.images.streaks.trail import Trail, trail_image

__all__ = ["STREAK_FEATURES", "streak_features", "streak_table"]

STREAK_FEATURES = (
    "segment_snr",
    "segment_length",
    "residual_snr",
    "peak_snr",
    "fit_snr",
    "length",
    "length_significance",
    "trail_significance",
    "width",
    "width_error",
    "reduced_chi2",
    "ends_inside",
    "peak_share",
    "sharpness",
    "unevenness",
    "coverage",
    "negative_share",
    "axis_alignment",
)
"""Names of the features, in order.

segment_snr
    Signal-to-noise ratio of the segment that stands out most.
segment_length
    Its length, in full widths at half maximum of a point.
residual_snr
    Signal-to-noise ratio of the segment that stands out most once the fit is subtracted: other
    flashes of a glinting satellite, or neighbours.
peak_snr
    Of the brightest pixel.
fit_snr
    Flux of the fit over its error.
length
    Of the fitted trail, in full widths at half maximum of a point.
length_significance
    Length over its error.
trail_significance
    By how many standard deviations a trail is better than a point.
width, width_error
    Factor on the width of the point-spread function: below 1 for what no optics has blurred.
reduced_chi2
    Of the fit.
ends_inside
    How many ends of the trail lie in the stamp.
peak_share
    Share of the flux in the brightest pixel, over that of a point.
sharpness
    Brightest pixel over the mean of its eight neighbours, less what a point has; cosmic rays are
    sharp (van Dokkum 2001, PASP 113, 1420, whose Laplacian is a near relation).
unevenness
    Scatter of the flux in pieces of one full width along the trail, over its mean.
coverage
    Share of those pieces that are above the noise: gaps mean glints.
negative_share
    Flux in pixels below -4 sigma over that in all beyond 4 sigma, plus 10: near a half for dipoles
    of a bad subtraction, and near zero for noise.
axis_alignment
    How near the trail runs to a row or column, 1 to 0: bad columns and bleeding do.
"""

_SIGMAS = 3.0
_OUTSTANDING, _NEGLIGIBLE = 4.0, 10.0  # sigma: of a pixel, and of several together
_TINY = 1e-9
_MISFIT = 0.1  # of the model


def streak_features(
    pixels: ArrayLike,
    point_spread: PointSpread,
    *,
    variance: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    near: Place | None = None,
    fit: TrailFit | None = None,
) -> NDArray[np.float64]:
    """Return the features of one stamp, shape (18,), in the order of `STREAK_FEATURES`.

    Parameters
    ----------
    pixels : array, shape (ny, nx)
        The stamp, of a difference image or of a sky without much else.
    point_spread : PointSpread
        The image of a point.
    variance, mask, near
        As :func:`~skysift.models.images.streaks.measurement.fit_trail`.
    fit : TrailFit, optional
        A fit with free width, if there is one already.
    """
    stamp = prepare_stamp(pixels, variance=variance, mask=mask)
    if fit is None:
        fit = fit_trail(
            pixels, point_spread, variance=variance, mask=mask, near=near, free_width=True
        )
    pieces = _profile(stamp, fit, point_spread)
    trail = fit.trail
    peak, sharpness = _peak(stamp)
    point_peak, point_sharpness = _point_peak(point_spread)
    bright = stamp.pixels * np.sqrt(stamp.weights)
    beyond = bright[np.abs(bright) > _OUTSTANDING]
    negative = float(np.abs(beyond[beyond < 0.0]).sum())
    off_axis = abs((trail.angle + 45.0) % 90.0 - 45.0)
    values = {
        "segment_snr": fit.segment.snr,
        "segment_length": fit.segment.trail.length / point_spread.fwhm,
        "residual_snr": _residual_snr(stamp, fit, point_spread),
        "peak_snr": float(bright.max()),
        "fit_snr": fit.snr,
        "length": trail.length / point_spread.fwhm,
        "length_significance": trail.length / max(fit.length_error, _TINY),
        "trail_significance": fit.trail_significance,
        "width": fit.width,
        "width_error": min(fit.width_error, 10.0),
        "reduced_chi2": fit.reduced_chi2,
        "ends_inside": float(fit.ends_inside),
        "peak_share": peak / max(abs(trail.flux), _TINY) / point_peak,
        "sharpness": sharpness - point_sharpness,
        "unevenness": float(np.std(pieces) / max(abs(float(np.mean(pieces))), _TINY)),
        "coverage": float(np.mean(pieces > _SIGMAS)),
        "negative_share": negative / (float(np.abs(beyond).sum()) + _NEGLIGIBLE),
        "axis_alignment": 1.0 - off_axis / 45.0,
    }
    return np.array([min(max(values[name], -1e6), 1e6) for name in STREAK_FEATURES])


def streak_table(
    stamps: Iterable[ArrayLike],
    point_spreads: PointSpread | Sequence[PointSpread],
    *,
    variances: Sequence[ArrayLike | None] | None = None,
    reach: float | None = None,
) -> NDArray[np.float64]:
    """Return the features of many stamps, shape (n, 18).

    With a `reach`, only what comes that near to the middle of a stamp is looked at [pixel].
    A stamp that cannot be measured, because it is blank or masked, has a row of NaN.
    """
    rows = []
    for number, pixels in enumerate(stamps):
        spread = point_spreads if isinstance(point_spreads, PointSpread) else point_spreads[number]
        variance = None if variances is None else variances[number]
        try:
            rows.append(
                streak_features(pixels, spread, variance=variance, near=_middle(pixels, reach))
            )
        except InputError:
            rows.append(np.full(len(STREAK_FEATURES), np.nan))
    return np.array(rows).reshape(len(rows), len(STREAK_FEATURES))


def _middle(pixels: ArrayLike, reach: float | None) -> Place | None:
    if reach is None:
        return None
    ny, nx = np.shape(pixels)
    return Place(0.5 * (nx - 1), 0.5 * (ny - 1), reach)


def _residual_snr(stamp: Stamp, fit: TrailFit, point_spread: PointSpread) -> float:
    model = trail_image(fit.trail, stamp.pixels.shape, point_spread.scaled(fit.width))
    left = np.where(stamp.weights > 0.0, stamp.pixels - model, 0.0)
    # The core of a bright source is never subtracted to the noise: a share of it is let pass.
    variance = np.divide(
        1.0, stamp.weights, out=np.full_like(left, np.inf), where=stamp.weights > 0.0
    )
    weights = 1.0 / (variance + (_MISFIT * model) ** 2)
    return find_segment(Stamp(left, weights, stamp.background, stamp.noise), point_spread.fwhm).snr


def _profile(stamp: Stamp, fit: TrailFit, point_spread: PointSpread) -> NDArray[np.float64]:
    """Return signal-to-noise ratios of pieces along the trail, each one full width long."""
    width = point_spread.fwhm
    trail = fit.trail
    radians = math.radians(trail.angle)
    y, x = np.nonzero(stamp.weights)
    u = (x - trail.x) * math.cos(radians) + (y - trail.y) * math.sin(radians)
    v = -(x - trail.x) * math.sin(radians) + (y - trail.y) * math.cos(radians)
    reach = 0.5 * trail.length
    on = (np.abs(v) <= 0.75 * width) & (np.abs(u) <= reach)
    if on.sum() == 0:
        return np.zeros(1)
    piece = np.floor((u[on] + reach) / width).astype(np.int64)
    weight = stamp.weights[y[on], x[on]]
    signal = np.bincount(piece, stamp.pixels[y[on], x[on]] * weight)
    total = np.bincount(piece, weight)
    full = total > 0.0
    return np.asarray(signal[full] / np.sqrt(total[full]))


def _peak(stamp: Stamp) -> tuple[float, float]:
    """Return the brightest pixel, and that over the mean of its neighbours."""
    row, column = np.unravel_index(int(np.argmax(stamp.pixels)), stamp.pixels.shape)
    return _around(stamp.pixels, int(row), int(column))


def _point_peak(point_spread: PointSpread) -> tuple[float, float]:
    """Return the same of a point source of unit flux, averaged over its place in the pixel."""
    values = [
        _around(trail_image(Trail(4 + dx, 4 + dy, 1.0, 0.0, 0.0), (9, 9), point_spread), 4, 4)
        for dx in (-0.3, 0.0, 0.3)
        for dy in (-0.3, 0.0, 0.3)
    ]
    peak, sharpness = np.mean(values, axis=0)
    return float(peak), float(sharpness)


def _around(pixels: NDArray[np.float64], row: int, column: int) -> tuple[float, float]:
    near = pixels[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
    peak = float(pixels[row, column])
    others = float(near.sum() - peak) / max(near.size - 1, 1)
    return peak, 1.0 - others / max(peak, _TINY)
