"""Error ellipses: axes, angles on the sky anywhere, containment."""

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from skysift.core.errors import InputError, UsageError
from skysift.data.sky.tangent import TangentGrid
from skysift.evaluate.ellipse import (
    ErrorEllipse,
    containment_radius,
    ellipse_scale,
    sky_covariance,
)

POINTINGS = [(10.0, 0.0), (0.0, 45.0), (359.99, -60.0), (123.0, 89.5), (77.0, -90.0), (0.0, 90.0)]


def gaussian(major, minor, angle):
    """Covariance of (east, north) of standard deviations along a position angle [deg]."""
    turn = np.radians(angle)
    along = np.array([np.sin(turn), np.cos(turn)])
    across = np.array([np.cos(turn), -np.sin(turn)])
    return major**2 * np.outer(along, along) + minor**2 * np.outer(across, across)


@given(st.floats(1e-4, 1.0), st.floats(0.05, 0.98), st.floats(0, 179.9))
def test_axes_and_angle_come_back_from_a_covariance(major, ratio, angle):
    ellipse = ErrorEllipse.of_covariance(gaussian(major, ratio * major, angle))
    assert ellipse.major[0] == pytest.approx(major)
    assert ellipse.minor[0] == pytest.approx(ratio * major)
    assert (ellipse.angle[0] - angle + 90) % 180 - 90 == pytest.approx(0, abs=1e-4)


def test_without_a_covariance_there_is_no_ellipse():
    impossible = [[1, 2], [2, 1]]
    ellipse = ErrorEllipse.of_covariance([np.full((2, 2), np.nan), impossible, np.diag([4, 1])])
    np.testing.assert_allclose(ellipse.major, [np.nan, np.nan, 2])
    np.testing.assert_allclose(ellipse.angle, [np.nan, np.nan, 90])
    np.testing.assert_allclose(ellipse.radius(0.68)[:2], np.nan)
    assert len(ErrorEllipse.of_covariance(np.empty((0, 2, 2))).major) == 0
    with pytest.raises(InputError, match="shape"):
        ErrorEllipse.of_covariance(np.ones(3))


@pytest.mark.parametrize("pointing", POINTINGS)
@pytest.mark.parametrize("place", [(0.0, 0.0), (2.0, 1.5), (-1.0, 2.3), (0.1, -2.4)])
def test_the_angle_on_the_sky_is_that_of_astropy(pointing, place):
    """A step along the major axis on the plane goes where the position angle says."""
    grid = TangentGrid(*pointing)
    covariance = gaussian(0.02, 0.005, 35.0)  # on the plane
    ellipse = ErrorEllipse.on_sky(grid, *place, covariance)
    step = 1e-4 * np.array([np.sin(np.radians(35.0)), np.cos(np.radians(35.0))])
    start = SkyCoord(*map(float, grid.from_plane(*place)), unit="deg")
    end = SkyCoord(*map(float, grid.from_plane(place[0] + step[0], place[1] + step[1])), unit="deg")
    angle = start.position_angle(end).to_value(u.deg) % 180
    # The plane stretches by 1/cos^2 along the radius and 1/cos across: up to 0.03 deg of turn.
    assert (ellipse.angle[0] - angle + 90) % 180 - 90 == pytest.approx(0, abs=0.03)
    assert ellipse.major[0] == pytest.approx(0.02 * start.separation(end).deg / 1e-4, rel=1e-4)


@pytest.mark.parametrize("pointing", POINTINGS)
def test_positions_drawn_on_the_plane_scatter_on_the_sky_as_stated(rng, pointing):
    grid, place = TangentGrid(*pointing), np.array([1.8, -1.2])
    covariance = gaussian(0.02, 0.01, 70.0)
    drawn = rng.multivariate_normal(place, covariance, 20_000)
    centre = SkyCoord(*map(float, grid.from_plane(*place)), unit="deg")
    sky = SkyCoord(*grid.from_plane(*drawn.T), unit="deg")
    distance, angle = centre.separation(sky).deg, centre.position_angle(sky).rad
    scatter = np.cov(distance * np.sin(angle), distance * np.cos(angle))
    stated = sky_covariance(grid, *place, covariance)[0]
    np.testing.assert_allclose(scatter, stated, atol=0.03 * np.trace(stated))
    ellipse = ErrorEllipse.on_sky(grid, *place, covariance)
    for confidence in (0.68, 0.95):
        inside = np.mean(distance < ellipse.radius(confidence)[0])
        assert inside == pytest.approx(confidence, abs=0.012)
        major, minor = (axis[0] for axis in ellipse.axes(confidence))
        turned = angle - np.radians(ellipse.angle[0])
        whitened = np.hypot(distance * np.cos(turned) / major, distance * np.sin(turned) / minor)
        assert np.mean(whitened < 1) == pytest.approx(confidence, abs=0.012)


@given(st.floats(1e-5, 10.0), st.floats(0.0, 1.0), st.floats(0.05, 0.99))
def test_the_containment_radius_contains(major, ratio, confidence):
    radius = float(containment_radius(major, ratio * major, confidence))
    # Another way: integrate along the minor axis the normal chance of the major one.
    x = np.linspace(-8, 8, 40_001)
    minor = max(ratio, 1e-9) * major
    from_axis = np.sqrt(np.maximum(radius**2 - (x * minor) ** 2, 0.0)) / major
    chance = chi2.cdf(from_axis**2, 1) * np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)
    assert chance.sum() * (x[1] - x[0]) == pytest.approx(confidence, abs=2e-4)


def test_the_radius_of_a_round_gaussian_is_the_quantile_of_chi_squared():
    assert containment_radius(2.0, 2.0, 0.95) == pytest.approx(2 * np.sqrt(chi2.ppf(0.95, 2)))
    assert ellipse_scale(0.68) == pytest.approx(np.sqrt(chi2.ppf(0.68, 2)))
    assert containment_radius(0.0, 0.0, 0.68) == 0
    with pytest.raises(UsageError, match="confidence"):
        ellipse_scale(1.0)
