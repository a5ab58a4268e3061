"""Column maps: canonical names, units, labels, and errors that name the nearest column."""

import numpy as np
import pytest

from skysift.core.config import build_config
from skysift.core.errors import ConfigError, ContractError, UnknownNameError
from skysift.data.columns import (
    CANONICAL_COLUMNS,
    ColumnMap,
    detect_map,
    known_maps,
    load_map,
)
from skysift.data.table import FeatureTable

MAGIC = ["length", "width", "log_size", "concentration_two_pixel", "concentration_one_pixel",
         "asymmetry", "m3_long", "m3_trans", "alpha", "dist"]  # fmt: skip


def column_map(**columns):
    return build_config(ColumnMap, {"columns": columns})


def table_for(name):
    """A table with the first spelling of each column that a shipped map knows."""
    columns = [source.column[0] for source in load_map(name).columns.values()]
    return FeatureTable.from_columns({column: [1.0, 2.0] for column in columns})


@pytest.mark.parametrize("name", known_maps())
def test_every_shipped_map_is_detected_by_its_own_columns(name):
    table = table_for(name)
    assert detect_map(table.columns) == name
    assert set(load_map(name).apply(table).columns) >= set(load_map(name).columns)


def test_the_shipped_maps_are_these():
    assert known_maps() == ["ctapipe-dl1", "fact", "keel-magic", "lstchain-dl1b", "uci-magic"]


@pytest.mark.parametrize("name", ["uci-magic", "keel-magic"])
def test_both_magic_maps_give_the_same_ten_columns(name):
    assert list(load_map(name).columns) == MAGIC


def test_truth_pointing_and_answers_of_lstchain_are_no_features():
    """Its containers: DL1ParametersContainer, and what its DL2 adds."""
    never = [
        "mc_energy", "log_mc_energy", "mc_alt_tel", "mc_type", "src_x", "disp_norm", "alt_tel",
        "az_tel", "tel_pos_x", "dragon_time", "trigger_time", "hadroness", "reco_energy",
        "log_reco_energy", "gammaness",
    ]  # fmt: skip
    assert load_map("lstchain-dl1b").excluded([*never, "length", "wl", "intercept"]) == never


def test_an_unknown_map_names_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'uci-magic'"):
        load_map("uci-majic")


def test_all_other_columns_pass_through_untouched():
    table = FeatureTable.from_columns(
        {"fLength": [1.0], "run": [7], "note": ["x"]}, units={"run": "h"}, meta={"path": "a.csv"}
    )
    mapped = column_map(length="fLength").apply(table)
    assert mapped.columns == ["length", "run", "note"]
    assert mapped.unit("run") == "h"
    assert mapped.meta == {"path": "a.csv"}


@pytest.mark.parametrize(
    ("name", "units", "value", "expected", "unit"),
    [
        ("length", ("", "mm"), 28.8, 28.8, "mm"),
        ("length", ("m", "mm"), 0.0288, 28.8, "mm"),  # what the file says goes before the map
        ("length", ("rad", ""), np.pi / 180, 1.0, "deg"),
        ("length", ("arcmin", ""), 30.0, 0.5, "deg"),
        ("length", ("", ""), 5.0, 5.0, ""),
        ("delta", ("", "rad"), np.pi / 2, 90.0, "deg"),
        ("alpha", ("deg", ""), 12.0, 12.0, "deg"),
    ],
)
def test_units_are_converted_to_the_canonical_ones(name, units, value, expected, unit):
    file_unit, map_unit = units
    table = FeatureTable.from_columns({"x": [value]}, units={"x": file_unit})
    mapped = column_map(**{name: {"column": "x", "unit": map_unit}}).apply(table)
    np.testing.assert_allclose(mapped[name], [expected], rtol=1e-14)
    assert mapped.unit(name) == unit


def test_a_unit_that_cannot_fit_is_refused():
    table = FeatureTable.from_columns({"x": [1.0]}, units={"x": "TeV"})
    with pytest.raises(ContractError, match="unit 'TeV', which does not fit 'length'"):
        column_map(length="x").apply(table)


@pytest.mark.parametrize(
    ("transform", "value", "expected"),
    [
        ("log10", 1000.0, 3.0),
        ("log10", 0.0, -np.inf),
        ("log10", -1.0, np.nan),
        ("abs", -2.0, 2.0),
        ("cbrt", -27.0, -3.0),
        ("exp10", 2.0, 100.0),
        ("deg2rad", 180.0, np.pi),
        ("rad2deg", np.pi, 180.0),
    ],
)
def test_transforms(transform, value, expected):
    table = FeatureTable.from_columns({"x": [value]})
    mapped = column_map(skewness_long={"column": "x", "transform": transform}).apply(table)
    np.testing.assert_allclose(mapped["skewness_long"], [expected])
    assert mapped["x"].tolist() == [value]  # the original stays


def test_the_cube_root_of_a_volume_is_a_length():
    source = {"column": "m3", "unit": "cm3", "transform": "cbrt"}
    mapped = column_map(m3_long=source).apply(FeatureTable.from_columns({"m3": [8.0]}))
    np.testing.assert_allclose(mapped["m3_long"], [20.0])
    assert mapped.unit("m3_long") == "mm"


def test_scale_comes_before_the_transform():
    source = {"column": "size", "scale": 10.0, "transform": "log10"}
    mapped = column_map(log_size=source).apply(FeatureTable.from_columns({"size": [10.0]}))
    assert mapped["log_size"].tolist() == [2.0]


def test_a_missing_column_names_the_nearest():
    table = FeatureTable.from_columns({"flength": [1.0], "fWidth": [1.0]}, meta={"path": "a.csv"})
    with pytest.raises(ContractError, match="Did you mean 'flength'") as caught:
        load_map("uci-magic").apply(table)
    assert str(caught.value.path) == "a.csv"


def test_an_optional_column_may_be_missing():
    mapped = column_map(length="a", alpha={"column": "b", "optional": True}).apply(
        FeatureTable.from_columns({"a": [1.0]})
    )
    assert mapped.columns == ["length"]


def test_a_column_of_text_is_no_image_parameter():
    with pytest.raises(ContractError, match="not numeric"):
        column_map(length="name").apply(FeatureTable.from_columns({"name": ["x"]}))


def test_a_column_that_takes_a_canonical_name_is_not_lost_in_silence():
    table = FeatureTable.from_columns({"a": [1.0], "length": [9.0]})
    with pytest.raises(ContractError, match="columns of its own called length"):
        column_map(length="a").apply(table)


LABELLED = {"columns": {"length": "a"}, "label": {"column": "class", "signal": "g",
                                                  "background": ["h", "e"]}}  # fmt: skip


def test_labels_are_one_for_signal():
    labels = build_config(ColumnMap, LABELLED).labels(
        FeatureTable.from_columns({"class": ["h", "g", "e"]})
    )
    assert labels.tolist() == [0, 1, 0]
    assert labels.dtype == np.int8


def test_a_label_that_is_neither_names_the_row():
    with pytest.raises(ContractError, match="'x', which is neither signal") as caught:
        build_config(ColumnMap, LABELLED).labels(FeatureTable.from_columns({"class": ["g", "x"]}))
    assert caught.value.row == 1


def test_files_of_one_class_are_labelled_by_file():
    columns = load_map("ctapipe-dl1")
    table = FeatureTable.from_columns({"hillas_length": [1.0, 2.0]})
    assert columns.labels(table, file_class="signal").tolist() == [1, 1]
    assert columns.labels(table, file_class="background").tolist() == [0, 0]
    with pytest.raises(ContractError, match="Say for each file"):
        columns.labels(table)


def test_truth_is_excluded_and_features_are_not():
    columns = ["length", "corsika_event_header_total_energy", "theta_deg_off_3", "run_id", "width"]
    assert load_map("fact").excluded(columns) == [
        "corsika_event_header_total_energy", "theta_deg_off_3", "run_id",
    ]  # fmt: skip
    assert load_map("uci-magic").excluded(["fLength", "class"]) == ["class"]


@pytest.mark.parametrize("name", known_maps())
def test_no_map_excludes_a_canonical_column(name):
    assert load_map(name).excluded(CANONICAL_COLUMNS) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[columns]\nlenght = "a"', "Did you mean 'length'"),
        ('[columns]\nlength = { column = "a", unti = "mm" }', "Unknown key 'columns.length.unti'"),
        ('[columns]\nlength = { column = "a", unit = "parsek" }', "not a unit"),
        ('[columns]\nlength = { column = "a", transform = "eval" }', "transform"),
        ('[columns]\nlength = "a"\n[label]\ncolumn = "c"', "signal and background"),
        (
            '[columns]\nlength = "a"\n[label]\ncolumn = "c"\nsignal = 1\nbackground = [1, 2]',
            "share a value",
        ),
        ("[columns", "Not valid TOML"),
    ],
)
def test_a_bad_map_file_says_what_is_wrong(tmp_path, text, said):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=said):
        load_map(path)
