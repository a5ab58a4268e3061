"""What a model sees of a cutout: shapes, or pixels in several forms, or one number.

Each representation treats a cutout by itself, so that nothing leaks from one to another; what has
to be learned from many, such as extremes or scales, is learned by the model from its training rows.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.data.images.image_set import ImageSet
from skysift.preprocess.images.photometry import aperture_magnitude
from skysift.preprocess.images.seeing_match import SeeingMatcher
from skysift.preprocess.images.shapes import SHAPE_FEATURES, ShapeFeatures

__all__ = [
    "REPRESENTATIONS",
    "SIDE",
    "STAMP_PLANES",
    "STAMP_SIDE",
    "Representation",
    "flux_of_core",
    "stamp_columns",
]

Floats = NDArray[np.float64]

SIDE = 20
"""Side of the pixel representations, that of the cutouts that were trained on [pixel]."""

STAMP_SIDE, STAMP_PLANES = 11, 2
"""Of what the network sees: signal over noise as arsinh, and parts of the flux [half FWHM]."""

_MATCHED_SIDE = 15
_FLUX_RADIUS = 5.0  # of the aperture whose flux is the unit [half FWHM of the PSF]
_LARGEST_PART = 1e6  # of the flux in percent: absurd pixels still fit into single precision
_CORE_RADIUS = 4.0  # beyond it noise rules [half FWHM of the PSF]


@dataclass(frozen=True, slots=True)
class Representation:
    """One way to see a cutout.

    Parameters
    ----------
    title : str
        In words.
    names : tuple of str
        Of the columns of its matrix.
    matrix : callable
        Takes an ImageSet and returns the matrix, shape (n, n_names), NaN where not defined.
    n_pixels : int
        Number of trailing columns that are single pixels or their company: bundles keep the
        distributions of the others only.
    """

    title: str
    names: tuple[str, ...]
    matrix: Callable[[ImageSet], Floats]
    n_pixels: int = 0

    @property
    def measured(self) -> tuple[str, ...]:
        """The names of the leading columns, each a measurement of its own."""
        return self.names[: len(self.names) - self.n_pixels]


def _pixels(images: ImageSet) -> Floats:
    """Return the central pixels as they are, shape (n, SIDE * SIDE)."""
    cut = images if images.pixels.shape[1:] == (SIDE, SIDE) else images.cropped(SIDE)
    return cut.pixels.reshape(len(cut), -1).astype(np.float64)


def _matched(images: ImageSet) -> Floats:
    """Return images of the same seeing in units of the noise, shape (n, 15, 15)."""
    if not len(images):
        return np.empty((0, _MATCHED_SIDE, _MATCHED_SIDE))
    matched = SeeingMatcher(side=_MATCHED_SIDE, pixels_per_fwhm=2.0).transform(images)
    return matched.reshape(-1, _MATCHED_SIDE, _MATCHED_SIDE)


def _flux(matched: Floats) -> Floats:
    """Return the flux in the aperture about the middle, in units of the noise, shape (n,)."""
    middle = matched.shape[1] // 2
    y, x = np.mgrid[-middle : middle + 1, -middle : middle + 1]
    return np.asarray(np.sum(matched, axis=(1, 2), where=np.hypot(y, x) <= _FLUX_RADIUS))


def _profile(matched: Floats) -> Floats:
    """Return the core of the seeing-matched image, mean of its eight symmetric views.

    A star stays a star when its image is turned or mirrored. The mean over the eight such views has
    less noise, and one number for each set of equivalent pixels. They are in units of the flux; the
    flux in units of the noise is the last number, so that a model knows how far to trust them.
    """
    mean = np.zeros_like(matched)
    for turns in range(4):
        turned = np.rot90(matched, turns, axes=(1, 2))
        mean += (turned + turned[:, :, ::-1]) / 8
    middle = _MATCHED_SIDE // 2
    flux = _flux(matched)
    rows, columns = _equivalent_pixels()
    with np.errstate(invalid="ignore", divide="ignore"):
        values = 100.0 * mean[:, middle + rows, middle + columns] / flux[:, np.newaxis]
        signal = np.log10(np.maximum(flux, 1.0))
    return np.column_stack([np.where((flux > 0)[:, np.newaxis], values, np.nan), signal])


def flux_of_core(core: Floats) -> Floats:
    """Return the flux in the aperture, shape (n,), of what the network sees of matched images.

    Parameters
    ----------
    core : array, shape (n, STAMP_SIDE**2)
        In units of the noise.
    """
    return _flux(core.reshape(-1, STAMP_SIDE, STAMP_SIDE))


def stamp_columns(core: Floats, flux: Floats, seeing: NDArray[Any]) -> Floats:
    """Return what the network sees: two planes of the core, its flux and the seeing.

    Parameters
    ----------
    core : array, shape (n, STAMP_SIDE**2)
        Seeing-matched pixels in units of the noise.
    flux : array, shape (n,)
        In the aperture, likewise.
    seeing : array, shape (n,)
        NaN where unknown [pixel].
    """
    unit = np.maximum(flux, 1.0)
    parts = np.clip(100.0 * core / unit[:, np.newaxis], -_LARGEST_PART, _LARGEST_PART)
    return np.column_stack([np.arcsinh(core), parts, np.log10(unit), seeing])


def _stamp(matched: Floats, seeing: Floats) -> Floats:
    edge = (_MATCHED_SIDE - STAMP_SIDE) // 2
    core = matched[:, edge:-edge, edge:-edge].reshape(len(matched), STAMP_SIDE**2)
    return stamp_columns(core, _flux(matched), np.where(seeing > 0, seeing, np.nan))


def _equivalent_pixels() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return one pixel of each set that symmetry makes equal, as offsets from the middle."""
    rows, columns = np.triu_indices(_MATCHED_SIDE // 2 + 1)
    core = np.hypot(rows, columns) <= _CORE_RADIUS
    return rows[core], columns[core]


def _shapes(images: ImageSet) -> Floats:
    return ShapeFeatures().matrix(images)


def _shapes_and_stamp(images: ImageSet) -> Floats:
    return np.column_stack([_shapes(images), _stamp(_matched(images), images.facts["seeing"])])


def _width(images: ImageSet) -> Floats:
    return ShapeFeatures(["fwhm_excess"]).matrix(images)


def _magnitude(images: ImageSet) -> Floats:
    return aperture_magnitude(images)[:, np.newaxis]


_PROFILE_NAMES = (
    *(f"profile_{row}_{column}" for row, column in zip(*_equivalent_pixels(), strict=True)),
    "profile_log_flux",
)
_STAMP_NAMES = (
    *(f"stamp_signal_{k}" for k in range(STAMP_SIDE**2)),
    *(f"stamp_part_{k}" for k in range(STAMP_SIDE**2)),
    "stamp_log_flux",
    "stamp_seeing",
)

REPRESENTATIONS: Mapping[str, Representation] = {
    "shapes": Representation("shape features", tuple(SHAPE_FEATURES), _shapes),
    "pixels": Representation(
        "pixels as they are",
        tuple(f"pixel_{k}" for k in range(SIDE * SIDE)),
        _pixels,
        n_pixels=SIDE * SIDE,
    ),
    "profile": Representation(
        "seeing-matched symmetric pixels",
        _PROFILE_NAMES,
        lambda images: _profile(_matched(images)),
    ),
    "stamp": Representation(
        "seeing-matched pixels",
        _STAMP_NAMES,
        lambda images: _stamp(_matched(images), images.facts["seeing"]),
        n_pixels=len(_STAMP_NAMES),
    ),
    "shapes-and-stamp": Representation(
        "shapes and seeing-matched pixels",
        (*SHAPE_FEATURES, *_STAMP_NAMES),
        _shapes_and_stamp,
        n_pixels=len(_STAMP_NAMES),
    ),
    "width": Representation("FWHM over that of the PSF", ("fwhm_excess",), _width),
    "magnitude": Representation("magnitude alone", ("magnitude",), _magnitude),
}
"""All representations, by the name that bundles store."""
