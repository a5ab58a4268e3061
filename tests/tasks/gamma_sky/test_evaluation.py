"""The studies: do they find what is put into them?"""

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest

from skysift.core.errors import UsageError
from skysift.data.irf.analytic import AnalyticResponse
from skysift.data.sky.event_list import Pointing
from skysift.data.sky.tangent import TangentGrid, separation
from skysift.data.table import FeatureTable
from skysift.evaluate.intervals import Interval
from skysift.models.sky.candidate import Candidate
from skysift.models.sky.filtered import RatioMap
from skysift.models.sky.forced import forced_counts
from skysift.models.sky.search import SearchResult, SearchSettings
from skysift.preprocess.folding import energy_bands
from skysift.preprocess.sky_background import BackgroundFit
from skysift.preprocess.sky_surface import MapSurface
from skysift.tasks.gamma_sky.evaluation import timing
from skysift.tasks.gamma_sky.evaluation.contestants import (
    FREE,
    KNOWN,
    NO_TRIALS,
    classical_contestants,
    main_contestants,
)
from skysift.tasks.gamma_sky.evaluation.counts import count_facts, count_photons, selection_bias
from skysift.tasks.gamma_sky.evaluation.false_alarms import count_false_alarms
from skysift.tasks.gamma_sky.evaluation.localisation import (
    efficiency_facts,
    localisation_facts,
    locate_sources,
    outliers,
)
from skysift.tasks.gamma_sky.evaluation.night import observe_night
from skysift.tasks.gamma_sky.evaluation.oracle import Oracle
from skysift.tasks.gamma_sky.evaluation.pairs import separate_pairs
from skysift.tasks.gamma_sky.evaluation.robustness import Blurred, scenarios, study_robustness
from skysift.tasks.gamma_sky.evaluation.study import (
    Contestant,
    Site,
    all_sky_pointing,
    observe,
    place_source,
    statistic_of,
)
from skysift.tasks.gamma_sky.evaluation.timing import STAGES, time_methods, time_stages
from skysift.tasks.gamma_sky.field_setup import FieldSetup

POLE = Pointing(123.0, 89.5, 20.0)


@pytest.fixture(scope="module")
def setup():
    where = Pointing(80.0, 20.0, 20.0)
    grid = TangentGrid(80.0, 20.0, 100, 100, 0.05)
    return FieldSetup(grid, where, energy_bands(0.04, 1.0, 3), 100.0, AnalyticResponse())


@pytest.fixture(scope="module")
def contestants(setup):
    return main_contestants(setup)


def candidate_at(xi, eta, *, false_alarms=0.005):
    return Candidate(
        float(xi), float(eta), np.eye(2) * 1e-4, 50.0, 8.0, 40.0, 1e-9, false_alarms, np.zeros(3)
    )


class Stub:
    """A method that answers the same whatever it sees."""

    def __init__(self, *candidates):
        self.candidates = candidates

    def __call__(self, counts, photons=None):
        unknown = np.full(len(counts), np.nan)
        nothing = BackgroundFit(MapSurface(np.zeros_like(counts)), unknown, unknown, np.zeros(2), 0)
        return SearchResult(
            self.candidates, nothing, 4.0, RatioMap(np.zeros(counts.shape[1:], np.float32))
        )


def test_the_photons_of_a_field_at_the_pole_lie_about_its_source(setup, rng):
    source = place_source(POLE, 1.2, 77.0, 30.0, setup)
    assert float(separation(source.ra, source.dec, POLE.ra, POLE.dec)) == pytest.approx(1.2)
    observed = observe(setup, (source,), POLE, rng)
    assert observed.counts.sum() == len(observed.photons)
    xi, eta = Oracle(setup).place(observed, source)
    near = observed.photons.near(xi, eta, 0.1)
    assert np.median(near.xi) == pytest.approx(xi, abs=0.005)
    assert np.median(near.eta) == pytest.approx(eta, abs=0.005)
    binned = observed.counts.sum(axis=(1, 2))
    assert np.array_equal(binned, np.bincount(observed.photons.band, minlength=3))


def test_a_truth_needs_a_response(setup, rng):
    with pytest.raises(UsageError, match="needs a response"):
        observe(replace(setup, response=None), (), POLE, rng)


def test_pointings_reach_the_poles_and_cross_the_zero_of_right_ascension(rng):
    drawn = [all_sky_pointing(rng) for _ in range(300)]
    dec = np.array([one.dec for one in drawn])
    ra = np.array([one.ra for one in drawn])
    assert dec.min() < -87.5
    assert dec.max() > 87.5
    assert np.sum((ra < 1.5) | (ra > 358.5)) > 50


def test_the_background_follows_the_site(setup, rng):
    plain = observe(setup, (), POLE, rng).counts.sum()
    more = observe(setup, (), POLE, rng, Site(1.4)).counts.sum()
    assert more / plain == pytest.approx(1.4, abs=0.12)


def test_the_statistic_is_the_significance_or_what_stands_in_for_it():
    empty = Stub()(np.zeros((3, 4, 4), np.float32))
    weak, strong = candidate_at(0, 0), replace(candidate_at(0, 0), p_value=0.0, ts=900.0)
    silent = replace(candidate_at(0, 0), ts=float("nan"))
    assert statistic_of(empty, None) == -np.inf
    assert statistic_of(empty, weak) == pytest.approx(5.998, abs=0.01)
    assert statistic_of(empty, strong) == 30.0
    assert statistic_of(replace(empty, seen=RatioMap(np.full((4, 4), 7.0))), silent) == 7.0


def test_bright_sources_are_found_within_the_error_that_the_bound_allows(setup, contestants, rng):
    result = locate_sources(setup, contestants, 15, rng, n_empty=100, fluxes=(3.0,))
    json.dumps(result.facts, allow_nan=False)
    for row in result.facts["localisation"]:
        assert row["found"]["value"] == 1.0
        assert 0.4 < row["ratio"]["value"] < 1.8
        assert row["far"] == 0
    assert {row["method"] for row in result.facts["localisation"]} == {KNOWN, FREE, "oracle"}
    assert len(result.table) == 45


def test_methods_that_answer_with_a_peak_do_so_though_there_are_photons(setup, rng):
    names = ("likelihood-ratio-peak", "smoothed-maximum")
    found = classical_contestants(setup, names=names)
    assert [one.states_errors for one in found] == [True, True, False]
    source = place_source(POLE, 0.7, 10.0, 5.0, setup)
    observed = observe(setup, (source,), POLE, rng)
    xi, eta = observed.grid.to_plane(source.ra, source.dec)
    for one in found:
        best = one.method(observed.counts, observed.photons).candidates[0]
        assert np.isfinite(best.covariance).all() == one.states_errors
        assert np.hypot(best.xi - xi, best.eta - eta) < 0.1
        without = one.method(observed.counts).candidates[0]
        assert (best.xi, best.eta, best.excess) == pytest.approx(
            (without.xi, without.eta, without.excess), nan_ok=True
        )


def made_up_rows(n=4000):
    rng = np.random.default_rng(3)
    error = rng.rayleigh(0.01, n)
    statistic = np.where(np.arange(n) < n // 2, 6.0, 3.0)
    error[0] = 1.0  # a candidate somewhere else
    columns = {
        "method": np.full(n, "stub"),
        "flux": np.full(n, 0.1),
        "offset": np.full(n, 0.7),
        "statistic": statistic,
        "error": error,
        "squared": (error / 0.01) ** 2,
        "bound": np.full(n, 0.008),
        "expected": np.full(n, 10.0),
        "excess": np.full(n, 12.0),
        "excess_error": np.full(n, 4.0),
    }
    return FeatureTable.from_columns(columns)


def test_numbers_of_the_comparison_are_those_of_its_rows():
    threshold = {"stub": Interval(5.0, 4.9, 5.1)}
    table = made_up_rows()
    facts = localisation_facts(table, threshold)
    row = facts["localisation"][0]
    assert row["maps"] == 4000
    assert row["found"]["value"] == pytest.approx(1999 / 4000)
    assert row["far"] == 1
    assert row["error68"]["n"] == 1999
    assert row["error68"]["value"] == pytest.approx(0.0151, rel=0.1)
    assert row["bound68"] == pytest.approx(0.0121, rel=0.01)
    assert row["ratio"]["value"] == pytest.approx(1.25, rel=0.1)
    assert row["containment68"]["value"] == pytest.approx(0.68, abs=0.04)
    assert [one["error68"]["n"] for one in facts["by_offset"]] == [0, 1999, 0, 0]
    assert efficiency_facts(table, threshold)[0]["value"] == pytest.approx(1999 / 4000)
    assert selection_bias(table, {"stub": 5.0})[0]["value"] == pytest.approx(0.2)


def test_no_outliers_among_bright_sources_and_every_missed_one_is_one(setup, contestants, rng):
    missing = Contestant("blind", Stub())
    astray = Contestant("astray", Stub(candidate_at(2.4, -2.4)))
    result = outliers(setup, [contestants[1], missing, astray], 12, rng, flux=3.0)
    assert [row["outliers"] for row in result.facts["methods"]] == [0, 12, 12]


def test_forced_counts_are_unbiased_with_and_without_a_source(setup, rng):
    search = setup.folded().search(NO_TRIALS, SearchSettings())
    oracle = Oracle(setup)
    for flux in (0.0, 0.5):
        pulls = []
        for _ in range(40):
            source = place_source(POLE, rng.uniform(0, 2), rng.uniform(0, 360), flux, setup)
            observed = observe(setup, (source,), POLE, rng)
            place = oracle.place(observed, source)
            found = forced_counts(search, observed.counts, observed.photons, place)
            pulls.append((found.counts - oracle.expected_counts(observed, source)) / found.error)
            assert found.by_band.sum() == pytest.approx(found.counts)
        assert abs(np.mean(pulls)) < 4 / np.sqrt(40)
        assert 0.6 < np.std(pulls) < 1.5


def test_one_who_is_told_all_but_the_counts_has_no_bias_at_few_photons(setup, rng):
    setup = replace(setup, livetime=30.0)
    oracle = Oracle(setup)
    rows = []
    for _ in range(300):
        source = place_source(POLE, rng.uniform(0, 2), rng.uniform(0, 360), 0.1, setup)
        observed = observe(setup, (source,), POLE, rng)
        rows.append((*oracle.count(observed, source), oracle.expected_counts(observed, source)))
    counts, error, expected = np.array(rows).T
    assert expected.mean() < 20
    assert abs((counts - expected).sum()) < 4 * np.sqrt(((counts - expected) ** 2).sum())
    assert 0.8 < np.std((counts - expected) / error) < 1.2


def made_up_counts(counts_of, n=600):
    rng = np.random.default_rng(4)
    expected = rng.uniform(50, 500, n)
    error = np.sqrt(expected)
    return FeatureTable.from_columns(
        {
            "method": np.full(n, "stub"),
            "zenith": np.repeat([0.0, 20.0], n // 2),
            "exposure": np.full(n, 100.0),
            "flux": np.full(n, 1.0),
            "offset": rng.uniform(0, 2, n),
            "expected": expected,
            "counts": counts_of(expected, error, rng),
            "error": error,
        }
    )


def test_honest_counts_show_neither_bias_nor_fault(rng):
    honest = count_facts(
        made_up_counts(lambda expected, error, draw: draw.normal(expected, error)), rng
    )
    overall = honest["groups"][0]
    assert overall["bias"]["low"] < 0 < overall["bias"]["high"]
    assert overall["pull_width"]["value"] == pytest.approx(1.0, abs=0.1)
    fault = honest["faults"]["stub"]
    assert fault["unevenness"]["low"] < 0.01
    assert fault["unevenness"]["high"] > -0.01
    assert fault["two_peaks_p"] > 0.05
    assert fault["two_peaks_p_any_zenith"] > 0.05


def test_a_loss_of_many_counts_and_two_peaks_are_both_seen(rng):
    def lossy(expected, error, draw):
        loss = np.where(expected > np.median(expected), 0.8, 1.0)
        side = draw.choice([-3.0, 3.0], len(expected))
        return loss * expected + (side + 0.6 * draw.normal(size=len(expected))) * error

    facts = count_facts(made_up_counts(lossy), rng)
    assert facts["groups"][0]["bias"]["high"] < -0.05
    fault = facts["faults"]["stub"]
    assert fault["unevenness"]["high"] < -0.1
    assert fault["two_peaks_p"] < 0.05
    assert fault["two_peaks_p_any_zenith"] < 0.05


def test_a_loss_of_many_counts_shows_in_the_parts_that_have_many(rng):
    def lossy(expected, error, draw):
        return draw.normal(np.where(expected > 300, 0.8, 1.0) * expected, error)

    fault = count_facts(made_up_counts(lossy), rng)["faults"]["stub"]
    parts = fault["by_counts"]
    assert sum(part["bias"]["n"] for part in parts) == fault["n"] == 300
    assert all(part["high"] <= after["low"] for part, after in itertools.pairwise(parts))
    assert parts[0]["bias"]["value"] == pytest.approx(0.0, abs=0.05)
    assert parts[-1]["bias"]["value"] == pytest.approx(-0.2, abs=0.03)


def test_a_bias_under_two_conditions_at_once_is_in_its_cell_alone(rng):
    def lossy(expected, error, draw):
        late = np.repeat([0.0, 1.0], len(expected) // 2)  # the second zenith angle
        return draw.normal((1 - 0.3 * late) * expected, error)

    cells = count_facts(made_up_counts(lossy), rng)["cells"]
    bias = {row["zenith"]: row["bias"]["value"] for row in cells if "zenith" in row}
    assert bias == {0.0: pytest.approx(0, abs=0.03), 20.0: pytest.approx(-0.3, abs=0.03)}
    (by_flux,) = (row for row in cells if "flux" in row)
    assert by_flux["bias"]["n"] == 600
    assert by_flux["relative_error"] == pytest.approx(275**-0.5, rel=0.05)


def test_counts_are_measured_at_every_zenith_angle(setup, rng):
    result = count_photons(
        setup, 10, rng, zeniths=(20.0, 60.0), exposures=(100.0,), fluxes=(1.0, 3.0)
    )
    zenith = {row["at"] for row in result.facts["groups"] if row["by"] == "zenith"}
    assert zenith == {20.0, 60.0}
    bias = [row["bias"]["value"] for row in result.facts["groups"] if row["by"] == "all"]
    assert len(bias) == 4  # with the response, without, without but for the width, all of it told
    assert np.abs(bias).max() < 0.15


def test_false_alarms_are_counted_at_the_stated_level(setup, rng):
    wolf = Contestant("wolf", Stub(candidate_at(0, 0), candidate_at(1, 0, false_alarms=0.2)))
    quiet = Contestant("quiet", Stub())
    result = count_false_alarms(setup, lambda _: [wolf, quiet], 5, rng, scales=(1.0,))
    rates = {(row["method"], row["stated"]): row for row in result.facts["rates"]}
    assert rates["wolf", 0.003]["candidates"] == 0
    assert rates["wolf", 0.01]["candidates"] == 5
    assert not rates["wolf", 0.01]["within"]
    assert rates["wolf", 0.3]["candidates"] == 10
    assert rates["quiet", 0.3]["within"]
    assert rates["quiet", 0.3]["value"] == 0


def test_a_pair_is_found_only_by_two_candidates(setup, rng):
    search = main_contestants(setup, settings=SearchSettings())[0]
    one = Contestant("one", Stub(candidate_at(0, 0)))
    result = separate_pairs(setup, [search, one], 4, rng, flux=3.0, separations=(1.0,))
    found = {row["method"]: row["value"] for row in result.facts["pairs"]}
    assert found == {KNOWN: 1.0, "one": 0.0}


def test_a_blurred_response_keeps_its_photons_and_widens_their_circle(rng):
    base = AnalyticResponse()
    wide = Blurred(base, 1.4)
    radius = np.linspace(0, 2, 4001)
    density = wide.psf(0.3, 1.0, radius)
    assert np.trapezoid(density * 2 * np.pi * radius, radius) == pytest.approx(1, abs=1e-3)
    energy = np.full(4000, 0.3)
    ratio = np.median(wide.sample_radius(energy, 1.0, rng)) / np.median(
        base.sample_radius(energy, 1.0, rng)
    )
    assert ratio == pytest.approx(1.4, rel=0.06)


def test_each_departure_is_measured_with_the_response_and_without(setup, rng):
    cases = {one.name: one for one in scenarios(setup)}
    assert "as supposed" in cases
    assert not any("another array" in name for name in cases)
    assert "another array" in {one.name for one in scenarios(setup, AnalyticResponse(40.0))}
    chosen = [cases["as supposed"], cases["dead sector of 40 deg"]]
    result = study_robustness(chosen, 10, rng, n_empty=5, fluxes=(3.0,))
    json.dumps(result.facts, allow_nan=False)
    rows = {(row["scenario"], row["method"]): row for row in result.facts["scenarios"]}
    assert set(rows) == {(case.name, method) for case in chosen for method in (KNOWN, FREE)}
    plain = rows["as supposed", KNOWN]
    assert plain["found"]["value"] == 1.0
    assert 0.5 < plain["error68"]["value"] / plain["bound68"] < 2.0
    assert plain["empty"]["n"] == 5


@pytest.fixture
def clock(monkeypatch):
    """Calls are made as ever, and are said to take 1, 2, 3, ... milliseconds in turns."""

    def run(turns):
        spent = itertools.cycle(turns)
        monkeypatch.setattr(timing, "_timed", lambda call: (call(), next(spent) / 1e3))

    return run


def test_the_stages_add_up_to_the_whole(setup, clock, rng):
    clock([1, 2, 3, 9, 16])  # to bin, fit, filter, judge by all of these, and search with all
    result = time_stages(setup, 2, rng)
    for name in (KNOWN, FREE):
        rows = {r["stage"]: r["value"] for r in result.facts["stages"] if r["method"] == name}
        assert rows == pytest.approx(
            dict(zip(STAGES, (1, 2, 3, 9 - 2 - 3, 16 - 9), strict=True)) | {"all": 1 + 16}
        )
        assert sum(rows[stage] for stage in STAGES) == pytest.approx(rows["all"])


def test_every_method_is_timed_on_every_field(setup, contestants, clock, rng):
    clock([4, 6, 8])
    timed = time_methods(setup, [*contestants, Contestant("none", Stub())], 3, rng)
    found = {row["method"]: row["value"] for row in timed.facts["methods"]}
    assert found == pytest.approx({KNOWN: 4, FREE: 6, "none": 8})
    assert [row["n"] for row in timed.facts["methods"]] == [3, 3, 3]


def test_the_night_finds_its_bright_source_and_keeps_its_maps(setup, rng):
    result = observe_night(setup, rng, night=((3.0,), (2.0, 2.5)))
    json.dumps(result.facts, allow_nan=False)
    first, second = result.facts["fields"]
    assert first["candidates"][0]["distance"] < 0.05
    assert len(second["sources"]) == 2
    assert len(result.table) == 2 * 100 * 100
    of_first = result.table["field"] == 0
    assert result.table["raw"][of_first].sum() == pytest.approx(first["counts"])
    assert result.table["cleaned"][of_first].sum() == pytest.approx(first["cleaned"], rel=1e-4)
    excess = first["candidates"][0]["excess"]
    assert first["cleaned"] == pytest.approx(excess, rel=0.15)
