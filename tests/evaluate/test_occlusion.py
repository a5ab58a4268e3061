"""Occlusion: it points to the pixels that a model uses, and to no others."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from skysift.core.errors import UsageError
from skysift.evaluate.occlusion import occlusion_map


def test_a_model_of_one_pixel_is_found_out():
    image = np.zeros((20, 30))
    image[7, 21] = 3.0
    change = occlusion_map(lambda many: many[:, 7, 21], image, patch=5, stride=1, fill=1.0)
    assert change[7, 21] == pytest.approx(2.0)
    assert np.unravel_index(change.argmax(), change.shape) == (7, 21)
    far = np.ones(image.shape, dtype=bool)
    far[3:12, 17:26] = False
    assert_allclose(change[far], 0.0)


def test_what_speaks_against_is_negative():
    image = np.ones((8, 8))
    change = occlusion_map(
        lambda many: 1 - many[:, :4].mean(axis=(1, 2)), image, patch=4, stride=4, fill=0.0
    )
    assert_allclose(change[:4], -0.5)
    assert_allclose(change[4:], 0.0)


def test_a_fill_of_the_image_itself_changes_nothing():
    image = np.random.default_rng(1).normal(size=(9, 9)).astype(np.float32)
    assert not occlusion_map(
        lambda m: m.std(axis=(1, 2)), image, patch=4, stride=3, fill=image
    ).any()


@given(ny=st.integers(3, 17), nx=st.integers(3, 17), patch=st.integers(1, 3), data=st.data())
def test_every_pixel_is_covered_and_a_sum_is_shared_out(ny, nx, patch, data):
    stride = data.draw(st.integers(1, patch))
    image = np.ones((ny, nx))
    change = occlusion_map(lambda m: m.sum(axis=(1, 2)), image, patch=patch, stride=stride, fill=0)
    assert_allclose(change, patch**2)


@pytest.mark.parametrize(("patch", "stride"), [(9, 1), (0, 1), (4, 5), (4, 0)])
def test_squares_that_leave_gaps_are_refused(patch, stride):
    with pytest.raises(UsageError, match="Squares of"):
        occlusion_map(
            lambda m: m.sum(axis=(1, 2)), np.ones((8, 8)), patch=patch, stride=stride, fill=0
        )
