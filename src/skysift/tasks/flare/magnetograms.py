"""Features of magnetograms that have no table of regions: SHARP maps, and pictures of the disk."""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from skysift.core.errors import ContractError
from skysift.data.solar.cea import CeaGrid
from skysift.data.solar.flags import SolarFlag
from skysift.data.solar.solar_image import Disk, ImageKind, SolarImage
from skysift.models.disk_history import DISK_HISTORY
from skysift.preprocess.solar.heliographic import mu_map
from skysift.preprocess.solar.region_features import SOLAR_RADIUS, r_value

__all__ = [
    "DISK_PAST",
    "KEYWORDS",
    "MAGNETOGRAM_FEATURES",
    "disk_features",
    "features_of",
    "is_coarse",
    "keyword_features",
]

KEYWORDS: Final = (
    "TOTUSJH",
    "TOTPOT",
    "TOTUSJZ",
    "ABSNJZH",
    "SAVNCPP",
    "USFLUX",
    "AREA_ACR",
    "MEANPOT",
    "R_VALUE",
    "SHRGT45",
    "MEANSHR",
    "MEANGAM",
    "MEANGBT",
    "MEANGBZ",
    "MEANGBH",
    "MEANJZH",
    "MEANJZD",
    "MEANALP",
)
"""Keywords of SHARP headers (Bobra et al. 2014, Sol. Phys. 289, 3549, table 3)."""

_SIGNED = frozenset({"MEANJZH", "MEANJZD", "MEANALP"})
"""Their sign depends on the hemisphere; how far a region is twisted does not."""

FIELD: Final = ("USFLUX", "R_VALUE")
"""What can be had of the line-of-sight field alone, and is told by the keywords too."""

DISK_FEATURES: Final = ("largest_strong_field", "largest_steep_field")

DISK_PAST: Final = "disk-history"
"""Name of the part of a model that a list of flares is told to."""

MAGNETOGRAM_FEATURES: Final[Mapping[str, tuple[str, ...]]] = {
    "sharp-keywords": KEYWORDS,
    "sharp-field": FIELD,
    "disk": DISK_FEATURES,
    DISK_PAST: DISK_HISTORY,
}
"""Features by the kind of input; the last is no magnetogram but a list of flares."""

_GREY, _STRONG = 127.5, 40.0  # levels
_ACTIVE = 50.0  # G, as in the features of regions
_MM2_IN_CM2 = 1e16
_CLIPPED_AT = 256.0  # G, about where the pictures are white
_NEAR_LIMB = 0.24  # mu: 0.97 of the radius
_RADIUS = 203.0  # pixel
_BLOCK = 48  # pixel: 230 Mm
_LEAST_SHARE = 0.95  # of the radius: pictures trained on differ by a hundredth

Floats = NDArray[np.float64]


def keyword_features(values: Mapping[str, object], names: tuple[str, ...]) -> Floats:
    """Return keywords as features, shape (n_names,); NaN where one is missing or is no number."""
    found = np.full(len(names), np.nan)
    for place, name in enumerate(names):
        try:
            found[place] = float(str(values.get(name)))
        except ValueError:
            continue
        if name in _SIGNED:
            found[place] = abs(found[place])
    return found


def tells_the_field(image: SolarImage) -> bool:
    """Return whether an image is a magnetogram, or a SHARP map with all keywords.

    Headers of SHARP maps do not say what the pixels are, only the names of their files do; one that
    was renamed still has its keywords.
    """
    is_map = image.kind is ImageKind.UNKNOWN and isinstance(image.frame, CeaGrid)
    return image.kind is ImageKind.MAGNETOGRAM or (
        is_map and bool(np.isfinite(keyword_features(image.header, KEYWORDS)).all())
    )


def features_of(image: SolarImage) -> tuple[str, Floats]:
    """Return what kind of magnetogram an image is, and its features.

    A SHARP map is told by its keywords where its header has them. An R value that is no number is
    measured on the pixels. Without keywords, flux and R value are measured.

    Raises
    ------
    ContractError
        If the image is no magnetogram, or neither a map nor a disk.
    """
    if not tells_the_field(image):
        raise ContractError(
            f"The image is {image.kind.value}; without a table of regions, magnetograms are read.",
            "Give --regions with the positions of its regions.",
            path=image.source or None,
        )
    if isinstance(image.frame, CeaGrid):
        return _of_map(image)
    return "disk", disk_features(image)


def _of_map(image: SolarImage) -> tuple[str, Floats]:
    keywords = keyword_features(image.header, KEYWORDS)
    place = KEYWORDS.index("R_VALUE")
    missing = np.flatnonzero(~np.isfinite(keywords))
    if set(missing.tolist()) <= {place}:
        if len(missing):
            keywords[place] = _measured(image)["R_VALUE"]
        return "sharp-keywords", keywords
    return "sharp-field", keyword_features(_measured(image), FIELD)


def _measured(image: SolarImage) -> Mapping[str, float]:
    grid = image.frame
    assert isinstance(grid, CeaGrid)  # its callers have looked
    pixel = float(np.radians(grid.step_x)) * SOLAR_RADIUS
    strength = np.abs(image.data[np.isfinite(image.data)])
    flux = float(strength[strength > _ACTIVE].sum(dtype=np.float64)) * pixel**2 * _MM2_IN_CM2
    return {"USFLUX": flux, "R_VALUE": r_value(image.data, pixel)}


def disk_features(image: SolarImage) -> Floats:
    """Return how strong and how steep the field of the strongest region of the disk is.

    Pictures are clipped a few hundred gauss from grey, so that flux is not to be had; how much
    strong field lies together is, and how steep it is, which tells where opposite signs meet
    (Falconer et al. 2008, ApJ 689, 1433).

    Parameters
    ----------
    image : SolarImage
        Of the disk: a picture in grey levels, or a field in gauss.

    Returns
    -------
    array, shape (2,)
        `DISK_FEATURES`: the highest means over squares about as large as an active region, of the
        field where it is strong and of its gradient where that is steep [grey level].

    Raises
    ------
    ContractError
        If no disk was found, or the values are neither grey levels nor a field with its sign.
    """
    _require_scale(image)
    field = _brought_to_size(image, image.disk)
    strength = np.abs(field)
    gradient = np.hypot(*np.gradient(field))
    return np.array(
        [
            _largest_mean(np.where(strength > _STRONG, strength, 0.0)),
            _largest_mean(np.where(gradient > _STRONG, gradient, 0.0)),
        ]
    )


def is_coarse(image: SolarImage) -> bool:
    """Tell whether the disk has fewer pixels than those trained on, which hides strong field."""
    return isinstance(image.frame, Disk) and image.frame.radius < _LEAST_SHARE * _RADIUS


def _require_scale(image: SolarImage) -> None:
    """Refuse values of unknown scale, e.g. of a picture of 16 bits."""
    if SolarFlag.DISPLAY_SCALE in image.flags or bool((image.data < 0).any()):
        return
    raise ContractError(
        "No value is below zero: it is neither a picture of 8 bits nor a field with its sign.",
        "Give a FITS file in gauss, or a picture of 8 bits.",
        path=image.source or None,
    )


def _brought_to_size(image: SolarImage, disk: Disk) -> Floats:
    """Return levels about zero, 0 beyond the limb, in pixels as large as those trained on."""
    is_picture = SolarFlag.DISPLAY_SCALE in image.flags
    field = np.asarray(image.data, dtype=np.float64) - (_GREY if is_picture else 0.0)
    if not is_picture:
        field = np.clip(field * _GREY / _CLIPPED_AT, -_GREY, _GREY)
    inside = np.nan_to_num(mu_map(image)) > _NEAR_LIMB
    field = np.where(inside & np.isfinite(field), field, 0.0)
    factor = round(disk.radius / _RADIUS)
    if factor > 1:
        ny, nx = (side // factor * factor for side in field.shape)
        blocks = field[:ny, :nx].reshape(ny // factor, factor, nx // factor, factor)
        field = blocks.mean(axis=(1, 3))
    return np.asarray(field)


def _largest_mean(values: Floats) -> float:
    return float(ndimage.uniform_filter(values, _BLOCK).max())
