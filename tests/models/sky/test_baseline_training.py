"""The published networks learn; each fault can be mended alone; what is stored holds no code."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from skysift.core.errors import (
    BundleError,
    MissingExtraError,
    OutputError,
    ReadError,
    UnknownNameError,
    UsageError,
)
from skysift.models.sky.baseline.cleaner import CnnCleaner
from skysift.models.sky.baseline.layers import parameter_count
from skysift.models.sky.baseline.recipe import BaselineMaps, train_baseline
from skysift.models.sky.baseline.regressor import CnnRegressor
from skysift.models.sky.baseline.runtime import CleanerRuntime
from skysift.models.sky.baseline.store import load_baseline
from skysift.models.sky.baseline.training import TrainingOptions, _has_stopped_gaining
from skysift.models.sky.baseline.variants import (
    CORRECTED,
    ORIGINAL,
    Variant,
    ablation,
    find_variant,
    stretch_back,
    stretch_to_unit,
)

OWN_COUNTS = find_variant("own counts")
SIZE = 48
SMALLEST = 72  # of the sides that the regressor can take, a handy one
BACKGROUND = 0.4
QUICK = TrainingOptions(epochs=2, batch_size=16, learning_rate=3e-3)


def blobs(n, rng, *, counts=300.0, size=SIZE):
    """Poisson noise on a flat background with one Gaussian source (sigma 2 pixels) each."""
    positions = rng.uniform(12, size - 13, (n, 2))
    rows = np.arange(size)
    across = np.exp(-0.5 * ((rows - positions[:, :1]) / 2) ** 2)
    along = np.exp(-0.5 * ((rows - positions[:, 1:]) / 2) ** 2)
    source = counts * along[:, :, None] * across[:, None, :] / (2 * np.pi * 4)
    noisy = rng.poisson(source + BACKGROUND).astype(np.float32)
    return noisy, (noisy - BACKGROUND).astype(np.float32), positions, source


def data_set(n, rng, grid="data-edges", size=SIZE):
    noisy, clean, positions, source = blobs(n, rng, size=size)
    return BaselineMaps(noisy, clean, positions, grid, source.astype(np.float32))


@pytest.mark.parametrize("variant", [ORIGINAL, CORRECTED], ids=lambda v: v.name)
def test_the_cleaner_learns(variant, rng):
    training, held_out = (data_set(n, rng, variant.grid) for n in (96, 16))
    held = held_out.noisy, held_out.target(variant)
    options = TrainingOptions(epochs=4, batch_size=8, learning_rate=5e-3)
    model = CnnCleaner(variant, options=options).fit(
        training.noisy, training.target(variant), validation=held, rng=rng
    )
    losses = model.history_.loss
    assert losses[-1] < losses[0]
    assert model.history_.validation_loss[-1] < model.history_.validation_loss[0]
    cleaned = model.predict(held[0])
    assert cleaned.shape == held[0].shape
    # Wherever a source is, the cleaned map is brighter than away from it.
    bright = held_out.expected > 0.2 * held_out.expected.max()
    assert cleaned[bright].mean() > 2 * cleaned[~bright].mean()


def test_the_poisson_loss_is_least_at_the_true_source(rng):
    _, _, _, source = blobs(64, rng, counts=3000.0)
    noisy = rng.poisson(source + BACKGROUND)
    loss = CnnCleaner(OWN_COUNTS)._loss()

    def of(scale):
        wanted = np.maximum(scale * source, 1e-4)
        before_softplus = torch.from_numpy(np.log(np.expm1(wanted)))
        background = torch.full_like(before_softplus, BACKGROUND)
        return float(loss(before_softplus, torch.from_numpy(noisy).double(), background))

    assert of(1.0) < min(of(0.95), of(1.05))


def test_only_a_target_without_its_noise_rewards_the_source_more_than_the_map(rng):
    maps = data_set(32, rng, "fixed")

    def loss_of(variant, answer):
        # What the loss would say of a network with this answer.
        cleaner = CnnCleaner(variant)
        _, *wanted = cleaner.samples(maps.noisy, maps.target(variant)).batch(np.arange(32))
        before_softplus = np.log(np.expm1(np.maximum(answer, 1e-3)))[:, None]
        tensors = [torch.from_numpy(one).double() for one in (before_softplus, *wanted)]
        return float(cleaner._loss()(*tensors))

    itself = maps.noisy - BACKGROUND
    assert loss_of(OWN_COUNTS, itself) < loss_of(OWN_COUNTS, maps.expected)
    assert loss_of(CORRECTED, itself) > loss_of(CORRECTED, maps.expected)
    wrong = [loss_of(CORRECTED, factor * maps.expected) for factor in (0.95, 1.05)]
    assert loss_of(CORRECTED, maps.expected) < min(wrong)


def test_the_regressor_learns(rng):
    _, clean, positions, _ = blobs(192, rng, size=SMALLEST)
    held = blobs(48, rng, size=SMALLEST)
    options = TrainingOptions(epochs=5, batch_size=16, patience=5)
    model = CnnRegressor(ORIGINAL, shape=(SMALLEST, SMALLEST), options=options)
    model.fit(clean, positions, validation=(held[1], held[2]), rng=rng)
    found = model.predict(held[1])
    assert found.shape == (48, 2)
    assert model.history_.validation_loss[-1] < 0.7 * model.history_.validation_loss[0]
    # It follows each axis, and does not take one for the other.
    correlation = np.corrcoef(np.c_[found, held[2]].T)
    assert min(correlation[0, 2], correlation[1, 3]) > 0.7
    assert max(correlation[0, 3], correlation[1, 2]) < 0.5


def test_the_same_seed_trains_the_same_network():
    def trained(seed):
        data = blobs(16, np.random.default_rng(3), size=SMALLEST)
        model = CnnRegressor(shape=(SMALLEST, SMALLEST), options=QUICK)
        rng = np.random.default_rng(seed)
        return model.fit(data[1], data[2], validation=(data[1], data[2]), rng=rng).weights_

    first, again, other = trained(1), trained(1), trained(2)
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["0.weight"], other["0.weight"])


def test_training_stops_when_validation_stops_gaining():
    assert not _has_stopped_gaining([3, 2, 2.5, 2.4], 3)
    assert _has_stopped_gaining([3, 2, 2.5, 2.4, 2.0], 3)
    assert not _has_stopped_gaining([3, 2, 2.5, 2.4, 1.9], 3)


def test_early_stopping_ends_the_training(rng):
    noisy, clean, _, _ = blobs(8, rng)
    nothing = np.zeros_like(noisy[:4])
    # What is validated has nothing to do with what is learnt: it gets worse from some epoch on.
    options = TrainingOptions(epochs=60, batch_size=4, learning_rate=0.02, patience=1)
    model = CnnCleaner(options=options).fit(
        noisy, clean, validation=(noisy[:4], nothing - clean[:4]), rng=rng
    )
    assert len(model.history_.loss) == len(model.history_.validation_loss) < 60


def test_the_ablation_mends_one_fault_at_a_time():
    first, *single, own, last = ablation()
    switches = ("grid", "kernel", "intensity", "smoothing")
    assert replace(own, name="corrected", target="expectation") == last == CORRECTED
    mended = {
        v.name: {name for name in switches if getattr(v, name) != getattr(first, name)}
        for v in single
    }
    # Smoothed counts have no Poisson likelihood, so raw ones come with their smoothing mended.
    assert mended.pop("raw counts") == {"intensity", "smoothing"}
    assert sorted(name for (name,) in mended.values()) == ["grid", "kernel", "smoothing"]
    assert all(getattr(last, name) != getattr(first, name) for name in switches)
    for v in single:
        changed = [name for name in switches if getattr(v, name) != getattr(first, name)]
        assert all(getattr(v, name) == getattr(last, name) for name in changed)
    assert find_variant("odd kernels").kernel == 3
    with pytest.raises(UnknownNameError, match="odd kernels"):
        find_variant("odd kernel")


def test_stretching_loses_the_counts_and_counts_keep_them(rng):
    noisy = blobs(2, rng)[0]
    doubled = 2 * noisy
    np.testing.assert_allclose(stretch_to_unit(doubled), stretch_to_unit(noisy), atol=1e-6)
    assert (CORRECTED.network_input(doubled) != CORRECTED.network_input(noisy)).any()
    np.testing.assert_allclose(stretch_back(stretch_to_unit(noisy), noisy), noisy, atol=1e-5)
    flat = np.full((1, 8, 8), 3.0, np.float32)
    assert not stretch_to_unit(flat).any()


def test_smoothing_is_a_gaussian_of_five_pixels_that_keeps_counts():
    point = np.zeros((2, 101, 101), np.float32)
    point[1, 50, 50] = 100
    smoothed = ORIGINAL.smooth(point)
    assert not smoothed[0].any()
    assert smoothed[1].sum() == pytest.approx(100, rel=1e-4)
    rows = np.arange(101) - 50
    assert np.sqrt((smoothed[1].sum(axis=0) * rows**2).sum() / 100) == pytest.approx(5, rel=0.01)
    np.testing.assert_array_equal(CORRECTED.smooth(point), point)


def test_a_cleaner_is_trained_stored_and_run(tmp_path, rng):
    dataset = data_set(32, rng), data_set(16, rng)
    model = train_baseline(
        "cnn-cleaner", "original", dataset, tmp_path / "cleaner", rng=rng, options=QUICK
    )
    names = {path.name for path in (tmp_path / "cleaner").iterdir()}
    assert names == {"baseline.json", "weights.safetensors", "layers.onnx", "folded.onnx"}
    again = load_baseline(tmp_path / "cleaner")
    noisy = dataset[1].noisy
    np.testing.assert_array_equal(again.predict(noisy), model.predict(noisy))
    assert again.history_ == model.history_
    inputs = ORIGINAL.network_input(ORIGINAL.smooth(noisy))
    runtime = CleanerRuntime((tmp_path / "cleaner" / "folded.onnx").read_bytes())
    np.testing.assert_allclose(runtime.predict(inputs), model.run_network(inputs), atol=1e-5)
    description = json.loads((tmp_path / "cleaner" / "baseline.json").read_text())
    assert description["parameters"] == 1873
    assert len(description["loss"]) == 2


def test_a_regressor_is_trained_on_what_a_cleaner_made(tmp_path, rng):
    dataset = data_set(24, rng, "fixed", 96), data_set(8, rng, "fixed", 96)
    seen = []

    def clean_with(noisy):
        seen.append(len(noisy))
        return noisy - BACKGROUND

    model = train_baseline(
        "cnn-regressor",
        CORRECTED,
        dataset,
        tmp_path / "regressor",
        rng=rng,
        options=QUICK,
        clean_with=clean_with,
    )
    assert seen == [24, 8]
    again = load_baseline(tmp_path / "regressor")
    maps = dataset[1].clean
    np.testing.assert_array_equal(again.predict(maps), model.predict(maps))
    assert parameter_count(again.layers) == sum(a.size for a in model.weights_.values())


def test_nothing_is_trained_that_cannot_be_kept(tmp_path, rng):
    dataset = data_set(8, rng), data_set(8, rng)
    (tmp_path / "there").mkdir()
    with pytest.raises(OutputError):
        train_baseline("cnn-cleaner", ORIGINAL, dataset, tmp_path / "there", rng=rng)
    with pytest.raises(UnknownNameError, match="cnn-cleaner"):
        train_baseline("cleaner", ORIGINAL, dataset, tmp_path / "new", rng=rng)
    with pytest.raises(UsageError, match="'data-edges' grid"):
        train_baseline("cnn-cleaner", "corrected", dataset, tmp_path / "new", rng=rng)
    assert not (tmp_path / "new").exists()


def test_wrong_shapes_are_refused(rng):
    noisy, clean, positions, _ = blobs(8, rng)
    pair = (noisy, clean)
    with pytest.raises(UsageError, match="one clean map for each"):
        CnnCleaner().fit(noisy, clean[:-1], validation=pair, rng=rng)
    with pytest.raises(UsageError, match="multiples of 4"):
        CnnCleaner().fit(noisy[:, :47], clean[:, :47], validation=pair, rng=rng)
    with pytest.raises(UsageError, match="no maps"):
        CnnCleaner().fit(noisy[:0], clean[:0], validation=pair, rng=rng)
    with pytest.raises(UsageError, match="do not fit a regressor"):
        CnnRegressor().fit(clean, positions, validation=(clean, positions), rng=rng)
    noisy, clean, positions, _ = blobs(8, rng, size=SMALLEST)
    model = CnnRegressor(shape=(SMALLEST, SMALLEST))
    with pytest.raises(UsageError, match="for each map"):
        model.fit(clean, positions[:-1], validation=(clean, positions), rng=rng)
    with pytest.raises(UsageError, match="one clean map"):
        BaselineMaps(noisy, clean[1:], positions, "fixed")
    with pytest.raises(UsageError, match="one map of expected counts"):
        BaselineMaps(noisy, clean, positions, "fixed", clean[1:])
    with pytest.raises(UsageError, match="expected of the source"):
        BaselineMaps(noisy, clean, positions, "fixed").target(CORRECTED)
    positions[5, 1] = SMALLEST
    with pytest.raises(UsageError, match="row 5"):
        model.fit(clean, positions, validation=(clean, positions), rng=rng)


def test_senseless_settings_are_refused():
    with pytest.raises(UsageError, match="epochs = 0"):
        TrainingOptions(epochs=0)
    with pytest.raises(UsageError, match="smoothing"):
        Variant("bad", smoothing=-1.0)


def test_a_diverging_loss_is_an_error(rng):
    noisy, clean, _, _ = blobs(8, rng)
    options = TrainingOptions(epochs=20, learning_rate=1e30)
    with pytest.raises(UsageError, match="not finite"):
        CnnCleaner(CORRECTED, options=options).fit(noisy, clean, validation=(noisy, clean), rng=rng)


def test_without_training_there_is_no_prediction(rng):
    with pytest.raises(NotFittedError):
        CnnCleaner().predict(blobs(1, rng)[0])
    with pytest.raises(NotFittedError):
        CnnRegressor(shape=(SMALLEST, SMALLEST)).predict(blobs(1, rng, size=SMALLEST)[0])


def test_they_are_estimators_of_scikit_learn():
    model = clone(CnnRegressor(CORRECTED, pooling="once", shape=(64, 64), options=QUICK))
    assert (model.variant, model.pooling, model.options) == (CORRECTED, "once", QUICK)
    assert clone(CnnCleaner(CORRECTED)).variant == CORRECTED


def test_without_torch_the_error_names_the_extra(rng, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    noisy, clean, _, _ = blobs(2, rng)
    with pytest.raises(MissingExtraError, match=r"skysift\[train\]"):
        CnnCleaner().fit(noisy, clean, validation=(noisy, clean), rng=rng)


@pytest.fixture
def stored(tmp_path, rng):
    dataset = data_set(8, rng), data_set(8, rng)
    options = TrainingOptions(epochs=1)
    folder = tmp_path / "cleaner"
    train_baseline("cnn-cleaner", "original", dataset, folder, rng=rng, options=options)
    return folder


def test_a_pickle_in_place_of_the_weights_is_refused(stored):
    (stored / "weights.safetensors").write_bytes(b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00.")
    with pytest.raises(BundleError, match="safetensors"):
        load_baseline(stored)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda d: d.pop("variant"),
        lambda d: d.update(kind="cnn-other"),
        lambda d: d["variant"].update(kernel=7),
        lambda d: d["variant"].update(surprise=1),
        lambda d: d.update(loss="low"),
    ],
)
def test_a_spoiled_description_is_refused(stored, spoil):
    path = stored / "baseline.json"
    description = json.loads(path.read_text())
    spoil(description)
    path.write_text(json.dumps(description))
    with pytest.raises(ReadError, match=r"baseline\.json"):
        load_baseline(stored)


def test_missing_files_and_weights_of_another_variant_are_refused(stored):
    path = stored / "baseline.json"
    description = json.loads(path.read_text())
    description["variant"]["kernel"] = 3
    path.write_text(json.dumps(description))
    with pytest.raises(UsageError, match=r"0\.weight"):
        load_baseline(stored)
    path.unlink()
    with pytest.raises(ReadError, match="cannot be read"):
        load_baseline(stored)
