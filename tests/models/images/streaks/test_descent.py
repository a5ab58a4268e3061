"""The descent ends where SciPy's does, at the bounds too."""

import numpy as np
import pytest
from scipy.optimize import least_squares

from skysift.models.images.streaks.descent import descend

TIMES = np.linspace(0.0, 4.0, 30)


def decay(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Residuals of an exponential, and their derivatives by amplitude, rate and level."""
    curve = np.exp(-p[1] * TIMES)
    noise = 0.05 * np.sin(17.0 * TIMES)
    residuals = p[0] * curve + p[2] - (3.0 * np.exp(-1.3 * TIMES) + 0.5 + noise)
    return residuals, np.column_stack([curve, -p[0] * TIMES * curve, np.ones_like(TIMES)])


@pytest.mark.parametrize("high", [np.inf, 1.0])
def test_the_least_squares_are_scipys(high: float):
    low = np.array([-10.0, 0.0, -10.0])
    top = np.array([10.0, high, 10.0])
    found, left = descend(decay, np.array([1.0, 0.2, 0.0]), low, top)
    peer = least_squares(lambda p: decay(p)[0], [1.0, 0.2, 0.0], bounds=(low, top), xtol=1e-12)
    np.testing.assert_allclose(found, peer.x, rtol=2e-3, atol=2e-3)
    assert left == pytest.approx(2.0 * peer.cost, abs=1e-4)
    assert found[1] <= high


def test_a_direction_that_nothing_tells_is_left_alone():
    slope = np.column_stack([np.ones(5), np.zeros(5)])
    wide = np.full(2, np.inf)
    found, left = descend(lambda p: (slope @ p - 2.0, slope), np.array([0.0, 7.0]), -wide, wide)
    assert found == pytest.approx([2.0, 7.0], abs=1e-3)
    assert left == pytest.approx(0.0, abs=1e-4)
