"""How active each place on the disk is: flux density of a magnetogram, brightness of the corona.

Both are maps on a :class:`~skysift.preprocess.solar.disk_grid.DiskGrid`, so that one set of
thresholds serves images of any size.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from skysift.core.errors import ContractError
from skysift.data.solar.flags import SolarFlag
from skysift.data.solar.solar_image import ImageKind, SolarImage
from skysift.preprocess.solar.disk_grid import DiskGrid, disk_grid

__all__ = [
    "DISK_GRID",
    "brightness_excess",
    "brightness_ratio",
    "distance_map",
    "flux_density",
    "quiet_profile",
]

DISK_GRID = DiskGrid(side=256, half_width=1.25)
"""Pixels of about 9.4 arcsec, out to a quarter of a radius above the limb."""

Floats = NDArray[np.float32]

_MID_GREY, _WHITE = 127.5, 255.0
_DISPLAY_RANGE = 100.0  # of Helioviewer's pictures of HMI magnetograms, in either direction [G]
_LEAST_MU = 0.2  # the flux of what is nearer to the limb is not corrected further
_LIMB = 0.995  # the pixels at the limb are noise in one half
_DARKEST = 20.0  # of 255: a median below is no picture of the Sun
_INNER = 0.9  # radii
_PROFILE_STEP = 0.02


def distance_map(grid: DiskGrid) -> Floats:
    """Return the distance of pixels from the centre of the disk, shape (side, side) [radius]."""
    west, north = grid.offsets(*np.meshgrid(*[np.arange(grid.side, dtype=np.float64)] * 2))
    return np.hypot(west, north).astype(np.float32)


def flux_density(image: SolarImage, grid: DiskGrid, *, smoothing: float) -> Floats:
    """Return the smoothed unsigned field of a magnetogram, 0 off the disk, shape (side, side) [G].

    The line-of-sight field is averaged over the pixels of the grid, so that noise and the salt and
    pepper of the quiet network cancel, divided by mu, made positive and smoothed. Pictures made for
    display are clipped, and the field in them is taken to reach 100 G at black and white.

    Parameters
    ----------
    image : SolarImage
        A magnetogram of the disk.
    grid : DiskGrid
    smoothing : float
        Standard deviation of the Gaussian [grid pixel].

    Raises
    ------
    ContractError
        If it is no magnetogram, or shows no disk.
    """
    if image.kind is not ImageKind.MAGNETOGRAM:
        raise ContractError(
            f"The image shows {image.kind.value}, not the magnetic field.",
            "Give a magnetogram.",
            path=image.source or None,
        )
    field = np.nan_to_num(disk_grid(_in_gauss(image), grid))
    distance = distance_map(grid)
    mu = np.sqrt(np.maximum(1 - distance**2, _LEAST_MU**2))
    unsigned = np.where(distance < _LIMB, np.abs(field) / mu, np.float32(0))
    return np.asarray(ndimage.gaussian_filter(unsigned, smoothing), dtype=np.float32)


def _in_gauss(image: SolarImage) -> SolarImage:
    if SolarFlag.DISPLAY_SCALE not in image.flags:
        return image
    scaled = (image.data - np.float32(_MID_GREY)) * np.float32(2 * _DISPLAY_RANGE / _WHITE)
    return replace(image, data=scaled)


def brightness_ratio(image: SolarImage, grid: DiskGrid) -> Floats:
    """Return brightness over the median of the disk, less 1, shape (side, side); 0 where unknown.

    Parameters
    ----------
    image : SolarImage
        Of the disk, in EUV.
    grid : DiskGrid

    Raises
    ------
    ContractError
        If the image shows no disk.
    """
    bright = disk_grid(image, grid)
    inner = bright[(distance_map(grid) < _INNER) & np.isfinite(bright)]
    level = float(np.median(inner)) if len(inner) else 0.0
    floor = _DARKEST if SolarFlag.DISPLAY_SCALE in image.flags else np.finfo(np.float32).tiny
    ratio = np.nan_to_num(bright) / np.float32(max(level, floor)) - np.float32(1)
    return np.asarray(ratio, dtype=np.float32)


def quiet_profile(ratios: Floats) -> NDArray[np.float64]:
    """Return the median brightness from centre to edge of many disks, shape (n_rings,).

    Parameters
    ----------
    ratios : array, shape (n, side, side)
        Of :func:`brightness_ratio`.
    """
    grid = DiskGrid(ratios.shape[-1], DISK_GRID.half_width)
    ring = (distance_map(grid) / _PROFILE_STEP).astype(np.int64)
    return np.array([np.median(ratios[:, ring == one]) for one in range(int(ring.max()) + 1)])


def brightness_excess(
    ratio: Floats, profile: NDArray[np.float64], *, smoothing: float, highest: float
) -> Floats:
    """Return the smoothed brightness above the quiet disk's, shape (side, side).

    Parameters
    ----------
    ratio : array, shape (side, side)
        Of :func:`brightness_ratio`.
    profile : array, shape (n_rings,)
        Of :func:`quiet_profile`.
    smoothing : float
        Standard deviation of the Gaussian [grid pixel].
    highest : float
        Distance from the centre beyond which it is 0 [radius].
    """
    distance = distance_map(DiskGrid(ratio.shape[-1], DISK_GRID.half_width))
    ring = np.minimum((distance / _PROFILE_STEP).astype(np.int64), len(profile) - 1)
    excess = ndimage.gaussian_filter(ratio - profile[ring].astype(np.float32), smoothing)
    return np.asarray(np.where(distance < highest, excess, np.float32(0)), dtype=np.float32)
