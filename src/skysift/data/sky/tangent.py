"""The tangent plane (gnomonic, TAN) about a point of the sky, and a grid of square pixels on it.

Projection and de-projection follow Calabretta & Greisen (2002), A&A 395, 1077, section 5.1.3, and
agree with astropy's WCS to rounding everywhere, poles and the zero of right ascension included.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skysift.core.errors import UsageError

if TYPE_CHECKING:
    from astropy.wcs import WCS

__all__ = ["TangentGrid", "separation"]

FloatArray = NDArray[np.float64]
_POLE = 90.0
_HUGE = 10.0


def separation(ra: ArrayLike, dec: ArrayLike, ra_0: ArrayLike, dec_0: ArrayLike) -> FloatArray:
    """Return the angle between directions, by the haversine formula.

    Parameters
    ----------
    ra, dec, ra_0, dec_0 : array_like [deg]
        Broadcast against each other.

    Returns
    -------
    array [deg]

    Examples
    --------
    >>> float(separation(359.9, 0.0, 0.1, 0.0).round(12))
    0.2
    """
    longitude, latitude, longitude_0, latitude_0 = (
        np.radians(np.asarray(angle, dtype=np.float64)) for angle in (ra, dec, ra_0, dec_0)
    )
    chord = (
        np.sin((latitude - latitude_0) / 2) ** 2
        + np.cos(latitude) * np.cos(latitude_0) * np.sin((longitude - longitude_0) / 2) ** 2
    )
    return np.asarray(np.degrees(2 * np.arcsin(np.sqrt(np.clip(chord, 0.0, 1.0)))))


@dataclass(frozen=True, slots=True)
class TangentGrid:
    """Square pixels on the plane that touches the sky at the grid's centre.

    Parameters
    ----------
    ra, dec : float [deg]
        ICRS position of the tangent point, which is the centre of the grid.
    n_x, n_y : int
        Pixels. x grows with decreasing right ascension, y with declination, as on a picture of the
        sky.
    pixel_size : float [deg]
        Side of a pixel at the tangent point.

    Raises
    ------
    UsageError
        If the declination, the number of pixels or the pixel size is impossible.

    Notes
    -----
    Pixel coordinates count from 0 at the centre of the first pixel, so that a direction falls into
    pixel ``floor(x + 0.5)``. Plane coordinates are ``xi`` to the east and ``eta`` to the north, in
    degrees from the centre.
    """

    ra: float
    dec: float
    n_x: int = 200
    n_y: int = 200
    pixel_size: float = 0.025

    def __post_init__(self) -> None:
        if not abs(self.dec) <= _POLE or not np.isfinite(self.ra):
            raise UsageError(
                f"A grid cannot be centred on RA {self.ra}, Dec {self.dec}.",
                "Give degrees, with the declination between -90 and 90.",
            )
        if self.n_x < 1 or self.n_y < 1 or not 0 < self.pixel_size < _HUGE:
            raise UsageError(
                f"A grid of {self.n_x} x {self.n_y} pixels of {self.pixel_size} deg has no sense.",
                "Give at least one pixel, smaller than 10 deg.",
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Pixels in y and x, as an image has them."""
        return (self.n_y, self.n_x)

    def to_plane(self, ra: ArrayLike, dec: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return plane coordinates of directions, NaN for those 90 deg or more from the centre.

        Parameters
        ----------
        ra, dec : array_like, shape (n,) [deg]

        Returns
        -------
        xi, eta : array, shape (n,) [deg]
            East and north of the centre.
        """
        d_ra = np.radians(np.asarray(ra, dtype=np.float64) - self.ra)
        latitude = np.radians(np.asarray(dec, dtype=np.float64))
        latitude_0 = np.radians(self.dec)
        sin, cos = np.sin(latitude), np.cos(latitude)
        sin_0, cos_0 = np.sin(latitude_0), np.cos(latitude_0)
        cos_d = np.cos(d_ra)
        depth = sin_0 * sin + cos_0 * cos * cos_d
        scale = np.degrees(1.0) / np.where(depth > 0, depth, np.nan)
        xi = cos * np.sin(d_ra) * scale
        eta = (cos_0 * sin - sin_0 * cos * cos_d) * scale
        return np.asarray(xi), np.asarray(eta)

    def from_plane(self, xi: ArrayLike, eta: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return the direction of points of the plane: RA in [0, 360) and Dec [deg]."""
        x = np.radians(np.asarray(xi, dtype=np.float64))
        y = np.radians(np.asarray(eta, dtype=np.float64))
        latitude_0 = np.radians(self.dec)
        sin_0, cos_0 = np.sin(latitude_0), np.cos(latitude_0)
        forward = cos_0 - y * sin_0
        ra = np.mod(self.ra + np.degrees(np.arctan2(x, forward)), 360.0)
        dec = np.degrees(np.arctan2(sin_0 + y * cos_0, np.hypot(x, forward)))
        return np.asarray(ra), np.asarray(dec)

    def to_pixel(self, ra: ArrayLike, dec: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return pixel coordinates x, y of directions, NaN for those behind the plane."""
        return self.plane_to_pixel(*self.to_plane(ra, dec))

    def to_sky(self, x: ArrayLike, y: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return RA in [0, 360) and Dec [deg] of pixel coordinates."""
        return self.from_plane(*self.pixel_to_plane(x, y))

    def plane_to_pixel(self, xi: ArrayLike, eta: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return pixel coordinates of plane coordinates."""
        x = (self.n_x - 1) / 2 - np.asarray(xi, dtype=np.float64) / self.pixel_size
        y = (self.n_y - 1) / 2 + np.asarray(eta, dtype=np.float64) / self.pixel_size
        return np.asarray(x), np.asarray(y)

    def pixel_to_plane(self, x: ArrayLike, y: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return plane coordinates xi, eta [deg] of pixel coordinates."""
        xi = ((self.n_x - 1) / 2 - np.asarray(x, dtype=np.float64)) * self.pixel_size
        eta = (np.asarray(y, dtype=np.float64) - (self.n_y - 1) / 2) * self.pixel_size
        return np.asarray(xi), np.asarray(eta)

    def pixel_centres(self) -> tuple[FloatArray, FloatArray]:
        """Return plane coordinates xi (n_x,) of the columns and eta (n_y,) of the rows [deg]."""
        xi, _ = self.pixel_to_plane(np.arange(self.n_x), 0.0)
        _, eta = self.pixel_to_plane(0.0, np.arange(self.n_y))
        return xi, eta

    def separation_from(self, ra: float, dec: float) -> FloatArray:
        """Return the angle [deg] of each pixel's centre from a direction, shape (n_y, n_x)."""
        xi, eta = self.pixel_centres()
        sky = self.from_plane(xi[None, :], eta[:, None])
        return separation(*sky, ra, dec)

    def pixel_index(self, ra: ArrayLike, dec: ArrayLike) -> NDArray[np.int64]:
        """Return the flat index ``y * n_x + x`` of the pixel of each direction, -1 outside."""
        return self.plane_index(*self.to_plane(ra, dec))

    def plane_index(self, xi: ArrayLike, eta: ArrayLike) -> NDArray[np.int64]:
        """Return the flat index of the pixel of points of the plane, -1 outside and for NaN."""
        x, y = self.plane_to_pixel(xi, eta)
        with np.errstate(invalid="ignore"):
            column, row = np.floor(x + 0.5), np.floor(y + 0.5)
            inside = (column >= 0) & (column < self.n_x) & (row >= 0) & (row < self.n_y)
        return np.where(inside, row * self.n_x + column, -1).astype(np.int64)

    def wcs(self) -> "WCS":
        """Return the grid as an astropy WCS."""
        from astropy.wcs import WCS  # noqa: PLC0415 slow to import, and not needed to bin photons

        wcs = WCS(naxis=2)
        wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
        wcs.wcs.cunit = ["deg", "deg"]
        wcs.wcs.crval = [self.ra, self.dec]
        wcs.wcs.crpix = [(self.n_x + 1) / 2, (self.n_y + 1) / 2]
        wcs.wcs.cdelt = [-self.pixel_size, self.pixel_size]
        wcs.wcs.lonpole = 180.0  # the default turns by 180 deg when the centre is the pole itself
        wcs.wcs.radesys = "ICRS"
        wcs.array_shape = self.shape
        return wcs
