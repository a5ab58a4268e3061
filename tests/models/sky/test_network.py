"""The network: one definition for torch and ONNX, no shift, a loss whose minimum is the truth."""

import numpy as np
import onnxruntime
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import multivariate_normal

from skysift.core.errors import BundleError, InputError, UsageError
from skysift.models.sky.network.architecture import (
    PLACE_LAYERS,
    SkyNetworkSettings,
    check_weights,
    initial_weights,
    weight_shapes,
    with_centre_head,
)
from skysift.models.sky.network.centres import centres
from skysift.models.sky.network.export import export_network
from skysift.models.sky.network.loss import network_loss
from skysift.models.sky.network.runtime import (
    NetworkOutput,
    SkyNetwork,
    conditions_of,
    covariance_of,
    groups_of,
)
from skysift.models.sky.network.torch_operations import forward
from skysift.models.sky.network.training import NetworkTrainingOptions, train_weights

SMALL = SkyNetworkSettings(shape=(80, 40), channels=8, coarse_channels=8, n_bands=3)


def random_weights(rng, settings=SMALL, spread=0.2):
    """Return weights of which none is special."""
    drawn = {}
    for name, shape in weight_shapes(settings).items():
        size = spread / np.sqrt(np.prod(shape[1:]) / 9)
        drawn[f"{name}.weight"] = rng.normal(0, size, shape).astype(np.float32)
        drawn[f"{name}.bias"] = rng.normal(0, 0.1, shape[0]).astype(np.float32)
    return drawn


def random_maps(rng, settings=SMALL, n=1):
    """Return counts, smooth background and conditions of blocks."""
    shape = (n, settings.n_bands, *settings.shape)
    expected = rng.uniform(0.05, 2.0, shape).astype(np.float32)
    counts = rng.poisson(expected).astype(np.float32)
    conditions = rng.uniform(0, 1, (n, 2, *settings.blocks)).astype(np.float32)
    return counts, expected, conditions


def by_torch(weights, maps, settings=SMALL):
    """Return the outputs of torch as arrays."""
    tensors = {name: torch.from_numpy(array) for name, array in weights.items()}
    with torch.inference_mode():
        outputs = forward(settings, tensors, *(torch.from_numpy(array.copy()) for array in maps))
    return [output.numpy() for output in outputs]


def test_the_graph_gives_what_torch_gives(rng):
    weights, maps = random_weights(rng), random_maps(rng)
    correction, log_source, heat = by_torch(weights, maps)
    network = SkyNetwork(export_network(SMALL, weights), SMALL)
    pixels = np.repeat(np.repeat(maps[2][0], 4, axis=1), 4, axis=2)
    output = network(maps[0][0], maps[1][0], pixels)
    np.testing.assert_allclose(output.factor, np.exp(correction[0]), rtol=2e-5)
    np.testing.assert_allclose(output.source, np.exp(log_source[0]), rtol=2e-5)
    np.testing.assert_allclose(output.centre_log_odds, heat[0, 0], atol=2e-5)
    rows, columns = SMALL.blocks
    where = np.arange(columns) * 4 + 1.5 + 4 * heat[0, 1]
    np.testing.assert_allclose(output.column, where, rtol=1e-5, atol=1e-4)
    assert output.row.shape == (rows, columns)
    x, y, both = output.covariance[..., 0, 0], output.covariance[..., 1, 1], heat[0, 5]
    np.testing.assert_allclose(x, 16 * np.exp(heat[0, 3]), rtol=1e-4)
    np.testing.assert_allclose(y, 16 * np.exp(heat[0, 4]), rtol=1e-4)
    np.testing.assert_allclose(
        output.covariance[..., 0, 1] / np.sqrt(x * y), np.tanh(both), atol=1e-4
    )
    assert np.std(output.factor) > 1e-3  # the comparison is not one of constants


@pytest.mark.parametrize("axis", [2, 3])
def test_mirrored_kernels_give_mirrored_maps(rng, axis):
    """A shift by half a pixel anywhere, as even kernels bring, would break the symmetry."""
    weights, maps = random_weights(rng), random_maps(rng)
    mirrored = {
        name: np.flip(array, axis).copy() if name.endswith("weight") else array
        for name, array in weights.items()
    }
    heat = by_torch(weights, maps)[2]
    turned = by_torch(mirrored, [np.flip(array, axis).copy() for array in maps])[2]
    np.testing.assert_allclose(np.flip(turned, axis), heat, atol=1e-5)
    assert np.std(heat[0, 0]) > 1e-3


def test_all_kernels_are_odd_or_cover_a_block():
    sizes = {name: shape[2] for name, shape in weight_shapes(SkyNetworkSettings()).items()}
    assert sizes.pop("pixels") == 4
    assert all(size % 2 == 1 for size in sizes.values())


def test_absolute_counts_are_seen(rng):
    """Ten times the counts on ten times the background is another map: nothing is normalised."""
    weights, (counts, expected, conditions) = random_weights(rng), random_maps(rng)
    once = by_torch(weights, (counts, expected, conditions))[2]
    tenfold = by_torch(weights, (10 * counts, 10 * expected, conditions))[2]
    assert np.abs(once - tenfold).max() > 1e-2


def test_wrong_weights_are_refused(rng):
    weights = random_weights(rng)
    check_weights(SMALL, weights)
    with pytest.raises(UsageError, match="weights"):
        check_weights(SkyNetworkSettings(), weights)
    with pytest.raises(UsageError, match="weights"):
        check_weights(SMALL, {**weights, "place.bias": np.full(5, np.nan, np.float32)})


def test_maps_that_cannot_be_divided_are_refused():
    with pytest.raises(UsageError, match="multiples of 40"):
        _ = SkyNetworkSettings(shape=(200, 190)).blocks


def test_a_damaged_or_foreign_graph_is_refused(rng):
    data = export_network(SMALL, random_weights(rng))
    with pytest.raises(BundleError):
        SkyNetwork(data[: len(data) // 2], SMALL)
    with pytest.raises(BundleError, match="not the graph"):
        SkyNetwork(data, SkyNetworkSettings(shape=(40, 80), n_bands=3))


def test_maps_of_another_grid_are_refused(rng):
    network = SkyNetwork(export_network(SMALL, random_weights(rng)), SMALL)
    maps = np.ones((3, 40, 40), np.float32)
    with pytest.raises(InputError, match="does not fit"):
        network(maps, maps, conditions_of(np.zeros((40, 40)), 100.0))


@given(st.integers(1, 30), st.integers(1, 8))
def test_bands_are_grouped_in_order_and_none_is_lost(n_bands, n_groups):
    groups = groups_of(n_bands, n_groups)
    assert len(groups) == n_bands
    assert np.all(np.diff(groups) >= 0)
    assert 0 <= groups[0] <= groups[-1] < n_groups
    sizes = np.bincount(groups, minlength=n_groups)
    assert sizes.max() - sizes.min() <= 1


def test_any_number_of_bands_gives_the_same_as_their_sums(rng):
    network = SkyNetwork(export_network(SMALL, random_weights(rng)), SMALL)
    expected = rng.uniform(0.1, 1.0, (7, *SMALL.shape)).astype(np.float32)
    counts = rng.poisson(expected).astype(np.float32)
    conditions = conditions_of(np.zeros(SMALL.shape), 100.0)
    ends = (0, 3, 5)  # of 7 bands in 3 groups
    fine = network(counts, expected, conditions)
    coarse = network(np.add.reduceat(counts, ends), np.add.reduceat(expected, ends), conditions)
    np.testing.assert_allclose(fine.factor, coarse.factor, rtol=1e-4)


def batch_for(weights_truth, rng, settings=SMALL):
    """Return a batch whose truth is what the network says with some weights."""
    counts, expected, conditions = random_maps(rng, settings)
    correction, log_source, _ = by_torch(weights_truth, (counts, expected, conditions), settings)
    centre = np.zeros((1, 3, *settings.blocks), np.float32)
    centre[0, :, 3, 4] = (1.0, 0.2, -0.3)
    return {
        "counts": counts,
        "expected": expected,
        "conditions": conditions,
        "background": expected * np.exp(correction),
        "source": np.exp(log_source),
        "centre": centre,
    }


def test_the_divergence_is_least_and_flat_at_the_truth(rng):
    weights = random_weights(rng)
    batch = {name: torch.from_numpy(a) for name, a in batch_for(weights, rng).items()}
    live = {name: torch.from_numpy(a.copy()).requires_grad_() for name, a in weights.items()}
    _, parts = network_loss(SMALL, live, batch)
    assert parts["background"] == pytest.approx(0.0, abs=1e-4)
    assert parts["source"] == pytest.approx(0.0, abs=1e-3)
    for shift in (-0.1, 0.1):  # of ln background: counts would not be conserved
        moved = {**live, "background.bias": live["background.bias"] + shift}
        assert network_loss(SMALL, moved, batch)[1]["background"] > 0.1


def test_training_gains_is_reproducible_and_keeps_the_best(rng):
    truth = random_weights(np.random.default_rng(1))
    start = initial_weights(SMALL, np.random.default_rng(2))
    held = [batch_for(truth, rng)]

    def run():
        fields = np.random.default_rng(3)
        return train_weights(
            SMALL,
            start,
            lambda _: batch_for(truth, fields),
            held,
            options=NetworkTrainingOptions(
                steps=24, batch_size=1, warm_up=4, validate_every=6, learning_rate=5e-3
            ),
        )

    weights, history = run()
    again, _ = run()
    assert history.steps == (6, 12, 18, 24)
    assert min(history.validation_loss) < history.validation_loss[0]
    tensors = {name: torch.from_numpy(a) for name, a in held[0].items()}
    live = {name: torch.from_numpy(a) for name, a in weights.items()}
    final = float(network_loss(SMALL, live, tensors)[0])
    assert final == pytest.approx(min(history.validation_loss), rel=1e-5)
    assert all(np.array_equal(weights[name], again[name]) for name in weights)


def test_training_stops_when_nothing_is_gained(rng):
    batch = batch_for(random_weights(rng), rng)
    _, history = train_weights(
        SMALL,
        initial_weights(SMALL, rng),
        lambda _: batch,
        [batch],
        options=NetworkTrainingOptions(
            steps=50, batch_size=1, validate_every=1, patience=3, learning_rate=1e-30
        ),
    )
    assert len(history.steps) == 4


@pytest.mark.parametrize("extreme", [0.0, 1.0, -50.0, 50.0])
def test_stated_covariances_are_covariances(rng, extreme):
    heat = (extreme + rng.normal(size=(6, 7, 5))).astype(np.float32)
    covariance = covariance_of(heat)
    assert covariance.shape == (7, 5, 2, 2)
    np.testing.assert_array_equal(covariance, np.swapaxes(covariance, 2, 3))
    assert np.linalg.eigvalsh(covariance.astype(np.float64)).min() > 0


def test_the_place_is_scored_as_a_gaussian_scores_it(rng):
    """The part of the loss is the density of scipy, but for its constant."""
    weights, maps = random_weights(rng), random_maps(rng)
    heat = by_torch(weights, maps)[2][0]
    covariance = covariance_of(heat) / 16
    centre = np.zeros((1, 3, *SMALL.blocks), np.float32)
    wanted = 0.0
    for row, column in ((3, 4), (11, 2)):
        offset = rng.uniform(-0.5, 0.5, 2)
        centre[0, :, row, column] = (1.0, *offset)
        stated = covariance[row, column].astype(np.float64)
        density = multivariate_normal(heat[1:3, row, column], stated)
        wanted -= density.logpdf(offset) + np.log(2 * np.pi)  # a constant of each centre
    batch = dict(zip(("counts", "expected", "conditions"), maps, strict=True))
    batch |= {"background": maps[1], "source": np.zeros_like(maps[1]), "centre": centre}
    tensors = {name: torch.from_numpy(array.copy()) for name, array in batch.items()}
    live = {name: torch.from_numpy(array) for name, array in weights.items()}
    parts = network_loss(SMALL, live, tensors)[1]
    assert parts["place"] == pytest.approx(wanted, rel=1e-4)


def test_a_head_of_one_variance_says_the_same_for_both_coordinates(rng):
    weights = random_weights(rng)
    old = {name: array for name, array in weights.items() if name.split(".")[0] not in PLACE_LAYERS}
    shape = (4, 2 * SMALL.channels, 1, 1)
    old["heat.weight"] = rng.normal(0.0, 0.1, shape).astype(np.float32)
    old["heat.bias"] = rng.normal(0.0, 0.1, 4).astype(np.float32)
    widened = with_centre_head(SMALL, old)
    check_weights(SMALL, widened)
    heat = by_torch(widened, random_maps(rng))[2][0]
    np.testing.assert_array_equal(heat[3], heat[4])
    assert np.all(heat[5] == 0)
    np.testing.assert_array_equal(covariance_of(heat[:4]), covariance_of(heat))
    foreign = {**old, "heat.bias": np.zeros(3, np.float32)}
    assert with_centre_head(SMALL, foreign).keys() == foreign.keys()
    again = with_centre_head(SMALL, weights)
    assert all(again[name] is weights[name] for name in weights)


def test_training_of_the_head_moves_nothing_else(rng):
    truth = random_weights(np.random.default_rng(1))
    start = random_weights(np.random.default_rng(2))
    held = [batch_for(truth, rng)]
    fields = np.random.default_rng(3)
    weights, history = train_weights(
        SMALL,
        start,
        lambda _: batch_for(truth, fields),
        held,
        options=NetworkTrainingOptions(steps=8, batch_size=1, warm_up=2, validate_every=4),
        moving=PLACE_LAYERS,
    )
    assert history.validation_loss[-1] < history.validation_loss[0]
    moved = {name for name in start if not np.array_equal(weights[name], start[name])}
    assert moved == {f"{name}.{part}" for name in PLACE_LAYERS for part in ("weight", "bias")}
    maps = random_maps(rng)
    for new, before in zip(by_torch(weights, maps)[:2], by_torch(start, maps)[:2], strict=True):
        np.testing.assert_array_equal(new, before)


def output_with(log_odds, column, row):
    """Return an output that names centres only."""
    nothing = np.zeros((1, 1, 1), np.float32)
    covariance = np.broadcast_to(np.diag([0.5, 0.3]).astype(np.float32), (*log_odds.shape, 2, 2))
    return NetworkOutput(nothing, nothing, log_odds, column, row, covariance)


def test_a_centre_on_the_border_of_blocks_is_found_once_and_between_them():
    log_odds = np.full((10, 10), -12.0, np.float32)
    column, row = np.meshgrid(np.arange(10) * 4 + 1.5, np.arange(10) * 4 + 1.5)
    log_odds[4, 5] = log_odds[4, 6] = 0.0  # even chances left and right of the border
    column[4, 5], column[4, 6] = 23.4, 23.6
    output = output_with(log_odds, column.astype(np.float32), row.astype(np.float32))
    found = centres(output, 0.9)
    np.testing.assert_allclose(found.chance, [1.0], atol=1e-3)
    np.testing.assert_allclose(found.place, [[23.5, 17.5]], atol=0.02)
    # Half a chance each 0.1 pixels to either side of the middle.
    np.testing.assert_allclose(found.covariance[0], np.diag([0.5 + 0.1**2, 0.3]), atol=0.01)


def test_centres_two_blocks_apart_are_two(rng):
    log_odds = rng.normal(-12.0, 1.0, (10, 10)).astype(np.float32)
    log_odds[4, 3] = log_odds[4, 5] = 3.0
    column, row = np.meshgrid(np.arange(10) * 4 + 1.5, np.arange(10) * 4 + 1.5)
    output = output_with(log_odds, column.astype(np.float32), row.astype(np.float32))
    found = centres(output, 0.5)
    assert sorted(found.place[:, 0].round(1).tolist()) == [13.5, 21.5]
    assert len(centres(output_with(log_odds - 20, column, row), 0.5)) == 0


def test_distances_are_counted_in_the_stated_errors(rng):
    log_odds = np.full((10, 10), -12.0, np.float32)
    log_odds[4, 5] = 9.0
    column, row = np.meshgrid(np.arange(10) * 4 + 1.5, np.arange(10) * 4 + 1.5)
    found = centres(output_with(log_odds, column, row))
    x, y = found.place[0]
    aside = (x + 2 * np.sqrt(0.5), y - np.sqrt(0.3))
    assert found.distance(aside) == pytest.approx([5.0], rel=1e-2)


def test_the_runtime_takes_the_graph_as_bytes_only(rng):
    session = onnxruntime.InferenceSession(
        export_network(SMALL, random_weights(rng)), providers=["CPUExecutionProvider"]
    )
    assert [item.name for item in session.get_outputs()] == ["factor", "source", "heat"]
