"""Splits in time: order, gap and groups hold whatever the rows are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skysift.core.errors import InputError, UsageError
from skysift.data.chronological import (
    LEFT_OUT,
    Straddling,
    chronological_folds,
    chronological_split,
    linked_groups,
    time_blocks,
)
from skysift.data.io import read_table

START = np.datetime64("2014-01-01", "s")
HOUR = np.timedelta64(1, "h")

rows = st.lists(st.tuples(st.integers(0, 99), st.integers(0, 8)), min_size=1, max_size=60)
hours = st.integers(0, 30)


def columns(pairs):
    hour, group = np.array(pairs).T
    return START + hour * HOUR, group


@given(rows, st.lists(st.integers(1, 98), min_size=1, max_size=3, unique=True), hours,
       st.sampled_from(Straddling))  # fmt: skip
def test_no_label_and_no_group_crosses_a_boundary(pairs, limits, gap, straddling):
    time, group = columns(pairs)
    boundary = START + np.sort(limits) * HOUR
    part = chronological_split(
        time, list(boundary), purge=gap * HOUR, groups=group, straddling=straddling
    )
    assert set(part) <= {LEFT_OUT, *range(len(limits) + 1)}
    for k in range(len(limits)):
        assert np.all(time[(part <= k) & (part != LEFT_OUT)] + gap * HOUR <= boundary[k])
        assert np.all(time[part > k] >= boundary[k])
    for one in np.unique(group):
        assert len(set(part[group == one]) - {LEFT_OUT}) <= 1


@given(rows, hours)
def test_no_row_is_left_out_without_a_reason(pairs, gap):
    time, _ = columns(pairs)
    boundary = START + 50 * HOUR
    part = chronological_split(time, [boundary], purge=gap * HOUR)
    out = part == LEFT_OUT
    np.testing.assert_array_equal(out, (time < boundary) & (time + gap * HOUR > boundary))


def test_where_a_region_stays_that_is_on_the_disk_at_the_boundary():
    time = START + np.array([0, 10, 20, 30]) * HOUR
    region = [1, 2, 2, 3]
    split = {
        one: chronological_split(time, [START + 15 * HOUR], groups=region, straddling=one).tolist()
        for one in Straddling
    }
    assert split == {
        "earlier": [0, 0, -1, 1],
        "later": [0, -1, 1, 1],
        "neither": [0, -1, -1, 1],
    }


@given(rows, st.integers(2, 4), hours, st.booleans())
def test_folds_test_each_row_once_and_train_on_none_near(pairs, n_splits, gap, past_only):
    time, group = columns(pairs)
    try:
        folds = list(
            chronological_folds(
                time, n_splits=n_splits, purge=gap * HOUR, groups=group, past_only=past_only
            )
        )
    except InputError:
        assert len(np.unique(time)) < 2 * (n_splits + past_only) or len(pairs) < 20
        return
    tested = np.sum([test for _, test in folds], axis=0)
    assert len(folds) == n_splits
    assert tested.max() == 1
    assert past_only or tested.min() == 1
    for train, test in folds:
        assert not np.intersect1d(group[train], group[test]).size
        apart = np.abs(time[train][:, None] - time[test][None, :])
        assert not apart.size or apart.min() > gap * HOUR or gap == 0
        if past_only and train.any():
            assert time[train].max() < time[test].min()


def test_rows_that_share_a_member_are_one_group():
    members = [{1, 2}, {3}, {2, 4}, set(), {4, 5}, set()]
    group = linked_groups(members)
    assert group[0] == group[2] == group[4]
    assert len(set(group.tolist())) == 4


@given(rows, st.integers(1, 50))
def test_blocks_are_runs_in_time_no_longer_than_their_width(pairs, width):
    time, _ = columns(pairs)
    block = time_blocks(time, width * HOUR)
    assert set(block) == set(range(block.max() + 1))
    assert np.all(np.diff(block[np.argsort(time, kind="stable")]) >= 0)
    for one in np.unique(block):
        assert np.ptp(time[block == one]) < width * HOUR


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"boundaries": []}, UsageError),
        ({"boundaries": ["2014-02-01", "2014-01-01"]}, UsageError),
        ({"boundaries": ["2014-02-01"], "purge": -HOUR}, UsageError),
        ({"boundaries": ["2014-02-01"], "groups": [1, 2]}, InputError),
        ({"boundaries": ["2014-02-01"], "times": [np.datetime64("NaT")]}, InputError),
    ],
)
def test_what_makes_no_split_is_refused(options, error):
    with pytest.raises(error):
        chronological_split(**{"times": [START], **options})


def test_what_makes_no_folds_is_refused():
    with pytest.raises(UsageError, match="too few"):
        next(chronological_folds([START], n_splits=1))
    with pytest.raises(InputError, match="runs"):
        next(chronological_folds([START, START], n_splits=2))
    with pytest.raises(UsageError, match="width"):
        time_blocks([START], np.timedelta64(0, "s"))


@pytest.mark.mirror
def test_the_split_of_the_aia_regions(mirror):
    """Before July 2014 to train, the rest to develop, as published; no region in both."""
    table = read_table(mirror / "solar/aia211_regions.csv")
    spots = (table["section"] == "I") & (np.abs(table["lon"]) <= 70)
    table = table.take(spots)
    time, number = table["time"].astype("datetime64[s]"), table["noaa"]
    plain = chronological_split(time, ["2014-07-01"])
    assert np.count_nonzero(plain == 1) == 365
    part = chronological_split(
        time, ["2014-07-01"], purge=np.timedelta64(48, "h"), groups=number, straddling="later"
    )
    assert np.count_nonzero(part == 1) == 365  # the published development set is untouched
    assert not set(number[part == 0]) & set(number[part == 1])
    assert 0 < np.count_nonzero(part == LEFT_OUT) < 15
