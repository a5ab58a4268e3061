"""Find active regions on a disk: places, scores and boxes, in pixels and on the Sun."""

from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from skysift.core.config import Config
from skysift.models.solar.candidates import Boxes, Candidates, boxes_about, maxima
from skysift.models.solar.region_network import HEAT_GRID
from skysift.models.solar.strength import DISK_GRID, brightness_excess
from skysift.preprocess.solar.disk_grid import DiskGrid
from skysift.tasks.active_region.disks import DiskMap

__all__ = [
    "DetectionSettings",
    "Found",
    "RegionFinder",
    "candidates_by_network",
    "found_on",
    "regions_by_network",
    "regions_by_threshold",
]

Floats = NDArray[np.float64]
Map = NDArray[np.float32]

_LEAST_HEAT = 0.01
_MOST = 60  # candidates on a disk
_HEAT_SMOOTHING = 0.7  # heat pixels
_HEAT_APART = 1  # heat pixels
_REACH = 26.0  # of a box from its centre [grid pixel], about 4 arcmin
_LEAST_SIDE = 8.0  # of a box [grid pixel]
_BOX_LEVEL = 0.5  # of the brightness of the quiet disk
_BOX_SMOOTHING = 1.5
_BOX_SHARE = 0.75  # of the threshold, where a region is no longer
_BOX_HIGHEST = 1.06  # radii


class DetectionSettings(Config):
    """Thresholds, chosen on training data where there are labels.

    Parameters
    ----------
    brightness_smoothing : float
        Of the brightness [grid pixel].
    brightness_apart : int
        Least distance of maxima [grid pixel].
    brightness_highest : float
        Distance from the centre beyond which nothing is looked for [radius].
    least_excess : float
        Brightness of a region above the quiet disk's, in that of the disk.
    least_flux : float
        Flux of a region, smoothed, over that of the quiet disk.
    flux_apart : int
        Least distance of maxima of the flux [grid pixel].
    least_darkness : float
        Of a spot in the continuum, smoothed, in the brightness of the quiet disk.
    spot_apart : int
        Least distance of spots that are no group [grid pixel].
    """

    brightness_smoothing: float = 3.0
    brightness_apart: int = 6
    brightness_highest: float = 1.03
    least_excess: float = 0.5
    least_flux: float = 4.0
    flux_apart: int = 7
    least_darkness: float = 0.05
    spot_apart: int = 8


@dataclass(frozen=True, eq=False)
class Found:
    """Regions on one disk, in order of falling score, all arrays of length n.

    Parameters
    ----------
    x, y : array
        Centre, as the file counts pixels.
    lon, lat : array
        Stonyhurst longitude and latitude [deg]; NaN where unknown, and beyond the limb.
    width, height : array
        Of the box, along the columns and rows of the file [pixel].
    box_x, box_y : array
        Middle of the box.
    score : array
        0 to 1.
    """

    x: Floats
    y: Floats
    lon: Floats
    lat: Floats
    width: Floats
    height: Floats
    box_x: Floats
    box_y: Floats
    score: Floats

    def __len__(self) -> int:
        return len(self.score)

    def take(self, chosen: NDArray[np.bool_]) -> "Found":
        """Return some of them."""
        return Found(*(getattr(self, one.name)[chosen] for one in fields(self)))

    @property
    def places(self) -> Floats:
        """Centres, shape (n, 2)."""
        return np.stack([self.x, self.y], axis=1)


class RegionFinder(Protocol):
    """What finds regions with a trained network."""

    @property
    def profile(self) -> Floats:
        """Brightness of quiet disks from centre to edge."""
        ...

    def heat(self, ratio: Map) -> Map:
        """Return the heat of a disk, shape (2, 64, 64)."""
        ...

    def region_score(self, heat: Floats) -> Floats:
        """Return the probability that maxima of the heat are regions with spots, shape (n,)."""
        ...


def candidates_by_network(heat: Map) -> Candidates:
    """Return the maxima of the heat of spots, on `HEAT_GRID`."""
    smooth = ndimage.gaussian_filter(heat[0], _HEAT_SMOOTHING)
    found = maxima(smooth, least=_LEAST_HEAT, apart=_HEAT_APART)
    return found.take(np.arange(len(found)) < _MOST)


def regions_by_network(one: DiskMap, ratio: Map, finder: RegionFinder) -> Found:
    """Return what the network finds on a disk of the corona."""
    found = candidates_by_network(finder.heat(ratio))
    found = Candidates(found.column, found.row, finder.region_score(found.score))
    return found_on(one, found, HEAT_GRID, _excess_for_boxes(ratio, finder.profile), _BOX_LEVEL)


def regions_by_threshold(
    one: DiskMap, strength: Map, profile: Floats, settings: DetectionSettings
) -> Found:
    """Return maxima of brightness, of the flux of a magnetogram, or of darkness of the continuum.

    The score is how far the maximum e stands above its threshold t: e / (e + t), 0.5 at it.
    """
    if one.is_magnetogram or one.is_continuum:
        least, apart = (
            (settings.least_flux, settings.flux_apart)
            if one.is_magnetogram
            else (settings.least_darkness, settings.spot_apart)
        )
        excess = box = strength
        level = _BOX_SHARE * least
    else:
        least, apart = settings.least_excess, settings.brightness_apart
        excess = brightness_excess(
            strength,
            profile,
            smoothing=settings.brightness_smoothing,
            highest=settings.brightness_highest,
        )
        box, level = _excess_for_boxes(strength, profile), _BOX_LEVEL
    found = maxima(excess, least=least, apart=apart)
    found = Candidates(found.column, found.row, found.score / (found.score + least))
    return found_on(one, found, DISK_GRID, box, level)


def _excess_for_boxes(ratio: Map, profile: Floats) -> Map:
    return brightness_excess(ratio, profile, smoothing=_BOX_SMOOTHING, highest=_BOX_HIGHEST)


def found_on(one: DiskMap, found: Candidates, grid: DiskGrid, strength: Map, level: float) -> Found:
    """Return candidates with their boxes, in pixels of the file and on the Sun.

    Parameters
    ----------
    one : DiskMap
        Where they were found.
    found : Candidates
        On `grid`.
    grid : DiskGrid
        Theirs.
    strength : array, shape (256, 256)
        What makes the boxes, on `DISK_GRID`.
    level : float
        Pixels above it belong to a box.
    """
    offsets = grid.offsets(found.column, found.row)
    column, row = (np.asarray(axis) for axis in DISK_GRID.places(*offsets))
    boxes = boxes_about(
        Candidates(column, row, found.score),
        strength,
        threshold=level,
        reach=_REACH,
        least_side=_LEAST_SIDE,
    )
    x, y = (np.asarray(axis) for axis in DISK_GRID.to_image(one.disk, column, row))
    lon, lat = one.on_sun(x, y)
    file_x, file_y = one.placement.to_file(x, y)
    sides = _in_file(one, boxes)
    return Found(np.asarray(file_x), np.asarray(file_y), lon, lat, *sides, np.asarray(found.score))


def _in_file(one: DiskMap, boxes: Boxes) -> tuple[Floats, Floats, Floats, Floats]:
    """Return width, height and middle (x, y) of the boxes, within the file."""
    corners = [
        one.placement.to_file(*DISK_GRID.to_image(one.disk, column, row))
        for column in (boxes.left, boxes.right)
        for row in (boxes.bottom, boxes.top)
    ]
    x, y = (np.stack([np.asarray(corner[axis]) for corner in corners]) for axis in (0, 1))
    ny, nx = one.shape if one.placement.xy == 0 else one.shape[::-1]
    left, right = (np.clip(edge, -0.5, nx - 0.5) for edge in (x.min(axis=0), x.max(axis=0)))
    low, high = (np.clip(edge, -0.5, ny - 0.5) for edge in (y.min(axis=0), y.max(axis=0)))
    return right - left, high - low, (left + right) / 2, (low + high) / 2
