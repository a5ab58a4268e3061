"""Dimmed stamps look like stamps of fainter objects on the same night."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skysift.core.errors import UsageError
from skysift.data.images.image_set import ImageSet
from skysift.preprocess.images.seeing_match import SeeingMatcher, keys_kernel
from skysift.tasks.star_galaxy.fainter import Fainter, sky_noise
from skysift.tasks.star_galaxy.representations import (
    STAMP_SIDE,
    flux_of_core,
    stamp_columns,
)

SEEING, N_PIXELS = 1.64, STAMP_SIDE**2


def core_of(rows):
    return np.sinh(rows[:, :N_PIXELS].astype(np.float64))


def stars(n, signal, rng):
    """Rows of Gaussian stars of that flux in units of the noise, and of nothing but sky beside."""
    offset = np.arange(STAMP_SIDE) - STAMP_SIDE // 2
    line = np.exp(-4 * np.log(2) * (offset / 2) ** 2)  # two pixels across the half maximum
    image = (line[:, None] * line / line.sum() ** 2).reshape(-1)
    core = signal * image + sky_noise(n, rng)
    return stamp_columns(core, flux_of_core(core), np.full(n, SEEING)).astype(np.float32)


def test_the_noise_is_that_of_resampled_sky(rng):
    """Noise of pixels, resampled to two per FWHM at any place within them."""
    n, length = 4000, STAMP_SIDE + 3
    places = 2 + rng.random((n, 2, 1)) + SEEING / 2 * np.arange(STAMP_SIDE)
    weights = keys_kernel(np.abs(places[..., None] - np.arange(length)))
    sky = weights[:, 0] @ rng.normal(size=(n, length, length)) @ weights[:, 1].transpose(0, 2, 1)
    planes = (sky, sky_noise(n, rng).reshape(sky.shape))
    for lag in (0, 1, 2, 3):
        real, drawn = (np.mean(p[:, :, lag:] * p[:, :, : STAMP_SIDE - lag]) for p in planes)
        assert drawn == pytest.approx(real, abs=0.01)


def test_a_dimmed_star_is_a_fainter_star(rng):
    bright = stars(4000, 300.0, rng)
    dimmed = Fainter(least=0.4, share=1.0)(bright, rng)
    real = stars(4000, rng.uniform(0.4, 1.0, (4000, 1)) * 300.0, rng)
    for column in (0, 60, 65, N_PIXELS, N_PIXELS + 60, N_PIXELS + 71, 2 * N_PIXELS):
        assert dimmed[:, column].mean() == pytest.approx(
            real[:, column].mean(), abs=4 * real[:, column].std() / np.sqrt(2000)
        )
        assert dimmed[:, column].std() == pytest.approx(real[:, column].std(), rel=0.1)


def test_the_columns_stay_consistent_and_the_rows_what_they_were(rng):
    rows = stars(50, 100.0, rng)
    kept = rows.copy()
    dimmed = Fainter(share=1.0)(rows, rng)
    assert_array_equal(rows, kept)
    flux = flux_of_core(core_of(dimmed))
    assert_allclose(dimmed[:, 2 * N_PIXELS], np.log10(flux), rtol=1e-4)
    parts = 100 * core_of(dimmed) / flux[:, None]
    assert_allclose(dimmed[:, N_PIXELS : 2 * N_PIXELS], parts, rtol=1e-3, atol=1e-3)
    assert_array_equal(dimmed[:, -1], rows[:, -1])
    assert_array_equal(Fainter(share=0.0)(rows, rng), rows)


def test_about_the_asked_share_is_dimmed(rng):
    rows = stars(2000, 100.0, rng)
    changed = np.any(Fainter(share=0.3)(rows, rng) != rows, axis=1)
    assert 0.25 < changed.mean() < 0.35


@pytest.mark.parametrize("pixel", [3e38, -3e38, 0.0])
def test_absurd_pixels_stay_numbers(pixel, rng):
    images = ImageSet.from_pixels(np.full((2, 20, 20), 200.0) + rng.normal(0, 5, (2, 20, 20)))
    images.pixels[0, 9, 9] = pixel
    matched = SeeingMatcher(side=15, default_seeing=SEEING).transform(images)
    core = matched.reshape(2, 15, 15)[:, 2:-2, 2:-2].reshape(2, N_PIXELS)
    rows = stamp_columns(core, flux_of_core(core), np.full(2, SEEING)).astype(np.float32)
    assert np.all(np.isfinite(Fainter(share=1.0)(rows, rng)))
    unknown = np.full_like(rows, np.nan)
    assert np.all(np.isnan(Fainter(share=1.0)(unknown, rng)))


@pytest.mark.parametrize("wrong", [{"least": 0.0}, {"least": 1.5}, {"share": -0.1}])
def test_misuse_is_told(wrong):
    with pytest.raises(UsageError, match="between 0 and 1"):
        Fainter(**wrong)
