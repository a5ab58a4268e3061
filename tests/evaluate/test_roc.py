"""The ROC curve against scikit-learn, brute force and closed forms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm
from sklearn.metrics import roc_auc_score
from sklearn.metrics import roc_curve as sklearn_roc_curve

from skysift.core.errors import InputError, UsageError
from skysift.evaluate.roc import (
    auc,
    efficiency_at_acceptance,
    partial_auc,
    quality_factor,
    roc_curve,
)

rows_with_ties = st.lists(
    st.tuples(st.booleans(), st.integers(0, 8)), min_size=2, max_size=60
).filter(lambda rows: len({signal for signal, _ in rows}) == 2)


def binormal_rows(rng, n, separation=1.5):
    y = rng.random(n) < 0.4
    return y, rng.normal(size=n) + separation * y


@given(rows_with_ties)
def test_the_area_is_the_fraction_of_rightly_ordered_pairs(rows):
    y, score = np.array([r[0] for r in rows]), np.array([float(r[1]) for r in rows])
    difference = score[y][:, None] - score[~y][None, :]
    assert auc(y, score) == pytest.approx(np.mean((np.sign(difference) + 1) / 2))


# Six decimals: a target may be missed by rounding errors, and no more.
@given(rows_with_ties, st.floats(0.01, 1.0).map(lambda target: round(target, 6)))
def test_efficiency_at_an_acceptance_is_the_best_of_all_thresholds(rows, target):
    y, score = np.array([r[0] for r in rows]), np.array([float(r[1]) for r in rows])
    allowed = [t for t in [*score, np.inf] if np.mean(score[~y] >= t) <= target]
    best = max(np.mean(score[y] >= t) for t in allowed)
    assert efficiency_at_acceptance(y, score, target) == pytest.approx(best)


@given(rows_with_ties)
def test_the_curve_depends_on_the_order_of_the_scores_alone(rows):
    y, score = np.array([r[0] for r in rows]), np.array([float(r[1]) for r in rows])
    before, after = roc_curve(y, score), roc_curve(y, np.exp(score / 3))
    np.testing.assert_array_equal(before.acceptance, after.acceptance)
    np.testing.assert_array_equal(before.efficiency, after.efficiency)


@given(rows_with_ties)
def test_swapping_the_classes_mirrors_the_area(rows):
    y, score = np.array([r[0] for r in rows]), np.array([float(r[1]) for r in rows])
    assert auc(~y, -score) == pytest.approx(auc(y, score))
    assert auc(y, -score) == pytest.approx(1 - auc(y, score))


def test_the_curve_agrees_with_scikit_learn_with_ties_and_weights(rng):
    y, score = binormal_rows(rng, 3000)
    score = score.round(1)
    weight = rng.exponential(size=len(y))
    curve = roc_curve(y, score, weight)
    acceptance, efficiency, thresholds = sklearn_roc_curve(
        y, score, sample_weight=weight, drop_intermediate=False
    )
    np.testing.assert_allclose(curve.acceptance, acceptance)
    np.testing.assert_allclose(curve.efficiency, efficiency)
    np.testing.assert_allclose(curve.thresholds, thresholds)
    assert curve.area == pytest.approx(roc_auc_score(y, score, sample_weight=weight))


@pytest.mark.parametrize("max_acceptance", [0.01, 0.05, 0.1, 0.5])
@pytest.mark.parametrize("decimals", [1, 12])
def test_the_standardised_partial_area_agrees_with_scikit_learn(rng, max_acceptance, decimals):
    y, score = binormal_rows(rng, 2000)
    score = score.round(decimals)
    ours = partial_auc(y, score, max_acceptance=max_acceptance, standardised=True)
    assert ours == pytest.approx(roc_auc_score(y, score, max_fpr=max_acceptance), abs=1e-12)


def test_the_raw_partial_area_approaches_the_binormal_one(rng):
    y, score = binormal_rows(rng, 400_000)
    truth, _ = quad(lambda a: norm.sf(norm.isf(a) - 1.5), 0, 0.1)
    assert partial_auc(y, score, max_acceptance=0.1) == pytest.approx(truth, rel=0.01)


def test_the_whole_partial_area_is_the_area(rng):
    y, score = binormal_rows(rng, 500)
    assert partial_auc(y, score, max_acceptance=1.0) == pytest.approx(auc(y, score))


def test_a_curve_that_rises_at_the_limit_itself_does_not_gain_area_there():
    # At acceptance 0.5 the efficiency jumps from 0 to 1: the area to the left of it is 0.
    y, score = [0, 1, 1, 0], [4.0, 3.0, 2.0, 1.0]
    assert partial_auc(y, score, max_acceptance=0.5) == 0.0


def test_the_acceptance_that_equals_the_target_is_allowed():
    # 29 of 100: a target of 0.29 times 100 is 28.999999999999996 in floating point.
    y = np.append(np.zeros(100), np.ones(100))
    score = np.append(np.arange(100), np.full(100, 70.5))
    assert efficiency_at_acceptance(y, score, 0.29) == 1.0
    assert efficiency_at_acceptance(y, score, 0.2899) == 0.0


def test_a_tie_over_the_target_is_left_out_as_a_whole():
    y, score = [1, 1, 0, 0], [0.9, 0.5, 0.5, 0.1]
    assert efficiency_at_acceptance(y, score, 0.4) == 0.5
    assert efficiency_at_acceptance([1, 0], [0.5, 0.5], 0.9) == 0.0


def test_a_thinned_curve_keeps_its_ends_and_its_shape(rng):
    y, score = binormal_rows(rng, 100_000)
    curve = roc_curve(y, score)
    thin = curve.thinned(500)
    assert len(thin) <= 500
    assert (thin.acceptance[0], thin.efficiency[-1]) == (0.0, 1.0)
    assert thin.area == pytest.approx(curve.area, abs=1e-4)
    assert np.interp(1e-3, thin.acceptance, thin.efficiency) == pytest.approx(
        curve.efficiency_at(1e-3), abs=0.01
    )
    assert curve.thinned(10**6) is curve


def test_quality_factor_says_what_is_undefined():
    np.testing.assert_array_equal(
        quality_factor([0.5, 0.5, 0.0], [0.25, 0.0, 0.0]), [1.0, np.inf, np.nan]
    )


@pytest.mark.parametrize(
    ("y", "score", "says"),
    [
        ([1, 1], [0.1, 0.2], "signal only"),
        ([0, 0], [0.1, 0.2], "background only"),
        ([], [], "no rows"),
        ([0, 2], [0.1, 0.2], "neither 0 nor 1"),
        ([0, 1], [0.1, np.nan], "row 1"),
        ([0, 1], [0.1], "shape"),
        ([[0, 1]], [0.1, 0.2], "shape"),
    ],
)
def test_rows_that_cannot_be_evaluated_are_refused_with_a_reason(y, score, says):
    with pytest.raises(InputError, match=says):
        auc(y, score)


@pytest.mark.parametrize("weight", [[1.0, -1.0], [1.0, np.inf], [1.0, 0.0], [1.0]])
def test_weights_that_cannot_be_used_are_refused(weight):
    with pytest.raises(InputError):
        auc([0, 1], [0.1, 0.2], weight)


@pytest.mark.parametrize("limit", [0.0, -0.1, 1.1, np.nan])
def test_acceptances_outside_the_unit_interval_are_refused(limit):
    with pytest.raises(UsageError):
        partial_auc([0, 1], [0.1, 0.2], max_acceptance=limit)
    if limit != 0.0:
        with pytest.raises(UsageError):
            efficiency_at_acceptance([0, 1], [0.1, 0.2], limit)
