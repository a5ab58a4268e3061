"""Photon lists in windows to candidates: every window once, every photon as it is."""

import numpy as np
import pytest

from skysift.core.errors import InputError
from skysift.data.irf.analytic import AnalyticResponse
from skysift.data.sky.event_list import EventList, Pointing
from skysift.data.sky.gti import GoodTimeIntervals
from skysift.data.sky.tangent import separation
from skysift.models.sky.trials import TrialsTable
from skysift.tasks.gamma_sky import window_methods
from skysift.tasks.gamma_sky.observations import Observation
from skysift.tasks.gamma_sky.options import CLASSICAL, PredictOptions, ReadOptions
from skysift.tasks.gamma_sky.pipeline import search_events, search_observation, windows_of
from skysift.tasks.gamma_sky.simulation.field import Field, Source
from skysift.tasks.gamma_sky.simulation.photons import simulate_events
from skysift.tasks.gamma_sky.synth import synthetic_observations

TRIALS = TrialsTable(np.array([3.0]), np.array([1.0]))
READING = ReadOptions()
HERE = Pointing(83.6, 22.0, 20.0)
PLAIN = PredictOptions(photometry=False)


def events_of(seconds=60.0, *sources, pointing=HERE, seed=1):
    return simulate_events(
        Field(pointing, seconds, sources),
        AnalyticResponse(),
        np.random.default_rng(seed),
        energy_range=(READING.emin, READING.emax),
        name="run",
    )


@pytest.fixture(scope="module")
def field():
    return events_of(120.0, Source(84.0, 22.3, flux=1.0))


def made_up(gti, times=()):
    n = len(times)
    full = np.full(n, 1.0)
    return EventList(
        np.array(times, dtype=float), 10 * full, 5 * full, full, GoodTimeIntervals.of(gti),
        Pointing(10.0, 5.0, 20.0), name="night",
    )  # fmt: skip


def cut(events, **options):
    return list(windows_of(events, PredictOptions(**options)))


def bounds(windows):
    return [(float(w.gti.start[0]), float(w.gti.stop[-1])) for w in windows]


def test_windows_follow_each_other_and_the_last_is_short():
    windows = cut(made_up([(1000.0, 1250.0)], (1000.0, 1099.9, 1100.0, 1249.0)), window="100s")
    assert bounds(windows) == [(1000, 1100), (1100, 1200), (1200, 1250)]
    assert [len(one) for one in windows] == [2, 1, 1]
    assert [one.name for one in windows] == ["night+0s", "night+100s", "night+200s"]


def test_windows_may_overlap():
    windows = cut(made_up([(0.0, 300.0)], (50.0, 150.0, 250.0)), window="100s", step="50s")
    assert bounds(windows) == [(0, 100), (50, 150), (100, 200), (150, 250), (200, 300)]
    assert [len(one) for one in windows] == [1, 1, 1, 1, 1]


def test_windows_without_good_time_are_left_out():
    windows = cut(made_up([(0.0, 90.0), (350.0, 400.0)]), window="100s")
    assert bounds(windows) == [(0, 90), (350, 400)]
    assert [one.gti.duration for one in windows] == [90, 50]


def test_rounding_makes_no_windows():
    assert len(cut(made_up([(0.0, 300.0 + 1e-9)]), window="100s")) == 3
    assert len(cut(made_up([(0.1, 0.1 + 0.3)]), window=0.1)) in {3, 4}


def test_a_window_longer_than_the_night_is_the_night():
    assert bounds(cut(made_up([(0.0, 70.0)]), window="1h")) == [(0, 70)]


def test_without_a_window_all_is_one():
    events = made_up([(0.0, 70.0)])
    assert cut(events) == [events]


def test_the_source_is_found_with_what_is_to_be_said_of_it(field):
    found = search_events(field, None, READING, PredictOptions(), TRIALS)
    (ra,), (dec,) = found.table["ra"], found.table["dec"]
    assert separation(ra, dec, 84.0, 22.3) < 4 * found.table["err68"][0]
    assert found.table["t_stop"][0] - found.table["t_start"][0] == pytest.approx(120 / 86400)
    assert found.table["far"][0] < 1e-8
    assert found.table["li_ma_ring"][0] > 5
    assert np.isnan(found.table["flux"][0])  # the exposure is not known
    assert found.counts.counts.sum() <= len(found.events) <= len(field)


def test_with_a_response_there_is_a_flux(field):
    found = search_events(field, AnalyticResponse(), READING, PLAIN, TRIALS)
    low, high = found.table["flux_low"][0], found.table["flux_high"][0]
    assert low < found.table["flux"][0] < high
    assert found.table["flux"][0] == pytest.approx(1.0, abs=4 * (high - low) / 2)


def test_a_stated_error_of_the_pointing_widens_the_ellipses(field):
    plain = search_events(field, None, READING, PLAIN, TRIALS).table
    options = PredictOptions(photometry=False, pointing_error=0.02)
    wide = search_events(field, None, READING, options, TRIALS).table
    expected = np.hypot(plain["err_major"], 0.02 * np.sqrt(-2 * np.log1p(-0.68)))
    np.testing.assert_allclose(wide["err_major"], expected, rtol=1e-3)  # the plane is stretched
    assert wide["err_systematic"].tolist() == [0.02] * len(wide)


def test_the_highest_pixel_claims_no_significance(field):
    options = PredictOptions(photometry=False, method="smoothed-maximum")
    found = search_events(field, None, READING, options, TRIALS).table
    assert len(found) == 1
    assert np.isnan(found["significance"][0])
    assert np.isnan(found["significance_post_trial"][0])


@pytest.mark.parametrize("pointing", [(0.0, 90.0), (359.99, -89.9), (0.01, 0.0)])
def test_everywhere_on_the_sky_is_the_same(pointing):
    where = Pointing(*pointing, 20.0)
    ra, dec = (pointing[0] + 0.2) % 360, pointing[1] - 0.3 if pointing[1] > 0 else pointing[1] + 0.3
    events = events_of(60.0, Source(ra, dec, flux=1.5), pointing=where)
    table = search_events(events, None, READING, PLAIN, TRIALS).table
    assert len(table) == 1
    assert separation(table["ra"][0], table["dec"][0], ra, dec) < 4 * table["err68"][0]


def test_photons_beside_the_map_do_no_harm(field):
    """Photons far away, on the other side of the sky and of other energies."""
    far = np.array([200.0, 263.6, 90.0])
    more = EventList(
        np.append(field.time, [1.0, 2.0, 3.0]),
        np.append(field.ra, far),
        np.append(field.dec, [-22.0, -22.0, 25.5]),
        np.append(field.energy, [1.0, 1.0, 1.0]),
        field.gti,
        field.pointing,
        name="run",
    )
    order = np.argsort(more.time, kind="stable")
    one = search_events(field, None, READING, PLAIN, TRIALS)
    two = search_events(more.take(order), None, READING, PLAIN, TRIALS)
    assert two.counts.counts.sum() == one.counts.counts.sum()
    assert two.table["ra"] == pytest.approx(one.table["ra"], abs=1e-9)


def test_photons_at_the_border_of_the_bands_are_no_trouble(field):
    n = len(field)
    energy = field.energy.copy()
    energy[:4] = READING.emin, np.nextafter(READING.emax, 0), READING.emax, 500.0
    moved = EventList(
        field.time, field.ra, field.dec, energy, field.gti, field.pointing, name="run"
    )
    for method in CLASSICAL:
        found = search_events(
            moved, None, READING, PredictOptions(method=method, photometry=False), TRIALS
        )
        assert len(found.events) == n - 2
        assert len(found.table) >= 1


def test_no_photons_no_candidates():
    for gti in ([(0.0, 100.0)], []):
        found = search_events(made_up(gti), None, READING, PredictOptions(), TRIALS)
        assert len(found.table) == 0
        assert found.table.meta()["false_alarms"] == {"value": 0.01, "per": "field"}
    full = search_events(events_of(), None, READING, PLAIN, TRIALS).table
    assert found.table.table.columns == full.table.columns


def test_an_unknown_zenith_is_no_reason_to_begin_anew(field):
    window_methods._method.cache_clear()
    nameless = EventList(
        field.time, field.ra, field.dec, field.energy, field.gti,
        Pointing(field.pointing.ra, field.pointing.dec), name="run",
    )  # fmt: skip
    item = Observation(nameless)
    list(search_observation(item, READING, PredictOptions(window="30s", photometry=False), TRIALS))
    assert window_methods._method.cache_info().misses == 1
    assert window_methods._method.cache_info().hits == 3


def test_false_alarms_per_hour_are_those_of_the_window(field):
    window_methods._method.cache_clear()
    options = PredictOptions(window="40s", false_alarms=0.9, per="hour", photometry=False)
    searched = list(search_observation(Observation(field), READING, options, TRIALS))
    per_field = PredictOptions(false_alarms=0.01, photometry=False)
    same = search_events(searched[0].events, None, READING, per_field, TRIALS)
    assert searched[0].result.level == pytest.approx(same.result.level, abs=1e-3)
    assert window_methods._method.cache_info().misses == 1


def test_every_method_answers_the_same_question(field):
    for method in (*CLASSICAL,):
        options = PredictOptions(method=method, photometry=False)
        table = search_events(field, None, READING, options, TRIALS).table
        assert len(table) == 1
        assert separation(table["ra"][0], table["dec"][0], 84.0, 22.3) < 0.1


def test_a_cleaned_map_takes_the_counts_apart(field):
    for method in ("likelihood-ratio", "matched-filter"):
        options = PredictOptions(method=method, photometry=False)
        found = search_events(field, None, READING, options, TRIALS)
        cleaned = found.cleaned()
        total = cleaned.cleaned + cleaned.background + cleaned.residual
        np.testing.assert_allclose(total, cleaned.counts.counts, atol=1e-9)
        assert cleaned.cleaned.sum() == pytest.approx(found.table["excess"][0], rel=0.15)


class WithoutBackground(AnalyticResponse):
    """A response file that holds no background model."""

    def background(self, energy, x, y):
        del energy, x, y
        raise InputError("No background.", "Do without.")


def test_a_response_without_background_takes_that_of_formulas(field):
    found = search_events(field, WithoutBackground(), READING, PLAIN, TRIALS)
    assert len(found.table) == 1
    assert np.isfinite(found.table["flux"][0])


def test_bands_that_the_instrument_does_not_see_are_left_out():
    reading = ReadOptions(emin=0.0001, emax=1000.0, bands=14)
    events = events_of(60.0, Source(84.0, 22.3, flux=1.5))
    found = search_events(events, AnalyticResponse(), reading, PLAIN, TRIALS)
    assert len(found.table) == 1
    assert separation(found.table["ra"][0], found.table["dec"][0], 84.0, 22.3) < 0.1


def test_energies_that_nobody_sees_are_an_error():
    reading = ReadOptions(emin=1e4, emax=1e5, bands=2)
    with pytest.raises(InputError, match="sees nothing between"):
        search_events(made_up([(0.0, 60.0)]), AnalyticResponse(), reading, PLAIN, TRIALS)


@pytest.mark.parametrize("network", ["network", "network-centres"])
def test_the_network_finds_a_bright_source_as_the_classical_search_does(network):
    data = synthetic_observations(1, np.random.default_rng(5))
    found = {
        method: next(
            search_observation(
                data.items[0],
                data.options,
                PredictOptions(method=method, photometry=False),
                TrialsTable(np.array([3.0]), np.array([1.0])),
            )
        )
        for method in ("likelihood-ratio", network)
    }
    places = [(one.table["ra"][0], one.table["dec"][0]) for one in found.values()]
    assert separation(*places[0], *places[1]) < 0.01
    assert separation(*places[1], *data.items[0].truth[0]) < 0.05
    assert found[network].table.table.columns == found["likelihood-ratio"].table.table.columns
    cleaned = found[network].cleaned()
    total = cleaned.cleaned + cleaned.background + cleaned.residual
    np.testing.assert_allclose(total, cleaned.counts.counts, atol=1e-4)
