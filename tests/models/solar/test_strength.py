"""Maps of activity: scale-free for magnetograms, dark spots in the continuum, patches as given."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skysift.core.errors import ContractError
from skysift.data.solar.browse import browse_image
from skysift.data.solar.flags import SolarFlag
from skysift.data.solar.solar_image import Disk, ImageKind, Placement, SolarImage
from skysift.models.solar.patch_features import (
    PATCH_FEATURES,
    disk_median,
    patch_features,
    patch_statistics,
    patches_of,
)
from skysift.models.solar.strength import (
    DISK_GRID,
    brightness_excess,
    brightness_ratio,
    distance_map,
    flux_ratio,
    quiet_profile,
    spot_darkness,
)

DISK = Disk(255.5, 255.5, 200.0)


def image(data, kind, flags=SolarFlag.NONE, disk=DISK):
    values = data.astype(np.float32)
    return SolarImage(values, np.zeros(values.shape, np.uint8), disk, kind=kind, flags=flags)


def magnetogram(rng, scale=1.0):
    """Noise, and a bipolar region west of the centre."""
    y, x = np.mgrid[:512, :512]
    field = rng.normal(0, 10, (512, 512))
    for at, sign in ((340, 1), (365, -1)):
        field += sign * 300 * np.exp(-((x - at) ** 2 + (y - 256) ** 2) / (2 * 6.0**2))
    field[distance(x, y) > 1] = np.nan
    return field * scale


def distance(x, y):
    return np.hypot(x - DISK.x, y - DISK.y) / DISK.radius


def test_both_polarities_are_one_region_whatever_the_unit():
    field = magnetogram(np.random.default_rng(1))
    gauss = flux_ratio(image(field, ImageKind.MAGNETOGRAM), DISK_GRID, smoothing=4.0)
    tesla = flux_ratio(image(field * 1e-4, ImageKind.MAGNETOGRAM), DISK_GRID, smoothing=4.0)
    assert_allclose(gauss, tesla, rtol=1e-4)
    row, column = np.unravel_index(gauss.argmax(), gauss.shape)
    assert_allclose((column, row), DISK_GRID.places((352.5 - 255.5) / 200, 0.5 / 200), atol=8)
    assert gauss.max() > 8
    assert gauss[distance_map(DISK_GRID) > 1.15].max() < 0.5


def test_a_picture_of_a_magnetogram_is_grey_in_the_middle():
    field = np.nan_to_num(magnetogram(np.random.default_rng(1)))
    shown = np.clip(127.5 + field / 4, 0, 255)
    seen = flux_ratio(
        image(shown, ImageKind.MAGNETOGRAM, SolarFlag.DISPLAY_SCALE), DISK_GRID, smoothing=4.0
    )
    plain = flux_ratio(image(field, ImageKind.MAGNETOGRAM), DISK_GRID, smoothing=4.0)
    assert np.unravel_index(seen.argmax(), seen.shape) == np.unravel_index(
        plain.argmax(), plain.shape
    )


def test_what_fills_gaps_is_no_field():
    field = magnetogram(np.random.default_rng(1))
    y, x = np.mgrid[:512, :512]
    filled = np.where((distance(x, y) > 0.97) & (distance(x, y) < 1), -1638.4, field)
    seen = flux_ratio(image(filled, ImageKind.MAGNETOGRAM), DISK_GRID, smoothing=4.0)
    assert seen[distance_map(DISK_GRID) > 0.9].max() < 4


def test_a_limb_that_is_drawn_bright_is_no_field():
    """As in pictures of GONG; a region at the limb, which fills no ring, stays."""
    field = magnetogram(np.random.default_rng(1))
    y, x = np.mgrid[:512, :512]
    drawn = np.where((distance(x, y) > 0.96) & (distance(x, y) < 1), 60.0, field)
    seen = flux_ratio(image(drawn, ImageKind.MAGNETOGRAM), DISK_GRID, smoothing=4.0)
    assert seen[distance_map(DISK_GRID) > 0.85].max() < 4
    assert seen.max() > 8
    spot = 300 * np.exp(-((x - 70) ** 2 + (y - 256) ** 2) / (2 * 6.0**2))
    kept = flux_ratio(image(field + spot, ImageKind.MAGNETOGRAM), DISK_GRID, smoothing=4.0)
    assert kept[distance_map(DISK_GRID) > 0.85].max() > 8


def test_no_magnetogram_no_flux():
    with pytest.raises(ContractError, match="not the magnetic field"):
        flux_ratio(image(np.ones((512, 512)), ImageKind.EUV), DISK_GRID, smoothing=4.0)
    with pytest.raises(ContractError, match="no field at all"):
        flux_ratio(image(np.zeros((512, 512)), ImageKind.MAGNETOGRAM), DISK_GRID, smoothing=4.0)


def test_spots_are_dark_and_the_limb_is_none():
    y, x = np.mgrid[:512, :512]
    mu = np.sqrt(np.maximum(1 - distance(x, y) ** 2, 0))
    sun = np.where(mu > 0, 1e4 * (0.4 + 0.6 * mu), 0)
    sun *= 1 - 0.6 * np.exp(-((x - 150) ** 2 + (y - 300) ** 2) / (2 * 5.0**2))
    dark = spot_darkness(image(sun, ImageKind.INTENSITY), DISK_GRID, smoothing=1.5)
    row, column = np.unravel_index(dark.argmax(), dark.shape)
    assert_allclose((column, row), DISK_GRID.places(-105.5 / 200, 44.5 / 200), atol=1)
    assert dark.max() > 0.2
    assert (
        dark[np.hypot(*np.mgrid[:256, :256] - np.array([row, column])[:, None, None]) > 15].max()
        < 0.02
    )


def test_brightness_does_not_know_the_exposure():
    rng = np.random.default_rng(2)
    data = rng.uniform(80, 120, (512, 512))
    once, twice = (brightness_ratio(image(data * k, ImageKind.EUV), DISK_GRID) for k in (1.0, 2.0))
    assert_allclose(once, twice, atol=1e-5)
    assert abs(float(np.median(once[distance_map(DISK_GRID) < 0.9]))) < 0.01


def test_data_numbers_become_what_a_picture_shows():
    """A logarithmic picture of data numbers, as the browse archive makes them."""
    rng = np.random.default_rng(3)
    numbers = 150 * np.exp(rng.normal(0, 0.5, (512, 512)))
    shown = 255 * np.log(numbers / 7) / np.log(1500 / 7)
    linear = brightness_ratio(image(numbers, ImageKind.EUV), DISK_GRID)
    display = brightness_ratio(image(shown, ImageKind.EUV, SolarFlag.DISPLAY_SCALE), DISK_GRID)
    inner = distance_map(DISK_GRID) < 0.9
    assert np.abs(linear - display)[inner].mean() < 0.05
    assert np.corrcoef(linear[inner], display[inner])[0, 1] > 0.97


def test_the_excess_of_a_quiet_disk_is_nothing():
    ratio = (distance_map(DISK_GRID) ** 2).astype(np.float32)
    profile = quiet_profile(np.stack([ratio, ratio]))
    excess = brightness_excess(ratio, profile, smoothing=1.0, highest=1.0)
    assert np.abs(excess[distance_map(DISK_GRID) < 0.9]).max() < 0.03


@pytest.mark.parametrize(("x", "y"), [(256, 200), (40, 40), (500, 470)])
def test_patches_are_slices_of_the_file(x, y):
    stored = np.random.default_rng(3).integers(1, 255, (512, 512)).astype(np.float32)
    picture = SolarImage(
        np.ascontiguousarray(stored[::-1]),
        np.zeros((512, 512), np.uint8),
        DISK,
        placement=Placement(yy=-1.0, y0=511.0),
    )
    padded = np.pad(stored, 64)
    expected = padded[y + 32 : y + 96, x + 32 : x + 96]
    assert_array_equal(patches_of(picture, [x], [y])[0], expected)


def test_features_have_names_and_the_disk_divides():
    patches = np.random.default_rng(4).uniform(0, 255, (5, 64, 64)).astype(np.float32)
    features = patch_features(patches, np.full(5, 100.0))
    assert features.shape == (5, len(PATCH_FEATURES))
    assert len(set(PATCH_FEATURES)) == len(PATCH_FEATURES)
    half = (len(PATCH_FEATURES) - 1) // 2
    assert_allclose(features[:, half : 2 * half] * 100, features[:, :half])
    bright = patches.copy()
    bright[:, 30:34, 30:34] = 255
    names = ["max_16px_smooth4", "mean_16px_smooth1"]
    columns = [PATCH_FEATURES.index(name) for name in names]
    assert (patch_features(bright, np.full(5, 100.0))[:, columns] > features[:, columns]).all()
    statistics = patch_statistics(patches)
    assert_allclose(statistics[:, 2], patches.mean(axis=(1, 2)), rtol=1e-5)
    assert (statistics[:, 0] <= statistics[:, 5]).all()


def test_a_picture_without_a_disk_still_has_a_level():
    dark = browse_image(np.full((64, 64), 40, np.float32), source="a.png", sha256="")
    assert disk_median(dark) == 40
    assert (
        disk_median(browse_image(np.zeros((64, 64), np.float32), source="a.png", sha256="")) == 20
    )
