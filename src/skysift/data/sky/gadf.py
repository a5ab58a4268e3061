"""Read the event list of a GADF DL3 file.

Data formats for gamma-ray astronomy (GADF) 0.3, https://gamma-astro-data-formats.readthedocs.io,
sections "Event lists", "GTI tables" and "Pointing".
"""

import re
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import ReadError
from skysift.core.suggest import did_you_mean
from skysift.data.contract import Finding, Verdict
from skysift.data.sky.event_list import EventList
from skysift.data.sky.fits_stream import MAX_BYTES, FitsStream
from skysift.data.sky.fits_table import Cards, FitsHdu
from skysift.data.sky.gadf_contract import (
    GTI_TOLERANCE,
    EventColumns,
    chosen_rows,
    note_outside_field,
    sound_rows,
)
from skysift.data.sky.gadf_findings import Findings
from skysift.data.sky.gadf_header import (
    column_factor,
    good_time,
    header_times,
    live_fraction,
    pointing,
    reference_mjd,
    travelling_meta,
)
from skysift.data.sky.gadf_location import HduLocation
from skysift.data.sky.gadf_name import name_of
from skysift.data.sky.gadf_parts import ObservationParts

__all__ = ["EventFile", "read_events"]

_UNITS = {"TIME": "s", "RA": "deg", "DEC": "deg", "ENERGY": "TeV"}
_FRAMES = {"", "ICRS", "FK5"}  # FK5 (J2000) is ICRS to 0.03 arcsec, far below what these see
_YEAR = re.compile(r"[BJ]?(\d+(?:\.\d*)?)$")
_J2000 = 2000.0
_BEHIND = 90.0


@dataclass(frozen=True, slots=True)
class EventFile:
    """An event list after its input contract, with what became of every row.

    Parameters
    ----------
    events : EventList
        The rows that were accepted or repaired, in the order of their times.
    path : Path
        The file.
    n_rows : int
        Rows of the file.
    rows : array of int64, shape (n_events,)
        0-based row of the file of each event.
    findings : tuple of Finding
        What was found, about rows and (with no rows) about the file as a whole.
    """

    events: EventList
    path: Path
    n_rows: int
    rows: NDArray[np.int64]
    findings: tuple[Finding, ...] = field(default=())

    @property
    def counts(self) -> Mapping[str, int]:
        """Number of rows accepted as they were, repaired, and rejected."""
        touched = np.zeros(self.n_rows, dtype=bool)
        for finding in self.findings:
            if finding.verdict is Verdict.REPAIRED:
                touched[finding.rows] = True
        repaired = int(np.sum(touched[self.rows]))
        return {
            "accepted": len(self.rows) - repaired,
            "repaired": repaired,
            "rejected": self.n_rows - len(self.rows),
        }


def read_events(
    path: str | Path | HduLocation,
    *,
    gti: HduLocation | None = None,
    pointing_table: HduLocation | None = None,
    offset_max: float = _BEHIND,
    ignore_gti: bool = False,
    max_bytes: int = MAX_BYTES,
) -> EventFile:
    """Read the EVENTS, GTI and POINTING tables of a GADF DL3 file, plain or gzipped.

    Bad rows are set aside with a reason, never passed on and never dropped in silence: see
    :class:`EventFile`. Of a gzipped file no more is unpacked than these tables need, so that the
    responses behind them cost nothing, and a second EVENTS table behind those is not noticed.

    Parameters
    ----------
    path : path-like or HduLocation
        The file with the EVENTS table; where it holds several, the extension to read. Of a file
        alone the first is read, and the others are noted.
    gti, pointing_table : HduLocation, optional
        Where these tables are, if in another file or one of several; an index knows (see
        :func:`skysift.data.sky.gadf_index.open_index`).
    offset_max : float [deg]
        Radius of the field of view; events beyond it are noted.
    ignore_gti : bool
        Take the time from TSTART to TSTOP as good, whatever the GTI table says.
    max_bytes : int
        Bound of what is unpacked.

    Raises
    ------
    ReadError
        If the file is missing, truncated, damaged, no FITS file, too large when unpacked, has no
        EVENTS table with TIME, RA, DEC and ENERGY in units that can be converted, or lacks an
        extension that is asked for.
    """
    file = path.path if isinstance(path, HduLocation) else Path(path)
    events = path if isinstance(path, HduLocation) else None
    places = {"EVENTS": events, "GTI": None if ignore_gti else gti, "POINTING": pointing_table}
    located = {role: place for role, place in places.items() if place is not None}
    with ExitStack() as opened:
        stream = opened.enter_context(FitsStream(file, max_bytes=max_bytes))
        findings = Findings(stream.path)
        here = {role: place.name for role, place in located.items() if place.path == file}
        parts = ObservationParts(stream, here)
        tables = dict(parts.tables)
        for role in located.keys() - here.keys():
            other = opened.enter_context(FitsStream(located[role].path, max_bytes=max_bytes))
            tables[role] = located[role].find(other)
        if ignore_gti:
            tables.pop("GTI", None)
        searched = {"EVENTS", "GTI"} - (located.keys() - here.keys())
        parts.note_left_out(searched - {"GTI"} if ignore_gti else searched, findings)
        return _checked(tables, findings, offset_max)


def _checked(tables: Mapping[str, FitsHdu], findings: Findings, offset_max: float) -> EventFile:
    events = tables["EVENTS"]
    cards = events.cards
    _refuse_other_frames(cards, findings.path)
    columns, usable = sound_rows(_columns(events, findings), findings)
    reference = reference_mjd(cards, findings)
    gti = good_time(tables.get("GTI"), cards, columns.time[usable], reference, findings)
    rows = chosen_rows(columns, usable, gti, findings)
    _note_late(cards, columns, rows, findings)
    ra, dec = columns.ra[rows], columns.dec[rows]
    where = pointing(cards, tables.get("POINTING"), (ra, dec), findings)
    note_outside_field(columns, rows, where, offset_max, findings)
    event_list = EventList(
        time=columns.time[rows],
        ra=ra,
        dec=dec,
        energy=columns.energy[rows],
        gti=gti,
        pointing=where,
        live_fraction=live_fraction(cards.number, findings),
        reference_mjd=reference,
        name=name_of(cards.get) or findings.path.name,
        meta=travelling_meta(cards),
        event_id=None if columns.event_id is None else columns.event_id[rows],
    )
    return EventFile(event_list, findings.path, len(columns), rows, findings.as_tuple())


def _columns(events: FitsHdu, findings: Findings) -> EventColumns:
    missing = [name for name in _UNITS if name not in events.columns]
    if missing:
        raise ReadError(
            f"The EVENTS table has no column {', '.join(missing)}.",
            f"{did_you_mean(missing[0], events.columns)}GADF asks for TIME, RA, DEC and ENERGY; "
            f"it has {', '.join(events.columns)}.",
            path=findings.path,
        )
    with_id = "EVENT_ID" in events.columns
    values = events.read([*_UNITS, "EVENT_ID"] if with_id else list(_UNITS))
    time, ra, dec, energy = (
        _converted(values[name], column_factor(events, name, wanted, findings))
        for name, wanted in _UNITS.items()
    )
    identifiers = values["EVENT_ID"].astype(np.int64) if with_id else None
    return EventColumns(time, ra, dec, energy, identifiers)


def _converted(values: NDArray[Any], factor: float) -> NDArray[np.float64]:
    converted: NDArray[np.float64] = values.astype(np.float64, copy=False)
    return converted if factor == 1 else converted * factor


def _note_late(
    cards: Cards, columns: EventColumns, rows: NDArray[np.int64], findings: Findings
) -> None:
    _, stop = header_times(cards)
    late = rows[columns.time[rows] > stop + GTI_TOLERANCE]
    if len(late):
        findings.add(
            "after-tstop",
            Verdict.NOTED,
            "Events in the good time are later than TSTOP of the header: kept, TSTOP is wrong.",
            late,
        )


def _refuse_other_frames(cards: Cards, path: Path) -> None:
    frame = (cards.text("RADECSYS") or cards.text("RADESYS")).upper()
    if frame not in _FRAMES:
        raise ReadError(
            f"The directions are in the frame {frame}.",
            "Convert RA and DEC to ICRS or FK5 (J2000), which GADF asks for.",
            path=path,
        )
    # ICRS has no equinox; a B or J in front is that of Besselian and Julian years.
    equinox = _YEAR.match(cards.text("EQUINOX").upper())
    if frame != "ICRS" and equinox and float(equinox[1]) != _J2000:
        raise ReadError(
            f"The directions are of the equinox {cards.text('EQUINOX')}.",
            "Convert RA and DEC to ICRS or FK5 (J2000), which GADF asks for.",
            path=path,
        )
