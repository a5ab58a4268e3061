"""Predictions in ctapipe's layout: PyTables, ctapipe and we ourselves read them back."""

import h5py
import numpy as np
import pytest
import tables

from skysift.core.errors import ContractError, OutputError
from skysift.data.io import open_writer, read_table, write_ctapipe_dl2
from skysift.data.table import FeatureTable

GROUP = "/dl2/event/telescope/classification/SKYSIFT"


def predictions(first=0, rows=6):
    event_id = np.arange(first, first + rows)
    return FeatureTable.from_columns(
        {
            "obs_id": np.full(rows, 2008),
            "event_id": event_id,
            "tel_id": event_id % 2 + 1,
            "gammaness": np.where(event_id == 3, np.nan, event_id / 100),
        }
    )


@pytest.fixture
def dl2(tmp_path):
    path = tmp_path / "run.dl2.h5"
    with open_writer(path, provenance={"model": "forest"}) as writer:
        writer.write(predictions())
        writer.write(predictions(first=6))
    return path


def test_pytables_reads_the_tables_with_their_types(dl2):
    with tables.open_file(dl2) as file:
        table = file.get_node(f"{GROUP}/tel_002")
        assert isinstance(table, tables.Table)
        rows = table.read()
        assert table.attrs["CTAFIELD_3_NAME"] == "prediction"
    assert rows.dtype.names == (
        "obs_id",
        "event_id",
        "tel_id",
        "SKYSIFT_tel_prediction",
        "SKYSIFT_tel_is_valid",
    )
    assert [rows.dtype[j].str for j in range(5)] == ["<i4", "<i8", "<i2", "<f8", "|b1"]
    assert rows["event_id"].tolist() == [1, 3, 5, 7, 9, 11]
    assert rows["SKYSIFT_tel_is_valid"].tolist() == [True, False, True, True, True, True]
    np.testing.assert_array_equal(
        rows["SKYSIFT_tel_prediction"], [0.01, np.nan, 0.05, 0.07, 0.09, 0.11]
    )


def test_pytables_can_search_and_add_rows(dl2):
    with tables.open_file(dl2, "a") as file:
        table = file.get_node(f"{GROUP}/tel_001")
        assert table.read_where("SKYSIFT_tel_prediction > 0.05")["event_id"].tolist() == [6, 8, 10]
        table.append(table[:1])
        table.flush()
        assert table.nrows == 7


def test_we_read_back_all_telescopes_as_one_table(dl2):
    table = read_table(dl2, all_telescopes=True)
    assert len(table) == 12
    assert table["SKYSIFT_tel_is_valid"].sum() == 11
    assert table.meta["provenance"] == {"model": "forest"}


def test_a_source_file_is_kept_and_not_written_over(tmp_path, dl2):
    path = tmp_path / "both.dl2.h5"
    write_ctapipe_dl2(path, [predictions()], algorithm="OTHER", source=dl2)
    with h5py.File(path) as file:
        assert set(file["/dl2/event/telescope/classification"]) == {"OTHER", "SKYSIFT"}
    with pytest.raises(OutputError, match="predictions of 'SKYSIFT' already"):
        write_ctapipe_dl2(path, [predictions()], source=dl2)


@pytest.mark.parametrize(
    ("column", "values", "said"),
    [("tel_id", [1, 1000], "tel_id = 1000"), ("event_id", [1.5, 2.0], r"event_id = 1\.5")],
)
def test_identifiers_that_ctapipe_cannot_hold_are_refused(tmp_path, column, values, said):
    table = predictions(rows=2).with_columns({column: np.array(values)})
    with pytest.raises(OutputError, match=said):
        write_ctapipe_dl2(tmp_path / "t.dl2.h5", [table])
    assert list(tmp_path.iterdir()) == []


def test_a_missing_column_is_named(tmp_path):
    with pytest.raises(ContractError, match="no column 'obs_id'"):
        write_ctapipe_dl2(tmp_path / "t.dl2.h5", [predictions().select(["event_id", "tel_id"])])


def test_hdf5_tables_of_other_content_are_pytables_too(tmp_path):
    path = tmp_path / "t.h5"
    with open_writer(path) as writer:
        writer.write(
            FeatureTable.from_columns(
                {"length": [1.5, 2.5], "flag": [True, False], "name": ["é", "bb"]},
                units={"length": "mm"},
            )
        )
    with tables.open_file(path) as file:
        rows = file.root.events.read()
        assert file.root.events.attrs["CTAFIELD_0_UNIT"] == "mm"
    assert rows["flag"].dtype == bool
    assert rows["length"].tolist() == [1.5, 2.5]
    assert rows["name"].tolist() == ["é".encode(), b"bb"]


@pytest.mark.filterwarnings("ignore")  # what ctapipe warns of is not ours to judge
def test_ctapipe_reads_the_table(dl2):
    io = pytest.importorskip("ctapipe.io", reason="ctapipe is not installed")
    table = io.read_table(dl2, f"{GROUP}/tel_001")
    assert table["event_id"].tolist() == [0, 2, 4, 6, 8, 10]
    assert table["SKYSIFT_tel_is_valid"].dtype == bool
    assert "gammaness" in table["SKYSIFT_tel_prediction"].description


@pytest.mark.filterwarnings("ignore")  # what ctapipe warns of is not ours to judge
def test_ctapipe_fills_its_container(dl2):
    io = pytest.importorskip("ctapipe.io", reason="ctapipe is not installed")
    containers = pytest.importorskip("ctapipe.containers", reason="ctapipe is not installed")
    with io.HDF5TableReader(dl2) as reader:
        answers = reader.read(
            f"{GROUP}/tel_001",
            containers.ParticleClassificationContainer,
            prefixes="SKYSIFT_tel",
            ignore_columns={"obs_id", "event_id", "tel_id"},
        )
        values = [(answer.prediction, bool(answer.is_valid)) for answer in answers]
    assert values == [(j / 100, True) for j in range(0, 12, 2)]
