"""Pieces of the disk: their pixels, their places, and sunpy's own reprojection."""

import warnings
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skysift.core.errors import UsageError
from skysift.data.solar.flags import PixelMask, SolarFlag
from skysift.data.solar.solar_image import CeaGrid, Disk, SolarImage
from skysift.data.solar.sunpy_bridge import wcs_header
from skysift.preprocess.solar.cutouts import cea_map, crop, cutout_stack
from skysift.preprocess.solar.heliographic import heliographic, mu_map, pixels_of

Make = Callable[..., SolarImage]


@pytest.fixture(scope="module")
def smooth(disk_image: Make) -> SolarImage:
    """A disk whose brightness is a smooth function of the place on the Sun."""
    blank = disk_image()
    y, x = np.indices(blank.shape)
    lon, lat = heliographic(blank, x, y)
    return disk_image(100 + lon + 3 * lat)


@given(st.integers(-40, 260), st.integers(-40, 240), st.integers(1, 90), st.integers(1, 90))
def test_a_cutout_holds_the_same_places(
    disk_image: Make, x: int, y: int, width: int, height: int
) -> None:
    image = disk_image(np.arange(200 * 220).reshape(200, 220))
    piece = crop(image, x, y, width, height)
    assert piece.shape == (height, width)
    left, bottom = piece.placement.to_file(0, 0)
    assert (left, bottom) == (x - width // 2, y - height // 2)
    padded = piece.has(PixelMask.PADDED)
    rows, columns = np.nonzero(~padded)
    assert np.array_equal(
        piece.data[rows, columns], image.data[rows + int(bottom), columns + int(left)]
    )
    assert np.isnan(piece.data[padded]).all()
    before, after = (
        heliographic(image, 120.0, 90.0),
        heliographic(piece, 120.0 - left, 90.0 - bottom),
    )
    assert np.allclose(before, after)


def test_a_stack_is_the_slices_of_the_array(disk_image: Make) -> None:
    image = disk_image(np.random.default_rng(3).normal(size=(200, 220)))
    stack = cutout_stack(image, [100.2, 60.0], [80.0, 50.4], 64)
    assert np.array_equal(stack[0], image.data[48:112, 68:132])
    assert np.array_equal(stack[1], image.data[18:82, 28:92])
    assert cutout_stack(image, [], [], 64).shape == (0, 64, 64)


def test_a_map_shows_each_place_where_it_belongs(smooth: SolarImage) -> None:
    chart = cea_map(smooth, 20.0, 12.0, width=81, height=61, step=0.5)
    assert isinstance(chart.frame, CeaGrid)
    row, column = np.indices(chart.shape)
    lon, lat = heliographic(chart, column, row)
    assert (lon[30, 40], lat[30, 40]) == pytest.approx((20.0, 12.0))
    assert chart.data == pytest.approx(100 + lon + 3 * lat, abs=0.05)
    assert chart.mask.max() == 0
    assert SolarFlag.RESAMPLED in chart.flags
    x, y = pixels_of(chart, 25.0, 10.0)
    assert chart.data[round(float(y)), round(float(x))] == pytest.approx(155, abs=2)


def test_what_lies_behind_the_limb_is_masked(smooth: SolarImage) -> None:
    chart = cea_map(smooth, 80.0, 0.0, width=101, height=21, step=0.5)
    hidden = chart.has(PixelMask.OFF_LIMB)
    lon, _ = heliographic(chart, *np.indices(chart.shape)[::-1])
    assert hidden[lon > 91].all()
    assert np.isnan(chart.data[hidden]).all()
    assert not hidden[lon < 85].any()
    assert np.array_equal(hidden, ~np.isfinite(mu_map(chart)))


def test_masks_go_with_the_map(disk_image: Make) -> None:
    mask = np.zeros((200, 220), np.uint8)
    mask[80:120, 95:125] = int(PixelMask.TEXT)
    data = np.where(mask != 0, np.nan, 1.0)
    chart = cea_map(disk_image(data, mask=mask), 0.0, -7.0, width=101, height=101, step=0.5)
    assert chart.has(PixelMask.TEXT)[50, 50]
    assert np.array_equal(np.isnan(chart.data), chart.mask != 0)


def test_a_map_agrees_with_the_reprojection_of_sunpy(disk_image: Make) -> None:
    maps = pytest.importorskip("sunpy.map")
    pytest.importorskip("reproject")
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:200, :220]
    waves = 100 + 40 * np.sin(x / 9) * np.cos(y / 7) + rng.normal(0, 0.1, x.shape)
    # A map has no solar radius of its own: sunpy takes 695.7 Mm, 968.243 arcsec from here.
    image = disk_image(waves, frame=Disk(111.3, 98.7, 90.0, 0.1, 968.243))
    chart = cea_map(image, 20.0, 12.0, width=101, height=81, step=0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = maps.Map(image.data, wcs_header(image))
        target = maps.Map(chart.data, wcs_header(chart)).wcs
        there = peer.reproject_to(target)
    # 0.1 pixel of these waves is a difference of up to 0.45.
    assert np.nanmax(np.abs(there.data - chart.data)) < 0.05


def test_no_size_is_no_cutout(disk_image: Make) -> None:
    with pytest.raises(UsageError, match="0 x 5"):
        crop(disk_image(), 5, 5, 0, 5)
    with pytest.raises(UsageError, match="map"):
        cea_map(disk_image(), 0, 0, width=5, height=5, step=0)
    with pytest.raises(UsageError, match="no number"):
        cutout_stack(disk_image(), [np.nan], [1.0], 8)
