"""What astropy writes as Parquet means the same when it is read: units and masks."""

import astropy.units as u
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.table import MaskedColumn, QTable, Table
from astropy.utils.masked import Masked

from skysift.core.errors import ReadError
from skysift.data.io import iter_table, read_table
from skysift.data.io.plain_yaml import parse_plain_yaml

BIG = 4_000_000_000_000_000_001


@pytest.fixture
def path(tmp_path):
    table = QTable(
        {
            "id": MaskedColumn([BIG, BIG + 1, 0], mask=[False, False, True]),
            "ra": Masked([0.1, 9.9, 0.3] * u.rad, mask=[False, True, False]),
            "dec": MaskedColumn([1.0, 2.0, 3.0], unit="arcmin", description="how far north"),
            "name": MaskedColumn(["a", "b", "c"], mask=[True, False, False]),
            "vector": MaskedColumn([[1, 2], [3, 4], [5, 6]], mask=[[0, 1], [0, 0], [0, 0]]),
            "plain": [1, 2, 3],
        }
    )
    table.write(tmp_path / "t.parquet")
    return tmp_path / "t.parquet"


def test_units_and_masks_come_back(path):
    table = read_table(path)
    assert table.columns == ["id", "ra", "dec", "name", "vector", "plain"]
    assert {name: table.unit(name) for name in table if table.unit(name)} == {
        "ra": "rad",
        "dec": "arcmin",
    }
    found = table.arrow.to_pydict()
    assert found["id"] == [BIG, BIG + 1, None]
    assert found["ra"] == [0.1, None, 0.3]
    assert found["name"] == [None, "b", "c"]
    np.testing.assert_array_equal(found["vector"], [[1, np.nan], [3, 4], [5, 6]])
    assert found["plain"] == [1, 2, 3]
    assert table.arrow.schema.field("dec").metadata[b"description"] == b"how far north"


def test_chosen_columns_are_masked_too(path):
    assert read_table(path, columns=["name", "ra"]).arrow.to_pydict() == {
        "name": [None, "b", "c"],
        "ra": [0.1, None, 0.3],
    }
    (first, *others) = iter_table(path, batch_rows=1, columns=["ra"])
    assert len(others) == 2
    assert others[0].arrow.column("ra").null_count == 1
    assert first.unit("ra") == "rad"


def test_a_folder_of_such_files(path):
    path.rename(path.parent / "part.parquet")
    folder = path.parent
    table = read_table(folder)
    assert table.unit("ra") == "rad"
    assert table.arrow.column("ra").to_pylist() == [0.1, None, 0.3]


def rewritten(path, change):
    table = pq.read_table(path)
    metadata = dict(table.schema.metadata)
    metadata[b"table_meta_yaml"] = change(metadata[b"table_meta_yaml"])
    pq.write_table(table.replace_schema_metadata(metadata), path)
    return path


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda text: text + b"\n}{", "cannot be understood"),
        (lambda _: b"- 1", "describes no table"),
        (lambda text: text.replace(b"name: ra.mask}", b"name: gone}"), "is not there"),
        (lambda text: text.replace(b"unit: rad, d", b"unit: [rad], d"), "the unit of"),
        (lambda text: text + b"#" * (1 << 20), "bytes"),
        (lambda _: b"[" * 5000, "cannot be understood"),
    ],
)
def test_what_cannot_be_understood_is_refused(path, change, told):
    with pytest.raises(ReadError, match=told):
        read_table(rewritten(path, change))


def test_a_mask_that_does_not_fit_is_refused(tmp_path):
    Table({"x": MaskedColumn([1.0, 2.0], mask=[True, False])}).write(tmp_path / "t.parquet")
    table = pq.read_table(tmp_path / "t.parquet")
    numbers = table.set_column(1, "x.mask", pa.array([1, 0]))
    pq.write_table(numbers.replace_schema_metadata(table.schema.metadata), tmp_path / "t.parquet")
    with pytest.raises(ReadError, match="does not fit"):
        read_table(tmp_path / "t.parquet")


def test_a_file_of_another_program_keeps_its_columns_of_masks(tmp_path):
    pq.write_table(pa.table({"x": [1.0], "x.mask": [True]}), tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet").arrow.to_pydict() == {"x": [1.0], "x.mask": [True]}


def test_merges_that_would_grow_without_end_are_refused():
    steps = [b"a0: &a0 {k: v}"]
    steps += [b"a%d: &a%d {<<: [*a%d, *a%d]}" % (n, n, n - 1, n - 1) for n in range(1, 40)]
    with pytest.raises(ValueError, match="merges"):
        parse_plain_yaml(b"\n".join(steps), most_bytes=10_000)


def test_tags_make_no_objects():
    text = b"a: !!python/object/apply:os.system [exit 1]\nb: !!python/name:os.system ''"
    assert parse_plain_yaml(text, most_bytes=1000) == {"a": ["exit 1"], "b": ""}


def test_keys_that_are_no_texts_are_refused():
    with pytest.raises(ValueError, match="no text"):
        parse_plain_yaml(b"? [a, b]\n: c", most_bytes=100)
