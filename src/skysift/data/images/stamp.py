"""One cutout as a reader gives it, or the reason why there is none; many of them as a set."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import ReadError
from skysift.data.images.facts import (
    APERTURE_CORRECTIONS,
    FactValues,
    fact_table,
    plausible_facts,
)
from skysift.data.images.flags import StampFlag
from skysift.data.images.image_set import ImageSet
from skysift.data.images.limits import Limits
from skysift.data.table import FeatureTable

__all__ = [
    "NOTED",
    "SATURATED_ABOVE",
    "Rejected",
    "Stamp",
    "StampError",
    "assemble",
    "require_sound",
]

SATURATED_ABOVE = 0.9
"""Part of the saturation level from which a pixel counts as saturated."""

NOTED = StampFlag.PADDED | StampFlag.BLENDED | StampFlag.NAN
"""Flags of our own cutouts that nothing but their maker can tell."""

_WIDEST = 300  # pixels of a cutout; beyond, somebody gave an image and wants its objects
_UNUSABLE_INFOBITS = 2**25  # from here on the archive itself leaves images out


class StampError(ReadError):
    """A cutout cannot be used; `code` is a short stable name of the reason.

    Examples
    --------
    >>> StampError("blank", "All pixels have the same value.").code
    'blank'
    """

    def __init__(self, code: str, problem: str, remedy: str = "") -> None:
        super().__init__(problem, remedy)
        self.code = code


@dataclass(frozen=True, slots=True)
class Stamp:
    """One cutout.

    Parameters
    ----------
    identifier : str
        Its name.
    source : str
        Where it was read from.
    pixels : array of float32, shape (ny, nx)
        Data values, NaN where there is none.
    facts : dict
        What is known of it, by the names of :data:`skysift.data.images.facts.FACTS`.
    flags : StampFlag
        What its reader found.
    center : tuple of float, optional
        Where the target should lie, y and x [pixel]; the middle if not given.
    psf : array of float32, shape (ky, kx), optional
        Point-spread function.
    variance : array of float32, shape (ny, nx), optional
        Of each pixel.
    noted : bool
        Whether `flags` are those of its maker, who could tell NaN of the image from padding.
    """

    identifier: str
    source: str
    pixels: NDArray[np.float32]
    facts: FactValues = field(default_factory=dict)
    flags: StampFlag = StampFlag.NONE
    center: tuple[float, float] | None = None
    psf: NDArray[np.float32] | None = None
    variance: NDArray[np.float32] | None = None
    noted: bool = False


@dataclass(frozen=True, slots=True)
class Rejected:
    """Something that gave no cutout.

    Parameters
    ----------
    identifier, source : str
        As of :class:`Stamp`.
    code : str
        Short stable name of the reason.
    reason : str
        The reason in plain words.
    """

    identifier: str
    source: str
    code: str
    reason: str


def require_sound(pixels: NDArray[np.float32], limits: Limits) -> None:
    """Refuse a cutout that no model can use.

    Raises
    ------
    StampError
        If it is too small or too large, has no valid pixel, or one value only.
    """
    shorter, longer = sorted(pixels.shape)
    if shorter < limits.least_side:
        raise StampError(
            "too-small",
            f"The cutout has {pixels.shape[0]} x {pixels.shape[1]} pixels, "
            f"fewer than {limits.least_side} on a side.",
            "Cut a larger one.",
        )
    if longer > limits.side:
        raise StampError(
            "too-large",
            f"The image has {pixels.shape[0]} x {pixels.shape[1]} pixels, more than "
            f"{limits.side} on a side.",
            "Cut out its objects first, with skysift cutouts.",
        )
    with np.errstate(invalid="ignore"):
        low, high = pixels.min(), pixels.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        finite = pixels[np.isfinite(pixels)]
        if not len(finite):
            raise StampError("no-valid-pixel", "All pixels are NaN or infinite.")
        low, high = finite.min(), finite.max()
    if low == high:
        raise StampError("blank", f"All valid pixels have the same value, {low:g}.")


def assemble(stamps: Sequence[Stamp]) -> ImageSet:
    """Stack cutouts, shape (n, ny, nx) of the largest, and add the flags that all kinds share."""
    n = len(stamps)
    sizes = np.array([stamp.pixels.shape for stamp in stamps], dtype=np.int32).reshape(n, 2)
    ny, nx = sizes.max(axis=0, initial=1)
    pixels = np.full((n, ny, nx), np.nan, dtype=np.float32)
    centers = (sizes - 1) / 2.0
    for k, stamp in enumerate(stamps):
        height, width = stamp.pixels.shape
        pixels[k, :height, :width] = stamp.pixels
        if stamp.center is not None:
            centers[k] = stamp.center
    pixels[np.isinf(pixels)] = np.nan
    facts = plausible_facts(fact_table([stamp.facts for stamp in stamps]), sizes)
    flags = common_flags(pixels, sizes, facts)
    told = [stamp.noted and StampFlag.PADDED in stamp.flags for stamp in stamps]
    flags[np.array(told, dtype=bool)] &= ~np.uint32(StampFlag.NAN)
    return ImageSet(
        pixels=pixels,
        identifiers=np.array([stamp.identifier for stamp in stamps], dtype=np.str_),
        sources=np.array([stamp.source for stamp in stamps], dtype=np.str_),
        facts=facts,
        flags=np.array([int(stamp.flags) for stamp in stamps], dtype=np.uint32) | flags,
        sizes=sizes,
        centers=centers,
        psf=_stack([stamp.psf for stamp in stamps]),
        variance=_stack([stamp.variance for stamp in stamps], (ny, nx)),
    )


def common_flags(
    pixels: NDArray[np.float32], sizes: NDArray[np.int32], facts: FeatureTable
) -> NDArray[np.uint32]:
    """Return the flags that follow from pixels and plausible facts, shape (n,)."""
    n_finite = np.isfinite(pixels).sum(axis=(1, 2))
    largest = np.max(pixels, axis=(1, 2), where=np.isfinite(pixels), initial=-np.inf)
    infobits, saturation = facts["infobits"], facts["saturation"]
    corrections = facts.matrix(APERTURE_CORRECTIONS)
    found = {
        StampFlag.NAN: n_finite < sizes.prod(axis=1, dtype=np.int64),
        StampFlag.SATURATED: largest >= SATURATED_ABOVE * saturation,  # False where it is NaN
        StampFlag.INFOBITS: infobits > 0,
        StampFlag.BAD_IMAGE: (infobits >= _UNUSABLE_INFOBITS) | (facts["status"] == 0),
        StampFlag.NOT_SQUARE: sizes[:, 0] != sizes[:, 1],
        StampFlag.WIDE: sizes.max(axis=1) > _WIDEST,
        StampFlag.NO_SEEING: ~(facts["seeing"] > 0),
        StampFlag.NO_APERTURE_CORRECTION: ~np.isfinite(corrections).all(axis=1),
        StampFlag.NO_ZERO_POINT: ~np.isfinite(facts["zero_point"]),
        StampFlag.NO_SATURATION_LEVEL: ~np.isfinite(saturation),
    }
    flags = np.zeros(len(pixels), dtype=np.uint32)
    for flag, where in found.items():
        flags[where] |= np.uint32(flag)
    return flags


def _stack(
    images: Sequence[NDArray[np.float32] | None], shape: tuple[int, int] = (0, 0)
) -> NDArray[np.float32] | None:
    """Stack the images that there are, NaN elsewhere; None where there is none."""
    given = [image for image in images if image is not None]
    if not given:
        return None
    ky, kx = (max(shape[axis], *(image.shape[axis] for image in given)) for axis in (0, 1))
    out = np.full((len(images), ky, kx), np.nan, dtype=np.float32)
    for k, image in enumerate(images):
        if image is not None:
            out[k, : image.shape[0], : image.shape[1]] = image
    return out
