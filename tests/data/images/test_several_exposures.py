"""Files with several exposures are cut from all of them, and their cutouts are told apart."""

import tarfile
from io import BytesIO

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from skysift.core.errors import ReadError
from skysift.data.images.make_cutouts import make_cutouts
from skysift.data.images.readers import iter_stamps, read_images
from skysift.data.images.science_image import open_science_file
from skysift.data.images.stamp import Rejected
from skysift.data.io import read_table
from skysift.data.table import FeatureTable

PLACES = [[60.0, 60.0], [150.0, 120.0]]


def exposure(science_image, shift=0.0):
    """The pixels and the header of an image, moved north by some degrees."""
    path = science_image("TPV")
    pixels, header = fits.getdata(path, header=True)
    path.unlink()
    header["CRVAL2"] += shift
    return pixels, header


def extension(pixels, header, name, version=None):
    return fits.ImageHDU(pixels, header, name=name, ver=version)


def objects_on(*headers):
    sky = np.concatenate([WCS(header).all_pix2world(PLACES, 0) for header in headers])
    names = [f"o{number}" for number in range(len(sky))]
    return FeatureTable.from_columns({"id": names, "ra": sky[:, 0], "dec": sky[:, 1]})


@pytest.fixture
def two(tmp_path, science_image):
    """A file of two CCDs, each with a mask, a weight and an error."""
    (pixels, one), (_, other) = exposure(science_image), exposure(science_image, 1.0)
    path = tmp_path / "two.fits"
    hdus = [
        fits.PrimaryHDU(),
        extension(pixels, one, "CCD1"),
        extension(np.ones_like(pixels), one, "MASK"),
        extension(np.ones_like(pixels), one, "WHT1"),
        extension(2 * pixels, other, "CCD2"),
        extension(np.ones_like(pixels), other, "ERR"),
        extension(np.ones((3, 3), np.float32), None, "KERNEL"),
    ]
    fits.HDUList(hdus).writeto(path, output_verify="silentfix")
    return path, objects_on(one, other)


@pytest.mark.parametrize("workers", [1, 2])
def test_all_exposures_of_a_file_are_cut_and_named(tmp_path, two, workers):
    path, objects = two
    out = tmp_path / "out.parquet"
    report = make_cutouts(objects, [path], 12.0, out, workers=workers)
    assert (report.cutouts, report.outside) == (4, 0)
    names = read_table(out)["identifier"].tolist()
    assert names == ["o0@two#CCD1", "o1@two#CCD1", "o2@two#CCD2", "o3@two#CCD2"]
    back = read_images([out]).images
    assert back.facts["image"].tolist() == ["two.fits#CCD1"] * 2 + ["two.fits#CCD2"] * 2
    np.testing.assert_array_equal(back.pixels[2:], 2 * back.pixels[:2])
    # The weight has a name that says nothing: it lies on the same pixels.
    assert list(report.unused) == [f"{path}#WHT1"]
    assert "same pixels" in report.unused[f"{path}#WHT1"]


def test_a_file_of_one_exposure_keeps_its_names(tmp_path, science_image):
    pixels, header = exposure(science_image)
    alone, beside = tmp_path / "a" / "night.fits", tmp_path / "b" / "night.fits"
    for path, others in ((alone, []), (beside, [extension(pixels * 0 + 1, header, "MASK")])):
        path.parent.mkdir()
        fits.HDUList([fits.PrimaryHDU(pixels, header), *others]).writeto(path)
    read = []
    for path in (alone, beside):
        make_cutouts(objects_on(header), [path], 12.0, tmp_path / "out.parquet")
        read.append(read_table(tmp_path / "out.parquet"))
    assert str(read[0].arrow.to_pylist()) == str(read[1].arrow.to_pylist())  # NaN as well
    assert read[0]["identifier"].tolist() == ["o0", "o1"]


def test_an_image_without_coordinates_does_not_hide_the_one_behind_it(tmp_path, science_image):
    pixels, header = exposure(science_image)
    path = tmp_path / "preview.fits"
    fits.HDUList(
        [fits.PrimaryHDU(np.ones((8, 8), np.float32)), extension(pixels, header, "SCI")]
    ).writeto(path)
    report = make_cutouts(objects_on(header), [path], None, tmp_path / "out.parquet", side=11)
    assert report.cutouts == 2
    assert read_table(tmp_path / "out.parquet")["identifier"].tolist() == ["o0", "o1"]


def test_one_bad_exposure_does_not_stop_the_others(tmp_path, science_image):
    (pixels, one), (_, other) = exposure(science_image), exposure(science_image, 1.0)
    bad = one.copy()
    bad["CRVAL2"], bad["CTYPE2"] = 40.0, "DEC--XYZ"
    path = tmp_path / "three.fits"
    parts = [("A", one), ("B", bad), ("C", other)]
    hdus = [extension(pixels, header, name) for name, header in parts]
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(path)
    report = make_cutouts(objects_on(one, other), [path], 12.0, tmp_path / "out.parquet")
    assert report.cutouts == 4
    assert list(report.rejected) == [f"{path}#B"]


def test_a_file_without_coordinates_says_so(tmp_path):
    path = tmp_path / "plain.fits"
    hdus = [fits.ImageHDU(np.ones((9, 9), np.float32)) for _ in range(2)]
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(path)
    (found,) = open_science_file(path).images()
    assert isinstance(found, ReadError)
    assert "no celestial coordinates" in found.problem


def multi_extension(make_stamp, names):
    """A file of cutouts in extensions with these values of EXTNAME and EXTVER."""
    pixels, header = fits.getdata(BytesIO(make_stamp()), header=True)
    hdus = [fits.PrimaryHDU()]
    for name, version in names:
        hdu = fits.ImageHDU(pixels, header)
        if name:
            hdu.header["EXTNAME"] = name
        if version is not None:
            hdu.header["EXTVER"] = version
        hdus.append(hdu)
    out = BytesIO()
    fits.HDUList(hdus).writeto(out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        ([("SCI", None), ("REF", None)], ["SCI", "REF"]),
        ([("", None), ("", None)], ["1", "2"]),
        ([("1", None), ("3", None), ("1", None)], ["1,hdu1", "3", "1,hdu3"]),
        ([("SCI", 1), ("SCI", 2)], ["SCI,1", "SCI,2"]),
        ([("SCI", 1), ("SCI", 1)], ["SCI,hdu1", "SCI,hdu2"]),
        ([("2", None), ("", None)], ["2,hdu1", "hdu2"]),
    ],
)
def test_extensions_are_named_apart(tmp_path, make_stamp, names, wanted):
    (tmp_path / "mef.fits").write_bytes(multi_extension(make_stamp, names))
    found = read_images([tmp_path / "mef.fits"]).images.identifiers.tolist()
    assert found == [f"mef#{name}" for name in wanted]


def test_members_of_an_archive_keep_their_folder_where_names_repeat(tmp_path, make_stamp):
    data = make_stamp()
    path = tmp_path / "nights.tar"
    with tarfile.open(path, "w") as archive:
        for name in ("n1/a.fits", "n1/b.fits", "n2/a.fits", "./n3/a.fits.gz"):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, BytesIO(data))
    assert read_images([path]).images.identifiers.tolist() == ["a", "b", "n2/a", "n3/a"]


def test_a_compressed_cutout_that_is_cut_short_has_a_reason(tmp_path):
    pixels = np.random.default_rng(1).normal(size=(200, 200)).astype(np.float32)
    whole = BytesIO()
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(pixels)]).writeto(whole)
    data = whole.getvalue()
    start = data.index(b"END" + b" " * 77, 2880) // 2880 * 2880 + 2880  # of the table
    for size in (start + 16, start + 2880, len(data) // 2, len(data) - 2880):
        (tmp_path / "cut.fits").write_bytes(data[:size])
        (found,) = iter_stamps([tmp_path / "cut.fits"])
        assert isinstance(found, Rejected)
        assert found.code == "damaged-fits"
