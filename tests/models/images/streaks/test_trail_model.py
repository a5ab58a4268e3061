"""The image of a trail against its definition, against Veres et al., and its derivatives."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import erf

from skysift.core.errors import InputError, UsageError
from skysift.models.images.streaks.point_spread import FWHM_PER_SIGMA, PointSpread
from skysift.models.images.streaks.trail import Trail, trail_image, trail_model

OVAL = PointSpread((0.7, 0.3), (1.1, 2.2), (1.25, 0.3, 1.09 / 1.25))
SHAPE = (41, 41)


def grid() -> np.ndarray:
    y, x = np.indices(SHAPE)
    return np.stack([x.ravel(), y.ravel()]).astype(float)


def test_a_gaussian_trail_is_equation_3_of_veres_and_others():
    sigma, length, angle = 1.4, 9.0, 37.0
    x, y = grid()
    u = (x - 20.3) * math.cos(math.radians(angle)) + (y - 19.1) * math.sin(math.radians(angle))
    v = (y - 19.1) * math.cos(math.radians(angle)) - (x - 20.3) * math.sin(math.radians(angle))
    root = math.sqrt(2.0) * sigma
    expected = 50.0 / (2.0 * length * sigma * math.sqrt(2.0 * math.pi)) * np.exp(-((v / root) ** 2))
    expected *= erf((u + length / 2) / root) - erf((u - length / 2) / root)
    image = trail_image(
        Trail(20.3, 19.1, 50.0, length, angle), SHAPE, PointSpread.gaussian(sigma * FWHM_PER_SIGMA)
    )
    np.testing.assert_allclose(image.ravel(), expected, atol=1e-13)


@pytest.mark.parametrize("spread", [PointSpread.moffat(2.4, 3.0), OVAL])
def test_a_trail_is_the_mean_of_points_along_it(spread: PointSpread):
    trail = Trail(20.3, 19.1, 50.0, 11.0, 142.0)
    nodes, weights = np.polynomial.legendre.leggauss(60)
    dx, dy = trail.half
    points = sum(
        0.5 * w * trail_image(Trail(trail.x + t * dx, trail.y + t * dy, 50.0, 0, 0), SHAPE, spread)
        for t, w in zip(nodes, weights, strict=True)
    )
    image = trail_image(trail, SHAPE, spread)
    np.testing.assert_allclose(image, points, atol=2e-6 * image.max())


def test_moments_of_a_trail_are_those_of_segment_and_point_spread():
    trail = Trail(20.3, 19.1, 50.0, 8.0, 60.0)
    image = trail_image(trail, SHAPE, OVAL)
    x, y = grid()
    weight = image.ravel() / image.sum()
    assert (weight @ x, weight @ y) == pytest.approx((20.3, 19.1), abs=1e-3)
    size = 0.7 * 1.1**2 + 0.3 * 2.2**2
    along = np.array([math.cos(math.radians(60)), math.sin(math.radians(60))])
    xx, xy, yy = OVAL.shape
    expected = size * np.array([[xx, xy], [xy, yy]]) + 8.0**2 / 12.0 * np.outer(along, along)
    found = np.cov(np.stack([x, y]), aweights=weight, ddof=0)
    np.testing.assert_allclose(found, expected, rtol=2e-3)


@settings(max_examples=30)
@given(
    st.floats(-3, 3),
    st.floats(-3, 3),
    st.floats(0.05, 9),
    st.floats(0, 360),
    st.floats(-0.7, 0.7),
)
def test_derivatives_are_those_of_differences(
    x: float, y: float, reach: float, angle: float, width: float
):
    radians = math.radians(angle)
    at = np.array(
        [20 + x, 20 + y, 80.0, reach * math.cos(radians), reach * math.sin(radians), width]
    )
    _, jacobian = trail_model(at, grid(), OVAL)
    for k in range(6):
        step = np.zeros(6)
        step[k] = 1e-5
        rise = trail_model(at + step, grid(), OVAL)[0] - trail_model(at - step, grid(), OVAL)[0]
        scale = np.abs(jacobian).max()
        np.testing.assert_allclose(jacobian[:, k], rise / 2e-5, atol=1e-6 * scale)


@given(st.floats(0.0, 1e3), st.floats(0, 180))
def test_no_length_or_angle_makes_the_model_fail(length: float, angle: float):
    image = trail_image(Trail(20.0, 20.0, 1.0, length, angle), SHAPE, OVAL)
    assert np.isfinite(image).all()
    assert image.min() >= 0.0


def test_the_ends_make_the_trail():
    trail = Trail.between((3.0, 4.0), (9.0, -4.0), 5.0)
    assert (trail.x, trail.y, trail.length) == pytest.approx((6.0, 0.0, 10.0))
    assert trail.angle == pytest.approx(math.degrees(math.atan2(-8, 6)) % 180)
    assert min(trail.ends) == pytest.approx((3.0, 4.0))


@pytest.mark.parametrize(("fwhm", "beta"), [(2.0, 2.5), (3.1, 3.5), (5.0, 5.0)])
def test_a_moffat_profile_is_what_moffat_wrote(fwhm: float, beta: float):
    spread = PointSpread.moffat(fwhm, beta)
    radius = np.linspace(0.0, 1.5 * fwhm, 41)
    scale = fwhm / (2.0 * math.sqrt(2.0 ** (1.0 / beta) - 1.0))
    expected = (beta - 1.0) / (math.pi * scale**2) * (1.0 + (radius / scale) ** 2) ** -beta
    points = np.stack([radius, np.zeros_like(radius)])
    found, _ = trail_model(np.array([0.0, 0.0, 1.0, 0.0, 0.0, 0.0]), points, spread)
    np.testing.assert_allclose(found, expected, rtol=0.03)
    assert spread.fwhm == pytest.approx(fwhm, rel=0.01)


def test_the_image_of_a_point_gives_its_shape_back():
    truth = OVAL
    image = trail_image(Trail(20.2, 19.9, 1.0, 0.0, 0.0), SHAPE, truth)
    found = PointSpread.from_image(image)
    assert found.shape == pytest.approx(truth.shape, abs=0.02)
    again = trail_image(Trail(20.2, 19.9, 1.0, 0.0, 0.0), SHAPE, found)
    assert np.abs(again - image).max() < 0.01 * image.max()


def test_noise_area_is_the_inverse_of_the_sum_of_squares():
    image = trail_image(Trail(20.0, 20.0, 1.0, 0.0, 0.0), SHAPE, OVAL)
    assert OVAL.noise_area == pytest.approx(1.0 / np.sum(image**2), rel=1e-3)


def test_convolution_adds_widths_in_squares():
    spread = PointSpread.gaussian(2.0).broadened(1.5).scaled(2.0)
    assert spread.sigmas[0] == pytest.approx(2.0 * math.hypot(2.0 / FWHM_PER_SIGMA, 1.5))


@pytest.mark.parametrize(
    "wrong",
    [
        ((0.5, 0.4), (1.0, 2.0), (1.0, 0.0, 1.0)),
        ((1.0,), (0.0,), (1.0, 0.0, 1.0)),
        ((1.0,), (1.0,), (2.0, 0.0, 1.0)),
        ((), (), (1.0, 0.0, 1.0)),
    ],
)
def test_numbers_that_make_no_point_spread_function_are_refused(wrong: tuple):
    with pytest.raises(InputError):
        PointSpread(*wrong)


def test_widths_and_images_that_mean_nothing_are_refused():
    with pytest.raises(UsageError):
        PointSpread.gaussian(0.0)
    with pytest.raises(UsageError):
        PointSpread.moffat(2.0, 1.0)
    for image in (np.zeros((9, 9)), np.full((9, 9), np.nan), np.ones(9)):
        with pytest.raises(InputError):
            PointSpread.from_image(image)
