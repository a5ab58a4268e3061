"""What the name of a file says of the image in it: archives of pictures have no other header."""

import re
from dataclasses import dataclass

import numpy as np

from skysift.data.solar.header_time import parse_time
from skysift.data.solar.solar_image import ImageKind

__all__ = ["FileName", "read_file_name"]

_TIMES = (
    re.compile(r"(\d{4})[-._]?(\d{2})[-._]?(\d{2})[-._T ]{1,2}(\d{2})[-.:_]?(\d{2})[-.:_]?(\d{2})"),
    re.compile(r"(\d{4})[-._]?(\d{2})[-._]?(\d{2})[-._T ]{1,2}(\d{2})[-.:_]?(\d{2})()"),
)
# https://sdo.gsfc.nasa.gov/assets/img/browse: date, time, side of the picture, channel
_SDO_BROWSE = re.compile(r"^\d{8}_\d{6}_(\d+)_(\d{4}|HMI[A-Z]+)\.")
_CHANNEL = re.compile(
    r"(?:AIA|EIT|SWAP|SUVI|EUVI|_FSI)[-_A-Z]*?[-_. ]?0*(\d{2,4})(?!\d)", re.IGNORECASE
)
_MAGNETOGRAM = re.compile(
    r"HMI\.m\d|HMIB|magnetogram|[-_.]mag[-_.]|^(?:bb|ml|le|ud|td|ct)bq[aic]|^mdimag", re.IGNORECASE
)
_CONTINUUM = re.compile(r"HMII|continuum|HMI\.i[cf]?\d|intensitygram", re.IGNORECASE)
_HMI_LINE = 6173.0
_EUV_BAND = (90.0, 1000.0)  # Angstrom
_SDO_SCALE = 0.6 * 4096  # arcsec on the side of every picture of the browse archive
_NO_WAVELENGTH = float("nan")


@dataclass(frozen=True, slots=True)
class FileName:
    """What a name says.

    Parameters
    ----------
    time : datetime64 or None
        UTC.
    kind : ImageKind
    wavelength : float
        [Angstrom]; NaN if unknown.
    instrument : str
        Empty if unknown.
    field : float
        What the side of the picture spans [arcsec], NaN if the name does not tell.

    """

    time: np.datetime64 | None
    kind: ImageKind
    wavelength: float
    instrument: str
    field: float


def read_file_name(name: str) -> FileName:
    """Return what the name of a file says, without its folder.

    Examples
    --------
    >>> found = read_file_name("20120307_003014_512_0211.jpg")
    >>> str(found.time), found.kind.value, found.wavelength, found.instrument
    ('2012-03-07T00:30:14.000', 'euv', 211.0, 'SDO/AIA')
    >>> read_file_name("HMI.m2026.02.01_03.00.00.jpg").kind.value
    'magnetogram'
    """
    browse = _SDO_BROWSE.match(name)
    kind, wavelength, instrument = _channel(name, browse)
    return FileName(
        time=_time(name),
        kind=kind,
        wavelength=wavelength,
        instrument=instrument,
        field=_SDO_SCALE if browse else float("nan"),
    )


def _time(name: str) -> np.datetime64 | None:
    for pattern in _TIMES:
        match = pattern.search(name)
        if match is not None:
            year, month, day, hour, minute, second = match.groups()
            found = parse_time(f"{year}-{month}-{day}T{hour}:{minute}:{second or '00'}")
            if found is not None:
                return found
    return None


def _channel(name: str, browse: re.Match[str] | None) -> tuple[ImageKind, float, str]:
    if _MAGNETOGRAM.search(name):
        hmi = "HMI" in name.upper()
        return ImageKind.MAGNETOGRAM, _HMI_LINE if hmi else _NO_WAVELENGTH, "SDO/HMI" * hmi
    if _CONTINUUM.search(name):
        hmi = "HMI" in name.upper()
        return ImageKind.INTENSITY, _HMI_LINE if hmi else _NO_WAVELENGTH, "SDO/HMI" * hmi
    channel = _CHANNEL.search(name)
    if browse is not None:
        wavelength = float(browse[2])  # HMI was found above
    elif channel is not None:
        wavelength = float(channel[1])
    else:
        return ImageKind.UNKNOWN, _NO_WAVELENGTH, ""
    in_band = _EUV_BAND[0] < wavelength < _EUV_BAND[1]
    aia = browse is not None or "AIA" in name.upper()
    return ImageKind.EUV if in_band else ImageKind.INTENSITY, wavelength, "SDO/AIA" * aia
