"""Fixtures of the tests of local Gaussian processes."""

import numpy as np
import pytest

from skysift.models.muygps.posterior import Neighbourhoods


@pytest.fixture
def neighbourhoods(rng):
    """Rows with unlike noise, two outputs, and neighbours far from the origin."""
    n, n_points, n_features, k = 37, 400, 6, 21
    points = rng.normal(size=(n_points, n_features)) + 30.0
    query = rng.normal(size=(n, n_features)) + 30.0
    squared = ((query[:, None] - points) ** 2).sum(axis=2)
    return Neighbourhoods(
        query=query,
        points=points,
        targets=rng.normal(size=(n_points, 2)),
        noise=rng.uniform(1e-3, 1e-1, n_points),
        indices=np.argsort(squared, axis=1)[:, :k],
    )
