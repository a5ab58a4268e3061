"""The mean of two classifiers in log-odds."""

import numpy as np
import pytest
from scipy.special import logit
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.tree import DecisionTreeClassifier

from skysift.models.log_odds_mean import LogOddsMean


class Column(ClassifierMixin, BaseEstimator):
    """Takes one column as the probability."""

    def __init__(self, column=0):
        self.column = column

    def fit(self, features, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, features):
        p = features[:, self.column]
        return np.column_stack([1 - p, p])


Y = np.array(["h", "g"])


def mean_of(*pairs):
    rows = np.array(pairs)
    model = LogOddsMean(Column(0), Column(1)).fit(rows[[0, 0]], Y)
    return model.predict_proba(rows)[:, 1]


def test_known_means():
    # In odds: sqrt(9 x 9) = 9, sqrt(9 / 9) = 1, sqrt(3 x 27) = 9.
    found = mean_of((0.9, 0.9), (0.9, 0.1), (3 / 4, 27 / 28))
    np.testing.assert_allclose(found, [0.9, 0.5, 0.9])


def test_certainty_of_one_does_not_drown_the_other():
    found = mean_of((1.0, 0.2), (0.0, 0.8), (1.0, 0.0))
    assert np.isfinite(logit(found)).all()
    assert found[0] < 1.0
    assert found[2] == pytest.approx(0.5)


def test_probabilities_add_up_and_classes_follow(rng):
    rows = rng.random((50, 2))
    model = LogOddsMean(Column(0), Column(1)).fit(rows, np.where(rows[:, 0] > 0.5, "h", "g"))
    p = model.predict_proba(rows)
    np.testing.assert_allclose(p.sum(axis=1), 1.0)
    np.testing.assert_array_equal(model.predict(rows), np.where(p[:, 1] > 0.5, "h", "g"))


def test_two_unlike_classifiers_rank_better_together(rng):
    x = rng.normal(size=(4000, 4))
    margin = x[:, 0] + 1.5 * (x[:, 1] * x[:, 2] > 0)
    y = rng.random(4000) < 1 / (1 + np.exp(-2 * (margin - margin.mean())))
    first, second = slice(0, 2000), slice(2000, None)
    parts = (
        LogisticRegression(),
        DecisionTreeClassifier(max_depth=3, max_features=2, random_state=1),
    )
    both = LogOddsMean(*parts).fit(x[first], y[first])

    def auc(model):
        return roc_auc_score(y[second], model.predict_proba(x[second])[:, 1])

    assert auc(both) > max(auc(both.network_), auc(both.trees_))
    assert not hasattr(parts[0], "coef_")  # the parts given are left alone


def test_parameters_of_the_parts_can_be_set_and_cloned():
    model = LogOddsMean(LogisticRegression(), DecisionTreeClassifier())
    model.set_params(trees__max_depth=3, network__C=0.5)
    copy = clone(model)
    assert copy.trees.max_depth == 3
    assert copy.network.C == 0.5
    assert copy.trees is not model.trees
