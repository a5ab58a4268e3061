"""The fixed split is the one that was published, and no duplicate is on both sides of it."""

import numpy as np
import pytest

from skysift.core.errors import ContractError
from skysift.tasks.gamma_hadron.options import ReadOptions
from skysift.tasks.gamma_hadron.reader import read_events
from skysift.tasks.gamma_hadron.split import magic_test_rows

N_TEST, N_TRAIN = 3808, 15212


def read(path, rows="auto", purpose="evaluate"):
    return read_events([path], ReadOptions(rows=rows), None, purpose=purpose)


@pytest.fixture(scope="module")
def magic(mirror):
    return mirror / "magic" / "magic04.data"


@pytest.fixture(scope="module")
def everything(magic):
    return read(magic, "all")


@pytest.mark.mirror
def test_the_test_rows_are_those_that_were_published(everything, mirror):
    published = np.loadtxt(mirror / "magic" / "test_rows.txt", dtype=int)
    found = magic_test_rows(everything.groups, everything.is_gamma)
    np.testing.assert_array_equal(found, published)
    assert (len(found), everything.is_gamma[found].sum()) == (N_TEST, 2466)


@pytest.mark.mirror
def test_duplicates_are_on_one_side(everything):
    test = np.zeros(len(everything), dtype=bool)
    test[magic_test_rows(everything.groups, everything.is_gamma)] = True
    assert not set(everything.groups[test]) & set(everything.groups[~test])
    values = everything.table.matrix(everything.table.columns[:10])
    assert len(np.unique(values, axis=0)) == len(np.unique(everything.groups)) == 18905


@pytest.mark.mirror
def test_the_table_is_read_as_it_is(everything):
    assert (len(everything), everything.is_gamma.sum()) == (19020, 12332)
    assert (everything.name, everything.split) == ("MAGIC", "all rows")
    assert everything.checked.counts["accepted"] == 19020
    assert len(everything.distinct()) == 18905
    assert everything.table["length"][0] == 28.7967
    assert everything.table.unit("length") == "mm"


@pytest.mark.mirror
@pytest.mark.parametrize(
    ("rows", "purpose", "n"),
    [
        ("auto", "explore", N_TEST + N_TRAIN),
        ("auto", "train", N_TRAIN),
        ("auto", "evaluate", N_TEST),
        ("train", "evaluate", N_TRAIN),
        ("test", "train", N_TEST),
        ("all", "train", N_TEST + N_TRAIN),
    ],
)
def test_rows_are_chosen_by_purpose_unless_named(magic, rows, purpose, n):
    events = read(magic, rows, purpose)
    assert len(events) == n
    assert events.split == {N_TEST: "test rows", N_TRAIN: "train rows"}.get(n, "all rows")


@pytest.mark.mirror
def test_a_copy_under_another_name_has_the_same_split_and_a_changed_copy_has_none(magic, tmp_path):
    copy = tmp_path / "renamed.csv"
    copy.write_bytes(magic.read_bytes())
    assert len(read(copy)) == N_TEST
    copy.write_bytes(b"".join(copy.read_bytes().splitlines(keepends=True)[:-1]))
    assert len(read(copy)) == N_TEST + N_TRAIN - 1


@pytest.mark.parametrize("rows", ["train", "test"])
def test_no_other_table_has_fixed_rows(sample_file, rows):
    with pytest.raises(ContractError, match=f"Only the MAGIC table has fixed {rows} rows"):
        read(sample_file, rows)


def test_a_rule_that_gives_other_rows_is_noticed(rng):
    with pytest.raises(RuntimeError, match="not reproduced"):
        magic_test_rows(np.arange(1000), rng.random(1000) < 0.6)
