"""A disk as this task keeps it: a map of its activity, patches on demand, and where it lies."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skysift.core.errors import ContractError
from skysift.data.flags import flag_names
from skysift.data.solar.solar_image import Disk, ImageKind, Observer, Placement, SolarImage
from skysift.models.solar.patch_features import disk_median, patch_features, patches_of
from skysift.models.solar.published import DISK_SIZE, to_square
from skysift.models.solar.strength import (
    DISK_GRID,
    brightness_ratio,
    distance_map,
    flux_ratio,
    spot_darkness,
)
from skysift.preprocess.solar.heliographic import heliographic

__all__ = [
    "FLUX_SMOOTHING",
    "SPOT_SMOOTHING",
    "DiskMap",
    "brightness_quantiles",
    "disk_map",
    "patch_rows",
]

FLUX_SMOOTHING = 4.0
"""Of the flux of magnetograms, so that both polarities are one region [grid pixel]."""

SPOT_SMOOTHING = 1.5
"""Of the darkness of the continuum [grid pixel]."""

_TRAINED_WAVELENGTH = 211.0
_TRAINED_SCALE = (4.3, 5.3)  # arcsec per pixel
_BRIGHTNESS = (0.1, 0.9, 0.99, 0.999)  # quantiles over a disk

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class DiskMap:
    """What is kept of an image.

    Parameters
    ----------
    file : str
        Its name.
    source : str
        Its path.
    image : SolarImage
        What it is and where it lies, without its pixels.
    shape : (int, int)
        Rows and columns.
    strength : array of float32, shape (256, 256), or None
        Brightness over that of the disk less 1; flux over that of the quiet disk; or darkness of
        the continuum, on `DISK_GRID`; None if the image shows no disk.
    square : array of uint8, shape (300, 300), or None
        The picture as the published network sees it, rows from the top, where it was asked for.
    """

    file: str
    source: str
    image: SolarImage
    shape: tuple[int, int]
    strength: NDArray[np.float32] | None = field(repr=False)
    square: NDArray[np.uint8] | None = field(default=None, repr=False)

    @property
    def activity(self) -> NDArray[np.float32]:
        """The map of its activity, `strength`, for sure.

        Raises
        ------
        ContractError
            If the image shows no disk.
        """
        if self.strength is None:
            raise ContractError(
                "The image shows no solar limb, so there is no map of its disk.",
                "Give an image of the whole disk.",
                path=self.source or None,
            )
        return self.strength

    @property
    def is_magnetogram(self) -> bool:
        """Whether it shows the magnetic field."""
        return self.image.kind is ImageKind.MAGNETOGRAM

    @property
    def is_continuum(self) -> bool:
        """Whether it shows the photosphere, on which spots are dark."""
        return self.image.kind is ImageKind.INTENSITY

    @property
    def has_network(self) -> bool:
        """Whether a network was trained on the like of it."""
        return not (self.is_magnetogram or self.is_continuum)

    @property
    def disk(self) -> Disk:
        """Where the disk lies."""
        return self.image.disk

    @property
    def observer(self) -> Observer | None:
        """Where it was seen from."""
        return self.image.observer

    @property
    def placement(self) -> Placement:
        """Where its pixels lie in the file."""
        return self.image.placement

    def flags(self) -> list[str]:
        """Return what was found, and what the models were not trained on."""
        found = flag_names(self.image.flags)
        if self.image.kind is ImageKind.EUV and self.image.wavelength != _TRAINED_WAVELENGTH:
            found.append("other-channel")
        if self.image.kind in {ImageKind.SEGMENTATION, ImageKind.UNKNOWN}:
            found.append("other-kind")
        return found

    def patch_flags(self) -> list[str]:
        """Return what is to be said against patches of it."""
        found = self.flags()
        scale = self.image.pixel_scale
        if np.isfinite(scale) and not _TRAINED_SCALE[0] < scale < _TRAINED_SCALE[1]:
            found.append("other-scale")
        if not self.has_network:
            found.append("no-patch-model")
        return found

    def on_sun(self, x: ArrayLike, y: ArrayLike) -> tuple[Floats, Floats]:
        """Return longitude and latitude of image pixels [deg], NaN where unknown."""
        column, row = np.asarray(x, np.float64), np.asarray(y, np.float64)
        if self.image.frame is None or self.image.observer is None:
            return np.full(column.shape, np.nan), np.full(column.shape, np.nan)
        return heliographic(self.image, column, row)


def disk_map(image: SolarImage, *, with_square: bool = False) -> DiskMap:
    """Return what this task keeps of an image."""
    strength = square = None
    if isinstance(image.frame, Disk):
        if image.kind is ImageKind.MAGNETOGRAM:
            strength = flux_ratio(image, DISK_GRID, smoothing=FLUX_SMOOTHING)
        elif image.kind is ImageKind.INTENSITY:
            strength = spot_darkness(image, DISK_GRID, smoothing=SPOT_SMOOTHING)
        else:
            strength = brightness_ratio(image, DISK_GRID)
    if with_square:
        (grey,) = to_square(image.data[None, ::-1], DISK_SIZE)
        square = np.clip(np.rint(grey), 0, 255).astype(np.uint8)
    kept = replace(
        image, data=np.empty((0, 0), np.float32), mask=np.empty((0, 0), np.uint8), header={}
    )
    name = image.source.rpartition("/")[2]
    return DiskMap(name, image.source, kept, image.shape, strength, square)


def brightness_quantiles(disks: Sequence[DiskMap]) -> dict[str, Floats]:
    """Return how bright the parts of each disk in EUV are, shape (n,) for each of four quantiles.

    Brightness is over the median of the disk, as the network sees it: what is measured of
    training disks and of those of a stream, to compare them.
    """
    on_disk = distance_map(DISK_GRID) < 1
    bright = [one.activity[on_disk] for one in disks if one.has_network]
    found = [np.quantile(some, _BRIGHTNESS) for some in bright]
    columns = np.reshape(np.array(found, dtype=np.float64), (-1, len(_BRIGHTNESS))).T
    return {f"brightness_{q:g}": c for q, c in zip(_BRIGHTNESS, columns, strict=True)}


def patch_rows(image: SolarImage, x: ArrayLike, y: ArrayLike) -> tuple[Floats, NDArray[np.float32]]:
    """Return the features of patches and the patches themselves, given by pixels of the file."""
    patches = patches_of(image, x, y)
    return patch_features(patches, np.full(len(patches), disk_median(image))), patches
