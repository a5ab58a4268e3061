"""DeLong's variance against brute force, a published value, and its coverage."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from skysift.core.errors import InputError, UsageError
from skysift.evaluate.delong import auc_interval, delong_covariance, delong_test


def brute_force_delong(y, scores):
    """DeLong et al. (1988), as it is defined: over all pairs of rows."""
    over_signal, over_background = [], []
    for score in scores:
        kernel = (np.sign(score[y][:, None] - score[~y][None, :]) + 1) / 2
        over_signal.append(kernel.mean(axis=1))
        over_background.append(kernel.mean(axis=0))
    return (
        np.mean(over_signal, axis=1),
        np.cov(over_signal) / y.sum() + np.cov(over_background) / (~y).sum(),
    )


@settings(max_examples=50)
@given(st.integers(0, 2**32 - 1), st.integers(2, 30), st.integers(2, 30), st.integers(1, 9))
def test_the_covariance_is_that_of_all_pairs(seed, n_signal, n_background, levels):
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.repeat([True, False], [n_signal, n_background]))
    scores = rng.integers(0, levels, size=(3, len(y))).astype(float)
    areas, covariance = delong_covariance(y, list(scores))
    expected_areas, expected = brute_force_delong(y, scores)
    np.testing.assert_allclose(areas, expected_areas, atol=1e-12)
    np.testing.assert_allclose(covariance, expected, atol=1e-12)


def test_the_published_ct_ratings_give_the_published_error():
    # 109 CT images rated 1 to 5 (Hanley & McNeil 1982, Radiology 143, 29). The manual of
    # Stata's roctab gives 0.8932, standard error 0.0307, 95 % interval 0.83295 to 0.95339 (DeLong).
    normal, abnormal = [33, 6, 6, 11, 2], [3, 2, 2, 11, 33]
    y = np.repeat([False, True], [58, 51])
    score = np.append(np.repeat(np.arange(5), normal), np.repeat(np.arange(5), abnormal))
    found = auc_interval(y, score, transform="none")
    assert found.value == pytest.approx(0.8932, abs=5e-5)
    assert found.low == pytest.approx(0.83295, abs=5e-6)
    assert found.high == pytest.approx(0.95339, abs=5e-6)


def test_whole_weights_give_the_area_of_repeated_rows(rng):
    y = rng.random(300) < 0.5
    score = rng.normal(size=300) + y
    times = rng.integers(1, 4, size=300)
    areas, _ = delong_covariance(y, [score], sample_weight=times)
    assert areas[0] == pytest.approx(roc_auc_score(y, score, sample_weight=times))


def test_scaled_weights_change_nothing(rng):
    y = rng.random(300) < 0.5
    score = rng.normal(size=300) + y
    assert auc_interval(y, score, sample_weight=np.full(300, 3.0)).low == pytest.approx(
        auc_interval(y, score).low
    )


@pytest.mark.parametrize("truth", [0.8, 0.95])
def test_the_logit_interval_covers_the_true_area(rng, truth):
    shift = norm.ppf(truth) * np.sqrt(2)
    y = np.repeat([True, False], [60, 80])
    draws = rng.normal(size=(1500, 140)) + shift * y
    hits = np.mean([truth in auc_interval(y, score) for score in draws])
    assert hits == pytest.approx(0.95, abs=0.02)


def test_groups_of_copies_are_not_more_data(rng):
    y = np.arange(400) < 200
    score = rng.normal(size=400) + y
    group = np.arange(400)
    once = auc_interval(y, score)
    copied = auc_interval(np.repeat(y, 4), np.repeat(score, 4), groups=np.repeat(group, 4))
    fooled = auc_interval(np.repeat(y, 4), np.repeat(score, 4))
    assert copied.high - copied.low == pytest.approx(once.high - once.low, rel=0.02)
    assert fooled.high - fooled.low < 0.55 * (once.high - once.low)


def test_perfect_separation_is_not_certainty():
    found = auc_interval([0, 0, 0, 1, 1, 1], [1, 2, 3, 4, 5, 6])
    assert found.value == found.high == 1.0
    assert found.low == pytest.approx(0.4385, abs=1e-4)  # Wilson, 3 of 3
    assert "Wilson" in found.method
    weighted = auc_interval([0, 0, 0, 1, 1, 1], [1, 2, 3, 4, 5, 6], sample_weight=[0.1, 0.7, 3] * 2)
    assert (weighted.value, weighted.low) == (1.0, found.low)
    assert auc_interval([1, 1, 1, 0, 0, 0], [1, 2, 3, 4, 5, 6]).low == 0.0


def test_a_constant_score_is_exactly_half():
    found = auc_interval([0, 0, 1, 1], [0.3] * 4)
    assert (found.low, found.value, found.high) == (0.5, 0.5, 0.5)


def test_the_same_ranking_does_not_differ(rng):
    y = rng.random(200) < 0.5
    score = rng.normal(size=200) + y
    found = delong_test(y, score, np.exp(score))
    assert (found.difference.value, found.z, found.p_value) == (0.0, 0.0, 1.0)


def test_the_paired_test_is_antisymmetric_and_gains_from_correlation(rng):
    y = rng.random(2000) < 0.5
    first = rng.normal(size=2000) + y
    second = first + 0.3 * rng.normal(size=2000)
    forth, back = delong_test(y, first, second), delong_test(y, second, first)
    assert forth.z == pytest.approx(-back.z)
    assert forth.p_value == pytest.approx(back.p_value)
    alone = auc_interval(y, first, transform="none")
    assert forth.difference.high - forth.difference.low < 0.5 * (alone.high - alone.low)


def test_the_paired_test_rejects_as_often_as_it_claims(rng):
    y = np.repeat([True, False], 100)
    common = rng.normal(size=(1000, 200)) + 1.5 * y
    noise = rng.normal(size=(2, 1000, 200))
    p_values = [
        delong_test(y, shared + a, shared + b).p_value
        for shared, a, b in zip(common, *noise, strict=True)
    ]
    assert np.mean(np.array(p_values) < 0.05) == pytest.approx(0.05, abs=0.02)


def test_what_has_no_variance_is_refused():
    with pytest.raises(InputError, match="single row"):
        auc_interval([1, 0, 0], [0.2, 0.1, 0.3])
    with pytest.raises(InputError, match="one group"):
        auc_interval([1, 1, 0, 0], [0.2, 0.1, 0.3, 0.1], groups=[1, 1, 1, 1])
    with pytest.raises(UsageError, match="transform"):
        auc_interval([1, 1, 0, 0], [0.2, 0.1, 0.3, 0.1], transform="probit")
