"""The published network: its layers as published, the same in torch and in its graph."""

import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skysift.core.errors import BundleError, MissingExtraError, UsageError
from skysift.models.solar import published
from skysift.models.solar.published import PublishedNetwork, to_square, train_published

SIZE = 30


def disks(n, rng):
    """Noise, half of it with a bright square in the north, the others with one in the south."""
    images = rng.uniform(0, 80, (n, 40, 40))
    spotted = np.arange(n) % 2 == 1
    for image, above in zip(images, spotted, strict=True):
        y, x = rng.integers(0, 10) + 20 * above, rng.integers(0, 30)
        image[y : y + 10, x : x + 10] += 150
    return images, spotted


def test_it_learns_what_is_plain():
    images, spotted = disks(60, np.random.default_rng(1))
    network = train_published(images, spotted, size=SIZE, epochs=30, rng=np.random.default_rng(2))
    fresh, truth = disks(60, np.random.default_rng(3))
    assert np.mean((network.predict(fresh) > 0.5) == truth) > 0.9


def test_it_has_as_many_weights_as_published():
    weights = published._first_weights(300, np.random.default_rng(0))
    kernels = 3 * 9 + 3 + 3 * 3 * 9 + 3
    assert sum(value.size for value in weights.values()) == kernels + 3 * 73 * 73 + 1


def test_the_graph_is_the_network(torch_log_odds):
    rng = np.random.default_rng(4)
    weights = published._first_weights(SIZE, rng)
    weights = {n: w + rng.normal(0, 0.1, w.shape).astype(np.float32) for n, w in weights.items()}
    images = rng.uniform(0, 255, (5, SIZE, SIZE)).astype(np.float32)
    graph = PublishedNetwork(published._graph(weights, SIZE), SIZE)
    expected = 1 / (1 + np.exp(-torch_log_odds(weights, images / 255)))
    assert_allclose(graph.predict(images), expected, atol=1e-6)


@pytest.fixture
def torch_log_odds():
    torch = pytest.importorskip("torch")

    def call(weights, pixels):
        live = {name: torch.from_numpy(value) for name, value in weights.items()}
        return published._log_odds(torch, live, torch.from_numpy(pixels[:, None])).numpy()

    return call


def test_the_seed_decides():
    images, spotted = disks(20, np.random.default_rng(1))
    first, again, other = (
        train_published(images, spotted, size=SIZE, epochs=2, rng=np.random.default_rng(seed))
        for seed in (1, 1, 2)
    )
    assert first.graph == again.graph
    assert first.graph != other.graph


def test_squares_keep_a_gradient_and_take_nan_for_black():
    ramp = np.tile(np.arange(40.0), (20, 1))
    ramp[0, 0] = np.nan
    (square,) = to_square(ramp[None], 10)
    assert_allclose(square[5, 1:-1], np.arange(1, 9) * 4 + 1.5)
    assert np.isfinite(square).all()
    same = np.random.default_rng(0).integers(0, 255, (2, 12, 12), dtype=np.uint8)
    assert_array_equal(to_square(same, 12), same)


def test_nothing_asked_nothing_answered():
    images, spotted = disks(10, np.random.default_rng(1))
    network = train_published(images, spotted, size=SIZE, epochs=1, rng=np.random.default_rng(1))
    assert network.predict(np.empty((0, 20, 20))).shape == (0,)


def test_misfits_are_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(UsageError, match="grey"):
        to_square(np.zeros((4, 4)), 10)
    with pytest.raises(UsageError, match="one label for each"):
        train_published(np.zeros((3, 20, 20)), [0, 1], size=SIZE, epochs=1, rng=rng)
    with pytest.raises(UsageError, match="too small"):
        train_published(np.zeros((2, 20, 20)), [0, 1], size=8, epochs=1, rng=rng)
    with pytest.raises(BundleError):
        PublishedNetwork(b"nothing", SIZE)


def test_without_torch_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"skysift\[train\]"):
        train_published(
            np.zeros((2, 20, 20)), [0, 1], size=SIZE, epochs=1, rng=np.random.default_rng(0)
        )
