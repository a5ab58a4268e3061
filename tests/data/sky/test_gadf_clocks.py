"""Clocks, units of time, frames and dead time as headers write them; and time that is cut out."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import assume, given
from hypothesis import strategies as st

from skysift.core.errors import ReadError
from skysift.data.contract import Verdict
from skysift.data.sky.gadf import EventFile, read_events
from skysift.data.sky.gadf_contract import EventColumns, chosen_rows
from skysift.data.sky.gadf_findings import Findings
from skysift.data.sky.gti import GoodTimeIntervals

DAY = 86400.0
ZERO = 51910 + 0.000742870370370241
LEAP = 64.184  # s between UTC and TT in 2001


def found(file: EventFile) -> dict[str, tuple[Verdict, list[int]]]:
    return {f.code: (f.verdict, f.rows.tolist()) for f in file.findings}


def message(file: EventFile, code: str) -> str:
    return next(f.message for f in file.findings if f.code == code)


@pytest.mark.parametrize("gap", [0.1, 0.5, 1.9, 3.0, 30.0])
def test_the_rate_is_the_same_whatever_is_cut_out(gadf_file, rng, gap) -> None:
    rate, span = 20.0, 1000.0
    n, one = int(rate * span), np.ones(int(rate * span))
    columns = {
        "EVENT_ID": ("K", None, np.arange(n)),
        "TIME": ("D", "s", np.sort(rng.uniform(0, span, n))),
        "RA": ("D", "deg", 83.6 * one),
        "DEC": ("D", "deg", 22.0 * one),
        "ENERGY": ("D", "TeV", one),
    }
    gti = [(float(start), float(start + gap)) for start in np.arange(0.0, span, 2 * gap)]
    file = read_events(gadf_file(columns=columns, header={"TSTOP": span}, gti=gti))
    assert len(file.events) / file.events.gti.duration == pytest.approx(rate, rel=0.06)
    assert file.counts["rejected"] == pytest.approx(n / 2, rel=0.06)


@given(at=st.floats(-3.0, 23.0), gap=st.floats(0.01, 5.0))
def test_photons_are_kept_near_the_ends_but_not_in_a_gap(tmp_path_factory, at, gap) -> None:
    one = np.ones(1)
    columns = EventColumns(at * one, one, one, one, None)
    gti = GoodTimeIntervals.of([(0.0, 10.0), (10.0 + gap, 20.0)])
    findings = Findings(tmp_path_factory.getbasetemp())
    kept = len(chosen_rows(columns, np.ones(1, dtype=bool), gti, findings)) == 1
    low, high = 10.0 + 1e-3, 10.0 + gap - 1e-3
    assume(min(abs(at - low), abs(at - high)) > 1e-9)
    in_gap = low < at < high
    assert kept == (-1.0 <= at <= 21.0 and not in_gap)


def test_a_gti_whose_zero_is_one_number_is_shifted(gadf_file) -> None:
    path = gadf_file(gti=[(-DAY, -DAY + 10)], gti_header={"MJDREF": ZERO + 1})
    file = read_events(path)
    assert file.events.gti.start[0] == pytest.approx(0.0, abs=1e-5)
    assert found(file) == {}
    assert len(file.events) == 5


def test_the_same_zero_as_one_number_shifts_nothing(gadf_file) -> None:
    file = read_events(gadf_file(gti=[(0.0, 10.0)], gti_header={"MJDREF": ZERO}))
    assert file.events.gti.start.tolist() == [0.0]
    both = {"MJDREFI": None, "MJDREFF": None, "MJDREF": ZERO}
    file = read_events(gadf_file("b.fits", header=both, gti_header={"MJDREF": ZERO}))
    assert file.events.gti.start.tolist() == [0.0]
    assert file.events.reference_mjd == pytest.approx(ZERO, abs=1e-10)


def test_a_gti_without_a_time_system_has_that_of_the_events(gadf_file) -> None:
    zero = {"MJDREFI": 51910, "MJDREFF": 0.0}
    header = {"TIMESYS": "UTC", **zero}
    file = read_events(gadf_file(header=header, gti_header=zero))
    assert file.events.gti.start[0] == pytest.approx(0.0, abs=1e-5)
    assert found(file) == {}
    other = gadf_file("b.fits", header=header, gti_header={**zero, "TIMESYS": "TT"},
                      gti=[(LEAP, LEAP + 10)])  # fmt: skip
    assert read_events(other).events.gti.start[0] == pytest.approx(0.0, abs=1e-4)


def in_days(path: Path) -> Path:
    """Write a file whose times are in days, which TIMEUNIT alone says."""
    with fits.open(path) as hdus:
        made = [_in_days(hdu) for hdu in hdus[1:]]
    days = path.with_name("days.fits")
    fits.HDUList([fits.PrimaryHDU(), *made]).writeto(days)
    return days


def _in_days(hdu: fits.BinTableHDU) -> fits.BinTableHDU:
    timely = {"TIME", "START", "STOP"} & set(hdu.columns.names)
    columns = [
        fits.Column(c.name, c.format, array=hdu.data[c.name] / DAY)
        if c.name in timely
        else fits.Column(c.name, c.format, unit=c.unit, array=hdu.data[c.name])
        for c in hdu.columns
    ]
    made = fits.BinTableHDU.from_columns(columns, name=hdu.name)
    made.header.extend(hdu.header, unique=True)
    for keyword in {"TSTART", "TSTOP"} & set(made.header):
        made.header[keyword] /= DAY
    made.header["TIMEUNIT"] = "d"
    return made


def test_timeunit_is_the_unit_of_times_without_one(gadf_file) -> None:
    file = read_events(in_days(gadf_file()))
    np.testing.assert_allclose(file.events.time, [1.0, 2.0, 3.0, 4.0, 5.0], rtol=1e-12)
    assert file.events.gti.duration == pytest.approx(10.0)
    assert {code: verdict for code, (verdict, _) in found(file).items()} == dict.fromkeys(
        ("unit-time", "unit-start", "unit-stop"), Verdict.REPAIRED
    )


def test_timeunit_is_the_unit_of_tstart_and_tstop(gadf_file) -> None:
    file = read_events(in_days(gadf_file(gti=None)))
    assert file.events.gti.stop[0] == pytest.approx(10.0)
    assert len(file.events) == 5
    assert set(found(file)) == {"unit-time", "no-gti"}


def test_a_wrong_tstop_is_noted_in_its_unit(gadf_file) -> None:
    path = in_days(gadf_file(header={"TSTOP": 2.5}))
    assert found(read_events(path))["after-tstop"] == (Verdict.NOTED, [3, 4])


@pytest.mark.parametrize("unit", ["m", "Wingdings", "1"])
def test_a_timeunit_that_is_no_time_is_taken_as_seconds(gadf_file, unit) -> None:
    columns = {"TIME": ("D", None, np.arange(5.0))}
    file = read_events(gadf_file(columns=columns, header={"TIMEUNIT": unit}))
    assert file.events.time.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert found(file) == {"no-unit-time": (Verdict.NOTED, [])}


@pytest.mark.parametrize(
    ("frame", "equinox", "refused"),
    [("FK5", 1950.0, True), ("FK5", "B1950", True), (None, 1950, True), ("FK5", 2004.5, True),
     ("FK5", 2000, False), ("FK5", "J2000.0", False), ("FK5", None, False), (None, 2000.0, False),
     ("ICRS", 1950.0, False), ("FK5", "UNKNOWN", False)],
)  # fmt: skip
def test_directions_of_another_equinox_are_refused(gadf_file, frame, equinox, refused) -> None:
    path = gadf_file(header={"RADECSYS": frame, "EQUINOX": equinox})
    if refused:
        with pytest.raises(ReadError, match=r"of the equinox .*Convert RA and DEC"):
            read_events(path)
    else:
        assert read_events(path).findings == ()


def test_impossible_dead_time_is_called_so(gadf_file) -> None:
    file = read_events(gadf_file(header={"DEADC": 1.2, "LIVETIME": 12.0}))
    assert file.events.live_fraction == 1.0
    said = message(file, "no-livetime")
    assert "DEADC = 1.2 and LIVETIME / ONTIME = 1.2, which is impossible" in said
    missing = read_events(gadf_file("b.fits", header={"DEADC": None, "LIVETIME": None}))
    assert "neither DEADC nor LIVETIME" in message(missing, "no-livetime")
