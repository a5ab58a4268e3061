"""One image of the Sun: pixels, where the disk lies in them, when and from where it was seen.

Rows run from south to north and columns from east to west, as in FITS and sunpy: draw it with
``origin="lower"``. Pixel coordinates are (x, y), column and row, 0 being the centre of the first.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import asin, cos, degrees, radians, sin, tan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import ContractError
from skysift.data.solar.cea import CeaGrid
from skysift.data.solar.ephemeris import ASTRONOMICAL_UNIT, SOLAR_RADIUS
from skysift.data.solar.flags import PixelMask, SolarFlag

__all__ = [
    "MEAN_ANGULAR_RADIUS",
    "Disk",
    "ImageKind",
    "Observer",
    "Placement",
    "SolarImage",
]

_ARCSEC_PER_DEG = 3600.0
MEAN_ANGULAR_RADIUS = degrees(asin(SOLAR_RADIUS / ASTRONOMICAL_UNIT)) * _ARCSEC_PER_DEG
"""Of the Sun from one astronomical unit [arcsec]."""

_PLANE = 2

Pixels = NDArray[np.float64] | float


class ImageKind(StrEnum):
    """What the pixels are."""

    MAGNETOGRAM = "magnetogram"
    INTENSITY = "intensity"
    EUV = "euv"
    SEGMENTATION = "segmentation"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Observer:
    """Where an image was taken from (Thompson 2006, A&A 449, 791).

    Parameters
    ----------
    b0 : float
        Heliographic latitude [deg].
    l0 : float
        Carrington longitude [deg].
    longitude : float
        Stonyhurst longitude [deg], 0 at the Earth, west positive.
    distance : float
        To the centre of the Sun [m].
    """

    b0: float
    l0: float
    longitude: float = 0.0
    distance: float = ASTRONOMICAL_UNIT


@dataclass(frozen=True, slots=True)
class Disk:
    """Where the solar disk lies in an image; its centre may lie outside.

    Parameters
    ----------
    x, y : float
        Its centre [pixel].
    radius : float
        Of the limb [pixel].
    tilt : float
        What remains of CROTA2 [deg]: solar north lies that far from the columns, seen from the
        image towards its right. Readers leave a fraction of a degree at most.
    angular_radius : float
        Of the limb on the sky [arcsec].

    Examples
    --------
    >>> round(Disk(255.5, 255.5, 200.0, angular_radius=960.0).pixel_scale, 3)
    4.8
    """

    x: float
    y: float
    radius: float
    tilt: float = 0.0
    angular_radius: float = MEAN_ANGULAR_RADIUS

    @property
    def pixel_scale(self) -> float:
        """Side of a pixel at the centre of the disk [arcsec]."""
        angle = tan(radians(self.angular_radius / _ARCSEC_PER_DEG))
        return degrees(angle / self.radius) * _ARCSEC_PER_DEG

    def moved(self, dx: float, dy: float) -> "Disk":
        """Return the disk in an image whose first pixel is (dx, dy) of this one."""
        return Disk(self.x - dx, self.y - dy, self.radius, self.tilt, self.angular_radius)

    def offsets(self, x: Pixels, y: Pixels) -> tuple[Pixels, Pixels]:
        """Return how far pixels lie west and north of the centre, in radii of the disk."""
        dx, dy = x - self.x, y - self.y
        if self.tilt == 0:
            return dx / self.radius, dy / self.radius
        sine, cosine = sin(radians(self.tilt)), cos(radians(self.tilt))
        return (cosine * dx - sine * dy) / self.radius, (sine * dx + cosine * dy) / self.radius

    def pixels(self, west: Pixels, north: Pixels) -> tuple[Pixels, Pixels]:
        """Return the pixels of points that lie so far from the centre; undoes :meth:`offsets`."""
        sine, cosine = sin(radians(self.tilt)), cos(radians(self.tilt))
        x = self.x + self.radius * (cosine * west + sine * north)
        return x, self.y + self.radius * (cosine * north - sine * west)


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the pixels of an image lie in its file.

    A file counts rows as it stores them: pictures (JPEG, PNG, GIF, JP2) from the top, FITS mostly
    from the bottom. ``x_file = xx * x + xy * y + x0`` and ``y_file = yx * x + yy * y + y0``.
    """

    xx: float = 1.0
    xy: float = 0.0
    yx: float = 0.0
    yy: float = 1.0
    x0: float = 0.0
    y0: float = 0.0

    def to_file(self, x: Pixels, y: Pixels) -> tuple[Pixels, Pixels]:
        """Return where pixels of the image lie in the file."""
        return self.xx * x + self.xy * y + self.x0, self.yx * x + self.yy * y + self.y0

    def from_file(self, x: Pixels, y: Pixels) -> tuple[Pixels, Pixels]:
        """Return where pixels of the file lie in the image.

        Examples
        --------
        >>> upside_down = Placement(yy=-1.0, y0=511.0)
        >>> upside_down.from_file(10.0, 0.0)
        (10.0, 511.0)
        """
        determinant = self.xx * self.yy - self.xy * self.yx
        dx, dy = x - self.x0, y - self.y0
        return (
            (self.yy * dx - self.xy * dy) / determinant,
            (self.xx * dy - self.yx * dx) / determinant,
        )

    def after(self, inner: "Placement") -> "Placement":
        """Return the placement of an image that lies in this one as `inner` says."""
        x0, y0 = self.to_file(inner.x0, inner.y0)
        return Placement(
            self.xx * inner.xx + self.xy * inner.yx,
            self.xx * inner.xy + self.xy * inner.yy,
            self.yx * inner.xx + self.yy * inner.yx,
            self.yx * inner.xy + self.yy * inner.yy,
            float(x0),
            float(y0),
        )


@dataclass(frozen=True, eq=False)
class SolarImage:
    """An image of the Sun, north up.

    Parameters
    ----------
    data : array of float32, shape (ny, nx)
        Values in `unit`, NaN wherever `mask` is not 0.
    mask : array of uint8, shape (ny, nx)
        Bits of :class:`PixelMask`.
    frame : Disk or CeaGrid or None
        Where the Sun lies; None if the file does not say so and no limb was found.
    time : datetime64 or None
        UTC of the middle of the exposure.
    observer : Observer or None
        None if the time is unknown and the file does not say.
    kind : ImageKind
        What was observed.
    unit : str
        As the FITS standard writes it, e.g. ``G`` or ``DN/s``; empty for display values.
    wavelength : float
        Of the line or the band [Angstrom], NaN if unknown.
    instrument : str
        E.g. ``SDO/HMI``; empty if unknown.
    source : str
        The path, and the member of an archive behind ``#``.
    sha256 : str
        Hash of the file, unpacked.
    flags : SolarFlag
        What its reader found.
    header : mapping of str to number or str
        What else the file tells and models use, by FITS keywords.
    placement : Placement
        Where its pixels lie in the file.

    Raises
    ------
    ContractError
        If the pixels are not a plane of float32, or the mask has another shape.
    """

    data: NDArray[np.float32]
    mask: NDArray[np.uint8]
    frame: Disk | CeaGrid | None = None
    time: np.datetime64 | None = None
    observer: Observer | None = None
    kind: ImageKind = ImageKind.UNKNOWN
    unit: str = ""
    wavelength: float = float("nan")
    instrument: str = ""
    source: str = ""
    sha256: str = ""
    flags: SolarFlag = SolarFlag.NONE
    header: Mapping[str, Any] = field(default_factory=dict)
    placement: Placement = field(default_factory=Placement)

    def __post_init__(self) -> None:
        if self.data.ndim != _PLANE or self.data.dtype != np.float32:
            raise ContractError(
                f"The data are {self.data.dtype} of shape {self.data.shape}.",
                "Give a plane of float32.",
            )
        if self.mask.shape != self.data.shape or self.mask.dtype != np.uint8:
            raise ContractError(
                f"The mask is {self.mask.dtype} of shape {self.mask.shape}, "
                f"the data have {self.data.shape}.",
                "Give one uint8 for each pixel.",
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.data.shape[0], self.data.shape[1]

    @property
    def disk(self) -> Disk:
        """Where the solar disk lies.

        Raises
        ------
        ContractError
            If the image is a map, or no disk was found in it.
        """
        if isinstance(self.frame, Disk):
            return self.frame
        what = "is a map in heliographic coordinates" if self.frame else "shows no solar limb"
        raise ContractError(
            f"The image {what}, so it has no disk.",
            "Give an image of the disk.",
            path=self.source or None,
        )

    @property
    def seen_from(self) -> Observer:
        """Where it was taken from.

        Raises
        ------
        ContractError
            If that is unknown.
        """
        if self.observer is None:
            raise ContractError(
                "Neither the time nor the observer of the image is known, so its longitudes and "
                "latitudes are not either.",
                "Give the time of the image.",
                path=self.source or None,
            )
        return self.observer

    @property
    def pixel_scale(self) -> float:
        """Side of a pixel at the centre of the disk [arcsec]; NaN for maps and unknown disks."""
        return self.frame.pixel_scale if isinstance(self.frame, Disk) else float("nan")

    def has(self, bits: PixelMask) -> NDArray[np.bool_]:
        """Tell which pixels have one of the bits set, shape (ny, nx)."""
        return np.asarray(self.mask & np.uint8(int(bits)), dtype=np.bool_)
