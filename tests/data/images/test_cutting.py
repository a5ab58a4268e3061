"""Cutouts keep exact values, exact coordinates and exact sizes; astropy is the oracle."""

import warnings
from io import BytesIO

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.nddata import Cutout2D
from astropy.table import Table
from astropy.wcs import WCS

from skysift.core.errors import ContractError, InputError, OutputError, ReadError, UsageError
from skysift.data.images.cutting import (
    Positions,
    cut_out,
    is_blended,
    side_in_pixels,
    stamp_bytes,
)
from skysift.data.images.flags import StampFlag
from skysift.data.images.make_cutouts import make_cutouts
from skysift.data.images.readers import read_images
from skysift.data.images.science_image import read_science_image
from skysift.data.io import read_table
from skysift.data.table import FeatureTable


def positions_at(wcs: WCS, places: np.ndarray) -> Positions:
    """Objects at given pixels, x and y from 0."""
    sky = wcs.all_pix2world(places, 0)
    n = len(places)
    names = np.array([f"o{k}" for k in range(n)])
    return Positions(names, sky[:, 0], sky[:, 1], np.zeros(n, dtype=bool))


@pytest.mark.parametrize("kind", ["TPV", "SIP"])
@pytest.mark.parametrize("side", [15, 16])
def test_agrees_with_astropy_in_values_and_coordinates(science_image, kind, side, rng) -> None:
    image = read_science_image(science_image(kind))
    places = np.column_stack([rng.uniform(-0.4, 299.4, 40), rng.uniform(-0.4, 239.4, 40)])
    positions = positions_at(image.wcs, places)
    cutouts = cut_out(image, positions, side)
    assert len(cutouts) == 40
    for row, (ra, dec) in enumerate(zip(positions.ra, positions.dec, strict=True)):
        peer = Cutout2D(
            image.pixels,
            SkyCoord(ra, dec, unit="deg"),
            (side, side),
            wcs=image.wcs,
            mode="partial",
            fill_value=np.nan,
        )
        np.testing.assert_array_equal(cutouts.pixels[row], peer.data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # astropy's own remarks on units and SIP
            data = stamp_bytes(image, cutouts, row, is_extension=False)
            header = fits.getheader(BytesIO(data))
            wcs = WCS(header)
        corners = np.array([[0.0, 0.0], [side - 1.0, 0.0], [side / 2, side / 2]])
        moved = corners + cutouts.facts.matrix(["start_x", "start_y"])[row]
        np.testing.assert_allclose(
            wcs.all_pix2world(corners, 0), image.wcs.all_pix2world(moved, 0), rtol=0, atol=1e-11
        )
        at = wcs.all_world2pix([[ra, dec]], 0)[0]
        np.testing.assert_allclose(at, cutouts.centers[row][::-1], atol=1e-5)
        assert np.abs(at - (side - 1) / 2).max() <= 0.5 + 1e-6


def test_edges_are_padded_and_flagged_and_objects_outside_left_out(science_image) -> None:
    image = read_science_image(science_image("TPV"))
    places = np.array([[2.0, 100.0], [150.0, 120.0], [-3.0, 50.0], [299.4, 239.4]])
    cutouts = cut_out(image, positions_at(image.wcs, places), 11)
    assert cutouts.facts["row"].tolist() == [0, 1, 3]
    assert cutouts.has(StampFlag.PADDED).tolist() == [True, False, True]
    assert not cutouts.has(StampFlag.NAN).any()
    assert np.isnan(cutouts.pixels[0, :, :3]).all()
    assert np.isfinite(cutouts.pixels[0, :, 3:]).all()


@pytest.mark.parametrize(
    ("n", "side", "told"), [(1, 0, "1 to 4,096"), (1, 4097, "1 to 4,096"), (40, 4096, "2.5 GiB")]
)
def test_cutouts_that_no_memory_holds_are_refused_before_it_is_asked_for(
    science_image, n, side, told
) -> None:
    image = read_science_image(science_image("TPV"))
    positions = positions_at(image.wcs, np.full((n, 2), 100.0))
    with pytest.raises(UsageError, match=told):
        cut_out(image, positions, side)


def test_numbers_of_a_catalogue_stay_whole(tmp_path, science_image) -> None:
    path = science_image("TPV")
    ra, dec = read_science_image(path).wcs.all_pix2world([[100.0, 100.0]], 0)[0]
    (tmp_path / "c.csv").write_text(f"id,ra,dec\n4711,{ra},{dec}\n")
    make_cutouts(tmp_path / "c.csv", [path], 12.0, tmp_path / "out.parquet")
    assert read_images([tmp_path / "out.parquet"]).images.identifiers.tolist() == ["4711"]


def test_objects_without_a_position_are_counted_and_the_others_cut(tmp_path, science_image) -> None:
    path = science_image("TPV")
    sky = read_science_image(path).wcs.all_pix2world([[30.0, 40.0], [50.0, 20.0], [20.0, 20.0]], 0)
    ra, dec = sky.T.copy()
    ra[1], dec[2] = np.nan, 100.0
    catalogue = FeatureTable.from_columns({"ra": ra, "dec": dec, "colour": [1.0, 2.0, 3.0]})
    report = make_cutouts(catalogue, [path], 12.0, tmp_path / "out.parquet", keep=["colour"])
    assert (report.objects, report.cutouts, report.outside, report.unplaced) == (3, 1, 0, 2)
    found = read_table(tmp_path / "out.parquet")
    assert found["colour"].tolist() == [1.0]
    assert read_images([tmp_path / "out.parquet"]).images.identifiers.tolist() == ["0"]


def test_positions_in_radians_and_hours_are_cut_where_those_in_degrees_are(
    tmp_path, science_image
) -> None:
    path = science_image("TPV")
    sky = read_science_image(path).wcs.all_pix2world([[30.0, 40.0], [50.0, 20.0]], 0)
    plain = FeatureTable.from_columns({"ra": sky[:, 0], "dec": sky[:, 1]})
    other = FeatureTable.from_columns(
        {"ra": sky[:, 0] / 15, "dec": np.radians(sky[:, 1])},
        units={"ra": "hourangle", "dec": "rad"},
    )
    for name, table in (("plain", plain), ("other", other)):
        make_cutouts(table, [path], 12.0, tmp_path / f"{name}.parquet")
    plain, other = (read_table(tmp_path / f"{name}.parquet") for name in ("plain", "other"))
    assert len(plain) == len(other) == 2
    np.testing.assert_allclose(other["ra"], plain["ra"], rtol=1e-12)
    np.testing.assert_allclose(other["dec"], plain["dec"], rtol=1e-12)


def test_saturation_holes_and_infobits_are_flagged(science_image) -> None:
    image = read_science_image(science_image("SIP"))
    image.pixels[:] = 200.0
    image.pixels[100, 100] = np.nan
    image.pixels[200, 200] = 46000.0  # above 0.9 of the saturation level
    places = np.array([[100.0, 100.0], [200.0, 200.0], [50.0, 50.0]])
    cutouts = cut_out(image, positions_at(image.wcs, places), 9)
    assert cutouts.has(StampFlag.NAN).tolist() == [True, False, False]
    assert cutouts.has(StampFlag.SATURATED).tolist() == [False, True, False]
    assert cutouts.has(StampFlag.INFOBITS).all()


def test_neighbours_within_the_radius_blend() -> None:
    ra, dec = [10.0, 10.0, 10.1, 359.9999, 0.0001], [0.0, 4.9 / 3600, 0.0, 0.0, 0.0]
    assert is_blended(ra, dec, 5.0, neighbours=None).tolist() == [True, True, False, True, True]
    assert is_blended(ra[:1], dec[:1], 5.0, neighbours=(ra, dec)).tolist() == [True]
    assert is_blended(ra[2:3], dec[2:3], 5.0, neighbours=(ra, dec)).tolist() == [False]


@pytest.mark.parametrize(("parity", "rest"), [("odd", 1), ("even", 0)])
def test_parity_is_kept_and_the_angle_met_to_a_pixel(parity, rest, rng) -> None:
    for size in rng.uniform(5, 90, 50):
        side = side_in_pixels(size, 1.012, parity)
        assert side % 2 == rest
        assert abs(side - size / 1.012) <= 1
    with pytest.raises(UsageError):
        side_in_pixels(0.1, 1.0)


@pytest.mark.parametrize("suffix", [".fits", ".parquet"])
def test_a_catalogue_becomes_one_file_that_reads_back(science_image, tmp_path, suffix) -> None:
    paths = [science_image("TPV"), science_image("SIP")]
    wcs = read_science_image(paths[0]).wcs
    places = np.array([[30.0, 30.0], [33.0, 30.0], [200.0, 150.0], [1.0, 100.0]])
    at = positions_at(wcs, places)
    far = np.append(at.ra, 200.0), np.append(at.dec, 10.0)
    catalogue = tmp_path / "objects.ecsv"
    Table({"RA": far[0], "DEC": far[1], "id": [7, 8, 9, 10, 11]}).write(catalogue)
    out = tmp_path / f"cutouts{suffix}"
    broken = tmp_path / "broken.fits"
    broken.write_bytes(paths[0].read_bytes()[:9000])
    report = make_cutouts(catalogue, [*paths, broken], 12.0, out, parity="odd", blend_radius=5.0)
    assert report.objects == 5
    assert report.outside == 1
    assert report.rejected.keys() == {str(broken)}
    assert "cut short" in report.rejected[str(broken)]
    assert report.flags["blended"] == 4
    back = read_images([out])
    assert len(back.images) == report.cutouts == 8
    assert back.images.pixels.shape[1:] == (11, 11)
    assert back.images.identifiers[0] == "7@tpv"
    assert back.images.has(StampFlag.BLENDED).sum() == 4
    assert back.images.has(StampFlag.PADDED).sum() == report.flags["padded"] > 0
    np.testing.assert_allclose(back.images.facts["ra"][:4], at.ra)
    assert set(back.images.facts["exposure"]) == {"77"}
    expected = cut_out(read_science_image(paths[0]), at, 11)
    np.testing.assert_array_equal(back.images.pixels[:4], expected.pixels)
    np.testing.assert_allclose(back.images.centers[:4], expected.centers)
    table = read_table(f"{out}#CUTOUTS" if suffix == ".fits" else out)
    assert len(table) == 8


@pytest.mark.parametrize("suffix", [".fits", ".parquet", ".zarr"])
def test_padding_is_not_taken_for_holes_once_it_is_written(science_image, tmp_path, suffix) -> None:
    path = science_image("TPV")
    holes = np.array([[2.0, 100.0], [150.0, 120.0], [1.0, 50.0]])
    with fits.open(path) as opened:
        opened[0].data = opened[0].data.astype(np.float32)
        opened[0].data[50, 2] = np.nan
        opened.writeto(tmp_path / "holes.fits")
    positions = positions_at(read_science_image(path).wcs, holes)
    Table({"RA": positions.ra, "DEC": positions.dec}).write(tmp_path / "objects.ecsv")
    out = tmp_path / f"cutouts{suffix}"
    make_cutouts(tmp_path / "objects.ecsv", [tmp_path / "holes.fits"], 12.0, out, parity="odd")
    back = read_images([out]).images
    assert back.has(StampFlag.PADDED).tolist() == [True, False, True]
    assert back.has(StampFlag.NAN).tolist() == [False, False, True]


def test_processes_give_the_same_file(science_image, tmp_path) -> None:
    paths = [science_image("TPV"), science_image("SIP")]
    sky = read_science_image(paths[0]).wcs.all_pix2world([[50.0, 60.0]], 0)[0]
    catalogue = FeatureTable.from_columns({"ra": [sky[0]], "dec": [sky[1]]})
    for workers in (1, 2):
        make_cutouts(catalogue, paths, 10.0, tmp_path / f"{workers}.fits", workers=workers)
    assert (tmp_path / "1.fits").read_bytes() == (tmp_path / "2.fits").read_bytes()


def test_wrong_coordinates_are_refused_with_a_reason(science_image, tmp_path) -> None:
    path = science_image("TPV")
    catalogue = FeatureTable.from_columns({"ra": [5.5], "dec": [-4.0]})
    for card, value in (("CTYPE1", "LINEAR"), ("CD2_2", 0.0), ("CTYPE2", "DEC--XYZ")):
        with fits.open(path) as opened:
            opened[0].header[card] = value
            if card == "CD2_2":
                opened[0].header["CD2_1"] = 0.0
            opened.writeto(tmp_path / "wrong.fits", overwrite=True)
        with pytest.raises(ReadError, match="coordinates"):
            make_cutouts(catalogue, [tmp_path / "wrong.fits"], 9.0, tmp_path / "out.fits")
        assert not (tmp_path / "out.fits").exists()


def test_what_cannot_work_is_said_before_the_work(tmp_path) -> None:
    catalogue = FeatureTable.from_columns({"ra": [5.5], "dec": [-4.0]})
    with pytest.raises(OutputError, match="not written as"):
        make_cutouts(catalogue, ["a.fits"], 9.0, tmp_path / "out.zip")
    with pytest.raises(UsageError):
        make_cutouts(catalogue, [], 9.0, tmp_path / "out.fits")
    with pytest.raises(ContractError, match="right ascension"):
        make_cutouts(
            FeatureTable.from_columns({"x": [1.0]}), ["a.fits"], 9.0, tmp_path / "out.fits"
        )
    with pytest.raises(ContractError, match="no column 'raa'"):
        make_cutouts(catalogue, ["a.fits"], 9.0, tmp_path / "out.fits", ra="raa")
    with pytest.raises(InputError, match="not on the sky"):
        Positions(np.array(["a"]), np.array([1.0]), np.array([91.0]), np.array([False]))
