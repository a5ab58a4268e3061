"""Rows of a remote catalogue around a position, by TAP, with the query in plain sight.

The text of every query is shown before it is sent and travels in the meta of the table that comes
back, under ``adql``, so that the same rows can be asked for again by hand.

pyvo is an optional part: ``pip install "skysift[catalogs]"``.

References
----------
Dowler et al. 2019, "Table Access Protocol", version 1.1, IVOA recommendation.
Dey et al. 2019, AJ 157, 168 (the Legacy Surveys).
"""

import logging
import math
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import numpy as np
import requests
from astropy.coordinates import Angle, SkyCoord

from skysift.core.errors import (
    AuthenticationError,
    ContractError,
    DataUnavailableError,
    InputError,
    SkysiftError,
    UnknownNameError,
    UsageError,
)
from skysift.core.extras import import_extra
from skysift.data.fetch import offline
from skysift.data.fetch_patience import Patience
from skysift.data.io.astronomy import from_astropy
from skysift.data.table import FeatureTable

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["LEGACY_SURVEYS_DR9", "RemoteCatalogue", "cone_adql", "cone_search", "run_adql"]

_log = logging.getLogger(__name__)
_PATIENCE = Patience(read=300.0, attempts=3)  # a database may think for minutes
_LARGEST_ANSWER = 500_000_000  # bytes
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WHOLE_CIRCLE = 360.0
_NEAR_POLE = 89.9  # degrees, where a box in right ascension no longer narrows anything


@dataclass(frozen=True, slots=True)
class RemoteCatalogue:
    """A table of a TAP service.

    Parameters
    ----------
    name : str
        What the catalogue is called.
    service : str
        Base address of the service.
    table : str
        The table, with its schema.
    columns : tuple of str
        The columns that are asked for unless others are named.
    ra, dec : str
        The columns of the position, ICRS degrees.
    citation : str
        What a paper that uses it should cite.
    """

    name: str
    service: str
    table: str
    columns: tuple[str, ...]
    ra: str = "ra"
    dec: str = "dec"
    citation: str = ""


LEGACY_SURVEYS_DR9 = RemoteCatalogue(
    name="Legacy Surveys DR9",
    service="https://datalab.noirlab.edu/tap",
    table="ls_dr9.tractor",
    columns=(
        *("ls_id", "ra", "dec", "type", "brick_primary", "maskbits"),
        *("flux_g", "flux_r", "flux_z", "flux_ivar_g", "flux_ivar_r", "flux_ivar_z"),
        *("fracflux_g", "fracflux_r", "fracflux_z"),
    ),
    citation="Dey et al. 2019, AJ 157, 168",
)
"""The Tractor catalogue; ``type`` PSF is a point source, REX, EXP, DEV and SER are galaxies."""


def cone_adql(
    catalogue: RemoteCatalogue,
    center: SkyCoord,
    radius: Angle,
    *,
    columns: Sequence[str] | None = None,
    where: str = "",
    limit: int = 100_000,
) -> str:
    """Return the ADQL for the box around a cone.

    A box in right ascension and declination runs on the plain indices of every service, where
    the geometry of ADQL does not; :func:`cone_search` cuts the cone out of it afterwards.

    Parameters
    ----------
    catalogue : RemoteCatalogue
        The table.
    center : SkyCoord
        Scalar.
    radius : Angle
        Above 0 and up to 10 degrees.
    columns : sequence of str, optional
        Those of the catalogue without it.
    where : str
        Another condition, in ADQL.
    limit : int
        Most rows that are wanted; one more is asked for, so that a cut shows.

    Examples
    --------
    >>> center = SkyCoord(7.5, -2.5, unit="deg")
    >>> radius = Angle("36 arcsec")
    >>> adql = cone_adql(LEGACY_SURVEYS_DR9, center, radius, columns=["type"], limit=10)
    >>> print(adql)
    SELECT TOP 11 ra, dec, type
    FROM ls_dr9.tractor
    WHERE dec BETWEEN -2.510000 AND -2.490000
      AND ra BETWEEN 7.489990 AND 7.510010
    """
    degrees = float(Angle(radius).deg)
    if not center.isscalar or not 0.0 < degrees <= 10.0:  # noqa: PLR2004 - as documented
        raise UsageError("A cone has one centre and a radius up to 10 degrees.", "Mend one.")
    if limit < 1:
        raise UsageError(f"limit is {limit}.", "Ask for one row at least.")
    names = list(dict.fromkeys((catalogue.ra, catalogue.dec, *(columns or catalogue.columns))))
    for name in names:
        if not _IDENTIFIER.fullmatch(name):
            raise UsageError(f"'{name}' is no name of a column.", "Letters, digits, underscores.")
    conditions = _box(catalogue, center, degrees)
    if where:
        conditions.append(f"({where})")
    return (
        f"SELECT TOP {limit + 1} {', '.join(names)}\nFROM {catalogue.table}\n"
        "WHERE " + "\n  AND ".join(conditions)
    )


def cone_search(
    catalogue: RemoteCatalogue,
    center: SkyCoord,
    radius: Angle,
    *,
    columns: Sequence[str] | None = None,
    where: str = "",
    limit: int = 100_000,
    show: Callable[[str], object] | None = None,
    patience: Patience = _PATIENCE,
) -> FeatureTable:
    """Return the rows of a catalogue around a position.

    Parameters
    ----------
    catalogue, center, radius, columns, where, limit
        As :func:`cone_adql`.
    show : callable, optional
        Given the text of the query before it is sent; without it the text is logged.
    patience : Patience
        Timeouts and retries.

    Returns
    -------
    FeatureTable
        The rows; its meta has ``adql``, ``service``, ``catalogue``, ``citation``, ``asked`` and
        the cone that was cut out of the box.

    Raises
    ------
    UsageError
        If the service does not understand the query.
    ContractError
        If there are more than `limit` rows: a part of a catalogue is no catalogue.
    AuthenticationError
        If the service wants another user.
    DataUnavailableError
        If the service cannot be asked or gives no table.
    MissingExtraError
        If pyvo is not installed.
    """
    adql = cone_adql(catalogue, center, radius, columns=columns, where=where, limit=limit)
    box = run_adql(catalogue.service, adql, limit=limit, show=show, patience=patience)
    for column in (catalogue.ra, catalogue.dec):
        if column not in box:
            raise UnknownNameError(f"column of {catalogue.table} called", column, box.columns)
    places = SkyCoord(box[catalogue.ra], box[catalogue.dec], unit="deg")
    inside = places.separation(center.icrs) <= Angle(radius)
    cone = {
        "ra": float(center.icrs.ra.deg),
        "dec": float(center.icrs.dec.deg),
        "radius": float(Angle(radius).deg),
    }
    return box.take(np.asarray(inside)).with_meta(
        catalogue=catalogue.name, citation=catalogue.citation, cone=cone
    )


def run_adql(
    service: str,
    adql: str,
    *,
    limit: int = 100_000,
    show: Callable[[str], object] | None = None,
    patience: Patience = _PATIENCE,
) -> FeatureTable:
    """Send a query to a TAP service and return its rows; parameters as :func:`cone_search`."""
    tap = import_extra("pyvo.dal", extra="catalogs")
    if offline():
        raise DataUnavailableError(
            f"{service} cannot be asked: SKYSIFT_OFFLINE forbids the network. The query was:\n"
            f"{adql}",
            "Unset SKYSIFT_OFFLINE.",
        )
    if show is None:
        _log.info("asking %s:\n%s", service, adql)
    else:
        show(adql)
    asked = datetime.now(UTC).isoformat(timespec="seconds")
    table = from_astropy(_ask(tap, service, adql, limit + 1, patience))
    if len(table) > limit:
        raise ContractError(
            f"The query has more than {limit:,} rows. It was:\n{adql}",
            "Ask for a smaller cone, or raise the limit.",
        )
    return table.with_meta(adql=adql, service=service, asked=asked)


def _box(catalogue: RemoteCatalogue, center: SkyCoord, radius: float) -> list[str]:
    """Return the conditions of the smallest box around a cone; angles in degrees."""
    ra, dec = float(center.icrs.ra.deg), float(center.icrs.dec.deg)
    low, high = _outward(max(-90.0, dec - radius), min(90.0, dec + radius))
    conditions = [f"{catalogue.dec} BETWEEN {low:.6f} AND {high:.6f}"]
    if max(abs(low), abs(high)) >= _NEAR_POLE:
        return conditions
    # The meridians that touch a circle on the sphere; wider than radius / cos(dec).
    half = math.degrees(math.asin(math.sin(math.radians(radius)) / math.cos(math.radians(dec))))
    west, east = _outward(ra - half, ra + half)
    if west < 0.0 or east >= _WHOLE_CIRCLE:
        west, east = west % _WHOLE_CIRCLE, east % _WHOLE_CIRCLE
        conditions.append(f"({catalogue.ra} >= {west:.6f} OR {catalogue.ra} <= {east:.6f})")
    else:
        conditions.append(f"{catalogue.ra} BETWEEN {west:.6f} AND {east:.6f}")
    return conditions


def _outward(low: float, high: float) -> tuple[float, float]:
    """Round to the 1e-6 degrees that are printed, so that the box never loses its rim."""
    return math.floor(low * 1e6) / 1e6, math.ceil(high * 1e6) / 1e6


class _PatientSession(requests.Session):
    """A session that waits as long as it is told, and leaves no connection open behind it.

    pyvo's own waits for ever, and does not close an answer that it could not read.
    """

    def __init__(self, patience: Patience) -> None:
        super().__init__()
        self.patience = patience
        self.answers: list[requests.Response] = []
        for scheme in ("http://", "https://"):
            self.mount(scheme, requests.adapters.HTTPAdapter(max_retries=patience.attempts - 1))

    def request(self, *arguments: Any, **options: Any) -> requests.Response:
        options.setdefault("timeout", (self.patience.connect, self.patience.read))
        answer = super().request(*arguments, **options)
        self.answers.append(answer)
        if answer.status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise AuthenticationError(
                f"{answer.url} does not let this user ask: HTTP {answer.status_code}; this does "
                "not mean that there are no rows.",
                "Use a public table.",
            )
        if int(answer.headers.get("Content-Length") or 0) > _LARGEST_ANSWER:
            raise DataUnavailableError(
                f"{answer.url} offers {answer.headers['Content-Length']} bytes.", "Ask for less."
            )
        return answer

    def close(self) -> None:
        for answer in self.answers:
            answer.close()
        super().close()


def _ask(tap: Any, service: str, adql: str, maxrec: int, patience: Patience) -> "Table":
    with _PatientSession(patience) as session, warnings.catch_warnings():
        # Services stretch VOTable in many ways; a cut by MAXREC is found by counting rows.
        warnings.simplefilter("ignore")
        try:
            answer = tap.TAPService(service, session=session).run_sync(adql, maxrec=maxrec)
            return answer.to_table()
        except tap.DALQueryError as error:
            raise UsageError(
                f"{service} does not understand the query: {error.reason}\nIt was:\n{adql}",
                "Check the names of tables and columns.",
            ) from error
        except (tap.DALServiceError, tap.DALFormatError, requests.RequestException) as error:
            if isinstance(cause := getattr(error, "cause", None), SkysiftError):
                raise cause from None  # what the session found, packed in by pyvo
            raise DataUnavailableError(
                f"{service} gave no table: {str(error).strip()[:300]}\nThe query was:\n{adql}",
                "Check the network and the service, and try again.",
            ) from error
        except (ValueError, OSError) as error:
            raise InputError(
                f"The table from {service} cannot be read: {error}\nThe query was:\n{adql}",
                "Try again; if it stays so, tell the service.",
            ) from error
