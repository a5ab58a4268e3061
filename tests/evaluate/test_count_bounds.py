"""Bounds of counts are those of the profile likelihood, and hold what they say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from skysift.core.errors import InputError, UsageError
from skysift.evaluate.count_bounds import count_bounds, count_upper_limit, equal_background

ONE_SIDED = 1.6448536269514722


@pytest.mark.parametrize(
    ("n_on", "behind"), [(3, 0.5), (9, 1.0), (12, 10.0), (100, 50.0), (1, 0.2)]
)
def test_bounds_are_those_of_gammapy(n_on, behind):
    stats = pytest.importorskip("gammapy.stats")
    theirs = stats.CashCountsStatistic(n_on=n_on, mu_bkg=behind)
    low, high = count_bounds(n_on - behind, behind)
    assert low == pytest.approx(max(float(theirs.n_sig - theirs.compute_errn()), 0.0))
    assert high == pytest.approx(float(theirs.n_sig + theirs.compute_errp()))
    limit = float(theirs.compute_upper_limit(ONE_SIDED))
    assert count_upper_limit(n_on - behind, behind) == pytest.approx(limit, rel=1e-6)


def test_no_photons_leave_a_limit():
    low, high = count_bounds(np.array([0.0, -3.0]), np.array([0.0, 3.0]))
    assert_allclose(low, 0.0)
    assert_allclose(high, [0.5, 0.0])
    assert_allclose(count_upper_limit([0.0, -3.0], [0.0, 3.0]), ONE_SIDED**2 / 2)


@given(st.floats(0.0, 300.0), st.floats(0.0, 100.0), st.floats(0.3, 3.0))
def test_bounds_enclose_the_best_value_and_lie_where_the_likelihood_has_risen(n, behind, k):
    low, high = (float(one) for one in count_bounds(n - behind, behind, n_sigma=k))
    assert 0 <= low <= max(n - behind, 0.0) + 1e-6
    assert high >= max(n - behind, 0.0) - 1e-6

    def rise(counts):
        mean = counts + behind
        return 2 * (mean - n - n * np.log(mean / n))

    if n > 0.02:
        if low > 0:
            assert rise(low) == pytest.approx(k**2, rel=1e-4, abs=1e-6)
        if high > 0:
            assert rise(high) == pytest.approx(k**2, rel=1e-4, abs=1e-6)
    assert float(count_upper_limit(n - behind, behind)) > 0


def test_a_limit_covers_what_it_says(rng):
    truth, behind = 4.0, 2.0
    n = rng.poisson(truth + behind, 20000)
    covered = np.mean(count_upper_limit(n - behind, np.full(len(n), behind)) >= truth)
    assert 0.93 < covered < 0.98


def test_many_counts_have_the_bounds_of_their_error():
    behind = equal_background(1e6, 2e3)
    low, high = count_bounds(1e6, behind)
    assert_allclose([low, high], [1e6 - 2e3, 1e6 + 2e3], atol=2.0)
    assert equal_background(5.0, 1.0) == 0.0
    assert equal_background(-2.0, 0.5) == 2.25


def test_what_is_missing_stays_missing():
    assert np.isnan(count_bounds(np.nan, 1.0)).all()
    assert np.isnan(count_upper_limit(np.nan, 1.0))


def test_negative_photons_and_a_confidence_out_of_range_are_refused():
    with pytest.raises(InputError, match="negative"):
        count_bounds(-5.0, 1.0)
    with pytest.raises(UsageError, match="confidence"):
        count_upper_limit(1.0, 1.0, confidence=1.0)
