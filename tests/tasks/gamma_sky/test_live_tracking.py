"""Candidates become sources that keep their names, in any order."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skysift.data.table import FeatureTable
from skysift.tasks.gamma_sky.live.tracking import (
    Detection,
    Frame,
    Source,
    Tracker,
    TrackerState,
    track,
)

AT, NEAR, APART = (83.6, 22.0), (83.6, 22.02), (83.6, 22.25)


def seen(place: tuple[float, float], error: float = 0.02, far: float = 1e-6) -> Detection:
    return Detection(*place, error, error, 0.0, 6.0, far)


def frame(end: float, *detections: Detection, length: float = 10.0) -> Frame:
    return Frame(end, length, f"{length:g}s-{end:g}", detections)


def table_of(frames: list[Frame]) -> FeatureTable:
    rows = [(one, found) for one in frames for found in one.detections]
    columns = {
        name: np.array([getattr(found, name) for _, found in rows]) for name in Detection._fields
    }
    return FeatureTable.from_columns(
        {
            **columns,
            "window": np.array([one.length for one, _ in rows]),
            "window_end": np.array([one.end for one, _ in rows]),
            "window_id": np.array([one.window_id for one, _ in rows]),
            "revision": np.zeros(len(rows), dtype=np.int64),
        }
    )


def test_one_source_over_windows_and_lengths_keeps_its_name() -> None:
    tracker = Tracker()
    names = [
        tracker.take(frame(100.0, seen(AT))),
        tracker.take(frame(101.0, seen(NEAR))),
        tracker.take(frame(105.0, seen(NEAR, 0.005), length=100.0)),
    ]
    assert len(set(names)) == 1
    (source,) = tracker.state.sources
    assert source.source_id == "J053424+220000-100"
    assert (source.best.dec, source.best_length) == (22.02, 100.0)  # the smallest ellipse
    assert source.n == 3


def test_two_sources_nearby_stay_two() -> None:
    tracker = Tracker()
    for end in range(100, 120):
        both = [seen(AT, 0.05), seen(APART, 0.05)]
        tracker.take(frame(float(end), *(both if end % 2 else reversed(both))))
    assert len(tracker.state.sources) == 2
    assert {source.n for source in tracker.state.sources} == {20}


def test_two_candidates_of_one_window_are_never_one_source() -> None:
    names = Tracker().take(frame(100.0, seen(AT, 0.1), seen(NEAR, 0.1)))
    assert len(set(names)) == 2


def test_a_quiet_source_ends_and_a_new_one_gets_a_new_name() -> None:
    tracker = Tracker()
    (first,) = tracker.take(frame(100.0, seen(AT)))
    (within,) = tracker.take(frame(155.0, seen(AT)))
    (later,) = tracker.take(frame(216.0, seen(AT)))
    assert first == within != later
    assert [one.source_id for one in tracker.ended()] == [first]


def test_the_patience_is_that_of_the_longest_window() -> None:
    tracker = Tracker()
    (first,) = tracker.take(frame(600.0, seen(AT), length=600.0))
    (later,) = tracker.take(frame(1190.0, seen(AT)))
    assert first == later


def test_a_flare_begins_and_ends_with_its_own_windows() -> None:
    tracker = Tracker()
    tracker.take(frame(110.0, seen(AT, far=1e-12)))
    tracker.take(frame(120.0, seen(AT, far=1e-9)))
    tracker.take(frame(175.0, seen(AT, far=1e-5), length=100.0))
    (source,) = tracker.state.sources
    assert (source.t_start, source.t_stop) == (100.0, 120.0)
    assert source.seen == 175.0


def test_an_ellipse_is_turned_as_it_should() -> None:
    """A candidate along the major axis belongs to the source, one across does not."""
    long = Detection(83.6, 22.0, 0.1, 0.01, 90.0, 6.0, 1e-6)  # east to west
    east, north = (83.6 + 0.15 / np.cos(np.radians(22.0)), 22.0), (83.6, 22.15)
    for place, count in ((east, 1), (north, 2)):
        tracker = Tracker()
        tracker.take(frame(100.0, long))
        tracker.take(frame(101.0, Detection(*place, 0.01, 0.01, 0.0, 6.0, 1e-6)))
        assert len(tracker.state.sources) == count


def test_a_candidate_without_ellipse_is_tracked_all_the_same() -> None:
    nowhere = Detection(*AT, np.nan, np.nan, np.nan, 6.0, 1e-6)
    tracker = Tracker()
    assert tracker.take(frame(100.0, nowhere)) == tracker.take(frame(101.0, seen(NEAR)))
    assert tracker.state.sources[0].best == seen(NEAR)


@settings(max_examples=10)
@given(st.randoms(use_true_random=False))
def test_sources_do_not_depend_on_the_order_of_rows(random: object) -> None:
    rng = np.random.default_rng(1)
    places = rng.normal([83.6, 22.0], 0.3, (3, 2))
    frames = [
        frame(
            float(end),
            *(seen(tuple(place + rng.normal(0, 0.02, 2)), 0.03) for place in places[: end % 3 + 1]),
            length=length,
        )
        for end in range(100, 200, 5)
        for length in (10.0, 100.0)
    ]
    table = table_of(frames)
    rows = list(range(len(table)))
    random.shuffle(rows)  # type: ignore[attr-defined]
    assert track(table.take(np.array(rows))) == track(table)
    assert len(track(table)) == 3


def test_superseded_rows_do_not_count() -> None:
    table = table_of([frame(100.0, seen(AT)), frame(101.0, seen(APART))])
    windows = FeatureTable.from_columns(
        {"window_id": np.array(["10s-101"]), "revision": np.array([5])}
    )
    assert [one.best.dec for one in track(table, windows)] == [22.0]


def test_going_on_from_a_state_is_as_having_never_stopped() -> None:
    frames = [frame(float(end), seen(AT), seen(APART)) for end in range(100, 130)]
    whole, first = Tracker(), Tracker()
    for one in frames:
        whole.take(one)
    for one in frames[:12]:
        first.take(one)
    kept = [source.to_dict() for source in first.state.sources]
    state = TrackerState(first.state.end, tuple(Source.from_dict(one) for one in kept))
    second = Tracker(state)
    for one in frames[12:]:
        second.take(one)
    assert second.state == whole.state


@pytest.mark.parametrize("damage", [{}, {"source_id": "x"}, {"best": [1.0]}])
def test_what_is_no_source_is_refused(damage: dict[str, object]) -> None:
    with pytest.raises((TypeError, KeyError, ValueError)):
        Source.from_dict(damage)
