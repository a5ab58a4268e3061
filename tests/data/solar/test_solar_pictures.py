"""Pictures without coordinates: the limb, the text beside it, names, and hostile files."""

import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from skysift.core.errors import ReadError
from skysift.data.images.limits import Limits
from skysift.data.solar.file_names import read_file_name
from skysift.data.solar.flags import PixelMask, SolarFlag
from skysift.data.solar.jp2 import JP2_MAGIC, jp2_header
from skysift.data.solar.limb_fit import fit_limb
from skysift.data.solar.readers import read_solar_image
from skysift.data.solar.solar_image import ImageKind

Picture = NDArray[np.float32]


def visible_disk(x: float, y: float, radius: float, *, side: int = 200, seed: int = 1) -> Picture:
    """Return a noisy grey disk with blotches, dark outside, its edge a pixel wide."""
    rng = np.random.default_rng(seed)
    row, column = np.mgrid[:side, :side]
    from_centre = np.hypot(column - x, row - y)
    inside = np.clip(radius - from_centre + 0.5, 0, 1)
    blotch = 90 * np.exp(-((column - x + 30) ** 2 + (row - y - 20) ** 2) / 50)
    picture = inside * (127 + blotch + rng.normal(0, 8, (side, side)))
    return np.clip(picture, 0, 255).astype(np.float32)


def coronal_disk(x: float, y: float, radius: float, *, side: int = 256, seed: int = 1) -> Picture:
    """Return a mottled disk, twice as bright just beyond the limb, where it then fades."""
    rng = np.random.default_rng(seed)
    row, column = np.mgrid[:side, :side]
    from_centre = np.hypot(column - x, row - y) / radius
    corona = 110 * np.exp(-(from_centre - 1) / 0.12)
    disk = 60 + rng.normal(0, 10, (side, side))
    for _ in range(6):
        at, spread = rng.uniform(-0.6, 0.6, 2) * radius, rng.uniform(4, 12)
        disk += 120 * np.exp(-((column - x - at[0]) ** 2 + (row - y - at[1]) ** 2) / spread**2)
    edge = np.clip((from_centre - 1) * radius + 0.5, 0, 1)
    return np.clip(disk * (1 - edge) + corona * edge, 0, 255).astype(np.float32)


@settings(max_examples=25)
@given(st.floats(85, 115), st.floats(85, 115), st.floats(55, 80), st.integers(0, 99))
def test_limb_in_visible_light(x: float, y: float, radius: float, seed: int) -> None:
    fit = fit_limb(visible_disk(x, y, radius, seed=seed))
    assert fit is not None
    assert fit.falls
    assert fit.is_certain
    assert [fit.x, fit.y, fit.radius] == pytest.approx([x, y, radius], abs=0.25)


@settings(max_examples=25)
@given(st.floats(118, 138), st.floats(118, 138), st.floats(80, 105), st.integers(0, 99))
def test_limb_in_the_light_of_the_corona(x: float, y: float, radius: float, seed: int) -> None:
    fit = fit_limb(coronal_disk(x, y, radius, seed=seed))
    assert fit is not None
    assert not fit.falls
    assert [fit.x, fit.y, fit.radius] == pytest.approx([x, y, radius], abs=0.5)


@pytest.mark.parametrize("seed", range(5))
def test_where_there_is_no_disk_none_is_found(seed: int) -> None:
    rng = np.random.default_rng(seed)
    noise = rng.uniform(0, 255, (180, 180)).astype(np.float32)
    row, _ = np.mgrid[:180, :180]
    assert fit_limb(noise) is None
    assert fit_limb((row + noise / 8).astype(np.float32)) is None
    assert fit_limb(np.zeros((180, 180), np.float32)) is None


def test_a_picture_without_header(tmp_path: Path) -> None:
    path = _saved(visible_disk(99.0, 103.0, 75.0), tmp_path / "HMI.m2026.02.01_03.00.00.png")
    image = read_solar_image(path)
    assert image.kind is ImageKind.MAGNETOGRAM
    assert image.time == np.datetime64("2026-02-01T03:00")
    assert image.seen_from.b0 == pytest.approx(-6.02, abs=0.01)
    assert SolarFlag.FITTED_LIMB | SolarFlag.DISPLAY_SCALE in image.flags
    # Rows of pictures are stored from the top.
    assert (image.disk.x, image.disk.y) == pytest.approx((99.0, 199 - 103.0), abs=0.1)
    assert image.placement.to_file(image.disk.x, image.disk.y) == pytest.approx((99, 103), abs=0.1)
    assert image.pixel_scale == pytest.approx(973.5 / 75.0, rel=2e-3)


def test_time_and_kind_of_a_nameless_picture_may_be_given(tmp_path: Path) -> None:
    path = _saved(visible_disk(100.0, 100.0, 75.0), tmp_path / "sun.png")
    unknown = read_solar_image(path)
    assert unknown.time is None
    assert SolarFlag.NO_TIME in unknown.flags
    assert unknown.kind is ImageKind.MAGNETOGRAM  # as grey and as level as one
    told = read_solar_image(path, time=np.datetime64("2019-05-31"), kind=ImageKind.INTENSITY)
    assert told.kind is ImageKind.INTENSITY
    assert told.seen_from.b0 == pytest.approx(-0.85, abs=0.01)


def test_text_and_frames_are_masked_and_the_corona_is_not(tmp_path: Path) -> None:
    drawn = Image.fromarray(coronal_disk(128.0, 128.0, 88.0).astype(np.uint8))
    pen = ImageDraw.Draw(drawn)
    pen.text((4, 243), "SDO/AIA 211  2012-02-26 23:42:38 UT", fill=255)
    pen.rectangle((4, 4, 30, 30), fill=255)
    path = tmp_path / "20120226_234238_256_0211.png"
    drawn.save(path)
    image = read_solar_image(path)
    text = image.has(PixelMask.TEXT)[::-1]
    stored = np.asarray(drawn)
    assert SolarFlag.TEXT_MASKED in image.flags
    assert text[242:][stored[242:] > 100].all()
    assert text[4:31, 4:31].all()
    assert np.isnan(image.data[image.has(PixelMask.TEXT)]).all()
    assert not text[34:236].any()
    assert image.wavelength == 211
    assert image.kind is ImageKind.EUV


def test_colours_become_one_brightness(tmp_path: Path) -> None:
    grey = visible_disk(100.0, 100.0, 75.0).astype(np.uint8)
    tinted = np.stack([grey, grey // 2, grey // 4], axis=2)
    Image.fromarray(tinted).save(tmp_path / "tinted.png")
    Image.fromarray(np.stack([grey] * 3, axis=2)).save(tmp_path / "grey.png")
    Image.fromarray(grey).convert("P").save(tmp_path / "palette.gif")
    assert SolarFlag.COLOUR in read_solar_image(tmp_path / "tinted.png").flags
    assert SolarFlag.COLOUR not in read_solar_image(tmp_path / "grey.png").flags
    assert read_solar_image(tmp_path / "palette.gif").disk.radius == pytest.approx(75, abs=0.2)


def test_large_cut_and_broken_pictures_are_refused(tmp_path: Path) -> None:
    path = _saved(visible_disk(100.0, 100.0, 75.0), tmp_path / "a.jpg")
    with pytest.raises(ReadError, match="200 x 200"):
        read_solar_image(path, limits=Limits(side=128))
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) // 2])
    with pytest.raises(ReadError, match="damaged"):
        read_solar_image(path)
    huge = bytearray(_png(8, 8))
    huge[16:24] = struct.pack(">II", 60_000, 60_000)
    huge[29:33] = _crc(huge[12:29])
    (tmp_path / "huge.png").write_bytes(huge)
    with pytest.raises(ReadError, match=r"too large|pixels"):
        read_solar_image(tmp_path / "huge.png")


def test_the_header_of_helioviewer() -> None:
    cards = b"<meta><fits><TELESCOP>SDO</TELESCOP><crpix1>256.5</crpix1><NAN>nan</NAN></fits>"
    found = jp2_header(JP2_MAGIC + _box(b"ftyp", b"jp2 ") + _box(b"xml ", cards + b"<a>&</a>"))
    assert found["TELESCOP"] == "SDO"
    assert found["CRPIX1"] == 256.5
    assert np.isnan(found["NAN"])


@given(st.binary(max_size=200))
def test_boxes_of_any_bytes_end(data: bytes) -> None:
    assert jp2_header(JP2_MAGIC + data) == {}


def test_xml_that_would_swell_is_not_parsed() -> None:
    bomb = b'<fits><!DOCTYPE a [<!ENTITY b "cc"><!ENTITY d "&b;&b;">]><X>&d;</X></fits>'
    assert jp2_header(JP2_MAGIC + _box(b"xml ", bomb)) == {}


@pytest.mark.parametrize(
    ("name", "time", "kind", "wavelength"),
    [
        ("20120307_003014_512_0211.jpg", "2012-03-07T00:30:14", "euv", 211),
        ("20120307_003014_1024_HMIB.jpg", "2012-03-07T00:30:14", "magnetogram", 6173),
        ("20120307_003014_1024_HMIIC.jpg", "2012-03-07T00:30:14", "intensity", 6173),
        ("20120307_003014_1024_1700.jpg", "2012-03-07T00:30:14", "intensity", 1700),
        ("2013_06_24__17_31_30_84__SDO_AIA_AIA_193.jp2", "2013-06-24T17:31:30", "euv", 193),
        ("HMI.m2026.02.01_03.00.00.jpg", "2026-02-01T03:00:00", "magnetogram", 6173),
        ("sun.jpg", None, "unknown", None),
        ("20139999_999999_512_0211.jpg", None, "euv", 211),
    ],
)
def test_names_of_archives(
    name: str, time: str | None, kind: str, wavelength: float | None
) -> None:
    found = read_file_name(name)
    assert found.time == (None if time is None else np.datetime64(time))
    assert found.kind == kind
    assert found.wavelength == pytest.approx(wavelength or np.nan, nan_ok=True)


def _saved(picture: Picture, path: Path) -> Path:
    Image.fromarray(picture.astype(np.uint8)).save(path)
    return path


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + kind + content


def _png(width: int, height: int) -> bytes:
    buffer = BytesIO()
    Image.new("L", (width, height)).save(buffer, "PNG")
    return buffer.getvalue()


def _crc(chunk: bytes | bytearray) -> bytes:
    return struct.pack(">I", zlib.crc32(chunk))
