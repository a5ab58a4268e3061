"""The likelihood-ratio filter: a correlation, and what it says of sources and of noise."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.signal import correlate2d

from skysift.core.errors import UsageError
from skysift.models.sky.filter import FilterBank
from skysift.models.sky.stamps import source_stamp

PIXEL = 0.025
LEVEL = np.array([0.3, 0.1, 0.03, 0.01])


@pytest.fixture(scope="module")
def bank(sky):
    return FilterBank.of_source(sky.local(), 12.0, LEVEL, (70, 50), PIXEL)


def test_it_is_the_direct_correlation(bank, rng):
    counts = rng.poisson(LEVEL[:, None, None], (4, 70, 50)).astype(np.float32)
    counts[:, 0, 0] += 3  # at the border nothing may come back on the other side
    direct = sum(
        correlate2d(band, kernel, mode="same")
        for band, kernel in zip(counts, bank.kernels, strict=True)
    )
    np.testing.assert_allclose(bank(counts), direct, atol=1e-4 * direct.max())


def test_a_weight_is_the_logarithm_of_the_likelihood_ratio(sky, bank):
    stamp = source_stamp(sky.local(), PIXEL, 0.985)
    half = stamp.shape[1] // 2
    photon = np.zeros((4, 70, 50), dtype=np.float32)
    photon[2, 35, 25] = 1
    expected = np.log((12.0 * stamp[2, half, half + 3] + LEVEL[2]) / LEVEL[2])
    assert bank(photon)[35, 25 + 3] == pytest.approx(expected, rel=1e-3)


def test_no_other_weights_tell_a_source_from_background_better(sky, bank, rng):
    """Neyman & Pearson: by mean over spread of the difference, against plain smoothing."""
    source = np.zeros((4, 70, 50))
    stamp = 12.0 * source_stamp(sky.local(), PIXEL, 1.0)
    half = stamp.shape[1] // 2
    size = min(half, 24)
    source[:, 35 - size : 36 + size, 25 - size : 26 + size] = stamp[
        :, half - size : half + size + 1, half - size : half + size + 1
    ]
    empty = rng.poisson(LEVEL[:, None, None], (600, 4, 70, 50)).astype(np.float32)
    full = empty + rng.poisson(source, empty.shape)

    def separation(value):
        without = np.array([value(one) for one in empty[:400]])
        present = np.array([value(one) for one in full[400:]])
        return (present > np.quantile(without, 0.99)).mean()

    weights = np.zeros((4, 70, 50))
    k = bank.kernels.shape[1] // 2
    weights[:, 35 - k : 36 + k, 25 - k : 26 + k] = bank.kernels
    smooth = gaussian_filter(np.eye(1, 70 * 50, 35 * 50 + 25).reshape(70, 50), 5)
    best = separation(lambda one: np.vdot(weights, one))
    plain = separation(lambda one: np.vdot(smooth, one.sum(axis=0)))
    assert best > plain + 0.05


def test_the_overlap_is_what_a_source_sends(sky, bank):
    source = sky.local()
    stamp = source_stamp(source, PIXEL, 1.0)
    table = bank.overlap(source)
    for band in (0, 3):
        brute = correlate2d(stamp[band], bank.kernels[band], mode="full")
        middle = brute.shape[0] // 2
        np.testing.assert_allclose(
            table[band], brute[middle, middle : middle + table.shape[1]], atol=1e-6
        )


def test_a_source_wider_than_the_kernel_still_fits_its_overlap(sky, bank):
    wide = sky.local().spread(0.3)
    table = bank.overlap(wide)
    assert np.all(np.diff(table.sum(axis=0)[:20]) < 0)
    # All weights of all photons: the kernels times the counts.
    rings = np.diff(np.pi * (np.arange(table.shape[1] + 1) - 0.5).clip(0) ** 2)
    np.testing.assert_allclose(
        table @ rings, source_stamp(wide, PIXEL, 1.0).sum(axis=(1, 2)) * bank.sums, rtol=0.01
    )


def test_texture_is_that_of_filtered_noise(sky, rng):
    bank = FilterBank.of_source(sky.local(), 12.0, LEVEL, (256, 256), PIXEL)
    slopes, values, cubes = [], [], []
    for _ in range(12):
        image = bank(rng.poisson(LEVEL[:, None, None], (4, 256, 256)).astype(np.float32))
        inner = image[30:-30, 30:-30].astype(np.float64)
        slopes.append(np.var((inner[:, 2:] - inner[:, :-2]) / (2 * PIXEL)))
        values.append(np.var(inner))
        cubes.append(np.mean((inner - inner.mean()) ** 3))
    # The variances of a dozen maps of some hundred independent places each: a few per cent.
    texture = bank.texture(LEVEL)
    assert texture.roughness == pytest.approx(np.mean(slopes) / np.mean(values), rel=0.1)
    assert texture.skewness == pytest.approx(np.mean(cubes) / np.mean(values) ** 1.5, rel=0.1)
    assert LEVEL @ bank.squares == pytest.approx(np.mean(values), rel=0.1)


def test_kernels_need_a_middle():
    with pytest.raises(UsageError, match="odd, square"):
        FilterBank(np.ones((1, 4, 4)), (20, 20), PIXEL)
    with pytest.raises(UsageError, match="odd, square"):
        FilterBank(np.ones((1, 3, 5)), (20, 20), PIXEL)
