"""The graph gives what the members give, also far outside the training data."""

import numpy as np
import pytest
from lightgbm import LGBMClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skysift.core.errors import BundleError
from skysift.models.cross_fitting import CrossFitted
from skysift.models.log_odds_mean import LogOddsMean
from skysift.models.onnx_export import _largest_single_below, export_cross_fitted
from skysift.models.periodic_mlp import PeriodicMlpClassifier
from skysift.models.persist.onnx_format import OnnxClassifier
from skysift.models.scaled_parameters import ScaledParameters

NAMES = ("gammaness", "gammaness_err")
N = 500


def scaled():
    return ScaledParameters(((0, (1, 2)), (3, (1,))), hidden=8, epochs=2, folds=2, batch_size=64)


def network(**options):
    small = {"members": 2, "hidden": 16, "frequencies": 4, "embedding": 3, "epochs": 2, "knots": 12}
    return PeriodicMlpClassifier(**{**small, **options})


def trees():
    return LGBMClassifier(n_estimators=12, num_leaves=6, n_jobs=1, verbose=-1)


def rows(rng, n=N):
    x = rng.normal(size=(n, 4)).astype(np.float32)
    x[:, 2] = np.round(x[:, 2])  # a column of few values
    return x, rng.random(n) < 1 / (1 + np.exp(-2 * x[:, 0] * x[:, 1]))


MODELS = {
    "network": network,
    "trees": trees,
    "blend": lambda: LogOddsMean(network(), trees()),
    "scaled network": lambda: make_pipeline(scaled(), network()),
    "scaled trees": lambda: make_pipeline(scaled(), trees()),
    "scaled blend": lambda: make_pipeline(scaled(), LogOddsMean(network(), trees())),
}


def cross_fitted(estimator, rng, folds=3):
    x, y = rows(rng)
    return CrossFitted.fit(estimator, x, y, np.arange(len(x)), rng, folds=folds)


@pytest.fixture
def inputs(rng):
    """Rows like those of the training sample, rows far from them, and rows on its very values."""
    far = rng.normal(size=(50, 4)) * [1e3, 1e5, 10, 1]
    return np.concatenate([rows(rng, 200)[0], far, np.zeros((1, 4))]).astype(np.float32)


@pytest.mark.parametrize("name", MODELS)
def test_the_graph_gives_what_the_members_give(name, rng, inputs):
    model = cross_fitted(MODELS[name](), rng)
    session = OnnxClassifier(export_cross_fitted(model, NAMES), NAMES)
    expected, error = model.predict_with_error(inputs)
    found, found_error = session.predict_with_error(inputs)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(found_error, error, atol=1e-5)
    assert error.max() > 1e-3
    assert np.ptp(expected) > 0.05


def test_large_weights_are_stored_in_half_precision_and_cost_little(rng, inputs):
    model = cross_fitted(network(hidden=96), rng, folds=2)
    data = export_cross_fitted(model, NAMES)
    weights = sum(array.size for member in model.members for array in member.arrays_.values())
    assert len(data) < 3 * weights
    found, _ = OnnxClassifier(data, NAMES).predict_with_error(inputs)
    np.testing.assert_allclose(found, model.predict_with_error(inputs)[0], atol=2e-3)


def test_one_member_has_no_error(rng, inputs):
    model = cross_fitted(trees(), rng)
    one = CrossFitted(model.members[:1], model.calibration, np.empty(0))
    found, error = OnnxClassifier(export_cross_fitted(one, NAMES), NAMES).predict_with_error(inputs)
    np.testing.assert_allclose(found, one.predict_with_error(inputs)[0], atol=1e-5)
    assert not error.any()


def test_rows_on_a_split_go_the_same_way(rng):
    """Half of the training values are split points, or next to one in single precision."""
    x, y = rows(rng)
    x = np.round(x * 4) / 4 + np.float32(0.1)
    model = CrossFitted.fit(trees(), x, y, np.arange(len(x)), rng, folds=2)
    near = np.concatenate([np.nextafter(x, np.float32(side)) for side in (-9, 9)] + [x])
    found, _ = OnnxClassifier(export_cross_fitted(model, NAMES), NAMES).predict_with_error(near)
    np.testing.assert_allclose(found, model.predict_with_error(near)[0], atol=1e-5)


@pytest.mark.parametrize("value", [0.1, -0.1, 1e-30, 123456.789, 0.5, 0.0])
def test_a_split_in_single_precision_is_the_last_number_that_goes_left(value):
    split = np.float32(_largest_single_below(value))
    assert float(split) <= value
    assert float(np.nextafter(split, np.float32(np.inf))) > value


@pytest.mark.parametrize(
    "estimator",
    [LogisticRegression(), make_pipeline(StandardScaler(), trees())],
    ids=["logistic regression", "scaler"],
)
def test_what_has_no_graph_is_refused_by_name(estimator, rng):
    model = cross_fitted(estimator, rng, folds=2)
    with pytest.raises(BundleError, match=r"(LogisticRegression|StandardScaler) has no ONNX graph"):
        export_cross_fitted(model, NAMES)
