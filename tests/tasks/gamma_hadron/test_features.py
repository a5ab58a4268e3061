"""Features are the formulas that they claim to be, finite, and blind to how a table was made."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from skysift.core.errors import ContractError, UnknownNameError
from skysift.data.table import FeatureTable
from skysift.tasks.gamma_hadron.feature_catalogue import scaling_targets
from skysift.tasks.gamma_hadron.features import (
    FEATURES,
    compute,
    inputs_of,
    round_to_precision,
    select,
)
from skysift.tasks.gamma_hadron.prediction import PredictOptions, predict_table
from skysift.tasks.gamma_hadron.synth import COLUMNS, synthetic_events

ALL = tuple(feature.name for feature in FEATURES)
MAGIC = select(COLUMNS, "source-dependent")
EVENT = {
    "length": 32.0,
    "width": 16.0,
    "log_size": 2.5,
    "concentration_two_pixel": 0.5,
    "concentration_one_pixel": 0.25,
    "asymmetry": 24.0,
    "m3_long": -8.0,
    "m3_trans": -12.0,
    "alpha": 30.0,
    "dist": 200.0,
}
# By hand, with the width that is never zero: 16 + 0.03 x 32 = 16.96.
BY_HAND = {
    "log_length": 1.50515,
    "log_width": 1.22943,
    "log_concentration": -0.30103,
    "log_brightest": 2.19897,
    "elongation": 0.5,
    "eccentricity": 0.866025,
    "log_area": 2.73458,
    "log_density": -0.23458,
    "log_size_per_length": -0.5103,
    "length_for_size": 0.63015,
    "length_per_log_size": 12.8,
    "abs_m3_trans": 12.0,
    "log_m3_trans": -0.40341,  # log10(12 / 32 + 0.02)
    "m3_trans_per_width": 0.707547,
    "asymmetry_per_length": 0.75,
    "m3_long_per_length": -0.25,
    "asymmetry_against_tail": 32.0,
    "profile_angle": -0.321751,  # arctan(-8 / 24)
    "profile_size": 1.0,
    "log_alpha": 1.48144,
    "log_dist": 2.30103,
    "miss": 100.0,
    "miss_per_length": 0.497621,  # log10(100 / 32 + 0.02)
    "along_axis": 173.205,
    "along_axis_per_length": 5.41266,
    "length_per_dist": -0.79588,
    "alpha_for_size": 2.67375,  # 30 x 10^(1.25 - 2.3)
    "dist_per_disp": 333.333,  # 200 / 0.6
    "along_axis_per_disp": 288.675,
    "outer_end": 232.0,
    "inner_end": 168.0,
    "head_from_source": 179.629,  # hypot(149.205, 100)
    "head_beyond_centre": 221.109,
    "tail_from_source": 181.205,
    "aligned_tail": -4.0,  # cos(60 deg) = 1/2
    "aligned_head": 12.0,
    "tail_per_dist": -0.04,
    "head_per_dist": 0.12,
}


def table_of(**changes):
    return FeatureTable.from_columns(
        {name: [value] for name, value in {**EVENT, **changes}.items()}
    )


def values_of(names=MAGIC, **changes):
    return dict(zip(names, compute(table_of(**changes), names)[0].tolist(), strict=True))


@pytest.mark.parametrize("name", BY_HAND)
def test_a_feature_is_its_formula(name):
    assert values_of()[name] == pytest.approx(BY_HAND[name], rel=5e-4, abs=1e-5)


def test_features_have_names_of_their_own_and_say_why():
    assert len(set(ALL)) == len(ALL)
    assert all(feature.formula and feature.reason for feature in FEATURES)


def test_no_feature_sees_the_concentration_of_the_brightest_pixel():
    assert "concentration_one_pixel" not in inputs_of(ALL)
    assert not any("concentration_one_pixel" in feature.requires for feature in FEATURES)


def test_gammaness_does_not_depend_on_the_concentration_of_the_brightest_pixel(sample, tree_model):
    rng = np.random.default_rng(5)
    other = sample.table.with_columns({"concentration_one_pixel": rng.random(len(sample))})
    without = sample.table.select(
        [name for name in sample.table.columns if name != "concentration_one_pixel"]
    )
    first, second, third = (
        predict_table(table, tree_model, PredictOptions())["gammaness"]
        for table in (sample.table, other, without)
    )
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first, third)


@given(st.integers(0, 2**31))
def test_digits_beyond_the_precision_change_no_feature(seed):
    rng = np.random.default_rng(seed)
    plain, _ = synthetic_events(40, rng)
    coarse = plain.with_columns({n: round_to_precision(plain[n]).astype(float) for n in COLUMNS})
    # Less than half of the smallest relative step, 2^-12, away from the rounded values.
    finer = coarse.with_columns(
        {n: coarse[n] * (1 + rng.uniform(-1.2e-4, 1.2e-4, 40)) for n in COLUMNS}
    )
    np.testing.assert_array_equal(compute(coarse, MAGIC), compute(finer, MAGIC))


def test_the_number_of_digits_of_a_hadron_is_not_seen(tree_model):
    """Write hadrons with more digits than gammas, as the MAGIC table does."""
    table, is_gamma = synthetic_events(2000, np.random.default_rng(6))
    digits = {name: np.where(is_gamma, table[name], table[name] + 3e-8) for name in COLUMNS}
    np.testing.assert_array_equal(
        compute(table, tree_model.features),
        compute(table.with_columns(digits), tree_model.features),
    )


@given(hnp.arrays(np.float32, 30, elements=st.floats(2**-100, 2**100, width=32)))
def test_rounding_is_small_and_done_once(values):
    rounded = round_to_precision(values)
    assert np.all(np.abs(rounded / values - 1) <= 2**-12 * (1 + 1e-6))
    np.testing.assert_array_equal(round_to_precision(rounded), rounded)
    mantissa, _ = np.frexp(rounded.astype(float))
    np.testing.assert_array_equal(mantissa * 2**12 % 1, 0)  # 12 significant bits
    np.testing.assert_array_equal(round_to_precision(-values), -rounded)


@given(hnp.arrays(np.float32, 30, elements=st.floats(-1e6, 1e6, width=32)))
def test_rounding_keeps_the_order(values):
    values = np.sort(values)
    assert np.all(np.diff(round_to_precision(values)) >= 0)


def test_rounding_leaves_its_input_alone_and_what_is_no_number_as_it_is():
    values = np.array([np.nan, np.inf, -np.inf, 0.0, 1.23456789], dtype=np.float32)
    before = values.copy()
    np.testing.assert_array_equal(round_to_precision(values)[:4], before[:4])
    np.testing.assert_array_equal(values, before)


def test_any_nan_stays_one():
    every_bit_set = np.array([0xFFFFFFFF, 0x7FFFFFFF, 0x7F800001], dtype=np.uint32)
    assert np.isnan(round_to_precision(every_bit_set.view(np.float32))).all()


def test_the_mirror_image_has_the_same_features():
    table, _ = synthetic_events(300, np.random.default_rng(2))
    mirrored = table.with_columns({"m3_trans": -table["m3_trans"]})
    np.testing.assert_array_equal(compute(table, MAGIC), compute(mirrored, MAGIC))


@pytest.mark.parametrize("factor", [1e-3, 25.4])
def test_combinations_of_shapes_are_free_of_the_unit_of_length(factor):
    lengths = ("length", "width", "asymmetry", "m3_long", "m3_trans", "dist")
    scaled = {name: EVENT[name] * factor for name in lengths}
    before, after = values_of(), values_of(**scaled)
    free = (
        "elongation", "eccentricity", "log_m3_trans", "m3_trans_per_width", "profile_angle",
        "asymmetry_per_length", "m3_long_per_length", "profile_size", "miss_per_length",
        "miss_per_width", "along_axis_per_length", "length_per_dist", "orientation_error",
        "tail_per_dist", "head_per_dist",
    )  # fmt: skip
    for name in free:
        assert after[name] == pytest.approx(before[name], rel=2e-3), name


@pytest.mark.parametrize(
    "changes",
    [
        {"width": 0.0},
        {"length": 0.0, "width": 0.0},
        {"dist": 0.0},
        {"alpha": 0.0, "dist": 0.0, "asymmetry": 0.0, "m3_long": 0.0, "m3_trans": 0.0},
        {"alpha": 90.0},
        {"concentration_two_pixel": 0.0},
        {"concentration_two_pixel": -0.05},
        {"length": 10.0, "width": 10.0},
        {"length": 10.0, "width": 11.0},  # where 1.1 - width / length is zero
        {"log_size": 0.0},
        {"log_size": -3.0},
        dict.fromkeys(EVENT, 0.0),
    ],
    ids=str,
)
def test_features_of_odd_images_are_finite(changes):
    values = values_of(**changes)
    assert all(np.isfinite(list(values.values()))), {
        name: value for name, value in values.items() if not np.isfinite(value)
    }


@given(
    st.fixed_dictionaries(
        {
            "length": st.floats(0, 1e9),
            "width": st.floats(0, 1e9),
            "dist": st.floats(0, 1e9),
            "log_size": st.floats(-30, 30),
            "concentration_two_pixel": st.floats(-0.1, 1.1),
            "asymmetry": st.floats(-1e9, 1e9),
            "m3_long": st.floats(-1e9, 1e9),
            "m3_trans": st.floats(-1e9, 1e9),
            "alpha": st.floats(0, 90),
        }
    )
)
def test_whatever_the_contract_lets_pass_has_finite_features(event):
    assert np.isfinite(list(values_of(**event).values())).all()


def test_source_independent_features_know_neither_alpha_nor_dist():
    names = select(COLUMNS, "source-independent")
    assert {"alpha", "dist"}.isdisjoint(inputs_of(names))
    assert set(names) < set(MAGIC)
    moved = FeatureTable.from_columns({name: [v] for name, v in EVENT.items()}).select(
        [name for name in EVENT if name not in {"alpha", "dist"}]
    )
    np.testing.assert_array_equal(compute(moved, names), compute(table_of(), names))


@given(st.sets(st.sampled_from(sorted({c for f in FEATURES for c in f.requires}))))
def test_what_is_selected_can_be_computed_and_nothing_else(columns):
    names = select(columns, "source-dependent")
    assert set(inputs_of(names)) <= columns
    table = FeatureTable.from_columns({name: [1.0] for name in columns} | {"spare": [1.0]})
    assert compute(table, names).shape == (1, len(names))
    for name in set(ALL) - set(names):
        with pytest.raises(ContractError, match="which the table does not have"):
            compute(table, [name])


def test_a_further_column_stands_for_itself():
    table = table_of(my_time=4.0)
    assert inputs_of(("length", "my_time")) == ("length", "my_time")
    assert compute(table, ("my_time", "length"))[0].tolist() == [4.0, 32.0]
    with pytest.raises(UnknownNameError, match="Did you mean 'my_time'"):
        compute(table, ("my_tim",))


def test_no_target_is_scaled_by_what_measures_the_same():
    targets = scaling_targets(MAGIC)
    assert targets
    for column, context in targets:
        assert context
        assert column not in context
        own = {MAGIC[column].removeprefix("log_")}
        assert own.isdisjoint(MAGIC[other].removeprefix("log_") for other in context)
