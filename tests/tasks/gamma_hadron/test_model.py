"""A bundle gives back the model that it was made of."""

import numpy as np
import pytest

from skysift.core.bundle import Bundle
from skysift.core.errors import BundleError, OutputError
from skysift.core.registry import load_task, shipped_bundles
from skysift.tasks.gamma_hadron.model import load_bundle
from skysift.tasks.gamma_hadron.options import TrainOptions
from skysift.tasks.gamma_hadron.synth import synthetic_events

TASK = load_task("gamma-hadron")
QUICK_TO_TRAIN = ("knn", "logistic-regression", "decision-tree")


def same(first, second, sample, tolerance):
    for a, b in zip(first.gammaness(sample.table), second.gammaness(sample.table), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", QUICK_TO_TRAIN)
def test_a_stored_model_answers_exactly_the_same(sample, tmp_path, name):
    model = TASK.fit(sample, TrainOptions(model=name, folds=2), np.random.default_rng(0))
    loaded = TASK.load(TASK.save(model, tmp_path / "bundle"))
    same(model, loaded, sample, 0)


def test_all_that_a_user_must_know_is_in_the_bundle(small_model, small_bundle):
    loaded = load_bundle(small_bundle)
    for name in (
        "family", "mode", "features", "inputs", "prior", "training", "data_licence",
        "operating_points", "metrics", "reference", "column_map",
    ):  # fmt: skip
        assert getattr(loaded, name) == getattr(small_model, name), name
    assert loaded.name == "small"
    assert loaded.bundle.manifest.classes == ("hadron", "gamma")


def test_the_card_says_what_the_model_is(small_bundle):
    card = Bundle.load(small_bundle).card
    assert "logistic regression" in card
    assert "acceptance-0.1" in card
    assert "{" not in card


def test_threads_change_nothing(sample, small_bundle):
    same(load_bundle(small_bundle), load_bundle(small_bundle, threads=2), sample, 1e-12)


def test_a_bundle_that_is_there_is_not_replaced(small_model, small_bundle):
    with pytest.raises(OutputError):
        TASK.save(small_model, small_bundle)


def test_a_damaged_member_is_refused(small_model, tmp_path):
    folder = TASK.save(small_model, tmp_path / "bundle")
    member = next(folder.glob("*.skops"))
    data = bytearray(member.read_bytes())
    data[len(data) // 2] ^= 1
    member.write_bytes(data)
    with pytest.raises(BundleError) as caught:
        load_bundle(folder)
    assert caught.value.path == member


@pytest.mark.parametrize("folder", shipped_bundles("gamma-hadron"), ids=lambda path: path.name)
def test_a_shipped_bundle_tells_made_up_gammas_from_hadrons(folder):
    """It was trained on another telescope's simulation; the physics is the same."""
    model = load_bundle(folder)
    table, is_gamma = synthetic_events(800, np.random.default_rng(4))
    gammaness, error = model.gammaness(table)
    assert np.all((gammaness >= 0) & (gammaness <= 1))
    assert np.all(error >= 0)
    assert gammaness[is_gamma].mean() > gammaness[~is_gamma].mean() + 0.1
    assert model.operating_points
    assert "concentration_one_pixel" not in model.needed


def test_bundles_ship_with_the_task():
    if not shipped_bundles("gamma-hadron"):
        pytest.skip("no bundle ships with this checkout")
    names = {folder.name for folder in shipped_bundles("gamma-hadron")}
    assert "default" in names
