"""Maxima and boxes on maps of the disk."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from skysift.core.errors import UsageError
from skysift.models.solar.candidates import Candidates, boxes_about, maxima


def bumps(places, *, side=64, width=2.0):
    y, x = np.mgrid[:side, :side]
    heights = np.linspace(2, 1, len(places))
    return sum(
        h * np.exp(-((x - c) ** 2 + (y - r) ** 2) / (2 * width**2))
        for h, (c, r) in zip(heights, places, strict=True)
    )


def test_bumps_are_found_to_a_fraction_of_a_pixel_strongest_first():
    places = [(20.3, 40.6), (45.7, 12.2), (50.0, 50.0)]
    found = maxima(bumps(places), least=0.5, apart=3)
    assert_allclose(np.stack([found.column, found.row], 1), places, atol=0.25)
    assert (np.diff(found.score) < 0).all()


def test_of_two_that_are_close_the_higher_stays():
    found = maxima(bumps([(20, 20), (26, 20)], width=1.0), least=0.1, apart=7)
    assert len(found) == 1
    assert found.column[0] == pytest.approx(20, abs=0.3)
    assert len(maxima(bumps([(20, 20), (26, 20)], width=1.0), least=0.1, apart=3)) == 2


def test_a_plateau_and_the_whole_map_are_one_maximum():
    flat = np.zeros((20, 20))
    flat[4:8, 10:14] = 1.0
    found = maxima(flat, least=0.5, apart=3)
    assert (found.column.tolist(), found.row.tolist()) == ([11.5], [5.5])
    assert len(maxima(np.ones((9, 9)), least=0.5, apart=2)) == 1


def test_nothing_is_above_the_least():
    assert len(maxima(np.zeros((9, 9)), least=0.1, apart=2)) == 0
    with pytest.raises(UsageError, match="1 pixel or more"):
        maxima(np.zeros((9, 9)), least=0.1, apart=0)


@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_no_maximum_has_a_higher_pixel_near(seed, apart):
    strength = np.random.default_rng(seed).random((30, 30))
    found = maxima(strength, least=0.5, apart=apart)
    for column, row, score in zip(found.column, found.row, found.score, strict=True):
        y, x = np.argwhere(strength == score)[0]
        assert abs(x - column) <= 1
        assert abs(y - row) <= 1
        near = strength[max(y - apart, 0) : y + apart + 1, max(x - apart, 0) : x + apart + 1]
        assert near.max() == score


def test_a_box_holds_what_is_above_the_threshold():
    strength = np.zeros((40, 40))
    strength[10:15, 20:31] = 1.0
    found = Candidates(np.array([25.0]), np.array([12.0]), np.array([1.0]))
    box = boxes_about(found, strength, threshold=0.5, reach=20, least_side=4)
    edges = [float(getattr(box, name)[0]) for name in ("left", "right", "bottom", "top")]
    assert edges == [19.5, 30.5, 9.5, 14.5]


def test_pixels_go_to_the_nearer_and_no_farther_than_the_reach():
    strength = np.ones((11, 41))
    found = Candidates(np.array([10.0, 30.0]), np.array([5.0, 5.0]), np.array([1.0, 0.9]))
    box = boxes_about(found, strength, threshold=0.5, reach=8, least_side=2)
    assert box.left.tolist() == [2.5, 22.5]
    assert box.right.tolist() == [17.5, 37.5]
    wide = boxes_about(found, strength, threshold=0.5, reach=99, least_side=2)
    assert wide.right[0] == pytest.approx(wide.left[1], abs=1.01)


def test_a_box_is_never_smaller_than_the_least():
    found = Candidates(np.array([10.0]), np.array([5.0]), np.array([1.0]))
    box = boxes_about(found, np.zeros((11, 21)), threshold=0.5, reach=8, least_side=6)
    assert (box.right - box.left).tolist() == [6.0]
    assert (box.top - box.bottom).tolist() == [6.0]
