"""Features of magnetograms that have no table of regions: SHARP maps, and pictures of the disk."""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from skysift.core.errors import ContractError
from skysift.data.solar.cea import CeaGrid
from skysift.data.solar.solar_image import Disk, ImageKind, SolarImage
from skysift.preprocess.solar.heliographic import mu_map
from skysift.preprocess.solar.region_features import SOLAR_RADIUS, region_features

__all__ = ["KEYWORDS", "MAGNETOGRAM_FEATURES", "disk_features", "features_of", "keyword_features"]

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

DISK_FEATURES: Final = (
    "strong_share",
    "unsigned_sum",
    "strongest_patch",
    "contact",
    "contact_sum",
    "largest_contact",
    "gradient_sum",
    "steep_share",
)

MAGNETOGRAM_FEATURES: Final[Mapping[str, tuple[str, ...]]] = {
    "sharp-keywords": KEYWORDS,
    "sharp-field": FIELD,
    "disk": DISK_FEATURES,
}
"""Features by the kind of input."""

_GREY, _STRONG = 127.5, 40.0
_CLIPPED_AT = 256.0  # G, about where the pictures are white
_NEAR_LIMB = 0.35  # mu
_RADIUS = 203.0  # pixel
_BLOCK = 64
_STEEP = 60.0
_CONTACT_WIDTH = 3.0  # pixel, standard deviation: about 10 Mm

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


def features_of(image: SolarImage) -> tuple[str, Floats]:
    """Return what kind of magnetogram an image is, and its features.

    A SHARP map is told by its keywords where its header has them. An R value that is no number is
    measured on the pixels. Without keywords, flux and R value are measured.

    Raises
    ------
    ContractError
        If the image is no magnetogram, or neither a map nor a disk.
    """
    if image.kind is not ImageKind.MAGNETOGRAM:
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
    found = region_features(image.data, pixel)
    return {"USFLUX": found.unsigned_flux, "R_VALUE": found.r_value}


def disk_features(image: SolarImage) -> Floats:
    """Return how much strong field a picture of the disk shows, and how closely signs meet.

    Pictures are clipped a few hundred gauss from grey, so that flux is not to be had; the area of
    strong field is, and where both signs of it touch, as the R value asks (Schrijver 2007, ApJL
    655, L117).

    Parameters
    ----------
    image : SolarImage
        Of the disk: a picture in grey levels, or a field in gauss.

    Returns
    -------
    array, shape (n_features,)
        In the order of `DISK_FEATURES`, in units of the disk's area.

    Raises
    ------
    ContractError
        If no disk was found.
    """
    disk = image.disk
    field, mu = _brought_to_size(image, disk)
    inside = mu > _NEAR_LIMB
    field = np.where(inside & np.isfinite(field), field, 0.0)
    strong = np.abs(field) > _STRONG
    area = float(inside.sum())
    near = [ndimage.maximum_filter(field * sign > _STRONG, size=3) for sign in (1, -1)]
    contact = near[0] & near[1]
    spread = ndimage.gaussian_filter(contact.astype(np.float64), _CONTACT_WIDTH)
    gradient = np.hypot(*np.gradient(field))
    steep = gradient * strong
    return np.array(
        [
            strong.sum() / area,
            np.abs(field)[strong].sum() / area,
            _largest(np.abs(field) * strong) / area,
            contact.sum() / area,
            (spread * np.abs(field)).sum() / area,
            _largest(spread * np.abs(field)) / area,
            steep.sum() / area,
            (steep > _STEEP).sum() / area,
        ]
    )


def _brought_to_size(image: SolarImage, disk: Disk) -> tuple[Floats, Floats]:
    """Return levels about zero and mu, in pixels as large as those of the pictures trained on."""
    level = _GREY if image.unit == "" else 0.0
    field = np.asarray(image.data, dtype=np.float64) - level
    if level == 0.0:
        field = np.clip(field * _GREY / _CLIPPED_AT, -_GREY, _GREY)
    mu = np.nan_to_num(mu_map(image).astype(np.float64))
    factor = round(disk.radius / _RADIUS)
    if factor > 1:
        ny, nx = (side // factor * factor for side in field.shape)
        shape = (ny // factor, factor, nx // factor, factor)
        field, mu = (one[:ny, :nx].reshape(shape).mean(axis=(1, 3)) for one in (field, mu))
    return field, mu


def _largest(values: Floats) -> float:
    """Return the largest sum over blocks about as large as an active region."""
    ny, nx = (side // _BLOCK * _BLOCK for side in values.shape)
    blocks = values[:ny, :nx].reshape(ny // _BLOCK, _BLOCK, nx // _BLOCK, _BLOCK)
    return float(blocks.sum(axis=(1, 3)).max(initial=0.0))
