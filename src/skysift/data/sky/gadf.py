"""Read the event list of a GADF DL3 file.

Data formats for gamma-ray astronomy (GADF) 0.3, https://gamma-astro-data-formats.readthedocs.io,
sections "Event lists", "GTI tables" and "Pointing".
"""

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
from skysift.data.sky.fits_table import Cards, FitsHdu, walk_hdus
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
    live_fraction,
    pointing,
    reference_mjd,
    travelling_meta,
)
from skysift.data.sky.gadf_location import HduLocation

__all__ = ["EventFile", "read_events"]

_UNITS = {"TIME": "s", "RA": "deg", "DEC": "deg", "ENERGY": "TeV"}
_FRAMES = {"", "ICRS", "FK5"}  # FK5 (J2000) is ICRS to 0.03 arcsec, far below what these see
_BEHIND = 90.0
_ROLES = ("EVENTS", "GTI", "POINTING")
_MOVING_MODES = {"DRIFT", "RASTER", "SCAN", "SLEW"}


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
    path: str | Path,
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
    responses behind them cost nothing.

    Parameters
    ----------
    path : path-like
        The file with the EVENTS table.
    gti, pointing_table : HduLocation, optional
        Where these tables are, if not in the same file; an index knows (see
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
        If the file is missing, truncated, damaged, no FITS file, too large when unpacked, or has
        no EVENTS table with TIME, RA, DEC and ENERGY in units that can be converted.
    """
    with ExitStack() as opened:
        stream = opened.enter_context(FitsStream(path, max_bytes=max_bytes))
        findings = Findings(stream.path)
        tables = _tables(stream)
        for location, name in ((gti, "GTI"), (pointing_table, "POINTING")):
            if location is not None:
                other = opened.enter_context(FitsStream(location.path, max_bytes=max_bytes))
                tables[name] = location.find(other)
        if ignore_gti:
            tables.pop("GTI", None)
        return _checked(tables, findings, offset_max)


def _tables(stream: FitsStream) -> dict[str, FitsHdu]:
    """Find the tables of the observation, which lie in front of the responses.

    The search ends at the first other table behind EVENTS and GTI, unless the header does not say
    where the telescope looked.
    """
    found: dict[str, FitsHdu] = {}
    for hdu in walk_hdus(stream):
        role = _role(hdu)
        if role:
            found.setdefault(role, hdu)
        elif {"EVENTS", "GTI"} <= set(found) and _has_fixed_pointing(found["EVENTS"]):
            break
    if "EVENTS" not in found:
        raise ReadError(
            "The file has no EVENTS table.",
            "Give a GADF DL3 event list; files of responses are read elsewhere.",
            path=stream.path,
        )
    return found


def _role(hdu: FitsHdu) -> str:
    if not hdu.is_table:
        return ""
    declared = hdu.cards.text("HDUCLAS1").upper()
    return next((role for role in _ROLES if role in {hdu.name, declared}), "")


def _has_fixed_pointing(events: FitsHdu) -> bool:
    moving = events.cards.text("OBS_MODE").upper() in _MOVING_MODES
    return not moving and bool(np.isfinite(events.cards.number("RA_PNT")))


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
        live_fraction=live_fraction(cards, findings),
        reference_mjd=reference,
        name=cards.text("OBS_ID") or findings.path.name,
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
    late = rows[columns.time[rows] > cards.number("TSTOP") + GTI_TOLERANCE]
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
