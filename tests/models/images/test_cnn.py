"""The network of stamps: blind to turns, the same in its graph, deaf to what it cannot know."""

import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import log_loss, roc_auc_score

from skysift.core.errors import MissingExtraError, UsageError
from skysift.models.images.cnn import StampCnnClassifier, open_graph
from skysift.models.images.cnn_network import (
    CnnShape,
    CnnTraining,
    Standardisation,
    export_networks,
    initial_weights,
    square_views,
    train_network,
)

SIDE = 9
SHAPE = CnnShape(planes=2, side=SIDE, numbers=1, channels=(4, 6, 8), hidden=8)
SMALL = {"side": SIDE, "planes": 2, "channels": (4, 6, 8), "hidden": 8, "networks": 1}


def blobs(n, rng, *, brightness=30.0):
    """Round and elongated blobs of the same flux at any angle, with noise, and a useless number."""
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE // 2
    long = rng.random(n) < 0.5
    angle = rng.uniform(0, np.pi, n)[:, None, None]
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    stretch = np.where(long, 1.8, 1.0)[:, None, None]
    image = np.exp(-0.5 * ((along / stretch) ** 2 + (across * stretch) ** 2) / 1.5**2)
    image = brightness * image / image.sum(axis=(1, 2), keepdims=True) * SIDE
    image += rng.normal(0, 0.5, image.shape)
    planes = np.stack([np.arcsinh(image), image], axis=1).reshape(n, -1)
    return np.column_stack([planes, rng.normal(size=n)]), long


def turned(rows, turns, *, mirrored):
    planes = rows[:, :-1].reshape(-1, 2, SIDE, SIDE)
    view = np.rot90(planes, turns, axes=(2, 3))
    view = view[..., ::-1] if mirrored else view
    return np.column_stack([view.reshape(len(rows), -1), rows[:, -1]])


@pytest.fixture(scope="module")
def learnt():
    x, y = blobs(400, np.random.default_rng(1))
    return StampCnnClassifier(**SMALL, epochs=8, batch_size=32).fit(x, y)


def test_elongation_is_learnt_at_any_angle(learnt):
    fresh, long = blobs(500, np.random.default_rng(2))
    p = learnt.predict_proba(fresh)
    assert roc_auc_score(long, p[:, 1]) > 0.98
    assert_allclose(p.sum(axis=1), 1.0)
    assert np.mean(learnt.predict(fresh) == long) > 0.93


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_stamp_turned_or_mirrored_is_the_same_stamp(learnt, turns, mirrored):
    x, _ = blobs(40, np.random.default_rng(3))
    view = turned(x, turns, mirrored=mirrored)
    assert np.abs(view - x).max() > 1.0
    assert_allclose(learnt.predict_proba(view), learnt.predict_proba(x), atol=2e-6)


def test_the_views_are_the_symmetries_of_the_square():
    views = square_views(1, 3)
    assert len({tuple(view) for view in views}) == 8
    both = {tuple(one[other]) for one in views for other in views}
    assert both == {tuple(view) for view in views}
    two = square_views(2, 3)
    assert_array_equal(two[:, :9], views)
    assert_array_equal(two[:, 9:], views + 9)


def forward(weights, planes, number):
    """The network by its definition, in plain numpy."""
    value = planes
    for k, stride in enumerate((1, 2, 1)):
        windows = np.lib.stride_tricks.sliding_window_view(value, (3, 3), axis=(2, 3))
        windows = windows[:, :, ::stride, ::stride]
        value = np.einsum("ncyxij,ocij->noyx", windows, weights[f"conv_{k + 1}"])
        value = np.maximum(value + weights[f"conv_{k + 1}_bias"][:, None, None], 0)
    hidden = value.reshape(len(planes), -1) @ weights["image"] + number @ weights["numbers"]
    return (np.maximum(hidden + weights["image_bias"], 0) @ weights["out"] + weights["out_bias"])[
        :, 0
    ]


def test_the_graph_is_the_arithmetic(rng):
    networks = [initial_weights(SHAPE, rng) for _ in range(2)]
    for weights in networks:
        for name in weights:
            weights[name] += rng.normal(0, 0.05, weights[name].shape).astype(np.float32)
    x = rng.normal(3.0, 2.0, (20, SHAPE.n_features)).astype(np.float32)
    standardisation = Standardisation.fit(x, SHAPE)
    graph = open_graph(export_networks(SHAPE, standardisation, networks, "probability"))
    z = standardisation(x)
    odds = [
        forward(w, z[:, :-1][:, view].reshape(-1, 2, SIDE, SIDE), z[:, -1:])
        for w in networks
        for view in square_views(2, SIDE)
    ]
    assert_allclose(graph.predict_proba(x)[:, 1], expit(np.mean(odds, axis=0)), atol=1e-5)


def test_pixels_that_a_symmetry_exchanges_are_scaled_alike(rng):
    x = rng.normal(size=(50, SHAPE.n_features)).astype(np.float32)
    found = Standardisation.fit(x, SHAPE)
    for view in square_views(2, SIDE):
        assert_allclose(found.mean[:-1][view], found.mean[:-1], rtol=1e-5, atol=1e-6)
        assert_allclose(found.scale[:-1][view], found.scale[:-1], rtol=1e-5)
    assert found.scale[-1] == pytest.approx(x[:, -1].std(), rel=1e-5)


def test_what_is_unknown_is_filled_and_one_bad_pixel_does_not_decide(learnt):
    x, _ = blobs(30, np.random.default_rng(4))
    without = x.copy()
    without[:, -1] = np.nan
    p = learnt.predict_proba(without)[:, 1]
    assert np.all(np.isfinite(p))
    assert np.abs(p - learnt.predict_proba(x)[:, 1]).max() < 0.5
    bad, worse = x.copy(), x.copy()
    bad[:, 40], worse[:, 40] = 1e4, 1e9
    assert_array_equal(learnt.predict_proba(bad), learnt.predict_proba(worse))


def test_a_column_that_nobody_knows_says_nothing(rng):
    x, y = blobs(120, rng)
    x[:, -1] = np.nan
    model = StampCnnClassifier(**SMALL, epochs=1).fit(x, y)
    assert np.all(np.isfinite(model.predict_proba(x)))


def test_a_seed_fixes_everything_and_the_graph_comes_back(learnt):
    x, y = blobs(120, np.random.default_rng(5))
    model = StampCnnClassifier(**SMALL, epochs=2, random_state=3)
    first, again = (clone(model).fit(x, y).predict_proba(x) for _ in range(2))
    other = clone(model).set_params(random_state=4).fit(x, y).predict_proba(x)
    assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3
    back = open_graph(learnt.graph_)
    assert_array_equal(back.predict_proba(x), learnt.predict_proba(x))


def test_the_weights_are_those_of_the_epoch_that_was_best_on_rows_left_out(rng):
    x, y = blobs(150, rng, brightness=4.0)
    y ^= rng.random(150) < 0.3  # wrong labels, which late epochs learn by heart
    standardisation = Standardisation.fit(x.astype(np.float32), SHAPE)
    left_out = np.arange(150) % 3 == 0
    training = CnnTraining(
        epochs=25,
        batch_size=16,
        learning_rate=2e-2,
        weight_decay=0.0,
        dropout=0.0,
        smoothing=0.0,
    )
    weights, losses = train_network(
        SHAPE, standardisation(x), y, left_out=left_out, training=training, rng=rng
    )
    graph = export_networks(SHAPE, standardisation, [weights], "probability")
    p = open_graph(graph).predict_proba(x[left_out])[:, 1]
    assert log_loss(y[left_out], p) == pytest.approx(min(losses), abs=1e-4)
    assert losses[-1] > min(losses) + 0.01


def seen_in_training(*, early_stopping):
    """Return the share of the rows that a network learns from, by their useless number."""
    x, y = blobs(120, np.random.default_rng(7))
    seen = set()

    def watch(rows, _rng):
        seen.update(rows[:, -1].tolist())
        return rows

    model = StampCnnClassifier(
        **SMALL, epochs=3, batch_size=20, early_stopping=early_stopping, vary=watch
    )
    model.fit(x, y)
    assert seen <= set(x[:, -1].astype(np.float32).tolist())  # as they came, not standardised
    return len(seen) / len(x), model.losses_


def test_without_early_stopping_all_rows_are_learnt_from():
    share, losses = seen_in_training(early_stopping=True)
    assert share == pytest.approx(5 / 6)
    assert len(losses[0]) == 1
    share, losses = seen_in_training(early_stopping=False)
    assert share == 1.0
    assert losses == [[]]


def test_what_is_learnt_is_what_the_rows_are_varied_to():
    x, y = blobs(300, np.random.default_rng(8))
    told = {**SMALL, "epochs": 6, "batch_size": 32, "early_stopping": False}
    assert roc_auc_score(y, StampCnnClassifier(**told).fit(x, y).predict_proba(x)[:, 1]) > 0.98

    def others(rows, rng):
        return rng.permutation(rows)  # not those of the labels

    p = StampCnnClassifier(**told, vary=others).fit(x, y).predict_proba(x)[:, 1]
    assert roc_auc_score(y, p) < 0.9
    assert log_loss(y, p) > 0.5


def test_misuse_is_told(monkeypatch):
    x, y = blobs(60, np.random.default_rng(6))
    with pytest.raises(NotFittedError):
        StampCnnClassifier(side=SIDE).predict_proba(x)
    for wrong in ({"side": 20}, {"networks": 0}, {"networks": 7}, {"side": 6, "planes": 1}):
        with pytest.raises(UsageError):
            StampCnnClassifier(**{**SMALL, **wrong}).fit(x, y)
    with pytest.raises(UsageError, match="3 classes"):
        StampCnnClassifier(**SMALL).fit(x, np.arange(60) % 3)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match="train"):
        StampCnnClassifier(**SMALL).fit(x, y)
