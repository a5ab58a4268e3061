"""Seeing of cutouts that do not state it, and cutouts brought to another seeing."""

from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skysift.core.errors import UsageError
from skysift.data.images.alerts import Cutout
from skysift.data.images.facts import APERTURE_CORRECTIONS, fact_table
from skysift.data.images.flags import StampFlag
from skysift.data.images.image_set import ImageSet, by_own_size, join, own_part
from skysift.data.images.readers import read_images
from skysift.models.images.streaks.table import point_spread_of
from skysift.preprocess.images.degrade import blurred
from skysift.preprocess.images.moffat import BETA, fit_moffat
from skysift.preprocess.images.point_source import SEEING_OVER_FWHM, point_sources
from skysift.preprocess.images.rescale import resampled, resampled_to_seeing
from skysift.preprocess.images.seeing_estimate import with_estimated_seeing
from skysift.preprocess.images.seeing_match import keys_kernel
from skysift.preprocess.images.shapes import ShapeFeatures

SIDE = 63
FWHM_OF_A = 2 * np.sqrt(2 ** (1 / BETA) - 1)


def source(y: float, x: float, fwhm: float, flux: float) -> np.ndarray:
    rows, columns = np.indices((SIDE, SIDE))
    a = fwhm / FWHM_OF_A
    base = 1 + ((rows - y) ** 2 + (columns - x) ** 2) / a**2
    return flux * (BETA - 1) / np.pi / a**2 * base**-BETA


def field_of(rng, fwhm: float, others: list[float], target: float | None = None) -> np.ndarray:
    """A target in the middle and other sources around it, each so many times as wide as a star."""
    pixels = rng.normal(200, 5, (SIDE, SIDE))
    pixels += source(31, 31, (target or 1.0) * fwhm, 2e4)
    for k, wider in enumerate(others):
        angle = 2 * np.pi * k / max(len(others), 1)
        y, x = 31 + 18 * np.sin(angle), 31 + 18 * np.cos(angle)
        pixels += source(y + rng.uniform(-1, 1), x + rng.uniform(-1, 1), wider * fwhm, 3e4)
    return pixels


def cutouts(stack: np.ndarray, **facts: object) -> ImageSet:
    rows = [{"pixel_scale": 1.0, **facts} for _ in stack]
    images = ImageSet.from_pixels(stack, facts=fact_table(rows))
    missing = StampFlag.NO_SEEING | StampFlag.NO_APERTURE_CORRECTION
    return images.with_flag(missing, np.ones(len(images), dtype=bool))


def seeing_of(images: ImageSet) -> np.ndarray:
    return with_estimated_seeing(images).facts["seeing"] / SEEING_OVER_FWHM


@pytest.mark.parametrize("fwhm", [1.6, 2.2, 3.3, 4.5])
def test_stars_around_the_target_tell_the_seeing(rng, fwhm) -> None:
    images = cutouts(np.stack([field_of(rng, fwhm, [1.0] * 4) for _ in range(6)]))
    known = with_estimated_seeing(images)
    np.testing.assert_allclose(known.facts["seeing"], SEEING_OVER_FWHM * fwhm, rtol=0.04)
    assert (known.facts["seeing_error"] < 0.05 * known.facts["seeing"]).all()
    assert known.has(StampFlag.SEEING_ESTIMATED).all()
    assert not known.has(StampFlag.NO_SEEING | StampFlag.NO_APERTURE_CORRECTION).any()
    assert np.isfinite(known.facts.matrix(APERTURE_CORRECTIONS)).all()


def test_galaxies_around_do_not_pass_for_stars(rng) -> None:
    images = cutouts(np.stack([field_of(rng, 2.0, [1.5, 1.0, 1.9, 1.0], 1.7) for _ in range(6)]))
    np.testing.assert_allclose(seeing_of(images), 2.0, rtol=0.06)


def test_a_galaxy_alone_says_nothing_and_a_stated_seeing_stays(rng) -> None:
    stack = np.stack([field_of(rng, 2.0, [], 2.0) for _ in range(3)])
    assert np.isnan(seeing_of(cutouts(stack))).all()
    stated = cutouts(stack, seeing=1.7)
    assert with_estimated_seeing(stated) is stated


def test_one_other_source_is_believed_with_doubt(rng) -> None:
    known = with_estimated_seeing(cutouts(field_of(rng, 2.0, [1.0])[np.newaxis]))
    several = with_estimated_seeing(cutouts(field_of(rng, 2.0, [1.0] * 5)[np.newaxis]))
    assert known.facts["seeing_error"][0] > several.facts["seeing_error"][0]


def test_cutouts_of_one_image_share_its_stars(rng) -> None:
    stack = np.stack([field_of(rng, 2.4, [1.0] * 4), field_of(rng, 2.4, [], 1.6)])
    assert np.isnan(seeing_of(cutouts(stack))[1])
    np.testing.assert_allclose(seeing_of(cutouts(stack, image="a")), 2.4, rtol=0.04)


def test_the_difference_image_of_an_alert_tells_the_seeing(rng) -> None:
    alone = np.stack([field_of(rng, 3.0, [], 1.0)])
    known = with_estimated_seeing(cutouts(alone, difference_fwhm=(3.0 + 1.096) / 1.164))
    assert known.facts["seeing"][0] == pytest.approx(3.0 * SEEING_OVER_FWHM, rel=0.03)
    assert known.facts["seeing_error"][0] / known.facts["seeing"][0] < 0.06


def test_reference_images_vary_little(rng) -> None:
    alone = np.stack([field_of(rng, 2.0, [], 2.0)])
    known = with_estimated_seeing(cutouts(alone, image="reference 7"))
    assert known.facts["seeing"][0] == pytest.approx(2.0 * SEEING_OVER_FWHM, rel=0.12)
    assert known.facts["seeing_error"][0] / known.facts["seeing"][0] > 0.07


def test_the_image_of_the_psf_wins(rng) -> None:
    bare = cutouts(np.stack([field_of(rng, 2.0, [1.0] * 4) for _ in range(2)]))
    psf = np.full((2, 41, 41), np.nan, dtype=np.float32)
    psf[0] = source(20, 20, 4.0, 1.0)[:41, :41]
    found = seeing_of(replace(bare, psf=psf))
    np.testing.assert_allclose(found, [4.0, 2.0], rtol=0.03)


@pytest.mark.parametrize("width", [2.5, 6.0])
def test_the_image_of_the_psf_says_the_same_beside_a_larger_one(rng, width) -> None:
    bare = cutouts(np.stack([field_of(rng, 2.0, [1.0] * 4) for _ in range(2)]))
    small = source(19, 19, width, 1.0)[:39, :39].astype(np.float32)
    alone = replace(bare.take([0]), psf=small[np.newaxis])
    psf = np.full((2, 53, 53), np.nan, dtype=np.float32)
    psf[0, :39, :39], psf[1] = small, source(26, 26, 3.0, 1.0)[:53, :53]
    together = replace(bare, psf=psf)
    found, wanted = with_estimated_seeing(together), with_estimated_seeing(alone)
    assert found.facts["seeing"][0] == pytest.approx(wanted.facts["seeing"][0], rel=1e-9)
    np.testing.assert_allclose(
        found.facts.matrix(APERTURE_CORRECTIONS)[0],
        wanted.facts.matrix(APERTURE_CORRECTIONS)[0],
        rtol=1e-9,
    )
    assert point_spread_of(together, 0) == point_spread_of(alone, 0)
    worse, alike = (blurred(images, 1.5, rng).psf for images in (together, alone))
    np.testing.assert_array_equal(worse[0, :39, :39], alike[0])
    assert np.isnan(worse[0, 39:]).all()


@pytest.mark.parametrize("width", [1.6, 2.5, 4.0])
def test_corrections_are_those_of_the_profile(width) -> None:
    found = point_sources().corrections_of(np.array([width]))[0]
    for k, radius in enumerate((1.0, 1.5, 2.0, 3.0, 5.0, 7.0)):
        part = 1 - (1 + (radius * FWHM_OF_A / width) ** 2) ** (1 - BETA)
        # Pixels blur what a small circle holds; the formula knows none.
        assert found[k] == pytest.approx(2.5 * np.log10(part), abs=0.02 if radius > 2 else 0.15)


@pytest.mark.parametrize("fwhm", [2.2, 3.0, 4.2])
def test_a_resampled_star_looks_like_a_star(rng, fwhm) -> None:
    stack = rng.normal(200, 1, (20, SIDE, SIDE))
    places = 31 + rng.uniform(-0.5, 0.5, (20, 2))
    stack += np.stack([source(y, x, fwhm, 5e4) for y, x in places])
    images = cutouts(stack, seeing=SEEING_OVER_FWHM * fwhm)
    done = resampled_to_seeing(images, worst=1.85, wanted=1.735)
    assert done.pixels.shape == (20, 21, 21)
    assert done.has(StampFlag.RESAMPLED).all()
    shapes = ShapeFeatures().table(done)
    assert np.median(shapes["fwhm_excess"]) == pytest.approx(-np.log(SEEING_OVER_FWHM), abs=0.03)
    for k in (1, 2, 3, 5):
        assert np.median(shapes[f"concentration_{k}"]) == pytest.approx(0, abs=0.04)
    np.testing.assert_allclose(done.pixels.sum(axis=(1, 2)) - 200 * done.facts["pixel_scale"] ** 2
        * 441, 5e4, rtol=0.12)  # fmt: skip


def test_a_resampled_galaxy_is_as_extended_as_it_was(rng) -> None:
    stack = rng.normal(200, 1, (20, SIDE, SIDE)) + source(31.2, 30.8, 2.4 * 1.5, 5e4)
    images = cutouts(stack, seeing=SEEING_OVER_FWHM * 2.4)
    done = resampled_to_seeing(images, worst=1.85, wanted=1.735)
    before, after = (ShapeFeatures(["fwhm_excess"]).matrix(some) for some in (images, done))
    assert np.median(after) == pytest.approx(np.median(before), abs=0.08)
    assert np.median(after) > 0.15


def test_good_seeing_and_unknown_seeing_stay(rng) -> None:
    stack = np.stack([field_of(rng, fwhm, []) for fwhm in (1.5, 3.0, 3.0)])
    rows = [{"seeing": 1.6}, {"seeing": 3.3, "pixel_scale": 1.0}, {}]
    images = ImageSet.from_pixels(stack, facts=fact_table(rows))
    done = resampled_to_seeing(images, worst=1.85, wanted=1.735)
    np.testing.assert_array_equal(done.has(StampFlag.RESAMPLED), [False, True, False])
    np.testing.assert_array_equal(done.pixels[[0, 2]], images.cropped(21).pixels[[0, 2]])
    assert done.facts["pixel_scale"][1] == pytest.approx(3.3 / 1.735)
    same = images.take([0, 2])
    alone = resampled_to_seeing(same, worst=1.85, wanted=1.735)
    np.testing.assert_array_equal(alone.pixels, same.cropped(21).pixels)
    small = same.cropped(21)
    assert resampled_to_seeing(small, worst=1.85, wanted=1.735) is small
    with pytest.raises(UsageError):
        resampled_to_seeing(images, worst=1.7, wanted=1.8)


@pytest.mark.parametrize("other", [1.6, 3.3])
def test_what_is_said_of_a_cutout_does_not_depend_on_larger_ones_beside_it(rng, other) -> None:
    small = ImageSet.from_pixels(
        rng.normal(200, 5, (2, 20, 20)).astype(np.float32),
        facts=fact_table([{"seeing": 1.6, "pixel_scale": 1.0}] * 2),
    )
    small = replace(small, centers=np.array([[9.5, 9.5], [4.0, 12.0]]))
    facts = fact_table([{"seeing": other, "pixel_scale": 1.0}])
    large = ImageSet.from_pixels(field_of(rng, 1.5, [])[np.newaxis], facts=facts)
    together = resampled_to_seeing(join([small, large]), worst=1.85, wanted=1.735)
    alone = resampled_to_seeing(small, worst=1.85, wanted=1.735)
    np.testing.assert_array_equal(together.flags[:2], alone.flags)
    np.testing.assert_array_equal(together.centers[:2], alone.centers)
    np.testing.assert_array_equal(together.sizes[:2], alone.sizes)
    np.testing.assert_array_equal(together.pixels[:2, :20, :20], alone.pixels)
    assert np.isnan(together.pixels[:2, 20]).all()
    assert together.sizes[2].tolist() == [21, 21]


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_odd_stamps_never_raise(data) -> None:
    shape = data.draw(st.tuples(st.integers(5, 40), st.integers(5, 40)))
    rng = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    pixels = rng.normal(0, 1, (3, *shape)) * 10.0 ** rng.integers(-3, 36, (3, 1, 1))
    pixels[rng.random(pixels.shape) < data.draw(st.floats(0, 1))] = np.nan
    images = cutouts(pixels.astype(np.float32), image="reference 1")
    done = resampled_to_seeing(with_estimated_seeing(images), worst=1.85, wanted=1.735)
    assert len(done) == 3
    assert not np.isinf(done.pixels).any()


@pytest.mark.mirror
def test_real_images_by_their_stars_and_by_their_headers(mirror) -> None:
    """Stars of the labelled cutouts, pooled by image, against the SEEING cards."""
    images = read_images([mirror / "ztf" / "cutouts.tar.gz"]).images
    star = np.char.startswith(images.identifiers, "star") & ~images.has(StampFlag.SATURATED)
    images = images.take(star)
    middle = images.centers
    signal = np.nan_to_num(images.pixels - np.median(images.pixels, axis=(1, 2), keepdims=True))
    noise = np.full(len(images), 5.0)
    fit = fit_moffat(signal.astype(float), images.valid, np.rint(middle), noise)
    bright = fit.amplitude > 30 * noise
    ratio = images.facts["seeing"][bright] / fit.fwhm[bright]
    assert np.median(ratio) == pytest.approx(SEEING_OVER_FWHM, abs=0.02)


@pytest.mark.mirror
def test_the_difference_images_of_real_alerts_agree_with_their_stars(mirror) -> None:
    """The same packets with and without what their difference image says."""
    images = read_images([mirror / "ztf_alerts" / "kowalski_ztf_avro.tar.gz"]).images
    assert np.isfinite(images.facts["difference_fwhm"]).all()
    width = 1.164 * images.facts["difference_fwhm"] - 1.096
    nothing = images.facts.with_columns({"difference_fwhm": np.full(len(images), np.nan)})
    by_stars = seeing_of(replace(images, facts=nothing))
    known = np.isfinite(by_stars)
    assert known.sum() >= 15
    assert np.median(np.abs(np.log(by_stars[known] / width[known]))) < 0.06


@pytest.mark.mirror
def test_psf_images_of_real_rubin_alerts_agree_with_the_stated_moments(mirror) -> None:
    path = mirror / "rubin_alerts" / "rubin_alerts.parquet"
    images = read_images([path]).images
    known = with_estimated_seeing(images)
    assert known.has(StampFlag.SEEING_ESTIMATED).all()
    table = pq.read_table(path, columns=["dia_ixxPSF", "dia_iyyPSF"])
    trace = table["dia_ixxPSF"].to_numpy() + table["dia_iyyPSF"].to_numpy()
    gaussian = 2.355 * np.sqrt(trace / 2) / images.facts["pixel_scale"]
    ratio = known.facts["seeing"] / SEEING_OVER_FWHM / gaussian
    # The moments are those under a Gaussian weight; the ratio is one of profiles, alike for all.
    assert np.std(np.log(ratio)) < 0.05
    assert 0.8 < np.median(ratio) < 1.1


@pytest.mark.mirror
def test_real_rubin_templates_have_the_same_seeing_alone_and_together(mirror) -> None:
    path = mirror / "rubin_alerts" / "rubin_alerts.parquet"
    images = read_images([path], cutout=Cutout.TEMPLATE).images
    assert len({image.shape for _, image in by_own_size(images.psf)}) > 1
    together = with_estimated_seeing(images).facts
    for row, image in enumerate(images.psf):
        one = replace(images.take([row]), psf=own_part(image)[np.newaxis])
        alone = with_estimated_seeing(one).facts
        for name in ("seeing", "apcor1", "apcor6"):
            assert together[name][row] == pytest.approx(alone[name][0], rel=1e-6), name


@given(data=st.data())
def test_resampling_is_the_weighted_mean_of_all_pixels(data) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    shape = data.draw(st.tuples(st.integers(9, 50), st.integers(9, 50)))
    pixels = rng.normal(100, 5, (2, *shape)).astype(np.float32)
    pixels[rng.random(pixels.shape) < data.draw(st.sampled_from([0.0, 0.1]))] = np.nan
    centers = rng.uniform(0, 1, (2, 2)) * (np.array(shape) - 1)
    step = rng.uniform(1.0, 4.0, 2)
    found = resampled(pixels, centers, step, 11)
    for n, (y, x) in enumerate(centers):
        places = step[n] * (np.arange(11) - 5)
        along = [
            keys_kernel(np.abs(center + places[:, np.newaxis] - np.arange(length)) / step[n])
            for center, length in zip((y, x), shape, strict=True)
        ]
        valid = np.isfinite(pixels[n])
        weight = along[0] @ valid @ along[1].T / step[n] ** 2
        total = along[0] @ np.where(valid, pixels[n], 0.0) @ along[1].T
        seen = np.isfinite(found[n])
        np.testing.assert_array_equal(seen, weight > 0.5)
        np.testing.assert_allclose(found[n][seen], total[seen] / weight[seen], rtol=1e-5)
