"""Injected streaks have the brightness, length and blur that their physics says."""

import math

import numpy as np
import pytest

from skysift.core.errors import InputError, UsageError
from skysift.models.images.streaks.injection import (
    Optics,
    StreakKind,
    Survey,
    draw_injection,
    inject,
)
from skysift.models.images.streaks.point_spread import PointSpread
from skysift.models.images.streaks.subtraction import leftover_of_star

SEEING = PointSpread.moffat(2.1)
SHAPE = (31, 31)


def drawn(kind: str, seed: int, survey: Survey | None = None):
    return draw_injection(
        kind, SHAPE, SEEING, survey or Survey.ztf(), noise=3.0, rng=np.random.default_rng(seed)
    )


@pytest.mark.parametrize("kind", list(StreakKind))
def test_every_kind_has_the_signal_to_noise_it_says(kind: StreakKind):
    for seed in range(8):
        one = drawn(kind, seed)
        assert math.sqrt(np.sum(one.image**2)) / 3.0 == pytest.approx(one.snr)
        assert 6.0 <= one.snr <= 200.0
        assert (one.image.min() < 0.0) == (kind in {StreakKind.DIPOLE, StreakKind.RING})
        assert np.isfinite(one.image).all()


def test_the_length_of_an_asteroid_is_rate_times_exposure():
    one = drawn("asteroid", 1)
    arcsec_per_second = one.truth["rate"] * 3600.0 / 86400.0
    assert one.trail.length * 1.012 == pytest.approx(arcsec_per_second * 30.0)
    assert Survey.rubin().trail_length(1.0) == pytest.approx(6.25)


def test_a_satellite_reaches_every_edge_that_its_line_meets():
    for seed in range(10):
        one = drawn("satellite", seed, Survey(Optics(1.2, 1.012), 30.0, tumbling=0.0))
        edge = np.concatenate(
            [one.image[0], one.image[-1], one.image[1:-1, 0], one.image[1:-1, -1]]
        )
        bright = edge > 0.3 * one.image.max()
        # Two separate places of the rim, each less than a handful of pixels.
        assert 2 <= bright.sum() <= 16
        assert one.trail.length > 2 * math.hypot(*SHAPE)


def test_defocus_is_the_angle_of_the_mirror_seen_from_the_satellite():
    blur = Optics(aperture=8.4, pixel_scale=0.2).defocus(5.5e5, 2.0)
    assert 4.0 * blur * 0.2 == pytest.approx(math.hypot(8.4, 2.0) / 5.5e5 * 206264.806, rel=1e-6)
    near = drawn("satellite", 3, Survey(Optics(8.4, 0.2), 30.0, altitudes=(4e5, 4.1e5)))
    assert near.truth["blur"] > 1.0


def test_tumbling_modulates_and_glints_come_at_even_steps():
    tumbling = drawn("satellite", 0, Survey(Optics(1.2, 1.012), 30.0, tumbling=1.0))
    assert {"period", "depth"} <= set(tumbling.truth)
    for seed in range(10):
        glints = drawn("glints", seed)
        assert glints.truth["flashes"] >= 2
        expected = (glints.truth["flashes"] - 1) * glints.truth["step"]
        assert glints.trail.length == pytest.approx(expected)


def test_a_cosmic_ray_is_sharper_than_any_point_source():
    """A point cannot have more than this share of its neighbourhood in one pixel."""
    peak_of_point = 1.0 / SEEING.noise_area
    shares = []
    for seed in range(20):
        image = drawn("cosmic-ray", seed).image
        shares.append(image.max() / image.sum())
    assert np.median(shares) > 2.0 * peak_of_point


def test_hot_pixels_are_one_pixel_wide():
    for seed in range(10):
        lit = np.argwhere(drawn("hot-pixels", seed).image > 0)
        assert min(np.ptp(lit, axis=0)) == 0


def test_the_sky_under_a_streak_stays_as_it_is(rng: np.random.Generator):
    stamp = rng.normal(100.0, 3.0, SHAPE)
    stamp[3, 4] = np.nan
    before = stamp.copy()
    image, truth = inject(stamp, "asteroid", SEEING, Survey.ztf(), rng=rng)
    np.testing.assert_array_equal(stamp, before)
    expected = np.where(np.isnan(stamp), np.nan, truth.image)
    np.testing.assert_allclose(image - stamp, expected, atol=1e-10)


def test_its_own_light_brings_its_own_noise(rng: np.random.Generator):
    survey = Survey(Optics(1.2, 1.012), 30.0, snr=(500.0, 501.0))
    stamp = rng.normal(0.0, 1.0, SHAPE)
    image, truth = inject(stamp, "satellite", SEEING, survey, rng=rng, gain=0.5)
    pulls = ((image - stamp - truth.image) / np.sqrt(truth.image / 0.5))[truth.image > 10.0]
    assert np.std(pulls) == pytest.approx(1.0, abs=0.15)


def test_the_same_seed_draws_the_same_streak():
    first, second = drawn("cosmic-ray", 9), drawn("cosmic-ray", 9)
    np.testing.assert_array_equal(first.image, second.image)
    assert not np.array_equal(first.image, drawn("cosmic-ray", 10).image)


def test_what_cannot_be_injected_is_refused(rng: np.random.Generator):
    with pytest.raises(ValueError, match="comet"):
        drawn("comet", 0)
    with pytest.raises(UsageError):
        draw_injection("asteroid", SHAPE, SEEING, Survey.ztf(), noise=0.0, rng=rng)
    with pytest.raises(InputError):
        inject(np.full(SHAPE, np.nan), "asteroid", SEEING, Survey.ztf(), rng=rng)


def test_a_displaced_star_leaves_the_gradient_of_its_image():
    steps = []
    for seed in range(40):
        image, truth = leftover_of_star(
            (20.0, 20.0), (41, 41), SEEING, displaced=True, rng=np.random.default_rng(seed)
        )
        # First moments, about what noise and the other faults add: the shift, for a unit flux.
        y, x = np.indices(image.shape) - 20.0
        near = np.hypot(x, y) < 12.0
        steps.append(math.hypot((x * image)[near].sum(), (y * image)[near].sum()) / truth["shift"])
        assert abs(image.sum()) < 0.3
    assert np.median(steps) == pytest.approx(1.0, abs=0.1)


def test_a_star_matched_too_wide_leaves_a_core_in_a_ring():
    for seed in range(30):
        image, truth = leftover_of_star(
            (20.0, 20.0), (41, 41), SEEING, displaced=False, rng=np.random.default_rng(seed)
        )
        if truth["mismatch"] < 0.1 or truth["electrons"] < 1e5 or abs(truth["scale"]) > 0.02:
            continue
        y, x = np.indices(image.shape) - 20.0
        radius = np.hypot(x, y)
        assert image[radius < 0.5 * SEEING.fwhm].mean() > 0
        assert image[(radius > SEEING.fwhm) & (radius < 1.5 * SEEING.fwhm)].mean() < 0


def test_photon_noise_of_a_leftover_is_that_of_both_images():
    noise = []
    for seed in range(60):
        image, truth = leftover_of_star(
            (20.0, 20.0), (41, 41), SEEING, displaced=False, rng=np.random.default_rng(seed)
        )
        clean, _ = leftover_of_star(
            (20.0, 20.0), (41, 41), SEEING, displaced=False, rng=_Quiet(seed)
        )
        noise.append(np.sum((image - clean) ** 2) * truth["electrons"] / 2.0)
    assert np.mean(noise) == pytest.approx(1.0, abs=0.1)


class _Quiet:
    """Draws as the generator of a seed does, but no normal noise on an image."""

    def __init__(self, seed):
        self._rng = np.random.default_rng(seed)

    def __getattr__(self, name):
        return getattr(self._rng, name)

    def normal(self, loc=0.0, scale=1.0, size=None):
        drawn = self._rng.normal(loc, scale, size)
        return drawn if size is None else np.zeros(size)


def test_an_edge_is_a_step_along_a_row_or_column():
    for seed in range(10):
        image = drawn("edge", seed).image
        assert len(np.unique(image)) == 2
        assert (image == image[:1]).all() or (image == image[:, :1]).all()
