"""Dead cameras, trials, light curves, the simulated night: what a stream is made of."""

import json
from pathlib import Path

import numpy as np
import pytest
from astropy.wcs import WCS

from skysift.core.errors import InputError, UsageError
from skysift.core.registry import bundle_folder
from skysift.data.irf.analytic import AnalyticResponse
from skysift.data.irf.spectra import crab_power_law
from skysift.data.sky.event_list import Pointing
from skysift.data.sky.gadf import read_events
from skysift.data.sky.tangent import TangentGrid
from skysift.models.sky.search import SearchSettings, SkySearch
from skysift.preprocess.folding import energy_bands
from skysift.tasks.gamma_sky.field_setup import FieldSetup
from skysift.tasks.gamma_sky.live.calibration import count_clumps
from skysift.tasks.gamma_sky.live.camera import beside_dead_parts
from skysift.tasks.gamma_sky.live.light_curve import light_curve
from skysift.tasks.gamma_sky.live.maps import window_maps
from skysift.tasks.gamma_sky.live.memory import FieldMemory
from skysift.tasks.gamma_sky.live.night import (
    START,
    Flare,
    Night,
    night_chunks,
    night_events,
    write_night,
)
from skysift.tasks.gamma_sky.live.schedule import WindowLength, staggered
from skysift.tasks.gamma_sky.live.trials import LiveTrials, clump_share, measured_trials
from skysift.tasks.gamma_sky.model import load_bundle
from skysift.tasks.gamma_sky.options import PredictOptions, ReadOptions
from skysift.tasks.gamma_sky.simulation.counts import draw_counts
from skysift.tasks.gamma_sky.simulation.expectation import expect
from skysift.tasks.gamma_sky.simulation.field import DeadSector, Field, Source, StarHole
from skysift.tasks.gamma_sky.simulation.folded import FoldedResponse
from skysift.tasks.gamma_sky.simulation.photons import simulate_events

TRIALS = load_bundle(bundle_folder("gamma-sky")).trials
EDGES = energy_bands(0.04, 10.0, 2)
GRID = TangentGrid(0.0, 0.0, 100, 100, 0.05)
POINTING = Pointing(0.0, 0.0, 20.0)


@pytest.fixture(scope="module")
def search() -> SkySearch:
    folded = FieldSetup(GRID, POINTING, EDGES, 1800.0).folded()
    return folded.search(TRIALS, SearchSettings(false_alarms=0.01, psf_known=False))


@pytest.fixture(scope="module")
def instrument() -> FoldedResponse:
    return FoldedResponse(AnalyticResponse(), EDGES)


@pytest.mark.parametrize(
    ("defect", "share"),
    [
        ({"dead_sectors": (DeadSector(120.0, 60.0, 0.3),)}, 0.17),
        ({"dead_sectors": (DeadSector(77.0, 40.0, 0.3, 0.8),)}, 0.11),
        ({"star_holes": (StarHole(0.8, -0.4, 0.4),)}, 0.03),
    ],
)
def test_half_an_hour_with_a_dead_sector_has_no_false_source(
    search: SkySearch,
    instrument: FoldedResponse,
    rng: np.random.Generator,
    defect: dict[str, object],
    share: float,
) -> None:
    field = Field(POINTING, 1800.0, **defect)  # type: ignore[arg-type]
    expected = expect(field, instrument, GRID, EDGES)
    counts = draw_counts(expected.total, rng)
    beside, camera = beside_dead_parts(search, counts)
    assert beside(counts).candidates == ()
    assert camera.masked == pytest.approx(share, abs=0.06)
    x, y = instrument.places(GRID, POINTING)
    alive = field.efficiency(x, y) == 1
    background = camera.fit(counts).counts.sum(axis=0)[alive].sum()
    truth = expected.background.sum(axis=0)[alive].sum()
    assert background == pytest.approx(truth, rel=0.02)  # a plain fit is off by the dead share


@pytest.mark.parametrize("sources", [(), (Source(0.5, 0.7, flux=3.0, spectrum=crab_power_law()),)])
def test_nothing_is_dead_in_a_healthy_camera(
    search: SkySearch,
    instrument: FoldedResponse,
    rng: np.random.Generator,
    sources: tuple[Source, ...],
) -> None:
    expected = expect(Field(POINTING, 1800.0, sources), instrument, GRID, EDGES)
    counts = draw_counts(expected.total, rng)
    beside, camera = beside_dead_parts(search, counts)
    assert camera.masked == 0
    assert len(beside(counts).candidates) == len(sources)


def test_windows_end_on_a_grid_that_knows_no_files() -> None:
    assert list(WindowLength.of(30.0).ends(44.9, 48.1)) == [45.0, 46.5, 48.0]
    assert [WindowLength.of(7.0).step, WindowLength.of(0.25).step] == [1.0, 0.25]
    length = WindowLength.of(100.0)
    apart = [*length.ends(0.0, 33.0), *length.ends(33.0, 77.7), *length.ends(77.7, 200.0)]
    assert apart == list(length.ends(0.0, 200.0))


def test_clumps_of_windows_that_do_not_overlap_are_their_candidates() -> None:
    assert clump_share([3.0, 5.0], 1.0).tolist() == [1.0, 1.0]
    assert np.all(np.diff(clump_share(np.linspace(3, 8, 6), 0.05)) > 0)
    assert clump_share(40.0, 0.05) == pytest.approx(1.0, abs=0.05)


def test_the_clumps_of_a_sliding_sum_are_as_many_as_the_formula_says(
    rng: np.random.Generator,
) -> None:
    """An oracle without photons: sums of normal numbers over a sliding window."""
    steps, n, level = 20, 2_000_000, 4.0
    total = np.cumsum(np.concatenate([[0.0], rng.standard_normal(n + steps)]))
    z = (total[steps:] - total[:-steps]) / np.sqrt(steps)
    above = np.flatnonzero(z > level)
    clumps = 1 + int(np.sum(np.diff(above) >= steps))
    expected = len(above) * float(clump_share(level, 1 / steps))
    assert 0.7 < clumps / expected < 1.3  # 63 of 184; the share is for all z above the level


def test_candidates_clump_by_place_and_by_shared_photons() -> None:
    length = WindowLength(100.0, 5.0)
    found = np.array(
        [[0, 0.0, 0.0, 0.1], [3, 0.05, 0.0, 0.1], [3, 1.0, 0.0, 0.1], [30, 0.0, 0.0, 0.1]]
    )
    assert count_clumps(found, length) == 3
    assert count_clumps(found[:0], length) == 0


def test_the_rate_counts_every_trial() -> None:
    lengths = staggered((1.0, 100.0))
    trials = LiveTrials(lengths, measured_trials())
    one, hundred = (trials.rate(0.01, 5.0, length) for length in lengths)
    assert one == pytest.approx(2 * trials.factor(lengths[0]) * 0.01 / 1.0)
    share = clump_share(5.0, 0.05)
    assert hundred == pytest.approx(2 * trials.factor(lengths[1]) * 0.01 / 5.0 * share)
    for length in lengths:  # what a search may have is never more than what was asked for
        allowed = trials.allowed(1.0, length)
        assert trials.rate(allowed, 5.0, length) <= 1.0 / 3600 * (1 + 1e-9)


def test_the_measured_factors_are_complete() -> None:
    record = measured_trials()
    assert [one.length for one in record.lengths] == [1.0, 10.0, 100.0, 600.0, 1800.0]
    assert "live_trials.py" in record.command
    assert all(one.found >= 10 and one.factor < 2 for one in record.lengths)


def test_a_light_curve_measures_what_was_put_in(rng: np.random.Generator) -> None:
    """Counts of a steady source come back; an empty place has limits that hold zero."""
    source = Source(0.3, 0.2, flux=2.0, spectrum=crab_power_law())
    response = AnalyticResponse()
    reading = ReadOptions(pixels=80, pixel_size=0.05, bands=3)
    events = simulate_events(
        Field(POINTING, 60.0, (source,)), response, rng, energy_range=(0.04, 10.0)
    )
    curve = light_curve(
        events, source.ra, source.dec, 10.0, trials=TRIALS, reading=reading, response=response
    )
    assert len(curve) == 6
    flux, error = curve["flux"], curve["flux_error"]
    assert abs(flux.mean() - 2.0) < 4 * error.mean() / np.sqrt(6)
    assert not curve["upper_limit"].any()
    assert np.all(curve["excess_low"] < curve["excess"])
    empty = light_curve(events, 359.4, -0.6, 10.0, trials=TRIALS, reading=reading)
    assert empty["upper_limit"].mean() > 0.5
    assert np.all(empty["excess_ul"] > 0)
    assert np.isnan(empty["flux"]).all()  # without a response there is no exposure


def test_a_night_is_the_same_again_and_holds_what_it_says(tmp_path: Path) -> None:
    night = Night(unreadable=(2,), step=(2.0, 3.0), dead=None, flares=(Flare(83.0, 22.0),))
    first = [chunk.data for chunk in night_chunks(np.random.default_rng(1), seconds=5, night=night)]
    again = write_night(tmp_path, np.random.default_rng(1), seconds=5, night=night)
    assert [path.read_bytes() for path in again] == first
    with pytest.raises(InputError):
        read_events(again[2])
    counts = [len(read_events(again[place]).events) for place in (0, 1, 3, 4)]
    assert sum(counts[2:]) > 2 * sum(counts[:2])  # the step in the rate
    events = read_events(again[3]).events
    assert (events.gti.start[0], events.gti.stop[0]) == (START + 3, START + 4)
    with pytest.raises(UsageError):
        list(night_chunks(np.random.default_rng(1), seconds=1, chunk=2))


def test_maps_of_a_window_add_up_and_know_where_they_are(tmp_path: Path) -> None:
    night = Night(flares=(), step=None, dead=None, unreadable=())
    paths = write_night(tmp_path, np.random.default_rng(1), seconds=20, chunk=5, night=night)
    maps = window_maps(paths[::-1], 10.0, START + 20, trials=TRIALS)
    total = maps["background"] + maps["cleaned"] + maps["residual"]
    np.testing.assert_allclose(total, maps["raw"], atol=1e-4)
    header = json.loads(str(maps["header"]))
    assert header["events"] > maps["raw"].sum() > 350  # some lie beside the map
    assert header["livetime"] == pytest.approx(10.0)
    for ra, dec, least in ((83.63, 22.51, 9), (84.40, 21.20, 4)):  # 1 and 0.5 Crab: 14 and 7
        x, y = WCS(header["wcs"]).world_to_pixel_values(ra, dec)
        around = np.s_[round(float(y)) - 10 : round(float(y)) + 11,
                       round(float(x)) - 10 : round(float(x)) + 11]  # fmt: skip
        assert least < maps["cleaned"][around].sum() < 4 * least


def test_windows_are_options_of_their_own_kind() -> None:
    assert PredictOptions(windows="10s,1s").windows == (1.0, 10.0)
    assert PredictOptions(windows=("5min", "1s,1s")).windows == (1.0, 300.0)
    for wrong in (
        {"windows": "10s", "window": 5.0},
        {"windows": "0s"},
        {"windows": "10s", "method": "gammapy"},
    ):
        with pytest.raises(ValueError, match="window"):
            PredictOptions(**wrong)


@pytest.mark.parametrize("length", [0.3, 1.65, 7.0])
def test_windows_of_any_length_hold_their_photons(rng: np.random.Generator, length: float) -> None:
    """Times are near 1e9 s, where a length is not what is between two of its borders."""
    night = Night().quiet()
    parts = list(night_events(rng, seconds=20.0, chunk=0.7, night=night))
    memory = FieldMemory(night.pointing, ReadOptions(), (length,))
    for part in parts:
        memory.add(part)
    time = np.concatenate([part.time for part in parts])
    grid = WindowLength.of(length)
    ends = list(grid.ends(START + length, START + 20.0))
    assert len(ends) == pytest.approx((20.0 - length) / grid.step, abs=1.01)
    for end in (*ends, ends[0]):  # back to the first as well
        binned = memory.window(length, end)
        assert len(binned.events) == np.sum((time >= end - length) & (time < end))
        assert len(binned.photons) == binned.counts.counts.sum()
        assert binned.counts.livetime == pytest.approx(length, abs=1e-6)
