"""Matched in magnitude: brightness alone says nothing, and shape as much as before."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from skysift.tasks.star_galaxy.evaluation import evaluate
from skysift.tasks.star_galaxy.matched import matched_columns, matched_weights

N = 4000


@pytest.fixture
def sample(rng):
    """Galaxies are fainter than stars; shape tells them apart whatever the magnitude."""
    is_galaxy = rng.random(N) < 0.5
    magnitude = rng.normal(np.where(is_galaxy, 18.5, 17.0), 0.8)
    shape = np.clip(rng.normal(np.where(is_galaxy, 0.7, 0.3), 0.15), 0.01, 0.99)
    return is_galaxy, magnitude, shape


def measured(is_galaxy, probability, magnitude):
    columns = matched_columns(is_galaxy, probability, magnitude)
    return {
        name: float(column(np.ones((1, len(is_galaxy))))[0]) for name, column in columns.items()
    }


def test_both_classes_have_the_same_magnitudes(sample, rng):
    is_galaxy, magnitude, _ = sample
    before = rng.integers(0, 4, (3, N)).astype(float)
    after = matched_weights(before, is_galaxy, magnitude)
    assert np.all((after >= 0) & (after <= before))
    for low in np.arange(14, 22, 0.5):
        inside = (magnitude >= low) & (magnitude < low + 0.5)
        stars, galaxies = (
            after[:, inside & chosen].sum(axis=1) for chosen in (~is_galaxy, is_galaxy)
        )
        np.testing.assert_allclose(stars, galaxies)


def test_magnitude_alone_tells_nothing_but_the_width_of_a_bin(sample):
    is_galaxy, magnitude, shape = sample
    by_magnitude = 1 / (1 + np.exp(17.75 - magnitude))
    assert roc_auc_score(is_galaxy, by_magnitude) > 0.88
    assert measured(is_galaxy, by_magnitude, magnitude)["auc@matched"] < 0.6
    assert measured(is_galaxy, shape, magnitude)["auc@matched"] == pytest.approx(
        roc_auc_score(is_galaxy, shape), abs=0.02
    )


def test_measures_are_those_of_weighted_rows(sample):
    is_galaxy, magnitude, shape = sample
    shape = shape.round(1)  # many are equal
    weight = matched_weights(np.ones((1, N)), is_galaxy, magnitude)[0]
    found = measured(is_galaxy, shape, magnitude)
    right = (shape > 0.5) == is_galaxy
    assert found["auc@matched"] == pytest.approx(
        roc_auc_score(is_galaxy, shape, sample_weight=weight)
    )
    assert found["accuracy@matched"] == pytest.approx(np.average(right, weights=weight))
    some = shape.clip(0.1, 0.9)
    loss = -np.log(np.where(is_galaxy, some, 1 - some))
    assert measured(is_galaxy, some, magnitude)["log_loss@matched"] == pytest.approx(
        np.average(loss, weights=weight)
    )


def test_an_unknown_magnitude_does_not_count(sample):
    is_galaxy, magnitude, shape = sample
    unknown = np.append(magnitude, [np.nan] * 5)
    more = measured(np.append(is_galaxy, [True] * 5), np.append(shape, [0.01] * 5), unknown)
    assert more == pytest.approx(measured(is_galaxy, shape, magnitude))
    assert matched_columns(is_galaxy, shape, np.full(N, np.nan)) == {}
    assert matched_columns(is_galaxy, shape, np.where(is_galaxy, 19.0, 15.0)) == {}


def test_the_evaluation_tells_them_with_their_weight(sample, rng):
    is_galaxy, magnitude, shape = sample
    found = evaluate(
        is_galaxy,
        shape,
        np.zeros(N, dtype=bool),
        magnitude,
        np.arange(N),
        rng=rng,
        model="m",
        data="d",
        split="s",
    )
    metric = found["auc@matched"]
    weight = matched_weights(np.ones((1, N)), is_galaxy, magnitude).sum()
    assert metric.low < metric.value < metric.high
    assert metric.n == round(weight)
    assert 0.2 * N < metric.n < 0.6 * N
