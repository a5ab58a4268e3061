"""Response tables of GADF files: which HDU holds which, in which order and unit."""

import warnings
from collections.abc import Collection
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units
from astropy.io import fits
from astropy.utils.exceptions import AstropyUserWarning
from numpy.typing import NDArray

from skysift.core.errors import InputError, ReadError
from skysift.data.irf.lattice import Axis
from skysift.data.sky.fits_stream import read_bounded

__all__ = ["ResponseTable", "response_tables"]

FloatArray = NDArray[np.float64]
# A file of the CTA Observatory unpacks to 5 MB, one of a whole run to some 10.
_LARGEST = 512 * 2**20
_LOGARITHMIC = ("ENERG", "ETRUE")
_KIND = {"EFF_AREA": "aeff", "EDISP": "edisp", "PSF": "psf", "RPSF": "psf", "BKG": "bkg"}


@dataclass(frozen=True, slots=True)
class ResponseTable:
    """One response HDU: a table of a single row.

    Parameters
    ----------
    header : fits.Header
        Of the HDU.
    row : fits.FITS_rec
        Its one row.
    path : Path
        For messages.
    """

    header: fits.Header
    row: Any
    path: Path

    @property
    def point_like(self) -> bool:
        """Whether a cut in angle from the source is already applied."""
        return str(self.header.get("HDUCLAS3", "")).strip().upper() == "POINT-LIKE"

    @property
    def names(self) -> list[str]:
        """Names of the columns, in upper case."""
        return [str(name).upper() for name in self.row.dtype.names]

    def axis_names(self) -> list[str]:
        """Return the prefixes of the axes, in the order of the dimensions of the values."""
        return [name[:-3] for name in self.names if name.endswith("_LO")]

    def bounds(self, name: str, unit: str) -> tuple[FloatArray, FloatArray]:
        """Return the lower and upper bounds of the bins of an axis."""
        lower, upper = (self._column(f"{name}_{end}", unit, unit).ravel() for end in ("LO", "HI"))
        return lower, upper

    def axis(self, name: str, unit: str) -> Axis:
        """Return an axis in a unit, that of energy being logarithmic."""
        logarithmic = name in _LOGARITHMIC
        return Axis.from_bounds(*self.bounds(name, unit), logarithmic=logarithmic)

    def energy_name(self) -> str:
        """Return the prefix of the axis of energy: ENERG, or ETRUE in older files."""
        return "ETRUE" if "ETRUE" in self.axis_names() else "ENERG"

    def values(self, column: str, order: tuple[str, ...], unit: str, assumed: str) -> FloatArray:
        """Return a column with its dimensions in the order of the given axes.

        Parameters
        ----------
        column : str
            Name of the column.
        order : tuple of str
            Prefixes of the axes.
        unit : str
            Wanted unit.
        assumed : str
            Unit where the file states none.
        """
        values = self._column(column, unit, assumed)
        stored = self.axis_names()
        lengths = {name: self.bounds(name, "")[0].size for name in stored}
        # FITS counts the fastest dimension first, numpy last.
        shape = tuple(lengths[name] for name in reversed(stored))
        if values.size != np.prod(shape):
            raise ReadError(
                f"Column {column} has {values.size} values where its axes make {np.prod(shape)}.",
                "The file is damaged or not of the GADF format.",
                path=self.path,
            )
        in_order = values.reshape(shape).transpose()
        return in_order.transpose([stored.index(name) for name in order]).copy()

    def _column(self, column: str, unit: str, assumed: str) -> FloatArray:
        if column not in self.names:
            raise ReadError(
                f"A response table has no column {column}.",
                "The file is not of the GADF format.",
                path=self.path,
            )
        values = np.asarray(self.row[column][0], dtype=np.float64)
        if not unit:
            return values
        stated = self.row.columns[column].unit or assumed
        return values * _factor(stated, unit, assumed, self.path)


def _factor(stated: str, wanted: str, assumed: str, path: Path) -> float:
    """Return what turns one unit into another; an unreadable unit is taken as the assumed one."""
    with warnings.catch_warnings():
        # Files write "1/s/MeV/sr", whose double slash the standard deprecates; it is clear enough.
        warnings.simplefilter("ignore", units.UnitsWarning)
        unit = units.Unit(stated, parse_strict="silent")
    if isinstance(unit, units.UnrecognizedUnit) or unit == units.dimensionless_unscaled:
        unit = units.Unit(assumed)
    try:
        return float(unit.to(wanted))
    except units.UnitConversionError:
        raise InputError(
            f"A response is given in '{stated}', which is no '{wanted}'.",
            "Correct the TUNIT keyword of the file.",
            path=path,
        ) from None


def response_tables(
    path: str | Path, names: Collection[str] | None = None
) -> dict[str, ResponseTable]:
    """Return the response tables of a file by kind: ``aeff``, ``edisp``, ``psf``, ``bkg``.

    Parameters
    ----------
    path : path-like
        FITS, or FITS compressed with gzip.
    names : collection of str, optional
        Extensions to take, in capitals, where a file holds the responses of several observations.

    Raises
    ------
    ReadError
        If the file is missing, damaged, or no FITS file.
    """
    path = Path(path)
    tables: dict[str, ResponseTable] = {}
    content = read_bounded(path, max_bytes=_LARGEST)
    try:
        with warnings.catch_warnings(), fits.open(BytesIO(content)) as hdus:
            # astropy only warns of a truncated or damaged file, and leaves out what it cannot read.
            warnings.simplefilter("error", AstropyUserWarning)
            for hdu in hdus[1:]:
                header = hdu.header
                kind = _KIND.get(str(header.get("HDUCLAS2", "")).strip().upper())
                is_response = str(header.get("HDUCLAS1", "")).strip().upper() == "RESPONSE"
                wanted = names is None or hdu.name.upper() in names
                if kind and is_response and wanted and kind not in tables and len(hdu.data) > 0:
                    tables[kind] = ResponseTable(header.copy(), hdu.data[:1].copy(), path)
    except (AstropyUserWarning, OSError, ValueError, TypeError, LookupError) as error:
        raise ReadError(
            f"The file cannot be read as FITS ({error}).",
            "Fetch it again; it may be truncated.",
            path=path,
        ) from error
    return tables
