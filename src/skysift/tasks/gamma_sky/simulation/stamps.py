"""Images of sources on pixels: the point-spread function integrated over each."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from skysift.data.sky.tangent import TangentGrid
from skysift.tasks.gamma_sky.simulation.folded import RADII

__all__ = ["Stamp", "integrate_source"]

FloatArray = NDArray[np.float64]
# Gauss-Legendre nodes and weights of three points, in units of a pixel.
_NODES = np.array([-0.5, 0.0, 0.5]) * np.sqrt(0.6)
_WEIGHTS = np.array([5.0, 8.0, 5.0]) / 18.0
_CONTAINMENT = 0.999
_CORE = 0.2  # deg
_MARGIN = 4.0  # standard deviations of an extended source


@dataclass(frozen=True, slots=True)
class Stamp:
    """A small image and where it lies on the grid.

    Parameters
    ----------
    image : array, shape (n_bands, n, m)
    row, column : int
        Of its first pixel; it lies on the grid as a whole.
    """

    image: FloatArray
    row: int
    column: int

    def add_to(self, target: NDArray[np.float32]) -> None:
        """Add the image to a map, shape (n_bands, n_y, n_x), in place."""
        _, height, width = self.image.shape
        window = target[:, self.row : self.row + height, self.column : self.column + width]
        window += self.image.astype(target.dtype)


def integrate_source(
    rate: FloatArray,
    image: FloatArray,
    position: tuple[float, float],
    extension: float,
    grid: TangentGrid,
) -> Stamp | None:
    """Integrate the image of a source over pixels.

    Parameters
    ----------
    rate : array, shape (n_bands,)
        Photons of each band.
    image : array, shape (n_bands, n_radii)
        Photons per square degree at `RADII`.
    position : tuple of float
        Pixel coordinates x, y of the source.
    extension : float [deg]
        Standard deviation of the Gaussian that the source is.
    grid : TangentGrid

    Returns
    -------
    Stamp or None
        None where no pixel of the grid is near enough to see the source.

    Notes
    -----
    All of a band's photons but 0.1 % lie within the stamp, which is normalised to the photons that
    the image holds inside its radius. Distances on the plane stand for angles on the sky: the
    difference is 0.1 % at 2.5 deg from the centre.

    The stamps that a search fits (:func:`skysift.models.sky.stamps.source_stamp`) are coarser, and
    made by other code on purpose: a search that is tested on simulations would not notice an error
    that both share.
    """
    if not np.isfinite(position).all() or not np.any(rate > 0):
        return None
    cumulative = _contained(image)
    radius = _stamp_radius(rate, cumulative)
    reach = radius + _MARGIN * extension + 0.5 * grid.pixel_size
    half = int(np.ceil(reach / grid.pixel_size))
    column, row = (int(np.floor(coordinate + 0.5)) - half for coordinate in position)
    n = 2 * half + 1
    if column + n <= 0 or row + n <= 0 or column >= grid.n_x or row >= grid.n_y:
        return None
    steps = np.arange(n, dtype=np.float64)
    dx = (column + steps - float(position[0])) * grid.pixel_size
    dy = (row + steps - float(position[1])) * grid.pixel_size
    pixels = _integrate(image, dx, dy, grid.pixel_size, radius)
    inside = np.array([np.interp(radius, RADII, band) for band in cumulative])
    total = pixels.sum(axis=(1, 2))
    pixels *= np.divide(inside, total, out=np.zeros_like(total), where=total > 0)[:, None, None]
    if extension > 0:
        width = extension / grid.pixel_size
        pixels = gaussian_filter(pixels, (0.0, width, width), mode="constant", truncate=_MARGIN)
    low_x, low_y = max(0, -column), max(0, -row)
    high_x, high_y = min(n, grid.n_x - column), min(n, grid.n_y - row)
    return Stamp(pixels[:, low_y:high_y, low_x:high_x], row + low_y, column + low_x)


def _contained(image: FloatArray) -> FloatArray:
    """Return the photons within each radius, shape (n_bands, n_radii)."""
    # Exact for a density that is linear between the radii.
    low, high = RADII[:-1], RADII[1:]
    inner = (2 * low + high) * (high - low) / 3
    outer = (low + 2 * high) * (high - low) / 3
    rings = np.pi * (image[:, :-1] * inner + image[:, 1:] * outer)
    return np.concatenate([np.zeros((len(image), 1)), np.cumsum(rings, axis=1)], axis=1)


def _stamp_radius(rate: FloatArray, cumulative: FloatArray) -> float:
    """Return the radius [deg] that holds nearly all photons of every band that counts."""
    bright = np.flatnonzero(rate > 1e-4 * rate.max())
    levels = cumulative[bright] >= _CONTAINMENT * cumulative[bright, -1:]
    return float(RADII[levels.argmax(axis=1).max()])


def _integrate(
    image: FloatArray, dx: FloatArray, dy: FloatArray, pixel: float, radius: float
) -> FloatArray:
    """Integrate over pixels, shape (n_bands, n_y, n_x): by three points a side where it is sharp.

    Farther out the middle of a pixel is enough: no image has structure as fine as a pixel there.
    """
    pixels = _density(image, dx, dy, radius)
    core_x, core_y = (np.flatnonzero(np.abs(d) <= _CORE + pixel / 2) for d in (dx, dy))
    columns, rows = (slice(core[0], core[-1] + 1) for core in (core_x, core_y))
    fine_x = (dx[columns, None] + pixel * _NODES).ravel()
    fine_y = (dy[rows, None] + pixel * _NODES).ravel()
    fine = _density(image, fine_x, fine_y, radius)
    fine = fine.reshape(len(image), len(core_y), 3, len(core_x), 3)
    pixels[:, rows, columns] = np.einsum("byixj,i,j->byx", fine, _WEIGHTS, _WEIGHTS, optimize=True)
    return pixels * pixel**2


def _density(image: FloatArray, dx: FloatArray, dy: FloatArray, radius: float) -> FloatArray:
    """Return the image at points, linear between its radii, shape (n_bands, n_y, n_x)."""
    distance = np.hypot(dx[None, :], dy[:, None])
    place = np.sqrt(distance / RADII[-1]) * (len(RADII) - 1)
    index = np.minimum(place.astype(np.intp), len(RADII) - 2)
    weight = (distance - RADII[index]) / (RADII[index + 1] - RADII[index])
    density = image[:, index]
    density += np.minimum(weight, 1.0) * (image[:, index + 1] - density)
    density *= distance <= radius
    return np.asarray(density)
