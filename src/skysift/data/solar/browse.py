"""Pictures of the Sun made for people: JPEG, PNG, GIF and JPEG 2000.

They have no coordinates, or only those that Helioviewer writes. The disk is found by its limb; what
is written beside it is masked; time and channel come from the name of the file.
"""

import warnings
from io import BytesIO
from math import isfinite

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from skysift.data.images.limits import Limits
from skysift.data.solar.assemble import is_cut
from skysift.data.solar.ephemeris import SOLAR_RADIUS, EarthView, earth_view
from skysift.data.solar.file_names import FileName, read_file_name
from skysift.data.solar.flags import PixelMask, SolarFlag
from skysift.data.solar.limb_fit import LimbFit, fit_limb
from skysift.data.solar.limits import SolarReadError, require_size
from skysift.data.solar.solar_image import (
    MEAN_ANGULAR_RADIUS,
    Disk,
    ImageKind,
    Observer,
    Placement,
    SolarImage,
)
from skysift.data.solar.text_mask import text_mask

__all__ = ["PICTURE_FORMATS", "browse_image", "read_picture"]

PICTURE_FORMATS = ("JPEG", "PNG", "GIF", "JPEG2000")
"""As Pillow names them."""

CORONAL_LIMB = 1.0018
"""Height of the limb in the light of the corona, in radii of the photosphere.

Median of the fits to the 370 pictures of AIA 211 A from 2010 to 2015; their scatter is 0.0004.
"""

_FALLS = {ImageKind.EUV: False, ImageKind.MAGNETOGRAM: True, ImageKind.INTENSITY: True}
_ARCSEC_PER_DEG = 3600.0
_GREY = {"1", "L", "LA", "I;16", "I;16B", "I", "F"}
_MID_GREY = 127.5
_MAGNETOGRAM_LEVEL = 30.0  # of the median about mid-grey
_MAGNETOGRAM_SPREAD = 25.0  # of the middle half
_FLAT_LIMB = (0.93, 1.07)  # brightness near the limb, in that of the centre
_INNER, _NEAR_LIMB, _WITHIN_LIMB = 0.4, 0.85, 0.95  # radii


def read_picture(data: bytes, limits: Limits) -> tuple[NDArray[np.float32], SolarFlag]:
    """Return the brightness of a picture in memory, rows from the top as stored, and its flags.

    Raises
    ------
    SolarReadError
        If it is damaged, too large or too small.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture: Image.Image = Image.open(BytesIO(data), formats=PICTURE_FORMATS)
        require_size(picture.width, picture.height, limits, n_bytes=len(data))
        flags = SolarFlag.DISPLAY_SCALE
        if picture.mode in {"I;16", "I;16B", "I", "F"}:
            return np.asarray(picture, dtype=np.float32), SolarFlag.NONE
        if picture.mode not in _GREY:
            picture = picture.convert("RGB")
            if np.ptp(np.asarray(picture)[::8, ::8], axis=2).any():
                flags |= SolarFlag.COLOUR
        return np.asarray(picture.convert("L"), dtype=np.float32), flags
    except SolarReadError:
        raise
    except Image.DecompressionBombWarning as error:
        raise SolarReadError(
            "too-large", f"The picture is too large: {error}", "Shrink it."
        ) from error
    except Exception as error:  # damage can make the decoders raise anything
        raise SolarReadError(
            "damaged-picture", f"The picture is damaged ({error}).", "Download it again."
        ) from error


def browse_image(
    stored: NDArray[np.float32],
    *,
    source: str,
    sha256: str,
    flags: SolarFlag = SolarFlag.NONE,
    time: np.datetime64 | None = None,
    kind: ImageKind | None = None,
) -> SolarImage:
    """Return the image that a picture without coordinates shows; north is taken to be up.

    Parameters
    ----------
    stored : array of float32, shape (ny, nx)
        Brightness, rows from the top.
    source, sha256 : str
        Of the file.
    flags : SolarFlag
        What is known already.
    time : datetime64, optional
        UTC; that of the name of the file if not given.
    kind : ImageKind, optional
        What it shows; told from the name or else from the disk if not given.
    """
    picture = np.ascontiguousarray(stored[::-1])
    named = read_file_name(source.rpartition("/")[2].rpartition("#")[2])
    if time is None:
        time = named.time
        flags |= SolarFlag.NO_TIME if time is None else SolarFlag.TIME_FROM_NAME
    observer, angular_radius = _earth(time)
    finite = np.nan_to_num(picture)
    shown = kind or named.kind
    limb = fit_limb(
        finite, guess=_guess(named, picture.shape, angular_radius), falls=_FALLS.get(shown)
    )
    disk = None if limb is None else _disk(limb, angular_radius)
    mask = np.where(np.isfinite(picture), 0, int(PixelMask.MISSING)).astype(np.uint8)
    if limb is None or disk is None:
        flags |= SolarFlag.NO_DISK
    else:
        flags |= SolarFlag.FITTED_LIMB
        flags |= SolarFlag.NONE if limb.is_certain else SolarFlag.POOR_LIMB
        flags |= SolarFlag.CUT_DISK if is_cut(disk, picture.shape) else SolarFlag.NONE
        written = text_mask(finite, (disk.x, disk.y, disk.radius))
        if written.any():
            flags |= SolarFlag.TEXT_MASKED
            mask[written] = int(PixelMask.TEXT)
            picture[written] = np.nan
    if kind is None:
        kind = shown if shown is not ImageKind.UNKNOWN else _look(finite, limb)
    flags |= SolarFlag.UNKNOWN_KIND if kind is ImageKind.UNKNOWN else SolarFlag.NONE
    flags |= SolarFlag.ASSUMED_OBSERVER if observer is not None else SolarFlag.NONE
    return SolarImage(
        data=picture,
        mask=mask,
        frame=disk,
        time=time,
        observer=observer,
        kind=kind,
        wavelength=named.wavelength,
        instrument=named.instrument,
        source=source,
        sha256=sha256,
        flags=flags,
        placement=Placement(yy=-1.0, y0=picture.shape[0] - 1.0),
    )


def _earth(time: np.datetime64 | None) -> tuple[Observer | None, float]:
    """Return the view from the Earth, and the angular radius of the Sun there [arcsec]."""
    if time is None:
        return None, MEAN_ANGULAR_RADIUS
    view: EarthView = earth_view(time)
    distance = float(view.distance)
    radius = float(np.degrees(np.arcsin(SOLAR_RADIUS / distance))) * _ARCSEC_PER_DEG
    return Observer(float(view.b0), float(view.l0), 0.0, distance), radius


def _guess(
    named: FileName, shape: tuple[int, ...], angular_radius: float
) -> tuple[float, float, float] | None:
    """Return where the disk should lie in an archive of known scale."""
    ny, nx = shape
    if not isfinite(named.field):
        return None
    return (nx - 1) / 2, (ny - 1) / 2, angular_radius / named.field * nx


def _disk(limb: LimbFit, angular_radius: float) -> Disk:
    radius = limb.radius if limb.falls else limb.radius / CORONAL_LIMB
    return Disk(limb.x, limb.y, radius, 0.0, angular_radius)


def _look(picture: NDArray[np.float32], limb: LimbFit | None) -> ImageKind:
    """Tell what a picture shows from the brightness of its disk."""
    if limb is None:
        return ImageKind.UNKNOWN
    if not limb.falls:
        return ImageKind.EUV
    ny, nx = picture.shape
    y, x = np.ogrid[:ny, :nx]
    from_centre = np.hypot(x - limb.x, y - limb.y) / limb.radius
    inner = picture[from_centre < _INNER]
    outer = picture[(from_centre > _NEAR_LIMB) & (from_centre < _WITHIN_LIMB)]
    if not len(inner) or not len(outer):
        return ImageKind.UNKNOWN
    low, middle, high = np.percentile(inner, (25, 50, 75))
    ratio = float(np.median(outer)) / max(float(middle), 1.0)
    is_level = abs(middle - _MID_GREY) < _MAGNETOGRAM_LEVEL and high - low < _MAGNETOGRAM_SPREAD
    if is_level and _FLAT_LIMB[0] < ratio < _FLAT_LIMB[1]:
        return ImageKind.MAGNETOGRAM
    return ImageKind.INTENSITY if ratio < _FLAT_LIMB[0] else ImageKind.UNKNOWN
