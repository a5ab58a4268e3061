"""Errors say what, where and what to do; names that come near are offered."""

import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skysift.core import errors
from skysift.core.errors import (
    BundleError,
    ConfigError,
    ContractError,
    DataUnavailableError,
    MissingExtraError,
    OutputError,
    ReadError,
    SkysiftError,
    UnknownNameError,
)
from skysift.core.suggest import did_you_mean, nearest

NAMES = ["gamma-hadron", "gamma-sky", "flare", "active-region"]


def test_all_errors_of_the_module_are_in_one_tree():
    found = {
        name
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, Exception)
    }
    assert found == set(errors.__all__) - {"nobody_foresaw"}  # which says one, and is none
    assert all(issubclass(getattr(errors, name), SkysiftError) for name in found)
    assert all(name in errors.__doc__ for name in found)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("x"), 2),
        (UnknownNameError("task", "x", []), 2),
        (ReadError("x"), 2),
        (ContractError("x"), 2),
        (DataUnavailableError("x"), 1),
        (BundleError("x"), 1),
        (OutputError("x"), 1),
        (MissingExtraError("x", extra="train"), 1),
    ],
)
def test_what_the_user_can_mend_exits_with_2_and_all_else_with_1(error, code):
    assert error.exit_code == code


def test_the_text_has_file_row_problem_and_remedy_in_this_order():
    error = ContractError("It is odd.", "Mend it.", path="a/b.csv", row=3)
    assert str(error) == "a/b.csv: row 3: It is odd. Mend it."
    assert str(ContractError("It is odd.")) == "It is odd."


def test_the_remedy_of_a_problem_with_several_lines_stands_on_its_own():
    error = DataUnavailableError("None gave it:\n  - one\n  - two", "Try later.", path="x.csv")
    assert str(error).splitlines() == [
        "x.csv: None gave it:",
        "  - one",
        "  - two",
        "Try later.",
    ]
    assert str(DataUnavailableError("None:\n  - one")).splitlines() == ["None:", "  - one"]


def test_row_zero_is_a_row():
    assert "row 0" in str(ContractError("Odd.", row=0))


def test_an_unknown_name_offers_the_nearest_and_lists_all():
    error = UnknownNameError("task", "gamma_hadrn", NAMES)
    assert error.remedy.startswith("Did you mean 'gamma-hadron'?")
    assert "active-region, flare, gamma-hadron, gamma-sky" in error.remedy


def test_an_unknown_name_where_nothing_is_known_has_no_empty_sentence():
    error = UnknownNameError("bundle", "x", [])
    assert "Known" not in str(error)
    assert "Did you" not in str(error)


@given(st.sampled_from(NAMES), st.data())
def test_one_slip_of_the_finger_is_understood(name, data):
    place = data.draw(st.integers(0, len(name) - 1))
    slip = data.draw(st.sampled_from(["drop", "double", "replace"]))
    middle = {"drop": "", "double": name[place] * 2, "replace": "z"}[slip]
    assert nearest(name[:place] + middle + name[place + 1 :], NAMES) == name


@given(st.sampled_from(NAMES))
def test_case_and_underscores_do_not_count(name):
    assert nearest(name.upper().replace("-", "_"), NAMES) == name


def test_nothing_is_offered_where_nothing_comes_near():
    assert nearest("xylophone", NAMES) is None
    assert did_you_mean("xylophone", NAMES) == ""
    assert did_you_mean("flair", NAMES) == "Did you mean 'flare'? "
