import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skysift.core.errors import UsageError
from skysift.models.muygps.uncertainty import (
    AmbiguityCutoff,
    BinaryCalibration,
    SoftmaxCalibration,
)


def shares(distance, correct, cut):
    """Alpha and beta by their definition."""
    ambiguous = distance < cut
    alpha = 1.0 - ambiguous[~correct].mean() if (~correct).any() else 0.0
    beta = ambiguous[correct].mean() if correct.any() else 0.0
    return alpha, beta


@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 80),
    weight=st.sampled_from([1.0, 2.0, 4.0, 10.0, "counts"]),
)
def test_no_other_cutoff_is_better(seed, n, weight):
    rng = np.random.default_rng(seed)
    distance = np.round(rng.exponential(size=n), 1)
    correct = rng.random(n) < 0.7
    found = AmbiguityCutoff.fit(distance, correct, weight)
    of_alpha, of_beta = (np.sum(~correct), np.sum(correct)) if weight == "counts" else (weight, 1.0)

    def cost(cut):
        alpha, beta = shares(distance, correct, cut)
        return of_alpha * alpha + of_beta * beta

    assert (found.alpha, found.beta) == pytest.approx(shares(distance, correct, found.cutoff))
    best = min(cost(cut) for cut in np.arange(0.0, distance.max() + 1.0, 0.05))
    assert cost(found.cutoff) <= best + 1e-12


def test_a_greater_weight_of_mistakes_makes_more_rows_ambiguous(rng):
    mean = rng.normal(size=4000)
    correct = rng.random(4000) < 0.5 + 0.5 * np.tanh(2.0 * np.abs(mean))
    cutoffs = [AmbiguityCutoff.fit(np.abs(mean), correct, w) for w in (1.0, 2.0, 4.0, 10.0)]
    assert np.all(np.diff([c.cutoff for c in cutoffs]) >= 0.0)
    assert np.all(np.diff([c.alpha for c in cutoffs]) <= 0.0)
    assert cutoffs[3].cutoff > cutoffs[0].cutoff


def test_a_row_is_ambiguous_if_its_interval_encloses_zero():
    cutoff = AmbiguityCutoff(2.0, 0.0, 0.0)
    mean, error = np.array([0.5, 0.5, -0.5, 0.0]), np.array([0.3, 0.2, 0.3, 0.0])
    assert cutoff(mean, error).tolist() == [True, False, True, False]


def test_without_mistakes_nothing_is_ambiguous():
    assert AmbiguityCutoff.fit(np.array([0.1, 3.0]), np.ones(2, dtype=bool)).cutoff == 0.0


@pytest.mark.parametrize("weight", ["count", 0.0, -1.0, np.nan])
def test_a_weight_that_cannot_be(weight):
    with pytest.raises(UsageError, match="ambiguity weight"):
        AmbiguityCutoff.fit(np.ones(2), np.ones(2, dtype=bool), weight)


def test_binary_probabilities_are_calibrated(rng):
    mean = rng.uniform(-1.0, 1.0, size=(20000, 1))
    label = (rng.random(20000) < 1.0 / (1.0 + np.exp(-4.0 * mean[:, 0] + 1.0))).astype(np.intp)
    calibration = BinaryCalibration.fit(mean, label)
    grid = np.linspace(-0.9, 0.9, 7)[:, None]
    expected = 1.0 / (1.0 + np.exp(-4.0 * grid[:, 0] + 1.0))
    np.testing.assert_allclose(calibration(grid)[:, 1], expected, atol=0.02)
    again = BinaryCalibration.from_state(calibration.to_state())
    np.testing.assert_array_equal(again(grid), calibration(grid))


def test_softmax_probabilities_are_calibrated(rng):
    mean = rng.uniform(-1.0, 1.0, size=(20000, 3))
    odds = np.exp(3.0 * mean + np.array([0.5, 0.0, -0.5]))
    truth = odds / odds.sum(axis=1, keepdims=True)
    label = (rng.random(20000)[:, None] > truth.cumsum(axis=1)).sum(axis=1)
    calibration = SoftmaxCalibration.fit(mean, label)
    assert calibration.slope == pytest.approx(3.0, abs=0.15)
    np.testing.assert_allclose(calibration(mean), truth, atol=0.03)
    again = SoftmaxCalibration.from_state(calibration.to_state())
    np.testing.assert_array_equal(again(mean), calibration(mean))
