"""Cells read well, sort by number, and the best one stands out."""

import math

import numpy as np
import pytest

from skysift.core.errors import InputError
from skysift.core.results import Metric
from skysift.data.table import FeatureTable
from skysift.report.tables import Column, build_table

ROWS = [
    {"model": "kNN", "auc": Metric("auc", 0.9, 0.88, 0.92), "fit": 0.5},
    {"model": "trees", "auc": Metric("auc", 0.95, 0.94, 0.96), "fit": 12.0},
    {"model": "cuts", "auc": Metric("auc", 0.8), "fit": None},
]


def column(table, j):
    return [row[j] for row in table.rows]


def test_values_and_intervals_are_formatted_alike():
    table = build_table(ROWS, [Column("auc", "AUC", format=".3f")])
    assert [cell.text for cell in column(table, 0)] == ["0.900", "0.950", "0.800"]
    assert [cell.interval for cell in column(table, 0)] == ["0.880 to 0.920", "0.940 to 0.960", ""]


def test_numbers_sort_as_numbers_and_absent_values_have_no_key():
    table = build_table(ROWS)
    assert [cell.sort for cell in column(table, 1)] == [0.9, 0.95, 0.8]
    assert [cell.sort for cell in column(table, 2)] == [0.5, 12.0, ""]
    assert column(table, 2)[2].text == "\N{EN DASH}"


def test_numbers_stand_right_and_text_left():
    assert build_table(ROWS).alignments == ("left", "right", "right")
    assert build_table(ROWS, [Column("fit", align="left")]).alignments == ("left",)


@pytest.mark.parametrize(("best", "winner"), [("max", 1), ("min", 0)])
def test_the_best_value_is_marked(best, winner):
    table = build_table(ROWS, [Column("fit", best=best)])
    assert [cell.is_best for cell in column(table, 0)] == [i == winner for i in range(3)]


def test_equal_values_are_best_together_and_nan_never_is():
    rows = [{"x": 1.0}, {"x": 1.0}, {"x": math.nan}]
    cells = column(build_table(rows, [Column("x", best="max")]), 0)
    assert [cell.is_best for cell in cells] == [True, True, False]
    assert [cell.text for cell in cells] == ["1.0", "1.0", "\N{EN DASH}"]
    assert cells[2].sort == ""


def test_bars_span_the_scale_of_their_column():
    cells = column(build_table(ROWS, [Column("auc", bar=True)]), 0)
    assert cells[0].bar == pytest.approx((50.0, 62.5, 75.0))
    assert cells[1].bar[2] == 100.0
    assert cells[2].bar is None


def test_negative_numbers_carry_a_true_minus_sign():
    (cell,) = column(build_table([{"x": np.float64(-1.5)}], [Column("x", format=".1f")]), 0)
    assert cell.text == "\N{MINUS SIGN}1.5"
    assert cell.sort == -1.5


def test_truth_values_are_words():
    (cell,) = column(build_table([{"x": True}]), 0)
    assert cell.text == "True"


def test_a_feature_table_brings_its_units():
    features = FeatureTable.from_columns({"length": [28.8], "n": [3]}, units={"length": "mm"})
    table = build_table(features)
    assert table.headings == ("length", "n")
    assert table.units == ("mm", "")
    assert column(table, 0)[0].sort == 28.8


def test_an_unknown_column_names_the_nearest():
    with pytest.raises(InputError, match="Did you mean 'model'"):
        build_table(ROWS, [Column("modle")])


def test_a_table_of_nothing_is_refused_but_headings_alone_are_fine():
    with pytest.raises(InputError, match="neither rows nor columns"):
        build_table([])
    empty = build_table([], [Column("model")])
    assert empty.headings == ("model",)
    assert empty.rows == ()
