"""Training uses each event once, tunes on folds, and sets its cuts on rows not seen."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from skysift.core.bundle_schema import DataLicence
from skysift.core.errors import InputError, UnknownNameError
from skysift.tasks.gamma_hadron.catalogue import CATALOGUE, NOTEBOOK_FEATURES, notebook_estimator
from skysift.tasks.gamma_hadron.features import compute
from skysift.tasks.gamma_hadron.options import MODELS, NOTEBOOK_MODELS, TrainOptions
from skysift.tasks.gamma_hadron.training import (
    ACCEPTANCES,
    choose_features,
    operating_points,
    train,
    tune,
)

LICENCE = DataLicence(licence="none", citation="made up")


def fit(events, seed=1, **options):
    chosen = TrainOptions(**{"model": "logistic-regression", "folds": 2, **options})
    return train(
        events, chosen, np.random.default_rng(seed), seed=seed, command="x", licence=LICENCE
    )


def test_the_catalogue_has_the_models_that_are_offered():
    assert set(CATALOGUE) == set(MODELS)
    assert set(NOTEBOOK_MODELS) <= set(CATALOGUE)


@pytest.mark.parametrize("name", MODELS)
def test_every_grid_names_parameters_that_there_are(name):
    spec = CATALOGUE[name]
    known = spec.build(NOTEBOOK_FEATURES).get_params()
    assert set(spec.quick_grid) <= set(spec.grid) <= set(known)
    for key, values in spec.quick_grid.items():
        assert values, key


@pytest.mark.parametrize("name", NOTEBOOK_MODELS)
def test_the_recipes_of_the_notebook_can_be_made(name):
    assert hasattr(notebook_estimator(name), "predict_proba")


def test_a_duplicate_counts_once(sample):
    twice = sample.take(np.concatenate([np.arange(300), np.arange(300)]), "twice")
    once = sample.take(np.arange(300), "once")
    first, second = fit(twice), fit(once)
    assert first.training.n_rows == second.training.n_rows == 300
    assert first.training.sha256 == second.training.sha256
    np.testing.assert_array_equal(first.predictor.out_of_fold, second.predictor.out_of_fold)


def test_the_record_says_what_was_trained(sample, small_model):
    training = small_model.training
    assert (training.n_rows, training.data) == (len(sample), "events")
    assert small_model.prior == pytest.approx(sample.is_gamma.mean())
    assert small_model.needed == tuple(dict.fromkeys(small_model.needed))
    for name, (low, high) in small_model.training_range.items():
        assert (low, high) == (sample.table[name].min(), sample.table[name].max())
    assert {column.name: column.unit for column in small_model.inputs}["length"] == "mm"


def test_the_stated_auc_is_that_of_rows_not_seen(sample, small_model):
    (auc,) = small_model.metrics
    assert auc.value == pytest.approx(
        roc_auc_score(sample.is_gamma, small_model.predictor.out_of_fold)
    )
    assert auc.low < auc.value < auc.high
    assert "out of fold" in auc.split


def test_a_model_that_fits_noise_does_not_boast(sample, rng):
    """Labels by lot: in-sample a tree would look good, out of fold it must not."""
    by_lot = replace(sample, is_gamma=rng.random(len(sample)) < 0.5)
    (auc,) = fit(by_lot, model="decision-tree").metrics
    assert auc.low < 0.5 < auc.high or abs(auc.value - 0.5) < 0.05


def test_operating_points_pass_no_more_background_than_they_say(rng):
    y = rng.random(4000) < 0.5
    score = np.where(y, rng.beta(4, 2, 4000), rng.beta(2, 4, 4000))
    points = operating_points(y, score, "made")
    assert [point.name for point in points] == [f"acceptance-{a:g}" for a in ACCEPTANCES]
    for point, acceptance in zip(points, ACCEPTANCES, strict=True):
        passing = score >= point.threshold
        assert np.mean(passing[~y]) == pytest.approx(point.acceptance)
        assert np.mean(passing[y]) == pytest.approx(point.efficiency)
        assert point.acceptance <= acceptance
        assert point.low < point.efficiency < point.high
        assert point.chosen_on == "made"


def test_points_that_the_rows_cannot_resolve_are_left_out(rng):
    y = np.arange(130) >= 30
    names = [point.name for point in operating_points(y, rng.random(130), "few")]
    assert names == ["acceptance-0.05", "acceptance-0.1", "acceptance-0.2"]
    constant = operating_points(y, np.full(130, 0.5), "tied")
    assert constant == ()


def test_tuning_finds_the_better_parameter_and_repeats_itself(sample):
    spec = CATALOGUE["decision-tree"]
    names = choose_features(sample, "source-dependent")
    matrix = compute(sample.table, names)
    first, best = tune(spec, names, matrix, sample.is_gamma, sample.groups, quick=True, seed=4)
    _, again = tune(spec, names, matrix, sample.is_gamma, sample.groups, quick=True, seed=4)
    assert best == again
    assert set(best) == set(spec.quick_grid)
    assert all(best[key] in values for key, values in spec.quick_grid.items())
    assert {key: first.get_params()[key] for key in best} == best


def test_tuned_parameters_are_recorded(sample):
    model = fit(sample, tune=True, quick=True)
    assert set(model.parameters) == {"logisticregression__C", "folds"}


@pytest.mark.parametrize("mode", ["source-dependent", "source-independent"])
def test_a_mode_decides_the_columns_that_are_needed(sample, mode):
    model = fit(sample, mode=mode)
    assert ({"alpha", "dist"} <= set(model.needed)) == (mode == "source-dependent")
    assert "concentration_one_pixel" not in model.needed


def test_a_further_column_helps_if_it_knows_more(sample, rng):
    clue = sample.is_gamma + rng.normal(size=len(sample)) * 0.3
    events = replace(sample, table=sample.table.with_columns({"clue": clue}))
    with_clue = fit(events, extra_features=("clue",))
    assert with_clue.features[-1] == "clue"
    assert "clue" in with_clue.needed
    assert with_clue.metrics[0].value > fit(events).metrics[0].value + 0.02


@pytest.mark.parametrize("name", ["class", "nothing", "clue_"])
def test_the_label_and_what_is_not_there_are_no_features(sample, name):
    with pytest.raises(UnknownNameError, match=f"column to train on '{name}'"):
        choose_features(sample, "source-dependent", (name,))


def test_too_few_events_of_a_class_are_refused_before_training(sample):
    few = np.concatenate(
        [np.flatnonzero(sample.is_gamma)[:50], np.flatnonzero(~sample.is_gamma)[:9]]
    )
    with pytest.raises(InputError, match="rarer class has 9 distinct events; 5 folds need 10"):
        fit(sample.take(few, "few"), folds=5)


def test_the_same_seed_gives_the_same_model_and_another_seed_another(sample):
    first, again, other = (fit(sample, seed).gammaness(sample.table)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other)
