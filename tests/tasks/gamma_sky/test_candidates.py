"""The table of candidates: what its columns mean, and that every format keeps it."""

import json

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import QTable
from astropy.time import Time
from scipy.stats import norm

from skysift.core.errors import InputError, OutputError, UsageError
from skysift.data.io import read_table
from skysift.data.sky.counts_map import CountsMap
from skysift.data.sky.event_list import EventList, Pointing
from skysift.data.sky.gti import GoodTimeIntervals
from skysift.data.sky.tangent import TangentGrid
from skysift.evaluate.aperture import OnOff
from skysift.evaluate.aperture.sphere import offset_by
from skysift.models.sky.candidate import Candidate
from skysift.tasks.gamma_sky.candidates import (
    CandidateTable,
    FalseAlarmSetting,
    Photometry,
    SearchWindow,
)
from skysift.tasks.gamma_sky.ds9 import regions_text
from skysift.tasks.gamma_sky.photometry import measure

ISSUE_COLUMNS = [
    *("ra", "dec", "err68", "err_major", "err_minor", "err_angle", "excess", "significance"),
    *("significance_post_trial", "far", "t_start", "t_stop", "flags"),
]
SETTING = FalseAlarmSetting(0.01, "field")
GRID = TangentGrid(359.9, 60.0)
WINDOW = SearchWindow(GRID, 60000.0, 60000.0 + 100 / 86400, 100.0, "run 7")


def a_candidate(xi=0.5, eta=-0.4, **changes):
    found = {
        "covariance": np.array([[4e-4, 1e-4], [1e-4, 2e-4]]),
        "excess": 50.0,
        "excess_error": 10.0,
        "ts": 36.0,
        "p_value": norm.sf(6.0),
        "false_alarms": 1e-6,
        "excess_by_band": np.array([30.0, 20.0]),
        "flags": ("edge", "blended"),
    }
    return Candidate(xi, eta, **(found | changes))


def test_a_row_says_what_the_candidate_is():
    table = CandidateTable.of_window(
        [a_candidate()],
        WINDOW,
        SETTING,
        photometry=[Photometry(OnOff(120, 160, 0.5), None)],
        crab_counts=[100.0],
    )
    row = {name: table[name][0] for name in table.table.columns}
    assert (
        table.to_skycoord()[0].separation(
            SkyCoord(*map(float, GRID.from_plane(0.5, -0.4)), unit="deg")
        )
        < 1e-6 * u.arcsec
    )
    assert row["significance"] == pytest.approx(6.0)
    assert row["significance_post_trial"] == pytest.approx(norm.isf(1e-6), abs=1e-6)
    assert row["far"] == pytest.approx(1e-8)
    # 100 photons over 50 of background: not quite the symmetric 0.4 to 0.6.
    bounds = (row["flux"], row["flux_low"], row["flux_high"], row["flux_ul"])
    assert bounds == pytest.approx((0.5, 0.4033, 0.6034, 0.6736), abs=1e-4)
    assert row["li_ma_reflected"] == pytest.approx(3.315, abs=1e-3)
    assert np.isnan(row["li_ma_ring"])
    assert row["err_minor"] < row["err68"] < row["err_major"] < row["err95"]
    assert (row["flags"], row["window"]) == ("edge,blended", "run 7")
    assert row["t_stop"] - row["t_start"] == pytest.approx(100 / 86400)
    assert table.table.unit("err_angle") == "deg"
    assert table.table.unit("far") == "Hz"


@pytest.mark.parametrize(
    ("p_value", "ts", "expected"),
    [
        (0.5, 0.0, 0.0),
        (1e-10, 40.0, norm.isf(1e-10)),
        (1e-300, 1370.0, 37.0471),  # norm.isf(1e-300)
        (0.0, 2500.0, 50.0),  # too small for a float: the root of TS
        (np.nan, 2500.0, 50.0),  # of a method that knows no chance
        (0.0, np.nan, 38.467),  # of a method without TS: what a float can still tell
        (1.0, 0.0, -np.inf),
    ],
)
def test_the_significance_of_any_chance(p_value, ts, expected):
    table = CandidateTable.of_window([a_candidate(p_value=p_value, ts=ts)], WINDOW, SETTING)
    assert table["significance"][0] == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("alarms", [1e-300, 1e-12, 0.01, 0.7, 3.0, 40.0])
def test_the_chance_after_trials_is_that_of_any_false_alarm(alarms):
    # A strong local deviate, so that trials alone decide.
    table = CandidateTable.of_window(
        [a_candidate(false_alarms=alarms, p_value=0.0, ts=1e4)], WINDOW, SETTING
    )
    after = float(table["significance_post_trial"][0])
    assert norm.logsf(after) == pytest.approx(np.log(-np.expm1(-alarms)), rel=1e-6)
    assert table["far"][0] == pytest.approx(alarms / 100)


def test_trials_never_make_a_candidate_stronger():
    strong = a_candidate(false_alarms=0.0, p_value=1e-20)
    table = CandidateTable.of_window([strong, a_candidate(false_alarms=np.nan)], WINDOW, SETTING)
    assert table["significance_post_trial"][0] == table["significance"][0]
    assert np.isnan(table["significance_post_trial"][1])  # not calibrated


def test_an_error_of_the_pointing_widens_the_ellipse_and_is_named():
    round_one = a_candidate(covariance=np.eye(2) * 3e-3**2)
    tables = [
        CandidateTable.of_window([round_one], WINDOW, SETTING, systematic=one) for one in (0, 4e-3)
    ]
    assert tables[1]["err_systematic"][0] == 4e-3
    for name in ("err68", "err95", "err_major", "err_minor"):
        ratio = tables[1][name][0] / tables[0][name][0]
        assert ratio == pytest.approx(5 / 3, rel=1e-3)
    with pytest.raises(UsageError, match="pointing"):
        CandidateTable.of_window([round_one], WINDOW, SETTING, systematic=-1.0)


def test_without_exposure_or_covariance_the_columns_are_there_and_undefined():
    table = CandidateTable.of_window(
        [a_candidate(covariance=np.full((2, 2), np.nan))], WINDOW, SETTING
    )
    for name in ("flux", "flux_low", "flux_high", "flux_ul", "err68", "err_major", "err_angle"):
        assert np.isnan(table[name]).all()
    assert np.isfinite(table["ra"]).all()


def test_windows_join_and_must_share_their_setting():
    first = CandidateTable.of_window([a_candidate(), a_candidate(0.1)], WINDOW, SETTING)
    nothing = CandidateTable.of_window([], WINDOW, SETTING)
    later = SearchWindow(GRID, 60001.0, 60001.1, 100.0, "run 8")
    second = CandidateTable.of_window([a_candidate()], later, SETTING)
    joined = CandidateTable.concatenate([nothing, first, nothing, second])
    assert joined["window"].tolist() == ["run 7", "run 7", "run 8"]
    assert len(joined.to_skycoord()) == 3
    assert len(CandidateTable.concatenate([nothing, nothing])) == 0
    other = CandidateTable.of_window([], WINDOW, FalseAlarmSetting(1.0, "hour"))
    with pytest.raises(InputError, match="different false-alarm"):
        CandidateTable.concatenate([first, other])
    with pytest.raises(InputError, match="no table"):
        CandidateTable.concatenate([])


@pytest.mark.parametrize("suffix", [".ecsv", ".fits", ".vot", ".parquet", ".csv"])
@pytest.mark.parametrize("n", [0, 2])
def test_every_format_keeps_rows_units_and_the_setting(tmp_path, suffix, n):
    table = CandidateTable.of_window([a_candidate(0.1 * k) for k in range(n)], WINDOW, SETTING)
    path = tmp_path / f"candidates{suffix}"
    table.write(path, provenance={"command": "skysift predict gamma-sky"})
    back = read_table(path)
    assert back.columns == table.table.columns
    assert set(ISSUE_COLUMNS) <= set(back.columns)
    assert len(back) == n
    assert back.unit("err68") == "deg"
    assert back.meta["provenance"]["candidates"]["false_alarms"] == {"value": 0.01, "per": "field"}
    assert back.meta["provenance"]["command"] == "skysift predict gamma-sky"
    if n:
        np.testing.assert_allclose(back["ra"], table["ra"], rtol=1e-12)
        assert back["flags"].tolist() == ["edge,blended"] * 2


def test_astropy_reads_the_ecsv_with_units_and_metadata(tmp_path):
    path = tmp_path / "none.ecsv"
    CandidateTable.of_window([], WINDOW, SETTING).write(path)
    table = QTable.read(path)
    assert len(table) == 0
    assert table["far"].unit == u.Hz
    assert json.loads(table.meta["skysift"])["candidates"]["false_alarms"]["value"] == 0.01
    with pytest.raises(OutputError, match="not written as"):
        CandidateTable.of_window([], WINDOW, SETTING).write(tmp_path / "candidates.doc")


def test_ds9_regions_are_the_ellipses_on_the_sky(tmp_path):
    regions = pytest.importorskip("regions", reason="regions is not installed")
    table = CandidateTable.of_window(
        [a_candidate(), a_candidate(1.9, 2.2), a_candidate(covariance=np.full((2, 2), np.nan))],
        WINDOW,
        SETTING,
    )
    path = tmp_path / "candidates.reg"
    table.write(path)
    parsed = regions.Regions.read(path, format="ds9")
    assert [type(one).__name__ for one in parsed] == ["EllipseSkyRegion"] * 4 + ["PointSkyRegion"]
    wcs = GRID.wcs()
    for row, place in enumerate([(0.5, -0.4), (1.9, 2.2)]):
        inner, outer = parsed[2 * row], parsed[2 * row + 1]
        centre = table.to_skycoord()[row]
        assert inner.center.separation(centre) < 0.01 * u.arcsec
        assert inner.width.to_value(u.deg) == pytest.approx(2 * table["err_major"][row], rel=1e-4)
        assert (outer.width / inner.width).value == pytest.approx(2.4477 / 1.5096, rel=1e-4)
        # The ends of the axes lie on the edge of the region as it is drawn on the image.
        for turn, name in ((0, "err_major"), (90, "err_minor")):
            for scale, inside in ((0.95, True), (1.05, False)):
                ra, dec = offset_by(
                    centre.ra.deg,
                    centre.dec.deg,
                    table["err_angle"][row] + turn,
                    scale * table[name][row],
                )
                end = SkyCoord(float(ra), float(dec), unit="deg")
                assert inner.contains(end, wcs) == inside
        # And so does what the covariance on the plane says is one contour.
        values, axes = np.linalg.eigh(a_candidate().covariance)
        for value, axis in zip(values, axes.T, strict=True):
            for scale, inside in ((0.95, True), (1.05, False)):
                step = scale * 1.5096 * np.sqrt(value) * axis
                end = SkyCoord(*map(float, GRID.from_plane(*(place + step))), unit="deg")
                assert inner.contains(end, wcs) == inside


def test_a_label_cannot_break_the_region_file():
    window = SearchWindow(GRID, 60000.0, 60001.0, 1.0, "a}\nb{")
    text = regions_text(CandidateTable.of_window([a_candidate()], window, SETTING))
    assert len(text.splitlines()) == 5
    assert "a) b(" in text


def test_the_window_of_events_is_in_terrestrial_time():
    reference = 51910.00074287037  # 2001-01-01 00:01:04.184 TT, as H.E.S.S. counts
    start = 123_890_826.0
    gti = GoodTimeIntervals.of([(start, start + 50), (start + 60, start + 100)])
    events = EventList(*np.empty((4, 0)), gti, Pointing(1.0, 2.0), 0.9, reference, "23523")
    window = SearchWindow.of_events(events, GRID)
    expected = Time(51910, 0.00074287037, format="mjd", scale="tt") + start * u.s
    assert abs((Time(window.t_start, format="mjd", scale="tt") - expected).to_value(u.s)) < 1e-4
    assert (window.t_stop - window.t_start) * 86400 == pytest.approx(100, abs=1e-5)
    assert window.duration == 90
    assert window.name == "23523"
    nothing = SearchWindow.of(GRID, GoodTimeIntervals.of([]), reference)
    table = CandidateTable.of_window([a_candidate()], nothing, SETTING)
    assert np.isnan([table["t_start"][0], table["far"][0]]).all()


def test_false_alarm_settings():
    assert FalseAlarmSetting(0.36, "hour").per_field(100.0) == pytest.approx(0.01)
    assert SETTING.per_field(1800.0) == 0.01
    for value, per in ((0.0, "field"), (np.nan, "hour"), (1.0, "year")):
        with pytest.raises(UsageError, match="false alarms per"):
            FalseAlarmSetting(value, per)


def test_what_does_not_belong_to_the_candidates_is_refused():
    with pytest.raises(InputError, match="photometries"):
        CandidateTable.of_window([a_candidate()], WINDOW, SETTING, photometry=[])
    with pytest.raises(InputError, match="Crab"):
        CandidateTable.of_window([a_candidate()], WINDOW, SETTING, crab_counts=[1.0, 2.0])


@pytest.mark.parametrize("kind", ["events", "map"])
def test_candidates_are_measured_beside_one_another(rng, kind):
    pointing, n = Pointing(GRID.ra, GRID.dec), 12_000
    ra, dec = offset_by(GRID.ra, GRID.dec, rng.uniform(0, 360, n), 1.1 * rng.rayleigh(size=n))
    places = [(0.7, 0.0), (-0.7, 0.1)]
    for place, counts in zip(places, (60, 400), strict=True):
        centre = map(float, GRID.from_plane(*place))
        more = offset_by(*centre, rng.uniform(0, 360, counts), 0.03 * rng.rayleigh(size=counts))
        ra, dec = np.append(ra, more[0]), np.append(dec, more[1])
    gti = GoodTimeIntervals.of([(0.0, 100.0)])
    data = EventList(np.linspace(0, 99, len(ra)), ra, dec, np.ones(len(ra)), gti, pointing)
    if kind == "map":
        data = CountsMap.from_events(data, GRID, np.array([0.1, 10.0]))
    found = measure(data, [a_candidate(*place) for place in places], GRID)
    for photometry, truth in zip(found, (60, 400), strict=True):
        for on_off in (photometry.reflected, photometry.ring):
            # The bright neighbour at the same offset spoils neither background.
            assert on_off.excess == pytest.approx(truth, abs=4 * on_off.excess_error)
    assert measure(data, [], GRID) == []
