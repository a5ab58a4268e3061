"""Scores of probabilities and calibration, against scikit-learn and arithmetic."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss
from sklearn.metrics import log_loss as sklearn_log_loss

from skysift.core.errors import InputError, UsageError
from skysift.evaluate.probability import (
    brier_decomposition,
    brier_score,
    calibration_edges,
    calibration_error_floor,
    expected_calibration_error,
    log_loss,
    reliability_curve,
)

forecasts = st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=1, max_size=50).map(
    lambda rows: (np.array([r[0] for r in rows]), np.array([r[1] for r in rows]))
)


def calibrated_rows(rng, n):
    p = rng.beta(0.7, 0.7, size=n)
    return rng.random(n) < p, p


def test_losses_agree_with_scikit_learn(rng):
    y, p = calibrated_rows(rng, 2000)
    weight = rng.exponential(size=2000)
    assert log_loss(y, p, weight) == pytest.approx(sklearn_log_loss(y, p, sample_weight=weight))
    assert brier_score(y, p, weight) == pytest.approx(brier_score_loss(y, p, sample_weight=weight))


def test_a_wrong_certainty_costs_much_but_not_all():
    assert log_loss([0], [1.0]) == pytest.approx(-np.log(np.finfo(float).eps))
    assert log_loss([1], [1.0]) == pytest.approx(0, abs=1e-12)


@given(forecasts, st.booleans())
def test_the_parts_of_the_brier_score_add_up(rows, binned):
    y, p = rows
    parts = brier_decomposition(y, p, edges=np.linspace(0, 1, 6) if binned else None)
    total = parts.reliability - parts.resolution + parts.uncertainty + parts.within_bins
    assert total == pytest.approx(parts.brier)
    assert parts.brier == pytest.approx(brier_score(y, p))
    if not binned:
        assert parts.within_bins == pytest.approx(0, abs=1e-12)


def test_the_parts_of_a_forecast_of_two_values():
    # 0.8 said five times and right four: calibrated. 0.2 said five times, signal twice: off by 0.2.
    y = [1, 1, 1, 1, 0, 1, 1, 0, 0, 0]
    p = [0.8] * 5 + [0.2] * 5
    parts = brier_decomposition(y, p)
    assert parts.reliability == pytest.approx(0.5 * 0.2**2)
    assert parts.resolution == pytest.approx(0.5 * 0.2**2 + 0.5 * 0.2**2)
    assert parts.uncertainty == pytest.approx(0.6 * 0.4)


def test_the_constant_forecast_of_the_frequency_is_pure_uncertainty():
    parts = brier_decomposition([1, 0, 0, 0], [0.25] * 4)
    assert (parts.reliability, parts.resolution) == pytest.approx((0, 0))
    assert parts.brier == pytest.approx(parts.uncertainty)


@pytest.mark.parametrize(("binning", "strategy"), [("width", "uniform"), ("mass", "quantile")])
def test_the_reliability_curve_agrees_with_scikit_learn(rng, binning, strategy):
    y, p = calibrated_rows(rng, 3000)
    curve = reliability_curve(y, p, n_bins=10, binning=binning)
    observed, predicted = calibration_curve(y, p, n_bins=10, strategy=strategy)
    np.testing.assert_allclose(curve.observed, observed)
    np.testing.assert_allclose(curve.predicted, predicted)
    assert curve.count.sum() == 3000


def test_reliability_limits_cover_a_calibrated_model(rng):
    inside = []
    for _ in range(100):
        curve = reliability_curve(*calibrated_rows(rng, 500), n_bins=10)
        inside.append((curve.low <= curve.predicted) & (curve.predicted <= curve.high))
    assert np.mean(inside) == pytest.approx(0.95, abs=0.03)


def test_empty_bins_know_nothing():
    curve = reliability_curve([0, 1], [0.05, 0.95], n_bins=10)
    assert np.isnan(curve.observed[5])
    assert (curve.low[5], curve.high[5], curve.count[5]) == (0.0, 1.0, 0)
    assert curve.calibration_error == pytest.approx(0.05)


def test_weights_widen_the_limits_and_equal_ones_do_not(rng):
    y, p = calibrated_rows(rng, 500)
    plain = reliability_curve(y, p, n_bins=5)
    equal = reliability_curve(y, p, n_bins=5, sample_weight=np.full(500, 3.0))
    uneven = reliability_curve(y, p, n_bins=5, sample_weight=rng.exponential(size=500) ** 3)
    np.testing.assert_allclose(equal.low, plain.low)
    assert np.all(uneven.high - uneven.low > plain.high - plain.low)


def test_bins_of_equal_mass_merge_where_ties_are_many():
    edges = calibration_edges([0.5] * 90 + [0.9] * 10, n_bins=10, binning="mass")
    assert np.all(np.diff(edges) > 0)
    assert len(edges) < 11


@pytest.mark.parametrize("binning", ["width", "mass"])
def test_the_error_of_calibrated_rows_is_the_floor(rng, binning):
    p = rng.beta(0.7, 0.7, size=2000)
    errors = [
        expected_calibration_error(rng.random(2000) < p, p, binning=binning) for _ in range(200)
    ]
    floor = calibration_error_floor(p, binning=binning)
    assert floor.value == pytest.approx(np.mean(errors), rel=0.05)
    assert np.mean([error in floor for error in errors]) == pytest.approx(0.95, abs=0.05)


def test_a_known_miscalibration_is_found(rng):
    p = rng.uniform(0.2, 0.8, size=400_000)
    y = rng.random(p.size) < p + 0.1
    assert expected_calibration_error(y, p) == pytest.approx(0.1, abs=0.003)


@pytest.mark.parametrize("p", [[0.5, 1.2], [0.5, -0.1], [0.5, np.nan], [0.5]])
def test_what_is_no_probability_is_refused(p):
    with pytest.raises(InputError):
        log_loss([0, 1], p)


def test_unknown_binnings_are_refused():
    with pytest.raises(UsageError, match="equal"):
        calibration_edges([0.5], binning="equal")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="0 bins"):
        calibration_edges([0.5], n_bins=0)
