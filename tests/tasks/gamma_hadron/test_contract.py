"""No row is lost: each is accepted, repaired as it should have been, or rejected with a reason."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skysift.core.errors import ContractError
from skysift.data.contract import Verdict
from skysift.data.table import FeatureTable
from skysift.tasks.gamma_hadron.contract import Conventions, check, conventions_of
from skysift.tasks.gamma_hadron.prediction import PredictOptions, predict_table
from skysift.tasks.gamma_hadron.synth import COLUMNS, synthetic_events

NEEDED = tuple(name for name in COLUMNS if name != "concentration_one_pixel")
ODD = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True, width=64),
    st.sampled_from([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e38, 1e300, -1e300, 5e-324, 90.0, 180.0]),
)


def events(n=60, seed=3):
    return synthetic_events(n, np.random.default_rng(seed))[0]


def changed(column, row, value, table=None):
    table = table or events()
    values = np.array(table[column], dtype=float)
    values[row] = value
    return table.with_columns({column: values}, units={column: table.unit(column)})


def codes(checked):
    return {finding.code: finding.rows.tolist() for finding in checked.findings}


def test_a_good_table_is_accepted_as_it_is():
    table = events()
    checked = check(table, NEEDED)
    assert checked.table is table
    assert checked.counts == {"accepted": 60, "repaired": 0, "rejected": 0}


@pytest.mark.parametrize("column", NEEDED)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_rejected_with_the_name_of_its_column(column, value):
    checked = check(changed(column, 7, value), NEEDED)
    assert codes(checked) == {f"not-finite-{column}": [7]}
    assert checked.usable.sum() == 59


@pytest.mark.parametrize("column", ["length", "width", "dist"])
def test_negative_extents_are_rejected_and_zero_is_not(column):
    assert codes(check(changed(column, 7, -1e-9), NEEDED)) == {f"negative-{column}": [7]}
    assert check(changed(column, 7, 0.0), NEEDED).counts["accepted"] == 60


@pytest.mark.parametrize(
    ("value", "accepted"), [(-0.09, True), (1.09, True), (-0.2, False), (1.2, False)]
)
def test_a_share_of_light_may_leave_its_range_by_the_noise_only(value, accepted):
    checked = check(changed("concentration_two_pixel", 7, value), NEEDED)
    assert (checked.counts["accepted"] == 60) == accepted
    assert accepted or codes(checked) == {"out-of-range-concentration_two_pixel": [7]}


@pytest.mark.parametrize(
    ("column", "value"), [("length", 1e300), ("m3_long", -1e12), ("log_size", 300.0)]
)
def test_a_value_that_no_image_can_have_is_rejected(column, value):
    assert codes(check(changed(column, 7, value), NEEDED)) == {f"out-of-range-{column}": [7]}


def test_a_column_that_the_model_does_not_need_may_hold_anything():
    table = changed("concentration_one_pixel", 7, np.nan)
    assert check(table, NEEDED).counts["accepted"] == 60


def test_a_missing_column_is_answered_with_the_nearest():
    table = events().with_columns({"widht": np.ones(60)})
    table = table.select([name for name in table.columns if name != "width"])
    with pytest.raises(ContractError, match="Did you mean 'widht'"):
        check(table, NEEDED)


@pytest.mark.parametrize(
    ("alpha", "folded"),
    [(-30.0, 30.0), (120.0, 60.0), (180.0, 0.0), (-180.0, 0.0), (270.0, 90.0), (359.0, 1.0)],
)
def test_alpha_is_folded_to_a_right_angle(alpha, folded):
    checked = check(changed("alpha", 7, alpha), NEEDED)
    assert checked.table["alpha"][7] == pytest.approx(folded)
    assert codes(checked) == {"alpha-was-folded": [7]}
    assert checked.counts == {"accepted": 59, "repaired": 1, "rejected": 0}
    assert checked.table.unit("alpha") == "deg"


@given(st.floats(-1e6, 1e6))
def test_folding_is_the_angle_between_two_lines(alpha):
    table = FeatureTable.from_columns({"alpha": [alpha, 89.0]})
    folded = check(table, ("alpha",), Conventions()).table["alpha"][0]
    assert 0 <= folded <= 90
    assert abs(np.cos(np.radians(alpha))) == pytest.approx(np.cos(np.radians(folded)), abs=1e-8)


def test_alpha_in_radians_is_repaired():
    table = events()
    radians = table.with_columns({"alpha": np.radians(table["alpha"])})
    checked = check(radians, NEEDED)
    np.testing.assert_allclose(checked.table["alpha"], table["alpha"], atol=1e-12)
    assert checked.counts == {"accepted": 0, "repaired": 60, "rejected": 0}
    assert set(checked.flags()) == {"alpha-was-in-radians"}


def test_linear_size_is_repaired_and_rejected_where_it_is_not_positive():
    table = events()
    size = 10.0 ** table["log_size"]
    size[[3, 4]] = [0.0, -5.0]
    checked = check(table.with_columns({"log_size": size}), NEEDED)
    good = np.setdiff1d(np.arange(60), [3, 4])
    np.testing.assert_allclose(checked.table["log_size"][good], table["log_size"][good])
    assert codes(checked)["size-not-positive"] == [3, 4]
    assert checked.counts == {"accepted": 0, "repaired": 58, "rejected": 2}


def test_conventions_are_of_the_file_not_of_the_batch():
    """A batch of small angles in a file of degrees stays in degrees."""
    table = events(400)
    conventions = conventions_of(table)
    small = table.take(table["alpha"] < 1.5)
    assert conventions == Conventions()
    assert check(small, NEEDED, conventions).counts["repaired"] == 0


def test_few_rows_or_a_stated_unit_decide_nothing_about_radians():
    table = events()
    radians = table.with_columns({"alpha": np.radians(table["alpha"])})
    assert conventions_of(radians).alpha_in_radians
    assert not conventions_of(radians.take(np.arange(20))).alpha_in_radians
    assert not conventions_of(radians, {"alpha"}).alpha_in_radians
    assert not conventions_of(table.with_columns({"alpha": np.zeros(60)})).alpha_in_radians


def test_a_row_far_from_the_training_data_is_kept_and_flagged():
    checked = check(changed("length", 7, 900.0), NEEDED, training_range={"length": (0.0, 300.0)})
    assert codes(checked) == {"outside-training-range": [7]}
    assert checked.findings[0].verdict is Verdict.NOTED
    assert checked.counts["accepted"] == 60


def test_a_rejected_row_is_not_also_called_far_away():
    table = changed("length", 7, np.inf)
    assert codes(check(table, NEEDED, training_range={"length": (0.0, 300.0)})) == {
        "not-finite-length": [7]
    }


@pytest.mark.parametrize("factor", [0.003, 1e-3, 1e3], ids=["deg", "m", "um"])
def test_a_table_in_other_units_is_refused_with_what_was_seen(factor):
    table = events()
    other = table.with_columns({"length": table["length"] * factor}).with_meta(path="lst.h5")
    with pytest.raises(ContractError, match=r"Most rows have 'length' outside.*median") as caught:
        check(other, NEEDED, training_range={"length": (10.0, 300.0)})
    assert str(caught.value.path) == "lst.h5"
    assert "column map" in caught.value.remedy


def test_an_empty_table_is_accepted():
    checked = check(
        events().take(np.zeros(60, bool)), NEEDED, training_range={"length": (0.0, 1.0)}
    )
    assert checked.counts == {"accepted": 0, "repaired": 0, "rejected": 0}


@settings(max_examples=40)
@given(
    cells=st.lists(
        st.tuples(st.sampled_from(COLUMNS), st.integers(0, 19), ODD), min_size=1, max_size=12
    )
)
def test_whatever_a_table_holds_no_row_is_lost(cells, small_model, tree_model):
    table = events(20)
    for column, row, value in cells:
        table = changed(column, row, value, table)
    touched = {row for _, row, _ in cells}
    for model in (small_model, tree_model):
        answer = predict_table(table, model, PredictOptions(), Conventions())
        assert len(answer) == 20
        gammaness, error = answer["gammaness"], answer["gammaness_err"]
        rejected = np.isnan(gammaness)
        np.testing.assert_array_equal(rejected, np.isnan(error))
        assert np.all((gammaness[~rejected] >= 0) & (gammaness[~rejected] <= 1))
        assert all(answer["flags"][rejected])
        undisturbed = predict_table(events(20), model, PredictOptions(), Conventions())
        for row in set(range(20)) - touched:
            assert gammaness[row] == pytest.approx(undisturbed["gammaness"][row], abs=1e-5)
            assert answer["flags"][row] == ""


def test_repaired_rows_have_the_gammaness_of_the_correct_table(small_model):
    table = events(200)
    correct = predict_table(table, small_model, PredictOptions())["gammaness"]
    spoilt = table.with_columns(
        {
            "alpha": np.where(np.arange(200) % 2, -1, 1) * np.radians(table["alpha"]),
            "log_size": 10.0 ** table["log_size"],
        }
    )
    answer = predict_table(spoilt, small_model, PredictOptions())
    np.testing.assert_allclose(answer["gammaness"], correct, atol=1e-3)
    assert np.mean(answer["gammaness"] == correct) > 0.95  # all but for a last bit
    assert all(
        "alpha-was-in-radians" in flag and "size-was-linear" in flag for flag in answer["flags"]
    )


def test_a_table_of_rejected_rows_only_is_answered(small_model):
    table = events(5).with_columns({"width": np.full(5, np.nan)})
    answer = predict_table(table, small_model, PredictOptions())
    assert np.isnan(answer["gammaness"]).all()
    assert set(answer["flags"]) == {"not-finite-width"}


def test_an_empty_table_is_answered_with_the_same_columns(small_model):
    table = events(5)
    full = predict_table(table, small_model, PredictOptions())
    empty = predict_table(table.take(np.zeros(5, bool)), small_model, PredictOptions())
    assert len(empty) == 0
    assert empty.arrow.schema == full.arrow.schema
