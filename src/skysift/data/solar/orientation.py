"""Coordinates of a header on the pixels, and the image turned north up by them."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import atan2, degrees, isfinite, radians, tan
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from skysift.data.solar.header_facts import number, text
from skysift.data.solar.limits import SolarReadError
from skysift.data.solar.solar_image import Disk, Placement

__all__ = ["LARGEST_TILT", "Oriented", "Pointing", "north_up", "pointing_of"]

LARGEST_TILT = 0.25
"""Rotation that is left in the pixels and kept in the geometry [deg].

To turn HMI's 0.07 deg away costs more time than all else, and smooths what was measured.
"""

_ARCSEC = {"arcsec": 1.0, "deg": 3600.0, "degree": 3600.0, "degrees": 3600.0, "mas": 1e-3}
_ARCSEC |= {"rad": degrees(1.0) * 3600.0, "": 1.0, "arcsecs": 1.0, "arcseconds": 1.0}
_ARCSEC_PER_DEG = 3600.0
_NEGLIGIBLE = 0.05  # pixel
_RIGHT_ANGLE = 90.0
_FINEST, _COARSEST = 1e-3, 1e3  # arcsec
_FARTHEST = 1e7  # pixel
_PREFIXES = ("HPLN", "SOLAR", "GONGX", "ARCSEC")

Matrix = NDArray[np.float64]


@dataclass(frozen=True, eq=False, slots=True)
class Pointing:
    """Helioprojective coordinates, linear over the small angles of the disk.

    Parameters
    ----------
    x, y : float
        Pixel of the centre of the disk.
    matrix : array, shape (2, 2)
        Brings pixels from there to arcseconds, west and north.
    """

    x: float
    y: float
    matrix: Matrix

    def scaled(self, factor: float) -> "Pointing":
        """Return the pointing of the image brought to `factor` times as many pixels a side."""
        x, y = ((edge + 0.5) * factor - 0.5 for edge in (self.x, self.y))
        return Pointing(x, y, self.matrix / factor)


@dataclass(frozen=True, eq=False, slots=True)
class Oriented:
    """An image turned north up.

    Parameters
    ----------
    data : array of float32, shape (ny, nx)
    observed : array of bool, shape (ny, nx), or None
        Which pixels lie within what was observed; None if all do.
    disk : Disk
    placement : Placement
        Where its pixels lie in the array that was turned.
    """

    data: NDArray[np.float32]
    observed: NDArray[np.bool_] | None
    disk: Disk
    placement: Placement


def pointing_of(header: Mapping[str, Any], angular_radius: float) -> Pointing | None:
    """Return where the pixels of a header lie on the sky, None if it does not say.

    Parameters
    ----------
    header : mapping of str to value
        By FITS keywords in capitals.
    angular_radius : float
        Of the Sun [arcsec].

    Raises
    ------
    SolarReadError
        If the coordinates are not helioprojective, or make no sense.
    """
    if text(header, "ORIGIN").startswith("MT. WILSON"):
        scale = angular_radius / number(header, "R0")
        return _sound(number(header, "X0") - 1, number(header, "Y0") - 1, np.eye(2) * scale)
    if not isfinite(number(header, "CRPIX1") + number(header, "CRPIX2")):
        return None
    kind = text(header, "CTYPE1").upper()
    if kind and not kind.startswith(_PREFIXES):
        raise SolarReadError(
            "bad-coordinates",
            f"The coordinates of the image are {kind}, not helioprojective ones.",
            "Give an image of the Sun as it is seen, or a cylindrical equal-area map.",
        )
    matrix = _matrix(header)
    if matrix is None:
        return None
    reference = np.array([_value(header, 1), _value(header, 2)])
    if not np.abs(matrix).max() < _COARSEST or not abs(np.linalg.det(matrix)) > _FINEST**2:
        raise SolarReadError(
            "bad-coordinates",
            "The scale of the image makes no sense.",
            "Correct CDELT1 and CDELT2.",
        )
    x, y = np.array([number(header, "CRPIX1"), number(header, "CRPIX2")]) - 1
    dx, dy = np.linalg.solve(matrix, -reference)
    return _sound(x + dx, y + dy, matrix)


def north_up(
    data: NDArray[np.float32],
    pointing: Pointing,
    angular_radius: float,
    *,
    largest_tilt: float = LARGEST_TILT,
) -> Oriented:
    """Turn an image so that solar north is up, west right and pixels are square.

    Turns by right angles and mirrorings are exact. What then remains up to `largest_tilt` is kept
    in the disk; anything else is interpolated bilinearly about the centre of the disk, which stays
    where it is (about the middle of the image, if the centre lies outside).

    Parameters
    ----------
    data : array of float32, shape (ny, nx)
    pointing : Pointing
    angular_radius : float
        Of the Sun [arcsec].
    largest_tilt : float
        [deg]

    Raises
    ------
    SolarReadError
        If the scale or the centre cannot be those of a solar image.
    """
    scale = float(np.sqrt(abs(np.linalg.det(pointing.matrix))))
    if not _FINEST < scale < _COARSEST or max(abs(pointing.x), abs(pointing.y)) > _FARTHEST:
        raise SolarReadError(
            "bad-coordinates",
            f"Pixels of {scale:.3g} arcsec, {pointing.x:.4g} and {pointing.y:.4g} from the centre "
            "of the Sun, are no image of it.",
            "Correct CDELT, CRPIX and CRVAL.",
        )
    radius = tan(radians(angular_radius / _ARCSEC_PER_DEG)) / radians(scale / _ARCSEC_PER_DEG)
    exact, tilt = _right_angles(pointing.matrix)
    rest = pointing.matrix @ exact / scale - _rotation(tilt)
    if abs(tilt) <= largest_tilt and np.abs(rest).max() * max(data.shape) < _NEGLIGIBLE:
        turned, placement = _turned_exactly(data, exact)
        x, y = placement.from_file(pointing.x, pointing.y)
        disk = Disk(float(x), float(y), radius, tilt, angular_radius)
        return Oriented(turned, None, disk, placement)
    return _interpolated(data, pointing, scale, radius, angular_radius)


def _interpolated(
    data: NDArray[np.float32],
    pointing: Pointing,
    scale: float,
    radius: float,
    angular_radius: float,
) -> Oriented:
    ny, nx = data.shape
    inside = 0 <= pointing.x < nx and 0 <= pointing.y < ny
    pivot = np.array([pointing.x, pointing.y] if inside else [(nx - 1) / 2, (ny - 1) / 2])
    to_file = np.linalg.inv(pointing.matrix) * scale
    start = pivot - to_file @ pivot
    placement = Placement(*map(float, [*to_file[0], *to_file[1], *start]))
    turned = ndimage.affine_transform(
        data,
        to_file[::-1, ::-1],
        offset=start[::-1],
        order=1,
        cval=np.nan,
        prefilter=False,
        output=np.float32,
    )
    y, x = np.ogrid[:ny, :nx]
    column, row = placement.to_file(x, y)
    edge = 1e-6
    observed = (column >= -edge) & (column <= nx - 1 + edge)
    observed &= (row >= -edge) & (row <= ny - 1 + edge)
    centre_x, centre_y = placement.from_file(pointing.x, pointing.y)
    disk = Disk(float(centre_x), float(centre_y), radius, 0.0, angular_radius)
    return Oriented(turned, observed, disk, placement)


def _right_angles(matrix: Matrix) -> tuple[Matrix, float]:
    """Return the exact turn from upright to stored pixels, and what rotation it leaves [deg]."""
    mirror = np.diag([-1.0, 1.0]) if np.linalg.det(matrix) < 0 else np.eye(2)
    upright = matrix @ mirror
    rotation = degrees(atan2(upright[1, 0] - upright[0, 1], upright[0, 0] + upright[1, 1]))
    quarter = round(rotation / _RIGHT_ANGLE)
    exact = mirror @ np.rint(_rotation(-quarter * _RIGHT_ANGLE))
    return exact, rotation - quarter * _RIGHT_ANGLE


def _turned_exactly(
    data: NDArray[np.float32], exact: Matrix
) -> tuple[NDArray[np.float32], Placement]:
    ny, nx = data.shape
    swapped = exact[0, 0] == 0
    column_sign, row_sign = exact[0].sum(), exact[1].sum()
    stored = data[:: int(row_sign), :: int(column_sign)]
    turned = np.ascontiguousarray(stored.T if swapped else stored)
    start = (0.0 if column_sign > 0 else nx - 1.0, 0.0 if row_sign > 0 else ny - 1.0)
    return turned, Placement(*map(float, [*exact[0], *exact[1], *start]))


def _matrix(header: Mapping[str, Any]) -> Matrix | None:
    """Return arcseconds a pixel (Calabretta & Greisen 2002, equations 1 and 189 to 191)."""
    cd = np.array([[number(header, f"CD{i}_{j}") for j in (1, 2)] for i in (1, 2)])
    units = np.array([[_unit(header, 1)], [_unit(header, 2)]])
    if np.isfinite(cd).any():
        return np.asarray(np.nan_to_num(cd) * units)
    steps = np.array([number(header, "CDELT1"), number(header, "CDELT2")])
    if text(header, "TELESCOP").endswith("GONG") and isfinite(number(header, "FNDLMBMI")):
        return _gong_matrix(header)
    if not np.isfinite(steps).all():
        return None
    pc = np.array([[number(header, f"PC{i}_{j}") for j in (1, 2)] for i in (1, 2)])
    if np.isfinite(pc).any():
        pc = np.where(np.isfinite(pc), pc, np.eye(2))
        return np.asarray(pc * steps[:, None] * units)
    crota = number(header, "CROTA2", "CROTA")
    rotation = _rotation(crota if isfinite(crota) else 0.0)
    return np.asarray(rotation * steps[None, :] * units)


def _gong_matrix(header: Mapping[str, Any]) -> Matrix:
    """Return the scale of GONG's ellipse, fitted to the limb; its header has no other."""
    radius = degrees(number(header, "SEMIDIAM")) * _ARCSEC_PER_DEG
    if not isfinite(radius):
        radius = number(header, "SOLAR-R")
    axes = [number(header, "FNDLMBMI"), number(header, "FNDLMBMA")]
    return np.diag(radius / np.array(axes))


def _unit(header: Mapping[str, Any], axis: int) -> float:
    name = text(header, f"CUNIT{axis}").lower()
    if name not in _ARCSEC:
        raise SolarReadError(
            "bad-coordinates",
            f"CUNIT{axis} = '{name}' is no unit of angle.",
            f"Correct CUNIT{axis}.",
        )
    return _ARCSEC[name]


def _value(header: Mapping[str, Any], axis: int) -> float:
    value = number(header, f"CRVAL{axis}")
    return value * _unit(header, axis) if isfinite(value) else 0.0


def _rotation(angle: float) -> Matrix:
    cosine, sine = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    return np.array([[cosine, -sine], [sine, cosine]])


def _sound(x: float, y: float, matrix: Matrix) -> Pointing:
    if not np.isfinite([x, y, *matrix.ravel()]).all():
        raise SolarReadError(
            "bad-coordinates",
            "The coordinates of the header are not numbers.",
            "Correct the header.",
        )
    return Pointing(float(x), float(y), matrix)
