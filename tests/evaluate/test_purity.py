"""Probability and purity where signal is rare."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from skysift.core.errors import InputError, UsageError
from skysift.evaluate.intervals import wilson_interval
from skysift.evaluate.purity import estimate_prior, expected_purity, prior_shift

priors = st.floats(1e-6, 1 - 1e-6)
# Beyond these a probability comes so near to 1 that its digits do not lead back.
moderate_priors = st.floats(1e-3, 1 - 1e-3)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), moderate_priors, moderate_priors)
def test_shifting_there_and_back_is_no_shift(p, prior, new_prior):
    there = prior_shift(p, prior=prior, new_prior=new_prior)
    back = prior_shift(there, prior=new_prior, new_prior=prior)
    np.testing.assert_allclose(back, p, rtol=1e-6, atol=1e-9)


@given(st.floats(0.001, 0.999), priors, priors)
def test_the_shift_is_bayes_rule(p, prior, new_prior):
    signal, background = p * new_prior / prior, (1 - p) * (1 - new_prior) / (1 - prior)
    found = prior_shift([p], prior=prior, new_prior=new_prior)[0]
    assert found == pytest.approx(signal / (signal + background), rel=1e-9)


def test_a_shifted_probability_is_calibrated_among_the_shifted_events(rng):
    y = rng.random(400_000) < 0.02
    x = rng.normal(size=y.size) + 2 * y
    among_equals = norm.pdf(x - 2) / (norm.pdf(x) + norm.pdf(x - 2))
    p = prior_shift(among_equals, prior=0.5, new_prior=0.02)
    for low, high in ((0.0, 0.01), (0.05, 0.2), (0.2, 0.6)):
        inside = (p >= low) & (p < high)
        found = wilson_interval(int(y[inside].sum()), int(inside.sum()), confidence=0.999)
        assert p[inside].mean() in found


@pytest.mark.parametrize("truth", [0.02, 0.3, 0.9])
def test_the_prior_of_unlabelled_events_is_found(rng, truth):
    x = rng.normal(size=200_000)
    x += 2 * (rng.random(x.size) < truth)
    p = norm.pdf(x - 2) / (norm.pdf(x) + norm.pdf(x - 2))
    assert estimate_prior(p, prior=0.5) == pytest.approx(truth, abs=0.005)


def test_a_prior_that_does_not_settle_is_an_error():
    with pytest.raises(UsageError, match="settled"):
        estimate_prior([0.4, 0.7], prior=0.5, max_iterations=1)


@pytest.mark.parametrize("prior", [0.0, 1.0, -1.0, np.nan])
def test_a_prior_is_a_fraction(prior):
    with pytest.raises(UsageError, match="prior"):
        prior_shift([0.5], prior=0.5, new_prior=prior)
    with pytest.raises(InputError):
        prior_shift([1.5], prior=0.5, new_prior=0.1)


def test_one_gamma_among_a_thousand_hadrons():
    found = expected_purity(wilson_interval(600, 1000), wilson_interval(10, 1000), 1 / 1000)
    assert found.value == pytest.approx(0.0006 / 0.0106)


@pytest.mark.parametrize(("efficiency", "acceptance"), [(0.6, 0.01), (0.3, 0.05)])
def test_the_interval_of_the_purity_covers(rng, efficiency, acceptance):
    truth = efficiency * 1e-3 / (efficiency * 1e-3 + acceptance)
    n, repeats = 600, 1500
    hits = sum(
        truth in expected_purity(wilson_interval(a, n), wilson_interval(b, n), 1e-3)
        for a, b in rng.binomial(n, [efficiency, acceptance], size=(repeats, 2))
    )
    assert hits / repeats == pytest.approx(0.95, abs=0.02)


def test_no_background_seen_is_not_certain_purity():
    found = expected_purity(wilson_interval(600, 1000), wilson_interval(0, 1000), 1 / 1000)
    assert found.value == found.high == 1.0
    assert 0.05 < found.low < 0.3


def test_nothing_kept_has_no_purity():
    found = expected_purity(wilson_interval(0, 1000), wilson_interval(0, 1000), 1.0)
    assert np.isnan(found.value)
    assert (found.low, found.high) == (0.0, 1.0)


def test_impossible_requests_are_refused():
    e, a = wilson_interval(6, 10), wilson_interval(1, 10)
    with pytest.raises(UsageError, match="positive"):
        expected_purity(e, a, 0.0)
    with pytest.raises(UsageError, match="confidence"):
        expected_purity(e, wilson_interval(1, 10, confidence=0.9), 1.0)
