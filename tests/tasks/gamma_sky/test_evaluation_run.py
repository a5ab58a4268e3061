"""The whole evaluation, stored and drawn; real runs where they are at hand."""

import json
from functools import partial

import numpy as np
import pytest

from skysift.core.errors import InputError, UsageError
from skysift.data.irf.analytic import AnalyticResponse
from skysift.data.sky.event_list import Pointing
from skysift.data.sky.tangent import TangentGrid
from skysift.models.sky.trials import TrialsTable
from skysift.preprocess.folding import energy_bands
from skysift.report.run_folder import read_run
from skysift.tasks.gamma_sky.evaluation import run
from skysift.tasks.gamma_sky.evaluation.contestants import FREE, GAMMAPY, KNOWN, gammapy_contestant
from skysift.tasks.gamma_sky.evaluation.flare import LOWEST
from skysift.tasks.gamma_sky.evaluation.hess import ATTRIBUTION, evaluate_hess
from skysift.tasks.gamma_sky.evaluation.hess_run import CRAB
from skysift.tasks.gamma_sky.evaluation.pointing import pointing_error
from skysift.tasks.gamma_sky.evaluation.study import observe, place_source
from skysift.tasks.gamma_sky.field_setup import FieldSetup
from skysift.tasks.gamma_sky.options import EvaluateOptions
from skysift.tasks.gamma_sky.pages.reading import only
from skysift.tasks.gamma_sky.studies import render

HESS = "gamma/hess-dl3-dr1"
NORTH = "gamma/cta-caldb/Prod5-North-20deg-AverageAz-4LSTs09MSTs.180000s-v0.1.fits.gz"


def small_truth(_irf=None):
    grid = TangentGrid(80.0, 20.0, 100, 100, 0.05)
    response = AnalyticResponse(parameters=run.truth_setup().response.parameters)
    return FieldSetup(grid, Pointing(80.0, 20.0, 20.0), energy_bands(0.04, 1, 3), 100.0, response)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluation") / "run"
    sizes = run.Sizes(10, 100, 12, 8, 4, 10, 5, 5, 5)
    truth, seen = small_truth(), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "truth_setup", lambda _irf: truth)
        patch.setattr(run.Sizes, "of", lambda _options: sizes)
        patch.setattr(run, "count_photons", partial(run.count_photons, zeniths=(0.0, 20.0)))
        patch.setattr(run, "observe_night", partial(run.observe_night, night=((2.0,),)))
        patch.setattr(run, "_QUICK_SCENARIOS", ("as supposed", "point spread supposed x 1.4"))
        result = run.evaluate_sky(
            EvaluateOptions(),
            folder,
            np.random.default_rng(5),
            command="skysift evaluate gamma-sky --out run",
            progress=lambda done, what: seen.append((done, what)),
        )
    return folder, result, seen


@pytest.mark.slow
def test_the_report_tells_the_whole_story(finished):
    folder, result, _ = finished
    text = (folder / "report.html").read_text()
    assert result.page == folder / "report.html"
    for heading in (
        "A night under this sky",
        "Every method, the same photons",
        "Where is it?",
        "How faint may it be?",
        "How wrong can it be?",
        "How many photons?",
        "Does it cry wolf?",
        "Two at once",
        "When the response is wrong",
        "How long does it take?",
    ):
        assert heading in text
    assert "On the real sky" not in text
    assert "nan" not in text.split("<main")[1].split("<svg")[0].lower()


def test_only_the_studies_that_are_asked_for_are_made(tmp_path, monkeypatch):
    truth, sizes = small_truth(), run.Sizes(10, 100, 12, 8, 4, 10, 5, 5, 5)
    monkeypatch.setattr(run, "truth_setup", lambda _irf: truth)
    monkeypatch.setattr(run.Sizes, "of", lambda _options: sizes)
    options = EvaluateOptions(studies=("outliers",))
    rng = np.random.default_rng(5)
    result = run.evaluate_sky(options, tmp_path / "run", rng, command="skysift evaluate")
    facts = read_run(tmp_path / "run").facts
    assert facts["outliers"]["n"] == 8
    assert not {"localisation", "counts", "pairs", "timing"} & set(facts)
    assert list(result.rows) == []
    text = result.page.read_text()
    assert "How wrong can it be?" in text
    assert "How faint may it be?" not in text
    told = render(tmp_path / "run").rows
    assert told == [{"study": "outliers", "numbers": "in the report"}]


def test_false_alarms_alone_are_told_as_a_table(tmp_path, monkeypatch):
    truth, sizes = small_truth(), run.Sizes(10, 6, 12, 8, 4, 10, 5, 5, 5)
    monkeypatch.setattr(run, "truth_setup", lambda _irf: truth)
    monkeypatch.setattr(run.Sizes, "of", lambda _options: sizes)
    options = EvaluateOptions(studies=("false-alarms",))
    run.evaluate_sky(options, tmp_path, np.random.default_rng(5), command="skysift evaluate")
    told = render(tmp_path).rows
    rates = read_run(tmp_path).facts["false_alarms"]["rates"]
    measured = [row["value"] for row in rates if row["stated"] in {0.01, 0.1}]
    assert [float(row["measured"].split()[0]) for row in told] == pytest.approx(measured, abs=1e-4)
    assert {row["false alarms per field, stated"] for row in told} == {0.01, 0.1}


def test_real_runs_cannot_be_studied_without_their_folder(tmp_path):
    options = EvaluateOptions(studies=("hess",))
    with pytest.raises(UsageError, match="none can be made"):
        run.evaluate_sky(options, tmp_path / "run", np.random.default_rng(5), command="")


@pytest.mark.slow
def test_the_run_is_stored_as_plain_numbers(finished):
    folder, result, _ = finished
    record = read_run(folder)
    json.dumps(dict(record.facts), allow_nan=False)
    methods = {row["method"] for row in result.rows}
    assert {KNOWN, FREE, "smoothed-maximum"} <= methods
    assert record.facts["truth"] == "analytic varied"
    first = next(row for row in result.rows if row["method"] == FREE)
    assert 0.002 < first["error68@1"].value < 0.05


@pytest.mark.slow
def test_the_report_is_drawn_again_the_same(finished):
    folder, *_ = finished
    before = (folder / "report.html").read_text()
    run.render_sky(folder)
    assert (folder / "report.html").read_text() == before


@pytest.mark.slow
def test_progress_runs_from_start_to_end_and_never_back(finished):
    *_, seen = finished
    done = np.array([part for part, _ in seen])
    assert np.all(np.diff(done) >= -1e-9)
    assert done[-1] == pytest.approx(1.0)


def test_the_truth_is_not_what_a_search_without_a_response_supposes():
    plain, truth = AnalyticResponse(), run.truth_setup().response
    radius = np.linspace(0.0, 0.3, 50)
    ratio = truth.psf(0.1, 1.0, radius) / plain.psf(0.1, 1.0, radius)
    assert np.abs(ratio - 1).max() > 0.1


def test_full_sizes_are_those_of_a_verdict():
    full = run.Sizes.of(EvaluateOptions(full=True))
    assert full.maps >= 2000
    assert full.alarms >= 10000
    assert run.Sizes.of(EvaluateOptions(maps=40, empty_maps=300)).maps == 40


@pytest.mark.mirror
def test_gammapy_finds_the_same_bright_source(mirror, rng):
    pytest.importorskip("gammapy")
    path = mirror / NORTH
    setup = run.truth_setup(path)
    reference = gammapy_contestant(setup, path)
    assert reference.name == GAMMAPY
    source = place_source(setup.pointing, 0.8, 30.0, 1.0, setup)
    observed = observe(setup, (source,), setup.pointing, rng)
    best = reference.method(observed.counts).candidates[0]
    xi, eta = observed.grid.to_plane(source.ra, source.dec)
    assert np.hypot(best.xi - xi, best.eta - eta) < 0.1
    assert best.ts > 100
    assert gammapy_contestant(setup, None) is None


@pytest.mark.slow
@pytest.mark.mirror
def test_real_runs_show_their_sources_and_empty_ones_none(mirror):
    trials = TrialsTable(np.array([3.0]), np.array([1.0]))
    result = evaluate_hess(
        mirror / HESS,
        trials=trials,
        steady_runs={23523: CRAB},
        flare_runs=(33791,),
        off_runs=(20275, 25443),
    )
    facts = result.facts
    json.dumps(facts, allow_nan=False)
    assert facts["attribution"] == ATTRIBUTION
    crab = facts["steady"][0]
    assert crab["known_significance"] > 15
    assert crab["free_distance"] < 0.05
    assert crab["li_ma"] == pytest.approx(crab["gammapy_li_ma"], rel=0.15)
    assert crab["gammapy_fit_distance"] == pytest.approx(crab["known_distance"], abs=0.005)
    assert 0.003 < crab["gammapy_fit_error"] < 0.006
    followed = facts["followed"]
    assert followed["bins"] == 16
    assert followed["known"]["value"] == followed["measured"]["value"] == 1.0
    assert followed["weakest"] > 5
    assert followed["renamed"] == 0
    assert {(row["lowest"], row["runs"]) for row in facts["flare"]} == {
        (lowest, runs) for lowest in LOWEST for runs in ("brighter than the Crab", "whole night")
    }
    for row in facts["flare"]:
        assert row["windows"] >= 10
        assert row["found"]["value"] > 0.9
        assert row["error68"]["high"] > row["bound68"] > 0.005
    low, high = (only(facts["flare"], lowest=one)[0] for one in LOWEST)
    assert low["bound68"] < high["bound68"]
    assert [row["runs"] for row in facts["off"]] == [2, 2]


@pytest.mark.parametrize("pointing", [0.0, 0.01])
def test_errors_of_the_pointing_are_told_from_those_of_the_photons(pointing):
    rng = np.random.default_rng(8)
    run = np.repeat(np.arange(40), 16)
    sigma = rng.uniform(0.005, 0.015, len(run))
    shared = pointing * rng.normal(size=(40, 2))
    away = shared[run] + 1.2 * sigma[:, None] * rng.normal(size=(len(run), 2))
    told = pointing_error(away, sigma**2, run)
    assert told.within == pytest.approx(1.44, rel=0.15)
    if pointing:
        assert told.between.low < pointing < told.between.high
        assert told.between.low > 0.005
    else:
        assert told.between.high < 0.003
    with pytest.raises(InputError, match="two runs"):
        pointing_error(away[:16], sigma[:16] ** 2, run[:16])
