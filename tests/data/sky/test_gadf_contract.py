"""Every way in which a made-up event file can be wrong, and what becomes of its rows."""

import numpy as np
import pytest
from astropy.time import Time

from skysift.core.errors import ReadError
from skysift.data.contract import Verdict
from skysift.data.sky.gadf import EventFile, read_events


def found(file: EventFile) -> dict[str, tuple[Verdict, list[int]]]:
    return {f.code: (f.verdict, f.rows.tolist()) for f in file.findings}


def column(form, unit, *values):
    return (form, unit, np.array(values))


def test_a_file_that_breaks_no_rule_is_accepted_whole(gadf_file) -> None:
    file = read_events(gadf_file())
    assert file.findings == ()
    assert file.counts == {"accepted": 5, "repaired": 0, "rejected": 0}
    events = file.events
    assert events.time.tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]
    np.testing.assert_allclose(events.ra, [83.0, 83.5, 84.0, 83.2, 83.7], rtol=1e-7)
    np.testing.assert_allclose(events.energy, [0.1, 0.5, 1.0, 2.0, 30.0], rtol=1e-7)
    assert events.event_id.tolist() == [10, 11, 12, 13, 14]
    assert (events.pointing.ra, events.pointing.dec, events.pointing.zenith) == (83.6, 22.0, 30.0)
    assert events.livetime == pytest.approx(9.5)
    assert events.name == "7"
    assert events.meta["OBJECT"] == "Crab"
    assert events.reference_mjd == pytest.approx(51910.000742870370, abs=1e-11)


def test_optional_keywords_may_be_missing(gadf_file) -> None:
    optional = (
        "OBS_ID",
        "OBJECT",
        "ONTIME",
        "LIVETIME",
        "DEADC",
        "ALT_PNT",
        "RADECSYS",
        "TIMEUNIT",
    )
    path = gadf_file(header=dict.fromkeys(optional))
    file = read_events(path)
    assert found(file) == {"no-livetime": (Verdict.NOTED, [])}
    assert file.events.live_fraction == 1.0
    assert file.events.name == path.name
    assert np.isnan(file.events.pointing.zenith)


def test_an_empty_gti_table_makes_no_time_good(gadf_file) -> None:
    path = gadf_file(gti=[])
    file = read_events(path)
    assert len(file.events) == 0
    assert file.events.livetime == 0
    assert file.counts["rejected"] == 5
    assert found(file)["outside-gti"] == (Verdict.REJECTED, [0, 1, 2, 3, 4])
    assert "gti-empty" in found(file)
    assert len(read_events(path, ignore_gti=True).events) == 5


@pytest.mark.parametrize(
    ("header", "code", "interval"),
    [
        ({}, "no-gti", (0.0, 10.0)),
        ({"TSTART": None, "TSTOP": None}, "no-gti-no-tstart", (1.0, np.nextafter(5.0, 6.0))),
    ],
)
def test_without_gti_there_is_one_interval(gadf_file, header, code, interval) -> None:
    file = read_events(gadf_file(header=header, gti=None))
    gti = file.events.gti
    assert [(gti.start[0], gti.stop[0])] == [interval]
    assert len(gti) == 1
    assert found(file) == {code: (Verdict.REPAIRED, [])}
    assert len(file.events) == 5


def test_events_in_a_gap_are_rejected_but_those_at_a_rounded_end_are_kept(gadf_file) -> None:
    times = column("D", "s", -0.5, 20.0005, 20.5, 50.0, 70.5)
    path = gadf_file(
        columns={"TIME": times}, header={"TSTOP": 70.0}, gti=[(0.0, 20.0), (45.0, 70.0)]
    )
    file = read_events(path)
    assert file.events.time.tolist() == [-0.5, 20.0005, 50.0, 70.5]
    assert found(file) == {
        "gti-gaps": (Verdict.NOTED, []),
        "at-gti-edge": (Verdict.NOTED, [0, 1, 4]),
        "outside-gti": (Verdict.REJECTED, [2]),
    }
    assert file.events.gti.duration == 45.0
    assert file.rows.tolist() == [0, 1, 3, 4]


def test_overlapping_and_impossible_intervals_are_put_right(gadf_file) -> None:
    bounds = [(0.0, 6.0), (4.0, 10.0), (12.0, 11.0), (np.nan, 20.0)]
    file = read_events(gadf_file(gti=bounds))
    assert found(file) == {
        "gti-bad-interval": (Verdict.REJECTED, []),
        "gti-overlap": (Verdict.REPAIRED, []),
    }
    assert file.events.gti.duration == 10.0


def test_a_gti_with_another_zero_of_time_is_shifted(gadf_file) -> None:
    header = {"MJDREFI": 51911, "MJDREFF": 0.000742870370370241, "TIMESYS": "TT"}
    file = read_events(gadf_file(gti=[(-86400.0, -86390.0)], gti_header=header))
    assert file.events.gti.start[0] == pytest.approx(0.0, abs=1e-5)
    assert len(file.events) == 5


def test_a_wrong_tstop_is_noted_where_the_gti_is_right(gadf_file) -> None:
    file = read_events(gadf_file(header={"TSTOP": 2.5}))
    assert found(file) == {"after-tstop": (Verdict.NOTED, [3, 4])}
    assert len(file.events) == 5


def test_no_events_are_an_empty_list(gadf_file) -> None:
    empty = {
        name: ("D" if name != "EVENT_ID" else "K", unit, np.empty(0))
        for name, unit in (("EVENT_ID", None), ("TIME", "s"), ("RA", "deg"), ("DEC", "deg"),
                           ("ENERGY", "TeV"))
    }  # fmt: skip
    file = read_events(gadf_file(columns=empty))
    assert len(file.events) == 0
    assert file.events.livetime == pytest.approx(9.5)
    assert file.findings == ()


def test_duplicates_are_dropped_and_chance_ties_are_not(gadf_file) -> None:
    columns = {
        "EVENT_ID": column("K", None, 1, 2, 2, 3, 4, 9),
        "TIME": column("D", "s", 1.0, 2.0, 2.0, 2.0, 3.0, 3.0),
        "RA": column("D", "deg", 83.0, 83.1, 83.2, 83.3, 83.4, 83.4),
        "DEC": column("D", "deg", 22.0, 22.0, 22.0, 22.0, 22.0, 22.0),
        "ENERGY": column("D", "TeV", 1.0, 1.0, 1.0, 1.0, 1.0, 1.0),
    }
    file = read_events(gadf_file(columns=columns))
    # 2 repeats the identifier of 1 at its time; 5 is 4 in all but the number; 3 only ties with 1.
    assert found(file) == {"duplicate": (Verdict.REJECTED, [2, 5])}
    assert file.events.ra.tolist() == [83.0, 83.1, 83.3, 83.4]


def test_one_identifier_for_all_identifies_nothing(gadf_file) -> None:
    columns = {
        "EVENT_ID": column("K", None, 0, 0, 0, 0, 0),
        "TIME": column("D", "s", 1.0, 1.0, 1.0, 1.0, 1.0),
    }
    assert len(read_events(gadf_file(columns=columns)).events) == 5


def test_rows_that_describe_no_photon_are_rejected(gadf_file) -> None:
    nan = np.nan
    columns = {
        "TIME": column("D", "s", nan, 2.0, 3.0, 4.0, 5.0),
        "RA": column("E", "deg", 83.0, nan, 84.0, 83.2, 83.7),
        "DEC": column("E", "deg", 21.5, 22.0, -91.0, 21.9, 22.2),
        "ENERGY": column("E", "TeV", 0.1, 0.5, 1.0, -2.0, nan),
    }
    file = read_events(gadf_file(columns=columns))
    assert found(file) == {
        "nan-time": (Verdict.REJECTED, [0]),
        "nan-ra": (Verdict.REJECTED, [1]),
        "nan-energy": (Verdict.REJECTED, [4]),
        "energy-not-positive": (Verdict.REJECTED, [3]),
        "dec-impossible": (Verdict.REJECTED, [2]),
    }
    assert file.counts == {"accepted": 0, "repaired": 0, "rejected": 5}


@pytest.mark.parametrize(
    ("name", "unit", "factor"),
    [("ENERGY", "GeV", 1e3), ("ENERGY", "MeV", 1e6), ("TIME", "ms", 1e3),
     ("RA", "rad", np.pi / 180), ("DEC", "rad", np.pi / 180)],
)  # fmt: skip
def test_other_units_are_converted(gadf_file, name, unit, factor) -> None:
    plain = read_events(gadf_file("plain.fits")).events
    values = getattr(plain, name.lower()) * factor
    file = read_events(gadf_file(columns={name: ("D", unit, values)}))
    assert found(file) == {f"unit-{name.lower()}": (Verdict.REPAIRED, [])}
    np.testing.assert_allclose(
        getattr(file.events, name.lower()), getattr(plain, name.lower()), rtol=1e-12
    )


def test_a_missing_unit_is_that_of_the_standard(gadf_file) -> None:
    file = read_events(gadf_file(columns={"ENERGY": ("D", None, np.full(5, 0.3))}))
    assert found(file) == {"no-unit-energy": (Verdict.NOTED, [])}
    assert file.events.energy.tolist() == [0.3] * 5


@pytest.mark.parametrize("unit", ["m", "Wingdings"])
def test_a_unit_of_another_kind_is_refused(gadf_file, unit) -> None:
    path = gadf_file(columns={"ENERGY": ("D", unit, np.ones(5))})
    with pytest.raises(ReadError, match=rf"unit '{unit}', which cannot become TeV.*Correct TUNIT"):
        read_events(path)


def test_events_outside_the_field_are_noted(gadf_file) -> None:
    columns = {"RA": column("D", "deg", 83.6, 83.6, 90.0, 263.6, 83.6)}
    path = gadf_file(columns=columns)
    assert found(read_events(path)) == {"outside-field": (Verdict.NOTED, [3])}
    near = read_events(path, offset_max=2.0)
    assert found(near) == {"outside-field": (Verdict.NOTED, [2, 3])}
    assert len(near.events) == 5


def test_unsorted_times_are_sorted(gadf_file) -> None:
    file = read_events(gadf_file(columns={"TIME": column("D", "s", 1.0, 4.0, 3.0, 2.0, 5.0)}))
    assert found(file) == {"unsorted": (Verdict.REPAIRED, [2, 3])}
    assert file.events.time.tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert file.events.event_id.tolist() == [10, 13, 12, 11, 14]
    assert file.counts == {"accepted": 3, "repaired": 2, "rejected": 0}


def test_right_ascension_is_brought_into_a_turn(gadf_file) -> None:
    columns = {"RA": column("D", "deg", -276.4, 83.6, 443.6, 83.6, 83.6)}
    file = read_events(gadf_file(columns=columns))
    assert found(file) == {"ra-wrapped": (Verdict.NOTED, [0, 2])}
    np.testing.assert_allclose(file.events.ra, 83.6, rtol=1e-12)


def test_the_mean_pointing_comes_from_the_table(gadf_file, pointing_table) -> None:
    table = pointing_table(RA_PNT=[359.9, 0.1], DEC_PNT=[10.0, 10.0], ALT_PNT=[50.0, 52.0])
    file = read_events(gadf_file(more=(table,)))
    assert file.events.pointing.ra % 360 == pytest.approx(0.0, abs=1e-9)
    assert file.events.pointing.dec == pytest.approx(10.0, abs=1e-3)
    assert file.events.pointing.zenith == pytest.approx(39.0)
    assert found(file)["pointing-moves"] == (Verdict.NOTED, [])


def test_a_pointing_table_is_found_behind_other_tables_if_the_header_has_none(
    gadf_file, pointing_table
) -> None:
    other = pointing_table(RA_PNT=[1.0])
    other.name = "SOMETHING"
    more = (other, pointing_table(RA_PNT=[83.0], DEC_PNT=[20.0]))
    file = read_events(gadf_file(header={"RA_PNT": None, "DEC_PNT": None}, more=more))
    assert file.events.pointing.dec == pytest.approx(20.0)
    assert file.findings == ()


def test_without_any_pointing_the_events_tell(gadf_file) -> None:
    file = read_events(gadf_file(header={"RA_PNT": None, "DEC_PNT": None}))
    assert found(file) == {"no-pointing": (Verdict.REPAIRED, [])}
    assert file.events.pointing.ra == pytest.approx(83.48, abs=0.01)


@pytest.mark.parametrize(
    ("header", "expected", "code"),
    [
        ({"DEADC": None}, 0.95, "no-deadc"),
        ({"DEADC": 0.0}, 0.95, "no-deadc"),
        ({"DEADC": 0.5}, 0.5, "livetime-inconsistent"),
        ({"DEADC": "0.95"}, 0.95, ""),
        ({"DEADC": 7.0, "LIVETIME": None}, 1.0, "no-livetime"),
    ],
)
def test_live_fraction(gadf_file, header, expected, code) -> None:
    file = read_events(gadf_file(header=header))
    assert file.events.live_fraction == pytest.approx(expected)
    assert list(found(file)) == ([code] if code else [])


def test_times_in_utc_keep_their_instant(gadf_file) -> None:
    header = {"TIMESYS": "UTC", "MJDREFI": 52706, "MJDREFF": 0.0}
    file = read_events(gadf_file(header=header))
    ours = Time(file.events.reference_mjd, format="mjd", scale="tt")
    assert abs((ours - Time(52706, format="mjd", scale="utc")).to_value("s")) < 1e-6
    assert file.events.time[0] == 1.0


@pytest.mark.parametrize("mjd", [0, 88000])
def test_far_dates_in_utc_are_taken_as_they_are(gadf_file, mjd) -> None:
    file = read_events(gadf_file(header={"TIMESYS": "UTC", "MJDREFI": mjd, "MJDREFF": 0.0}))
    assert file.events.reference_mjd == pytest.approx(mjd, abs=0.01)


def test_an_impossible_date_is_refused(gadf_file) -> None:
    path = gadf_file(header={"MJDREFI": 10**9})
    with pytest.raises(ReadError, match=r"MJD 1e\+09, which is no date. Correct MJDREFI"):
        read_events(path)


@pytest.mark.parametrize(
    ("header", "code"),
    [({"TIMESYS": "SIDEREAL"}, "unknown-time-system"), ({"MJDREFI": None}, "no-time-reference")],
)
def test_a_doubtful_clock_is_noted(gadf_file, header, code) -> None:
    file = read_events(gadf_file(header=header))
    assert found(file) == {code: (Verdict.NOTED, [])}
    assert file.events.reference_mjd == pytest.approx(51910.00074287037, abs=1e-9)


def test_a_frame_that_is_not_equatorial_j2000_is_refused(gadf_file) -> None:
    path = gadf_file(header={"RADECSYS": "FK4"})
    with pytest.raises(ReadError, match=r"in the frame FK4.*Convert"):
        read_events(path)


def test_a_missing_column_names_what_is_there(gadf_file) -> None:
    path = gadf_file(columns={"ENERGY": None, "ENERGYS": ("D", "TeV", np.ones(5))})
    with pytest.raises(ReadError, match=r"no column ENERGY. Did you mean 'ENERGYS'"):
        read_events(path)


def test_every_row_is_either_kept_or_named(gadf_file, rng) -> None:
    n = 400
    bad = rng.random((4, n)) < 0.1
    time = np.round(rng.uniform(-5, 15, n), 1)
    columns = {
        "EVENT_ID": ("K", None, rng.integers(0, 50, n)),
        "TIME": ("D", "s", np.where(bad[0], np.nan, time)),
        "RA": ("D", "deg", np.where(bad[1], np.inf, rng.uniform(-400, 400, n))),
        "DEC": ("D", "deg", np.where(bad[2], 95.0, rng.uniform(-90, 90, n))),
        "ENERGY": ("D", "TeV", np.where(bad[3], 0.0, 1.0)),
    }
    file = read_events(gadf_file(columns=columns))
    rejected = [f.rows for f in file.findings if f.verdict is Verdict.REJECTED]
    together = np.concatenate([file.rows, *rejected])
    assert sorted(together.tolist()) == list(range(n))
    assert sum(file.counts.values()) == n
    assert np.all(np.diff(file.events.time) >= 0)
