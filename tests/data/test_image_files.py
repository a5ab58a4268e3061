"""Pictures as files: grey pixels and how the file was made; what is damaged is refused."""

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from skysift.core.errors import ReadError
from skysift.data.image_files import facts_table, find_pictures, read_image_file


@pytest.fixture
def grey(rng):
    return rng.integers(0, 255, (40, 60), dtype=np.uint8)


def test_grey_pixels_are_read_as_they_are(tmp_path, grey):
    Image.fromarray(grey).save(tmp_path / "frame_012.png")
    image = read_image_file(tmp_path / "frame_012.png")
    np.testing.assert_array_equal(image.pixels, grey)
    assert (image.facts["format"], image.facts["name_pattern"]) == ("PNG", "frame_#.png")


def test_the_tables_of_a_jpeg_tell_its_quality(tmp_path, grey):
    for quality in (75, 90):
        for k in (0, 1):
            Image.fromarray(np.roll(grey, k)).save(tmp_path / f"{quality}_{k}.jpg", quality=quality)
    found = [read_image_file(path).facts["compression"] for path in find_pictures(tmp_path)]
    assert found[0] == found[1] != found[2] == found[3]


def test_a_coloured_picture_is_made_grey(tmp_path, grey):
    Image.fromarray(np.stack([grey, grey, grey], axis=-1)).save(tmp_path / "a.png")
    image = read_image_file(tmp_path / "a.png")
    np.testing.assert_array_equal(image.pixels, grey)
    assert image.facts["mode"] == "RGB"


def test_a_card_that_cannot_be_parsed_is_left_out(tmp_path):
    file = tmp_path / "a.fits"
    fits.writeto(file, np.zeros((4, 5), np.float32), fits.Header({"EXPTIME": 2.0, "RVALUE": 1.5}))
    data = file.read_bytes()
    at = data.index(b"RVALUE")
    card = b"RVALUE  =                  nan"
    file.write_bytes(data[:at] + card.ljust(80) + data[at + 80 :])
    header = read_image_file(file).header
    assert header["EXPTIME"] == 2.0
    assert "RVALUE" not in header


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.jpg", b""), ("b.png", b"\x89PNG\r\n\x1a\n1234"), ("c.fits", b"SIMPLE"), ("d.jpg", None)],
)
def test_what_is_no_image_is_refused(tmp_path, name, content):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ReadError):
        read_image_file(tmp_path / name)


def test_a_table_of_cards_that_some_files_lack():
    table = facts_table([{"EXPTIME": 2.0, "OBS": "a"}, {"OBS": 3}], prefix="header ")
    np.testing.assert_array_equal(table["header EXPTIME"], [2.0, np.nan])
    assert table["header OBS"].tolist() == ["a", "3"]


@pytest.mark.mirror
def test_the_sharp_with_a_card_that_cannot_be_parsed(mirror):
    (file,) = (mirror / "solar/sharp_cea_fits").glob("*.377.*.magnetogram.fits")
    image = read_image_file(file)
    assert image.header["HARPNUM"] == 377
    assert np.nanmax(np.abs(image.pixels)) > 1000


@pytest.mark.mirror
def test_broken_files_are_refused_with_a_reason(mirror):
    files = sorted((mirror / "solar/corrupt_fits").glob("*.fits"))
    assert len(files) == 6
    for file in files:
        with pytest.raises(ReadError, match="cannot be read"):
            read_image_file(file)
