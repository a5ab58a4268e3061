"""How active each place on the disk is: magnetic flux, brightness of the corona, darkness of spots.

All are maps on a :class:`~skysift.preprocess.solar.disk_grid.DiskGrid`, so that one set of
thresholds serves images of any size.
"""

from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from skysift.core.errors import ContractError
from skysift.data.solar.flags import SolarFlag
from skysift.data.solar.solar_image import ImageKind, SolarImage
from skysift.preprocess.solar.disk_grid import DiskGrid, disk_grid
from skysift.preprocess.solar.photometry import flatten_disk

__all__ = [
    "DISK_GRID",
    "brightness_excess",
    "brightness_ratio",
    "distance_map",
    "flux_ratio",
    "quiet_profile",
    "spot_darkness",
]

DISK_GRID = DiskGrid(side=256, half_width=1.25)
"""Pixels of about 9.4 arcsec, out to a quarter of a radius above the limb."""

Floats = NDArray[np.float32]

_MID_GREY = 127.5
_QUIET_DISK, _QUIET_PERCENTILE = 0.8, 40  # radii
_FILL_SHARE = 1e-3  # of the pixels
_INNER_LIMB = 0.95  # radii; where the continuum falls off steeply, its fit is not good enough
_LEAST_MU = 0.2  # the flux of what is nearer to the limb is not corrected further
_LIMB = 0.995  # the pixels at the limb are noise in one half
_LIMB_RINGS = np.arange(0.9, _LIMB, 0.01)  # inner edges [radius]
_LIMB_NOISE = 1.25  # of the inner disk's median: the field of the Sun only falls towards the limb
_LOG_RANGE = float(np.log(150 / 7))
_BLACK = 7 / 150  # over the quiet disk
_DARKEST = 20.0  # of 255: a median below is no picture of the Sun
_INNER = 0.9  # radii
_PROFILE_STEP = 0.02


def distance_map(grid: DiskGrid) -> Floats:
    """Return the distance of pixels from the centre of the disk, shape (side, side) [radius]."""
    west, north = grid.offsets(*np.meshgrid(*[np.arange(grid.side, dtype=np.float64)] * 2))
    return np.hypot(west, north).astype(np.float32)


def flux_ratio(image: SolarImage, grid: DiskGrid, *, smoothing: float) -> Floats:
    """Return the smoothed unsigned field of a magnetogram over that of its quiet disk.

    The line-of-sight field is averaged over the pixels of the grid, so that noise and the salt and
    pepper of the quiet network cancel, made positive, divided by mu and smoothed. The quiet disk is
    its 40th percentile within 0.8 radii: noise, resolution and the unknown scale of pictures made
    for display drop out. Where half of a ring at the limb is stronger than the disk, as in pictures
    of GONG, the limb itself is seen, and nothing from there outward counts.

    Parameters
    ----------
    image : SolarImage
        A magnetogram of the disk.
    grid : DiskGrid
    smoothing : float
        Standard deviation of the Gaussian [grid pixel].

    Returns
    -------
    array of float32, shape (side, side)
        0 off the disk.

    Raises
    ------
    ContractError
        If it is no magnetogram, shows no disk, or is the same everywhere.
    """
    if image.kind is not ImageKind.MAGNETOGRAM:
        raise ContractError(
            f"The image shows {image.kind.value}, not the magnetic field.",
            "Give a magnetogram.",
            path=image.source or None,
        )
    is_display = SolarFlag.DISPLAY_SCALE in image.flags
    field = image.data - np.float32(_MID_GREY) if is_display else _without_fill(image.data)
    strength = np.abs(np.nan_to_num(disk_grid(replace(image, data=field), grid)))
    distance = distance_map(grid)
    mu = np.sqrt(np.maximum(1 - distance**2, _LEAST_MU**2))
    limb = _start_of_limb(strength, distance)
    unsigned = np.where(distance < limb, strength / mu, np.float32(0))
    smooth = ndimage.gaussian_filter(unsigned, smoothing)
    quiet = float(np.percentile(smooth[distance < _QUIET_DISK], _QUIET_PERCENTILE))
    if quiet <= 0:
        raise ContractError(
            "Most of the disk has no field at all.",
            "Give a magnetogram.",
            path=image.source or None,
        )
    return np.asarray(smooth / np.float32(quiet), dtype=np.float32)


def _start_of_limb(strength: Floats, distance: Floats) -> float:
    """Return the distance from which on the limb is no field of the Sun [radius]."""
    most = _LIMB_NOISE * float(np.median(strength[distance < _QUIET_DISK]))
    edges: list[float] = [*_LIMB_RINGS.tolist(), _LIMB]
    for inner, outer in pairwise(edges):
        ring = strength[(distance >= inner) & (distance < outer)]
        if len(ring) and float(np.median(ring)) > most:
            return inner
    return _LIMB


def _without_fill(field: Floats) -> Floats:
    """Return a field without its lowest and highest value where either is what fills gaps."""
    known = np.isfinite(field)
    for extreme in (float(np.nanmin(field)), float(np.nanmax(field))) if known.any() else ():
        filled = field == np.float32(extreme)
        if extreme != 0 and filled.sum() > _FILL_SHARE * field.size:
            field = np.where(filled, np.float32(np.nan), field)
    return field


def spot_darkness(image: SolarImage, grid: DiskGrid, *, smoothing: float) -> Floats:
    """Return by how much the continuum is darker than the quiet disk, 0 off it, (side, side).

    Parameters
    ----------
    image : SolarImage
        Of the disk, in the continuum.
    grid : DiskGrid
    smoothing : float
        Standard deviation of the Gaussian [grid pixel].

    Raises
    ------
    ContractError
        If it is a magnetogram, or too little of the disk has a value.
    """
    contrast = disk_grid(flatten_disk(image), grid)
    dark = np.where(distance_map(grid) < _INNER_LIMB, 1 - contrast, np.float32(0))
    return np.asarray(ndimage.gaussian_filter(np.nan_to_num(dark), smoothing), dtype=np.float32)


def brightness_ratio(image: SolarImage, grid: DiskGrid) -> Floats:
    """Return brightness over the median of the disk, less 1, shape (side, side).

    Pictures made for display are logarithms already. Data numbers are brought to the same scale:
    the browse archive shows AIA's 211 A from 7 to 1500 DN, and a quiet disk has about 150 DN.

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
    is_display = SolarFlag.DISPLAY_SCALE in image.flags
    floor = _DARKEST if is_display else float(np.finfo(np.float32).tiny)
    over_disk = np.nan_to_num(bright) / np.float32(max(level, floor))
    if is_display:
        return np.asarray(over_disk - np.float32(1), dtype=np.float32)
    logarithm = np.log(np.maximum(over_disk, _BLACK)) / np.float32(_LOG_RANGE)
    return np.asarray(logarithm, dtype=np.float32)


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
