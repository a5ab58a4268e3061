"""Columns in another case of letters are those that are meant, unless two could be."""

from skysift.data.column_names import in_our_case
from skysift.data.table import FeatureTable

NAMES = ("file", "x", "y")


def renamed(*columns):
    table = FeatureTable.from_columns(
        {name: [1.0] for name in columns}, units=dict.fromkeys(columns, "pix")
    )
    return in_our_case(table.with_meta(path="a.csv"), NAMES)


def test_known_columns_are_found_in_any_case():
    found = renamed("File", "X", "Y", "Weight")
    assert found.columns == ["file", "x", "y", "Weight"]
    assert found.unit("x") == "pix"
    assert found.meta == {"path": "a.csv"}


def test_a_table_in_our_case_is_left_alone():
    assert renamed("x", "X", "file").columns == ["x", "X", "file"]


def test_of_two_candidates_none_is_taken():
    assert renamed("FILE", "File", "x").columns == ["FILE", "File", "x"]
