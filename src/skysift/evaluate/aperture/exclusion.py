"""Circles on the sky, and the parts of the sky that must not serve as background."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import ArrayLike

from skysift.core.errors import InputError, ReadError
from skysift.data.sky.tangent import TangentGrid, separation
from skysift.evaluate.aperture.sphere import annulus_points, solid_angle
from skysift.evaluate.inputs import BoolArray

if TYPE_CHECKING:
    from astropy.wcs import WCS

__all__ = ["Circle", "Exclusion", "MaskImage"]

_POINTS = 500
_PLANE = 2


@dataclass(frozen=True, slots=True)
class Circle:
    """A circle on the sky.

    Parameters
    ----------
    ra, dec : float [deg]
        ICRS position of the centre.
    radius : float [deg]

    Raises
    ------
    InputError
        If the radius is not positive, or the position is not finite.
    """

    ra: float
    dec: float
    radius: float

    def __post_init__(self) -> None:
        if not (self.radius > 0 and np.isfinite([self.ra, self.dec, self.radius]).all()):
            raise InputError(f"{self} is no circle.", "Give finite degrees and a positive radius.")

    @property
    def area(self) -> float:
        """Solid angle [deg2]."""
        return float(solid_angle(self.radius))

    def contains(self, ra: ArrayLike, dec: ArrayLike) -> BoolArray:
        """Tell which directions [deg] lie within the circle or on its edge."""
        return np.asarray(separation(ra, dec, self.ra, self.dec) <= self.radius)


@dataclass(frozen=True)
class MaskImage:
    """An image of the sky that is False where nothing may be used.

    Parameters
    ----------
    allowed : array of bool, shape (n_y, n_x)
        The sky outside the image is allowed.
    wcs : `~astropy.wcs.WCS`
        Its pixels, in any projection and any frame that converts to ICRS.
    """

    allowed: BoolArray
    wcs: "WCS"

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read the first image of a FITS file; 0 or False is excluded, as gammapy writes masks.

        Raises
        ------
        ReadError
            If there is no two-dimensional image with a celestial WCS.
        """
        from astropy.io import fits  # noqa: PLC0415 slow to import, and few need a mask
        from astropy.wcs import WCS  # noqa: PLC0415

        try:
            with fits.open(path) as hdus:
                for hdu in hdus:
                    if hdu.is_image and hdu.data is not None:
                        image = np.squeeze(np.asarray(hdu.data))
                        wcs = WCS(hdu.header).celestial
                        break
                else:
                    raise ReadError("The file holds no image.", "Give a FITS mask.", path=path)
        except OSError as error:
            raise ReadError(
                f"The mask cannot be read ({error}).", "Give a FITS image.", path=path
            ) from error
        if image.ndim != _PLANE or wcs.naxis != _PLANE:
            raise ReadError(
                f"The mask has shape {image.shape} and {wcs.naxis} celestial axes.",
                "Give one image with a celestial WCS.",
                path=path,
            )
        return cls(image != 0, wcs)

    @cached_property
    def _is_icrs(self) -> bool:
        from astropy.wcs.utils import wcs_to_celestial_frame  # noqa: PLC0415 as above

        return bool(wcs_to_celestial_frame(self.wcs).name == "icrs")

    def excludes(self, ra: ArrayLike, dec: ArrayLike) -> BoolArray:
        """Tell which directions [deg] fall on an excluded pixel."""
        right, up = np.asarray(ra, dtype=np.float64), np.asarray(dec, dtype=np.float64)
        if self._is_icrs:
            x, y = self.wcs.all_world2pix(right, up, 0)
        else:
            from astropy.coordinates import SkyCoord  # noqa: PLC0415 as above

            x, y = self.wcs.world_to_pixel(SkyCoord(right, up, unit="deg", frame="icrs"))
        with np.errstate(invalid="ignore"):
            column, row = np.floor(x + 0.5), np.floor(y + 0.5)
            n_y, n_x = self.allowed.shape
            inside = (column >= 0) & (column < n_x) & (row >= 0) & (row < n_y)
        column, row = (np.where(inside, index, 0).astype(np.intp) for index in (column, row))
        return np.asarray(inside & ~self.allowed[row, column])


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Where the background must not be measured: known sources, bright stars, dead sectors.

    Parameters
    ----------
    circles : tuple of Circle
        Excluded circles.
    masks : tuple of MaskImage
        Excluded parts of images.

    Examples
    --------
    >>> crab = Exclusion((Circle(83.633, 22.014, 0.3),))
    >>> crab.excludes([83.633, 84.5], [22.2, 22.0]).tolist()
    [True, False]
    """

    circles: tuple[Circle, ...] = ()
    masks: tuple[MaskImage, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.circles or self.masks)

    def with_circles(self, *circles: Circle) -> Self:
        """Return an exclusion of these circles as well."""
        return type(self)((*self.circles, *circles), self.masks)

    def excludes(self, ra: ArrayLike, dec: ArrayLike) -> BoolArray:
        """Tell which directions [deg] are excluded."""
        right, up = np.broadcast_arrays(
            np.asarray(ra, dtype=np.float64), np.asarray(dec, dtype=np.float64)
        )
        out = np.zeros(right.shape, dtype=bool)
        for part in (circle.contains(right, up) for circle in self.circles):
            out |= part
        for part in (mask.excludes(right, up) for mask in self.masks):
            out |= part
        return out

    def overlaps(self, circle: Circle) -> bool:
        """Tell whether any part of a circle is excluded.

        Exact between circles; a mask image is looked up at 500 points of the circle and misses an
        excluded patch smaller than a five-hundredth of it.
        """
        for other in self.circles:
            apart = float(separation(circle.ra, circle.dec, other.ra, other.dec))
            if apart < circle.radius + other.radius:
                return True
        if not self.masks:
            return False
        points = annulus_points(circle.ra, circle.dec, 0.0, circle.radius, _POINTS)
        return any(bool(mask.excludes(*points).any()) for mask in self.masks)

    def allowed_pixels(self, grid: TangentGrid) -> BoolArray:
        """Return which pixels of a grid have a centre that is not excluded, shape (n_y, n_x)."""
        xi, eta = grid.pixel_centres()
        return ~self.excludes(*grid.from_plane(xi[None, :], eta[:, None]))
