"""Matches of found with true places: each counts once, and thresholds trade hits for alarms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import linear_sum_assignment

from skysift.core.errors import InputError
from skysift.evaluate.detection import (
    Detections,
    best_f1_threshold,
    detection_skill,
    match_places,
    nearest_within,
    nearness_skill,
)


def test_the_surest_takes_the_nearest_that_is_free():
    found, score = [[0, 0], [1, 0], [50, 0]], [0.5, 0.9, 0.7]
    truth = [[0, 0], [1.5, 0], [80, 0]]
    assert match_places(found, score, truth, limit=10).tolist() == [0, 1, -1]


def test_the_limit_itself_is_too_far():
    assert match_places([[0, 0]], [1.0], [[32, 0]], limit=32).tolist() == [-1]
    assert match_places([[0, 0]], [1.0], [[31.9, 0]], limit=32).tolist() == [0]


@pytest.mark.parametrize("n", [0, 3])
def test_nothing_found_or_nothing_there_is_no_match(n):
    places = np.zeros((n, 2))
    assert match_places(places, np.ones(n), np.empty((0, 2)), limit=1).tolist() == [-1] * n
    assert match_places(np.empty((0, 2)), [], places, limit=1).tolist() == []


def test_scores_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="one score for each"):
        match_places([[0, 0]], [0.1, 0.2], [[0, 0]], limit=1)


@given(st.integers(0, 6), st.integers(0, 6), st.integers(0, 2**32 - 1))
def test_no_place_is_used_twice_and_at_least_half_of_the_best_assignment_is_found(n, m, seed):
    rng = np.random.default_rng(seed)
    found, truth = rng.uniform(0, 10, (n, 2)), rng.uniform(0, 10, (m, 2))
    matched = match_places(found, rng.random(n), truth, limit=4)
    used = matched[matched >= 0]
    assert len(set(used.tolist())) == len(used)
    near = np.hypot(*np.moveaxis(found[:, None] - truth, 2, 0)) < 4
    rows, columns = linear_sum_assignment(~near) if n and m else ([], [])
    most = int(near[rows, columns].sum()) if n and m else 0
    assert most / 2 <= len(used) <= most  # greedy matching is maximal


def two_images():
    """Three found on the first image, two of them right; one of two is missed on the second."""
    found = [np.array([[0.0, 0], [10, 0], [30, 0]]), np.array([[5.0, 5]])]
    score = [np.array([0.9, 0.4, 0.6]), np.array([0.8])]
    truth = [np.array([[0.0, 1], [10, 1]]), np.array([[5.0, 5], [90, 90]])]
    return Detections.match(found, score, truth, limit=3)


def test_counts_of_each_image():
    seen = two_images()
    assert seen.counts(0.0).tolist() == [[2, 1, 0], [1, 0, 1]]
    assert seen.counts(0.7).tolist() == [[1, 0, 1], [1, 0, 1]]


def test_the_curve_goes_from_the_surest_down():
    threshold, precision, recall = two_images().curve()
    assert_allclose(threshold, [0.9, 0.8, 0.6, 0.4])
    assert_allclose(precision, [1, 1, 2 / 3, 3 / 4])
    assert_allclose(recall, [1 / 4, 2 / 4, 2 / 4, 3 / 4])


def test_equal_scores_are_one_point_of_the_curve():
    hit = np.array([True, False, True, True])
    seen = Detections(np.zeros(4, int), np.array([0.5, 0.5, 0.5, 0.2]), hit, np.array([3]))
    threshold, precision, recall = seen.curve()
    assert threshold.tolist() == [0.5, 0.2]
    assert_allclose(precision, [2 / 3, 3 / 4])
    assert_allclose(recall, [2 / 3, 1])


def test_the_best_threshold_has_the_best_f1():
    seen = two_images()
    best = best_f1_threshold(seen)

    def f1(threshold):
        hits, alarms, misses = seen.counts(threshold).sum(axis=0)
        return 2 * hits / (2 * hits + alarms + misses)

    assert f1(best) == max(f1(one) for one in np.linspace(0, 1, 101))


def test_nothing_found_has_no_threshold():
    nothing = Detections.match([np.empty((0, 2))], [np.empty(0)], [np.zeros((1, 2))], limit=1)
    with pytest.raises(InputError, match="Nothing was found"):
        best_f1_threshold(nothing)


def test_what_is_found_at_an_ignored_place_is_no_false_alarm():
    found, score = [np.array([[0.0, 0], [50, 0]])], [np.array([0.9, 0.8])]
    truth, ignored = [np.array([[0.0, 0]])], [np.array([[50.0, 0], [0, 0]])]
    seen = Detections.match(found, score, truth, limit=3, ignored=ignored)
    assert seen.counts(0.0).tolist() == [[1, 0, 0]]


def test_skill_has_intervals_that_hold_the_value():
    rng = np.random.default_rng(1)
    n = 40
    truth = [rng.uniform(0, 100, (5, 2)) for _ in range(n)]
    found = [
        np.concatenate([one[: rng.integers(1, 5)], rng.uniform(200, 300, (1, 2))]) for one in truth
    ]
    score = [np.full(len(one), 0.5) for one in found]
    seen = Detections.match(found, score, truth, limit=8)
    skill = detection_skill(seen, threshold=0.4, blocks=np.arange(n) // 2, rng=rng)
    hits, alarms, misses = seen.counts(0.4).sum(axis=0)
    assert skill["recall"].value == pytest.approx(hits / (hits + misses))
    assert skill["precision"].value == pytest.approx(hits / (hits + alarms))
    assert skill["f1"].value == pytest.approx(2 * hits / (2 * hits + alarms + misses))
    for one in skill.values():
        assert one.low < one.value < one.high


def test_blocks_that_hang_together_widen_the_interval():
    rng = np.random.default_rng(2)
    good = np.repeat(rng.random(10) < 0.5, 10)
    n = int(good.sum())
    seen = Detections(np.flatnonzero(good), np.ones(n), np.ones(n, bool), np.ones(100, int))
    apart, together = (
        detection_skill(seen, threshold=0.5, blocks=blocks, rng=np.random.default_rng(3))["recall"]
        for blocks in (np.arange(100), np.arange(100) // 10)
    )
    assert together.high - together.low > 2 * (apart.high - apart.low)
    assert_array_equal([apart.value, together.value], good.mean())


def test_a_threshold_that_nothing_reaches_has_no_skill():
    skill = detection_skill(
        two_images(), threshold=2.0, blocks=[0, 1], rng=np.random.default_rng(1)
    )
    assert [skill[name].value for name in ("f1", "precision", "recall")] == [0.0, 0.0, 0.0]


def test_by_distance_alone_one_found_place_stands_for_two_true_ones(rng):
    truth = np.array([[0.0, 0], [2, 0], [50, 0]])
    found, score = np.array([[1.0, 0], [80, 0]]), np.array([0.9, 0.6])
    assert nearest_within(truth, found, score, limit=3).tolist() == [0.9, 0.9, 0.0]
    assert (nearest_within(found, truth, np.ones(3), limit=3) > 0).tolist() == [True, False]
    assert nearest_within(truth, np.empty((0, 2)), [], limit=3).tolist() == [0, 0, 0]
    assert nearest_within(truth[:1], [[3, 0]], [1.0], limit=3).tolist() == [0.0]
    skill = nearness_skill(([1, 1], [2, 2]), ([2, 2], [3, 3]), blocks=[0, 1], rng=rng)
    assert skill["precision"].value == 1 / 2
    assert skill["recall"].value == pytest.approx(2 / 3)
    assert skill["f1"].value == pytest.approx(4 / 7)
