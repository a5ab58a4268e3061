"""Places on the Sun: there and back, the limb, maps, and sunpy's and wcslib's opinion."""

import warnings
from collections.abc import Callable

import astropy.units as u
import numpy as np
import pytest
from astropy.wcs import WCS
from hypothesis import given
from hypothesis import strategies as st

from skysift.core.errors import ContractError
from skysift.data.solar.cea import CeaGrid
from skysift.data.solar.solar_image import Disk, Observer, SolarImage
from skysift.data.solar.sunpy_bridge import wcs_header
from skysift.preprocess.solar.heliographic import (
    carrington_of_stonyhurst,
    heliographic,
    mu_map,
    mu_of_position,
    near_limb,
    on_disk,
    pixels_of,
    stonyhurst_of_carrington,
)

Make = Callable[..., SolarImage]


@given(
    st.tuples(st.floats(-0.98, 0.98), st.floats(-0.98, 0.98)),
    st.floats(-7.3, 7.3),
    st.floats(-0.25, 0.25),
    st.floats(900, 3000),
)
def test_there_and_back(
    disk_image: Make, offset: tuple[float, float], b0: float, tilt: float, angular: float
) -> None:
    disk = Disk(111.3, 98.7, 90.0, tilt, angular)
    image = disk_image(frame=disk, observer=Observer(b0, 200.0, 3.0))
    x, y = disk.pixels(*offset)
    lon, lat = heliographic(image, x, y)
    if np.hypot(*offset) < 0.98:
        assert np.allclose(pixels_of(image, lon, lat), (x, y), atol=1e-6)
        mu = float(mu_of_position(image, lon, lat))
        assert mu == pytest.approx(np.sqrt(1 - np.hypot(*offset) ** 2), abs=2e-4)
    elif np.hypot(*offset) > 1:
        assert np.isnan(lon)
        assert np.isnan(lat)


def test_places_agree_with_sunpy_to_a_hundredth_of_a_pixel_of_hmi(disk_image: Make) -> None:
    maps = pytest.importorskip("sunpy.map")
    coordinates = pytest.importorskip("sunpy.coordinates")
    frame = Disk(2040.3, 2050.9, 1920.4, 0.07, 968.660553)
    image = disk_image(np.zeros((4096, 4096), np.float32), frame=frame)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = maps.Map(image.data, wcs_header(image))
    rng = np.random.default_rng(4)
    x, y = rng.uniform(120, 3970, (2, 500))
    lon, _ = heliographic(image, x, y)
    seen = np.isfinite(lon)
    stonyhurst = coordinates.HeliographicStonyhurst(obstime=peer.reference_date)
    place = peer.pixel_to_world(x[seen] * u.pix, y[seen] * u.pix).transform_to(stonyhurst)
    back = np.stack(pixels_of(image, place.lon.deg, place.lat.deg))
    both = np.isfinite(back[0])
    assert both.sum() > 300
    assert np.abs(back - np.stack([x[seen], y[seen]]))[:, both].max() < 0.01
    carrington = place.transform_to(
        coordinates.HeliographicCarrington(obstime=peer.reference_date, observer="earth")
    )
    earth = Observer(-7.2267, float(coordinates.sun.L0(peer.reference_date).deg), 0.0)
    own = carrington_of_stonyhurst(lon[seen], earth)
    assert own == pytest.approx(carrington.lon.deg, abs=0.01)


def test_the_limb_and_its_near_side(disk_image: Make) -> None:
    image = disk_image()
    mu = mu_map(image)
    inside = on_disk(image)
    assert np.array_equal(np.isfinite(mu), inside)
    assert inside.sum() == pytest.approx(np.pi * 90**2, rel=0.002)
    assert on_disk(image, part=0.5).sum() == pytest.approx(np.pi * 45**2, rel=0.005)
    assert float(np.nanmax(mu)) == pytest.approx(1, abs=1e-4)
    assert np.nanmedian(mu) == pytest.approx(np.sqrt(0.5), abs=0.005)  # half of the area
    assert near_limb(mu, angle=60)[inside].mean() == pytest.approx(0.25, abs=0.01)
    assert near_limb(mu)[~inside].all()


def test_behind_the_limb_there_is_no_pixel(disk_image: Make) -> None:
    image = disk_image()
    x, y = pixels_of(image, [0.0, 89.0, 91.0, 180.0], [0.0, 0.0, 0.0, 0.0])
    # Less than a hemisphere is seen from close by: 89.73 deg to either side.
    assert np.isfinite(x).tolist() == [True, True, False, False]
    assert np.isfinite(y).tolist() == [True, True, False, False]
    assert mu_of_position(image, 180.0, 0.0) < 0


def test_the_equator_of_a_tilted_sun_passes_north_of_the_centre_when_b0_is_negative(
    disk_image: Make,
) -> None:
    image = disk_image(observer=Observer(-7.0, 100.0, 0.0))
    _, y = pixels_of(image, 0.0, 0.0)
    assert y == pytest.approx(image.disk.y + 90 * np.sin(np.radians(7.0)), abs=0.1)


@given(st.floats(-360, 720), st.floats(0, 360), st.floats(-180, 180))
def test_longitudes_of_both_kinds(lon: float, l0: float, longitude: float) -> None:
    observer = Observer(0.0, l0, longitude)
    carrington = carrington_of_stonyhurst(lon, observer)
    back = float(stonyhurst_of_carrington(carrington, observer))
    assert 0 <= float(carrington) <= 360
    assert -180 <= back <= 180
    assert np.cos(np.radians(back - lon)) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("lat", [-28.2, 0.0, 17.5])
def test_equal_area_grids_are_those_of_wcslib(lat: float) -> None:
    grid = CeaGrid(371.5, 188.0, 34.879, lat, 0.03, 0.03)
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["CRLN-CEA", "CRLT-CEA"]
    wcs.wcs.crpix = [372.5, 189.0]
    wcs.wcs.crval = [34.879, lat]
    wcs.wcs.cdelt = [0.03, 0.03]
    x, y = np.random.default_rng(1).uniform(0, 700, (2, 100))
    own_lon, own_lat = grid.heliographic(x, y)
    lon, latitude = wcs.all_pix2world(x, y, 0)
    assert own_lon == pytest.approx(lon % 360, abs=1e-9)
    assert own_lat == pytest.approx(latitude, abs=1e-9)
    assert np.allclose(grid.pixels(own_lon, own_lat), (x, y), atol=1e-6)


def test_pixels_of_an_equal_area_grid_have_equal_areas() -> None:
    grid = CeaGrid(50.0, 50.0, 120.0, 40.0, 0.5, 0.5)
    row, column = np.mgrid[:101, :101]
    lon, lat = grid.heliographic(column, row)
    lon, lat = np.unwrap(np.radians(lon), axis=1), np.radians(lat)
    d_lon = [np.gradient(lon, axis=axis) for axis in (0, 1)]
    d_sine = [np.gradient(np.sin(lat), axis=axis) for axis in (0, 1)]
    area = np.abs(d_lon[1] * d_sine[0] - d_lon[0] * d_sine[1])[1:-1, 1:-1]
    assert area == pytest.approx(np.full_like(area, np.radians(0.5) ** 2), rel=1e-3)


def test_without_an_observer_there_is_no_longitude(disk_image: Make) -> None:
    image = disk_image(observer=None, time=None)
    with pytest.raises(ContractError, match="time"):
        heliographic(image, 1.0, 1.0)
    assert np.isfinite(mu_map(image)).any()  # the angle to the line of sight is known all the same
    with pytest.raises(ContractError, match="no solar limb"):
        mu_map(disk_image(frame=None))
