"""Quantities with units on the command line and in files."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skysift.core.config import build_config
from skysift.core.errors import ConfigError
from skysift.tasks.gamma_sky.options import PredictOptions, ReadOptions


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.4TeV", 0.4),
        ("400 GeV", 0.4),
        ("4e5MeV", 0.4),
        (" 0.4 ", 0.4),
        ("0.4tev", 0.4),
        (0.4, 0.4),
        (".4TeV", 0.4),
        ("1e-1TeV", 0.1),
    ],
)
def test_energies(text, value):
    assert ReadOptions(emin=text).emin == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "value"), [("100s", 100), ("5min", 300), ("0.5 h", 1800), ("90", 90), (90, 90)]
)
def test_times(text, value):
    assert PredictOptions(window=text).window == value


@given(st.floats(1e-6, 1e6), st.sampled_from(["s", "min", "h"]))
def test_numbers_keep_their_value(number, unit):
    seconds = number * {"s": 1, "min": 60, "h": 3600}[unit]
    assert PredictOptions(window=f"{number!r}{unit}").window == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("key", "text", "said"),
    [
        ("emin", "0.4 parsec", "like 0.4TeV or 400GeV"),
        ("emin", "TeV", "like 0.4TeV"),
        ("emin", "1.2.3TeV", "emin"),
        ("emin", "-0.4TeV", "greater than 0"),
        ("emin", "nan", "like 0.4TeV"),
        ("emax", float("inf"), "finite"),
    ],
)
def test_bad_energies_say_what_is_wanted(key, text, said):
    with pytest.raises(ConfigError, match=said):
        build_config(ReadOptions, {key: text})


@pytest.mark.parametrize("text", ["100 minutes", "", "0s", "-5min", "5mins", float("inf")])
def test_bad_windows_are_refused(text):
    with pytest.raises(ConfigError, match="window"):
        build_config(PredictOptions, {"window": text})


def test_energies_out_of_order_are_refused():
    with pytest.raises(ConfigError, match="not below emax"):
        build_config(ReadOptions, {"emin": "2TeV", "emax": "400GeV"})


def test_methods_that_do_not_exist_name_the_nearest():
    with pytest.raises(ConfigError, match="Did you mean 'matched-filter'"):
        build_config(PredictOptions, {"method": "matched_filtre"})


@pytest.mark.parametrize("method", ["matched-filter", "smoothed-maximum", "cnn-cleaner"])
def test_a_coverage_is_promised_of_the_method_that_it_was_measured_with(method):
    assert build_config(PredictOptions, {"coverage": 0.9}).coverage == 0.9
    with pytest.raises(ConfigError, match="rests on what likelihood-ratio finds"):
        build_config(PredictOptions, {"coverage": 0.9, "method": method})


def test_unknown_options_name_the_nearest():
    with pytest.raises(ConfigError, match="window"):
        build_config(PredictOptions, {"windw": "100s"})
