import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import gamma, kv

from skysift.core.errors import UnknownNameError, UsageError
from skysift.models.muygps.kernels import (
    RBF,
    Matern,
    inverse_length_scale,
    kernel_from_state,
    kernel_to_state,
)
from skysift.models.muygps.smoothness import smoothness_table

DISTANCES = np.concatenate([[0.0], np.geomspace(1e-9, 60.0, 4001)])


def bessel_matern(r, nu):
    x = np.sqrt(2.0 * nu) * r
    return 2.0 ** (1.0 - nu) / gamma(nu) * x**nu * kv(nu, x)


@pytest.mark.parametrize(
    ("nu", "closed"),
    [
        (0.5, lambda r: np.exp(-r)),
        (1.5, lambda r: (1.0 + np.sqrt(3.0) * r) * np.exp(-np.sqrt(3.0) * r)),
        (2.5, lambda r: (1.0 + np.sqrt(5.0) * r + 5.0 * r**2 / 3.0) * np.exp(-np.sqrt(5.0) * r)),
    ],
)
def test_the_table_and_the_closed_form_are_the_same_function(nu, closed):
    np.testing.assert_allclose(Matern(nu).profile()(DISTANCES**2), closed(DISTANCES), rtol=1e-13)
    np.testing.assert_allclose(smoothness_table(nu)(DISTANCES), closed(DISTANCES), rtol=1e-12)


@given(nu=st.floats(0.1, 10.0))
def test_the_table_is_the_bessel_function(nu):
    r = np.geomspace(1e-6, 20.0, 300)
    np.testing.assert_allclose(smoothness_table(nu)(r), bessel_matern(r, nu), rtol=0, atol=1e-12)
    assert smoothness_table(nu)(np.zeros(1))[0] == 1.0


@given(nu=st.floats(0.05, 30.0))
def test_covariance_falls_from_one_to_zero(nu):
    value = Matern(nu).profile()(DISTANCES**2)
    assert value[0] == 1.0
    assert np.all(np.diff(value) <= 1e-12)
    assert 0.0 <= value[-1] < 0.05


def test_infinite_smoothness_is_the_squared_exponential():
    squared = DISTANCES**2
    expected = np.exp(-0.5 * squared)
    np.testing.assert_allclose(RBF().profile()(squared.copy()), expected, rtol=1e-14)
    np.testing.assert_allclose(Matern(math.inf).profile()(squared.copy()), expected, rtol=1e-14)
    # The largest nu of the table is on its way there.
    np.testing.assert_allclose(Matern(30.0).profile()(squared.copy()), expected, atol=0.01)


def test_one_length_scale_or_one_per_feature():
    assert inverse_length_scale(RBF(2.0), 3).tolist() == [0.5, 0.5, 0.5]
    assert inverse_length_scale(Matern(0.5, (1.0, 4.0)), 2).tolist() == [1.0, 0.25]
    assert RBF([1.0, 4.0]) == RBF(np.array([1.0, 4.0])) == RBF((1.0, 4.0))
    assert kernel_to_state(Matern(length_scale=[1, 4]))["length_scale"] == [1.0, 4.0]
    with pytest.raises(UsageError, match="2 length scales for 3 features"):
        inverse_length_scale(RBF((1.0, 4.0)), 3)


@pytest.mark.parametrize("nu", [0.0, -1.0, 31.0, math.nan])
def test_a_nu_that_cannot_be(nu):
    with pytest.raises(UsageError, match="nu"):
        Matern(nu)


@pytest.mark.parametrize("scale", [0.0, -1.0, math.inf, math.nan, (1.0, 0.0), [[1.0], [2.0]]])
def test_a_length_scale_that_cannot_be(scale):
    with pytest.raises(UsageError, match="length scale"):
        RBF(scale)


@pytest.mark.parametrize(
    "kernel", [RBF(2.0), RBF((1.0, 2.0)), Matern(0.7, 3.0), Matern(math.inf, (1.0, 2.0))]
)
def test_a_kernel_survives_its_state(kernel):
    assert kernel_from_state(kernel_to_state(kernel)) == kernel


def test_a_state_of_no_kernel():
    with pytest.raises(UnknownNameError, match="mattern"):
        kernel_from_state({"name": "mattern", "length_scale": 1.0})
