"""Fits of trails: unbiased, with errors that mean what they say, and on the right source."""

import io
import math
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from skysift.core.errors import InputError
from skysift.models.images.streaks.measurement import TrailFit, fit_trail
from skysift.models.images.streaks.point_spread import PointSpread
from skysift.models.images.streaks.segments import Place, find_segment
from skysift.models.images.streaks.sky import trail_on_sky
from skysift.models.images.streaks.stamp import prepare_stamp
from skysift.models.images.streaks.trail import Trail, trail_image

SEEING = PointSpread.gaussian(2.2)
SHAPE = (31, 31)


def observed(trail: Trail, rng: np.random.Generator, noise: float = 1.0) -> np.ndarray:
    return trail_image(trail, SHAPE, SEEING) + rng.normal(40.0, noise, SHAPE)


def turn(difference: float) -> float:
    return (difference + 90.0) % 180.0 - 90.0


def test_errors_are_what_repetitions_scatter_by(rng: np.random.Generator):
    fits_made, truths = [], []
    for _ in range(40):
        truth = Trail(15.0 + rng.uniform(-1, 1), 15.0, 400.0, 9.0, float(rng.uniform(0, 180)))
        truths.append(truth)
        fits_made.append(fit_trail(observed(truth, rng), SEEING))
    pairs = list(zip(fits_made, truths, strict=True))
    pulls = {
        "length": [(f.trail.length - t.length) / f.length_error for f, t in pairs],
        "angle": [turn(f.trail.angle - t.angle) / f.angle_error for f, t in pairs],
        "flux": [(f.trail.flux - t.flux) / f.flux_error for f, t in pairs],
        "x": [(f.trail.x - t.x) / f.x_error for f, t in pairs],
    }
    for name, values in pulls.items():
        # 40 pulls: the mean is known to 0.16, the scatter to 11 %.
        assert abs(np.mean(values)) < 0.6, name
        assert 0.65 < np.std(values) < 1.4, name


def test_errors_reach_the_bound_for_a_long_bright_line(rng: np.random.Generator):
    """Position across the line: sigma_v^2 = noise^2 / integral of (dI/dv)^2."""
    sigma = SEEING.sigmas[0]
    truth = Trail(15.0, 15.0, 2000.0, 16.0, 0.0)
    fit = fit_trail(observed(truth, rng), SEEING)
    line = truth.flux / truth.length
    information = line**2 * truth.length / (4.0 * math.sqrt(math.pi) * sigma**3)
    assert fit.y_error == pytest.approx(1.0 / math.sqrt(information), rel=0.1)


def test_a_point_is_not_called_a_trail(rng: np.random.Generator):
    significances = [
        fit_trail(observed(Trail(15.2, 14.6, 300.0, 0.0, 0.0), rng), SEEING).trail_significance
        for _ in range(20)
    ]
    assert max(significances) < 5.0
    assert np.median(significances) < 2.0


def test_a_crossing_line_leaves_at_both_ends(rng: np.random.Generator):
    truth = Trail(16.0, 14.0, 8000.0, 200.0, 65.0)
    fit = fit_trail(observed(truth, rng), SEEING)
    assert fit.ends_inside == 0
    assert abs(turn(fit.trail.angle - 65.0)) < 1.0
    # Where the ends are, and the whole flux, cannot be known: the flux per length can.
    assert fit.length_error > 10.0
    assert fit.trail.flux / fit.trail.length == pytest.approx(40.0, rel=0.05)


def test_a_free_width_tells_what_is_sharper_and_wider_than_the_seeing(rng: np.random.Generator):
    sharp = rng.normal(0.0, 1.0, SHAPE)
    sharp[15, 11:19] += 60.0
    assert fit_trail(sharp, SEEING, free_width=True).width < 0.5
    wide = trail_image(Trail(15.0, 15.0, 3000.0, 0.0, 0.0), SHAPE, SEEING.scaled(1.8))
    fit = fit_trail(wide + rng.normal(0.0, 1.0, SHAPE), SEEING, free_width=True)
    assert fit.width == pytest.approx(1.8, abs=4.0 * fit.width_error + 0.02)
    assert fit_trail(wide, SEEING, variance=np.ones(SHAPE)).width_error == 0.0


def test_the_search_stays_where_it_is_told(rng: np.random.Generator):
    image = observed(Trail(9.0, 9.0, 300.0, 5.0, 20.0), rng)
    image += trail_image(Trail(24.0, 22.0, 900.0, 6.0, 110.0), SHAPE, SEEING)
    far = fit_trail(image, SEEING)
    near = fit_trail(image, SEEING, near=Place(9.0, 9.0, 3.0))
    assert (far.trail.x, far.trail.y) == pytest.approx((24.0, 22.0), abs=1.0)
    assert (near.trail.x, near.trail.y) == pytest.approx((9.0, 9.0), abs=1.0)


def test_masked_missing_and_noisy_pixels_do_not_count(rng: np.random.Generator):
    truth = Trail(15.0, 15.0, 600.0, 8.0, 30.0)
    image = observed(truth, rng)
    variance = np.ones(SHAPE)
    mask = np.zeros(SHAPE, dtype=bool)
    image[4:7, 4:7] = 1e4
    mask[4:7, 4:7] = True
    image[25:28, 25:28] = np.nan
    image[20:24, 2:6] += rng.normal(0.0, 300.0, (4, 4))
    variance[20:24, 2:6] = 300.0**2
    fit = fit_trail(image, SEEING, variance=variance, mask=mask)
    assert abs(fit.trail.length - 8.0) < 4.0 * fit.length_error
    assert fit.reduced_chi2 < 1.5


@pytest.mark.parametrize("stamp", [np.full((9, 9), np.nan), np.ones((9, 9)), np.ones(9)])
def test_a_stamp_without_a_sky_is_refused(stamp: np.ndarray):
    with pytest.raises(InputError):
        fit_trail(stamp, SEEING)


def test_sky_and_noise_are_measured_beside_the_source(rng: np.random.Generator):
    stamp = prepare_stamp(observed(Trail(15.0, 15.0, 5000.0, 8.0, 30.0), rng, noise=3.0), gain=2.0)
    assert stamp.background == pytest.approx(40.0, abs=0.6)
    assert stamp.noise == pytest.approx(3.0, rel=0.12)
    peak = np.unravel_index(np.argmax(stamp.pixels), SHAPE)
    assert 1.0 / stamp.weights[peak] == pytest.approx(stamp.noise**2 + stamp.pixels[peak] / 2.0)


def test_the_segment_has_the_signal_of_its_strip(rng: np.random.Generator):
    truth = Trail(17.0, 13.0, 500.0, 12.0, 45.0)
    segment = find_segment(prepare_stamp(observed(truth, rng)), SEEING.fwhm)
    ideal = truth.flux / math.sqrt(1.0 / np.sum((trail_image(truth, SHAPE, SEEING) / 500.0) ** 2))
    assert 0.75 * ideal < segment.snr < 1.15 * ideal
    assert abs(turn(segment.trail.angle - 45.0)) <= 10.0


def test_position_angles_are_those_of_the_sky():
    header = fits.Header()
    header["CTYPE1"], header["CTYPE2"] = "RA---TAN", "DEC--TAN"
    header["CRPIX1"], header["CRPIX2"], header["CRVAL1"], header["CRVAL2"] = 16, 16, 150.0, -35.0
    header["CD1_1"], header["CD1_2"] = 5.5e-5, 2.6e-6
    header["CD2_1"], header["CD2_2"] = 2.5e-6, -5.5e-5
    wcs = WCS(header)
    trail = Trail(15.0, 15.0, 1.0, 12.0, 70.0)
    length, angle = trail_on_sky(trail, wcs.pixel_scale_matrix)
    start, end = (SkyCoord(*wcs.pixel_to_world_values(*p), unit="deg") for p in trail.ends)
    assert length.arcsec == pytest.approx(start.separation(end).arcsec, rel=1e-6)
    expected = start.position_angle(end).deg % 180.0
    assert angle.deg == pytest.approx(expected, abs=1e-3)
    with pytest.raises(InputError):
        trail_on_sky(trail, np.zeros((2, 2)))


def rubin_fit(packet: dict[str, Any]) -> tuple[TrailFit, float, float]:
    with fits.open(io.BytesIO(packet["cutoutDifference"])) as units:
        header = units[0].header
        pixels, variance = (np.asarray(units[k].data, dtype=float) for k in (0, 1))
        spread = PointSpread.from_image(units[2].data)
    matrix = [[header["PC1_1"], header["PC1_2"]], [header["PC2_1"], header["PC2_2"]]]
    near = Place(0.5 * (pixels.shape[1] - 1), 0.5 * (pixels.shape[0] - 1), 4.5)
    fit = fit_trail(pixels, spread, variance=variance, near=near)
    length, angle = trail_on_sky(fit.trail, matrix)
    return fit, float(length.to_value(u.arcsec)), float(angle.deg)


@pytest.mark.mirror
def test_rubins_trailed_sources_have_rubins_angles_and_resolved_lengths(mirror: Path):
    parquet = pytest.importorskip("pyarrow.parquet")
    packets = parquet.read_table(mirror / "rubin_alerts" / "rubin_alerts.parquet").to_pylist()
    trailed = [packet for packet in packets if packet["set"] == "faint_trails"]
    assert len(trailed) == 10
    for packet in trailed:
        fit, length, angle = rubin_fit(packet)
        assert not fit.trail_significance > 8.0 or abs(turn(angle - packet["dia_trailAngle"])) < 6.0
        # Rubin's lengths come from moments; where the seeing is poor they are larger than a fit's.
        if fit.trail_significance > 15.0:
            assert length == pytest.approx(packet["dia_trailLength"], rel=0.1)
