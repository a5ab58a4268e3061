"""Parquet, FITS and HDF5: dialects are told apart, and damage is an error that names the file."""

import enum

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tables
from astropy import units as u
from astropy.io import fits
from astropy.table import QTable

from skysift.core.errors import ReadError, SkysiftError, UsageError
from skysift.data.io import iter_table, open_writer, read_table
from skysift.data.table import FeatureTable

PARAMETERS = "/dl1/event/telescope/parameters"


@pytest.fixture
def event_list(tmp_path):
    """A FITS file as other people write it: two tables, units, unsigned, scaled and odd columns."""
    events = fits.BinTableHDU.from_columns(
        [
            fits.Column("ENERGY", "E", unit="TeV", array=[1.5, 2.5]),
            fits.Column("EVENT_ID", "K", array=[7, 8]),
            fits.Column("COUNTS", "J", bzero=2**31, array=np.array([0, 4_000_000_000], "u4")),
            fits.Column("SCALED", "I", array=[2, 5]),
            fits.Column("DIR", "3D", array=np.arange(6.0).reshape(2, 3)),
            fits.Column("FLAGS", "8X", array=np.zeros((2, 8), bool)),
            fits.Column("SIDE", "1C", array=[1j, 2j]),
            fits.Column("NOTE", "5A", array=["ab", "c"]),
            fits.Column("GOOD", "L", array=[True, False]),
        ],
        name="EVENTS",
    )
    gti = fits.BinTableHDU.from_columns([fits.Column("START", "D", array=[1.0])], name="GTI")
    path = tmp_path / "run.fits"
    fits.HDUList([fits.PrimaryHDU(), events, gti]).writeto(path)
    fits.setval(path, "TSCAL4", value=0.5, ext=1)
    fits.setval(path, "TZERO4", value=10, ext=1)
    return path


def test_fits_columns_have_their_values_and_units(event_list):
    table = read_table(event_list)
    assert table["ENERGY"].tolist() == [1.5, 2.5]
    assert table.unit("ENERGY") == "TeV"
    assert table["ENERGY"].dtype.isnative
    assert table["COUNTS"].tolist() == [0, 4_000_000_000]
    assert table["SCALED"].tolist() == [11.0, 12.5]
    assert table.arrow.column("DIR").to_pylist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    assert table["NOTE"].tolist() == ["ab", "c"]
    assert table["GOOD"].tolist() == [True, False]
    assert set(table.meta["skipped_columns"]) == {"FLAGS", "SIDE"}


def test_fits_agrees_with_astropy(event_list):
    table = read_table(event_list)
    with fits.open(event_list) as hdus:
        for name in ("ENERGY", "EVENT_ID", "COUNTS", "SCALED"):
            np.testing.assert_array_equal(table[name], hdus["EVENTS"].data[name])


@pytest.mark.parametrize("choice", [{"hdu": "gti"}, {"hdu": 2}, {}])
def test_fits_extension_can_be_chosen(event_list, choice):
    path = event_list if choice else f"{event_list}#GTI"
    assert read_table(path, **choice).columns == ["START"]


def test_fits_unknown_extension_names_the_nearest(event_list):
    with pytest.raises(ReadError, match="Did you mean 'EVENTS'"):
        read_table(f"{event_list}#EVENT")


def test_fits_column_that_cannot_be_read_says_why(event_list):
    with pytest.raises(ReadError, match="'SIDE' cannot be read: FITS type"):
        read_table(event_list, columns=["SIDE"])


def test_fits_without_table_is_refused(tmp_path):
    path = tmp_path / "image.fits"
    fits.PrimaryHDU(np.zeros((3, 3))).writeto(path)
    with pytest.raises(ReadError, match="no binary table"):
        read_table(path)


def test_ecsv_of_astropy_has_its_units(tmp_path):
    path = tmp_path / "t.ecsv"
    QTable({"size": [1.0, 2.0] * u.mm, "n": [1, 2]}).write(path)
    table = read_table(path)
    assert table.unit("size") == "mm"
    assert table["n"].dtype == np.int64


@pytest.mark.parametrize("suffix", [".parquet", ".fits", ".h5", ".vot"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9])
def test_a_file_cut_short_is_refused_by_name(tmp_path, suffix, share):
    path = tmp_path / f"t{suffix}"
    with open_writer(path) as writer:
        writer.write(FeatureTable.from_columns({"x": np.random.default_rng(1).normal(size=5000)}))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(SkysiftError) as caught:
        read_table(path)
    assert caught.value.path == path
    assert caught.value.remedy


@pytest.mark.parametrize("suffix", [".parquet", ".fits", ".h5", ".vot"])
def test_a_web_page_saved_in_place_of_the_file_is_named_as_such(tmp_path, suffix):
    path = tmp_path / f"t{suffix}"
    path.write_text("<!DOCTYPE html><html>404</html>")
    with pytest.raises(ReadError, match="By its name this is"):
        read_table(path)


def test_the_content_counts_and_not_the_name(tmp_path):
    path = tmp_path / "events.csv"
    pq.write_table(pa.table({"x": [1.0]}), path)
    assert read_table(path).meta["format"] == "Parquet"


def test_a_missing_file_and_a_bad_batch_size_are_refused_at_once(tmp_path):
    with pytest.raises(ReadError, match="no such file"):
        iter_table(tmp_path / "none.csv")
    (tmp_path / "t.csv").write_text("x\n1\n")
    with pytest.raises(UsageError):
        iter_table(tmp_path / "t.csv", batch_rows=0)


def test_a_folder_of_partitions_is_one_table(tmp_path):
    for night in (1, 2):
        folder = tmp_path / "survey" / f"night={night}"
        folder.mkdir(parents=True)
        pq.write_table(pa.table({"x": [1.0 * night, 10.0 * night]}), folder / "part.parquet")
    table = read_table(tmp_path / "survey")
    assert table["x"].tolist() == [1.0, 10.0, 2.0, 20.0]
    assert table["night"].tolist() == [1, 1, 2, 2]


def test_a_folder_of_something_else_says_what_it_holds(tmp_path):
    pq.write_table(pa.table({"x": [1.0]}), tmp_path / "part.parquet")
    (tmp_path / "_metadata").write_bytes(b"of Parquet folders")
    assert len(read_table(tmp_path)) == 1
    (tmp_path / "regions.csv").write_text("x\n1\n")
    with pytest.raises(ReadError, match=r"holds regions\.csv.*\bName the table in it"):
        read_table(tmp_path)


def test_a_folder_without_partitions_is_refused(tmp_path):
    with pytest.raises(ReadError, match="no Parquet files"):
        read_table(tmp_path)


# --- HDF5 ---------------------------------------------------------------------------------------


def test_fact_groups_of_columns(tmp_path):
    path = tmp_path / "fact.hdf5"
    with h5py.File(path, "w") as file:
        file["events/length"] = [1.0, 2.0, 3.0]
        file["events/run_id"] = np.array([7, 7, 8])
        file["events/runtype"] = ["data", "data", "mc"]
        file["runs/run_id"] = [7, 8]
    batches = list(iter_table(path, batch_rows=2))
    assert [batch["length"].tolist() for batch in batches] == [[1.0, 2.0], [3.0]]
    assert batches[0]["runtype"].tolist() == ["data", "data"]
    assert batches[0].meta["table_path"] == "/events"
    assert read_table(f"{path}#/runs")["run_id"].tolist() == [7, 8]


class ParticleType(enum.Enum):
    GAMMA = 0


@pytest.fixture
def ctapipe_file(tmp_path):
    """A DL1 file as ctapipe writes it through PyTables, with all its column transforms."""
    layout = np.dtype(
        [
            ("obs_id", "i4"),
            ("event_id", "i8"),
            ("hillas_length", "f8"),
            ("is_good", "?"),
            ("peak", "i2"),
            ("time", "u4", (2,)),
            ("start", "f8"),
            ("label", "S8"),
        ]
    )
    rows = np.zeros(3, dtype=layout)
    rows["event_id"] = [4, 5, 6]
    rows["hillas_length"] = [0.1, 0.2, np.nan]
    rows["is_good"] = [True, False, True]
    rows["peak"] = [250, -32767, 32767]  # 2.5, NaN, +inf
    rows["time"] = [[1_600_000_000, 8], [1_600_000_000, 3], [0, 0]]
    rows["label"] = ["é".encode(), b"p", b""]
    attributes = {
        "CTAFIELD_2_UNIT": "deg",
        "CTAFIELD_2_DESC": "standard deviation along the major-axis",
        "CTAFIELD_4_TRANSFORM_SCALE": 100.0,
        "CTAFIELD_4_TRANSFORM_DTYPE": "float32",
        "CTAFIELD_4_TRANSFORM_OFFSET": 0,
        "CTAFIELD_5_TIME_SCALE": "tai",
        "CTAFIELD_5_TIME_FORMAT": "ctao_high_res",
        "CTAFIELD_6_TIME_SCALE": "tai",
        "CTAFIELD_6_TIME_FORMAT": "mjd",
        "CTAFIELD_7_TRANSFORM": "string",
        "CTAFIELD_7_MAXLEN": 8,
        "CTAFIELD_0_ENUM": ParticleType,  # PyTables stores this as a pickle
    }
    path = tmp_path / "run.dl1.h5"
    with tables.open_file(path, "w") as file:
        for tel_id in (1, 2):
            name = f"tel_{tel_id:03d}"
            table = file.create_table(PARAMETERS, name, obj=rows, createparents=True)
            for key, value in attributes.items():
                table.attrs[key] = value
    return path


def test_ctapipe_transforms_are_undone(ctapipe_file):
    table = read_table(f"{ctapipe_file}#{PARAMETERS}/tel_001")
    np.testing.assert_array_equal(table["hillas_length"], [0.1, 0.2, np.nan])
    assert table.unit("hillas_length") == "deg"
    assert table["is_good"].tolist() == [True, False, True]
    np.testing.assert_array_equal(table["peak"], np.array([2.5, np.nan, np.inf], np.float32))
    assert table["time"][:2].tolist() == [1_600_000_000_000_000_002, 1_600_000_000_000_000_000]
    assert table.unit("time") == "ns"
    assert table.unit("start") == "d"
    assert table["label"].tolist() == ["é", "p", ""]


def test_several_telescopes_are_listed_or_joined(ctapipe_file):
    with pytest.raises(ReadError, match=r"2 tables: .*tel_001, .*tel_002.*all telescopes"):
        read_table(ctapipe_file)
    table = read_table(ctapipe_file, all_telescopes=True, columns=["tel_id", "event_id"])
    assert sorted(table.columns) == ["event_id", "tel_id"]
    assert table["tel_id"].tolist() == [1, 1, 1, 2, 2, 2]
    assert table["event_id"].tolist() == [4, 5, 6] * 2


def test_hdf5_unknown_table_names_the_nearest(ctapipe_file):
    with pytest.raises(ReadError, match="Did you mean '/dl1/event/telescope/parameters/tel_001'"):
        read_table(ctapipe_file, table_path=f"{PARAMETERS}/tel_01")


def test_lstchain_table_is_found_without_being_named(tmp_path):
    path = tmp_path / "dl1_LST-1.Run02008.h5"
    rows = np.array([(1.5, 0.3)], dtype=[("intensity", "f8"), ("length", "f8")])
    with tables.open_file(path, "w") as file:
        file.create_table(PARAMETERS, "LST_LSTCam", obj=rows, createparents=True)
        file.create_table("/dl1/monitoring", "pointing", obj=rows, createparents=True)
    table = read_table(path)
    assert table["intensity"].tolist() == [1.5]
    assert table.meta["table_path"] == f"{PARAMETERS}/LST_LSTCam"


def test_blosc_needs_the_plugin_and_then_reads(tmp_path, monkeypatch):
    path = tmp_path / "blosc.h5"
    rows = np.array([(1.5,)] * 100, dtype=[("x", "f8")])
    with tables.open_file(path, "w", filters=tables.Filters(5, "blosc:zstd")) as file:
        file.create_table("/", "events", obj=rows)
    with monkeypatch.context() as patch:
        patch.setattr(h5py.h5z, "filter_avail", lambda _code: False)
        with pytest.raises(ReadError, match="pip install hdf5plugin"):
            read_table(path)
    pytest.importorskip("hdf5plugin", reason="hdf5plugin is not installed")
    assert read_table(path)["x"].tolist() == [1.5] * 100
