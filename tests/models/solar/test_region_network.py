"""The network of regions: the same in torch and ONNX, blind to mirrors, able to learn."""

import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skysift.core.errors import BundleError, MissingExtraError, UsageError
from skysift.models.sky.network.torch_operations import TorchOperations
from skysift.models.solar import region_training
from skysift.models.solar.region_network import (
    HEAT_GRID,
    RegionNetwork,
    apply_network,
    export_region_network,
    initial_weights,
    network_input,
)
from skysift.models.solar.region_training import Centres, RegionTraining, train_region_network
from skysift.models.solar.strength import DISK_GRID

NONE = np.empty((0, 2))


def disk_with(places, rng):
    """A dark disk with bright spots so far west and north of its centre."""
    row, column = np.mgrid[: DISK_GRID.side, : DISK_GRID.side]
    ratio = rng.normal(0, 0.05, row.shape)
    for west, north in places:
        x, y = DISK_GRID.places(west, north)
        ratio += 2.0 * np.exp(-((column - x) ** 2 + (row - y) ** 2) / (2 * 5.0**2))
    return ratio.astype(np.float32)


def random_weights(seed):
    rng = np.random.default_rng(seed)
    return {
        name: value + rng.normal(0, 0.05, value.shape).astype(np.float32)
        for name, value in initial_weights(rng).items()
    }


def test_the_graph_is_the_network_seen_in_three_mirrors():
    torch = pytest.importorskip("torch")
    weights = random_weights(1)
    ratio = disk_with([(0.3, 0.2)], np.random.default_rng(2))
    ops = TorchOperations({name: torch.from_numpy(value) for name, value in weights.items()})
    seen = torch.from_numpy(network_input(ratio)[None])
    odds = [apply_network(ops, seen)]
    odds += [apply_network(ops, seen.flip(axis)).flip(axis) for axis in (2, 3)]
    expected = torch.sigmoid(sum(odds) / 3)[0].numpy()
    assert_allclose(RegionNetwork(export_region_network(weights)).heat(ratio), expected, atol=1e-5)


def test_several_networks_are_averaged_in_log_odds():
    ratio = disk_with([(0.3, 0.2)], np.random.default_rng(2))
    both = [random_weights(1), random_weights(2)]
    odds = [
        np.log(heat / (1 - heat))
        for heat in (RegionNetwork(export_region_network(one)).heat(ratio) for one in both)
    ]
    mean = RegionNetwork(export_region_network(both)).heat(ratio)
    assert_allclose(mean, 1 / (1 + np.exp(-(odds[0] + odds[1]) / 2)), atol=1e-5)


def test_what_the_network_sees_of_place_is_distance_from_centre_and_equator():
    seen = network_input(np.zeros((256, 256), np.float32))
    assert seen.shape == (4, 128, 128)
    assert_allclose(seen[2], seen[2, ::-1, ::-1], atol=1e-6)
    assert seen[2, 64, 64] < 0.01
    assert_allclose(seen[3, :, 5], seen[3, ::-1, 90], atol=1e-6)
    assert seen[3, 0, 0] > 1.2
    with pytest.raises(UsageError, match="DISK_GRID"):
        network_input(np.zeros((128, 128), np.float32))


def test_bright_spots_are_learnt():
    rng = np.random.default_rng(3)
    places = [rng.uniform(-0.6, 0.6, (2, 2)) for _ in range(12)]
    disks = np.stack([network_input(disk_with(one, rng)) for one in places])
    weights = train_region_network(
        disks,
        [Centres(one, NONE) for one in places],
        training=RegionTraining(epochs=16, learning_rate=1e-2),
        rng=rng,
    )
    network = RegionNetwork(export_region_network(weights))
    for _ in range(3):
        (place,) = rng.uniform(-0.6, 0.6, (1, 2))
        heat = network.heat(disk_with([place], rng))[0]
        row, column = np.unravel_index(heat.argmax(), heat.shape)
        assert_allclose(HEAT_GRID.places(*place), (column, row), atol=1.6)


def test_the_same_seed_gives_the_same_weights():
    disks = np.random.default_rng(1).normal(size=(3, 4, 128, 128)).astype(np.float32)
    centres = [Centres(np.array([[0.1, 0.2]]), NONE)] * 3
    first, again, other = (
        train_region_network(
            disks, centres, training=RegionTraining(epochs=1), rng=np.random.default_rng(seed)
        )["head.weight"]
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other)


def test_a_centre_is_shown_where_the_view_shows_it():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(5)
    place = np.array([[0.35, -0.2]])
    disk = network_input(disk_with(place, rng))
    for _ in range(5):
        view = region_training._View.draw(rng)
        shown = region_training._seen(torch, torch.from_numpy(disk[None]), [view], rng)[
            0, 0
        ].numpy()
        heat, hits = region_training._targets([Centres(place, NONE)], [view])
        row, column = np.unravel_index(shown.argmax(), shown.shape)
        (_, kind, y, x) = np.argwhere(hits)[0]
        assert kind == 0
        assert abs(x - (column - 0.5) / 2) <= 1.5
        assert abs(y - (row - 0.5) / 2) <= 1.5
        assert heat[0, 0, y, x] > 0.8


def test_misfits_and_damage_are_refused(monkeypatch):
    disks = np.zeros((2, 4, 128, 128), np.float32)
    with pytest.raises(UsageError, match="one each"):
        train_region_network(disks, [], training=RegionTraining(), rng=np.random.default_rng(1))
    with pytest.raises(BundleError):
        RegionNetwork(b"no graph")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match="train"):
        train_region_network(
            disks,
            [Centres(NONE, NONE)] * 2,
            training=RegionTraining(),
            rng=np.random.default_rng(1),
        )
