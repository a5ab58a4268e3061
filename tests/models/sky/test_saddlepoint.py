"""r*: a significance in the tail, however few the counts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm, poisson

from skysift.models.sky.saddlepoint import CumulantTable

ONE = CumulantTable.of(np.full((1, 1, 1), 0.7))


@pytest.mark.parametrize("expected", [0.05, 0.5, 3.0, 40.0, 2000.0])
def test_one_weight_is_a_poisson_number(expected):
    """The tail at n lies between P(N >= n) and P(N > n): r* is that of the middle."""
    counts = np.arange(int(expected + 2 * np.sqrt(expected)) + 1, int(6 * np.sqrt(expected)) + 8)
    counts = np.unique(np.append(counts, expected + 6 * np.sqrt(expected)).astype(int))
    star = ONE.significance(0.7 * counts, np.full((len(counts), 1), expected))
    most, least = (norm.isf(poisson.sf(counts - shift, expected)) for shift in (1, 0))
    inside = (star > most - 0.02) & (star < least + 0.02)
    assert inside[np.isfinite(least)].all()


def test_mid_p_is_met_closely_where_counts_are_not_few():
    counts = np.array([30, 40, 50, 60])
    star = ONE.significance(0.7 * counts, np.full((4, 1), 20.0))
    middle = poisson.sf(counts, 20.0) + poisson.pmf(counts, 20.0) / 2
    np.testing.assert_allclose(star, norm.isf(middle), atol=0.02)


KERNELS = np.stack(
    [scale * np.exp(-((np.indices((9, 9)) - 4) ** 2).sum(axis=0) / 6) for scale in (0.3, 1.0, 2.0)]
)


@pytest.mark.parametrize("level", [0.01, 0.05, 2.0])
def test_sums_of_many_weights_have_the_stated_tail(level, rng):
    background = level * np.array([1.0, 0.3, 0.05])
    table, n = CumulantTable.of(KERNELS), 40_000
    sums = np.zeros(n)
    for kernel, rate in zip(KERNELS, background, strict=True):
        for weight in kernel.ravel():
            sums += weight * rng.poisson(rate, n)
    star = table.significance(sums, np.broadcast_to(background, (n, 3)))
    for sigma in (2.0, 3.0):
        wanted = norm.sf(sigma) * n
        # Sums of few photons come in steps; beside that, Poisson errors of the simulation.
        assert abs((star > sigma).sum() - wanted) < 0.2 * wanted + 4 * np.sqrt(wanted)


@given(ratio=st.floats(2.0, 12.0), level=st.floats(1e-3, 1e3))
def test_a_skew_sum_is_never_more_significant_than_its_ratio_to_the_noise(ratio, level):
    background = level * np.array([1.0, 0.3, 0.05])
    mean, variance = (background @ (KERNELS**order).sum(axis=(1, 2)) for order in (1, 2))
    value = np.array([mean + ratio * np.sqrt(variance)])
    star = CumulantTable.of(KERNELS).significance(value, background[None])
    assert star[0] < ratio + 0.005


def test_the_middle_is_no_singularity():
    background = np.array([[0.5, 0.2, 0.1]])
    mean = float(background[0] @ KERNELS.sum(axis=(1, 2)))
    table = CumulantTable.of(KERNELS)
    values = mean + np.linspace(-1, 1, 41)
    star = table.significance(values, np.repeat(background, 41, axis=0))
    assert np.all(np.diff(star) > 0)
    assert abs(np.interp(mean, values, star)) < 0.2
    assert np.isfinite(star).all()


@given(
    st.floats(0.5, 200.0),
    st.lists(st.floats(1e-6, 50.0), min_size=3, max_size=3),
)
def test_it_grows_with_the_sum_and_falls_with_the_background(value, background):
    table = CumulantTable.of(KERNELS)
    low = np.array([background])
    star = table.significance(np.array([value, 1.2 * value]), np.repeat(low, 2, axis=0))
    assert np.isfinite(star).all()
    assert star[1] > star[0]
    more = table.significance(np.array([value]), 1.3 * low)
    assert more[0] < star[0]


def test_the_unit_of_the_weights_does_not_matter():
    background = np.array([[0.2, 0.1, 0.05]])
    one = CumulantTable.of(KERNELS).significance(np.array([12.0]), background)
    other = CumulantTable.of(KERNELS * 1000).significance(np.array([12_000.0]), background)
    np.testing.assert_allclose(one, other, rtol=1e-9)


def test_many_counts_are_normal():
    background = np.array([[1e4, 1e4, 1e4]])
    mean = float(background[0] @ KERNELS.sum(axis=(1, 2)))
    sigma = float(np.sqrt(background[0] @ (KERNELS**2).sum(axis=(1, 2))))
    star = CumulantTable.of(KERNELS).significance(np.array([mean + 4 * sigma]), background)
    assert star[0] == pytest.approx(4.0, abs=0.05)
