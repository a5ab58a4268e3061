"""What the headers of a GADF file say of an observation: clock, intervals, dead time, pointing."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from astropy import units as u
from numpy.typing import NDArray

from skysift.core.errors import ReadError
from skysift.data.contract import Verdict
from skysift.data.sky.event_list import GADF_REFERENCE_MJD, Pointing
from skysift.data.sky.fits_table import Cards, FitsHdu
from skysift.data.sky.gadf_findings import Findings
from skysift.data.sky.gti import GoodTimeIntervals
from skysift.data.sky.tangent import separation

__all__ = [
    "column_factor",
    "good_time",
    "header_times",
    "live_fraction",
    "mean_direction",
    "pointing",
    "reference_mjd",
    "travelling_meta",
]

FloatArray = NDArray[np.float64]

_DAY = 86400.0
_DATE_ROUNDING = 1e-5  # s; what the single number MJDREF cannot tell
_LARGEST_MJD = 1e6  # about the year 4600
_ZENITH = 90.0
_META = (
    "OBS_ID", "OBJECT", "RA_OBJ", "DEC_OBJ", "TELESCOP", "INSTRUME", "ORIGIN", "OBSERVER",
    "EV_CLASS", "OBS_MODE", "N_TELS", "TELLIST", "GEOLON", "GEOLAT", "ALTITUDE", "AZ_PNT",
    "MUONEFF", "CALDB", "IRF",
)  # fmt: skip
_MAX_DIFFERENCE = 0.01  # between DEADC and LIVETIME / ONTIME
_MOVING = 0.05  # deg; a mean pointing further than this from its rows is of a moving telescope


def travelling_meta(cards: Cards) -> dict[str, Any]:
    """Return the header values that an event list carries along."""
    found = ((keyword, cards.get(keyword)) for keyword in _META)
    meta = {keyword: value for keyword, value in found if value is not None}
    return {**meta, "TIMESYS": "TT"}


def column_factor(hdu: FitsHdu, name: str, wanted: str, findings: Findings) -> float:
    """Return what turns a column into the wanted unit; a missing unit is taken as the wanted one.

    The unit of a time that has none is that of TIMEUNIT.

    Raises
    ------
    ReadError
        If the unit is unknown or of another kind.
    """
    given = hdu.columns[name].unit
    if not given and wanted == "s" and _time_unit(hdu.cards):
        given = hdu.cards.text("TIMEUNIT")
    if given == wanted:
        return 1.0
    if not given:
        findings.add(
            f"no-unit-{name.lower()}",
            Verdict.NOTED,
            f"Column {name} of {hdu.name} has no unit: taken as {wanted}, which GADF prescribes.",
        )
        return 1.0
    try:
        factor = float(u.Unit(given).to(u.Unit(wanted)))
    except (ValueError, u.UnitConversionError) as error:
        raise ReadError(
            f"Column {name} of {hdu.name} has the unit '{given}', which cannot become {wanted}.",
            f"Correct TUNIT; GADF prescribes {wanted}.",
            path=findings.path,
        ) from error
    if factor != 1:
        findings.add(
            f"unit-{name.lower()}",
            Verdict.REPAIRED,
            f"Column {name} of {hdu.name} is in {given}: converted to {wanted}.",
        )
    return factor


def _time_unit(cards: Cards) -> float:
    """Return the seconds of TIMEUNIT, 0 where it is missing or no unit of time."""
    given = cards.text("TIMEUNIT")
    if given in {"", "s"}:
        return float(given == "s")
    try:
        return float(u.Unit(given).to(u.s))
    except (ValueError, u.UnitConversionError):
        return 0.0


def reference_mjd(cards: Cards, findings: Findings, *, scale: str = "tt") -> float:
    """Return the zero of the times as a TT Julian date, whatever scale the header names.

    Times are seconds that have passed since, in every scale, so that they stay as they are. A
    header without TIMESYS has the given scale.
    """
    whole, part = cards.number("MJDREFI"), cards.number("MJDREFF")
    if np.isnan(whole):
        whole = cards.number("MJDREF")
    if np.isnan(whole):
        findings.add(
            "no-time-reference",
            Verdict.NOTED,
            "The header has no MJDREFI: times are taken from 2001-01-01 00:01:04.184 TT.",
        )
        return GADF_REFERENCE_MJD
    if abs(whole) > _LARGEST_MJD:
        raise ReadError(
            f"The zero of the times is MJD {whole:g}, which is no date.",
            "Correct MJDREFI.",
            path=findings.path,
        )
    scale = cards.text("TIMESYS").lower() or scale
    part = 0.0 if np.isnan(part) else part
    if scale == "tt":
        return whole + part
    if scale not in {"utc", "tai", "tdb", "tcb", "tcg"}:
        findings.add(
            "unknown-time-system",
            Verdict.NOTED,
            f"The time system '{scale}' is not known: taken as TT.",
        )
        return whole + part
    return _terrestrial(whole, part, scale)


@lru_cache(maxsize=32)
def _terrestrial(whole: float, part: float, scale: str) -> float:
    from astropy.time import Time  # noqa: PLC0415 slow to import, and most files are in TT

    with warnings.catch_warnings():
        # Leap seconds before 1960 or to come are not known.
        warnings.filterwarnings("ignore", message="ERFA function")
        return float(Time(whole, part, format="mjd", scale=scale).tt.mjd)


def live_fraction(number: Callable[[str], float], findings: Findings) -> float:
    """Return live time over good time: DEADC, else LIVETIME / ONTIME, else 1.

    Parameters
    ----------
    number : callable
        Returns the value of a keyword, NaN where there is none, as :meth:`Cards.number` does.
    findings : Findings
        What is found is added.
    """
    ontime = number("ONTIME")
    ratio = number("LIVETIME") / ontime if ontime > 0 else float("nan")
    given = number("DEADC")
    if 0 < given <= 1:
        if abs(given - ratio) > _MAX_DIFFERENCE:
            findings.add(
                "livetime-inconsistent",
                Verdict.NOTED,
                f"DEADC is {given:.6g} but LIVETIME / ONTIME {ratio:.6g}: DEADC is used.",
            )
        return given
    if 0 < ratio <= 1:
        findings.add(
            "no-deadc",
            Verdict.REPAIRED,
            f"DEADC is missing or impossible: LIVETIME / ONTIME = {ratio:.6g} is used.",
        )
        return ratio
    values = {"DEADC": given, "LIVETIME / ONTIME": ratio}
    impossible = [f"{name} = {value:.6g}" for name, value in values.items() if np.isfinite(value)]
    findings.add(
        "no-livetime",
        Verdict.NOTED,
        f"The header has {' and '.join(impossible)}, which is impossible: no dead time is assumed, "
        "a live fraction of 1."
        if impossible
        else "The header has neither DEADC nor LIVETIME: no dead time is assumed.",
    )
    return 1.0


def good_time(
    gti: FitsHdu | None, cards: Cards, time: FloatArray, reference: float, findings: Findings
) -> GoodTimeIntervals:
    """Return the good time [s] from the reference of the events.

    Parameters
    ----------
    gti : FitsHdu or None
        The table; None to make one interval of TSTART and TSTOP, or of the events.
    cards : Cards
        Header of the events.
    time : array, shape (n,) [s]
        Times of the events.
    reference : float [d]
        Their zero, TT.
    findings : Findings
        What is found is added.
    """
    if gti is None:
        return _one_interval(cards, time, findings)
    if not {"START", "STOP"} <= set(gti.columns):
        raise ReadError(
            "The GTI table has no columns START and STOP.",
            "Correct it, or read the file with ignore_gti.",
            path=findings.path,
        )
    bounds = gti.read(["START", "STOP"])
    shift = _shift(gti.cards, cards, reference, findings)
    start, stop = (
        bounds[name] * column_factor(gti, name, "s", findings) + shift for name in bounds
    )
    return _checked(start, stop, findings)


def _shift(gti: Cards, events: Cards, reference: float, findings: Findings) -> float:
    """Return what [s] turns times of the GTI table into those of the events.

    A table without a zero has that of the events, and one without TIMESYS their scale.
    """
    if all(np.isnan(gti.number(keyword)) for keyword in ("MJDREFI", "MJDREF")):
        return 0.0
    scale = events.text("TIMESYS").lower() or "tt"
    shift = (reference_mjd(gti, findings, scale=scale) - reference) * _DAY
    one_number = any(np.isnan(cards.number("MJDREFI")) for cards in (gti, events))
    return 0.0 if one_number and abs(shift) < _DATE_ROUNDING else shift


def _checked(start: FloatArray, stop: FloatArray, findings: Findings) -> GoodTimeIntervals:
    if len(start) == 0:
        findings.add(
            "gti-empty",
            Verdict.REJECTED,
            "The GTI table is empty, which says that no time is good. Read with ignore_gti to use "
            "the whole run.",
        )
    sound = np.isfinite(start) & np.isfinite(stop) & (stop > start)
    if not sound.all():
        findings.add(
            "gti-bad-interval",
            Verdict.REJECTED,
            f"{np.sum(~sound)} good time intervals are not finite or end before they start: left "
            "out.",
        )
    start, stop = start[sound], stop[sound]
    intervals = GoodTimeIntervals.of(list(zip(start, stop, strict=True)))
    overlap = float(np.sum(stop - start)) - intervals.duration
    if overlap > 1e-6:  # noqa: PLR2004 - a microsecond: rounding of the sum
        findings.add(
            "gti-overlap",
            Verdict.REPAIRED,
            f"Good time intervals overlap by {overlap:.6g} s: merged.",
        )
    if len(intervals) > 1:
        gap = float(intervals.stop[-1] - intervals.start[0]) - intervals.duration
        findings.add(
            "gti-gaps",
            Verdict.NOTED,
            f"The good time has {len(intervals)} intervals, with {gap:.6g} s between them.",
        )
    return intervals


def header_times(cards: Cards) -> tuple[float, float]:
    """Return TSTART and TSTOP [s], NaN where they are missing; TIMEUNIT is their unit."""
    factor = _time_unit(cards) or 1.0
    return cards.number("TSTART") * factor, cards.number("TSTOP") * factor


def _one_interval(cards: Cards, time: FloatArray, findings: Findings) -> GoodTimeIntervals:
    start, stop = header_times(cards)
    if stop > start:
        findings.add(
            "no-gti",
            Verdict.REPAIRED,
            "No GTI table is used: the good time is TSTART to TSTOP.",
        )
        return GoodTimeIntervals.of([(start, stop)])
    finite = time[np.isfinite(time)]
    findings.add(
        "no-gti-no-tstart",
        Verdict.REPAIRED,
        "There is neither a GTI table nor TSTART and TSTOP: the good time is from the first event "
        "to the last, which is somewhat too short.",
    )
    if len(finite) == 0:
        return GoodTimeIntervals.of([])
    last = np.nextafter(finite.max(), np.inf)  # an interval does not hold its end
    return GoodTimeIntervals.of([(float(finite.min()), float(last))])


def mean_direction(ra: FloatArray, dec: FloatArray) -> tuple[float, float]:
    """Return the mean direction [deg] of directions, shape (n,) [deg] each."""
    longitude, latitude = np.radians(ra), np.radians(dec)
    x = np.mean(np.cos(latitude) * np.cos(longitude))
    y = np.mean(np.cos(latitude) * np.sin(longitude))
    z = np.mean(np.sin(latitude))
    return (
        float(np.degrees(np.arctan2(y, x)) % 360.0),
        float(np.degrees(np.arctan2(z, np.hypot(x, y)))),
    )


def pointing(
    cards: Cards, table: FitsHdu | None, sky: Sequence[FloatArray], findings: Findings
) -> Pointing:
    """Return the mean pointing: of the POINTING table, else of the header, else of the events.

    Parameters
    ----------
    cards : Cards
        Header of the events.
    table : FitsHdu or None
        The POINTING table.
    sky : sequence of two arrays, shape (n,) [deg]
        RA and Dec of the events that were accepted.
    findings : Findings
        What is found is added.
    """
    zenith = _ZENITH - cards.number("ALT_PNT")
    if np.isnan(zenith):
        zenith = cards.number("ZEN_PNT")
    rows = _pointing_rows(table, findings)
    if rows:
        ra, dec = mean_direction(rows["RA_PNT"], rows["DEC_PNT"])
        spread = float(separation(rows["RA_PNT"], rows["DEC_PNT"], ra, dec).max())
        if spread > _MOVING:
            findings.add(
                "pointing-moves",
                Verdict.NOTED,
                f"The telescope moved up to {spread:.3g} deg from its mean pointing, which is "
                "used.",
            )
        if "ALT_PNT" in rows:
            zenith = _ZENITH - float(np.mean(rows["ALT_PNT"]))
        return Pointing(ra, dec, zenith)
    ra, dec = cards.number("RA_PNT"), cards.number("DEC_PNT")
    if np.isfinite(ra) and abs(dec) <= _ZENITH:
        return Pointing(ra % 360.0, dec, zenith)
    findings.add(
        "no-pointing",
        Verdict.REPAIRED,
        "Neither the header nor a table says where the telescope looked: the mean direction of "
        "the events is taken.",
    )
    if len(sky[0]) == 0:
        return Pointing(float("nan"), float("nan"), zenith)
    return Pointing(*mean_direction(sky[0], sky[1]), zenith)


def _pointing_rows(table: FitsHdu | None, findings: Findings) -> Mapping[str, FloatArray]:
    """Return the sound rows of a POINTING table, nothing if there are none."""
    if table is None or not {"RA_PNT", "DEC_PNT"} <= set(table.columns) or table.n_rows == 0:
        return {}
    names: list[str] = [name for name in ("RA_PNT", "DEC_PNT", "ALT_PNT") if name in table.columns]
    rows = table.read(names)
    sound = np.isfinite(rows["RA_PNT"]) & np.isfinite(rows["DEC_PNT"])
    if not sound.any():
        return {}
    kept = {n: rows[n][sound] * column_factor(table, n, "deg", findings) for n in names}
    if "ALT_PNT" in kept and not np.isfinite(kept["ALT_PNT"]).all():
        del kept["ALT_PNT"]
    return kept
