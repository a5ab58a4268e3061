"""From pixels to places on the Sun and back, with the perspective of an observer close by.

The observer stands at a finite distance, so a little less than a hemisphere is seen, and places lie
up to 4 pixels of HMI from where parallel light would show them. Thompson 2006 (A&A 449, 791),
sections 2 to 4; differences to astropy's and sunpy's chains of rotations are below 0.02 pixel.
Longitudes are Stonyhurst's, west positive, 0 at the meridian of the Earth, unless stated.
"""

from math import cos, radians, sin, tan

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skysift.core.errors import ContractError
from skysift.data.solar.cea import CeaGrid
from skysift.data.solar.ephemeris import SOLAR_RADIUS
from skysift.data.solar.solar_image import Disk, Observer, SolarImage

__all__ = [
    "NEAR_LIMB_ANGLE",
    "carrington_of_stonyhurst",
    "heliographic",
    "mu_map",
    "mu_of_position",
    "near_limb",
    "on_disk",
    "pixels_of",
    "stonyhurst_of_carrington",
]

NEAR_LIMB_ANGLE = 70.0
"""From the centre of the disk [deg]; beyond, line-of-sight fields and shapes mean little."""

_ARCSEC_PER_DEG = 3600.0
_FULL_CIRCLE, _HALF_CIRCLE = 360.0, 180.0

Floats = NDArray[np.float64]


def heliographic(image: SolarImage, x: ArrayLike, y: ArrayLike) -> tuple[Floats, Floats]:
    """Return Stonyhurst longitude (-180 to 180) and latitude of pixels [deg]; NaN off the Sun.

    Parameters
    ----------
    image : SolarImage
        An image of the disk, or a map.
    x, y : array-like, shape (n,)
        Column and row [pixel].

    Raises
    ------
    ContractError
        If the image has no coordinates, or its observer is unknown.

    Examples
    --------
    The middle of the disk lies on the meridian of the observer, at his latitude.

    >>> from skysift.data.solar.solar_image import Disk, Observer, SolarImage
    >>> data = np.zeros((64, 64), np.float32)
    >>> image = SolarImage(data, data.astype(np.uint8), Disk(31.5, 31.5, 25.0), None,
    ...                    Observer(b0=-7.2, l0=120.0))
    >>> lon, lat = heliographic(image, 31.5, 31.5)
    >>> print(f"{lon:.1f} {lat:.1f}")
    0.0 -7.2
    """
    observer = image.seen_from
    if isinstance(image.frame, CeaGrid):
        lon, lat = image.frame.heliographic(x, y)
        return stonyhurst_of_carrington(lon, observer), lat
    disk = image.disk
    west, north = disk.offsets(np.asarray(x, np.float64), np.asarray(y, np.float64))
    outwards, west, north = _on_sphere(np.asarray(west), np.asarray(north), disk)
    b0 = radians(observer.b0)
    lat = np.arcsin(np.clip(north * cos(b0) + outwards * sin(b0), -1, 1))
    from_meridian = np.arctan2(west, outwards * cos(b0) - north * sin(b0))
    return _wrapped(np.degrees(from_meridian) + observer.longitude), np.degrees(lat)


def pixels_of(image: SolarImage, lon: ArrayLike, lat: ArrayLike) -> tuple[Floats, Floats]:
    """Return the pixels (x, y) of places on the Sun; NaN for those behind the limb.

    Parameters
    ----------
    image : SolarImage
        An image of the disk, or a map.
    lon, lat : array-like, shape (n,)
        Stonyhurst longitude and latitude [deg].

    Raises
    ------
    ContractError
        If the image has no coordinates, or its observer is unknown.
    """
    observer = image.seen_from
    if isinstance(image.frame, CeaGrid):
        return image.frame.pixels(carrington_of_stonyhurst(lon, observer), lat)
    disk = image.disk
    outwards, west, north = _towards(observer, lon, lat)
    tangent = tan(radians(disk.angular_radius / _ARCSEC_PER_DEG))
    distance = _distance(disk)
    shrink = 1 / ((distance - outwards) * tangent)
    x, y = disk.pixels(west * shrink, north * shrink)
    hidden = outwards * distance < 1
    return np.where(hidden, np.nan, x), np.where(hidden, np.nan, y)


def mu_of_position(image: SolarImage, lon: ArrayLike, lat: ArrayLike) -> Floats:
    """Return the cosine of the angle between the vertical and the line of sight.

    It is 1 at the centre of the disk, 0 at the limb and negative behind it.

    Parameters
    ----------
    image : SolarImage
        What tells the observer.
    lon, lat : array-like, shape (n,)
        Stonyhurst longitude and latitude [deg].
    """
    outwards, _, _ = _towards(image.seen_from, lon, lat)
    if isinstance(image.frame, Disk):
        distance = _distance(image.frame)
    else:
        distance = image.seen_from.distance / SOLAR_RADIUS
    way = np.sqrt(1 + distance**2 - 2 * distance * outwards)
    return np.asarray((distance * outwards - 1) / way)


def mu_map(image: SolarImage) -> NDArray[np.float32]:
    """Return that cosine for every pixel, shape (ny, nx); NaN off the disk.

    Raises
    ------
    ContractError
        If the image has no coordinates.
    """
    ny, nx = image.shape
    if isinstance(image.frame, CeaGrid):
        y, x = np.mgrid[:ny, :nx]
        mu = mu_of_position(image, *heliographic(image, x, y))
        return np.where(mu > 0, mu, np.nan).astype(np.float32)
    squared = _squared_radius(image)
    np.subtract(1, squared, out=squared)
    squared[squared <= 0] = np.nan
    return np.sqrt(squared, out=squared)


def on_disk(image: SolarImage, *, part: float = 1.0) -> NDArray[np.bool_]:
    """Tell which pixels lie on the solar disk, shape (ny, nx).

    Parameters
    ----------
    image : SolarImage
        An image of the disk.
    part : float
        Of its radius.

    Raises
    ------
    ContractError
        If the image has no disk.
    """
    return np.asarray(_squared_radius(image) < np.float32(part**2))


def near_limb(mu: ArrayLike, *, angle: float = NEAR_LIMB_ANGLE) -> NDArray[np.bool_]:
    """Tell which places lie so near the limb, or behind it, that they should be flagged.

    Parameters
    ----------
    mu : array-like
        Of :func:`mu_of_position` or :func:`mu_map`; NaN counts as near.
    angle : float
        From the centre of the disk [deg].

    Examples
    --------
    >>> near_limb([1.0, 0.5, 0.2]).tolist()
    [False, False, True]
    """
    return ~(np.asarray(mu) >= cos(radians(angle)))


def carrington_of_stonyhurst(lon: ArrayLike, observer: Observer) -> Floats:
    """Return Carrington longitudes, 0 to 360 [deg]."""
    from_meridian = np.asarray(lon, np.float64) - observer.longitude
    return np.asarray((from_meridian + observer.l0) % _FULL_CIRCLE)


def stonyhurst_of_carrington(lon: ArrayLike, observer: Observer) -> Floats:
    """Return Stonyhurst longitudes, -180 to 180 [deg]."""
    return _wrapped(np.asarray(lon, np.float64) - observer.l0 + observer.longitude)


def _wrapped(lon: Floats) -> Floats:
    return np.asarray((lon + _HALF_CIRCLE) % _FULL_CIRCLE - _HALF_CIRCLE)


def _distance(disk: Disk) -> float:
    """Return the distance of the observer [radius of the Sun]."""
    return 1 / sin(radians(disk.angular_radius / _ARCSEC_PER_DEG))


def _on_sphere(west: Floats, north: Floats, disk: Disk) -> tuple[Floats, Floats, Floats]:
    """Return where lines of sight meet the Sun: towards the observer, west and north [radius]."""
    tangent = tan(radians(disk.angular_radius / _ARCSEC_PER_DEG))
    squared = west**2 + north**2
    depth = 1 - squared
    root = np.sqrt(np.where(depth > 0, depth, np.nan))
    way = (_distance(disk) - root) / (1 + squared * tangent**2)
    return _distance(disk) - way, way * tangent * west, way * tangent * north


def _towards(observer: Observer, lon: ArrayLike, lat: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Return places as vectors: towards the observer, west and north [radius of the Sun]."""
    from_meridian = np.radians(np.asarray(lon, np.float64) - observer.longitude)
    latitude, b0 = np.radians(np.asarray(lat, np.float64)), radians(observer.b0)
    flat = np.cos(latitude) * np.cos(from_meridian)
    outwards = np.sin(latitude) * sin(b0) + flat * cos(b0)
    north = np.sin(latitude) * cos(b0) - flat * sin(b0)
    return outwards, np.cos(latitude) * np.sin(from_meridian), north


def _squared_radius(image: SolarImage) -> NDArray[np.float32]:
    """Return the squared distance of every pixel from the centre of the disk [radius]."""
    disk = image.disk
    ny, nx = image.shape
    if disk.radius <= 0:
        raise ContractError("The disk has no radius.", "Correct it.", path=image.source or None)
    x = (((np.arange(nx) - disk.x) / disk.radius) ** 2).astype(np.float32)
    y = (((np.arange(ny) - disk.y) / disk.radius) ** 2).astype(np.float32)
    return np.asarray(y[:, None] + x[None, :])
