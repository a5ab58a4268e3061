"""Beta calibration makes scores mean what they say, and keeps their order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit
from sklearn.metrics import log_loss

from skysift.models.calibration import BetaCalibration

POSITIVE = st.floats(0.05, 5.0)


def labels_of(p, rng):
    return rng.random(len(p)) < p


def test_scores_that_are_probabilities_stay_as_they_are(rng):
    p = rng.beta(0.7, 0.9, 60_000)
    found = BetaCalibration.fit(p, labels_of(p, rng))
    # Standard errors here are about 0.015; four of them.
    assert (found.a, found.b, found.c) == pytest.approx((1.0, 1.0, 0.0), abs=0.06)


@pytest.mark.parametrize("truth", [(0.5, 0.5, 0.0), (2.0, 0.8, -0.6), (1.0, 1.0, 1.5)])
def test_the_parameters_of_a_known_distortion_are_recovered(rng, truth):
    score = rng.uniform(0.02, 0.98, 60_000)
    y = labels_of(BetaCalibration(*truth)(score), rng)
    found = BetaCalibration.fit(score, y)
    assert (found.a, found.b, found.c) == pytest.approx(truth, abs=0.12)


def test_overconfident_scores_become_honest(rng):
    p = rng.beta(1.0, 1.0, 20_000)
    score = expit(3.0 * logit(p))
    fitted, fresh = np.arange(20_000) < 10_000, np.arange(20_000) >= 10_000
    y = labels_of(p, rng)
    calibrated = BetaCalibration.fit(score[fitted], y[fitted])(score[fresh])
    assert log_loss(y[fresh], calibrated) < log_loss(y[fresh], score[fresh]) - 0.1
    assert log_loss(y[fresh], calibrated) == pytest.approx(log_loss(y[fresh], p[fresh]), abs=0.005)


def test_the_mean_of_calibrated_scores_is_the_share_of_signal(rng):
    score = rng.uniform(0.01, 0.99, 4000)
    y = labels_of(0.1 + 0.3 * score, rng)
    calibrated = BetaCalibration.fit(score, y)(score)
    assert calibrated.mean() == pytest.approx(y.mean(), abs=1e-4)  # the equation of c


@given(POSITIVE, POSITIVE, st.floats(-3, 3), st.lists(st.floats(0, 1), min_size=2, max_size=30))
def test_the_order_of_scores_is_kept_and_the_result_is_a_probability(a, b, c, scores):
    scores = np.sort(scores)
    calibrated = BetaCalibration(a, b, c)(scores)
    assert np.all(np.diff(calibrated) >= 0)
    assert np.all((calibrated >= 0) & (calibrated <= 1))


@given(st.floats(0.001, 0.999))
def test_the_default_is_the_identity(p):
    assert BetaCalibration()(p) == pytest.approx(p, rel=1e-9)


def test_scores_against_the_truth_are_flattened_not_turned_round(rng):
    score = rng.uniform(0.01, 0.99, 5000)
    found = BetaCalibration.fit(score, labels_of(1 - score, rng))
    assert found.a >= 0
    assert found.b >= 0
    assert np.ptp(found(score)) < 0.05


def test_scores_of_zero_and_one_do_not_break_it(rng):
    score = np.repeat([0.0, 1.0, 0.3, 0.7], 50)
    y = labels_of(np.clip(score, 0.1, 0.9), rng)
    found = BetaCalibration.fit(score, y)(score)
    assert np.all((found > 0) & (found < 1))
    assert found.mean() == pytest.approx(y.mean(), abs=1e-3)  # as any fit of maximum likelihood
    levels = [found[score == level][0] for level in (0.0, 0.3, 0.7, 1.0)]
    assert levels == sorted(levels)
    assert levels[0] < 0.3
    assert levels[-1] > 0.7


def test_the_shape_of_the_scores_is_kept():
    assert BetaCalibration()(np.full((3, 2), 0.5)).shape == (3, 2)
