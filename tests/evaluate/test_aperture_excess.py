"""Limits of an excess: known answers, gammapy, and coverage."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from skysift.core.errors import InputError
from skysift.evaluate.aperture import OnOff, excess_interval, excess_upper_limit, stack
from skysift.evaluate.counts import li_ma_significance

counts = st.integers(0, 10_000)
alphas = st.floats(0.01, 2)

# n_on, n_off, 1 / alpha and the published significance by the profile likelihood (Li & Ma's eq. 17)
# of Cousins, Linnemann & Tucker (2008), NIM A 595, 480, table 1: gamma-ray and other experiments.
PUBLISHED = [
    (4, 5, 5.0, 1.95),
    (6, 18.78, 14.44, 2.82),
    (9, 17.83, 4.69, 1.99),
    (17, 40.11, 10.56, 4.57),
    (50, 55, 2.0, 3.02),
    (67, 15, 0.5, 3.04),
    (200, 10, 0.1, 2.38),
    (523, 2327, 5.99, 5.95),
    (498426, 493434, 1.0, 5.01),
    (2119449, 23650096, 11.21, 6.40),
]


@pytest.mark.parametrize(("n_on", "n_off", "tau", "published"), PUBLISHED)
def test_the_significance_of_published_measurements(n_on, n_off, tau, published):
    assert OnOff(n_on, n_off, 1 / tau).significance == pytest.approx(published, abs=0.006)


def test_limits_without_background_counts_are_those_of_a_poisson_mean():
    # With n_off = 0 and a small alpha nothing else than n_on ln s - s remains:
    # the limits of -2 ln L rising by one solve s - n + n ln(n / s) = 1/2.
    low, high = excess_interval(10, 0, 1e-6)
    for s in (low, high):
        assert s - 10 + 10 * np.log(10 / s) == pytest.approx(0.5, abs=1e-4)
    assert low < 10 < high


def test_a_large_sample_has_the_limits_of_its_standard_deviation():
    on_off = OnOff(1_000_000, 2_000_000, 0.25)
    interval = on_off.interval()
    assert interval.high - on_off.excess == pytest.approx(on_off.excess_error, rel=2e-3)
    assert on_off.excess - interval.low == pytest.approx(on_off.excess_error, rel=2e-3)


@given(counts, counts, alphas)
def test_the_limits_surround_the_excess_and_stay_physical(n_on, n_off, alpha):
    interval = OnOff(n_on, n_off, alpha).interval()
    assert 0 <= interval.low <= interval.high
    assert interval.low <= max(interval.value, 0) <= interval.high
    low, high = excess_interval(n_on, n_off, alpha, physical=False)
    assert low <= n_on - alpha * n_off + 1e-6
    assert high >= n_on - alpha * n_off - 1e-6


@given(counts, counts, alphas)
def test_the_lower_limit_of_z_sigma_is_zero_exactly_where_the_significance_is_z(n_on, n_off, alpha):
    # -2 ln(lambda) at s = 0 is the square of Li & Ma's eq. 17.
    significance = float(li_ma_significance(n_on, n_off, alpha))
    if significance < 0.1:
        return
    level = float(chi2.cdf(significance**2, 1))
    if level < 1 - 1e-9:
        low, _ = excess_interval(n_on, n_off, alpha, confidence=level, physical=False)
        assert low == pytest.approx(0, abs=1e-3 * (1 + np.sqrt(n_on + n_off)))


@pytest.mark.parametrize("background", [3.0, 30.0])
def test_the_interval_covers_what_it_says(rng, background):
    alpha, source, n = 0.2, 12.0, 20_000
    n_on = rng.poisson(source + background, n)
    n_off = rng.poisson(background / alpha, n)
    low, high = excess_interval(n_on, n_off, alpha)
    assert np.mean((low <= source) & (source <= high)) == pytest.approx(0.683, abs=0.02)
    limit = excess_upper_limit(n_on, n_off, alpha, confidence=0.95)
    assert np.mean(limit > source) == pytest.approx(0.95, abs=0.012)


def test_a_deep_deficit_still_has_an_upper_limit_above_zero():
    low, high = excess_interval(0, 100, 0.2)
    assert low == 0
    assert 0.3 < high < 3
    # The unbounded likelihood puts the whole interval below zero instead.
    assert excess_interval(0, 100, 0.2, physical=False)[1] < 0


def test_it_agrees_with_gammapy():
    stats = pytest.importorskip("gammapy.stats", reason="gammapy is not installed")
    n_on, n_off = np.array([13, 5, 120, 1000, 7]), np.array([11, 9, 160, 4000, 2])
    alpha = np.array([0.5, 0.5, 0.5, 0.2, 0.1])
    peer = stats.WStatCountsStatistic(n_on, n_off, alpha)
    low, high = excess_interval(n_on, n_off, alpha, physical=False)
    excess = n_on - alpha * n_off
    np.testing.assert_allclose(excess - low, peer.compute_errn(), rtol=1e-3)
    np.testing.assert_allclose(high - excess, peer.compute_errp(), rtol=1e-3)
    limit = excess_upper_limit(n_on, n_off, alpha, confidence=0.9772498680518208)
    np.testing.assert_allclose(limit, peer.compute_upper_limit(2), rtol=1e-3)
    ours = [OnOff(*numbers) for numbers in zip(n_on, n_off, alpha, strict=True)]
    np.testing.assert_allclose([o.significance for o in ours], peer.sqrt_ts, rtol=1e-6)
    np.testing.assert_allclose([o.excess_error for o in ours], peer.error, rtol=1e-12)


def test_a_background_known_exactly_is_the_limit_of_many_off_counts():
    stats = pytest.importorskip("gammapy.stats", reason="gammapy is not installed")
    cash = stats.CashCountsStatistic(25, 10.0)
    many = OnOff(25, 1e9, 1e-8)
    assert many.significance == pytest.approx(float(cash.sqrt_ts), rel=1e-4)
    interval = many.interval(physical=False)
    assert interval.high - 15 == pytest.approx(float(cash.compute_errp()), rel=1e-3)
    assert 15 - interval.low == pytest.approx(float(cash.compute_errn()), rel=1e-3)


def test_stacking_adds_counts_and_backgrounds():
    runs = [OnOff(10, 20, 0.5), OnOff(8, 10, 0.1), OnOff(3, 0, 0.2)]
    total = stack(runs)
    assert (total.n_on, total.n_off) == (21, 30)
    assert total.background == pytest.approx(sum(run.background for run in runs))
    assert total.excess == pytest.approx(sum(run.excess for run in runs))
    assert stack([OnOff(1, 0, 0.2), OnOff(2, 0, 0.2)]).alpha == pytest.approx(0.2)
    with pytest.raises(InputError, match="stack"):
        stack([])


def test_what_is_no_measurement_is_refused():
    with pytest.raises(InputError, match="no counts"):
        OnOff(-1, 2, 0.5)
    with pytest.raises(InputError, match="alpha"):
        OnOff(1, 2, 0)
    with pytest.raises(InputError, match="n_off"):
        excess_interval(1, np.nan, 0.5)
    with pytest.raises(InputError, match="alpha"):
        excess_interval(1, 1, -0.5)
    with pytest.raises(InputError, match="upper limit"):
        excess_upper_limit(1, 1, 0.5, confidence=0.4)
