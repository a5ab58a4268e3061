"""The original's normalisations by its formulas, without its leak; stretch and matched scale."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline

from skysift.core.errors import InputError, UsageError
from skysift.data.images.facts import fact_table
from skysift.data.images.image_set import ImageSet
from skysift.preprocess.images.normalisation import AsinhStretch, Normalisation, PixelNormaliser
from skysift.preprocess.images.seeing_match import SeeingMatcher


@pytest.fixture
def stacks(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return rng.uniform(100, 5000, (6, 8, 8)), rng.uniform(50, 9000, (4, 8, 8))


def by_formula(kind: str, x: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Each image by itself, as the formulas read."""
    low, high, log = x.min(), x.max(), np.log10(x)
    return {
        "raw": lambda: x,
        "norm-1": lambda: log - log.min(),
        "norm-2": lambda: (x - low) / (high - low),
        "norm-3": lambda: (x - train.min()) / (train.max() - train.min()),
        "norm-4": lambda: (x - low) / train.max(),
        "norm-5": lambda: (log - log.min()) / np.log10(train.max()),
    }[kind]()


@pytest.mark.parametrize("kind", list(Normalisation))
def test_each_kind_is_its_formula_with_extremes_of_the_training_set(stacks, kind) -> None:
    train, test = stacks
    fitted = clone(PixelNormaliser(kind)).fit(train)
    expected = [by_formula(kind, image, train).ravel() for image in test]
    np.testing.assert_allclose(fitted.transform(test), expected, rtol=1e-12)
    np.testing.assert_allclose(fitted.transform(test.reshape(4, -1)), expected, rtol=1e-12)


@pytest.mark.parametrize("kind", list(Normalisation))
def test_no_test_image_changes_another(stacks, kind) -> None:
    train, test = stacks
    fitted = PixelNormaliser(kind).fit(train)
    together = fitted.transform(np.concatenate([test, 100 * test]))
    np.testing.assert_array_equal(together[:4], fitted.transform(test))


@pytest.mark.parametrize("kind", list(Normalisation))
def test_holes_negative_pixels_and_flat_images_stay_finite(stacks, kind) -> None:
    train, test = stacks
    test = test.copy()
    test[0, :2], test[1, 3, 3], test[2], test[3] = np.nan, -5.0, 7.0, np.nan
    assert np.isfinite(PixelNormaliser(kind).fit(train).transform(test)).all()


def test_misuse_is_named(stacks) -> None:
    with pytest.raises(UsageError, match="norm-6"):
        PixelNormaliser("norm-6").fit(stacks[0])
    with pytest.raises(InputError, match="49 pixels"):
        PixelNormaliser().fit(stacks[0]).transform(np.ones((1, 7, 7)))
    with pytest.raises(InputError, match="no valid pixel"):
        PixelNormaliser().fit(np.full((1, 7, 7), np.nan))


@given(sky=st.floats(-100, 5000), gain=st.floats(0.1, 50))
def test_the_stretch_does_not_see_sky_level_or_unit(sky, gain) -> None:
    stamp = np.random.default_rng(5).normal(0, 1, (1, 20, 20))
    stamp[0, 9:12, 9:12] += 50
    stretch = AsinhStretch()
    np.testing.assert_allclose(
        stretch.fit_transform(stamp), stretch.fit_transform(gain * stamp + sky), atol=1e-6
    )


def test_stretch_and_components_make_a_pipeline(rng) -> None:
    stack = rng.normal(200, 5, (40, 20, 20))
    pipeline = make_pipeline(AsinhStretch(unit_flux=True), PCA(5, svd_solver="full"))
    assert pipeline.fit(stack[:30]).transform(stack[30:]).shape == (10, 5)


def star(fwhm: float, y: float, x: float) -> np.ndarray:
    rows, columns = np.indices((31, 31))
    squared = (rows - y) ** 2 + (columns - x) ** 2
    return 5000 * np.exp(-4 * np.log(2) * squared / fwhm**2)


def test_stars_of_any_seeing_and_place_look_alike_when_matched(rng) -> None:
    """Both become the same star; one of the wrong scale does not."""
    stars = [(3.0, 15.0, 15.0), (4.5, 15.3, 14.6), (4.5, 15.3, 14.6)]
    noise = rng.normal(200, 1.0, (31, 31))
    stack = np.array([star(*parameters) + noise for parameters in stars])
    seeing = [3.0, 4.5, 3.0]
    images = ImageSet.from_pixels(stack, facts=fact_table([{"seeing": s} for s in seeing]))
    matched = SeeingMatcher(side=11, pixels_per_fwhm=2.0).transform(images).reshape(3, 11, 11)
    matched /= matched.max(axis=(1, 2), keepdims=True)
    assert (matched[:, 5, 5] == 1).all()
    assert np.abs(matched[1] - matched[0]).max() < 0.03
    assert np.abs(matched[2] - matched[0]).max() > 0.2
    rows, columns = np.indices((11, 11)) - 5
    expected = np.exp(-4 * np.log(2) * (rows**2 + columns**2) / 2.0**2)
    np.testing.assert_allclose(matched[0], expected, atol=0.03)


def test_an_unknown_seeing_gives_no_picture_unless_one_is_named(rng) -> None:
    images = ImageSet.from_pixels(rng.normal(200, 5, (2, 20, 20)))
    assert np.isnan(SeeingMatcher().transform(images)).all()
    assert np.isfinite(SeeingMatcher(default_seeing=1.8).transform(images)).all()
