"""Trees that go on from any log-odds, and graphs that carry them."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, logit, softmax

from skysift.core.errors import BundleError
from skysift.models.calibration import BetaCalibration, stretch
from skysift.models.continued_boosting import boost_on
from skysift.models.fine_tuning import TuningOptions
from skysift.models.graph_builder import GraphBuilder
from skysift.models.graph_heads import boosted_graph, recalibrated_graph
from skysift.models.lessons import Rows, mix
from skysift.models.persist.arrays import load_arrays, save_arrays
from skysift.models.persist.onnx_format import OnnxClassifier
from skysift.models.plain_classifiers import (
    BoostedTrees,
    ConstantClassifier,
    LinearClassifier,
    MeanClassifier,
)
from skysift.models.plain_continued import ContinuedClassifier, log_odds_of
from skysift.models.plain_state import plain_from_state

NAMES = ("probability", "error")
QUICK = TuningOptions(0.2, rounds=12, patience=4)


def rows_of(n=600, classes=2, seed=0):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, 3))
    label = np.digitize(features[:, 0] + 0.3 * features[:, 1] ** 2, np.linspace(0, 1, classes - 1))
    return mix(Rows(features, label.astype(float), np.arange(n)), None, held_out=0.2, rng=rng)


def a_graph():
    """A probability that knows the first column a little, and an error of 0.1."""
    graph = GraphBuilder()
    line = graph("MatMul", "features", graph.constant([[0.5], [0.0], [0.0]]))
    probability = graph("Sigmoid", graph("Squeeze", line, graph.integers([1])))
    graph.output(NAMES[0], probability)
    zero = graph("Mul", probability, graph.constant(0.0))
    graph.output(NAMES[1], graph("Add", zero, graph.constant(0.1)))
    return graph.serialise(3)


@pytest.mark.parametrize("classes", [2, 4])
def test_trees_learn_what_the_start_does_not_know(classes):
    mixed = rows_of(classes=classes)
    start = np.zeros((len(mixed.rows), 1 if classes == 2 else classes))
    found = boost_on(start, mixed, QUICK, np.random.default_rng(0))
    assert found.losses[0] == pytest.approx(np.log(classes))
    assert found.losses[found.best] < 0.5 * found.losses[0]
    assert len(found.trees.roots) == found.best * start.shape[1]


def test_it_begins_where_the_parent_ends():
    mixed = rows_of()
    none = np.zeros((len(mixed.rows), 1))
    first = boost_on(none, mixed, QUICK, np.random.default_rng(0))
    trees = BoostedTrees([0, 1], 3, first.trees, np.zeros(1))
    odds = trees.log_odds(mixed.rows.features)
    more = boost_on(odds, mixed, QUICK, np.random.default_rng(1))
    assert more.losses[0] == pytest.approx(first.losses[first.best])
    joined = trees.changed(1.0, np.zeros(1), more.trees)
    p = joined.predict_proba(mixed.rows.features[mixed.stop])[:, 1]
    truth = mixed.rows.label[mixed.stop] > 0
    loss = -np.log(np.where(truth, p, 1 - p)).mean()
    assert loss == pytest.approx(more.losses[more.best])


def test_labels_without_sense_add_no_tree():
    mixed = rows_of()
    rng = np.random.default_rng(5)
    label = rng.permutation(mixed.rows.label)
    noise = replace(mixed, rows=replace(mixed.rows, label=label))
    start = np.full((len(label), 1), logit(label.mean()))
    found = boost_on(start, noise, replace(QUICK, rate=0.5), rng)
    assert found.losses[found.best] <= found.losses[0]
    assert found.best <= 2


def test_changed_scales_and_shifts_the_log_odds():
    mixed = rows_of(classes=3)
    found = boost_on(np.zeros((600, 3)), mixed, QUICK, np.random.default_rng(0))
    trees = BoostedTrees(["a", "b", "c"], 3, found.trees, np.array([0.1, 0.2, 0.3]))
    shift = np.array([0.5, 0.0, -0.5])
    changed = trees.changed(0.5, shift)
    x = mixed.rows.features[:20]
    np.testing.assert_allclose(
        changed.predict_proba(x), softmax(0.5 * trees.log_odds(x) + shift, axis=1)
    )


def a_mean():
    """A model without weights that could move."""
    forest = ConstantClassifier([0, 1], 3, np.array([0.7, 0.3]))
    zeros, ones = np.zeros(3), np.ones(3)
    line = LinearClassifier([0, 1], zeros, ones, np.array([[1.0, 0.0, 0.0]]), np.zeros(1))
    return MeanClassifier([forest, line])


def test_a_mean_goes_on_twice_and_is_stored():
    mixed = rows_of()
    parent, x = a_mean(), mixed.rows.features
    found = boost_on(log_odds_of(parent, x), mixed, QUICK, np.random.default_rng(0))
    assert found.losses[found.best] < 0.8 * found.losses[0]
    once = ContinuedClassifier.of(parent, trees=found.trees)
    twice = ContinuedClassifier.of(once, 0.5, 0.2, found.trees)
    added = found.trees.value[found.trees.leaves(x, found.trees.levels()), 0].sum(axis=1)
    odds = log_odds_of(parent, x)[:, 0] + added
    np.testing.assert_allclose(once.predict_proba(x)[:, 1], expit(odds))
    np.testing.assert_allclose(twice.predict_proba(x)[:, 1], expit(0.5 * odds + 0.2 + added))
    described, arrays = twice.state()
    stored = plain_from_state(json.loads(json.dumps(described)), load_arrays(save_arrays(arrays)))
    np.testing.assert_array_equal(stored.predict_proba(x), twice.predict_proba(x))


@pytest.mark.parametrize(
    "harm",
    [
        {"parent": None},
        {"parent": {"kind": "continued", "parent": {}}},
        {"factor": float("nan")},
        {"factor": "1"},
        {"shift": None},
        {"grown": True},
    ],
)
def test_a_description_made_to_harm_is_refused(harm):
    described, arrays = ContinuedClassifier.of(a_mean(), 0.5, 0.2).state()
    plain_from_state(described, arrays)
    with pytest.raises(BundleError, match="cannot be used"):
        plain_from_state({**described, **harm}, arrays)


def test_a_graph_with_trees_says_what_arrays_say():
    mixed = rows_of()
    parent = OnnxClassifier(a_graph(), NAMES)
    x = mixed.rows.features.astype(np.float32)
    p, error = parent.predict_with_error(x)
    found = boost_on(logit(p.astype(float))[:, None], mixed, QUICK, np.random.default_rng(0))
    child = OnnxClassifier(boosted_graph(a_graph(), NAMES, found.trees, 3), NAMES)
    said, said_error = child.predict_with_error(x)
    added = found.trees.value[found.trees.leaves(x.astype(float), found.trees.levels()), 0]
    wanted = expit(logit(p) + added.sum(axis=1))
    np.testing.assert_allclose(said, wanted, atol=1e-5)
    slope = wanted * (1 - wanted) / (p * (1 - p))
    np.testing.assert_allclose(said_error, error * slope, rtol=1e-3)


def test_graphs_go_on_more_than_once():
    beta = BetaCalibration(0.8, 1.3, 0.2)
    once = recalibrated_graph(a_graph(), NAMES, beta, 3)
    twice = recalibrated_graph(once, NAMES, beta, 3)
    x = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    p = expit(0.5 * x[:, 0].astype(float))
    said, _ = OnnxClassifier(twice, NAMES).predict_with_error(x)
    np.testing.assert_allclose(said, beta(beta(p)), atol=1e-5)


def test_a_missing_value_takes_the_way_it_took_in_training():
    rng = np.random.default_rng(3)
    features = rng.normal(size=(400, 3))
    missing = rng.random(400) < 0.4
    label = np.where(missing, 1.0, (features[:, 0] > 0).astype(float))
    features[missing, 0] = np.nan
    mixed = mix(Rows(features, label, np.arange(400)), None, held_out=0.2, rng=rng)
    found = boost_on(np.zeros((400, 1)), mixed, QUICK, rng)
    x = np.array([[np.nan, 0.0, 0.0]], np.float32)
    leaf = found.trees.leaves(x.astype(float), found.trees.levels())
    added = found.trees.value[leaf, 0].sum()
    assert added > 0.5
    graph = GraphBuilder()  # a parent that does not look
    even = graph("ReduceMax", "features", graph.integers([1]), keepdims=0)
    even = graph("Where", graph("IsNaN", even), graph.constant(0.5), graph.constant(0.5))
    graph.output(NAMES[0], even)
    graph.output(NAMES[1], even)
    child = OnnxClassifier(boosted_graph(graph.serialise(3), NAMES, found.trees, 3), NAMES)
    assert child.predict_with_error(x)[0][0] == pytest.approx(expit(added), abs=1e-5)


def test_a_stretch_of_many_rows_is_that_of_platt():
    rng = np.random.default_rng(0)
    odds = rng.normal(0, 2, 5000)
    truth = rng.random(5000) < expit(0.5 * odds - 1.0)
    slope, offset = stretch(odds, truth)
    assert slope == pytest.approx(0.5, abs=0.05)
    assert offset == pytest.approx(-1.0, abs=0.1)
    few = stretch(odds[:3], truth[:3])
    assert abs(few[0] - 1) < 0.5
    stretched = BetaCalibration(0.7, 1.2, 0.1).stretched(slope, offset)
    p = rng.random(20)
    np.testing.assert_allclose(
        logit(stretched(p)), slope * logit(BetaCalibration(0.7, 1.2, 0.1)(p)) + offset, rtol=1e-6
    )
