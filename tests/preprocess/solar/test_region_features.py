"""Features of magnetograms: known regions, symmetries, and the keywords of SHARP headers."""

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from skysift.core.errors import InputError
from skysift.preprocess.solar.region_features import (
    SOLAR_RADIUS,
    RegionFeatures,
    inversion_line,
    r_value,
    region_features,
)

PIXEL = 0.36  # Mm, as in SHARP maps


def bipole(separation=14.4, tilt=0.0, field=1500.0, width=3.6, pixel=PIXEL):
    """Two Gaussian spots; the western one is positive."""
    y, x = np.mgrid[-60:61, -80:81] * pixel
    dx, dy = separation / 2 * np.cos(np.radians(tilt)), separation / 2 * np.sin(np.radians(tilt))
    spots = [np.exp(-((x - s * dx) ** 2 + (y - s * dy) ** 2) / (2 * width**2)) for s in (1, -1)]
    return field * (spots[0] - spots[1])


def test_a_bipole_has_the_flux_of_its_spots():
    found = region_features(bipole(separation=30.0), PIXEL)
    expected = 2 * 1500.0 * 2 * np.pi * 3.6**2 * 1e16
    # What lies below 50 G is left out: the share 50 / 1500 of a Gaussian.
    assert found.unsigned_flux == pytest.approx(expected * (1 - 50 / 1500), rel=0.01)
    assert abs(found.net_flux) < 1e-6 * found.unsigned_flux
    assert found.area == pytest.approx(2 * 2 * np.pi * 3.6**2 * np.log(15), rel=0.02)


@pytest.mark.parametrize("tilt", [-60.0, -10.0, 0.0, 25.0, 80.0])
def test_separation_and_tilt_are_found(tilt):
    found = region_features(bipole(separation=24.0, tilt=tilt), PIXEL)
    assert found.separation == pytest.approx(24.0, rel=0.01)
    assert found.tilt == pytest.approx(tilt, abs=0.5)


def test_the_inversion_line_lies_between_the_spots():
    field = bipole(separation=10.0)
    line = inversion_line(field, PIXEL)
    columns = np.flatnonzero(line.any(axis=0))
    assert set(columns) <= {79, 80}  # the middle is column 80
    found = region_features(field, PIXEL)
    # d/dx of both spots at the middle: 2 B (s / 2) / w^2 exp(-(s / 2)^2 / 2 w^2).
    steepest = 2 * 1500 * 5.0 / 3.6**2 * np.exp(-(5.0**2) / (2 * 3.6**2))
    assert found.line_steepest == pytest.approx(steepest, rel=0.02)
    assert found.line_gradient_integral == pytest.approx(
        found.line_gradient * found.line_length, rel=1e-9
    )
    assert 0 < found.line_steep_length <= found.line_length


def test_near_spots_have_a_higher_r_value_than_far_ones():
    near, far = (r_value(bipole(separation=s), PIXEL) for s in (6.0, 40.0))
    assert near > 3
    assert far == 0


def test_a_quiet_map_has_no_feature_but_numbers(rng):
    quiet = region_features(rng.normal(0.0, 8.0, (60, 80)), PIXEL)
    assert (quiet.area, quiet.r_value, quiet.line_length, quiet.separation) == (0, 0, 0, 0)
    assert all(np.isfinite(list(quiet.to_dict().values())))


@given(st.integers(0, 2**32 - 1), st.sampled_from([(0, 1), (1, 0), (0,), (1,)]))
def test_signs_and_mirrors_change_what_they_should(seed, axes):
    rng = np.random.default_rng(seed)
    field = bipole(tilt=rng.uniform(-80, 80), field=rng.uniform(200, 2500))
    field += rng.normal(0.0, 10.0, field.shape)
    before = region_features(field, PIXEL)
    other = region_features(-field, PIXEL)
    assert other.net_flux == pytest.approx(-before.net_flux)
    assert other.tilt == pytest.approx(before.tilt)
    turned = region_features(np.flip(field, axes), PIXEL)
    for name in ("unsigned_flux", "area", "separation", "strongest_field", "mean_gradient"):
        assert getattr(turned, name) == pytest.approx(getattr(before, name)), name
    sign = 1 if len(axes) == 2 else -1
    assert turned.tilt == pytest.approx(sign * before.tilt)


def test_what_is_not_measured_does_not_count():
    field = bipole()
    hole = field.copy()
    hole[:, :30] = np.nan  # quiet there
    assert region_features(hole, PIXEL).unsigned_flux == pytest.approx(
        region_features(field, PIXEL).unsigned_flux, rel=1e-3
    )


@pytest.mark.parametrize(
    ("field", "pixel"),
    [(np.full((5, 5), np.nan), 0.36), (np.ones(7), 0.36), (np.ones((5, 5)), 0.0)],
)
def test_nonsense_is_refused(field, pixel):
    with pytest.raises(InputError):
        region_features(field, pixel)


def test_a_tiny_map_has_features():
    assert RegionFeatures.names() == tuple(region_features(np.ones((1, 3)), 0.36).to_dict())


@pytest.mark.mirror
@pytest.mark.filterwarnings("ignore::astropy.io.fits.verify.VerifyWarning")
def test_r_values_and_fluxes_are_those_of_sharp_headers(mirror):
    differences, ratios = [], []
    for path in sorted((mirror / "solar/sharp_cea_fits").glob("*.magnetogram.fits")):
        with fits.open(path) as hdus:
            header, field = hdus[1].header, hdus[1].data
        if path.name.split(".")[2] == "377":  # its R_VALUE cannot be parsed
            continue
        pixel = SOLAR_RADIUS * np.radians(header["CDELT1"])
        found = region_features(field, pixel)
        differences.append(found.r_value - header["R_VALUE"])
        if "USFLUXL" in header:
            ratios.append(found.unsigned_flux / header["USFLUXL"])
    assert len(differences) == 41
    assert np.max(np.abs(differences)) < 0.006
    assert len(ratios) == 9
    assert np.all(np.abs(np.array(ratios) - 1) < 0.1)
