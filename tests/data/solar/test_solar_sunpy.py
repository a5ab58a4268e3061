"""Readers against sunpy, on the real images that it ships: places agree to 0.1 pixel."""

import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.io.fits import Header

from skysift.data.solar.assemble import image_of_header
from skysift.data.solar.limb_fit import fit_limb
from skysift.data.solar.readers import read_solar_image
from skysift.data.solar.solar_image import Disk, ImageKind, SolarImage
from skysift.data.solar.sunpy_bridge import to_sunpy_map
from skysift.preprocess.solar.heliographic import heliographic, pixels_of

sunpy_map = pytest.importorskip("sunpy.map")
coordinates = pytest.importorskip("sunpy.coordinates")

HMI, AIA = "resampled_hmi.fits", "aia_171_level1.fits"
HMI_JP2 = "2023_01_31__03_39_23_200__SDO_HMI_HMI_continuum.jp2"
AIA_JP2 = "2013_06_24__17_31_30_84__SDO_AIA_AIA_193.jp2"


def shipped(name: str) -> Path:
    spec = find_spec("sunpy.data.test")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).with_name(name)


def peer_of(path: Path) -> Any:
    """Return sunpy's map of a file; of a list of parts, the image."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of BLANK cards and missing units
        found = sunpy_map.Map(path)
    return found[-1] if isinstance(found, list) else found


def worst_offset(image: SolarImage, peer: Any, *, rows_from_top: bool = False) -> float:
    """Return how far apart both put pixels of the disk on the Sun, in pixels."""
    rng = np.random.default_rng(0)
    ny, nx = image.shape
    x, y = rng.uniform(0, nx - 1, 300), rng.uniform(0, ny - 1, 300)
    if isinstance(image.frame, Disk):
        inside = np.hypot(*image.frame.offsets(x, y)) < 1
        if inside.mean() < 0.3:  # a small disk in a wide field
            x, y = image.frame.pixels(*rng.uniform(-1, 1, (2, 300)))
    seen = np.isfinite(heliographic(image, x, y)[0])
    x, y = x[seen], y[seen]
    column, row = image.placement.to_file(x, y)
    if rows_from_top:
        row = ny - 1 - row
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frame = coordinates.HeliographicStonyhurst(obstime=peer.reference_date)
        place = peer.pixel_to_world(column * u.pix, row * u.pix).transform_to(frame)
    back_x, back_y = pixels_of(image, place.lon.deg, place.lat.deg)
    both = np.isfinite(back_x)
    assert both.sum() > 50
    return float(np.hypot(back_x - x, back_y - y)[both].max())


@pytest.mark.parametrize("name", [HMI, AIA])
def test_places_in_fits(name: str) -> None:
    image = read_solar_image(shipped(name))
    peer = peer_of(shipped(name))
    assert worst_offset(image, peer) < 0.001
    assert image.seen_from.distance == pytest.approx(peer.dsun.to_value("m"), rel=1e-6)
    assert image.time == np.datetime64(peer.reference_date.utc.isot)


@pytest.mark.parametrize("largest_tilt", [0.0, 0.25])
def test_a_turned_image_is_as_sunpy_turns_it(largest_tilt: float) -> None:
    image = read_solar_image(shipped(HMI), largest_tilt=largest_tilt)
    assert worst_offset(image, peer_of(shipped(HMI))) < 0.001
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = peer_of(shipped(HMI)).rotate(order=1, missing=0)
    # The mean limb darkens from the centre; compare where both have the same pixels.
    own = np.nan_to_num(image.data)
    assert np.nanmean(own) == pytest.approx(float(np.nansum(peer.data)) / own.size, rel=0.02)


def test_places_in_jpeg_2000_and_its_pixels() -> None:
    pytest.importorskip("glymur", reason="sunpy reads JPEG 2000 with glymur and a system library")
    image = read_solar_image(shipped(HMI_JP2))
    peer = peer_of(shipped(HMI_JP2))
    assert worst_offset(image, peer, rows_from_top=True) < 0.001
    assert np.array_equal(image.data, np.asarray(peer.data, dtype=np.float32))
    assert image.kind is ImageKind.INTENSITY


def test_a_picture_that_is_compressed_a_hundredfold_is_read() -> None:
    image = read_solar_image(shipped("2022_04_01__00_00_45__SOLO-EUI-FSI_EUI_FSI_174.jp2"))
    assert image.kind is ImageKind.EUV
    assert image.wavelength == 174


@pytest.mark.parametrize("name", [HMI_JP2, AIA_JP2])
def test_the_limb_is_where_the_header_has_the_disk(name: str) -> None:
    image = read_solar_image(shipped(name))
    fit = fit_limb(image.data)
    assert fit is not None
    assert (fit.x, fit.y) == pytest.approx((image.disk.x, image.disk.y), abs=0.15)
    assert fit.radius == pytest.approx(image.disk.radius, rel=0.002)


@pytest.mark.parametrize("name", [HMI, AIA, AIA_JP2])
def test_a_map_for_sunpy_shows_the_same_places(name: str) -> None:
    image = read_solar_image(shipped(name))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = to_sunpy_map(image)
    x, y = image.disk.x + 0.4 * image.disk.radius, image.disk.y - 0.6 * image.disk.radius
    frame = coordinates.HeliographicStonyhurst(obstime=peer.reference_date)
    place = peer.pixel_to_world(x * u.pix, y * u.pix).transform_to(frame)
    lon, lat = heliographic(image, x, y)
    assert float(lon) == pytest.approx(place.lon.deg, abs=1e-3)
    assert float(lat) == pytest.approx(place.lat.deg, abs=1e-3)


HEADERS = [
    "gong_magnetogram.header",
    "gong_halpha.header",
    "mdi.fd_M_96m_lev182.20101015_191200_TAI.data.header",
    "hmi_cea_sharp_magnetogram.header",
    "hmi_sharp_magnetogram.header",
    "EIT_header/efz20040301.000010_s.header",
    "swap_lv1_20140606_000113.header",
    "euvi_20090615_000900_n4euA_s.header",
    "solo_L1_eui-fsi304-image_20201021T145510206_V03.header",
    "HinodeXRT.header",
]


@pytest.mark.parametrize("name", HEADERS)
def test_headers_of_other_observatories(name: str) -> None:
    header = Header.fromtextfile(shipped("__init__.py").parent / name)
    pixels = np.zeros((header["NAXIS2"], header["NAXIS1"]), dtype=np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = sunpy_map.Map(pixels, header)
        cards = {keyword: header[keyword] for keyword in header if keyword}
    image = image_of_header(pixels, cards, source=name, sha256="")
    assert image is not None
    assert worst_offset(image, peer) < 0.1


@pytest.mark.parametrize(
    ("name", "radius"),
    [
        ("YohkohSXT.header", 967.151 / 9.82),  # SOLAR_R in arcsec
        ("EIT_header/efz20040301.000010_s.header", 372.27),  # in pixels
        ("seit_00171_fd_19961211_1900.header", 974 / 67.072),  # in those of before it was shrunk
    ],
)
def test_the_disk_has_the_size_of_the_sun(name: str, radius: float) -> None:
    header = Header.fromtextfile(shipped("__init__.py").parent / name)
    pixels = np.zeros((header["NAXIS2"], header["NAXIS1"]), dtype=np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cards = {keyword: header[keyword] for keyword in header if keyword}
    image = image_of_header(pixels, cards, source=name, sha256="")
    assert image is not None
    assert image.disk.radius == pytest.approx(radius, rel=0.02)
