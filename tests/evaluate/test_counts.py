"""Li & Ma significance: peers, exact limits, and properties."""

import numpy as np
import pytest
from astropy import units as u
from hypothesis import assume, given
from hypothesis import strategies as st

from skysift.core.errors import InputError, UsageError
from skysift.evaluate.counts import (
    asimov_significance,
    detection_probability,
    expected_significance,
    li_ma_significance,
    livetime_for_significance,
    significance_eq5,
    significance_eq9,
)

counts = st.integers(0, 10**6)
alphas = st.floats(0.01, 10)

# n_on, n_off, alpha, WStatCountsStatistic(n_on, n_off, alpha).sqrt_ts of gammapy 2.1.
GAMMAPY = [
    (13, 11, 0.5, 2.09283236849328),
    (5, 9, 0.5, 0.18791253229565166),
    (3, 20, 0.5, -2.2357345096774406),
    (18, 97, 0.1, 2.24217044248446),
    (120, 160, 0.5, 3.314701380621544),
    (0, 8, 0.2, -1.707965136852411),
    (7, 0, 0.2, 5.0084561063458235),
    (1, 1, 1, 0.0),
    (10, 50, 0.2, 0.0),
    (10000, 2000, 4.9, 0.8266237095827106),
    (3, 1000, 0.001, 1.6086268637249859),
    (1e6, 5.003e6, 0.2, -0.5476221702518246),
    (4, 100, 0.1, -2.0823744160030104),
]


@pytest.mark.parametrize(("n_on", "n_off", "alpha", "expected"), GAMMAPY)
def test_it_agrees_with_gammapy(n_on, n_off, alpha, expected):
    # gammapy's difference of large statistics is good to about 1e-8 in the last of these.
    assert li_ma_significance(n_on, n_off, alpha) == pytest.approx(expected, rel=1e-6, abs=1e-12)


@given(st.integers(1, 10**5), st.integers(1, 10**5), alphas)
def test_it_is_equation_17_as_printed(n_on, n_off, alpha):
    total = n_on + n_off
    square = 2 * (
        n_on * np.log((1 + alpha) / alpha * n_on / total)
        + n_off * np.log((1 + alpha) * n_off / total)
    )
    assert li_ma_significance(n_on, n_off, alpha) ** 2 == pytest.approx(square, abs=1e-7, rel=1e-9)


def test_it_works_on_whole_maps():
    n_on, n_off, alpha, expected = np.array(GAMMAPY).T
    np.testing.assert_allclose(li_ma_significance(n_on, n_off, alpha), expected, atol=1e-7)
    assert li_ma_significance(np.ones((2, 1)), np.ones(3), 0.5).shape == (2, 3)


@given(counts, counts, alphas)
def test_its_sign_is_that_of_the_excess(n_on, n_off, alpha):
    assert np.sign(li_ma_significance(n_on, n_off, alpha)) == np.sign(n_on - alpha * n_off)


@given(counts, st.integers(1, 1000))
def test_no_excess_has_no_significance(n_off, inverse_alpha):
    assert li_ma_significance(n_off, n_off * inverse_alpha, 1 / inverse_alpha) == pytest.approx(
        0, abs=1e-6
    )


@given(counts, counts, alphas)
def test_it_grows_with_the_counts_in_the_on_region(n_on, n_off, alpha):
    assume(n_off > 0 or n_on > 0)
    here, next_ = li_ma_significance([n_on, n_on + 1], n_off, alpha)
    assert next_ > here


@given(counts, counts, alphas)
def test_it_falls_with_the_counts_in_the_off_region(n_on, n_off, alpha):
    assume(n_on > 0)
    here, next_ = li_ma_significance(n_on, [n_off, n_off + 1], alpha)
    assert next_ < here


@given(counts, counts, alphas)
def test_swapping_on_and_off_changes_the_sign_alone(n_on, n_off, alpha):
    swapped = li_ma_significance(n_off, n_on, 1 / alpha)
    assert li_ma_significance(n_on, n_off, alpha) == pytest.approx(-swapped, rel=1e-6, abs=1e-6)


@given(st.floats(1, 1e4), st.floats(1, 1e4), alphas, st.floats(0.1, 100))
def test_it_grows_as_the_root_of_the_counts(n_on, n_off, alpha, factor):
    one = li_ma_significance(n_on, n_off, alpha)
    assert li_ma_significance(factor * n_on, factor * n_off, alpha) == pytest.approx(
        np.sqrt(factor) * one, rel=1e-9, abs=1e-9
    )


@given(counts, alphas)
def test_empty_regions_have_their_exact_limits(n, alpha):
    assert li_ma_significance(0, n, alpha) == pytest.approx(-np.sqrt(2 * n * np.log1p(alpha)))
    assert li_ma_significance(n, 0, alpha) == pytest.approx(np.sqrt(2 * n * np.log1p(1 / alpha)))
    assert li_ma_significance(0, 0, alpha) == 0.0


def test_a_tiny_excess_among_many_counts_keeps_its_digits():
    # The three formulae agree to first order in excess / counts, here one part in 1e9.
    n_off, alpha = 1e12, 0.5
    n_on = alpha * n_off + 1000
    assert li_ma_significance(n_on, n_off, alpha) == pytest.approx(
        significance_eq9(n_on, n_off, alpha), rel=1e-7
    )


def test_the_simpler_formulae():
    assert significance_eq5(120, 160, 0.5) == pytest.approx(40 / np.sqrt(160))
    assert significance_eq9(120, 160, 0.5) == pytest.approx(40 / np.sqrt(140))
    assert significance_eq5(0, 0, 1) == significance_eq9(0, 0, 1) == 0.0


def test_it_is_standard_normal_without_a_source(rng):
    n_on, n_off = rng.poisson(100, 100_000), rng.poisson(500, 100_000)
    significance = li_ma_significance(n_on, n_off, 0.2)
    assert significance.mean() == pytest.approx(0, abs=0.03)
    assert significance.std() == pytest.approx(1, abs=0.01)


def test_the_expected_significance_is_the_median_of_observations(rng):
    signal, background, alpha = 60.0, 200.0, 0.25
    observed = li_ma_significance(
        rng.poisson(signal + background, 50_000), rng.poisson(background / alpha, 50_000), alpha
    )
    expected = asimov_significance(signal, background, alpha)
    assert expected == pytest.approx(np.median(observed), abs=0.03)
    assert detection_probability(expected, 3.0) == pytest.approx(np.mean(observed > 3), abs=0.02)


def test_rates_may_come_in_any_unit_and_livetime_answers_significance():
    signal, background = 6 / u.min, 3600 / u.h
    hour = expected_significance(signal, background, 1 * u.h, alpha=0.2)
    assert hour == pytest.approx(expected_significance(0.1 / u.s, 1 * u.Hz, 3600 * u.s, 0.2))
    needed = livetime_for_significance(5, signal, background, alpha=0.2)
    assert expected_significance(signal, background, needed, 0.2) == pytest.approx(5)
    assert livetime_for_significance(5, 0 / u.s, background, 0.2) == np.inf * u.s


def test_what_is_no_count_or_rate_is_refused_by_name():
    with pytest.raises(InputError, match="n_off"):
        li_ma_significance(1, -1, 1)
    with pytest.raises(InputError, match="n_on"):
        li_ma_significance(np.nan, 1, 1)
    for alpha in (0, -1, np.inf):
        with pytest.raises(InputError, match="alpha"):
            li_ma_significance(1, 1, alpha)
    with pytest.raises(InputError, match="alpha"):
        asimov_significance(1, 1, 0)
    with pytest.raises(UsageError, match="livetime"):
        expected_significance(1 / u.s, 1 / u.s, 1 * u.m, 1)
    with pytest.raises(UsageError, match="signal_rate"):
        expected_significance(0.1, 1 / u.s, 1 * u.s, 1)
