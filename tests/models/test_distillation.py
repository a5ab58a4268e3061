"""A distilled network copies its teacher, in numpy and in ONNX alike; made rows could be real."""

from itertools import pairwise

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit

from skysift.models.distillation import DistilledNetwork, Expansion, Polar, interpolate_rows
from skysift.models.persist.onnx_format import OnnxClassifier

NAMES = ("gammaness", "gammaness_err")
COLUMNS = ("length", "width", "dist", "alpha")
EXPANSION = Expansion(
    COLUMNS,
    polar=(Polar("dist", "alpha", "miss", "along"),),
    logs=({"length": 1.1, "width": -1.0}, {"miss": 1.0, "length": 0.02}, {"alpha": 1.0, "": 0.3}),
    ratios=(("width", "length"), ("along", "length")),
)


def measured_rows(n, rng):
    length = rng.gamma(4.0, 10.0, n)
    columns = [length, length * rng.uniform(0.1, 1, n), rng.gamma(6, 30, n), rng.uniform(0, 90, n)]
    return np.column_stack(columns)


def what_the_teacher_says(rows):
    length, width, dist, alpha = rows.T
    miss = dist * np.sin(np.radians(alpha)) / length
    probability = expit(3.0 - 1.5 * np.log(miss + 0.1) - 4.0 * width / length)
    return probability, 0.2 * probability * (1 - probability) * (1 + alpha / 90)


@pytest.fixture(scope="module")
def student():
    rng = np.random.default_rng(4)
    rows = measured_rows(20_000, rng)
    return DistilledNetwork.fit(rows, *what_the_teacher_says(rows), EXPANSION, rng, epochs=8)


def untrained(expansion, rng, hidden=(8, 8)):
    """A network of random weights, whose arithmetic can be checked without training."""
    n_columns = len(expansion.columns)
    width = expansion(np.ones((1, n_columns))).shape[1]
    sizes = (width, *hidden, 2)
    shapes = list(pairwise(sizes))
    return DistilledNetwork(
        expansion,
        np.full(n_columns, 1.0, np.float32),
        np.full(n_columns, 80.0, np.float32),
        tuple(rng.normal(0, 0.2, shape).astype(np.float32) for shape in shapes),
        tuple(rng.normal(0, 0.2, n_out).astype(np.float32) for _, n_out in shapes),
    )


def test_the_expansion_is_what_its_names_say(rng):
    rows = measured_rows(50, rng)
    length, width, dist, alpha = rows.T
    miss, along = dist * np.sin(np.radians(alpha)), dist * np.cos(np.radians(alpha))
    expected = np.column_stack(
        [
            rows,
            miss,
            along,
            np.log(1.1 * length - width),
            np.log(miss + 0.02 * length),
            np.log(alpha + 0.3),
            width / length,
            np.clip(along / length, -5, 5),
        ]
    )
    assert_allclose(EXPANSION(rows), expected, rtol=1e-4, atol=2e-4)


def test_a_network_copies_probabilities_and_errors_of_rows_it_has_not_seen(student, rng):
    rows = measured_rows(4000, rng)
    probability, error = what_the_teacher_says(rows)
    copied, copied_error = student.predict_with_error(rows)
    assert np.sqrt(np.mean((copied - probability) ** 2)) < 0.02
    assert np.corrcoef(copied_error, error)[0, 1] > 0.7
    assert_allclose(copied.mean(), probability.mean(), atol=0.01)
    assert_allclose(copied_error.mean(), error.mean(), rtol=0.1)


def test_the_graph_gives_what_the_network_gives(student, rng):
    data = student.to_onnx(NAMES)
    assert len(data) < 100_000
    model = OnnxClassifier(data, NAMES, chunk=100)
    rows = measured_rows(1000, rng)
    rows[:20] *= 100.0  # beyond all limits
    for value, expected in zip(
        model.predict_with_error(rows), student.predict_with_error(rows), strict=True
    ):
        assert_allclose(value, expected, atol=2e-4)
    one = model.predict_with_error(rows[:1])
    assert_allclose(one[0], student.predict_with_error(rows[:1])[0], atol=2e-4)


@pytest.mark.parametrize(
    "expansion",
    [
        Expansion(("a",)),
        Expansion(("a", "b"), ratios=(("a", "b"),)),
        Expansion(("a", "b"), logs=({"a": 1.0, "b": 2.0, "": 1.0},)),
        Expansion(("a", "b"), polar=(Polar("a", "b", "across", "along"),)),
        EXPANSION,
    ],
    ids=["columns", "ratios", "logs", "polar", "all"],
)
def test_every_part_of_an_expansion_has_its_graph(expansion, rng):
    network = untrained(expansion, rng)
    rows = rng.uniform(-10, 100, (300, len(expansion.columns)))
    found = OnnxClassifier(network.to_onnx(NAMES), NAMES).predict_with_error(rows)
    for value, expected in zip(found, network.predict_with_error(rows), strict=True):
        assert_allclose(value, expected, atol=2e-4)


def test_weights_are_stored_in_full(rng):
    network = untrained(Expansion(("a",)), rng, hidden=(64, 64))  # 4,096 weights in one layer
    stored = [
        onnx.numpy_helper.to_array(array)
        for array in onnx.load_model_from_string(network.to_onnx(NAMES)).graph.initializer
    ]
    assert any(a.shape == (64, 64) and np.array_equal(a, network.weights[1]) for a in stored)


@settings(max_examples=50)
@given(arrays(np.float64, (5, 4), elements=st.floats(-1e30, 1e30)))
def test_no_finite_row_gives_anything_but_a_probability(student, rows):
    probability, error = student.predict_with_error(rows)
    for value in (probability, error):
        assert np.isfinite(value).all()
        assert (value >= 0).all()
        assert (value <= 1).all()


def test_beyond_the_limits_the_network_says_what_it_says_at_the_edge(student):
    edge = student.high[np.newaxis]
    assert_array_equal(student.predict_with_error(edge), student.predict_with_error(edge * 10))


def test_the_same_seed_gives_the_same_network(rng):
    rows = measured_rows(600, rng)
    answers = what_the_teacher_says(rows)
    first, second = (
        DistilledNetwork.fit(rows, *answers, EXPANSION, np.random.default_rng(1), epochs=2)
        for _ in range(2)
    )
    assert first.to_onnx(NAMES) == second.to_onnx(NAMES)


def test_made_rows_lie_between_rows_of_one_class(rng):
    table = measured_rows(400, rng)
    y = table[:, 3] > 45
    made = interpolate_rows(table, y, 5000, rng)
    first, second = made.parents.T
    assert_array_equal(y[first], y[second])
    assert (first != second).all()
    assert_allclose(y[first].mean(), y.mean(), atol=1e-3)
    low, high = np.minimum(table[first], table[second]), np.maximum(table[first], table[second])
    slack = 0.2 * np.subtract(*np.quantile(table, [0.75, 0.25], axis=0))  # six sigma of the noise
    assert ((made.values >= low - slack) & (made.values <= high + slack)).all()
    assert (made.values >= table.min(axis=0)).all()
    assert (made.values <= table.max(axis=0)).all()


def test_neighbours_do_not_depend_on_units(rng):
    table = measured_rows(200, rng)
    y = rng.random(200) > 0.5
    one = interpolate_rows(table, y, 500, np.random.default_rng(3))
    other = interpolate_rows(table * [1e3, 1.0, 1e-3, 1.0], y, 500, np.random.default_rng(3))
    assert_array_equal(one.parents, other.parents)
    assert_allclose(one.values * [1e3, 1.0, 1e-3, 1.0], other.values, rtol=1e-9)
