"""Models are compared on the same rows, none of which has trained any of them."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from skysift.core.bundle_schema import DataLicence
from skysift.report.run_folder import RunRecord, read_run, write_run
from skysift.tasks.gamma_hadron.comparison import (
    _entries,
    compare_models,
    cross_validate,
    split_events,
)
from skysift.tasks.gamma_hadron.options import NOTEBOOK_MODELS, QUICK_MODELS, CompareOptions
from skysift.tasks.gamma_hadron.scoring import Scored

LICENCE = DataLicence(licence="none", citation="made up")
TWO = {"models": ("logistic-regression", "decision-tree"), "tune": False}


@pytest.fixture(scope="module")
def halves(sample):
    return split_events(sample, np.random.default_rng(2))


@pytest.fixture(scope="module")
def scored(halves):
    return compare(halves, seed=5, **TWO)


def compare(halves, *, seed, **options):
    return compare_models(
        *halves,
        CompareOptions(**options),
        seed=seed,
        command="x",
        licence=LICENCE,
        progress=lambda _fraction, _what: None,
    )


def test_a_fifth_is_held_out_with_its_duplicates_and_its_share_of_gammas(sample):
    twice = sample.take(np.concatenate([np.arange(1500), np.arange(300)]), "with duplicates")
    training, test = split_events(twice, np.random.default_rng(2))
    assert len(training) + len(test) == 1800
    assert len(test) == pytest.approx(360, abs=8)
    assert not set(training.groups) & set(test.groups)
    assert test.is_gamma.mean() == pytest.approx(twice.is_gamma.mean(), abs=0.01)


def test_each_model_scores_each_row(scored, halves):
    names = list(scored.contestants)
    assert names == [*TWO["models"], *(f"notebook-{name}" for name in TWO["models"])]
    for name in names:
        assert scored.gammaness[name].shape == (len(halves[1]),)
        assert roc_auc_score(scored.is_gamma, scored.gammaness[name]) > 0.7
    np.testing.assert_array_equal(scored.is_gamma, halves[1].is_gamma)


def test_a_result_does_not_depend_on_the_other_models(scored, halves):
    alone = compare(halves, seed=5, **{**TWO, "models": ("decision-tree",)})
    np.testing.assert_array_equal(
        alone.gammaness["decision-tree"], scored.gammaness["decision-tree"]
    )


def test_another_seed_gives_other_scores(scored, halves):
    other = compare(halves, seed=6, **TWO)
    assert np.any(other.gammaness["decision-tree"] != scored.gammaness["decision-tree"])


def test_the_notebook_models_see_the_columns_of_the_notebook_only(halves, scored):
    training, test = halves
    columns = {"dist": np.ones(len(test)), "m3_trans": np.zeros(len(test))}
    changed = replace(test, table=test.table.with_columns(columns))
    again = compare((training, changed), seed=5, **TWO)
    name = "notebook-decision-tree"
    np.testing.assert_array_equal(again.gammaness[name], scored.gammaness[name])
    assert np.any(again.gammaness["decision-tree"] != scored.gammaness["decision-tree"])


def test_shipped_bundles_take_part_only_where_they_fit(scored):
    assert not [c for c in scored.contestants.values() if c.origin == "shipped bundle"]


def test_cross_validation_scores_each_distinct_event_once(sample):
    events = sample.take(np.concatenate([np.arange(600), np.arange(100)]), "with duplicates")
    cross = cross_validate(
        events,
        CompareOptions(models=("logistic-regression",), tune=False, notebook=False),
        seed=1,
        command="x",
        licence=LICENCE,
        progress=lambda _fraction, _what: None,
    )
    assert len(cross.is_gamma) == 600
    assert np.sort(cross.log_size).tolist() == np.sort(sample.table["log_size"][:600]).tolist()
    assert roc_auc_score(cross.is_gamma, cross.gammaness["logistic-regression"]) > 0.8
    assert cross.contestants["logistic-regression"].operating_points == ()


def test_quick_leaves_out_what_needs_pytorch_and_tunes_the_five():
    entries = {entry.name: entry for entry in _entries(CompareOptions(quick=True))}
    assert set(QUICK_MODELS) <= set(entries)
    assert not {"blend", "mlp-ensemble", "boosted-scaled"} & set(entries)
    tuned = {name for name, entry in entries.items() if entry.options and entry.options.tune}
    assert tuned == set(NOTEBOOK_MODELS)


def test_scores_survive_their_table(scored, tmp_path):
    record = RunRecord(tmp_path, "gamma-hadron", "compare", {"scores": scored.to_facts()}, {})
    write_run(record, {"scores": scored.to_table()})
    back = Scored.from_run(read_run(tmp_path))
    assert back.contestants == scored.contestants
    for name in scored.contestants:
        np.testing.assert_array_equal(back.gammaness[name], scored.gammaness[name])
