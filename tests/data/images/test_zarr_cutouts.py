"""Zarr groups of cutouts: exact coordinates come back, and what is hostile is refused unread."""

import json
import struct

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from skysift.core.errors import MissingExtraError, OutputError
from skysift.data.images import zarr_cutouts
from skysift.data.images.make_cutouts import make_cutouts
from skysift.data.images.readers import iter_stamps, read_images
from skysift.data.images.science_image import read_science_image
from skysift.data.images.stamp import Rejected
from skysift.data.table import FeatureTable

zarr = pytest.importorskip("zarr")


def objects(path, places):
    sky = read_science_image(path).wcs.all_pix2world(places, 0)
    names = [f"obj\u00e9t {k}" for k in range(len(places))]
    return FeatureTable.from_columns({"ra": sky[:, 0], "dec": sky[:, 1], "id": names})


@pytest.fixture
def group(science_image, tmp_path):
    path = science_image("TPV")
    places = np.array([[30.0, 30.0], [200.0, 150.0], [1.0, 100.0]])
    out = tmp_path / "c.zarr"
    make_cutouts(objects(path, places), [path], 12.0, out, provenance={"seed": 3})
    return out


def test_another_program_finds_pixels_coordinates_and_provenance(science_image, group):
    source = read_science_image(science_image("SIP").with_name("tpv.fits"))
    opened = zarr.open_group(str(group), mode="r")
    assert opened.attrs["provenance"] == {"seed": 3}
    assert opened["pixels"].shape == (3, 12, 12)
    cards = opened.attrs["images"][opened["image_number"][1]]
    header = fits.Header.fromstring(cards)
    header["CRPIX1"], header["CRPIX2"] = opened["crpix"][1]
    sky = WCS(header).all_pix2world([opened["target"][1][::-1]], 0)[0]
    np.testing.assert_allclose(sky, [opened["ra"][1], opened["dec"][1]], atol=1e-9)
    np.testing.assert_allclose(source.wcs.all_pix2world([[200.0, 150.0]], 0)[0], sky, atol=1e-9)


def test_images_of_other_scales_share_a_group(science_image, tmp_path):
    coarse, fine = science_image("TPV"), science_image("SIP")
    with fits.open(fine, mode="update") as opened:
        for name in ("CD1_1", "CD1_2", "CD2_1", "CD2_2"):
            opened[0].header[name] /= 2
    table = objects(coarse, np.array([[150.0, 40.0]]))
    report = make_cutouts(table, [coarse, fine], 12.0, tmp_path / "c.zarr")
    assert report.cutouts == 2
    images = read_images([tmp_path / "c.zarr"]).images
    assert images.sizes.tolist() == [[12, 12], [24, 24]]
    other = make_cutouts(table, [coarse, fine], 12.0, tmp_path / "c.parquet")
    assert other.cutouts == 2
    np.testing.assert_array_equal(
        images.pixels, read_images([tmp_path / "c.parquet"]).images.pixels
    )


def test_thousands_of_cutouts_pass_in_pieces(science_image, tmp_path, monkeypatch):
    monkeypatch.setattr(zarr_cutouts, "_HELD", 300)
    path = science_image("SIP")
    rng = np.random.default_rng(1)
    places = np.column_stack([rng.uniform(0, 299, 700), rng.uniform(0, 239, 700)])
    make_cutouts(objects(path, places), [path, path], 6.0, tmp_path / "c.zarr", blend_radius=0.1)
    make_cutouts(objects(path, places), [path, path], 6.0, tmp_path / "c.parquet", blend_radius=0.1)
    one, two = (read_images([tmp_path / f"c.{kind}"]).images for kind in ("zarr", "parquet"))
    assert len(one) == 1400
    assert one.identifiers.tolist() == two.identifiers.tolist()
    np.testing.assert_array_equal(one.pixels, two.pixels)


def test_a_folder_of_something_else_is_never_replaced(science_image, group, tmp_path):
    path = science_image("SIP")
    table = objects(path, np.array([[30.0, 30.0]]))
    make_cutouts(table, [path], 12.0, group)  # one of its own kind is
    assert len(read_images([group]).images) == 1
    treasure = tmp_path / "t.zarr"
    treasure.mkdir()
    (treasure / "thesis.tex").write_text("hard work")
    with pytest.raises(OutputError, match="no Zarr group"):
        make_cutouts(table, [path], 12.0, treasure)
    assert (treasure / "thesis.tex").read_text() == "hard work"


def test_without_the_package_the_remedy_is_said_before_the_work(science_image, group, monkeypatch):
    def missing(*_, **__):
        raise MissingExtraError("zarr", extra="zarr")

    monkeypatch.setattr(zarr_cutouts, "import_extra", missing)
    path = science_image("SIP")
    with pytest.raises(MissingExtraError, match=r"skysift\[zarr\]"):
        make_cutouts(objects(path, np.array([[3.0, 3.0]])), [path], 12.0, group.with_name("n.zarr"))
    with pytest.raises(MissingExtraError):
        read_images([group])


def edited(group, name, **changes):
    path = group / name / "zarr.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def claim_texts(group):
    chunk = group / "identifier" / "c" / "0"
    chunk.write_bytes(struct.pack("<I", 2**31) + chunk.read_bytes()[4:])


def spoil_pixels(group):
    chunk = next((group / "pixels" / "c").rglob("0/0/0"))
    data = bytearray(chunk.read_bytes())
    data[100] ^= 1
    chunk.write_bytes(bytes(data))


CODECS = [{"name": "bytes", "configuration": {"endian": "little"}}]


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda g: edited(g, "pixels", codecs=[*CODECS, {"name": "numcodecs.pickle"}]),
         "unknown-format"),
        (lambda g: edited(g, "pixels", codecs=[*CODECS, {"name": "zstd"}]), "unknown-format"),
        (lambda g: edited(g, "pixels", shape=[10**12, 12, 12]), "damaged-zarr"),
        (lambda g: edited(g, "pixels", shape=[3, 10**6, 12]), "too-large"),
        (lambda g: edited(g, "flags", shape=[2]), "damaged-zarr"),
        (lambda g: edited(g, "ra", chunk_grid={"name": "regular",
                                               "configuration": {"chunk_shape": [10**12]}}),
         "too-many-bytes"),
        (lambda g: edited(g, ".", attributes={}), "unknown-format"),
        (lambda g: (g / "pixels" / "zarr.json").write_text("[" * 10**5), "damaged-zarr"),
        (lambda g: (g / "pixels" / "zarr.json").unlink(), "damaged-zarr"),
        (claim_texts, "too-many-bytes"),
        (spoil_pixels, "damaged-zarr"),
    ],
)  # fmt: skip
def test_what_is_damaged_or_hostile_is_refused_with_a_reason(group, spoil, code):
    spoil(group)
    (found,) = iter_stamps([group])
    assert isinstance(found, Rejected)
    assert found.code == code, found.reason
    assert found.reason


def test_a_lost_chunk_is_no_silent_sky(group):
    next((group / "pixels" / "c").rglob("0/0/0")).unlink()
    found = list(iter_stamps([group]))
    assert [item.code for item in found] == ["no-valid-pixel"] * 3


def test_zarr_of_version_2_is_refused(tmp_path):
    (tmp_path / ".zgroup").write_text('{"zarr_format": 2}')
    (found,) = iter_stamps([tmp_path])
    assert found.code in {"unknown-format", "damaged-zarr"}
