"""Maps in a cylindrical equal-area projection, as of the SHARP series."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["CeaGrid"]

_FULL_CIRCLE = 360.0


@dataclass(frozen=True, slots=True)
class CeaGrid:
    """A cylindrical equal-area grid about a point.

    The cylinder touches the Sun along the great circle through the reference point at a right
    angle to its meridian (Calabretta & Greisen 2002, A&A 395, 1077, sections 2.3 and 5.2.2, with
    the reference point as native origin).

    Parameters
    ----------
    x, y : float
        Reference point [pixel].
    lon, lat : float
        Its Carrington longitude and latitude [deg].
    step_x, step_y : float
        Side of a pixel at the reference point [deg].

    Examples
    --------
    >>> grid = CeaGrid(100.0, 50.0, lon=30.0, lat=-20.0, step_x=0.03, step_y=0.03)
    >>> [round(float(angle), 3) for angle in grid.heliographic(100.0, 50.0)]
    [30.0, -20.0]
    """

    x: float
    y: float
    lon: float
    lat: float
    step_x: float
    step_y: float

    def moved(self, dx: float, dy: float) -> "CeaGrid":
        """Return the grid of an image whose first pixel is (dx, dy) of this one."""
        return CeaGrid(self.x - dx, self.y - dy, self.lon, self.lat, self.step_x, self.step_y)

    def heliographic(
        self, x: ArrayLike, y: ArrayLike
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return Carrington longitude (0 to 360) and latitude of pixels [deg]; NaN off the map."""
        native_lon = np.radians((np.asarray(x, dtype=np.float64) - self.x) * self.step_x)
        native_sine = np.radians((np.asarray(y, dtype=np.float64) - self.y) * self.step_y)
        off = (np.abs(native_sine) > 1) | (np.abs(native_lon) > np.pi)
        native_sine = np.where(off, np.nan, native_sine)
        native_cosine = np.sqrt(1 - native_sine**2)
        lat = np.radians(self.lat)
        outwards = native_cosine * np.cos(native_lon)
        sine = native_sine * np.cos(lat) + outwards * np.sin(lat)
        from_meridian = np.arctan2(
            native_cosine * np.sin(native_lon), outwards * np.cos(lat) - native_sine * np.sin(lat)
        )
        lon = (self.lon + np.degrees(from_meridian)) % _FULL_CIRCLE
        return lon, np.degrees(np.arcsin(np.clip(sine, -1, 1)))

    def pixels(
        self, lon: ArrayLike, lat: ArrayLike
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the pixels (x, y) of Carrington longitudes and latitudes [deg]."""
        from_meridian = np.radians(np.asarray(lon, dtype=np.float64) - self.lon)
        b, b0 = np.radians(np.asarray(lat, dtype=np.float64)), np.radians(self.lat)
        outwards = np.cos(b) * np.cos(from_meridian)
        native_sine = np.sin(b) * np.cos(b0) - outwards * np.sin(b0)
        native_lon = np.arctan2(
            np.cos(b) * np.sin(from_meridian), outwards * np.cos(b0) + np.sin(b) * np.sin(b0)
        )
        return (
            self.x + np.degrees(native_lon) / self.step_x,
            self.y + np.degrees(native_sine) / self.step_y,
        )
