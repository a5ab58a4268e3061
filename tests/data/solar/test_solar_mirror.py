"""Real images: pictures of AIA, HMI and GONG, whole and damaged SHARPs, MDI, Mount Wilson."""

import csv
from pathlib import Path

import numpy as np
import pytest

from skysift.data.images.stamp import Rejected
from skysift.data.solar.cea import CeaGrid
from skysift.data.solar.flags import PixelMask, SolarFlag
from skysift.data.solar.readers import iter_solar_images, read_solar_image, read_solar_images
from skysift.data.solar.solar_image import ImageKind, SolarImage

pytestmark = pytest.mark.mirror


@pytest.fixture(scope="module")
def solar(mirror: Path) -> Path:
    return mirror / "solar"


@pytest.fixture(scope="module")
def aia(solar: Path) -> list[SolarImage]:
    """Every thirtieth picture of AIA 211 A."""
    paths = sorted((solar / "aia211_fulldisk").glob("*.jpg"))[::30]
    return [read_solar_image(path) for path in paths]


def test_six_damaged_files_are_set_aside_with_reasons(solar: Path) -> None:
    found = list(iter_solar_images([solar / "corrupt_fits"]))
    assert all(isinstance(item, Rejected) for item in found)
    codes = sorted(item.code for item in found if isinstance(item, Rejected))
    assert codes == ["cut-short"] * 2 + ["empty-file"] * 2 + ["no-simple-card"] * 2


def test_the_disk_in_pictures_of_aia(solar: Path, aia: list[SolarImage]) -> None:
    with (solar / "aia211_images.csv").open() as file:
        radii = {row["file"]: float(row["rsun_px"]) for row in csv.DictReader(file)}
        file.seek(0)
        tilts = {row["file"]: float(row["b0"]) for row in csv.DictReader(file)}
    ratio = np.array([image.disk.radius / radii[Path(image.source).name] for image in aia])
    assert np.abs(ratio - 1).max() < 0.005
    assert abs(float(np.median(ratio)) - 1) < 0.001
    b0 = [image.seen_from.b0 for image in aia]
    assert b0 == pytest.approx([tilts[Path(image.source).name] for image in aia], abs=0.002)
    # The archive did not centre the disk: until early 2012 most pictures are right to 0.1 pixel,
    # later ones lie 1.4 pixel to the east and 0.1 to 1.3 to the south, in the course of a year.
    shift = np.array([(image.disk.x - 255.5, image.disk.y - 255.5) for image in aia])
    assert np.hypot(*shift.T).max() < 2.5
    late = np.array([image.time for image in aia]) >= np.datetime64("2012-09-01")
    assert np.ptp(shift[late, 0]) < 1.0


def test_text_in_pictures_of_aia_is_masked(aia: list[SolarImage]) -> None:
    for image in aia:
        bottom = image.has(PixelMask.TEXT)
        assert 0.003 < bottom.mean() < 0.05
        assert not bottom[image.shape[0] // 8 :, 8:].any()
        left = np.nan_to_num(image.data[:25])
        assert (left > 170).sum() == 0


def test_off_pointed_frame_is_not_taken_for_a_centred_one(solar: Path) -> None:
    path = solar / "aia211_fulldisk" / "20131128_195937_512_0211.jpg"
    image = read_solar_image(path)
    assert SolarFlag.NO_DISK in image.flags
    assert image.frame is None


def test_hmi_pictures_have_the_radius_of_the_day(solar: Path) -> None:
    for path in sorted((solar / "hmi2026_fulldisk").glob("*.jpg"))[::100]:
        image = read_solar_image(path)
        assert image.kind is ImageKind.MAGNETOGRAM
        # Helioviewer brings every frame to 0.6 arcsec, so 4.8 arcsec after the reduction to 512.
        assert image.pixel_scale == pytest.approx(4.8, rel=0.002)
        assert (image.disk.x, image.disk.y) == pytest.approx((255.5, 255.5), abs=0.2)


def test_gong_pictures(solar: Path) -> None:
    for path in sorted((solar / "seed_examples").glob("*.jpg")):
        image = read_solar_image(path)
        assert image.kind is ImageKind.MAGNETOGRAM
        assert image.has(PixelMask.TEXT)[-88:-12, 12:88].all()  # the compass
        assert image.has(PixelMask.TEXT)[15:45, 15:240].all()  # place and time
        assert SolarFlag.NO_TIME in image.flags


def test_cutouts_of_hek_have_no_disk(solar: Path) -> None:
    for path in (solar / "seed_examples").glob("*.gif"):
        assert SolarFlag.NO_DISK in read_solar_image(path).flags


def test_every_sharp_is_read(solar: Path) -> None:
    read = read_solar_images([solar / "sharp_cea_fits"])
    assert len(read.images) == 56
    kinds = [image.kind for image in read.images]
    assert kinds.count(ImageKind.MAGNETOGRAM) == 44
    assert kinds.count(ImageKind.INTENSITY) == 10
    assert kinds.count(ImageKind.SEGMENTATION) == 2
    assert all(isinstance(image.frame, CeaGrid) for image in read.images)
    assert not any(SolarFlag.MISSING_ON_DISK in image.flags for image in read.images)


def test_active_region_11158(solar: Path) -> None:
    name = "hmi.sharp_cea_720s.377.20110215_020000_TAI.magnetogram.fits"
    image = read_solar_image(solar / "sharp_cea_fits" / name)
    assert SolarFlag.BAD_CARD in image.flags
    assert np.isnan(image.header["R_VALUE"])
    assert image.header["NOAA_AR"] == 11158
    assert image.header["USFLUX"] == pytest.approx(2.71476e22)
    assert image.time == np.datetime64("2011-02-15T01:59:20")
    assert float(np.nanmin(image.data)) == pytest.approx(-1872.2, abs=0.05)


def test_mdi_with_a_turned_camera(solar: Path) -> None:
    name = "mdi.fd_M_96m_lev182.20110401_000000_TAI.data.fits"
    image = read_solar_image(solar / "fulldisk_fits" / name)
    assert SolarFlag.RESAMPLED in image.flags  # CROTA2 = 3.1 deg
    assert image.disk.tilt == 0
    assert image.disk.radius == pytest.approx(487.8, abs=0.1)
    outside = image.has(PixelMask.OFF_LIMB | PixelMask.PADDED)
    assert outside.mean() == pytest.approx(1 - np.pi * (487.8 / 1024) ** 2, abs=0.01)


def test_mount_wilson(solar: Path) -> None:
    image = read_solar_image(solar / "fulldisk_fits" / "m110331_1781_0na1.fits")
    assert image.time == np.datetime64("2011-03-31T17:48:50.400")
    assert image.disk.radius == pytest.approx(256, abs=0.1)
    assert image.seen_from.b0 == pytest.approx(-6.56, abs=0.05)
