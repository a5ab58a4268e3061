"""Objects keep their names to the last digit, whatever format they come in."""

import numpy as np
import pyarrow as pa
import pytest
from astropy.io import fits
from astropy.table import MaskedColumn, Table

from skysift.core.errors import ContractError
from skysift.data.column_names import column_among
from skysift.data.images.make_cutouts import make_cutouts
from skysift.data.images.object_names import names_of
from skysift.data.images.readers import read_images
from skysift.data.images.science_image import read_science_image
from skysift.data.images.selection import CatalogueCuts, select_objects
from skysift.data.io import read_table
from skysift.data.table import FeatureTable

GAIA = 4_000_000_000_000_000_001  # beyond 2^53, as of Gaia
FORMATS = {
    ".csv": "ascii.csv", ".ecsv": "ascii.ecsv", ".fits": "fits", ".parquet": "parquet",
    ".vot": "votable",
}  # fmt: skip


@pytest.fixture
def sky(science_image):
    """An image, and four positions on it."""
    path = science_image("TPV")
    places = [[60.0, 60.0], [100.0, 100.0], [150.0, 60.0], [200.0, 180.0]]
    return path, read_science_image(path).wcs.all_pix2world(places, 0)


@pytest.fixture
def with_a_gap(sky, tmp_path):
    """Write a catalogue of four objects, of which the third has no identifier."""

    def write(suffix):
        numbers = GAIA + np.arange(4, dtype=np.int64)
        ids = MaskedColumn(numbers, mask=[False, False, True, False])
        path = tmp_path / f"objects{suffix}"
        table = Table({"source_id": ids, "ra": sky[1][:, 0], "dec": sky[1][:, 1]})
        table.write(path, format=FORMATS[suffix])
        return path

    return write


@pytest.mark.parametrize("suffix", FORMATS)
def test_large_numbers_stay_exact_beside_a_missing_one(tmp_path, sky, with_a_gap, suffix):
    out = tmp_path / "out.parquet"
    report = make_cutouts(with_a_gap(suffix), [sky[0]], 12.0, out, keep=["source_id"])
    wanted = [str(GAIA), str(GAIA + 1), "row-2", str(GAIA + 3)]
    assert read_images([out]).images.identifiers.tolist() == wanted
    kept = read_table(out).arrow.column("source_id")
    assert kept.to_pylist() == [GAIA, GAIA + 1, None, GAIA + 3]
    assert (report.name_column, report.unnamed, report.repeated) == ("source_id", 1, 0)


def test_kept_numbers_with_a_gap_stay_exact_in_fits_and_zarr(tmp_path, sky, with_a_gap):
    catalogue = with_a_gap(".fits")
    make_cutouts(catalogue, [sky[0]], 12.0, tmp_path / "out.fits", keep=["source_id"])
    found = Table.read(tmp_path / "out.fits", hdu="CUTOUTS")["SOURCE_ID"]
    assert found.mask.tolist() == [False, False, True, False]
    assert found.filled(0).tolist() == [GAIA, GAIA + 1, 0, GAIA + 3]
    zarr = pytest.importorskip("zarr")
    make_cutouts(catalogue, [sky[0]], 12.0, tmp_path / "out.zarr", keep=["source_id"])
    texts = zarr.open_group(str(tmp_path / "out.zarr"), mode="r")["source_id"][:].tolist()
    assert texts == [str(GAIA), str(GAIA + 1), "", str(GAIA + 3)]


def test_small_numbers_with_a_gap_are_real_in_zarr_and_whole_elsewhere(tmp_path, sky):
    zarr = pytest.importorskip("zarr")
    count = pa.array([3, None, 5, 6], pa.int32())
    places = {"ra": pa.array(sky[1][:, 0]), "dec": pa.array(sky[1][:, 1])}
    table = FeatureTable(pa.table({**places, "count": count}))
    make_cutouts(table, [sky[0]], 12.0, tmp_path / "out.zarr", keep=["count"])
    found = zarr.open_group(str(tmp_path / "out.zarr"), mode="r")["count"][:]
    np.testing.assert_array_equal(found, [3, np.nan, 5, 6])


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        (pa.array([100, None, 7]), ["100", "row-1", "7"]),
        (pa.array([100.0, None, 7.0]), ["100", "row-1", "7"]),
        (pa.array([1.5, 2.0, np.nan]), ["1.5", "2.0", "row-2"]),
        (pa.array(["a", None, " "]), ["a", "row-1", "row-2"]),
        (pa.array(["a", "b", "a"]).dictionary_encode(), ["a", "b", "a"]),
        (pa.array([2**64 - 1, 0, None], pa.uint64()), [str(2**64 - 1), "0", "row-2"]),
        (pa.array([None, None, None]), ["row-0", "row-1", "row-2"]),
    ],
)
def test_names_of_any_type(values, wanted):
    assert names_of(FeatureTable(pa.table({"id": values})), "id").texts.tolist() == wanted


def test_repeated_and_missing_names_are_counted(tmp_path, sky):
    path, at = sky
    table = FeatureTable.from_columns({"id": ["a", "a", "", "b"], "ra": at[:, 0], "dec": at[:, 1]})
    report = make_cutouts(table, [path], 12.0, tmp_path / "out.parquet")
    assert (report.unnamed, report.repeated) == (1, 2)
    report = make_cutouts(table.select(["ra", "dec"]), [path], 12.0, tmp_path / "out.parquet")
    assert (report.name_column, report.unnamed, report.repeated) == (None, 0, 0)


def test_selected_objects_keep_large_numbers(sky):
    ids = pa.array([GAIA, None, GAIA + 2, GAIA + 3])
    n = len(ids)
    columns = {"OBJID": ids, "RA": sky[1][:, 0], "DEC": sky[1][:, 1], "TYPE": ["REX"] * n}
    bright = {f"FLUX_{band}": np.full(n, 900.0) for band in "grz"}
    table = FeatureTable.from_columns({**columns, **bright})
    cuts = CatalogueCuts(identifier="objid", isolation=0.0, fracflux_max=None)
    chosen = select_objects(table.take([1, 2, 3]), cuts, rng=np.random.default_rng(0))
    assert chosen.table["identifier"].tolist() == ["row-0", str(GAIA + 2), str(GAIA + 3)]
    assert (chosen.name_column, chosen.unnamed) == ("OBJID", 1)


def test_columns_are_found_in_any_case_of_letters(tmp_path, sky):
    path, at = sky
    table = FeatureTable.from_columns({"SOURCE_ID": [1, 2, 3, 4], "RA": at[:, 0], "Dec": at[:, 1]})
    report = make_cutouts(table, [path], 12.0, tmp_path / "out.parquet", neighbours=table)
    assert (report.cutouts, report.name_column) == (4, "SOURCE_ID")
    make_cutouts(table, [path], 12.0, tmp_path / "out.parquet", ra="ra", dec="DEC")
    with pytest.raises(ContractError, match="no column 'right'"):
        make_cutouts(table, [path], 12.0, tmp_path / "out.parquet", ra="right")


def test_the_exact_name_comes_before_one_in_other_letters():
    assert column_among(["ID", "id"], ["id", "ID"]) == "id"
    assert column_among(["Ra", "RA"], ["ra", "RA"]) == "RA"
    assert column_among(["Ra", "rA"], ["ra"]) is None


def test_numbers_of_fits_that_mark_the_missing_one_are_told_apart(tmp_path, sky):
    lowest = int(np.iinfo(np.int64).min)
    ids = pa.array([lowest, None, GAIA, 0])
    columns = {"ra": pa.array(sky[1][:, 0]), "dec": pa.array(sky[1][:, 1]), "number": ids}
    make_cutouts(
        FeatureTable(pa.table(columns)), [sky[0]], 12.0, tmp_path / "out.fits", keep=["number"]
    )
    with fits.open(tmp_path / "out.fits") as opened:
        table = opened["CUTOUTS"]
        null = table.columns["NUMBER"].null
        assert table.data["NUMBER"].tolist() == [lowest, null, GAIA, 0]
        assert null == lowest + 1
