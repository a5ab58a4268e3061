"""Intervals of proportions and means, and Holm's correction, against peers and their coverage."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest, ttest_rel

from skysift.core.errors import InputError, UsageError
from skysift.evaluate.intervals import (
    Interval,
    holm,
    mcnemar,
    mean_interval,
    ratio_limits,
    wilson_interval,
    wilson_limits,
)


@given(st.integers(0, 200), st.integers(1, 200), st.sampled_from([0.68, 0.95, 0.99]))
def test_wilson_agrees_with_scipy(good, n, confidence):
    good = min(good, n)
    ours = wilson_interval(good, n, confidence=confidence)
    theirs = binomtest(good, n).proportion_ci(confidence, method="wilson")
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


@given(st.integers(1, 10**7), st.floats(0, 1))
def test_wilson_holds_its_value_and_stays_within_the_unit_interval(n, rate):
    found = wilson_interval(rate * n, n)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.low < found.high


def test_wilson_of_no_trials_knows_nothing():
    found = wilson_interval(0, 0)
    assert np.isnan(found.value)
    assert (found.low, found.high) == (0.0, 1.0)


def test_wilson_covers_on_average_what_it_claims():
    n, rates = 50, np.linspace(0.01, 0.99, 99)
    low, high = wilson_limits(np.arange(n + 1), n)
    inside = (low <= rates[:, None]) & (rates[:, None] <= high)
    coverage = np.sum(inside * binom.pmf(np.arange(n + 1), n, rates[:, None]), axis=1)
    assert coverage.mean() == pytest.approx(0.95, abs=0.01)


@pytest.mark.parametrize(("good", "n"), [(-1, 10), (11, 10), (np.nan, 10)])
def test_impossible_counts_are_refused(good, n):
    with pytest.raises(InputError):
        wilson_limits(good, n)


def test_the_mean_of_paired_differences_has_the_error_of_the_t_test(rng):
    first, second = rng.normal(size=(2, 500)) + np.array([[0.1], [0.0]])
    found = mean_interval(first - second)
    z = found.value / ((found.high - found.value) / 1.959964)
    assert z == pytest.approx(ttest_rel(first, second).statistic, rel=1e-6)


def test_strata_take_out_the_spread_between_classes(rng):
    y = np.arange(1000) < 500
    values = rng.normal(size=1000) + 10.0 * y
    within, across = mean_interval(values, strata=y), mean_interval(values)
    assert within.value == pytest.approx(across.value)
    assert (within.high - within.low) < 0.3 * (across.high - across.low)


def test_groups_of_copies_count_once(rng):
    values = rng.normal(size=200)
    single = mean_interval(values)
    copies = mean_interval(np.repeat(values, 5), groups=np.repeat(np.arange(200), 5))
    assert (copies.low, copies.high) == pytest.approx((single.low, single.high))


def test_equal_weights_change_nothing_and_zero_weights_remove_rows(rng):
    values = rng.normal(size=100)
    plain = mean_interval(values)
    scaled = mean_interval(values, sample_weight=np.full(100, 7.0))
    assert (scaled.low, scaled.high) == pytest.approx((plain.low, plain.high))
    padded = mean_interval(
        np.append(values, np.full(1000, 99.0)), sample_weight=np.repeat([1.0, 0.0], [100, 1000])
    )
    assert padded.value == pytest.approx(plain.value)


def test_one_group_has_no_spread():
    with pytest.raises(InputError, match="group"):
        mean_interval([1.0, 2.0], groups=[3, 3])


def test_the_limits_of_a_ratio_cover_it(rng):
    above, below, n, repeats = 0.6, 0.05, 200, 2000
    hits = 0
    for good, bad in rng.binomial(n, [above, below], size=(repeats, 2)):
        low, high = ratio_limits(wilson_interval(good, n), wilson_interval(bad, n))
        hits += low <= above / below <= high
    # Three binomial standard deviations of 2000 trials.
    assert hits / repeats == pytest.approx(0.95, abs=0.015)


def test_a_denominator_that_may_be_zero_has_no_upper_limit():
    low, high = ratio_limits(wilson_interval(60, 100), wilson_interval(0, 100))
    assert low > 0
    assert high == np.inf


def test_mcnemar_is_the_binomial_test_of_the_disagreements():
    first = np.repeat([1, 1, 0, 0], [50, 15, 5, 30])
    second = np.repeat([1, 0, 1, 0], [50, 15, 5, 30])
    found = mcnemar(first, second)
    assert (found.only_first, found.only_second) == (15, 5)
    assert found.p_value == pytest.approx(2 * binom.cdf(5, 20, 0.5))
    assert mcnemar(first, first).p_value == 1.0
    with pytest.raises(InputError):
        mcnemar(first, second[:-1])


def test_holm_on_a_worked_example():
    # 0.005 * 4, 0.01 * 3, 0.03 * 2, then 0.04 * 1 raised to its predecessor.
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_only_raises_keeps_the_order_and_is_at_most_bonferroni(p_values):
    given_p = np.array(p_values)
    corrected = holm(given_p)
    assert np.all(corrected >= given_p)
    assert np.all(corrected <= np.minimum(1, len(given_p) * given_p) + 1e-15)
    assert np.all(np.diff(corrected[np.argsort(given_p, kind="stable")]) >= 0)


def test_holm_refuses_what_is_no_p_value():
    with pytest.raises(UsageError):
        holm([0.5, 1.5])


def test_an_interval_becomes_a_metric_with_its_confidence_and_method():
    metric = Interval(0.5, 0.4, 0.6, 0.9, "Wilson").metric("accuracy", n=10, split="test")
    assert str(metric) == "accuracy = 0.5000 [0.4000, 0.6000]"
    assert (metric.confidence, metric.method, metric.n) == (0.9, "Wilson", 10)


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95, np.nan])
def test_a_confidence_is_a_fraction(confidence):
    with pytest.raises(UsageError, match="confidence"):
        wilson_interval(1, 2, confidence=confidence)
