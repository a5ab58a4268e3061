"""A table keeps its columns, units and rows, and never changes under anybody's feet."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from skysift.core.errors import ContractError
from skysift.data.table import FeatureTable


@pytest.fixture
def table():
    return FeatureTable.from_columns(
        {"length": [28.8, 31.6, 162.1], "class": ["g", "h", "g"], "run": [1, 2, 3]},
        units={"length": "mm"},
        descriptions={"length": "major half-axis"},
        meta={"path": "events.csv"},
    )


def test_columns_keep_type_unit_and_order(table):
    assert table.columns == list(table) == ["length", "class", "run"]
    assert (len(table), table["length"].dtype, table["run"].dtype) == (3, "float64", "int64")
    assert (table.unit("length"), table.unit("run")) == ("mm", "")
    assert "length" in table
    assert "width" not in table


def test_a_missing_column_is_answered_with_the_nearest_and_the_file(table):
    for ask in (
        lambda: table["lenght"],
        lambda: table.unit("lenght"),
        lambda: table.select(["lenght"]),
    ):
        with pytest.raises(ContractError, match="Did you mean 'length'") as caught:
            ask()
        assert str(caught.value.path) == "events.csv"


def test_a_replaced_column_keeps_its_place_and_takes_the_new_unit(table):
    changed = table.with_columns(
        {"length": [1.0, 2.0, 3.0], "dist": [0, 0, 0]}, units={"dist": "mm"}
    )
    assert changed.columns == ["length", "class", "run", "dist"]
    assert (changed.unit("length"), changed.unit("dist")) == ("", "mm")
    assert table["length"].tolist() == [28.8, 31.6, 162.1]


def test_meta_travels_with_every_view_and_is_copied(table):
    views = [
        table.take([0]),
        table.select(["run"]),
        table.with_columns({"x": [1, 2, 3]}),
        table.with_meta(),
    ]
    assert all(view.meta == {"path": "events.csv"} for view in views)
    views[0].meta["path"] = "other"
    assert table.meta["path"] == "events.csv"


def test_nulls_of_floats_and_of_integers_become_nan():
    arrow = pa.table({"x": pa.array([1.5, None]), "n": pa.array([7, None], pa.int32())})
    table = FeatureTable(arrow)
    assert np.isnan(table["x"]).tolist() == np.isnan(table["n"]).tolist() == [False, True]


def test_big_endian_columns_of_fits_are_taken_as_they_are_meant():
    values = np.array([1.5, -2.0, np.nan], dtype=">f4")
    column = FeatureTable.from_columns({"x": values})["x"]
    assert column.dtype == np.float32
    np.testing.assert_array_equal(column, [1.5, -2.0, np.nan])


def test_columns_of_unequal_length_are_no_table(table):
    with pytest.raises(pa.ArrowInvalid):
        FeatureTable.from_columns({"a": [1, 2], "b": [1]})
    with pytest.raises(pa.ArrowInvalid):
        table.with_columns({"x": [1]})


def test_a_matrix_has_the_columns_in_the_order_asked(table):
    matrix = table.matrix(["run", "length"], dtype=np.float32)
    assert (matrix.shape, matrix.dtype, matrix.flags.c_contiguous) == ((3, 2), np.float32, True)
    assert matrix[:, 0].tolist() == [1, 2, 3]


@given(
    hnp.arrays(np.float64, st.integers(0, 20), elements=st.floats(width=64)),
    st.randoms(use_true_random=False),
)
def test_a_mask_and_the_rows_it_means_choose_the_same(values, random):
    mask = np.array([random.random() < 0.5 for _ in values], dtype=bool)
    table = FeatureTable.from_columns({"x": values})
    by_mask, by_number = table.take(mask)["x"], table.take(np.flatnonzero(mask))["x"]
    np.testing.assert_array_equal(by_mask, values[mask])
    np.testing.assert_array_equal(by_number, values[mask])


def test_an_empty_table_has_columns_and_no_rows(table):
    empty = table.take(np.zeros(3, dtype=bool))
    assert (len(empty), empty.columns) == (0, table.columns)
    assert empty.matrix(["length", "run"]).shape == (0, 2)
    assert repr(empty) == "<FeatureTable 0 rows x 3 columns>"
