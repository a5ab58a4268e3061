"""What a user may name as input."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from skysift.core.errors import MissingExtraError, ReadError, UsageError
from skysift.core.files import files_below
from skysift.data.io import read_table
from skysift.scale import hats
from skysift.scale.inputs import expand


@pytest.fixture
def folder(tmp_path):
    for name in ("b.fits", "a.fits", "night/c.fits", "night/.hidden", "night/_metadata"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
    return tmp_path


def names(paths):
    return [path.name for path in paths]


def test_globs_folders_and_lists(folder):
    assert names(expand([f"{folder}/*.fits"])) == ["a.fits", "b.fits"]
    assert names(expand([f"{folder}/**/*.fits"])) == ["a.fits", "b.fits", "c.fits"]
    (folder / "list.txt").write_text("# of last night\nnight/*.fits\n\nb.fits\n")
    assert names(expand([f"@{folder}/list.txt"])) == ["c.fits", "b.fits"]
    assert names(files_below(expand([folder / "night"]))) == ["c.fits"]
    assert names(expand([folder / "absent.fits", f"{folder}/e.h5#/dl1"])) == ["absent.fits", "dl1"]


def test_a_name_with_a_bracket_is_a_file_where_there_is_one(folder):
    odd = folder / "m31[1].fits"
    odd.write_text("")
    assert expand([odd]) == [odd]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "cannot be read"),
        (b"# nothing\n", "names no file"),
        (b"\xff\xfe", "not UTF-8"),
        (b"@list.txt\n", "list in a list"),
        (b"*.absent\n", "Nothing matches"),
    ],
)
def test_a_list_that_cannot_be_used_says_why(folder, content, problem):
    if content is not None:
        (folder / "list.txt").write_bytes(content)
    with pytest.raises(ReadError, match=problem):
        expand([f"@{folder}/list.txt"])


@pytest.mark.parametrize(
    "name", ["s3://survey/a.fits", "memory://a/*.fits", "gs://b/c", "https://x.org/a.fits"]
)
def test_the_address_of_a_store_is_refused_with_what_to_do(folder, name):
    (folder / "list.txt").write_text(f"{name}\n")
    for given in (name, f"@{folder}/list.txt"):
        with pytest.raises(UsageError, match="mount the store") as refused:
            expand([given])
        assert name in refused.value.problem


def test_the_address_of_a_file_is_told_as_its_path(folder):
    with pytest.raises(UsageError, match=r"Give the path: /night/a\.fits\."):
        expand(["file:///night/a.fits"])


def test_an_empty_folder_is_an_error_and_a_zarr_store_one_input(folder):
    (folder / "stamps.zarr").mkdir()
    assert files_below([folder / "stamps.zarr"]) == [folder / "stamps.zarr"]
    (folder / "empty").mkdir()
    with pytest.raises(ReadError, match="holds no files"):
        files_below([folder / "empty"])


PIXELS = ((1, 4), (0, 4), (1, 30))  # HEALPix order and number, along the sky
SCHEMA = pa.schema([("id", pa.int64()), ("ra", pa.float64()), ("dec", pa.float64())])


def write_hats(folder, kind, pixels, properties):
    """Write a catalogue as the HATS note describes it: three objects in each pixel."""
    folder.mkdir(parents=True)
    (folder / "hats.properties").write_text(
        f"obs_collection={folder.name}\ndataproduct_type={kind}\nhats_nrows={3 * len(pixels)}\n"
        f"hats_col_ra=ra\nhats_col_dec=dec\nhats_npix_suffix=.parquet\n{properties}"
    )
    rows = "".join(f"{order},{pixel}\n" for order, pixel in pixels)
    (folder / "partition_info.csv").write_text(f"Norder,Npix\n{rows}")
    for k, (order, pixel) in enumerate(pixels):
        path = folder / "dataset" / f"Norder={order}" / "Dir=0" / f"Npix={pixel}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        columns = {"id": range(3 * k, 3 * k + 3), "ra": [1.0] * 3, "dec": [2.0] * 3}
        pq.write_table(pa.table({name: list(values) for name, values in columns.items()}), path)
    pq.write_metadata(SCHEMA, folder / "dataset" / "_common_metadata")


@pytest.fixture
def catalogue(tmp_path):
    """A HATS collection: a catalogue, and a margin that repeats some of its objects."""
    pytest.importorskip("lsdb", reason="LSDB is not installed")
    folder = tmp_path / "collection"
    write_hats(folder / "stars", "object", PIXELS, "")
    margin = "hats_primary_table_url=stars\nhats_margin_threshold=5.0\n"
    write_hats(folder / "margin", "margin", PIXELS[:1], margin)
    (folder / "collection.properties").write_text(
        "obs_collection=collection\nhats_primary_table_url=stars\n"
        "all_margins=margin\ndefault_margin=margin\n"
    )
    return folder


def test_the_partitions_of_a_hats_catalogue_hold_each_object_once(catalogue):
    found = expand([catalogue])
    assert [path.parts[-3:] for path in found] == [
        (f"Norder={order}", "Dir=0", f"Npix={pixel}.parquet") for order, pixel in PIXELS
    ]
    assert [number for path in found for number in read_table(path)["id"]] == list(range(9))
    assert expand([catalogue / "stars"]) == found


def test_a_catalogue_that_lost_a_partition_is_not_read_as_if_it_were_whole(catalogue):
    expand([catalogue])[1].unlink()
    with pytest.raises(ReadError, match="lacks 1 of 3 partitions"):
        expand([catalogue])


def test_what_lsdb_cannot_open_is_an_input_error(catalogue):
    (catalogue / "stars" / "partition_info.csv").unlink()
    (catalogue / "stars" / "dataset" / "_common_metadata").unlink()
    with pytest.raises(ReadError):
        expand([catalogue])


def test_without_lsdb_the_user_is_told_what_to_install(catalogue, monkeypatch):
    def absent(name, *, extra):
        raise MissingExtraError(name, extra=extra)

    monkeypatch.setattr(hats, "import_extra", absent)
    with pytest.raises(MissingExtraError, match=r"skysift\[hats\]"):
        expand([catalogue])
