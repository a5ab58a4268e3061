"""What a header says of the observation: from where, of what, in which unit."""

import re
from collections.abc import Mapping
from math import asin, degrees, hypot, isfinite
from typing import Any

import numpy as np

from skysift.data.solar.ephemeris import (
    ASTRONOMICAL_UNIT,
    SOLAR_RADIUS,
    earth_view,
    ecliptic_observer,
)
from skysift.data.solar.solar_image import ImageKind, Observer

__all__ = [
    "KEPT",
    "angular_radius",
    "instrument_of",
    "kind_of",
    "number",
    "observer_of",
    "text",
    "unit_of",
    "wavelength_of",
]

# Keywords of the SHARP series (Bobra et al. 2014, Sol. Phys. 289, 3549, table 3) and of HARPs.
_SHARP = (
    "USFLUX MEANGAM MEANGBT MEANGBZ MEANGBH MEANJZD TOTUSJZ MEANALP MEANJZH TOTUSJH ABSNJZH "
    "SAVNCPP MEANPOT TOTPOT MEANSHR SHRGT45 R_VALUE SIZE AREA NACR SIZE_ACR AREA_ACR MTOT MNET "
    "MPOS_TOT MNEG_TOT HARPNUM NOAA_AR NOAA_NUM NOAA_ARS LAT_FWT LON_FWT LATFWTPO LONFWTPO "
    "LATFWTNE LONFWTNE LAT_MIN LON_MIN LAT_MAX LON_MAX LATDTMIN LONDTMIN LATDTMAX LONDTMAX CMASK"
)
_GENERAL = (
    "BUNIT PIXLUNIT CONTENT TELESCOP INSTRUME DETECTOR ORIGIN OBS-SITE SITE WAVELNTH WAVEUNIT "
    "LAMBDA IMTYPE DATA-TYP QUALITY EXPTIME CAMERA OBSRVTRY LVL_NUM AECTYPE"
)
_TIMES = "T_OBS T_REC DATE-OBS DATE_OBS DATE-AVG DATE-BEG TIME-OBS TIME_OBS TIMESYS TAVG-UT"
_GEOMETRY = (
    "NAXIS1 NAXIS2 CTYPE1 CTYPE2 CUNIT1 CUNIT2 CRPIX1 CRPIX2 CRVAL1 CRVAL2 CDELT1 CDELT2 CROTA2 "
    "CROTA PC1_1 PC1_2 PC2_1 PC2_2 CD1_1 CD1_2 CD2_1 CD2_2 DSUN_OBS RSUN_REF RSUN_OBS R_SUN "
    "SOLAR_R RADIUS CRLN_OBS CRLT_OBS HGLN_OBS HGLT_OBS HAEX_OBS HAEY_OBS HAEZ_OBS "
    "HEC_X HEC_Y HEC_Z OBS_L0 OBS_B0 OBS_DIST SOLAR_B0 SEMIDIAM "
    "SOLAR-R FNDLMBMI FNDLMBMA X0 Y0 R0 B0 CENLON PV2_1 LONPOLE P_ANGLE"
)
KEPT = tuple(f"{_SHARP} {_GENERAL} {_TIMES} {_GEOMETRY}".split())
"""Keywords that are read and kept."""

_EUV_INSTRUMENTS = ("AIA", "EIT", "SWAP", "SUVI", "EUVI", "EUI", "SECCHI", "SXI")
_EUV_BAND = (90.0, 1000.0)  # Angstrom
_FIELD_UNITS = {"g", "gauss", "mx/cm^2", "mx/cm2", "t", "tesla", "kgauss", "maxwell/cm2"}
_SEGMENTS = {
    "magnetogram": ImageKind.MAGNETOGRAM,
    "field": ImageKind.MAGNETOGRAM,
    "br": ImageKind.MAGNETOGRAM,
    "bt": ImageKind.MAGNETOGRAM,
    "bp": ImageKind.MAGNETOGRAM,
    "continuum": ImageKind.INTENSITY,
    "bitmap": ImageKind.SEGMENTATION,
}
_SEGMENT = re.compile(r"\.([A-Za-z]+)\.fits?(?:\.gz|\.fz)?$")
_ARCSEC_PER_DEG = 3600.0
# What is outside of these is a slip of the header, and no statement.
_SOLAR_RADII = (6e8, 8e8)  # m
_ANGULAR_RADII = (10.0, 1e5)  # arcsec
_CLOSE_RADIUS = 0.1  # of what the distance makes expect
_DISTANCES = (2e9, 1e13)  # m
_LATITUDES = (-90.0, 90.0)
_LONGITUDES = (-720.0, 720.0)
_FULL_CIRCLE, _HALF_CIRCLE = 360.0, 180.0
_ANGSTROM_PER_NM = 10.0
_SHORTEST_ANGSTROM_OF_LINES = 3000.0


def number(header: Mapping[str, Any], *keywords: str) -> float:
    """Return the first of the keywords that is a finite number, NaN if none is."""
    for keyword in keywords:
        value = header.get(keyword)
        if isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value):
            return float(value)
    return float("nan")


def text(header: Mapping[str, Any], keyword: str) -> str:
    """Return a value as text without outer spaces, empty if it is missing or no text."""
    value = header.get(keyword, "")
    return value.strip() if isinstance(value, str) else ""


def observer_of(
    header: Mapping[str, Any], time: np.datetime64 | None
) -> tuple[Observer | None, bool]:
    """Return from where an image was taken, None if that is unknown, and whether it is stated.

    What the header leaves open is as on the Earth at that time.
    """
    found = _stated(header, time)
    bounds = (_LATITUDES, _LONGITUDES, _LONGITUDES, _DISTANCES)
    b0, l0, longitude, distance = map(_within, found, bounds)
    stated = isfinite(b0) and (isfinite(l0) or isfinite(longitude))
    if time is None:
        if not (isfinite(b0) and isfinite(l0)):
            return None, False
        return Observer(b0, l0, _or(longitude, 0.0), _or(distance, ASTRONOMICAL_UNIT)), stated
    earth = earth_view(time)
    if not isfinite(longitude):
        longitude = _wrapped(l0 - float(earth.l0)) if isfinite(l0) else 0.0
    if not isfinite(l0):
        l0 = (float(earth.l0) + longitude) % _FULL_CIRCLE
    b0, distance = _or(b0, float(earth.b0)), _or(distance, float(earth.distance))
    return Observer(b0, l0, longitude, distance), stated


def _stated(
    header: Mapping[str, Any], time: np.datetime64 | None
) -> tuple[float, float, float, float]:
    """Return latitude, Carrington and Stonyhurst longitude [deg] and distance [m]; NaN if unknown.

    The most direct statement is taken, in the order of sunpy.
    """
    unknown = float("nan")
    if text(header, "ORIGIN").startswith("MT. WILSON"):
        return degrees(number(header, "B0")), number(header, "CENLON"), unknown, unknown
    ecliptic = np.array([number(header, f"HAE{axis}_OBS") for axis in "XYZ"])
    if not np.isfinite(ecliptic).all():  # EIT has it in kilometres
        ecliptic = 1e3 * np.array([number(header, f"HEC_{axis}") for axis in "XYZ"])
    if time is not None and isfinite(_within(hypot(*ecliptic.tolist()), _DISTANCES)):
        longitude, b0, distance = ecliptic_observer(ecliptic, time)
        return b0, unknown, longitude, distance
    distance = number(header, "DSUN_OBS")
    if not isfinite(distance):
        distance = number(header, "OBS_DIST") * ASTRONOMICAL_UNIT
    longitude, b0 = number(header, "HGLN_OBS"), number(header, "HGLT_OBS")
    if isfinite(longitude) and isfinite(b0):
        return b0, number(header, "CRLN_OBS"), longitude, distance
    b0 = number(header, "CRLT_OBS", "OBS_B0", "HGLT_OBS", "SOLAR_B0")
    return b0, number(header, "CRLN_OBS", "OBS_L0"), unknown, distance


def angular_radius(header: Mapping[str, Any], observer: Observer | None) -> float:
    """Return the angular radius of the Sun, from its centre to the limb [arcsec]."""
    radius = _within(number(header, "RSUN_REF"), _SOLAR_RADII)
    distance = observer.distance if observer is not None else ASTRONOMICAL_UNIT
    expected = _seen_angle(_or(radius, SOLAR_RADIUS), distance)
    candidates = (
        number(header, "RSUN_OBS"),
        degrees(number(header, "SEMIDIAM")) * _ARCSEC_PER_DEG,
        number(header, "SOLAR-R"),
        _solar_r(header, expected),
    )
    sensible = (_within(value, _ANGULAR_RADII) for value in candidates)
    stated = next((value for value in sensible if isfinite(value)), float("nan"))
    if isfinite(stated) and not (isfinite(radius) and observer is not None):
        return stated
    return expected


def _seen_angle(radius: float, distance: float) -> float:
    """Return the angular radius of a sphere, to its limb [arcsec]."""
    return degrees(asin(min(radius / distance, 1.0))) * _ARCSEC_PER_DEG


def _solar_r(header: Mapping[str, Any], expected: float) -> float:
    """Return SOLAR_R [arcsec]: EIT has it in pixels, Yohkoh in arcsec; NaN if neither makes sense.

    Images of EIT that were shrunk still have it in pixels of before.
    """
    value = number(header, "SOLAR_R")
    readings = (value * number(header, "CDELT1"), value)
    close = (one for one in readings if abs(one / expected - 1) < _CLOSE_RADIUS)
    return next(close, float("nan"))


def kind_of(header: Mapping[str, Any], file_name: str) -> ImageKind:
    """Return what was observed, as far as the header and the name of the file tell."""
    segment = _SEGMENT.search(file_name)
    if segment is not None and segment[1].lower() in _SEGMENTS:
        return _SEGMENTS[segment[1].lower()]
    content = " ".join(text(header, k) for k in ("CONTENT", "IMTYPE", "DATA-TYP")).upper()
    if "MAGNET" in content or text(header, "BUNIT").lower() in _FIELD_UNITS:
        return ImageKind.MAGNETOGRAM
    instrument = f"{text(header, 'INSTRUME')} {text(header, 'DETECTOR')}".upper()
    wavelength = wavelength_of(header)
    if _EUV_BAND[0] < wavelength < _EUV_BAND[1]:
        return ImageKind.EUV
    if "INTENSITY" in content or "CONTINUUM" in content or "H-ALPHA" in content:
        return ImageKind.INTENSITY
    if any(name in instrument for name in _EUV_INSTRUMENTS):
        return ImageKind.INTENSITY if isfinite(wavelength) else ImageKind.EUV
    return ImageKind.UNKNOWN


def wavelength_of(header: Mapping[str, Any]) -> float:
    """Return the wavelength [Angstrom], NaN if it is not stated."""
    value = number(header, "WAVELNTH", "LAMBDA")
    unit = text(header, "WAVEUNIT").lower()
    if unit in {"nm", "nanometer", "nanometers"} or (
        not unit and "GONG" in text(header, "TELESCOP") and value < _SHORTEST_ANGSTROM_OF_LINES
    ):
        return value * _ANGSTROM_PER_NM
    return value


def unit_of(header: Mapping[str, Any]) -> str:
    """Return the unit as the FITS standard writes it; a field in Mx/cm^2 is one in G."""
    unit = text(header, "BUNIT") or text(header, "PIXLUNIT")
    if unit.lower() in {"g", "gauss", "mx/cm^2", "mx/cm2", "maxwell/cm2"}:
        return "G"
    return unit


def instrument_of(header: Mapping[str, Any]) -> str:
    """Return telescope and instrument, e.g. ``SDO/HMI_SIDE1``."""
    telescope = text(header, "TELESCOP") or text(header, "OBSRVTRY")
    instrument = text(header, "INSTRUME") or text(header, "CAMERA")
    if text(header, "ORIGIN").startswith("MT. WILSON"):
        return "Mount Wilson 150 ft"
    if not instrument or not instrument[0].isalpha():
        return telescope
    return f"{telescope.partition('/')[0]}/{instrument}" if telescope else instrument


def _within(value: float, bounds: tuple[float, float]) -> float:
    """Return a value that lies within bounds, else NaN."""
    return value if bounds[0] <= value <= bounds[1] else float("nan")


def _or(value: float, default: float) -> float:
    return value if isfinite(value) else default


def _wrapped(angle: float) -> float:
    """Return an angle between -180 and 180 [deg]."""
    return (angle + _HALF_CIRCLE) % _FULL_CIRCLE - _HALF_CIRCLE
