"""What the header of an image, or an alert, tells of a cutout: one column for each fact.

Keywords of the ZTF science images: Masci et al. 2019, PASP 131, 018003, and the ZTF Science Data
System explanatory supplement; alerts: ZTF schemas 3.3 and 4.0x, Rubin lsst.v10.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import ReadError
from skysift.data.sky.fits_table import Cards
from skysift.data.table import FeatureTable

__all__ = [
    "APERTURE_CORRECTIONS",
    "APERTURE_DIAMETERS",
    "FACTS",
    "PIXEL_MATRIX",
    "REFERENCE_IMAGE",
    "Fact",
    "FactValues",
    "fact_table",
    "facts_of_cards",
    "facts_of_rubin",
    "facts_of_ztf",
    "plausible_facts",
]

FactValues = dict[str, float | str]

APERTURE_DIAMETERS = (2.0, 3.0, 4.0, 6.0, 10.0, 14.0)
"""Diameters of the apertures that the corrections belong to [pixel] (FIXAPERS of ZTF)."""

APERTURE_CORRECTIONS = tuple(f"apcor{k + 1}" for k in range(len(APERTURE_DIAMETERS)))
"""Their columns: magnitude by the PSF minus that in the aperture, for a point source [mag]."""

REFERENCE_IMAGE = "reference "
"""How the fact ``image`` begins for the stack of exposures that a survey subtracts from others."""

_WIDTHS = ("seeing", "difference_fwhm")
# No pixel lets a star look narrower, and none of a camera in focus is so fine.
_WIDTH_RANGE = (0.5, 100.0)  # FWHM [pixel]
_LARGEST_CORRECTION = 5.0  # mag: 1 % of the light of a star; in ZTF's aperture of 2 pix, FWHM 16
_MJD_OF_JD_0 = 2_400_000.5
_ZTF_BANDS = {1: "ztf_g", 2: "ztf_r", 3: "ztf_i"}
_ZTF_PIXEL_SCALE = 1.012
_ZTF_PID_OF_EXPOSURE = 10_000  # a pid ends with the readout channel and the step of processing
_ZTF_CANDID_OF_PID = 1_000_000  # a candid ends with the number of the candidate
_NANOJANSKY_ZERO_POINT = 31.4  # AB magnitude of one nanojansky
_RUBIN_PIXEL_SCALE = 0.2


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact.

    Parameters
    ----------
    keywords : tuple of str
        Header cards that state it, the first that is there counts.
    unit : str
        Unit as astropy writes it, empty if it has none.
    description : str
        In words.
    is_text : bool
        Whether it is text; all others are numbers, NaN where unknown.
    """

    keywords: tuple[str, ...]
    unit: str
    description: str
    is_text: bool = False


FACTS: Mapping[str, Fact] = {
    "object": Fact(("OBJECTID",), "", "identifier of the object, equal for all its images", True),
    "exposure": Fact(("EXPID", "VISIT"), "", "identifier of the exposure", True),
    "image": Fact(("FILENAME", "ORIGNAME"), "", "the image that this was cut from", True),
    "band": Fact(("FILTER", "FILTERID", "BAND"), "", "filter", True),
    "ra": Fact(("RA_TARG",), "deg", "right ascension of the target (the middle if untold)"),
    "dec": Fact(("DEC_TARG",), "deg", "declination of the target (the middle if untold)"),
    "mjd": Fact(("OBSMJD", "MJD-OBS"), "d", "modified Julian date of the exposure"),
    "seeing": Fact(("SEEING",), "pix", "full width at half maximum of the PSF"),
    "seeing_error": Fact(("SEEINGER",), "pix", "standard deviation of a seeing that is estimated"),
    "difference_fwhm": Fact(("DIFFFWHM",), "pix", "FWHM of the PSF of the difference image"),
    "pixel_scale": Fact(("PIXSCALE",), "arcsec / pix", "side of a pixel"),
    "zero_point": Fact(("MAGZP",), "mag", "magnitude of one data unit"),
    "limiting_magnitude": Fact(("MAGLIM",), "mag", "five-sigma limit"),
    "saturation": Fact(("SATURATE",), "", "data value at which a pixel saturates"),
    "gain": Fact(("GAIN",), "", "electrons per data unit"),
    "read_noise": Fact(("READNOI",), "", "read-out noise, in electrons"),
    "airmass": Fact(("AIRMASS",), "", "airmass"),
    "infobits": Fact(("INFOBITS",), "", "quality bits of the image"),
    "status": Fact(("STATUS",), "", "1 if the survey calls the image usable, 0 if not"),
    **{
        name: Fact((name.upper(),), "mag", f"PSF minus aperture magnitude, diameter {size:g} pix")
        for name, size in zip(APERTURE_CORRECTIONS, APERTURE_DIAMETERS, strict=True)
    },
    # The linear part of the coordinates, which readers work out from CDi_j, or PCi_j and CDELTi.
    **{
        f"{way}_{axis}": Fact((), "deg / pix", f"step to the {way} along +{axis}")
        for way in ("east", "north")
        for axis in "xy"
    },
}
"""All facts, in the order of their columns."""

PIXEL_MATRIX = ("east_x", "east_y", "north_x", "north_y")
"""Those of the step on the sky along a row and along a column."""


def facts_of_cards(
    cards: Cards, primary: Cards | None = None, *, kept: Iterable[str] = FACTS
) -> tuple[FactValues, bool]:
    """Return the facts of a header, and whether all its cards could be understood.

    Parameters
    ----------
    cards : Cards
        The header of the image.
    primary : Cards, optional
        The primary header of its file, asked where the header is silent.
    kept : iterable of str
        Facts to look for.
    """
    facts: FactValues = {}
    sound = True
    for name in kept:
        for header in (cards,) if primary is None else (cards, primary):
            value, understood = _first(header, FACTS[name])
            sound &= understood
            if value is not None:
                facts[name] = value
                break
    if not _has_known_apertures(cards):
        for name in APERTURE_CORRECTIONS:
            facts.pop(name, None)
    return facts, sound


def facts_of_ztf(get: Callable[[str], Any], *, of_template: bool = False) -> FactValues:
    """Return the facts of a ZTF alert.

    Parameters
    ----------
    get : callable
        Gives a field of ``candidate`` (or ``objectId``), None where it is missing.
    of_template : bool
        Whether they are for the cutout of the reference image, which has a PSF of its own and
        whose exposures are many.

    Notes
    -----
    An alert does not state the seeing, but the FWHM of the difference image can be had from it:
    ``seeratio`` is that over ``fwhm``, the width of the candidate.
    """
    facts: FactValues = {"pixel_scale": _ZTF_PIXEL_SCALE}
    _put(facts, {"ra": get("ra"), "dec": get("dec"), "zero_point": get("magzpsci")})
    fid = get("fid")
    if fid is not None:
        facts["band"] = _ZTF_BANDS.get(int(fid), f"fid {fid}")
    _put_text(facts, {"object": get("objectId")})
    facts |= _of_ztf_reference(get) if of_template else _of_ztf_exposure(get)
    return facts


def _of_ztf_reference(get: Callable[[str], Any]) -> FactValues:
    reference = get("rfid")
    return {} if reference is None else {"image": f"{REFERENCE_IMAGE}{int(reference)}"}


def _of_ztf_exposure(get: Callable[[str], Any]) -> FactValues:
    facts: FactValues = {}
    jd, pid, candid = get("jd"), get("pid"), get("candid")
    if jd is not None:
        _put(facts, {"mjd": float(jd) - _MJD_OF_JD_0})
    if pid is None and candid is not None:
        pid = int(candid) // _ZTF_CANDID_OF_PID
    if pid is not None:
        facts["exposure"] = str(int(pid) // _ZTF_PID_OF_EXPOSURE)
        facts["image"] = f"pid {int(pid)}"
    _put_text(facts, {"image": get("pdiffimfilename")})
    fwhm, ratio = get("fwhm"), get("seeratio")
    if fwhm is not None and ratio is not None:
        _put(facts, {"difference_fwhm": float(fwhm) * float(ratio)})
    return facts


def facts_of_rubin(get: Callable[[str], Any]) -> FactValues:
    """Return the facts of a Rubin alert; `get` gives a field of its ``diaSource``."""
    facts: FactValues = {
        "pixel_scale": _RUBIN_PIXEL_SCALE,
        "zero_point": _NANOJANSKY_ZERO_POINT,
    }
    _put(facts, {"ra": get("ra"), "dec": get("dec"), "mjd": get("midpointMjdTai")})
    # A moving object has no diaObject (0 or null) but a ssObject.
    _put_text(
        facts,
        {
            "object": get("diaObjectId") or get("ssObjectId"),
            "exposure": get("visit"),
            "band": get("band"),
        },
    )
    return facts


def fact_table(rows: Sequence[FactValues]) -> FeatureTable:
    """Return the facts of many cutouts as a table with all columns of `FACTS`.

    Examples
    --------
    >>> table = fact_table([{"seeing": 1.8, "band": "ZTF_i"}, {}])
    >>> table["seeing"].tolist(), table["band"].tolist(), table.unit("seeing")
    ([1.8, nan], ['ZTF_i', ''], 'pix')
    """
    columns: dict[str, Any] = {}
    for name, fact in FACTS.items():
        if fact.is_text:
            columns[name] = np.array([str(row.get(name, "")) for row in rows], dtype=np.str_)
        else:
            columns[name] = np.array([row.get(name, np.nan) for row in rows], dtype=np.float64)
    return FeatureTable.from_columns(
        columns,
        units={name: fact.unit for name, fact in FACTS.items()},
        descriptions={name: fact.description for name, fact in FACTS.items()},
    )


def plausible_facts(facts: FeatureTable, sizes: NDArray[np.int32]) -> FeatureTable:
    """Return the facts of cutouts, NaN for numbers that no image can have.

    Parameters
    ----------
    facts : FeatureTable
        With all columns of `FACTS`, shape (n,).
    sizes : array of int32, shape (n, 2)
        Height and width of each cutout [pixel].

    Returns
    -------
    FeatureTable
        Unknown are a saturation level that is not above 0; a FWHM below 0.5 pixels, or above the
        longer side of its cutout or 100 pixels; an aperture correction beyond 5 mag.

    Examples
    --------
    >>> found = plausible_facts(fact_table([{"seeing": 500.0, "saturation": 6e4}]), [[20, 20]])
    >>> found["seeing"].tolist(), found["saturation"].tolist()
    ([nan], [60000.0])
    """
    widest = np.minimum(np.max(sizes, axis=1, initial=0), _WIDTH_RANGE[1])
    wrong = {
        "saturation": facts["saturation"] <= 0,
        **{name: (facts[name] < _WIDTH_RANGE[0]) | (facts[name] > widest) for name in _WIDTHS},
        **{name: np.abs(facts[name]) > _LARGEST_CORRECTION for name in APERTURE_CORRECTIONS},
    }
    mended = {
        name: np.where(where, np.nan, facts[name]) for name, where in wrong.items() if where.any()
    }
    return facts.with_columns(
        mended,
        units={name: FACTS[name].unit for name in mended},
        descriptions={name: FACTS[name].description for name in mended},
    )


def _first(cards: Cards, fact: Fact) -> tuple[float | str | None, bool]:
    """Return the first value that a header states, and whether the card could be understood."""
    for keyword in fact.keywords:
        try:
            value = cards.get(keyword) if fact.is_text else cards.number(keyword)
        except ReadError:
            return None, False
        if isinstance(value, float) and not fact.is_text:
            if isfinite(value):
                return value, True
            if cards.get(keyword) is not None:
                return None, False
        elif value is not None:
            return str(value).strip(), True
    return None, True


def _has_known_apertures(cards: Cards) -> bool:
    """Tell whether the corrections are those of `APERTURE_DIAMETERS`, which ZTF lists as text."""
    try:
        listed = cards.text("FIXAPERS")
        diameters = tuple(float(part) for part in listed.split(",")) if listed else None
    except (ReadError, ValueError):
        return False
    return diameters in (None, APERTURE_DIAMETERS)


def _put(facts: FactValues, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if value is not None and np.isfinite(value):
            facts[name] = float(value)


def _put_text(facts: FactValues, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if value is not None:
            facts[name] = str(value)
