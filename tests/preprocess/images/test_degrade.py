"""Cutouts under a worse sky: broader by what was asked for, as noisy as they say."""

import numpy as np
import pytest

from skysift.core.errors import UsageError
from skysift.data.images.facts import fact_table
from skysift.data.images.image_set import ImageSet
from skysift.preprocess.images.degrade import blurred, lifted, noisier
from skysift.preprocess.images.sky_level import sky_and_noise

SIDE, SEEING, NOISE = 41, 2.4, 5.0


def stars(n=40, flux=5e4):
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE // 2
    sigma = SEEING / 2.3548
    star = flux * np.exp(-(x**2 + y**2) / (2 * sigma**2)) / (2 * np.pi * sigma**2)
    pixels = 100 + star + rng.normal(0, NOISE, (n, SIDE, SIDE))
    pixels[:, 0, :5] = np.nan
    return ImageSet.from_pixels(pixels, facts=fact_table([{"seeing": SEEING}] * n))


def width_of(images):
    stack = images.pixels[:, 10:31, 10:31].astype(np.float64).mean(axis=0)
    stack = stack - np.median(stack)
    y, x = np.mgrid[:21, :21] - 10
    return 2.3548 * np.sqrt((stack * (x**2 + y**2)).sum() / stack.sum() / 2)


@pytest.mark.parametrize(
    "none",
    [lambda i, r: blurred(i, 1.0, r), lambda i, r: noisier(i, 1.0, r), lambda i, _: lifted(i, 0.0)],
)
def test_no_change_gives_the_same_object(none, rng):
    images = stars(2)
    assert none(images, rng) is images


def test_a_star_becomes_broader_by_the_factor_and_the_noise_stays(rng):
    images = stars()
    worse = blurred(images, 1.5, rng)
    assert width_of(worse) / width_of(images) == pytest.approx(1.5, rel=0.05)
    np.testing.assert_allclose(worse.facts["seeing"], 1.5 * SEEING)
    before, after = (np.median(sky_and_noise(one.pixels)[1]) for one in (images, worse))
    assert after == pytest.approx(before, rel=0.05)
    np.testing.assert_array_equal(np.isnan(worse.pixels), np.isnan(images.pixels))


def test_flux_is_kept(rng):
    images = stars()
    before, after = (
        np.nansum(one.pixels.astype(np.float64) - 100)
        for one in (images, blurred(images, 1.5, rng))
    )
    assert after == pytest.approx(before, rel=0.01)


def test_a_sky_four_times_as_bright_doubles_the_noise(rng):
    images = stars()
    _, noise = sky_and_noise(noisier(images, 4.0, rng).pixels)
    assert np.median(noise) == pytest.approx(2 * NOISE, rel=0.05)


def test_a_level_is_lifted_by_standard_deviations():
    images = stars()
    moved = np.nanmedian(lifted(images, -0.5).pixels - images.pixels)
    assert moved == pytest.approx(-0.5 * NOISE, rel=0.1)


@pytest.mark.parametrize("better", [blurred, noisier])
def test_a_sky_cannot_be_made_better(better, rng):
    with pytest.raises(UsageError, match="cannot be made"):
        better(stars(1), 0.9, rng)
