"""No row is scored by a member that has seen it, nor by one that has seen its duplicate."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from skysift.models.calibration import BetaCalibration
from skysift.models.cross_fitting import CrossFitted

N = 600


class Memory(ClassifierMixin, BaseEstimator):
    """Scores 0.9 the rows that it has been trained on and 0.4 all others; tells which it saw."""

    def fit(self, features, y):
        self.classes_ = np.unique(y)
        self.seen_ = set(features[:, 0].tolist())
        return self

    def predict_proba(self, features):
        p = np.array([0.9 if value in self.seen_ else 0.4 for value in features[:, 0]])
        return np.column_stack([1 - p, p])


@pytest.fixture
def rows(rng):
    features = np.column_stack([np.arange(N), rng.normal(size=(N, 2))])
    y = rng.random(N) < 1 / (1 + np.exp(-2 * features[:, 1]))
    return features, y, np.arange(N)


def fit(estimator, rows, seed=1, **options):
    return CrossFitted.fit(estimator, *rows, np.random.default_rng(seed), **options)


def test_no_member_scores_a_row_that_it_has_seen(rows):
    model = fit(Memory(), rows)
    # The score of rows not seen is 0.4 everywhere: one seen row would show.
    assert np.ptp(model.out_of_fold) == 0.0
    assert model.out_of_fold[0] == model.calibration(0.4)


def test_each_row_is_left_out_by_one_member_only(rows):
    model = fit(Memory(), rows, folds=4)
    seen = np.array(
        [[value in member.seen_ for value in rows[0][:, 0]] for member in model.members]
    )
    assert seen.shape == (4, N)
    assert np.all(seen.sum(axis=0) == 3)
    shares = np.array([rows[1][~left_in].mean() for left_in in seen])
    assert np.ptp(shares) < 0.03  # the classes are dealt out evenly


def test_rows_of_a_group_stay_together(rows):
    features, y, _ = rows
    groups = np.arange(N) // 3
    y = y[groups * 3]
    model = fit(Memory(), (features, y, groups))
    for member in model.members:
        seen = np.array([value in member.seen_ for value in features[:, 0]]).reshape(-1, 3)
        assert np.all(seen.all(axis=1) | ~seen.any(axis=1))
        assert 0.5 < seen.mean() < 1  # it has seen most, and not all


def test_the_answer_is_the_mean_of_the_members_and_its_error_their_standard_deviation(rows):
    model = fit(LogisticRegression(), rows, folds=3)
    probability, error = model.predict_with_error(rows[0])
    each = [model.calibration(m.predict_proba(rows[0])[:, 1]) for m in model.members]
    np.testing.assert_allclose(probability, np.mean(each, axis=0))
    np.testing.assert_allclose(error, np.std(each, axis=0, ddof=1))
    assert error.max() > 0
    np.testing.assert_allclose(model.predict_proba(rows[0])[:, 1], probability)
    np.testing.assert_allclose(model.predict_proba(rows[0]).sum(axis=1), 1.0)


def test_one_member_has_no_error():
    one = CrossFitted([_Constant(0.3)], BetaCalibration(), np.empty(0))
    probability, error = one.predict_with_error(np.zeros((2, 1)))
    np.testing.assert_allclose(probability, 0.3)
    assert error.tolist() == [0.0, 0.0]


def test_the_error_shrinks_with_more_training_data(rng):
    def typical_error(n):
        x = rng.normal(size=(n, 5))
        y = rng.random(n) < 1 / (1 + np.exp(-x[:, 0]))
        model = fit(LogisticRegression(), (x, y, np.arange(n)))
        return np.median(model.predict_with_error(x)[1])

    assert typical_error(4000) < 0.4 * typical_error(200)


def test_an_overfitted_tree_is_calibrated_by_rows_it_has_not_seen(rows):
    model = fit(DecisionTreeClassifier(min_samples_leaf=2), rows)
    assert model.calibration.a < 0.6  # its probabilities of 0 and 1 are not believed


def test_the_same_seed_gives_the_same_and_another_seed_other_members(rows):
    tree = DecisionTreeClassifier(max_depth=4, max_features=1)
    first, again, other = (fit(tree, rows, seed).out_of_fold for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other)


def test_each_member_gets_a_seed_of_its_own_also_inside_a_pipeline(rows):
    pipeline = make_pipeline(StandardScaler(), DecisionTreeClassifier(random_state=0))
    model = fit(pipeline, rows)
    seeds = {
        member.get_params()["decisiontreeclassifier__random_state"] for member in model.members
    }
    assert len(seeds) == 5
    assert pipeline.get_params()["decisiontreeclassifier__random_state"] == 0


def test_progress_rises_to_one(rows):
    heard = []
    fit(LogisticRegression(), rows, folds=4, progress=heard.append)
    assert heard == [0.25, 0.5, 0.75, 1.0]


class _Constant:
    def __init__(self, p):
        self.p = p

    def predict_proba(self, features):
        return np.tile([1 - self.p, self.p], (len(features), 1))
