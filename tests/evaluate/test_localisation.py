"""Bounds, quantiles and containment against cases with a known answer."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, poisson

from skysift.core.errors import InputError
from skysift.evaluate.localisation import (
    cramer_rao_bound,
    detection_efficiency,
    ellipse_containment,
    error_quantile,
    mahalanobis_squared,
    poisson_interval,
    quantile_of_bounds,
    summarise_pulls,
    threshold_for,
)
from skysift.evaluate.modality import unimodality_test
from skysift.preprocess.folding import PointSourceModel

SIGMA = 0.05
RADII = np.arange(0.0, 0.6, 0.001)


def gaussian_source(rates=(2.0,), sigmas=(SIGMA,)):
    density = [np.exp(-(RADII**2) / (2 * s**2)) / (2 * np.pi * s**2) for s in sigmas]
    edges = np.geomspace(0.1, 1.0, len(rates) + 1)
    two = np.repeat(np.array(density)[None], 2, axis=0)
    return PointSourceModel(edges, np.array([0.0, 3.0]), RADII, np.array([rates, rates]), two)


def test_without_background_the_bound_is_that_of_a_mean():
    bound = cramer_rao_bound(gaussian_source(), 1.0, 50.0, [0.0])
    assert bound == pytest.approx(SIGMA / np.sqrt(100), rel=1e-3)


def test_bands_without_background_add_their_information():
    source = gaussian_source(rates=(2.0, 1.0), sigmas=(0.05, 0.1))
    bound = cramer_rao_bound(source, 0.0, 50.0, [0.0, 0.0])
    assert bound == pytest.approx((100 / 0.05**2 + 50 / 0.1**2) ** -0.5, rel=1e-3)


def test_a_faint_source_on_background_follows_the_limit_of_small_signals():
    # Signal s p << b: I = s^2 pi int p'^2 r dr / b = s^2 / (8 pi sigma^4 b)
    counts, level = 1e-3, 1e4
    bound = cramer_rao_bound(gaussian_source(rates=(1.0,)), 0.0, counts, [level])
    assert bound == pytest.approx(np.sqrt(8 * np.pi * level) * SIGMA**2 / counts, rel=1e-3)


@given(st.floats(0.0, 1e4), st.floats(1.1, 10.0))
def test_more_background_or_less_source_never_helps(level, factor):
    source = gaussian_source()
    bound = cramer_rao_bound(source, 0.5, 50.0, [level])
    assert cramer_rao_bound(source, 0.5, 50.0, [level * factor + 1]) > bound
    assert cramer_rao_bound(source, 0.5, 50.0 / factor, [level]) > bound


def test_a_maximum_likelihood_position_reaches_the_bound(rng):
    counts, n = 200, 3000
    means = rng.normal(0, SIGMA, (n, counts, 2)).mean(axis=1)
    bound = cramer_rao_bound(gaussian_source(rates=(1.0,)), 0.0, float(counts), [0.0])
    error = error_quantile(np.hypot(*means.T), 0.68)
    assert quantile_of_bounds(np.full(n, bound), 0.68) in error


def test_bands_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="do not fit 1 bands"):
        cramer_rao_bound(gaussian_source(), 0.0, 1.0, [1.0, 2.0])


def test_the_quantile_of_many_bounds_is_that_of_their_mixture(rng):
    sigma = rng.uniform(0.01, 0.05, 400)
    errors = np.hypot(*(rng.normal(0, sigma, (2000, 400)) for _ in range(2))).ravel()
    expected = np.quantile(errors, 0.68)
    assert quantile_of_bounds(sigma, 0.68) == pytest.approx(expected, rel=0.01)


def test_the_interval_of_a_quantile_covers_as_often_as_it_says(rng):
    true = np.sqrt(-2 * np.log(1 - 0.68))
    draws = rng.rayleigh(1.0, (600, 80))
    covered = sum(true in error_quantile(row, 0.68) for row in draws)
    # order statistics cover at least 95 %, and not much more
    assert binom.cdf(covered, 600, 0.95) > 1e-4
    assert covered < 600


def test_no_errors_have_no_quantile():
    assert np.isnan(error_quantile([], 0.68).value)


def test_true_ellipses_contain_what_they_state_and_small_ones_less(rng):
    covariance = np.array([[4e-4, 1e-4], [1e-4, 1e-4]])
    away = rng.multivariate_normal([0, 0], covariance, 4000)
    squared = mahalanobis_squared(away, np.broadcast_to(covariance, (4000, 2, 2)))
    for stated in (0.68, 0.95):
        share, n = ellipse_containment(squared, stated)
        assert n == 4000
        assert abs(share.value - stated) < 4 * np.sqrt(stated * (1 - stated) / 4000)
    half, _ = ellipse_containment(4 * squared, 0.68)
    assert half.high < 0.5


def test_an_ellipse_that_is_unknown_or_impossible_is_left_out():
    covariance = [np.full((2, 2), np.nan), -np.eye(2), np.eye(2)]
    squared = mahalanobis_squared([(1.0, 0.0)] * 3, covariance)
    assert np.isnan(squared[:2]).all()
    assert squared[2] == 1
    assert ellipse_containment(squared, 0.68)[1] == 1


def test_the_threshold_lets_the_stated_share_of_empty_fields_pass(rng):
    threshold = threshold_for(rng.normal(0, 1, 5000), 0.01)
    assert 2.326 in threshold
    assert np.mean(rng.normal(0, 1, 20000) > threshold.value) == pytest.approx(0.01, abs=0.005)


def test_empty_fields_without_any_candidate_do_not_break_the_threshold():
    values = np.concatenate([np.full(900, -np.inf), np.linspace(3, 4, 100)])
    assert 3.8 < threshold_for(values, 0.01).value < 4
    with pytest.raises(InputError, match="Give 100 at least"):
        threshold_for(values[:50], 0.01)


def test_a_method_that_is_silent_on_empty_fields_needs_no_level():
    assert threshold_for(np.full(200, -np.inf), 0.01).value == 0.0


def test_the_efficiency_knows_how_uncertain_its_threshold_is(rng):
    signal = rng.normal(2.5, 1, 2000)
    few = detection_efficiency(signal, threshold_for(rng.normal(0, 1, 200), 0.01))
    many = detection_efficiency(signal, threshold_for(rng.normal(0, 1, 50000), 0.01))
    true = 0.569  # P(z > 2.326 - 2.5)
    assert true in few
    assert true in many
    assert few.high - few.low > 1.5 * (many.high - many.low)
    missed = detection_efficiency([np.nan, -np.inf, 9.0, 9.0], threshold_for(np.arange(100), 0.05))
    assert missed.value == 0  # neither NaN nor minus infinity is a detection, 9 is below 94


def test_pulls_of_right_errors_have_width_one(rng):
    summary = summarise_pulls(np.append(rng.normal(0.2, 1.0, 4000), np.nan))
    assert 0.2 in summary.mean
    assert 1.0 in summary.width
    assert summary.n == 4000
    assert 1.0 not in summarise_pulls(rng.normal(0, 1.2, 4000)).width


@given(st.integers(0, 200))
def test_the_poisson_interval_is_garwoods(count):
    interval = poisson_interval(count)
    assert poisson.cdf(count, interval.high) == pytest.approx(0.025, abs=1e-9)
    if count:
        assert poisson.sf(count - 1, interval.low) == pytest.approx(0.025, abs=1e-9)


def test_two_peaks_are_told_from_one(rng):
    twin = np.concatenate([rng.normal(-2, 0.7, 300), rng.normal(2, 0.7, 300)])
    assert unimodality_test(twin, rng=rng).p_value < 0.02
    skew = rng.gamma(3.0, 1.0, 600)  # skew, with one peak
    assert unimodality_test(skew, rng=rng).p_value > 0.05


def test_the_test_for_one_peak_does_not_cry_wolf(rng):
    p_values = [
        unimodality_test(rng.normal(size=150), rng=rng, draws=40).p_value for _ in range(40)
    ]
    assert np.mean(np.array(p_values) < 0.05) <= 0.15


def test_too_few_values_have_no_modes(rng):
    with pytest.raises(InputError, match="modes"):
        unimodality_test(np.ones(20), rng=rng)
