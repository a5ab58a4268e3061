"""Good time intervals as sets of times."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skysift.core.errors import InputError
from skysift.data.sky.gti import GoodTimeIntervals

EDGE = st.integers(0, 60).map(float)
INTERVALS = st.lists(st.tuples(EDGE, EDGE), max_size=8)
GRID = np.arange(0, 60, 0.5)


def brute(intervals: list[tuple[float, float]]) -> np.ndarray:
    return np.array([any(a <= t < b for a, b in intervals) for t in GRID], dtype=bool)


@given(INTERVALS)
def test_merging_keeps_the_set_of_times(intervals) -> None:
    gti = GoodTimeIntervals.of(intervals)
    assert gti.contains(GRID).tolist() == brute(intervals).tolist()
    assert gti.duration == brute(intervals).sum() * 0.5
    assert np.all(gti.start[1:] > gti.stop[:-1])
    assert np.all(gti.stop > gti.start)


@given(INTERVALS, EDGE, EDGE)
def test_within_is_the_intersection(intervals, low, high) -> None:
    part = GoodTimeIntervals.of(intervals).within(low, high)
    expected = brute(intervals) & (low <= GRID) & (high > GRID)
    assert part.contains(GRID).tolist() == expected.tolist()
    assert part.duration == expected.sum() * 0.5


@given(INTERVALS, EDGE)
def test_parts_add_up(intervals, cut) -> None:
    gti = GoodTimeIntervals.of(intervals)
    assert gti.within(-1.0, cut).duration + gti.within(cut, 99.0).duration == gti.duration


def test_no_interval_holds_no_time() -> None:
    gti = GoodTimeIntervals.of([(3.0, 3.0), (5.0, 4.0)])
    assert len(gti) == 0
    assert gti.duration == 0
    assert not gti.contains(np.array([3.0, 4.5])).any()


@pytest.mark.parametrize(
    ("start", "stop"),
    [([0.0, 5.0], [6.0, 7.0]), ([5.0, 0.0], [6.0, 1.0]), ([2.0], [1.0]), ([0.0], [np.nan]),
     ([0.0, 1.0], [1.0])],
)  # fmt: skip
def test_what_is_not_in_order_is_refused(start, stop) -> None:
    with pytest.raises(InputError):
        GoodTimeIntervals(np.array(start), np.array(stop))
