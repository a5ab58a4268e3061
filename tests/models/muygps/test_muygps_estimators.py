import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from skysift.core.errors import BundleError, UnknownNameError, UsageError
from skysift.evaluate.probability import brier_score
from skysift.models.muygps import (
    RBF,
    Matern,
    MuyGPsClassifier,
    MuyGPsRegressor,
    optimise,
    posterior,
)
from skysift.models.persist.arrays import load_arrays, save_arrays


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks(
    [
        MuyGPsRegressor(batch_size=40, n_neighbours=10),
        MuyGPsClassifier(batch_size=40, n_neighbours=10),
    ]
)
def test_scikit_learn_accepts_the_estimators(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def surface():
    """A smooth function of three features, with noise of 0.1."""
    rng = np.random.default_rng(9)
    x = rng.uniform(-2.0, 2.0, size=(3000, 3))
    truth = np.sin(2.0 * x[:, 0]) * x[:, 1] + 0.3 * x[:, 2] + 7.0
    return x, truth, truth + 0.1 * rng.normal(size=3000)


@pytest.fixture(scope="module")
def overlapping():
    """Two classes that overlap; the true probability is known."""
    rng = np.random.default_rng(10)
    x = rng.normal(size=(6000, 4))
    truth = 1.0 / (1.0 + np.exp(-3.0 * x[:, 0] - 2.0 * x[:, 1] * x[:, 2]))
    label = np.where(rng.random(6000) < truth, "star", "galaxy")
    return x, truth, label


@pytest.fixture(scope="module")
def star_classifier(overlapping):
    x, _, label = overlapping
    return MuyGPsClassifier(batch_size=300).fit(x[:4000], label[:4000])


def test_regression_is_accurate_and_its_errors_hold(surface):
    x, truth, y = surface
    model = MuyGPsRegressor(random_state=3).fit(x[:2500], y[:2500])
    mean, error = model.predict(x[2500:], return_std=True)
    residual = mean - truth[2500:]
    assert np.sqrt(np.mean(residual**2)) < 0.1
    # The loss of the papers compares the posterior with noisy targets, so errors are ample.
    assert np.mean(np.abs(residual) < error) > 0.6
    assert np.mean(np.abs(residual) < 3.0 * error) > 0.98
    np.testing.assert_array_equal(model.predict(x[2500:]), mean)


def test_far_from_all_data_the_prior_returns(surface):
    x, _, y = surface
    model = MuyGPsRegressor(batch_size=100).fit(x[:500], y[:500])
    mean, error = model.predict_with_error([[1e4, 1e4, 1e4]])
    assert mean[0] == pytest.approx(y[:500].mean())
    assert error[0] == pytest.approx(np.sqrt(model.process_.sigma_squared[0]))
    zero = MuyGPsRegressor(prior_mean=0.0, batch_size=100).fit(x[:500], y[:500])
    assert zero.predict([[1e4, 1e4, 1e4]])[0] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("engine", ["compiled", "numpy", "torch"])
@pytest.mark.parametrize("search", ["exact", "approximate"])
def test_however_far_the_prior_returns(surface, engine, search):
    if search == "approximate":
        pytest.importorskip("faiss", reason="faiss is not installed")
    x, _, y = surface
    model = MuyGPsRegressor(Matern(1.5, 2.0), free=None, engine=engine, search=search)
    mean, error = model.fit(x[:500], y[:500]).predict_with_error(
        [[1e160, 0.0, 0.0], [0.0, -1e30, 1e308]]
    )
    np.testing.assert_allclose(mean, y[:500].mean())
    np.testing.assert_allclose(error, np.sqrt(model.process_.sigma_squared[0]))


@pytest.mark.parametrize("n_neighbours", [5, 50])
def test_with_no_fewer_neighbours_than_rows_the_process_is_the_whole_one(n_neighbours):
    x, y = np.array([[0.0], [1.0], [2.0], [3.0], [10.0]]), np.array([0.0, 1.0, 2.0, 3.0, 100.0])
    kernel = Matern(1.5, 2.0)
    model = MuyGPsRegressor(kernel, noise=1e-3, free=None, n_neighbours=n_neighbours).fit(x, y)
    profile = kernel.profile()
    inner = profile(((x - x.T) / 2.0) ** 2) + 1e-3 * np.eye(5)
    cross = profile(((np.array([[5.0]]) - x.T) / 2.0) ** 2)
    whole = y.mean() + cross @ np.linalg.solve(inner, y - y.mean())
    np.testing.assert_allclose(model.predict([[5.0]]), whole, rtol=1e-9)
    plain, arrays = model.to_state()
    again = MuyGPsRegressor.from_state(plain, arrays)
    np.testing.assert_array_equal(again.predict([[5.0]]), model.predict([[5.0]]))
    # Left out, a row has the four others; a state of before says so of all predictions.
    which = np.arange(5)
    old = MuyGPsRegressor.from_state(plain | {"n_neighbours": 4}, arrays)
    np.testing.assert_array_equal(
        old.process_.leave_one_out(which).mean, model.process_.leave_one_out(which).mean
    )


def test_outputs_are_regressed_as_if_alone(surface):
    x, _, y = surface
    fixed = {"kernel": Matern(1.5, 2.0), "free": None}
    both = MuyGPsRegressor(**fixed).fit(x[:500], np.column_stack([y[:500], -2.0 * y[:500]]))
    one = MuyGPsRegressor(**fixed).fit(x[:500], y[:500])
    mean, error = both.predict_with_error(x[500:600])
    np.testing.assert_allclose(mean[:, 0], one.predict(x[500:600]), rtol=1e-12)
    np.testing.assert_allclose(mean[:, 1], -2.0 * mean[:, 0], rtol=1e-9)
    np.testing.assert_allclose(error[:, 1], 2.0 * error[:, 0], rtol=1e-9)


def test_a_row_with_much_noise_counts_little(surface):
    x, truth, _ = surface
    y, noise = truth[:600].copy(), np.full(600, 1e-4)
    y[::10] += 50.0
    noise[::10] = 1e6
    model = MuyGPsRegressor(Matern(1.5, 2.0), free=None, prior_mean=7.0)
    careful = model.fit(x[:600], y, noise=noise).predict(x[600:800])
    careless = model.fit(x[:600], y).predict(x[600:800])
    assert np.abs(careful - truth[600:800]).mean() < 0.3
    assert np.abs(careless - truth[600:800]).mean() > 1.0


def test_the_same_seed_gives_the_same_model(surface):
    x, _, y = surface
    one, other, third = (
        MuyGPsRegressor(batch_size=60, random_state=seed).fit(x[:800], y[:800])
        for seed in (4, 4, 5)
    )
    assert one.process_.parameters == other.process_.parameters
    assert one.process_.parameters != third.process_.parameters


def test_probabilities_are_calibrated(star_classifier, overlapping):
    x, truth, label = overlapping
    p = star_classifier.predict_proba(x[4000:])[:, 1]
    is_star = label[4000:] == "star"
    assert brier_score(is_star, p) < brier_score(is_star, truth[4000:]) + 0.02
    for low in (0.0, 0.2, 0.4, 0.6, 0.8):
        inside = (p >= low) & (p < low + 0.2)
        expected = truth[4000:][inside].mean()
        assert p[inside].mean() == pytest.approx(expected, abs=0.06)


def test_ambiguous_rows_are_where_the_mistakes_are(star_classifier, overlapping):
    x, _, label = overlapping
    wrong = star_classifier.predict(x[4000:]) != label[4000:]
    ambiguous = star_classifier.ambiguous(x[4000:])
    assert 0.05 < ambiguous.mean() < 0.7
    assert wrong[ambiguous].mean() > 3.0 * wrong[~ambiguous].mean()
    mean, error = star_classifier.posterior(x[4000:])
    cut = star_classifier.cutoff_.cutoff
    np.testing.assert_array_equal(
        (mean - cut * error < 0.0) & (mean + cut * error > 0.0), ambiguous
    )


def test_the_error_of_a_probability_grows_where_data_are_few(star_classifier):
    near, far = [[0.0, 0.0, 0.0, 0.0]], [[3.5, 3.5, -3.5, 3.5]]
    (_, near_error), (_, far_error) = map(star_classifier.predict_with_error, (near, far))
    mean_error = star_classifier.posterior(near)[1], star_classifier.posterior(far)[1]
    assert mean_error[1] > mean_error[0]
    assert near_error.shape == far_error.shape == (1, 2)
    assert near_error[0, 0] == pytest.approx(near_error[0, 1], rel=1e-12)
    assert near_error[0, 0] > 0.0


def test_three_classes(rng):
    centres = np.array([[0.0, 2.0], [2.0, -1.0], [-2.0, -1.0]])
    label = rng.integers(0, 3, 1500)
    x = centres[label] + rng.normal(size=(1500, 2))
    model = MuyGPsClassifier(n_neighbours=30, batch_size=150).fit(x[:1000], label[:1000])
    p, error = model.predict_with_error(x[1000:])
    np.testing.assert_allclose(p.sum(axis=1), 1.0)
    assert np.mean(model.predict(x[1000:]) == label[1000:]) > 0.88
    assert np.all(error > 0.0)
    assert p.max(axis=1).mean() == pytest.approx(
        np.mean(model.predict(x[1000:]) == label[1000:]), abs=0.03
    )
    with pytest.raises(UsageError, match="two classes"):
        model.ambiguous(x)


@pytest.mark.parametrize("labels", [["galaxy", "star"], [0, 1], ["a", "b", "c"]])
def test_a_classifier_survives_its_state(rng, labels):
    x = rng.normal(size=(300, 3))
    y = np.array(labels)[rng.integers(0, len(labels), 300)]
    model = MuyGPsClassifier(n_neighbours=15, batch_size=50).fit(x, y)
    plain, arrays = model.to_state()
    again = MuyGPsClassifier.from_state(
        json.loads(json.dumps(plain)), load_arrays(save_arrays(arrays))
    )
    np.testing.assert_array_equal(again.predict_proba(x), model.predict_proba(x))
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    if len(labels) == 2:
        np.testing.assert_array_equal(again.ambiguous(x), model.ambiguous(x))


def test_engines_that_round_otherwise_fit_the_same_process(overlapping, monkeypatch):
    """The minimum is reached, so that rounding does not choose where the search ends."""
    x, _, label = overlapping
    models = []
    for rounding in (0.0, 1e-14):

        def rounded(*rows, _rounding=rounding, **how):
            found = posterior.local_posterior(*rows, **how)
            noise = np.random.default_rng(1).uniform(-_rounding, _rounding, found.mean.shape)
            return replace(found, mean=found.mean * (1.0 + noise))

        monkeypatch.setattr(optimise, "local_posterior", rounded)
        model = MuyGPsClassifier(batch_size=150, n_neighbours=25, engine="numpy")
        models.append(model.fit(x[:1000], label[:1000]))
    one, other = (model.process_.parameters for model in models)
    assert other.noise == pytest.approx(one.noise, rel=1e-5)
    assert other.kernel.length_scale == pytest.approx(one.kernel.length_scale, rel=1e-5)
    said = [model.predict_proba(x[2000:2500]) for model in models]
    np.testing.assert_allclose(said[1], said[0], rtol=0, atol=1e-6)


def test_what_is_fitted_does_not_depend_on_the_precision(overlapping):
    x, _, label = overlapping
    x, settings = x[:1000].astype(np.float32), {"batch_size": 150, "n_neighbours": 25}
    fits = [
        MuyGPsClassifier(**settings, engine="numpy", precision=precision).fit(x, label[:1000])
        for precision in ("float64", "float32")
    ]
    one, other = (model.process_.parameters for model in fits)
    assert other == one
    assert fits[1].process_.points.dtype == np.float32
    np.testing.assert_allclose(
        fits[1].calibration_.to_state(), fits[0].calibration_.to_state(), rtol=1e-6
    )


@pytest.mark.parametrize("noise", [None, np.linspace(0.001, 0.1, 300)])
def test_a_regressor_survives_its_state(surface, noise):
    x, _, y = surface
    free = {"length_scale": (0.1, 10.0)}
    model = MuyGPsRegressor(RBF(1.0), free=free, precision="float32", batch_size=50)
    model.fit(x[:300], y[:300], noise=noise)
    plain, arrays = model.to_state()
    again = MuyGPsRegressor.from_state(
        json.loads(json.dumps(plain)), load_arrays(save_arrays(arrays))
    )
    for one, other in zip(
        again.predict_with_error(x[300:350]), model.predict_with_error(x[300:350]), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_a_damaged_state_is_refused(surface):
    x, _, y = surface
    plain, arrays = MuyGPsRegressor(batch_size=50).fit(x[:300], y[:300]).to_state()
    with pytest.raises(BundleError, match="kernel"):
        MuyGPsRegressor.from_state({k: v for k, v in plain.items() if k != "kernel"}, arrays)
    with pytest.raises(BundleError, match="fit together"):
        MuyGPsRegressor.from_state(plain, arrays | {"targets": arrays["targets"][:-1]})
    with pytest.raises(BundleError, match="classes"):
        MuyGPsClassifier.from_state(plain, arrays)
    for name in ("points", "targets", "sigma_squared"):
        spoilt = arrays[name].copy()
        spoilt.flat[0] = np.nan
        with pytest.raises(BundleError, match="no finite number"):
            MuyGPsRegressor.from_state(plain, arrays | {name: spoilt})


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"n_neighbours": 0}, UsageError, "n_neighbours"),
        ({"threads": 0}, UsageError, "threads"),
        ({"batch_size": 0}, UsageError, "batch_size"),
        ({"n_neighbours": 5.5}, UsageError, "n_neighbours = 5.5"),
        ({"n_neighbours": "5"}, UsageError, "n_neighbours = '5'"),
        ({"batch_size": 50.5}, UsageError, "whole number"),
        ({"threads": None}, UsageError, "whole number"),
        ({"noise": -1.0}, UsageError, "noise"),
        ({"kernel": 3}, UsageError, "no kernel"),
        ({"noise": np.nan}, UsageError, "noise"),
        ({"precision": "float16"}, UnknownNameError, "float16"),
        ({"loss": "mae"}, UnknownNameError, "mae"),
        ({"search": "fast"}, UnknownNameError, "fast"),
    ],
)
def test_parameters_that_cannot_be(surface, change, error, message):
    x, _, y = surface
    with pytest.raises(error, match=message):
        MuyGPsRegressor(**change).fit(x[:50], y[:50])


def test_a_calibration_size_that_cannot_be(overlapping):
    x, _, label = overlapping
    with pytest.raises(UsageError, match="calibration_size = '9'"):
        MuyGPsClassifier(calibration_size="9").fit(x[:50], label[:50])


def test_whole_numbers_of_numpy_are_accepted_and_stored(surface):
    x, _, y = surface
    settings = {"n_neighbours": np.int64(9), "batch_size": np.int32(20), "threads": np.int16(1)}
    plain, _ = MuyGPsRegressor(**settings).fit(x[:50], y[:50]).to_state()
    assert json.loads(json.dumps(plain))["n_neighbours"] == 9


@pytest.mark.parametrize("noise", [np.ones(49), np.full(50, -1.0), np.full(50, np.nan)])
def test_noise_of_rows_that_cannot_be(surface, noise):
    x, _, y = surface
    with pytest.raises(UsageError, match="50 finite variances"):
        MuyGPsRegressor().fit(x[:50], y[:50], noise=noise)
