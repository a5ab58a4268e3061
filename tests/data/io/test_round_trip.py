"""What is written is what is read, whatever the format."""

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skysift.core.errors import OutputError
from skysift.data.io import iter_table, open_writer, read_table
from skysift.data.table import FeatureTable

SUFFIXES = [".parquet", ".csv", ".csv.gz", ".ecsv", ".fits", ".vot", ".h5"]
EVERY = pytest.mark.parametrize("suffix", SUFFIXES)
PROPERTIES = settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

FLOATS = st.floats(allow_nan=True, allow_infinity=True, width=64)
# FITS holds printable ASCII and drops blanks at the end; what it can hold, all others can too.
TEXTS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12)


def rows(strategy):
    return st.lists(strategy, min_size=1, max_size=30)


def write_and_read(path, table, **provenance):
    with open_writer(path, provenance=provenance) as writer:
        writer.write(table)
    return read_table(path)


def bits(values):
    return np.asarray(values, dtype=np.float64).view(np.int64)


@EVERY
@PROPERTIES
@given(values=rows(FLOATS))
def test_floats_come_back_bit_for_bit(tmp_path, suffix, values):
    back = write_and_read(tmp_path / f"t{suffix}", FeatureTable.from_columns({"x": values}))["x"]
    is_nan = np.isnan(values)
    np.testing.assert_array_equal(np.isnan(back), is_nan)
    np.testing.assert_array_equal(bits(back)[~is_nan], bits(values)[~is_nan])


@EVERY
@pytest.mark.parametrize(
    "kind", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]
)
def test_integers_come_back_to_the_limits_of_their_type(tmp_path, suffix, kind):
    limits = np.iinfo(kind)
    values = np.array([limits.min, 0, 1, limits.max], dtype=kind)
    table = FeatureTable.from_columns({"n": values})
    if kind == "uint64" and suffix == ".vot":
        with pytest.raises(OutputError, match="VOTable cannot hold"):
            write_and_read(tmp_path / "t.vot", table)
        return
    back = write_and_read(tmp_path / f"t{suffix}", table)["n"]
    assert back.dtype.kind in "iu"
    assert [int(v) for v in back] == [int(v) for v in values]


@EVERY
@PROPERTIES
@given(values=rows(st.tuples(TEXTS, st.booleans())))
def test_texts_and_booleans_come_back(tmp_path, suffix, values):
    texts, flags = zip(*values, strict=True)
    table = FeatureTable.from_columns({"name": list(texts), "flag": list(flags)})
    if suffix == ".ecsv" and any(text.startswith("#") for text in texts):
        with pytest.raises(OutputError, match="ECSV would not keep"):
            write_and_read(tmp_path / "t.ecsv", table)
        return
    back = write_and_read(tmp_path / f"t{suffix}", table)
    assert back["name"].tolist() == list(texts)
    assert back["flag"].tolist() == list(flags)


@EVERY
def test_units_descriptions_and_provenance_come_back(tmp_path, suffix):
    table = FeatureTable.from_columns(
        {"length": [1.5], "alpha": [3.0], "n": [4]},
        units={"length": "mm", "alpha": "deg"},
        descriptions={"alpha": "angle to the source, seen from the centre of the camera " * 3},
    )
    back = write_and_read(tmp_path / f"t{suffix}", table, seed=3, inputs=["a.fits"])
    assert (back.unit("length"), back.unit("alpha"), back.unit("n")) == ("mm", "deg", "")
    told = back.arrow.schema.field("alpha").metadata[b"description"].decode()
    assert told.strip() == ("angle to the source, seen from the centre of the camera " * 3).strip()
    assert back.meta["provenance"] == {"seed": 3, "inputs": ["a.fits"]}


@EVERY
def test_missing_values_come_back_missing(tmp_path, suffix):
    table = FeatureTable(
        pa.table(
            {
                "x": pa.array([1.5, None, math.inf]),
                "n": pa.array([1, None, -(2**40)], pa.int64()),
                "name": pa.array(["g", None, "h"]),
            }
        )
    )
    back = write_and_read(tmp_path / f"t{suffix}", table)
    np.testing.assert_array_equal(back["x"], [1.5, np.nan, np.inf])
    numbers = back.arrow.column("n").to_pylist()
    assert numbers[0] == 1
    assert numbers[1] is None or math.isnan(numbers[1])
    assert numbers[2] == -(2**40)
    blank = "" if suffix in {".fits", ".h5", ".vot"} else None  # these know no missing text
    assert back.arrow.column("name").to_pylist() == ["g", blank, "h"]


@pytest.mark.parametrize("suffix", [".parquet", ".ecsv", ".vot", ".h5", ".csv"])
def test_texts_of_any_script_come_back(tmp_path, suffix):
    texts = ["Příliš", "日本", 'say "yes", no', "NA", "a\nb"]
    back = write_and_read(tmp_path / f"t{suffix}", FeatureTable.from_columns({"name": texts}))
    assert back["name"].tolist() == texts


AWKWARD = ["#", "#x", '"', "'", "\\", "a\nb", "a\r\nb", "a\rb", " lead", "trail ", "\t", "a\tb",
           "NA", "nan", "--", "?", "null", "True", "1.5", ",", ";", "\x0c", "\u2028"]  # fmt: skip


@EVERY
@pytest.mark.parametrize("name_first", [True, False])
def test_awkward_texts_come_back_or_are_refused(tmp_path, suffix, name_first):
    for text in AWKWARD:
        columns = {"name": ["x", text, "y"], "n": [1.0, 2.0, 3.0]}
        order = ["name", "n"] if name_first else ["n", "name"]
        table = FeatureTable.from_columns({name: columns[name] for name in order})
        expected = text.rstrip(" ") if suffix == ".fits" else text  # blanks at the end do not count
        try:
            back = write_and_read(tmp_path / f"t{suffix}", table)
        except OutputError:
            assert suffix in {".ecsv", ".fits"}
            assert not (tmp_path / f"t{suffix}").exists()
            continue
        assert back["name"].tolist() == ["x", expected, "y"]
        assert back["n"].tolist() == [1.0, 2.0, 3.0]
        (tmp_path / f"t{suffix}").unlink()


@pytest.mark.parametrize("suffix", [".parquet", ".fits", ".vot", ".h5"])
def test_vectors_come_back_as_lists_of_fixed_size(tmp_path, suffix):
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.arange(6.0)), 3)
    back = write_and_read(tmp_path / f"t{suffix}", FeatureTable(pa.table({"v": vectors})))
    assert back.arrow.column("v").to_pylist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]


@EVERY
@pytest.mark.parametrize("batch_rows", [1, 7, 100])
def test_batches_in_and_batches_out_make_the_same_table(tmp_path, suffix, batch_rows):
    path = tmp_path / f"t{suffix}"
    values = np.arange(50.0)
    names = [f"row {'x' * (j // 10)}{j}" for j in range(50)]  # texts grow after the first batch
    with open_writer(path) as writer:
        for start in range(0, 50, 9):
            piece = {"x": values[start : start + 9], "name": names[start : start + 9]}
            writer.write(FeatureTable.from_columns(piece, units={"x": "mm"}))
    batches = list(iter_table(path, batch_rows=batch_rows))
    assert max(map(len, batches)) <= batch_rows
    np.testing.assert_array_equal(np.concatenate([b["x"] for b in batches]), values)
    assert [name for b in batches for name in b["name"]] == names
    firsts = np.cumsum([0, *map(len, batches)])[:-1]
    assert [b.meta["first_row"] for b in batches] == firsts.tolist()
    assert {b.meta["path"] for b in batches} == {str(path)}
    assert {b.unit("x") for b in batches} == {"mm"}


@EVERY
def test_columns_are_read_in_the_order_asked_for(tmp_path, suffix):
    path = tmp_path / f"t{suffix}"
    with open_writer(path) as writer:
        writer.write(FeatureTable.from_columns({"a": [1.0], "b": ["x"], "c": [3.0]}))
    table = read_table(path, columns=["c", "a"])
    assert table.columns == ["c", "a"]
    assert table["c"].tolist() == [3.0]


@pytest.mark.parametrize("suffix", [".parquet", ".ecsv", ".fits", ".vot", ".h5"])
def test_an_empty_table_keeps_its_columns(tmp_path, suffix):
    table = FeatureTable.from_columns({"x": np.empty(0), "n": np.empty(0, dtype=np.int32)})
    back = write_and_read(tmp_path / f"t{suffix}", table)
    assert len(back) == 0
    assert back.columns == ["x", "n"]


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".fits", ".h5"])
def test_reading_in_batches_holds_a_part_of_the_table_only(tmp_path, suffix):
    path = tmp_path / f"t{suffix}"
    rows, groups = 40_000, 24
    values = np.random.default_rng(5).normal(size=(rows, 8))
    with open_writer(path) as writer:
        for _ in range(groups):
            writer.write(FeatureTable.from_columns({f"c{j}": values[:, j] for j in range(8)}))
    before = pa.total_allocated_bytes()
    held = [pa.total_allocated_bytes() - before for _ in iter_table(path, batch_rows=10_000)]
    assert len(held) == rows * groups // 10_000
    assert max(held) < 0.6 * values.nbytes * groups
