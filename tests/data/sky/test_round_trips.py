"""Lists and maps that go to files and to gammapy and back, in mixed ways."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from skysift.data.sky import gammapy_bridge
from skysift.data.sky.counts_map import CountsMap
from skysift.data.sky.event_list import EventList, Pointing
from skysift.data.sky.gadf import read_events
from skysift.data.sky.gadf_write import write_events
from skysift.data.sky.gti import GoodTimeIntervals
from skysift.data.sky.tangent import TangentGrid

GRID = TangentGrid(83.63, 22.01, 30, 20, 0.1)
EDGES = np.array([0.1, 0.3, 1.0, 10.0])
NUMBERS = {"LIVETIME": 81.0, "RA_PNT": 83.63, "DEC_PNT": 22.01, "ALT_PNT": 60.0}


@pytest.fixture
def events(crab_events, rng) -> EventList:
    made = crab_events(rng, 500)
    return made.take(made.gti.contains(made.time))


@pytest.fixture
def counts_map(events) -> CountsMap:
    return CountsMap.from_events(events, GRID, EDGES)


def assert_circumstances(taken: CountsMap, expected: CountsMap) -> None:
    assert taken.livetime == pytest.approx(expected.livetime)
    assert taken.pointing.ra == pytest.approx(expected.pointing.ra)
    assert taken.pointing.dec == pytest.approx(expected.pointing.dec)
    assert taken.pointing.zenith == pytest.approx(expected.pointing.zenith)


def test_a_map_of_unknown_livetime_is_written(counts_map, tmp_path: Path) -> None:
    nowhere = Pointing(float("nan"), float("nan"))
    unknown = replace(counts_map, livetime=float("nan"), pointing=nowhere)
    unknown.write(tmp_path / "map.fits")
    back = CountsMap.read(tmp_path / "map.fits")
    np.testing.assert_array_equal(back.counts, counts_map.counts)
    assert np.isnan(
        [back.livetime, back.pointing.ra, back.pointing.dec, back.pointing.zenith]
    ).all()


def test_half_a_pointing_is_written(counts_map, tmp_path: Path) -> None:
    replace(counts_map, pointing=Pointing(83.0, float("nan"))).write(tmp_path / "map.fits")
    where = CountsMap.read(tmp_path / "map.fits").pointing
    assert where.ra == 83.0
    assert np.isnan(where.dec)


@pytest.mark.parametrize("only", ["cards", "meta"])
def test_livetime_and_pointing_are_in_cards_and_in_meta(counts_map, tmp_path, only) -> None:
    path = tmp_path / "map.fits"
    counts_map.write(path)
    with fits.open(path, mode="update") as hdus:
        assert json.loads(hdus[0].header["META"]) == pytest.approx(NUMBERS)
        for keyword in ["META"] if only == "cards" else NUMBERS:
            del hdus[0].header[keyword]
    assert_circumstances(CountsMap.read(path), counts_map)


@pytest.mark.parametrize(
    "text",
    ["", "no json", "[1, 2]", '{"LIVETIME": "long", "RA_PNT": null, "DEC_PNT": NaN}', "[" * 20_000,
     '{"LIVETIME": 1e999}', '{"LIVETIME": ' + "9" * 9000 + "}", '{"A": "' + "x" * 100_000 + '"}'],
)  # fmt: skip
def test_other_text_in_meta_is_ignored(counts_map, tmp_path: Path, text) -> None:
    path = tmp_path / "map.fits"
    counts_map.write(path)
    with fits.open(path, mode="update") as hdus:
        hdus[0].header["META"] = text
    assert_circumstances(CountsMap.read(path), counts_map)
    with fits.open(path, mode="update") as hdus:
        del hdus[0].header["LIVETIME"]
    back = CountsMap.read(path)
    assert np.isnan(back.livetime)
    assert back.pointing.ra == pytest.approx(83.63)


def test_a_map_of_gammapy_without_livetime_is_written(gammapy, counts_map, tmp_path) -> None:
    theirs = counts_map.to_gammapy()
    theirs.meta = {"LIVETIME": "unknown"}
    CountsMap.from_gammapy(theirs).write(tmp_path / "map.fits")
    assert np.isnan(CountsMap.read(tmp_path / "map.fits").livetime)


def test_livetime_and_pointing_survive_the_files_of_either(gammapy, counts_map, tmp_path) -> None:
    counts_map.to_gammapy().write(tmp_path / "theirs.fits")
    assert_circumstances(CountsMap.read(tmp_path / "theirs.fits"), counts_map)
    counts_map.write(tmp_path / "ours.fits")
    theirs = gammapy.maps.Map.read(tmp_path / "ours.fits")
    assert_circumstances(CountsMap.from_gammapy(theirs), counts_map)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [({}, 0.9), ({"DEADC": None}, 0.8), ({"DEADC": 0.0}, 0.8), ({"DEADC": "0.7"}, 0.7),
     ({"DEADC": 0.0, "LIVETIME": None}, 1.0), ({"DEADC": "x", "ONTIME": 0.0}, 1.0)],
)  # fmt: skip
def test_dead_time_of_gammapy_is_that_of_a_file(gammapy, events, changes, expected) -> None:
    theirs = events.to_gammapy()
    theirs.table.meta |= {"LIVETIME": 72.0, "ONTIME": 90.0} | changes
    for keyword, value in changes.items():
        if value is None:
            del theirs.table.meta[keyword]
    taken = EventList.from_gammapy(theirs, gammapy_bridge.gti_to_gammapy(events.gti))
    assert taken.live_fraction == pytest.approx(expected)


def test_gammapy_is_told_when_a_list_begins_and_ends(gammapy, events) -> None:
    later = replace(events, reference_mjd=56000.25)
    theirs = later.to_gammapy()
    assert theirs.observation_time_duration.to_value("s") == pytest.approx(100.0)
    assert theirs.observation_time_start.tt.mjd == pytest.approx(56000.25, abs=1e-9)
    nothing = replace(events, gti=GoodTimeIntervals.of([])).to_gammapy()
    assert "TSTART" not in nothing.table.meta


NAMES = ["night 3", "a.fits", "it's", "x" * 68]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("meta", [{}, {"OBS_ID": 0}])
def test_a_name_that_is_no_number_comes_back(events, tmp_path: Path, name, meta) -> None:
    once, twice = tmp_path / "once.fits", tmp_path / "twice.fits"
    write_events(replace(events, name=name, meta=meta), once)
    assert fits.getval(once, "OBS_ID", "EVENTS") == 0
    assert read_events(once).events.name == name
    write_events(read_events(once).events, twice)
    assert read_events(twice).events.name == name


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_is_no_number_comes_back_from_gammapy(gammapy, events, name) -> None:
    theirs = replace(events, name=name).to_gammapy()
    assert theirs.table.meta["OBS_ID"] == 0
    taken = EventList.from_gammapy(theirs, gammapy_bridge.gti_to_gammapy(events.gti))
    assert taken.name == name


@pytest.mark.parametrize(
    ("name", "meta", "back"),
    [("5", {}, "5"), ("5", {"OBS_ID": 7}, "7"), ("night", {"OBS_ID": 7}, "7"), ("", {}, "0"),
     ("\u00b2", {}, "0"), ("one\ntwo", {}, "0"), ("9" * 40, {}, "9" * 40),
     ("5", {"OBS_ID": "a\nb"}, "5")],
)  # fmt: skip
def test_other_names_are_as_the_standard_has_them(events, tmp_path, name, meta, back) -> None:
    write_events(replace(events, name=name, meta=meta), tmp_path / "a.fits")
    assert read_events(tmp_path / "a.fits").events.name == back


def test_text_that_no_card_can_hold_is_left_out(events, tmp_path: Path) -> None:
    meta = {"OBJECT": "Crab\nNebula", "TELESCOP": "H.E.S.S.", "ORIGIN": "tab\there"}
    write_events(replace(events, meta=meta), tmp_path / "a.fits")
    read = read_events(tmp_path / "a.fits").events.meta
    assert "OBJECT" not in read
    assert "ORIGIN" not in read
    assert read["TELESCOP"] == "H.E.S.S."
