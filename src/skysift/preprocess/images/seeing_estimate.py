"""The seeing of cutouts that do not state it, from what comes with them, with its uncertainty.

In the order of trust: the image of the PSF that a Rubin alert carries; the FWHM of the difference
image that a ZTF alert lets one compute; the other sources in the cutout. A source is a star of the
width of the PSF, or a galaxy of any larger width; which, nobody says. The posterior of the width
sums over both for each source, so that one galaxy does not pass for a star, and one star does not
settle the matter. Cutouts of the same image share it.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from skysift.data.images.facts import APERTURE_CORRECTIONS, REFERENCE_IMAGE
from skysift.data.images.flags import StampFlag
from skysift.data.images.image_set import ImageSet, by_own_size
from skysift.preprocess.images.moffat import fit_moffat
from skysift.preprocess.images.point_source import (
    SEEING_OVER_FWHM,
    measured_point_sources,
    measured_psfs,
    point_sources,
)
from skysift.preprocess.images.rescale import resampled
from skysift.preprocess.images.sky_level import sky_and_noise

__all__ = ["with_estimated_seeing"]

FloatArray = NDArray[np.float64]
Integers = NDArray[np.int64]

_WORST_ERROR = 0.15  # of ln FWHM: beyond it the seeing stays unknown

_DIFFERENCE_SLOPE, _DIFFERENCE_OFFSET = 1.164, 1.096  # FWHM of stars by that of ZTF's differences
_DIFFERENCE_ERROR = 0.06
_PSF_ERROR = 0.01
_WIDE, _LARGER = 4.5, 3.0  # a PSF wider than this is measured on pixels so many times as large

_EXPOSURES = (2.1, 0.35)  # FWHM of stars: median [arcsec], and standard deviation of ln FWHM
_REFERENCES = (2.0, 0.10)  # ZTF chooses the exposures that it stacks by their seeing
_WIDTHS = np.log(np.geomspace(1.05, 9.0, 108))  # of a PSF [ln pixel]
_LEAST_ERROR = 0.03  # PSFs differ that much across a detector
_STAR, _TARGET_STAR = 0.8, 0.5  # share of stars among bright sources, and among targets
_WIDEST_GALAXY = 1.0  # ln of its width over that of the PSF; none is preferred below
_NEITHER = 1e-3  # density of what is narrower than a star or wider than a galaxy

_THRESHOLD = 15.0  # of the peak of a source [noise]
_SOURCES = 6  # of a cutout, the brightest
_NEAR = 3  # no other peak within [pixel]; as far from the edge
_POOR_FIT = 0.08  # rms residual over the amplitude: saturated, blended, or no star
_SHARPEST = 1.05  # a cosmic ray or a hot pixel is narrower [pixel]
_SATURATED = 0.5  # of the saturation level: from here on stars are wider than the PSF
_CUTOUTS_AT_A_TIME = 64  # so that what is in work stays in the cache


def with_estimated_seeing(images: ImageSet) -> ImageSet:
    """Fill in the seeing and the aperture corrections of cutouts that have no seeing.

    Parameters
    ----------
    images : ImageSet
        Cutouts; larger ones show more stars. Those of one image, by the fact ``image``, are
        judged together.

    Returns
    -------
    ImageSet
        With the facts ``seeing``, ``seeing_error`` and ``apcor1`` to ``apcor6`` of those whose
        seeing could be found to 15 %, which carry the flag ``seeing-estimated``.

    Notes
    -----
    The width is that of stars under a Moffat fit; it is stated on the scale of the SEEING card of
    ZTF headers, which is 1.105 times as large. Aperture corrections are those of a Moffat profile
    of that width. Where all that is seen is the target itself, the seeing stays unknown, but for
    reference images, whose seeing varies little.
    """
    lacking = np.flatnonzero(~(images.facts["seeing"] > 0))
    if not len(lacking):
        return images
    fwhm, error = np.full(len(images), np.nan), np.full(len(images), np.nan)
    corrections = images.facts.matrix(APERTURE_CORRECTIONS)
    rows = lacking
    if images.psf is not None:
        has_psf = np.isfinite(images.psf[lacking]).any(axis=(1, 2))
        rows, of_psf = lacking[~has_psf], lacking[has_psf]
        if len(of_psf):
            fwhm[of_psf], corrections[of_psf] = _of_psf(images.psf[of_psf])
            error[of_psf] = _PSF_ERROR
    if len(rows):
        fwhm[rows], error[rows] = _of_surroundings(images.take(rows))
        corrections[rows] = point_sources().corrections_of(fwhm[rows])
    found = np.isfinite(fwhm)
    return _filled(images, found, fwhm, error, corrections)


def _filled(
    images: ImageSet,
    found: NDArray[np.bool_],
    fwhm: FloatArray,
    error: FloatArray,
    corrections: FloatArray,
) -> ImageSet:
    seeing = fwhm * SEEING_OVER_FWHM
    columns = {"seeing": seeing, "seeing_error": seeing * error}
    columns |= dict(zip(APERTURE_CORRECTIONS, corrections.T, strict=True))
    facts = images.facts.with_columns(
        {name: np.where(found, new, images.facts[name]) for name, new in columns.items()}
    )
    known = np.uint32(StampFlag.NO_SEEING | StampFlag.NO_APERTURE_CORRECTION)
    flags = np.where(found, images.flags & ~known, images.flags).astype(np.uint32)
    return replace(images, facts=facts, flags=flags).with_flag(StampFlag.SEEING_ESTIMATED, found)


def _of_psf(psf: NDArray[np.float32]) -> tuple[FloatArray, FloatArray]:
    """Return the width and the aperture corrections of images of PSFs, each with values."""
    measured = measured_psfs(psf)
    fwhm = measured.fwhm
    wide = np.flatnonzero(fwhm > _WIDE)  # for the window of the fit
    for rows, images in by_own_size(psf[wide]):
        side = max(images.shape[1:]) // int(_LARGER)
        middle = np.tile((np.array(images.shape[1:]) - 1) / 2, (len(images), 1))
        step = np.full(len(images), _LARGER)
        coarse = resampled(images, middle, step, side).astype(np.float64)
        places = np.full((len(images), 2), (side - 1) / 2)
        fwhm[wide[rows]] = _LARGER * measured_point_sources(coarse, places).fwhm
    return fwhm, measured.corrections


def _of_surroundings(images: ImageSet) -> tuple[FloatArray, FloatArray]:
    """Return the width of point sources and the error of its logarithm, NaN where unknown."""
    names = images.facts["image"].astype(np.str_)
    alone = np.char.add("cutout ", np.arange(len(images)).astype(np.str_))
    _, pool = np.unique(np.where(names == "", alone, names), return_inverse=True)
    logarithm = np.zeros((pool.max() + 1, len(_WIDTHS)))
    is_reference = np.char.startswith(names, REFERENCE_IMAGE)
    difference = images.facts["difference_fwhm"]
    # Equal for all cutouts of an image.
    logarithm[pool] = _prior(is_reference, images.facts["pixel_scale"]) + _of_difference(difference)
    sources = _sources(images)
    np.add.at(logarithm, pool[sources.rows], _likelihoods(sources))
    seen = np.isfinite(difference) | is_reference
    seen[sources.rows[~sources.is_target]] = True
    informed = np.zeros(len(logarithm), dtype=bool)
    informed[pool[seen]] = True
    weight = np.exp(logarithm - logarithm.max(axis=1, keepdims=True))
    weight /= weight.sum(axis=1, keepdims=True)
    mean = weight @ _WIDTHS
    error = np.sqrt(np.maximum(weight @ _WIDTHS**2 - mean**2, 0.0))
    known = informed & (error < _WORST_ERROR)
    return np.where(known, np.exp(mean), np.nan)[pool], np.where(known, error, np.nan)[pool]


def _prior(is_reference: NDArray[np.bool_], pixel_scale: FloatArray) -> FloatArray:
    """Return the logarithm of the prior of each width, shape (n, n_widths)."""
    median, spread = np.where(is_reference[:, np.newaxis], _REFERENCES, _EXPOSURES).T
    expected = np.log(median / np.where(pixel_scale > 0, pixel_scale, 1.0))[:, np.newaxis]
    return np.asarray(-0.5 * ((_WIDTHS - expected) / spread[:, np.newaxis]) ** 2)


def _of_difference(fwhm: FloatArray) -> FloatArray:
    """Return the log-likelihood of each width by the FWHM of the difference image, 0 if unknown."""
    width = np.maximum(_DIFFERENCE_SLOPE * fwhm - _DIFFERENCE_OFFSET, 1.2)[:, np.newaxis]
    logarithm = -0.5 * ((_WIDTHS - np.log(width)) / _DIFFERENCE_ERROR) ** 2
    return np.nan_to_num(logarithm)


@dataclass(frozen=True, slots=True)
class _Sources:
    """Sources of cutouts, shape (n_sources,) each: row, ln width and its error, target or not."""

    rows: Integers
    width: FloatArray
    error: FloatArray
    is_target: NDArray[np.bool_]


def _likelihoods(sources: _Sources) -> FloatArray:
    """Return the log-likelihood of each width of the PSF, shape (n_sources, n_widths)."""
    error = np.hypot(sources.error, _LEAST_ERROR)[:, np.newaxis]
    wider = sources.width[:, np.newaxis] - _WIDTHS
    star = np.exp(-0.5 * (wider / error) ** 2) / (error * np.sqrt(2 * np.pi))
    galaxy = np.where((wider > 0) & (wider < _WIDEST_GALAXY), 1 / _WIDEST_GALAXY, _NEITHER)
    share = np.where(sources.is_target, _TARGET_STAR, _STAR)[:, np.newaxis]
    return np.asarray(np.log(share * star + (1 - share) * galaxy))


def _sources(images: ImageSet) -> _Sources:
    """Fit the brightest sources of each cutout and keep those that look like one object."""
    saturation = np.nan_to_num(images.facts["saturation"], nan=np.inf)
    parts = [
        _sources_of(
            images.pixels[part], images.centers[part], images.sizes[part], saturation[part], start
        )
        for start in range(0, len(images), _CUTOUTS_AT_A_TIME)
        for part in [slice(start, start + _CUTOUTS_AT_A_TIME)]
    ]
    return _Sources(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("rows", "width", "error", "is_target")
        )
    )


def _sources_of(
    pixels: NDArray[np.float32],
    centers: FloatArray,
    sizes: NDArray[np.int32],
    saturation: FloatArray,
    first: int,
) -> _Sources:
    """Return the sources of a few cutouts, whose rows are numbered from `first`."""
    sky, noise = sky_and_noise(pixels, centers, radius=0.0)
    valid = np.isfinite(pixels)
    with np.errstate(over="ignore"):
        signal = np.where(valid, pixels - sky[:, np.newaxis, np.newaxis].astype(np.float32), 0.0)
    rows, y, x = _brightest(*_peaks(signal, sizes, _THRESHOLD * noise), signal)
    places = np.stack([y, x], axis=1).astype(np.float64)
    fit = fit_moffat(signal[rows].astype(np.float64), valid[rows], places, noise[rows])
    with np.errstate(divide="ignore", invalid="ignore"):
        poor = fit.residual * noise[rows] / np.abs(fit.amplitude)
    good = (poor < _POOR_FIT) & (fit.fwhm > _SHARPEST) & np.isfinite(fit.width_error)
    good &= pixels[rows, y, x] < _SATURATED * saturation[rows]
    is_target = np.hypot(*(places - centers[rows]).T) <= _NEAR
    return _Sources(
        rows[good] + first, np.log(fit.fwhm[good]), fit.width_error[good], is_target[good]
    )


def _peaks(
    signal: NDArray[np.float32], sizes: NDArray[np.int32], threshold: FloatArray
) -> tuple[Integers, Integers, Integers]:
    """Return rows and places of pixels that are above all others within three pixels."""
    inner = signal[:, _NEAR:-_NEAR, _NEAR:-_NEAR]
    if not inner.size:
        return (np.empty(0, dtype=np.int64),) * 3
    high = inner > threshold[:, np.newaxis, np.newaxis]
    ny, nx = inner.shape[1:]
    for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        # Most pixels fall here, before their wider surroundings are looked at.
        high &= inner >= signal[:, _NEAR + dy : _NEAR + dy + ny, _NEAR + dx : _NEAR + dx + nx]
    rows, y, x = np.nonzero(high)
    y, x = y + _NEAR, x + _NEAR
    inside = (y < sizes[rows, 0] - _NEAR) & (x < sizes[rows, 1] - _NEAR)
    rows, y, x = rows[inside], y[inside], x[inside]
    steps = np.arange(-_NEAR, _NEAR + 1)
    around = signal[
        rows[:, np.newaxis, np.newaxis],
        y[:, np.newaxis, np.newaxis] + steps[:, np.newaxis],
        x[:, np.newaxis, np.newaxis] + steps,
    ]
    highest = around.max(axis=(1, 2), initial=-np.inf) <= signal[rows, y, x]
    return rows[highest], y[highest], x[highest]


def _brightest(
    rows: Integers, y: Integers, x: Integers, signal: NDArray[np.float32]
) -> tuple[Integers, Integers, Integers]:
    """Return the brightest peaks of each row."""
    order = np.lexsort((-signal[rows, y, x], rows))
    rows, y, x = rows[order], y[order], x[order]
    first = np.searchsorted(rows, rows, side="left")
    chosen = np.arange(len(rows)) - first < _SOURCES
    return rows[chosen], y[chosen], x[chosen]
