"""The tangent grid against astropy's WCS, and separations against astropy, anywhere on the sky."""

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import angular_separation
from astropy.wcs import WCS
from hypothesis import given
from hypothesis import strategies as st

from skysift.core.errors import ReadError, UsageError
from skysift.data.sky.tangent import TangentGrid, separation
from skysift.data.sky.tangent_wcs import grid_of_wcs

RA = st.one_of(st.sampled_from([0.0, 1e-9, 180.0, 359.999999]), st.floats(0, 360, exclude_max=True))
DEC = st.one_of(st.sampled_from([-90.0, 90.0, 89.9999, -89.9999, 0.0]), st.floats(-90, 90))


@given(ra=RA, dec=DEC, seed=st.integers(0, 2**32 - 1))
def test_pixels_agree_with_astropy_everywhere(ra: float, dec: float, seed: int) -> None:
    grid = TangentGrid(ra, dec, 201, 120, 0.03)
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(-0.5, 200.5, 50), rng.uniform(-0.5, 119.5, 50)
    sky = grid.wcs().wcs_pix2world(x, y, 0)
    ours = grid.to_sky(x, y)
    assert np.max(separation(*ours, *sky)) < 1e-9
    back = grid.to_pixel(*sky)
    np.testing.assert_allclose(back, (x, y), atol=1e-7)


@given(ra=RA, dec=DEC, seed=st.integers(0, 2**32 - 1))
def test_plane_and_sky_are_inverse(ra: float, dec: float, seed: int) -> None:
    grid = TangentGrid(ra, dec)
    rng = np.random.default_rng(seed)
    xi, eta = rng.uniform(-40, 40, (2, 50))
    np.testing.assert_allclose(grid.to_plane(*grid.from_plane(xi, eta)), (xi, eta), atol=1e-9)


@given(RA, DEC, RA, DEC)
def test_separation_agrees_with_astropy(ra: float, dec: float, ra_0: float, dec_0: float) -> None:
    expected = angular_separation(ra * u.deg, dec * u.deg, ra_0 * u.deg, dec_0 * u.deg)
    # The haversine loses half the digits at the antipode, as its authors say.
    tolerance = 1e-9 if expected.to_value("deg") < 179 else 1e-5
    assert float(separation(ra, dec, ra_0, dec_0)) == pytest.approx(
        expected.to_value("deg"), abs=tolerance
    )


def test_what_lies_behind_the_plane_has_no_pixel() -> None:
    grid = TangentGrid(10.0, 20.0)
    assert np.isnan(grid.to_plane([190.0, 105.0], [-20.0, 0.0])).any(axis=0).all()
    assert grid.pixel_index([190.0, 10.0], [-20.0, 20.0]).tolist()[0] == -1


def test_offsets_of_pixels_are_separations_of_their_centres() -> None:
    grid = TangentGrid(359.9, 89.0, 7, 5, 0.5)
    ra, dec = grid.to_sky(*np.meshgrid(np.arange(7), np.arange(5)))
    np.testing.assert_allclose(
        grid.separation_from(100.0, 88.0), separation(ra, dec, 100.0, 88.0), atol=1e-12
    )


@pytest.mark.parametrize(
    "change", [{"dec": 91.0}, {"ra": np.nan}, {"n_x": 0}, {"pixel_size": 0.0}, {"pixel_size": 10.0}]
)
def test_impossible_grids_are_refused(change) -> None:
    with pytest.raises(UsageError):
        TangentGrid(**({"ra": 0.0, "dec": 0.0} | change))


@given(ra=RA, dec=DEC, n_x=st.integers(1, 300), n_y=st.integers(1, 300))
def test_a_grid_comes_back_from_its_wcs(ra: float, dec: float, n_x: int, n_y: int) -> None:
    grid = TangentGrid(ra, dec, n_x, n_y, 0.02)
    assert grid_of_wcs(grid.wcs(), n_x, n_y) == grid
    from_file = WCS(grid.wcs().to_header())
    assert grid_of_wcs(from_file, n_x, n_y).ra == pytest.approx(ra, abs=1e-9)


@pytest.mark.parametrize("dec", [90.0, -90.0])
def test_a_pole_seen_with_the_default_lonpole_is_turned_back(dec: float) -> None:
    wcs = TangentGrid(40.0, dec, 50, 50).wcs()
    wcs.wcs.lonpole = 0.0
    wcs.wcs.set()
    grid = grid_of_wcs(wcs, 50, 50)
    x, y = np.array([3.0, 40.0]), np.array([10.0, 49.0])
    assert np.max(separation(*grid.to_sky(x, y), *wcs.wcs_pix2world(x, y, 0))) < 1e-9


def _moved(wcs: WCS) -> None:
    wcs.wcs.crpix = [3.0, 3.0]


def _flipped(wcs: WCS) -> None:
    wcs.wcs.cdelt = [0.025, 0.025]


def _oblong(wcs: WCS) -> None:
    wcs.wcs.cdelt = [-0.02, 0.025]


def _car(wcs: WCS) -> None:
    wcs.wcs.ctype = ["RA---CAR", "DEC--CAR"]


def _galactic(wcs: WCS) -> None:
    wcs.wcs.ctype = ["GLON-TAN", "GLAT-TAN"]


def _turned(wcs: WCS) -> None:
    wcs.wcs.lonpole = 90.0


@pytest.mark.parametrize("change", [_moved, _flipped, _oblong, _car, _galactic, _turned])
def test_another_wcs_is_refused_with_the_reason(change) -> None:
    wcs = TangentGrid(40.0, 20.0, 50, 50).wcs()
    change(wcs)
    with pytest.raises(ReadError, match=r"no tangent grid: .*Make it with the projection TAN"):
        grid_of_wcs(wcs, 50, 50)
