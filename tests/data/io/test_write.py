"""Writing: checked before the long work, whole or not there, and bounded."""

import json
import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.table import Table

from skysift.core.errors import OutputError
from skysift.data.io import WRITABLE_SUFFIXES, check_writable, open_writer, read_table
from skysift.data.table import FeatureTable

TABLE = FeatureTable.from_columns(
    {"alpha": [4.1, 39.0], "name": ["a", "b"]}, units={"alpha": "deg"}
)
PLAIN = [suffix for suffix in WRITABLE_SUFFIXES if suffix != ".dl2.h5"]


def write_all(path, *batches):
    with open_writer(path) as writer:
        for batch in batches:
            writer.write(batch)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("t.parqet", "Did you mean '.parquet'"),
        ("t.cvs", "Did you mean '.csv'"),
        ("t", "Tables are not written as ''"),
        ("missing/t.csv", "folder does not exist"),
        ("folder.csv", "This is a folder"),
        ("input.csv", "also an input"),
        ("link.csv", "also an input"),
    ],
)
def test_what_cannot_be_written_is_refused_beforehand(tmp_path, name, said):
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "input.csv").write_text("x\n1\n")
    (tmp_path / "link.csv").symlink_to(tmp_path / "input.csv")
    with pytest.raises(OutputError, match=said):
        check_writable(tmp_path / name, inputs=[f"{tmp_path / 'input.csv'}"])


def test_a_folder_without_permission_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)  # root may write anywhere
    with pytest.raises(OutputError, match="may not write"):
        check_writable(tmp_path / "t.csv")


@pytest.mark.parametrize("suffix", PLAIN)
def test_an_error_leaves_the_old_file_and_no_other(tmp_path, suffix):
    path = tmp_path / f"t{suffix}"
    path.write_bytes(b"old")

    def fail():
        with open_writer(path) as writer:
            writer.write(TABLE)
            raise KeyError("x")

    with pytest.raises(KeyError):
        fail()
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", PLAIN)
def test_the_file_appears_at_the_end_and_alone(tmp_path, suffix):
    path = tmp_path / f"t{suffix}"
    with open_writer(path) as writer:
        writer.write(TABLE)
        assert not path.exists()
    side = {f"{path.name}.provenance.json"} if ".csv" in suffix else set()
    assert {entry.name for entry in tmp_path.iterdir()} == {path.name} | side


@pytest.mark.parametrize("suffix", PLAIN)
def test_batches_of_other_columns_or_types_are_refused(tmp_path, suffix):
    path = tmp_path / f"t{suffix}"
    other_columns = FeatureTable.from_columns({"alpha": [1.0], "beta": [1.0]})
    with pytest.raises(OutputError, match="in its columns: beta, name"):
        write_all(path, TABLE, other_columns)
    other_types = FeatureTable.from_columns({"alpha": ["east"], "name": ["c"]})
    with pytest.raises(OutputError, match="in the type of a column"):
        write_all(path, TABLE, other_types)
    assert not path.exists()


def test_columns_may_come_in_another_order(tmp_path):
    path = tmp_path / "t.parquet"
    with open_writer(path) as writer:
        writer.write(TABLE)
        writer.write(TABLE.select(["name", "alpha"]))
    assert pq.read_table(path).column("name").to_pylist() == ["a", "b", "a", "b"]


def test_nothing_written_is_an_error(tmp_path):
    with pytest.raises(OutputError, match="Nothing was written"), open_writer(tmp_path / "t.csv"):
        pass


def test_text_that_fits_cannot_hold_names_the_column_and_the_file(tmp_path):
    table = FeatureTable.from_columns({"name": ["Příliš"]})
    with (
        pytest.raises(OutputError, match="'name' holds text that is not printable ASCII") as caught,
        open_writer(tmp_path / "t.fits") as writer,
    ):
        writer.write(table)
    assert caught.value.path == tmp_path / "t.fits"


@pytest.mark.parametrize("suffix", [".csv", ".fits", ".h5", ".vot", ".ecsv"])
def test_types_that_a_format_cannot_hold_are_refused(tmp_path, suffix):
    table = FeatureTable(pa.table({"v": [[1.0], [2.0, 3.0]]}))
    with (
        pytest.raises(OutputError, match=r"'v' is of type list.*cannot hold"),
        open_writer(tmp_path / f"t{suffix}") as writer,
    ):
        writer.write(table)


def test_a_number_that_would_mark_the_missing_ones_is_refused(tmp_path):
    numbers = pa.array([np.iinfo(np.int64).min, None], pa.int64())
    with (
        pytest.raises(OutputError, match="the number -9223372036854775808 that would mark them"),
        open_writer(tmp_path / "t.fits") as writer,
    ):
        writer.write(FeatureTable(pa.table({"n": numbers})))


def test_fits_is_what_the_standard_asks_for(tmp_path):
    path = tmp_path / "t.fits"
    with open_writer(path, provenance={"seed": 3}) as writer:
        writer.write(
            TABLE.with_columns(
                {"count": np.array([1, 2], "u4"), "good": [True, False], "tiny": [-128, 127]}
            )
        )
    with fits.open(path) as hdus:
        hdus.verify("exception")
        data = hdus[1].data
        assert data["alpha"].tolist() == [4.1, 39.0]
        assert data["count"].tolist() == [1, 2]
        assert data["good"].tolist() == [True, False]
        assert data["name"].tolist() == ["a", "b"]
        assert hdus[1].columns["alpha"].unit == "deg"
        assert json.loads(hdus["SKYSIFT_PROVENANCE"].data["json"][0]) == {"seed": 3}
    assert path.stat().st_size % 2880 == 0


@pytest.mark.parametrize(("suffix", "kind"), [(".vot", "votable"), (".ecsv", "ascii.ecsv")])
def test_astropy_reads_what_we_write(tmp_path, suffix, kind):
    path = tmp_path / f"t{suffix}"
    with open_writer(path) as writer:
        writer.write(TABLE)
    table = Table.read(path, format=kind)
    assert table["alpha"].tolist() == [4.1, 39.0]
    assert str(table["alpha"].unit) == "deg"


def test_parquet_keeps_the_provenance_in_its_schema(tmp_path):
    path = tmp_path / "t.parquet"
    with open_writer(path, provenance={"input": tmp_path}) as writer:
        writer.write(TABLE)
    assert json.loads(pq.read_schema(path).metadata[b"skysift"]) == {"input": str(tmp_path)}


def test_long_provenance_comes_whole_in_fits_and_hdf5(tmp_path):
    provenance = {"inputs": [f"run_{j:06d}.fits" for j in range(10_000)]}
    for name in ("t.fits", "t.h5"):
        with open_writer(tmp_path / name, provenance=provenance) as writer:
            writer.write(TABLE)
        assert read_table(tmp_path / name).meta["provenance"] == provenance


def test_parquet_keeps_a_dictionary_of_texts_and_not_of_numbers(tmp_path):
    texts = pa.array(["gamma", "hadron", None] * 300)
    columns = {
        "x": pa.array(np.linspace(0, 1, 900)),
        "n": pa.array(np.arange(900) % 7),
        "text": texts,
        "long": texts.cast(pa.large_string()),
        "coded": texts.dictionary_encode(),
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(np.arange(1800.0)), 2),
    }
    write_all(tmp_path / "t.parquet", FeatureTable(pa.table(columns)))
    group = pq.ParquetFile(tmp_path / "t.parquet").metadata.row_group(0)
    chunks = [group.column(i) for i in range(group.num_columns)]
    with_dictionary = {c.path_in_schema for c in chunks if c.has_dictionary_page}
    assert with_dictionary == {"text", "long", "coded"}
    assert pq.read_table(tmp_path / "t.parquet").to_pydict() == pa.table(columns).to_pydict()


def test_parquet_of_numbers_alone_has_no_dictionary(tmp_path):
    write_all(tmp_path / "t.parquet", FeatureTable.from_columns({"x": np.zeros(50)}))
    column = pq.ParquetFile(tmp_path / "t.parquet").metadata.row_group(0).column(0)
    assert not column.has_dictionary_page
    assert read_table(tmp_path / "t.parquet")["x"].tolist() == [0.0] * 50


@pytest.mark.parametrize("suffix", [".fits", ".vot", ".ecsv"])
def test_missing_vectors_are_missing_again(tmp_path, suffix):
    kind = pa.list_(pa.float64(), 2)
    vectors = pa.array([[1.0, 2.0], None, [3.0, 4.0]], type=kind)
    path = tmp_path / f"table{suffix}"
    with open_writer(path) as writer:
        writer.write(FeatureTable(pa.table({"number": [1, 2, 3], "vector": vectors})))
    found = read_table(path).arrow.column("vector").to_pylist()
    assert found[0] == [1.0, 2.0]
    assert found[1] is None or np.isnan(found[1]).all()
    assert found[2] == [3.0, 4.0]


def test_fits_says_that_it_cannot_mark_a_missing_vector_of_whole_numbers(tmp_path):
    vectors = pa.array([[1, 2], None], type=pa.list_(pa.int64(), 2))
    with pytest.raises(OutputError, match="cannot mark"), open_writer(tmp_path / "t.fits") as one:
        one.write(FeatureTable(pa.table({"vector": vectors})))
    assert not (tmp_path / "t.fits").exists()
