"""Jobs whose parts travel to other processes find what they find in one."""

import json
import shutil
from operator import call

import numpy as np
import pytest

from skysift.cli.main import build_app
from skysift.core.config import build_config
from skysift.core.registry import list_tasks, load_options, load_task
from skysift.core.spread import spread_kept, spread_map, spread_with
from skysift.data.io import read_table
from skysift.models.sky.search import SearchSettings
from skysift.tasks.flare import published
from skysift.tasks.flare.learning import learn_region_head
from skysift.tasks.flare.published import best_start, published_starts, repetitions
from skysift.tasks.gamma_sky.evaluation.contestants import main_contestants
from skysift.tasks.gamma_sky.evaluation.false_alarms import count_false_alarms
from skysift.tasks.gamma_sky.evaluation.run import truth_setup
from skysift.tasks.gamma_sky.simulation.job import simulate_files
from skysift.tasks.gamma_sky.simulation.options import SimulateOptions
from skysift.tasks.star_galaxy.comparison import cross_validate as of_star_galaxy
from skysift.tasks.streak.comparison import cross_validate as of_streak

QUICK = {"exposure_max": 30.0, "zenith_min": 20.0, "zenith_max": 21.0, "nsb_max": 1.0, "pixels": 40}


@pytest.fixture
def both(abroad):
    """Do a job here, and abroad."""

    def done(job):
        here = job()
        with spread_with(abroad):
            return here, job()

    return done


def nothing(_fraction, _what):
    """Report no progress."""


@pytest.mark.parametrize("task", ["star-galaxy", "streak"])
def test_cross_validation_abroad_finds_the_same(task, both):
    n = {"streak": 60, "star-galaxy": 60}[task]
    sample = load_task(task).synth(n, np.random.default_rng(1))
    options = load_options(task, "CompareOptions")
    if task == "streak":
        chosen = build_config(options, {"models": ("cuts", "logistic-regression"), "folds": 2})
        here, there = both(lambda: of_streak(sample, chosen, seed=1, progress=nothing))
    else:
        given = {"models": ("fwhm-cut", "magnitude"), "folds": 2, "members": 2}
        chosen = build_config(options, given)
        found = both(lambda: of_star_galaxy(sample, chosen, seed=1, progress=nothing))
        here, there = (one.probability for one in found)
    assert list(here) == list(there) == list(chosen.models)
    for name, said in here.items():
        np.testing.assert_array_equal(there[name], said)


def test_a_forecast_of_flares_learns_the_same_abroad(both):
    """Its bootstrap samples are drawn here, in the order that one process draws them in."""
    regions = load_task("flare").synth(70, np.random.default_rng(1))

    def job():
        rng = np.random.default_rng(2)
        head = learn_region_head(regions, "C", folds=2, inverse_penalty=0.1, bags=2, rng=rng).head
        return head.image.regressions, head.both.regressions, rng.random()

    (image, joined, after), (image_there, joined_there, after_there) = both(job)
    np.testing.assert_array_equal(image_there.coefficients, image.coefficients)
    np.testing.assert_array_equal(joined_there.coefficients, joined.coefficients)
    assert after == after_there


def test_the_published_protocol_of_flares_is_repeated_the_same_in_any_order(monkeypatch):
    monkeypatch.setattr(published, "REGION_SIZE", 40)
    regions = load_task("flare").synth(20, np.random.default_rng(1))
    options = build_config(load_options("flare", "CompareOptions"), {"published_epochs": "1"})

    def repeated():
        draws = np.random.default_rng(2).spawn(4)
        parts = repetitions(regions, regions, options, draws[:2])
        starts = published_starts(regions, regions, options, draws[2:])
        return list(spread_map(call, parts)), best_start(list(spread_map(call, starts)))

    def backwards(function, parts):
        return iter([function(part) for part in reversed(parts)][::-1])

    (first, second), (said, threshold) = repeated()
    with spread_with(backwards):
        again, (said_again, threshold_again) = repeated()
    assert again == [first, second]
    assert first != second
    np.testing.assert_array_equal(said_again, said)
    assert threshold_again == threshold


@pytest.fixture(scope="module")
def alarms():
    """Count false alarms on a few fields; the search is made once."""
    setup = truth_setup()
    made = main_contestants(setup, settings=SearchSettings(false_alarms=5.0))[:1]

    def count(folder):
        rng = np.random.default_rng(3)
        return count_false_alarms(
            setup, lambda _: made, 2, rng, scales=(1.0, 1.4), keep=folder
        ).facts["rates"]

    return count


def test_false_alarms_are_those_of_the_seed_however_they_are_counted(alarms, tmp_path):
    first = alarms(tmp_path)
    assert sum(row["candidates"] for row in first) > 0
    kept = sorted(tmp_path.iterdir())
    assert len(kept) == 2
    counted = json.loads(kept[0].read_text())
    kept[0].write_text(json.dumps({name: [] for name in counted}))
    assert alarms(tmp_path) != first  # what is kept is not drawn again
    shutil.rmtree(tmp_path)
    assert alarms(tmp_path) == first


def test_fields_are_the_same_in_any_process_and_a_simulation_goes_on(abroad, tmp_path):
    options = SimulateOptions(**QUICK, fields=7, vary_response=True, write="maps")
    simulate_files(options, tmp_path / "here", seed=5)

    def interrupted(function, parts):
        yield from (function(part) for part in list(parts)[:1])
        raise KeyboardInterrupt

    with spread_with(interrupted), pytest.raises(KeyboardInterrupt):
        simulate_files(options, tmp_path / "there", seed=5)
    assert not (tmp_path / "there").exists()
    (left,) = tmp_path.glob(".there.*.tmp")
    first = left / "map-00000.fits.gz"
    before = first.stat().st_mtime_ns
    with spread_with(abroad):
        simulate_files(options, tmp_path / "there", seed=5)
    assert (tmp_path / "there" / first.name).stat().st_mtime_ns == before
    assert not list(tmp_path.glob(".there.*"))
    names = sorted(path.name for path in (tmp_path / "here").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "there").iterdir())
    for name in names:
        if name.startswith("map"):
            assert (tmp_path / "here" / name).read_bytes() == (
                tmp_path / "there" / name
            ).read_bytes()
    here, there = (read_table(tmp_path / one / "sources.ecsv") for one in ("here", "there"))
    for name in here.columns:
        np.testing.assert_array_equal(there[name], here[name], err_msg=name)


def test_a_field_does_not_depend_on_how_many_there_are(tmp_path):
    for number in (2, 3):
        options = SimulateOptions(**QUICK, fields=number, write="maps")
        simulate_files(options, tmp_path / str(number), seed=5)
    name = "map-00001.fits.gz"
    assert (tmp_path / "2" / name).read_bytes() == (tmp_path / "3" / name).read_bytes()


def test_answers_are_kept_by_their_name(tmp_path):
    asked = []

    def answer(part):
        asked.append(part)
        return {"twice": 2 * part}

    first = list(spread_kept(answer, {"a": 1, "b": 2}, tmp_path / "kept"))
    again = list(spread_kept(answer, {"a": 1, "b": 2, "c": 3}, tmp_path / "kept"))
    assert first == [{"twice": 2}, {"twice": 4}]
    assert again == [*first, {"twice": 6}]
    assert asked == [1, 2, 3]


def test_whoever_was_named_works_until_the_end_of_the_block():
    def backwards(function, parts):
        return iter([function(part) for part in reversed(list(parts))])

    with spread_with(backwards):
        assert list(spread_map(abs, [-1, -2])) == [2, 1]
    assert list(spread_map(abs, [-1, -2])) == [1, 2]


@pytest.mark.parametrize("task", [item.name for item in list_tasks()])
def test_no_option_of_a_task_hides_one_of_those_past_one_process(task):
    taken = {"workers", "dask", "memory", "part", "files_per_part", "retry"}
    for kind in ("ReadOptions", "PredictOptions", "CompareOptions"):
        assert not taken & set(load_options(task, kind).model_fields)
    assert build_app(["predict", task, "--help"])
