"""Names and addresses of ZTF science products at IRSA, as IRSA documents them.

Nothing here uses the network; :mod:`skysift.data.images.irsa` does.

References
----------
IRSA, "ZTF API Queries" and "ZTF Metadata",
https://irsa.ipac.caltech.edu/docs/program_interface/ztf_api.html and ztf_metadata.html .
Masci et al. 2019, PASP 131, 018003 (the products).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import quote, urlencode

import astropy.units as u
from astropy.coordinates import Angle, SkyCoord

from skysift.core.errors import ContractError, UnknownNameError, UsageError

__all__ = ["IRSA", "SCIENCE_PRODUCTS", "ImageCutout", "ScienceExposure", "ScienceQuery"]

IRSA = "https://irsa.ipac.caltech.edu"
"""The archive's own address."""

SCIENCE_PRODUCTS = (
    "sciimg.fits",
    "mskimg.fits",
    "psfcat.fits",
    "sexcat.fits",
    "sciimgdaopsfcent.fits",
    "scimrefdiffimg.fits.fz",
    "diffimgpsf.fits",
)
"""The FITS products of one science exposure, by the end of their names."""

FILTERS = ("zg", "zr", "zi")
CCDS = range(1, 17)
QUADRANTS = range(1, 5)

_COLUMNS = (
    "ra,dec,field,ccdid,qid,filtercode,imgtypecode,filefracday,"
    "obsjd,exptime,seeing,airmass,maglimit,infobits"
)
_NAME = re.compile(
    r"ztf_(?P<filefracday>\d{14})_(?P<field>\d{6})_(?P<filtercode>z[gri])"
    r"_c(?P<ccdid>\d{2})_(?P<imgtypecode>[a-z])_q(?P<qid>[1-4])(?:_[\w.]+)?"
)


@dataclass(frozen=True, slots=True)
class ScienceExposure:
    """One quadrant of one ZTF exposure.

    Parameters
    ----------
    filefracday : str
        Date and fraction of the day of the exposure, ``YYYYMMDDffffff``.
    field : int
        ZTF field.
    ccd : int
        1 to 16.
    quadrant : int
        1 to 4.
    filtercode : str
        ``zg``, ``zr`` or ``zi``.
    image_type : str
        ``o`` for a science exposure.
    seeing : float, optional
        FWHM of the point-spread function, in pixels.
    limit : float, optional
        5-sigma limiting magnitude.
    infobits : int, optional
        Quality bits of the exposure; 2**25 and more say that it is unusable.
    julian_date : float, optional
        Start of the exposure.
    exposure : float, optional
        Exposure time, in seconds.

    Examples
    --------
    >>> one = ScienceExposure.from_name("ztf_20180411467847_000535_zr_c11_o_q3_sciimg.fits")
    >>> one.field, one.ccd, one.quadrant
    (535, 11, 3)
    >>> one.path()
    'ztf/products/sci/2018/0411/467847/ztf_20180411467847_000535_zr_c11_o_q3_sciimg.fits'
    """

    filefracday: str
    field: int
    ccd: int
    quadrant: int
    filtercode: str
    image_type: str = "o"
    seeing: float | None = None
    limit: float | None = None
    infobits: int | None = None
    julian_date: float | None = None
    exposure: float | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\d{14}", self.filefracday):
            raise UsageError(
                f"filefracday is '{self.filefracday}'.", "It has 14 digits, YYYYMMDDffffff."
            )
        _check_place(self.field, self.ccd, self.quadrant, self.filtercode)
        if not re.fullmatch(r"[a-z]", self.image_type):
            raise UsageError(f"image_type is '{self.image_type}'.", "It is one letter, such as o.")

    @classmethod
    def from_name(cls, name: str) -> Self:
        """Read the name of any product of the exposure.

        Raises
        ------
        UsageError
            If it is no such name.
        """
        match = _NAME.fullmatch(name)
        if match is None:
            raise UsageError(
                f"'{name}' is not the name of a ZTF science product.",
                "One looks like ztf_20180411467847_000535_zr_c11_o_q3_sciimg.fits .",
            )
        return cls.from_row(match.groupdict())

    @classmethod
    def from_row(cls, row: Mapping[str, str]) -> Self:
        """Read a row of IRSA's table of science exposures, by its column names.

        Raises
        ------
        ContractError
            If a column is missing or holds something else than it should.
        """
        try:
            return cls(
                filefracday=row["filefracday"],
                field=int(row["field"]),
                ccd=int(row["ccdid"]),
                quadrant=int(row["qid"]),
                filtercode=row["filtercode"],
                image_type=row["imgtypecode"],
                seeing=_number(row.get("seeing")),
                limit=_number(row.get("maglimit")),
                infobits=int(row["infobits"]) if row.get("infobits") else None,
                julian_date=_number(row.get("obsjd")),
                exposure=_number(row.get("exptime")),
            )
        except (KeyError, ValueError) as error:
            raise ContractError(
                f"A row of the archive's table does not describe a ZTF exposure: {error}.",
                "Ask for the columns that ScienceQuery asks for.",
            ) from error

    def name(self, product: str = "sciimg.fits") -> str:
        """Return the file name of one of its products."""
        if product not in SCIENCE_PRODUCTS:
            raise UnknownNameError("ZTF science product", product, SCIENCE_PRODUCTS)
        return (
            f"ztf_{self.filefracday}_{self.field:06d}_{self.filtercode}"
            f"_c{self.ccd:02d}_{self.image_type}_q{self.quadrant}_{product}"
        )

    def path(self, product: str = "sciimg.fits") -> str:
        """Return the path of a product below the archive's data folder."""
        day = self.filefracday
        return f"ztf/products/sci/{day[:4]}/{day[4:8]}/{day[8:]}/{self.name(product)}"


@dataclass(frozen=True, slots=True)
class ImageCutout:
    """A square cut out of an image by the archive before it is sent.

    Parameters
    ----------
    center : SkyCoord
        Its centre, scalar; sent in ICRS.
    size : Quantity or Angle
        Its side on the sky.
    """

    center: SkyCoord
    size: Angle

    def __post_init__(self) -> None:
        _check_scalar(self.center, "center")
        if not u.Quantity(self.size).unit.is_equivalent(u.deg) or not self.size > 0 * u.deg:
            raise UsageError("The size of a cutout is an angle above zero.", "Give 20 * u.arcsec.")

    @property
    def parameters(self) -> str:
        """Query string of the archive's cutout service."""
        ra, dec = _position(self.center)
        return f"center={ra},{dec}&size={self._arcsec}arcsec&gzip=false"

    @property
    def label(self) -> str:
        """A file-name part that tells one cutout of an image from another."""
        ra, dec = _position(self.center)
        return f"ra{ra}_dec{dec}_{self._arcsec}arcsec"

    @property
    def _arcsec(self) -> str:
        return f"{Angle(self.size).arcsec:.3f}".rstrip("0").rstrip(".")


@dataclass(frozen=True, slots=True)
class ScienceQuery:
    """Which ZTF science exposures are wanted; what is left out is not restricted.

    Parameters
    ----------
    position : SkyCoord, optional
        A point that the images contain, or the centre of `size`. Needed without `field`.
    size : Angle, optional
        Side of a square around `position` that the images overlap.
    field, ccd, quadrant : int, optional
        Place in ZTF's own grid.
    filtercode : str, optional
        ``zg``, ``zr`` or ``zi``.
    seeing_below : float, optional
        Largest FWHM, in pixels.
    good_only : bool
        Only exposures whose quality bits are all clear.
    most_central : bool
        Only the one image whose centre is nearest to `position` (IRSA's ``mcen``).
    where : str
        Another condition in SQL, on columns of IRSA's table.

    Examples
    --------
    >>> print(ScienceQuery(field=535, ccd=11, quadrant=3, filtercode="zr").condition)
    field=535 AND ccdid=11 AND qid=3 AND filtercode='zr'
    """

    position: SkyCoord | None = None
    size: Angle | None = None
    field: int | None = None
    ccd: int | None = None
    quadrant: int | None = None
    filtercode: str | None = None
    seeing_below: float | None = None
    good_only: bool = False
    most_central: bool = False
    where: str = ""

    def __post_init__(self) -> None:
        if self.position is None and self.field is None:
            raise UsageError(
                "Neither a position nor a field is given: that is the whole archive.",
                "Give position=SkyCoord(...) or field=... .",
            )
        if self.position is None and (self.size is not None or self.most_central):
            raise UsageError("size and most_central are about a position.", "Give position too.")
        if self.position is not None:
            _check_scalar(self.position, "position")
        _check_place(self.field, self.ccd, self.quadrant, self.filtercode)

    @property
    def condition(self) -> str:
        """The condition in SQL."""
        exact = {"field": self.field, "ccdid": self.ccd, "qid": self.quadrant}
        parts = [f"{column}={value}" for column, value in exact.items() if value is not None]
        if self.filtercode is not None:
            parts.append(f"filtercode='{self.filtercode}'")
        if self.seeing_below is not None:
            parts.append(f"seeing<{float(self.seeing_below)!r}")
        if self.good_only:
            parts.append("infobits=0")
        if self.where:
            parts.append(f"({self.where})" if parts else self.where)
        return " AND ".join(parts)

    @property
    def parameters(self) -> str:
        """Query string of the archive's search service."""
        parameters = {}
        if self.position is not None:
            parameters["POS"] = ",".join(_position(self.position))
        if self.size is not None:
            parameters["SIZE"] = f"{Angle(self.size).deg:.6f}"
        if self.condition:
            parameters["WHERE"] = self.condition
        parameters |= {"COLUMNS": _COLUMNS, "ct": "csv"}
        # The archive's parser wants the comma of POS as it is, and %20 rather than a plus.
        text = urlencode(parameters, quote_via=quote, safe=",")
        return f"{text}&mcen" if self.most_central else text


def _check_place(
    field: int | None, ccd: int | None, quadrant: int | None, filtercode: str | None
) -> None:
    if field is not None and not 0 <= field < 10**6:
        raise UsageError(f"field is {field}.", "ZTF fields have numbers of six digits at most.")
    if ccd is not None and ccd not in CCDS:
        raise UsageError(f"ccd is {ccd}.", "ZTF's CCDs are 1 to 16.")
    if quadrant is not None and quadrant not in QUADRANTS:
        raise UsageError(f"quadrant is {quadrant}.", "A CCD of ZTF has quadrants 1 to 4.")
    if filtercode is not None and filtercode not in FILTERS:
        raise UnknownNameError("ZTF filter", filtercode, FILTERS)


def _check_scalar(position: SkyCoord, name: str) -> None:
    if not position.isscalar:
        raise UsageError(f"{name} holds several positions.", "Give one at a time.")


def _position(position: SkyCoord) -> tuple[str, str]:
    """Return right ascension and declination in ICRS degrees, to a few milliarcseconds."""
    icrs = position.icrs
    return f"{icrs.ra.deg:.6f}", f"{icrs.dec.deg:.6f}"


def _number(text: str | None) -> float | None:
    return float(text) if text else None
