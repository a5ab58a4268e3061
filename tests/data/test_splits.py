"""Splits keep groups together and classes in proportion."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from skysift.core.errors import InputError, UsageError
from skysift.data.splits import distinct_groups, hold_out, stratified_group_folds


@given(
    arrays(
        float,
        st.tuples(st.integers(0, 20), st.integers(1, 3)),
        elements=st.sampled_from([0.0, -0.0, 1.0, np.nan, np.inf, 1e-300]),
    )
)
def test_rows_share_a_group_if_and_only_if_they_are_equal(matrix):
    groups = distinct_groups(matrix)
    keys = [tuple("nan" if np.isnan(value) else value + 0.0 for value in row) for row in matrix]
    assert len(groups) == len(keys)
    for i, a in enumerate(keys):
        for j, b in enumerate(keys):
            assert (a == b) == (groups[i] == groups[j])
    assert set(groups.tolist()) == set(range(len(set(keys))))


def test_a_matrix_has_rows_and_columns():
    with pytest.raises(InputError, match="shape"):
        distinct_groups([1.0, 2.0])


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 25)), min_size=20, max_size=120),
    st.integers(2, 5),
    st.integers(0, 2**32 - 1),
)
def test_groups_stay_together_and_no_row_is_lost(rows, n_splits, seed):
    y, groups = np.array(rows).T
    if any(len(set(groups[y == k])) < n_splits for k in np.unique(y)):
        with pytest.raises(InputError):
            stratified_group_folds(y, groups, n_splits=n_splits, rng=np.random.default_rng(seed))
        return
    fold = stratified_group_folds(y, groups, n_splits=n_splits, rng=np.random.default_rng(seed))
    assert fold.shape == y.shape
    assert set(fold.tolist()) <= set(range(n_splits))
    for group in set(groups):
        assert len(set(fold[groups == group])) == 1


@given(st.integers(2, 200), st.integers(2, 200), st.integers(2, 10), st.integers(0, 2**32 - 1))
def test_single_rows_are_dealt_evenly(n_signal, n_background, n_splits, seed):
    n_splits = min(n_splits, n_signal, n_background)
    y = np.repeat([1, 0], [n_signal, n_background])
    fold = stratified_group_folds(y, n_splits=n_splits, rng=np.random.default_rng(seed))
    for k in (0, 1):
        sizes = np.bincount(fold[y == k], minlength=n_splits)
        assert sizes.max() - sizes.min() <= 1


def test_uneven_groups_still_leave_the_classes_in_proportion(rng):
    sizes = rng.integers(1, 30, size=400)
    groups = np.repeat(np.arange(400), sizes)
    y = rng.random(groups.size) < np.repeat(rng.uniform(0.1, 0.4, size=400), sizes)
    fold = stratified_group_folds(y, groups, n_splits=5, rng=rng)
    share = np.bincount(fold) / groups.size
    rate = np.bincount(fold, weights=y) / np.bincount(fold)
    np.testing.assert_allclose(share, 0.2, atol=0.01)
    np.testing.assert_allclose(rate, y.mean(), atol=0.01)


def test_folds_depend_on_the_seed_alone():
    y = np.arange(100) % 3 == 0
    one, two, other = (
        stratified_group_folds(y, n_splits=5, rng=np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, two)
    assert np.any(one != other)


@given(st.integers(20, 300), st.integers(20, 300), st.sampled_from([0.1, 0.2, 0.5, 0.75]))
def test_the_part_held_out_is_the_part_of_each_class(n_signal, n_background, fraction):
    y = np.repeat([1, 0], [n_signal, n_background])
    test = hold_out(y, fraction=fraction, rng=np.random.default_rng(0))
    for k, n in ((1, n_signal), (0, n_background)):
        assert abs(test[y == k].sum() - fraction * n) <= 1


def test_groups_are_held_out_whole(rng):
    groups = rng.integers(0, 60, size=1000)
    y = rng.random(1000) < 0.3
    test = hold_out(y, groups, fraction=0.25, rng=rng)
    assert not set(groups[test]) & set(groups[~test])
    assert test.mean() == pytest.approx(0.25, abs=0.05)
    assert y[test].mean() == pytest.approx(y.mean(), abs=0.05)


def test_any_number_of_classes_of_any_name(rng):
    y = np.array(["streak", "star", "galaxy"] * 40)
    fold = stratified_group_folds(y, n_splits=4, rng=rng)
    for name in set(y):
        np.testing.assert_array_equal(np.bincount(fold[y == name]), 10)


def test_impossible_splits_are_refused(rng):
    with pytest.raises(UsageError, match="n_splits"):
        stratified_group_folds([0, 1], n_splits=1, rng=rng)
    with pytest.raises(InputError, match="2 groups only"):
        stratified_group_folds([0, 0, 0, 1, 1], n_splits=3, rng=rng)
    with pytest.raises(InputError, match="shape"):
        stratified_group_folds([0, 1, 0, 1], [1, 2], n_splits=2, rng=rng)
    with pytest.raises(InputError, match="shape"):
        stratified_group_folds([], n_splits=2, rng=rng)
    with pytest.raises(UsageError, match="fraction"):
        hold_out([0, 1], fraction=1.0, rng=rng)
    with pytest.raises(InputError, match="no rows"):
        hold_out([0, 0, 0, 1], fraction=0.5, rng=rng)
