"""Where the random numbers of the estimators come from, and what single precision may fit."""

import numpy as np
import pytest

from skysift.models.muygps import MuyGPsClassifier, MuyGPsRegressor
from skysift.models.muygps.estimator import generator_of


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 2))
    return x, np.sin(x[:, 0]) + x[:, 1] ** 2


def test_an_older_generator_seeds_both(rows):
    x, y = rows
    for estimator, target in ((MuyGPsRegressor, y), (MuyGPsClassifier, y > 0.5)):
        first, second = (
            estimator(random_state=np.random.RandomState(3), batch_size=50).fit(x, target)
            for _ in range(2)
        )
        np.testing.assert_array_equal(first.predict(x), second.predict(x))


def test_seeds_and_generators_are_as_numpy_has_them():
    for state in (5, np.random.default_rng(5)):
        expected = np.random.default_rng(5).integers(2**63, size=4)
        np.testing.assert_array_equal(generator_of(state).integers(2**63, size=4), expected)
    older = np.random.RandomState(5)
    assert generator_of(older).integers(2**63) != generator_of(older).integers(2**63)


def test_single_precision_keeps_the_noise_above_its_rounding(rows):
    """Of data without noise, as little of it is fitted as the precision bears."""
    x, y = rows
    query = np.random.default_rng(1).normal(size=(300, 2))
    for precision, least in (("float64", 1e-6), ("float32", 1e-5)):
        model = MuyGPsRegressor(precision=precision, batch_size=100).fit(x, y)
        assert model.process_.parameters.noise == pytest.approx(least, rel=1e-6)
        _, error = model.predict(query, return_std=True)
        assert (error > 0).all()
