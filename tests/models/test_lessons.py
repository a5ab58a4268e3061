"""Rows in parts that share no group, replayed ones with the weight of new ones; and as files."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skysift.core.errors import BundleError, InputError
from skysift.models.lessons import Rows, mix
from skysift.models.persist.arrays import save_arrays


def some_rows(n, groups, seed=0):
    rng = np.random.default_rng(seed)
    return Rows(
        rng.normal(size=(n, 2)), rng.integers(2, size=n).astype(float), rng.integers(groups, size=n)
    )


@settings(max_examples=25)
@given(
    n=st.integers(30, 200),
    old=st.integers(30, 200),
    groups=st.integers(8, 60),
    share=st.floats(0.05, 0.45),
)
def test_parts_share_no_group_and_both_kinds_weigh_the_same(n, old, groups, share):
    new, replay = some_rows(n, groups), some_rows(old, groups, 1)
    mixed = mix(new, replay, held_out=share, rng=np.random.default_rng(0))
    parts = [mixed.fit, mixed.stop, mixed.judge]
    assert sorted(np.concatenate(parts).tolist()) == list(range(n + old))
    for one in range(3):
        for other in range(one):
            assert not set(mixed.rows.group[parts[one]]) & set(mixed.rows.group[parts[other]])
    assert (mixed.judge < n).all()
    for part in (mixed.fit, mixed.stop):
        is_new = part < n
        assert mixed.weight[part][is_new].sum() == pytest.approx(mixed.weight[part][~is_new].sum())
        assert mixed.weight[part].mean() == pytest.approx(1.0)


def test_without_a_replay_rows_weigh_one():
    mixed = mix(some_rows(50, 50), None, held_out=0.2, rng=np.random.default_rng(0))
    assert (mixed.weight == 1).all()
    assert len(mixed.rows) == 50


def test_too_few_groups_are_told():
    few, many = some_rows(50, 3), some_rows(50, 50)
    for new, old, whose in ((few, None, "new"), (many, few, "replayed")):
        with pytest.raises(InputError, match=f"The {whose} rows are of 3 independent groups"):
            mix(new, old, held_out=0.2, rng=np.random.default_rng(0))


def test_rows_come_back_from_a_file():
    rows = some_rows(20, 7)
    again = Rows.of_bytes(rows.to_bytes(), 2)
    np.testing.assert_allclose(again.features, rows.features, rtol=1e-6)
    np.testing.assert_array_equal(again.label, rows.label)
    np.testing.assert_array_equal(again.group, rows.group)
    assert rows.sha256() != some_rows(20, 7, 1).sha256()


@pytest.mark.parametrize("spoil", ["width", "missing", "length", "type"])
def test_a_file_of_other_rows_is_refused(spoil):
    arrays = {
        "features": np.zeros((4, 2), np.float32),
        "label": np.zeros(4),
        "group": np.zeros(4, np.int64),
    }
    width = 2
    match spoil:
        case "width":
            width = 3
        case "missing":
            del arrays["group"]
        case "length":
            arrays["label"] = np.zeros(5)
        case "type":
            arrays["group"] = np.zeros(4)
    with pytest.raises(BundleError):
        Rows.of_bytes(save_arrays(arrays), width)
