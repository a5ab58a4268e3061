"""What people see of a file of answers before they open it."""

import pytest

from skysift.cli.preview import preview_of
from skysift.data.io import open_writer
from skysift.data.table import FeatureTable

FLAGS = ["edge", "", "saturated,edge", ""]


def write(path, columns):
    with open_writer(path) as writer:
        writer.write(FeatureTable.from_columns(columns))
    return path


def made(path, rows):
    columns = {
        "file": [f"{row}.fits" for row in range(rows)],
        "noaa": [12000 + row for row in range(rows)],
        "score": [row / 10 for row in range(rows)],
        "flags": [FLAGS[row % 4] for row in range(rows)],
    }
    return write(path, columns)


@pytest.mark.parametrize("suffix", [".csv", ".ecsv", ".fits", ".parquet", ".vot"])
def test_first_rows_and_flags_of_each_format(tmp_path, suffix):
    seen = preview_of(made(tmp_path / f"answers{suffix}", 8), ["file", "noaa", "no-such", "score"])
    assert len(seen.rows) == 5
    assert seen.rows[0] == {"file": "0.fits", "noaa": "12000", "score": 0.0}
    assert seen.flags == {"edge": 4, "saturated": 2}
    assert seen.lines({"saturated": "too bright"}) == [
        "... and 3 more",
        "Flags:",
        "  edge (4)",
        "  saturated (2): too bright",
    ]


def test_a_short_table_without_flags_has_nothing_below_it(tmp_path):
    path = write(tmp_path / "two.csv", {"score": [0.25, 0.5]})
    seen = preview_of(path, ["score"])
    assert [row["score"] for row in seen.rows] == [0.25, 0.5]
    assert seen.lines({}) == []


def test_what_is_large_or_of_another_format_is_not_read_again(tmp_path, monkeypatch):
    path = made(tmp_path / "answers.csv", 8)
    monkeypatch.setattr("skysift.cli.preview._LARGEST", path.stat().st_size - 1)
    assert preview_of(path, ["score"]).rows == ()
    other = tmp_path / "answers.dl2.h5"
    other.write_bytes(b"not to be opened")
    assert preview_of(other, ["score"]).rows == ()
