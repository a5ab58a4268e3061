"""Regressions on normal scores: ranks alone matter, and what is stored is what was trained."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import QuantileTransformer

from skysift.core.errors import BundleError, InputError
from skysift.models.normal_scores import NormalScores, ScoreRegressions


def sample(seed=0, n=400):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3))
    y = rng.random(n) < 1 / (1 + np.exp(-(1.5 * x[:, 0] - x[:, 1])))
    return x, y


def test_scores_of_normal_numbers_are_themselves():
    x = norm.ppf((np.arange(20_000) + 0.5) / 20_000)[:, None]
    scores = NormalScores.fit(x)(x)
    inner = np.abs(x) < 2.3
    np.testing.assert_allclose(scores[inner], x[inner], atol=0.03)


def test_scores_are_those_of_scikit_learn():
    x, _ = sample()
    peer = QuantileTransformer(n_quantiles=201, output_distribution="normal").fit(x)
    ours, theirs = NormalScores.fit(x)(x), peer.transform(x)
    inner = np.abs(theirs) < 2.5
    np.testing.assert_allclose(ours[inner], theirs[inner], atol=1e-6)


@pytest.mark.parametrize(("scale", "shift"), [(0.1, 3.0), (7.0, -5.0)])
def test_a_rising_map_of_the_unit_changes_nothing(scale, shift):
    x, y = sample()
    first = ScoreRegressions.fit(x, [y], inverse_penalty=1.0).log_odds(x)
    again = ScoreRegressions.fit(scale * x + shift, [y], inverse_penalty=1.0)
    np.testing.assert_allclose(again.log_odds(scale * x + shift), first, atol=1e-6)


def test_equal_values_have_the_middle_rank():
    x = np.r_[np.zeros(90), np.ones(10)][:, None]
    assert NormalScores.fit(x)([[0.0]])[0, 0] == pytest.approx(norm.ppf(0.45), abs=0.02)


def test_a_regression_is_that_of_scikit_learn_on_the_scores():
    x, y = sample()
    ours = ScoreRegressions.fit(x, [y], inverse_penalty=0.3)
    peer = LogisticRegression(C=0.3, max_iter=4000).fit(ours.scores(x), y)
    np.testing.assert_allclose(ours.log_odds(x), peer.decision_function(ours.scores(x)))


def test_several_targets_are_averaged_in_log_odds_and_constant_ones_left_out():
    x, y = sample()
    one, other = (
        ScoreRegressions.fit(x, [kind], inverse_penalty=1.0).log_odds(x)
        for kind in (y, x[:, 2] > 0)
    )
    both = ScoreRegressions.fit(x, [y, x[:, 2] > 0, np.ones(len(y))], inverse_penalty=1.0)
    np.testing.assert_allclose(both.log_odds(x), (one + other) / 2)


def test_what_is_stored_answers_as_what_was_trained():
    x, y = sample()
    samples = [np.arange(200), np.arange(100, 400)]
    trained = ScoreRegressions.fit(x, [y], inverse_penalty=1.0, samples=samples)
    stored = ScoreRegressions.of_arrays(trained.arrays("part"), "part", 3)
    np.testing.assert_array_equal(stored.log_odds(x), trained.log_odds(x))
    assert stored.coefficients.shape == (2, 3)


def test_damaged_arrays_are_refused():
    x, y = sample()
    arrays = ScoreRegressions.fit(x, [y], inverse_penalty=1.0).arrays("part")
    with pytest.raises(BundleError, match="do not fit 4 features"):
        ScoreRegressions.of_arrays(arrays, "part", 4)
    with pytest.raises(BundleError, match="has no array"):
        ScoreRegressions.of_arrays({}, "part", 3)
    arrays["part.intercepts"] = np.array([np.nan])
    with pytest.raises(BundleError, match="do not fit"):
        ScoreRegressions.of_arrays(arrays, "part", 3)


def test_one_label_only_is_refused():
    x, y = sample()
    with pytest.raises(InputError, match="same label"):
        ScoreRegressions.fit(x, [np.ones_like(y)], inverse_penalty=1.0)
    with pytest.raises(InputError, match="known in no row"):
        NormalScores.fit(np.full((3, 1), np.nan))
