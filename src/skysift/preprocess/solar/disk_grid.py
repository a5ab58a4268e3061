"""The disk on one grid, whatever its size and place in the image: what networks of disks see."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from skysift.core.errors import UsageError
from skysift.data.solar.solar_image import Disk, Pixels, SolarImage

__all__ = ["DiskGrid", "disk_grid", "shrunk"]

_PLANE = 2


@dataclass(frozen=True, slots=True)
class DiskGrid:
    """A square grid about the centre of the disk, solar north up, rows from the south.

    Parameters
    ----------
    side : int
        [grid pixel]
    half_width : float
        From the centre of the disk to the edge of the grid [radius].

    Examples
    --------
    >>> grid = DiskGrid(side=256, half_width=1.25)
    >>> grid.radius
    102.4
    """

    side: int
    half_width: float

    @property
    def radius(self) -> float:
        """Of the disk [grid pixel]."""
        return self.side / (2 * self.half_width)

    @property
    def centre(self) -> float:
        """Column and row of the centre of the disk [grid pixel]."""
        return (self.side - 1) / 2

    def offsets(self, column: Pixels, row: Pixels) -> tuple[Pixels, Pixels]:
        """Return how far grid pixels lie west and north of the centre [radius]."""
        return (column - self.centre) / self.radius, (row - self.centre) / self.radius

    def places(self, west: Pixels, north: Pixels) -> tuple[Pixels, Pixels]:
        """Return column and row of places so far from the centre; undoes :meth:`offsets`."""
        return west * self.radius + self.centre, north * self.radius + self.centre

    def to_image(self, disk: Disk, column: Pixels, row: Pixels) -> tuple[Pixels, Pixels]:
        """Return the image pixels (x, y) of grid pixels."""
        return disk.pixels(*self.offsets(column, row))

    def of_image(self, disk: Disk, x: Pixels, y: Pixels) -> tuple[Pixels, Pixels]:
        """Return column and row of image pixels; undoes :meth:`to_image`."""
        return self.places(*disk.offsets(x, y))


def disk_grid(image: SolarImage, grid: DiskGrid) -> NDArray[np.float32]:
    """Return the image on a grid, shape (side, side); NaN where it has no value.

    A much finer image is averaged over blocks first, then interpolated bilinearly.

    Parameters
    ----------
    image : SolarImage
        Of the disk.
    grid : DiskGrid

    Raises
    ------
    ContractError
        If the image shows no disk.
    """
    disk = image.disk
    step = max(1, int(disk.radius // grid.radius))
    data = shrunk(image.data, step)
    row, column = np.mgrid[: grid.side, : grid.side].astype(np.float64)
    x, y = grid.to_image(disk, column, row)
    # The middle of a block of `step` pixels lies (step - 1) / 2 behind its first.
    at = [(np.asarray(axis) - (step - 1) / 2) / step for axis in (y, x)]
    return np.asarray(
        ndimage.map_coordinates(data, at, order=1, mode="constant", cval=np.nan, output=np.float32)
    )


def shrunk(data: NDArray[np.float32], step: int) -> NDArray[np.float32]:
    """Return means over blocks, without what is NaN; what does not fill a block is left out.

    Parameters
    ----------
    data : array, shape (ny, nx)
    step : int
        Side of a block [pixel].

    Raises
    ------
    UsageError
        If no block fits.

    Examples
    --------
    >>> shrunk(np.array([[1, 3, 9], [np.nan, 5, 9]], np.float32), 2)
    array([[3.]], dtype=float32)
    """
    if data.ndim != _PLANE or step < 1 or min(data.shape) < step:
        raise UsageError(
            f"Blocks of {step} pixels on an image of shape {data.shape}.", "Use smaller ones."
        )
    if step == 1:
        return data
    ny, nx = (side // step for side in data.shape)
    part = data[: ny * step, : nx * step]
    known = np.isfinite(part)
    if known.all():
        return np.asarray(_block_sums(part, ny, nx, step) / np.float32(step**2))
    sums = _block_sums(np.where(known, part, np.float32(0)), ny, nx, step)
    count = _block_sums(known.astype(np.float32), ny, nx, step)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(sums / count)


def _block_sums(part: NDArray[np.float32], ny: int, nx: int, step: int) -> NDArray[np.float32]:
    rows = np.ascontiguousarray(part).reshape(ny, step, nx * step).sum(axis=1)
    return np.asarray(rows.reshape(ny, nx, step).sum(axis=2))
