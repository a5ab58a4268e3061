from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from skysift.core.errors import MissingExtraError, UnknownNameError
from skysift.models.muygps import neighbours
from skysift.models.muygps.neighbours import (
    ApproximateNeighbours,
    ExactNeighbours,
    leave_one_out_neighbours,
    open_search,
)
from skysift.models.muygps.pruning import PrunedSearch


def peer_neighbours(points, rows, k):
    peer = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(points)
    return peer.kneighbors(rows, return_distance=False)


def distances(points, rows, indices):
    return np.linalg.norm(points[indices] - rows[:, None], axis=2)


@pytest.mark.parametrize("n_features", [1, 3, 6, 25])
@pytest.mark.parametrize("k", [1, 10, 50])
def test_exact_neighbours_are_those_of_scikit_learn(rng, n_features, k):
    points = rng.normal(size=(5000, n_features)) + 100.0
    rows = rng.normal(size=(300, n_features)) + 100.0
    found = ExactNeighbours(points, threads=2).query(rows, k)
    np.testing.assert_array_equal(found, peer_neighbours(points, rows, k))


@settings(max_examples=30)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_points=st.integers(2, 3000),
    levels=st.integers(1, 6),
    unit=st.sampled_from([1e-30, 1.0, 1e30]),
)
def test_pruned_answers_are_right_wherever_they_are_proven(seed, n_points, levels, unit):
    """Coarse grids: many equal distances, in units that single precision does not hold."""
    rng = np.random.default_rng(seed)
    points = rng.integers(0, levels, size=(n_points, 7)) * unit
    rows = rng.integers(-1, levels + 1, size=(20, 7)) * unit
    k = min(n_points, 12)
    found, proven = PrunedSearch(points).query(rows, k)
    expected = distances(points / unit, rows / unit, peer_neighbours(points / unit, rows / unit, k))
    got = distances(points / unit, rows / unit, found)
    np.testing.assert_allclose(got[proven], expected[proven], rtol=1e-12, atol=1e-12)


def test_pruning_proves_nearly_all_ordinary_rows(rng):
    points, rows = rng.normal(size=(20000, 25)), rng.normal(size=(200, 25))
    _, proven = PrunedSearch(points).query(rows, 50)
    assert proven.all()


def test_a_row_too_far_for_single_precision_is_not_proven_and_still_right(rng):
    points = rng.normal(size=(2000, 8))
    rows = np.vstack([1e25 * np.ones((1, 8)), 1e9 + rng.normal(size=(3, 8))])
    _, proven = PrunedSearch(points).query(rows, 5)
    assert not proven.any()
    found = ExactNeighbours(points).query(rows[1:], 5)
    np.testing.assert_allclose(
        distances(points, rows[1:], found),
        distances(points, rows[1:], peer_neighbours(points, rows[1:], 5)),
        rtol=1e-12,
    )


def test_without_numba_the_search_is_the_same(rng, monkeypatch):
    points, rows = rng.normal(size=(500, 9)), rng.normal(size=(50, 9))
    expected = ExactNeighbours(points).query(rows, 7)
    monkeypatch.setattr(neighbours, "has_compiler", lambda: False)
    np.testing.assert_array_equal(ExactNeighbours(points).query(rows, 7), expected)


@pytest.mark.parametrize("n_features", [2, 10])
def test_no_row_is_its_own_neighbour(rng, n_features):
    points = rng.normal(size=(300, n_features))
    which = np.arange(0, 300, 3)
    found = leave_one_out_neighbours(ExactNeighbours(points), points, which, 8)
    assert found.shape == (100, 8)
    assert not (found == which[:, None]).any()
    others = peer_neighbours(points, points[which], 9)[:, 1:]
    np.testing.assert_array_equal(found, others)


@pytest.mark.parametrize("n_features", [2, 10])
def test_no_row_is_its_own_neighbour_among_many_copies(n_features):
    points = np.repeat(np.arange(3.0)[:, None] * np.ones(n_features), 20, axis=0)
    which = np.arange(60)
    found = leave_one_out_neighbours(ExactNeighbours(points), points, which, 8)
    assert found.shape == (60, 8)
    assert not (found == which[:, None]).any()
    np.testing.assert_array_equal(distances(points, points, found), 0.0)


def test_approximate_neighbours_are_nearly_all_found(rng):
    pytest.importorskip("faiss", reason="faiss is not installed")
    points = rng.normal(size=(5000, 10))
    rows = rng.normal(size=(200, 10))
    found = ApproximateNeighbours(points).query(rows, 20)
    exact = peer_neighbours(points, rows, 20)
    common = [len(set(one) & set(other)) for one, other in zip(found, exact, strict=True)]
    assert np.mean(common) / 20 > 0.97
    again = ApproximateNeighbours(points).query(rows, 20)
    np.testing.assert_array_equal(found, again)


@pytest.mark.parametrize(("n_distinct", "copies"), [(20, 500), (200, 50), (1, 60)])
def test_approximate_neighbours_are_found_among_many_copies(rng, n_distinct, copies):
    """A graph of all rows falls apart here, without or with rows of which it finds too few."""
    pytest.importorskip("faiss", reason="faiss is not installed")
    distinct = rng.normal(size=(n_distinct, 10))
    points = rng.permutation(np.repeat(distinct, copies, axis=0))
    rows = distinct[:100] + 1e-3
    found = ApproximateNeighbours(points).query(rows, 60)
    assert all(len(set(near)) == 60 for near in found)
    np.testing.assert_allclose(
        distances(points, rows, found),
        distances(points, rows, peer_neighbours(points, rows, 60)),
        rtol=1e-9,
    )


def test_the_signs_of_zero_do_not_make_rows_distinct():
    copies = neighbours._Copies.of(np.array([[0.0, 1.0], [2.0, 1.0], [-0.0, 1.0]], np.float32))
    assert copies.originals.tolist() == [0, 1]
    assert copies.expand(np.array([[1, 0], [0, 1]]), 2).tolist() == [[1, 0], [0, 2]]


def test_a_row_of_which_the_graph_finds_too_few_is_searched_exactly(rng):
    pytest.importorskip("faiss", reason="faiss is not installed")
    points = rng.normal(size=(400, 6))
    search = ApproximateNeighbours(points)
    graph = search._index.search

    def finds_too_few(rows, k):
        distance, near = graph(rows, k)
        near[::2, 7:] = -1
        return distance, near

    search._index = SimpleNamespace(hnsw=search._index.hnsw, search=finds_too_few)
    np.testing.assert_array_equal(
        search.query(points[:50], 10), ExactNeighbours(points).query(points[:50], 10)
    )


@pytest.mark.parametrize("unit", [1e-30, 1e25])
def test_approximate_neighbours_in_units_that_single_precision_does_not_hold(rng, unit):
    pytest.importorskip("faiss", reason="faiss is not installed")
    points, rows = rng.normal(size=(1000, 7)), rng.normal(size=(50, 7))
    np.testing.assert_array_equal(
        ApproximateNeighbours(points * unit).query(rows * unit, 10),
        ApproximateNeighbours(points).query(rows, 10),
    )


@pytest.mark.parametrize("name", ["exact", "approximate"])
@pytest.mark.parametrize("n_features", [2, 10])
def test_however_far_a_row_has_neighbours(rng, name, n_features):
    if name == "approximate":
        pytest.importorskip("faiss", reason="faiss is not installed")
    points = rng.normal(size=(300, n_features))
    rows = np.outer([1e40, -1e160, 1.7e308], np.ones(n_features))
    found = open_search(name, points).query(rows, 9)
    assert all(len(set(near)) == 9 for near in found)
    assert found.min() >= 0
    assert found.max() < 300


def test_what_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "faiss", None)
    with pytest.raises(MissingExtraError, match="faiss"):
        open_search("approximate", np.zeros((3, 2)))


def test_a_search_that_does_not_exist():
    with pytest.raises(UnknownNameError, match="exactly"):
        open_search("exactly", np.zeros((3, 2)))
