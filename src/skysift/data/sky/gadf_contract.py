"""The input contract of events: each row is accepted, repaired or rejected, with the reason."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from skysift.data.contract import Verdict
from skysift.data.sky.event_list import Pointing
from skysift.data.sky.gadf_findings import Findings
from skysift.data.sky.gti import GoodTimeIntervals
from skysift.data.sky.tangent import separation

__all__ = ["GTI_TOLERANCE", "EventColumns", "chosen_rows", "note_outside_field", "sound_rows"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Mask = NDArray[np.bool_]

GTI_TOLERANCE = 1.0
"""Seconds: many files round the first start and the last end of their good time to whole seconds.
"""

GAP_TOLERANCE = 1e-3
"""Seconds, for what is rounded inside a gap: its time is cut out, so must be its photons."""

_POLE = 90.0
_TURN = 360.0


@dataclass(frozen=True, slots=True)
class EventColumns:
    """All rows of an EVENTS table.

    Parameters
    ----------
    time, ra, dec, energy : array, shape (n,) [s, deg, deg, TeV]
        In our units.
    event_id : array of int64, shape (n,), or None
        Identifiers.
    """

    time: FloatArray
    ra: FloatArray
    dec: FloatArray
    energy: FloatArray
    event_id: IntArray | None

    def __len__(self) -> int:
        return len(self.time)


def sound_rows(columns: EventColumns, findings: Findings) -> tuple[EventColumns, Mask]:
    """Reject rows that describe no photon, and bring right ascensions into 0 to 360 deg."""
    usable = np.ones(len(columns), dtype=bool)
    for name in ("time", "ra", "dec", "energy"):
        bad = ~np.isfinite(getattr(columns, name))
        message = f"{name.upper()} is not a finite number."
        _reject(usable, bad, f"nan-{name}", message, findings)
    with np.errstate(invalid="ignore"):
        unphysical = columns.energy <= 0
        off_sky = np.abs(columns.dec) > _POLE
        turned = usable & ((columns.ra < 0) | (columns.ra >= _TURN))
    _reject(usable, unphysical, "energy-not-positive", "The energy is not above zero.", findings)
    _reject(usable, off_sky, "dec-impossible", "The declination is beyond a pole.", findings)
    turned &= usable
    if turned.any():
        findings.add(
            "ra-wrapped",
            Verdict.NOTED,  # the same direction: some files count from -180 to 180 deg
            "The right ascension is outside 0 to 360 deg: a whole turn is added.",
            np.flatnonzero(turned),
        )
        ra = columns.ra.copy()
        ra[turned] = np.mod(ra[turned], _TURN)
        ra[ra == _TURN] = 0.0  # which is what the remainder of a tiny negative number rounds to
        columns = replace(columns, ra=ra)
    return columns, usable


def chosen_rows(
    columns: EventColumns, usable: Mask, gti: GoodTimeIntervals, findings: Findings
) -> IntArray:
    """Return the rows to keep, in the order of their times.

    Rows out of the good time and duplicates are rejected; rows out of order are put in order.
    """
    rows = _in_order(columns.time, np.flatnonzero(usable), findings)
    rows = rows[~_outside(columns.time, rows, gti, findings)]
    return rows[~_duplicated(columns, rows, findings)]


def note_outside_field(
    columns: EventColumns,
    rows: IntArray,
    pointing: Pointing,
    offset_max: float,
    findings: Findings,
) -> None:
    """Note the events further from the pointing than the field of view reaches [deg]."""
    if np.isnan(pointing.ra):
        return
    ra, dec = columns.ra[rows], columns.dec[rows]
    d_ra = np.abs(ra - pointing.ra)
    # No angle is larger than the sum of its two parts: few events need the exact formula.
    doubtful = np.minimum(d_ra, _TURN - d_ra) + np.abs(dec - pointing.dec) > offset_max
    if not doubtful.any():
        return
    offset = np.zeros(len(rows))
    offset[doubtful] = separation(ra[doubtful], dec[doubtful], pointing.ra, pointing.dec)
    outside = offset > offset_max
    if outside.any():
        findings.add(
            "outside-field",
            Verdict.NOTED,
            f"Events are more than {offset_max:g} deg from the pointing, up to "
            f"{offset.max():.4g} deg: kept, no map holds them.",
            rows[outside],
        )


def _reject(usable: Mask, bad: Mask, code: str, message: str, findings: Findings) -> None:
    found = usable & bad
    if found.any():
        findings.add(code, Verdict.REJECTED, message, np.flatnonzero(found))
        usable &= ~bad


def _in_order(time: FloatArray, rows: IntArray, findings: Findings) -> IntArray:
    times = time[rows]
    if np.all(times[1:] >= times[:-1]):
        return rows
    late = times < np.maximum.accumulate(times)
    findings.add(
        "unsorted",
        Verdict.REPAIRED,
        "Events came after later ones: put in the order of their times.",
        rows[late],
    )
    return rows[np.argsort(times, kind="stable")]


def _outside(time: FloatArray, rows: IntArray, gti: GoodTimeIntervals, findings: Findings) -> Mask:
    """Tell which rows are out of the good time; within the tolerance they stay."""
    times = time[rows]
    outside = ~gti.contains(times)
    if not outside.any():
        return outside
    near = np.zeros(len(rows), dtype=bool)
    near[outside] = _is_rounded(times[outside], gti)
    if near.any():
        findings.add(
            "at-gti-edge",
            Verdict.NOTED,
            f"Events are before or after the good time by {GTI_TOLERANCE:g} s or less, or in a gap "
            f"by {GAP_TOLERANCE:g} s or less, as where times are rounded: kept.",
            rows[near],
        )
    far = outside & ~near
    if far.any():
        findings.add(
            "outside-gti",
            Verdict.REJECTED,
            "Events are out of the good time, for which no exposure is counted.",
            rows[far],
        )
    return far


def _is_rounded(times: FloatArray, gti: GoodTimeIntervals) -> Mask:
    """Tell which times out of the good time are so near to it that rounding may have done it."""
    if len(gti) == 0:
        return np.zeros(len(times), dtype=bool)
    in_gap = (times >= gti.start[0]) & (times < gti.stop[-1])
    tolerance = np.where(in_gap, GAP_TOLERANCE, GTI_TOLERANCE)
    return np.asarray(_distance(times, gti) <= tolerance)


def _distance(times: FloatArray, gti: GoodTimeIntervals) -> FloatArray:
    """Return how far [s] times are from the nearest edge of the good time."""
    edges = np.sort(np.concatenate([gti.start, gti.stop]))
    right = np.searchsorted(edges, times)
    before = np.abs(times - edges[np.maximum(right - 1, 0)])
    after = np.abs(edges[np.minimum(right, len(edges) - 1)] - times)
    return np.asarray(np.minimum(before, after))


def _duplicated(columns: EventColumns, rows: IntArray, findings: Findings) -> Mask:
    """Tell which rows repeat an earlier one.

    A repetition has the time of another row and either its identifier or its direction and
    energy. The time alone is no sign: clocks tick. The identifier alone is none either: some
    files count anew in each part.
    """
    duplicated = np.zeros(len(rows), dtype=bool)
    times = columns.time[rows]
    same = times[1:] == times[:-1]
    if not same.any():
        return duplicated
    tied = np.flatnonzero(np.append(same, False) | np.insert(same, 0, False))
    at = rows[tied]
    duplicated[tied] = _repeats([columns.time[at], columns.ra[at], columns.dec[at],
                                 columns.energy[at]])  # fmt: skip
    identifiers = columns.event_id
    if identifiers is not None and np.ptp(identifiers):  # one number for all identifies nothing
        duplicated[tied] |= _repeats([columns.time[at], identifiers[at]])
    if duplicated.any():
        findings.add(
            "duplicate",
            Verdict.REJECTED,
            "Events are there more than once, with the same time and identifier or the same time, "
            "direction and energy: the first is kept.",
            np.sort(rows[duplicated]),
        )
    return duplicated


def _repeats(keys: Sequence[FloatArray | IntArray]) -> Mask:
    """Tell which items equal an earlier one in all keys."""
    order = np.lexsort(keys)  # stable: of equal items the first stays first
    equal = np.ones(len(order) - 1, dtype=bool)
    for key in keys:
        equal &= key[order[1:]] == key[order[:-1]]
    repeats = np.zeros(len(order), dtype=bool)
    repeats[order[1:]] = equal
    return repeats
