"""A missing whole number is written as missing, or refused: never as another number."""

import numpy as np
import pyarrow as pa
import pytest

from skysift.core.errors import OutputError
from skysift.data.io import open_writer, read_table
from skysift.data.table import FeatureTable

BIG = 4_000_000_000_000_000_001


def written(path, values, kind):
    with open_writer(path) as writer:
        writer.write(FeatureTable(pa.table({"n": [1, 2], "v": pa.array(values, kind)})))
    return read_table(path)


@pytest.mark.parametrize("suffix", [".vot", ".fits", ".h5"])
@pytest.mark.parametrize("values", [[[1, 2], None], [[1, 2], [None, 4]]])
@pytest.mark.parametrize("kind", [pa.int64(), pa.int16(), pa.bool_()])
def test_vectors_of_whole_numbers_with_gaps_are_refused(tmp_path, suffix, values, kind):
    if pa.types.is_boolean(kind):
        values = [row and [None if v is None else bool(v) for v in row] for row in values]
    with pytest.raises(OutputError, match="cannot mark") as caught:
        written(tmp_path / f"t{suffix}", values, pa.list_(kind, 2))
    assert ".vot" not in caught.value.remedy
    assert not (tmp_path / f"t{suffix}").exists()


@pytest.mark.parametrize("suffix", [".ecsv", ".parquet"])
def test_the_formats_that_are_named_keep_the_gap(tmp_path, suffix):
    found = written(tmp_path / f"t{suffix}", [[1, 2], None], pa.list_(pa.int64(), 2))
    first, second = found.arrow.column("v").to_pylist()
    assert first == [1, 2]
    assert second is None or np.isnan(second).all()


def test_missing_vectors_of_real_numbers_come_back_from_hdf5(tmp_path):
    found = written(tmp_path / "t.h5", [[1.0, 2.0], None], pa.list_(pa.float64(), 2))
    first, second = found.arrow.column("v").to_pylist()
    assert first == [1.0, 2.0]
    assert np.isnan(second).all()


@pytest.mark.parametrize("suffix", [".vot", ".fits", ".ecsv", ".parquet", ".csv"])
def test_large_numbers_beside_a_gap_stay_exact(tmp_path, suffix):
    found = written(tmp_path / f"t{suffix}", [BIG, None], pa.int64())
    assert found.arrow.column("v").to_pylist() == [BIG, None]


def test_hdf5_refuses_large_numbers_beside_a_gap(tmp_path):
    with pytest.raises(OutputError, match="last digit"):
        written(tmp_path / "t.h5", [BIG, None], pa.int64())
    found = written(tmp_path / "t.h5", [2**53, None], pa.int64())
    assert found["v"][0] == 2**53
