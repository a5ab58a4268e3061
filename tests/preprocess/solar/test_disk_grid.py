"""The disk on a grid: places stay places, whatever the size, tilt and position of the disk."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from skysift.core.errors import ContractError, UsageError
from skysift.data.solar.solar_image import Disk, SolarImage
from skysift.preprocess.solar.disk_grid import DiskGrid, disk_grid, shrunk

GRID = DiskGrid(64, 1.25)


def image_with_spot(side, disk, west, north, width=0.05):
    """A disk of zeros with a Gaussian spot so far west and north of the centre."""
    y, x = np.mgrid[:side, :side].astype(float)
    to_west, to_north = disk.offsets(x, y)
    spot = np.exp(-((to_west - west) ** 2 + (to_north - north) ** 2) / (2 * width**2))
    data = spot.astype(np.float32)
    return SolarImage(data, np.zeros(data.shape, np.uint8), disk)


@pytest.mark.parametrize(
    "disk",
    [
        Disk(63.5, 63.5, 50.0),
        Disk(60.0, 70.2, 44.0, tilt=20.0),
        Disk(300.0, 310.0, 250.0),
        Disk(520.0, 500.0, 410.0, tilt=-3.0),
    ],
)
def test_a_spot_lies_where_it_lies_on_the_sun(disk):
    side = 128 if disk.radius < 100 else 1024
    grid = disk_grid(image_with_spot(side, disk, 0.4, -0.3), GRID)
    grid = np.nan_to_num(grid)
    row, column = np.mgrid[:64, :64]
    seen = (grid * column).sum() / grid.sum(), (grid * row).sum() / grid.sum()
    assert_allclose(seen, GRID.places(0.4, -0.3), atol=0.06)


@given(st.floats(-1.2, 1.2), st.floats(-1.2, 1.2), st.floats(-30, 30))
def test_there_and_back(west, north, tilt):
    disk = Disk(250.0, 260.0, 195.0, tilt=tilt)
    column, row = GRID.places(west, north)
    assert_allclose(
        GRID.of_image(disk, *GRID.to_image(disk, column, row)), (column, row), atol=1e-9
    )


def test_beyond_the_image_is_nothing():
    disk = Disk(20.0, 63.5, 50.0)
    grid = disk_grid(image_with_spot(128, disk, 0.0, 0.0), GRID)
    assert np.isnan(grid[:, 0]).all()
    assert np.isfinite(grid[:, 63]).any()


def test_without_a_disk_there_is_no_grid():
    data = np.zeros((16, 16), np.float32)
    with pytest.raises(ContractError, match="no solar limb"):
        disk_grid(SolarImage(data, np.zeros(data.shape, np.uint8)), GRID)


@given(st.integers(1, 7), st.integers(0, 2**32 - 1))
def test_blocks_are_means_of_what_is_known(step, seed):
    rng = np.random.default_rng(seed)
    data = rng.normal(size=(23, 31)).astype(np.float32)
    data[rng.random(data.shape) < 0.2] = np.nan
    blocks = shrunk(data, step)
    ny, nx = 23 // step, 31 // step
    cut = data[: ny * step, : nx * step].reshape(ny, step, nx, step)
    known = np.isfinite(cut).any(axis=(1, 3))
    total, count = np.nansum(cut, axis=(1, 3)), np.isfinite(cut).sum(axis=(1, 3))
    assert_allclose(blocks[known], total[known] / count[known], atol=1e-5)
    assert np.isnan(blocks[~known]).all()


def test_blocks_that_do_not_fit_are_refused():
    with pytest.raises(UsageError, match="smaller"):
        shrunk(np.zeros((4, 4), np.float32), 5)
