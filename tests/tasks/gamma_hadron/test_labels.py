"""A label is read with goodwill where it is plain, and rejected where it is not."""

import numpy as np
import pytest

from skysift.core.config import build_config
from skysift.core.errors import ContractError
from skysift.data.columns import ColumnMap
from skysift.data.contract import Checked
from skysift.data.table import FeatureTable
from skysift.tasks.gamma_hadron.labels import Labels, label_rows
from skysift.tasks.gamma_hadron.reader import canonical_map


def read(values, signal=("g",), background=("h",)):
    label = {"column": "class", "signal": signal, "background": background}
    column_map = build_config(ColumnMap, {"columns": {"length": "length"}, "label": label})
    table = FeatureTable.from_columns({"length": np.ones(len(values)), "class": values})
    return label_rows(table, column_map)


def test_the_spelling_of_the_map_is_taken_as_it_is():
    labels = read(["g", "h", "g"])
    assert labels.is_gamma.tolist() == [True, False, True]
    assert not labels.respelt.size
    assert not labels.unknown.size


@pytest.mark.parametrize(
    "spelling", ["gamma", "Gamma", "gama", "GAMMAS", " g ", "G", "gammma", "photon", "signal"]
)
def test_a_plain_misspelling_of_gamma_is_mended(spelling):
    labels = read(["h", spelling])
    assert labels.is_gamma.tolist() == [False, True]
    assert labels.respelt.tolist() == [1]
    assert labels.spellings == (spelling,)


@pytest.mark.parametrize("spelling", ["hadron", "Hadrn", "proton", "H ", "background", "bakground"])
def test_a_plain_misspelling_of_hadron_is_mended(spelling):
    labels = read(["g", spelling])
    assert labels.is_gamma.tolist() == [True, False]
    assert labels.respelt.tolist() == [1]


@pytest.mark.parametrize("spelling", ["x", "", "?", "muon", "gh", "7", "none"])
def test_what_is_neither_is_rejected(spelling):
    labels = read(["g", spelling, "h"])
    assert labels.unknown.tolist() == [1]
    assert not labels.respelt.size


def test_a_missing_label_is_rejected():
    assert read(["g", None, "h"]).unknown.tolist() == [1]


@pytest.mark.parametrize(
    ("values", "unknown"),
    [
        ([1, 0, 1, 2], [3]),
        ([1.0, 0.0, np.nan, 1.0], [2]),
        (np.array([True, False, True]), []),
        (np.array([1, 0, 14], dtype=np.int8), [2]),
    ],
)
def test_numbers_are_read_as_numbers(values, unknown):
    column_map = canonical_map(["length", "label"])
    table = FeatureTable.from_columns({"length": np.ones(len(values)), "label": values})
    labels = label_rows(table, column_map)
    assert labels.unknown.tolist() == unknown
    known = np.setdiff1d(np.arange(len(values)), unknown)
    assert labels.is_gamma[known].tolist() == [value == 1 for value in np.asarray(values)[known]]


def test_the_class_of_a_file_goes_before_its_column():
    label = {"column": "class", "signal": 1, "background": 14, "by_file": True}
    column_map = build_config(ColumnMap, {"columns": {"length": "length"}, "label": label})
    table = FeatureTable.from_columns({"length": [1.0, 2.0], "class": [1, 14]})
    assert label_rows(table, column_map).is_gamma.tolist() == [True, False]
    for file_class, truth in (("signal", True), ("background", False)):
        assert label_rows(table, column_map, file_class=file_class).is_gamma.tolist() == [truth] * 2


def test_a_table_without_any_label_says_so():
    table = FeatureTable.from_columns({"length": [1.0]})
    with pytest.raises(ContractError, match="tells signal from background"):
        label_rows(table, canonical_map(["length"]))


def test_a_table_without_rows_has_labels_without_rows():
    labels = read(np.array([], dtype=str))
    assert labels.is_gamma.dtype == bool
    assert len(labels.is_gamma) == len(labels.respelt) == len(labels.unknown) == 0


def test_parts_of_a_table_keep_their_row_numbers():
    merged = Labels.merge([read(["g", "gama"]), read(["x", "h", "Hadron"])])
    assert merged.is_gamma.tolist() == [True, True, False, False, False]
    assert merged.respelt.tolist() == [1, 4]
    assert merged.unknown.tolist() == [2]
    assert merged.spellings == ("Hadron", "gama", "x")


def test_what_was_found_reaches_the_contract():
    table = FeatureTable.from_columns({"length": np.ones(3)})
    checked = read(["g", "gama", "x"]).apply(Checked(table, np.ones(3, dtype=bool)))
    assert checked.counts == {"accepted": 1, "repaired": 1, "rejected": 1}
    assert checked.flags() == ["", "label-respelt", "label-unknown"]
    assert "'gama'" in checked.findings[0].message
