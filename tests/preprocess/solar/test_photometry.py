"""Values that mean the same anywhere on the disk: known laws of darkening, known losses."""

from collections.abc import Callable

import numpy as np
import pytest

from skysift.core.errors import ContractError
from skysift.data.solar.flags import PixelMask
from skysift.data.solar.solar_image import CeaGrid, ImageKind, SolarImage
from skysift.preprocess.solar.heliographic import mu_map
from skysift.preprocess.solar.photometry import (
    centre_to_limb,
    flatten_disk,
    quiet_sun_ratio,
    radial_field,
    robust_scale,
)

Make = Callable[..., SolarImage]


@pytest.fixture
def darkened(disk_image: Make, rng: np.random.Generator) -> SolarImage:
    """A disk of I = 5e4 mu^0.35 (about 6170 A; Hestroffer & Magnan 1998), granulated, one spot."""
    mu = mu_map(disk_image())
    data = 5e4 * mu**0.35 * (1 + rng.normal(0, 0.02, mu.shape))
    data[90:105, 130:150] *= 0.3
    return disk_image(data)


def test_limb_darkening_is_divided_out(darkened: SolarImage) -> None:
    flat = flatten_disk(darkened)
    mu = mu_map(darkened)
    spot = np.zeros(mu.shape, dtype=bool)
    spot[90:105, 130:150] = True
    for low in np.arange(0.15, 1.0, 0.1):
        ring = (mu > low) & (mu < low + 0.1) & ~spot
        assert np.nanmedian(flat.data[ring]) == pytest.approx(1, abs=0.01)
    assert np.nanmedian(flat.data[spot]) == pytest.approx(0.3, abs=0.01)
    assert np.isnan(flat.data[mu < 0.09]).all()
    assert (flat.has(PixelMask.OFF_LIMB) == np.isnan(flat.data)).all()


def test_the_profile_is_that_of_the_quiet_disk(darkened: SolarImage) -> None:
    coefficients = centre_to_limb(darkened)
    mu = np.array([0.3, 0.6, 1.0])
    assert np.polyval(coefficients, mu) == pytest.approx(5e4 * mu**0.35, rel=0.01)


def test_an_upright_field_is_found_wherever_it_stands(disk_image: Make) -> None:
    mu = mu_map(disk_image())
    image = disk_image(150 * mu, kind=ImageKind.MAGNETOGRAM, unit="G")
    radial = radial_field(image)
    assert np.nanmin(radial.data) == pytest.approx(150, rel=1e-5)
    assert np.nanmax(radial.data) == pytest.approx(150, rel=1e-5)
    assert radial.unit == "G"
    assert np.isnan(radial.data[~(mu >= 0.1)]).all()


def test_an_upright_field_on_a_map(disk_image: Make) -> None:
    grid = CeaGrid(20.0, 20.0, 132.56 + 60.0, 0.0, 0.5, 0.5)
    blank = disk_image(np.ones((41, 41)), kind=ImageKind.MAGNETOGRAM, frame=grid)
    radial = radial_field(blank)
    assert radial.data[20, 20] == pytest.approx(1 / mu_map(blank)[20, 20])
    assert radial.data[20, 20] == pytest.approx(2, abs=0.05)


def test_a_loss_of_throughput_cancels(darkened: SolarImage, disk_image: Make) -> None:
    worn = disk_image(darkened.data * 0.4)
    np.testing.assert_allclose(
        quiet_sun_ratio(worn).data, quiet_sun_ratio(darkened).data, rtol=1e-5, equal_nan=True
    )
    assert np.nanmedian(quiet_sun_ratio(worn).data[mu_map(worn) > 0.5]) == pytest.approx(1)


def test_offset_and_scale_of_a_picture_cancel(darkened: SolarImage, disk_image: Make) -> None:
    redrawn = disk_image(darkened.data * 0.002 + 31)
    np.testing.assert_allclose(
        robust_scale(redrawn).data, robust_scale(darkened).data, atol=2e-3, equal_nan=True
    )


def test_what_makes_no_sense_is_refused(disk_image: Make) -> None:
    field = disk_image(kind=ImageKind.MAGNETOGRAM)
    with pytest.raises(ContractError, match="magnetogram"):
        flatten_disk(field)
    with pytest.raises(ContractError, match="intensity"):
        radial_field(disk_image())
    with pytest.raises(ContractError, match="not positive"):
        quiet_sun_ratio(disk_image())
    with pytest.raises(ContractError, match="same value"):
        robust_scale(disk_image())
    with pytest.raises(ContractError, match="No pixel"):
        quiet_sun_ratio(disk_image(np.full((200, 220), np.nan)))
    with pytest.raises(ContractError, match="Too little"):
        centre_to_limb(disk_image(np.full((200, 220), np.nan)))
