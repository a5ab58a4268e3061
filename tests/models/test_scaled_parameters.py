"""A scaled parameter of signal is a standard normal deviate, whatever the other values are."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from skysift.models.scaled_parameters import LARGEST_OUTPUT, ScaledParameters

SMALL = {"hidden": 16, "epochs": 30, "folds": 3, "batch_size": 128}
TARGETS = ((0, (1, 2)),)


def spread_of(context):
    return 0.15 + 0.4 * (1 + np.tanh(context))


def signal_rows(n, rng):
    """Column 0 has a known mean and spread given column 1; column 2 says nothing."""
    context, idle = rng.normal(size=(2, n))
    value = np.sin(1.5 * context) + spread_of(context) * rng.normal(size=n)
    return np.column_stack([value, context, idle])


def background_rows(n, rng):
    return rng.normal([3.0, 0.0, 0.0], size=(n, 3))


def sample(rng, n=3000):
    rows = np.concatenate([signal_rows(n, rng), background_rows(n // 4, rng)])
    return rows, np.arange(len(rows)) < n


@pytest.fixture(scope="module")
def fitted():
    rng = np.random.default_rng(8)
    rows, y = sample(rng)
    model = ScaledParameters(TARGETS, **SMALL)
    return model, rows, y, model.fit_transform(rows, y)


def test_the_columns_come_first_and_unchanged(fitted):
    model, rows, _, out = fitted
    assert out.shape == (len(rows), 4)
    assert out.dtype == np.float32
    np.testing.assert_array_equal(out[:, :3], rows.astype(np.float32))
    np.testing.assert_array_equal(model.transform(rows)[:, :3], rows.astype(np.float32))


def test_residuals_of_fresh_signal_are_standard_normal_and_free_of_the_context(fitted):
    fresh = signal_rows(4000, np.random.default_rng(9))
    z = fitted[0].transform(fresh)[:, 3]
    assert np.mean(z) == pytest.approx(0.0, abs=0.12)
    # Student's t of five degrees of freedom, fitted to normal deviates, finds a scale below
    # the standard deviation.
    assert 0.9 < np.std(z) < 1.35
    for column in (1, 2):
        assert abs(spearmanr(z, fresh[:, column]).statistic) < 0.06
        assert abs(spearmanr(np.abs(z), fresh[:, column]).statistic) < 0.1


def test_residuals_are_those_of_the_true_mean_and_spread(fitted):
    fresh = signal_rows(2000, np.random.default_rng(10))
    truth = (fresh[:, 0] - np.sin(1.5 * fresh[:, 1])) / spread_of(fresh[:, 1])
    assert np.corrcoef(fitted[0].transform(fresh)[:, 3], truth)[0, 1] > 0.96


def test_what_is_no_signal_stands_out(fitted):
    rng = np.random.default_rng(11)
    background = fitted[0].transform(background_rows(1000, rng))[:, 3]
    signal = fitted[0].transform(signal_rows(1000, rng))[:, 3]
    assert np.median(np.abs(background)) > np.quantile(np.abs(signal), 0.95)
    far = fitted[0].transform(np.array([[1e6, 0.0, 0.0], [-1e6, 0.0, 0.0]]))[:, 3]
    assert np.isfinite(far).all()
    assert np.abs(far).max() <= LARGEST_OUTPUT


def test_training_signal_looks_as_typical_as_fresh_signal(fitted):
    model, _, y, out = fitted
    fresh = model.transform(signal_rows(4000, np.random.default_rng(12)))[:, 3]
    for level in (0.5, 0.9):
        training = np.quantile(np.abs(out[y, 3]), level)
        assert training == pytest.approx(np.quantile(np.abs(fresh), level), rel=0.08)


def test_residuals_of_training_signal_are_from_networks_that_have_not_seen_them(rng):
    """Few rows and many idle columns: a network that has seen a row predicts it far too well."""

    def with_idle_columns(rows):
        return np.column_stack([rows, rng.normal(size=(len(rows), 10))])

    rows, y = sample(rng, n=200)
    rows = with_idle_columns(rows)
    model = ScaledParameters(((0, tuple(range(1, 13))),), folds=3, epochs=100, batch_size=64)
    crossed = np.median(np.abs(model.fit_transform(rows, y)[y, -1]))
    by_fold = np.abs(model._residuals(with_idle_columns(signal_rows(2000, rng))))
    fresh = np.median(by_fold)
    seen = np.median(np.abs(model._residuals(rows[y])))  # by two networks of three
    assert crossed == pytest.approx(fresh, rel=0.25)
    assert seen < 0.6 * fresh


def test_background_does_not_change_what_signal_is_like(rng):
    rows, y = sample(rng, n=600)
    few = {**SMALL, "epochs": 2}
    first = ScaledParameters(TARGETS, **few).fit(rows, y).transform(rows)
    other = rows.copy()
    other[~y] *= 100
    second = ScaledParameters(TARGETS, **few).fit(other, y).transform(rows)
    np.testing.assert_array_equal(first, second)


def test_a_target_sees_only_the_columns_named(rng):
    rows, y = sample(rng, n=600)
    targets = ((0, (1,)), (2, (1,)))
    model = ScaledParameters(targets, **{**SMALL, "epochs": 2}).fit(rows, y)
    changed = rows.copy()
    changed[:, 2] = rng.normal(size=len(rows))
    before, after = model.transform(rows), model.transform(changed)
    np.testing.assert_array_equal(before[:, 3], after[:, 3])
    assert np.any(before[:, 4] != after[:, 4])
    blind = rows.copy()
    blind[:, 0] += 1.0
    np.testing.assert_array_equal(before[:, 4], model.transform(blind)[:, 4])


def test_it_is_deterministic_and_clones(rng):
    rows, y = sample(rng, n=400)
    model = ScaledParameters(TARGETS, **{**SMALL, "epochs": 2}, random_state=3)
    first = model.fit(rows, y).transform(rows)
    np.testing.assert_array_equal(first, clone(model).fit(rows, y).transform(rows))
    other = clone(model).set_params(random_state=4).fit(rows, y).transform(rows)
    assert np.any(first != other)
    assert clone(model).get_params() == model.get_params()


def test_rows_are_independent_of_the_chunks_they_come_in(fitted, monkeypatch):
    model, rows, _, _ = fitted
    whole = model.transform(rows)
    monkeypatch.setattr("skysift.models.scaled_parameters._CHUNK", 100)
    np.testing.assert_allclose(model.transform(rows), whole, rtol=1e-4, atol=1e-5)


def test_it_must_be_fitted_first():
    with pytest.raises(NotFittedError):
        ScaledParameters(TARGETS).transform(np.zeros((1, 3)))
