"""gammapy as an oracle: the same counts in the same pixels, and types that go there and back."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u

from skysift.core.errors import InputError, MissingExtraError
from skysift.data.sky import gammapy_bridge
from skysift.data.sky.counts_map import CountsMap
from skysift.data.sky.event_list import EventList, Pointing
from skysift.data.sky.gadf_write import write_events
from skysift.data.sky.gti import GoodTimeIntervals
from skysift.data.sky.tangent import TangentGrid

EDGES = np.geomspace(0.03, 30, 8)
PLACES = [(83.63, 22.01), (0.0, 0.0), (359.999, -30.0), (0.001, 45.0), (10.0, 90.0), (200.0, -90.0),
          (123.0, 89.99), (300.0, -89.5), (180.0, 60.0)]  # fmt: skip


def around(rng: np.random.Generator, grid: TangentGrid, n: int) -> EventList:
    """Events over the grid and a margin around it."""
    half = 0.6 * grid.n_x * grid.pixel_size
    ra, dec = grid.from_plane(*rng.uniform(-half, half, (2, n)))
    return EventList(
        np.sort(rng.uniform(0, 100, n)), ra, dec, 10 ** rng.uniform(-2, 2, n),
        GoodTimeIntervals.of([(0.0, 60.0), (70.0, 100.0)]), Pointing(grid.ra, grid.dec, 20.0),
        live_fraction=0.9, name="12", meta={"OBJECT": "Crab"}, event_id=np.arange(n),
    )  # fmt: skip


def assert_counts_agree(gammapy, events: EventList, grid: TangentGrid) -> None:
    ours = CountsMap.from_events(events, grid, EDGES)
    axis = gammapy.maps.MapAxis.from_energy_edges(EDGES, unit="TeV")
    geometry = gammapy.maps.WcsGeom(grid.wcs(), npix=(grid.n_x, grid.n_y), axes=[axis])
    theirs = gammapy.maps.WcsNDMap(geometry)
    theirs.fill_events(events.to_gammapy())
    np.testing.assert_array_equal(ours.counts, theirs.data)
    assert 0 < ours.counts.sum() < len(events)


@pytest.mark.parametrize(("ra", "dec"), PLACES)
def test_binning_is_that_of_gammapy_at_special_places(gammapy, rng, ra, dec) -> None:
    grid = TangentGrid(ra, dec, 200, 200, 0.025)
    assert_counts_agree(gammapy, around(rng, grid, 20_000), grid)


def test_binning_is_that_of_gammapy_anywhere(gammapy, rng) -> None:
    for _ in range(60):
        ra, dec = rng.uniform(0, 360), np.degrees(np.arcsin(rng.uniform(-1, 1)))
        n_x, n_y = rng.integers(20, 200, 2)
        grid = TangentGrid(float(ra), float(dec), int(n_x), int(n_y), float(rng.uniform(0.01, 0.1)))
        assert_counts_agree(gammapy, around(rng, grid, 3000), grid)


def test_binning_is_that_of_gammapy_by_coordinates(gammapy, rng) -> None:
    grid = TangentGrid(0.0, 88.0, 100, 80, 0.05)
    events = around(rng, grid, 5000)
    theirs = CountsMap.from_events(events.take(slice(0)), grid, EDGES).to_gammapy()
    coordinates = (events.ra * u.deg, events.dec * u.deg, events.energy * u.TeV)
    theirs.fill_by_coord(coordinates)
    np.testing.assert_array_equal(CountsMap.from_events(events, grid, EDGES).counts, theirs.data)


def test_a_map_made_by_gammapy_is_the_same_grid(gammapy) -> None:
    geometry = gammapy.maps.WcsGeom.create(
        skydir=(83.63, 22.01), width=(5, 4), binsz=0.025, proj="TAN", frame="icrs",
        axes=[gammapy.maps.MapAxis.from_energy_edges([0.1, 1, 10], unit="TeV")],
    )  # fmt: skip
    taken = CountsMap.from_gammapy(gammapy.maps.WcsNDMap(geometry))
    assert taken.grid == TangentGrid(83.63, 22.01, 200, 160, 0.025)
    np.testing.assert_allclose(taken.energy_edges, [0.1, 1, 10])
    assert np.isnan(taken.livetime)


def test_events_go_there_and_back(gammapy, rng) -> None:
    events = around(rng, TangentGrid(83.63, 22.01), 300)
    theirs = events.to_gammapy()
    gti = gammapy_bridge.gti_to_gammapy(events.gti, events.reference_mjd)
    assert gti.time_sum.to_value("s") == pytest.approx(90.0)
    assert theirs.radec.separation(theirs.radec).max() == 0
    back = EventList.from_gammapy(theirs, gti)
    for name in ("ra", "dec", "energy", "event_id"):
        np.testing.assert_array_equal(getattr(back, name), getattr(events, name))
    np.testing.assert_allclose(back.time, events.time, atol=1e-6)
    np.testing.assert_allclose(back.gti.stop, events.gti.stop, atol=1e-6)
    assert back.pointing == events.pointing
    assert back.live_fraction == events.live_fraction
    assert back.name == "12"
    assert back.meta["OBJECT"] == "Crab"


def test_gammapy_reads_what_we_write(gammapy, rng, tmp_path: Path) -> None:
    events = around(rng, TangentGrid(83.63, 22.01), 300)
    place = {"GEOLON": -17.89, "GEOLAT": 28.76, "ALTITUDE": 2200.0}
    write_events(replace(events, meta={**events.meta, **place}), tmp_path / "events.fits.gz")
    theirs = gammapy.data.EventList.read(tmp_path / "events.fits.gz")
    gti = gammapy.data.GTI.read(tmp_path / "events.fits.gz")
    back = EventList.from_gammapy(theirs, gti)
    np.testing.assert_array_equal(back.ra, events.ra)
    np.testing.assert_allclose(back.time, events.time, atol=1e-6)
    np.testing.assert_allclose(back.gti.start, events.gti.start, atol=1e-6)
    observation = gammapy.data.Observation.read(tmp_path / "events.fits.gz")
    assert observation.observation_live_time_duration.to_value("s") == pytest.approx(81.0)
    pointing = observation.get_pointing_icrs(observation.tmid)
    assert pointing.ra.deg == pytest.approx(83.63)


def test_maps_go_there_and_back(gammapy, rng, tmp_path: Path) -> None:
    grid = TangentGrid(0.001, 89.0, 40, 30, 0.1)
    ours = CountsMap.from_events(around(rng, grid, 3000), grid, EDGES)
    theirs = ours.to_gammapy()
    gti = gammapy_bridge.gti_to_gammapy(ours.gti, ours.reference_mjd)
    assert_same_map(CountsMap.from_gammapy(theirs, gti), ours)
    dataset = gammapy_bridge.dataset_to_gammapy(ours)
    assert dataset.counts.data.sum() == ours.counts.sum()
    assert_same_map(gammapy_bridge.dataset_from_gammapy(dataset), ours)
    ours.write(tmp_path / "map.fits")
    read = gammapy.maps.Map.read(tmp_path / "map.fits")
    np.testing.assert_array_equal(read.data, ours.counts)
    assert read.geom == theirs.geom
    there = gammapy.data.GTI.read(tmp_path / "map.fits")
    assert there.time_sum.to_value("s") == pytest.approx(90.0)
    theirs.write(tmp_path / "theirs.fits")
    np.testing.assert_array_equal(CountsMap.read(tmp_path / "theirs.fits").counts, ours.counts)


def assert_same_map(one: CountsMap, other: CountsMap) -> None:
    np.testing.assert_array_equal(one.counts, other.counts)
    np.testing.assert_allclose(one.energy_edges, other.energy_edges, rtol=1e-12)
    assert one.grid == other.grid
    assert one.gti.duration == pytest.approx(other.gti.duration)
    assert one.livetime == pytest.approx(other.livetime)
    assert one.pointing.ra == pytest.approx(other.pointing.ra)
    assert one.pointing.zenith == pytest.approx(other.pointing.zenith)


def test_a_dataset_without_pointing_in_its_counts_has_its_own(gammapy, rng) -> None:
    grid = TangentGrid(10.0, 20.0, 40, 30, 0.1)
    dataset = gammapy_bridge.dataset_to_gammapy(
        CountsMap.from_events(around(rng, grid, 100), grid, EDGES)
    )
    dataset.counts.meta.clear()
    dataset.exposure = gammapy.maps.WcsNDMap(
        dataset.counts.geom.as_energy_true, unit="m2 s", meta={"livetime": 2 * u.min}
    )
    taken = gammapy_bridge.dataset_from_gammapy(dataset)
    assert taken.pointing.ra == pytest.approx(10.0)
    assert taken.livetime == pytest.approx(120.0)
    dataset.counts = None
    with pytest.raises(InputError, match="no counts"):
        gammapy_bridge.dataset_from_gammapy(dataset)


def test_maps_and_lists_that_do_not_fit_are_refused(gammapy, rng) -> None:
    axis = gammapy.maps.MapAxis.from_edges([0, 1], name="phase")
    geometry = gammapy.maps.WcsGeom.create(width=1, binsz=0.1, proj="TAN", axes=[axis])
    with pytest.raises(InputError, match="no counts map"):
        CountsMap.from_gammapy(gammapy.maps.WcsNDMap(geometry))
    theirs = around(rng, TangentGrid(1.0, 2.0), 5).to_gammapy()
    del theirs.table.meta["RA_PNT"]
    gti = gammapy_bridge.gti_to_gammapy(GoodTimeIntervals.of([(0.0, 1.0)]))
    with pytest.raises(InputError, match="where the telescope looked"):
        EventList.from_gammapy(theirs, gti)
    taken = gammapy_bridge.events_from_gammapy(theirs, gti, pointing=Pointing(1.0, 2.0))
    assert taken.pointing.dec == 2.0


def test_without_gammapy_the_error_says_what_to_install(rng, monkeypatch) -> None:
    for name in [n for n in sys.modules if n.split(".")[0] == "gammapy"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "gammapy", None)
    events = around(rng, TangentGrid(1.0, 2.0), 5)
    with pytest.raises(MissingExtraError, match=r"pip install \"skysift\[gamma\]\""):
        events.to_gammapy()
