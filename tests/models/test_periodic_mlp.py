"""Periodic embeddings resolve what a linear model cannot; a seed fixes everything."""

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import kstest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from skysift.models.periodic_mlp import PeriodicMlpClassifier, normal_knots

SMALL = {"members": 2, "hidden": 24, "frequencies": 6, "embedding": 4, "dropout": 0.0}
QUICK = {**SMALL, "epochs": 2}


def checkerboard(n, rng):
    """Fields of a board that is turned by 30 degrees; the third column says nothing."""
    x = rng.uniform(-1.5, 1.5, (n, 3))
    angle = np.pi / 6
    u = x[:, 0] * np.cos(angle) + x[:, 1] * np.sin(angle)
    v = x[:, 1] * np.cos(angle) - x[:, 0] * np.sin(angle)
    return x, (np.floor(u) + np.floor(v)).astype(int) % 2 == 0


@pytest.fixture
def board(rng):
    return checkerboard(1500, rng)


def test_a_turned_checkerboard_is_learnt(rng):
    x, y = checkerboard(3000, rng)
    fresh, truth = checkerboard(2000, rng)
    model = PeriodicMlpClassifier(**SMALL, epochs=30, sigma=0.3, learning_rate=5e-3).fit(x, y)
    linear = LogisticRegression().fit(x, y)
    assert roc_auc_score(truth, model.predict_proba(fresh)[:, 1]) > 0.9
    assert roc_auc_score(truth, linear.predict_proba(fresh)[:, 1]) < 0.6
    assert np.mean(model.predict(fresh) == truth) > 0.8


def test_probabilities_log_odds_and_classes_agree(board):
    x, y = board
    labels = np.where(y, "gamma", "hadron")
    model = PeriodicMlpClassifier(**QUICK).fit(x, labels)
    p = model.predict_proba(x)
    assert model.classes_.tolist() == ["gamma", "hadron"]
    np.testing.assert_allclose(p.sum(axis=1), 1.0)
    np.testing.assert_allclose(expit(model.decision_function(x)), p[:, 1], atol=1e-6)
    np.testing.assert_array_equal(model.predict(x), model.classes_[np.argmax(p, axis=1)])


def test_the_probability_is_the_mean_of_the_members(board):
    x, y = board
    model = PeriodicMlpClassifier(**QUICK).fit(x, y)
    each = expit(model._forward(model.to_normal(x)))
    assert each.shape == (2, len(x))
    assert np.abs(each[0] - each[1]).max() > 0.01
    np.testing.assert_allclose(model.predict_proba(x)[:, 1], each.mean(axis=0), atol=1e-6)


def test_the_same_seed_gives_the_same_and_another_seed_another_model(board):
    x, y = board
    model = PeriodicMlpClassifier(**{**QUICK, "dropout": 0.2}, random_state=5)
    first = model.fit(x, y).predict_proba(x)
    np.testing.assert_array_equal(first, clone(model).fit(x, y).predict_proba(x))
    assert np.any(first != clone(model).set_params(random_state=6).fit(x, y).predict_proba(x))


def test_training_does_not_touch_the_random_state_of_torch(board):
    import torch  # noqa: PLC0415  # slow to import, and no other test here needs it by name

    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    PeriodicMlpClassifier(**{**QUICK, "dropout": 0.2}).fit(*board)
    assert torch.equal(torch.rand(3), expected)


def test_scale_and_origin_of_a_column_do_not_matter(board):
    x, y = board
    moved = x * [1e3, 1e-3, 7.0] + [5.0, 0.0, -2.0]
    model = PeriodicMlpClassifier(**QUICK)
    p = model.fit(x, y).predict_proba(x)
    np.testing.assert_allclose(clone(model).fit(moved, y).predict_proba(moved), p, atol=5e-3)


def test_columns_become_normal(rng):
    x = np.column_stack([rng.exponential(size=4000), rng.uniform(size=4000)])
    model = PeriodicMlpClassifier(**QUICK).fit(x, rng.random(4000) < 0.5)
    for column in model.to_normal(x).T:
        assert kstest(column, "norm").statistic < 0.03
    far = model.to_normal(np.array([[1e9, -1e9]]))
    np.testing.assert_allclose(far, [[3.5, -3.5]], atol=1e-6)


def test_a_column_with_few_values_or_one_has_fewer_knots_and_stays_finite(rng):
    x, z = normal_knots(np.repeat([1.0, 2.0], [30, 70]), 48)
    assert len(x) == len(z) == 48
    assert np.all(np.diff(x) >= 0)
    assert np.all(np.diff(z) >= 0)
    features = np.column_stack([np.full(300, 7.0), rng.integers(0, 2, 300), rng.normal(size=300)])
    model = PeriodicMlpClassifier(**QUICK).fit(features, rng.random(300) < 0.5)
    assert np.isfinite(model.predict_proba(features)).all()


def test_fewer_rows_than_a_batch_will_do(rng):
    x = rng.normal(size=(40, 2))
    y = x[:, 0] > 0
    p = PeriodicMlpClassifier(**QUICK).fit(x, y).predict_proba(x)
    assert np.isfinite(logit(p)).all()
    assert p[y, 1].mean() > p[~y, 1].mean()  # and something is learnt


def test_rows_are_independent_of_the_chunks_they_come_in(board, monkeypatch):
    x, y = board
    model = PeriodicMlpClassifier(**QUICK).fit(x, y)
    whole = model.predict_proba(x)
    monkeypatch.setattr("skysift.models.periodic_mlp._CHUNK", 64)
    np.testing.assert_allclose(model.predict_proba(x), whole, atol=1e-6)


def test_parameters_survive_a_clone():
    model = PeriodicMlpClassifier(members=7, dropout=0.4, random_state=9)
    assert clone(model).get_params() == model.get_params()


def test_one_class_is_refused(board):
    with pytest.raises(ValueError, match="two classes"):
        PeriodicMlpClassifier(**QUICK).fit(board[0], np.zeros(len(board[0])))


def test_it_must_be_fitted_first():
    with pytest.raises(NotFittedError):
        PeriodicMlpClassifier().predict_proba(np.zeros((1, 2)))
