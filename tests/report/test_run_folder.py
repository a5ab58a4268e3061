"""A run is stored whole and read as it was, or refused."""

import json
from datetime import UTC, datetime

import numpy as np
import pytest

from skysift.core.errors import OutputError, ReadError
from skysift.data.table import FeatureTable
from skysift.report.run_folder import RunRecord, check_run_folder, read_run, write_run


@pytest.fixture
def record(tmp_path):
    facts = {"metrics": [{"auc": 0.9}], "when": datetime(2026, 1, 2, tzinfo=UTC), "words": "β ± 1"}
    return RunRecord(tmp_path / "a" / "run", "gamma-hadron", "evaluate", facts, {"command": "x"})


def table():
    return FeatureTable.from_columns(
        {"gammaness": [0.25, np.nan, 1.0], "class": ["g", "h", "g"]}, units={"gammaness": "mm"}
    )


def test_what_was_written_is_read(record):
    write_run(record, {"scores": table()})
    back = read_run(record.folder)
    assert (back.task, back.kind, back.provenance) == ("gamma-hadron", "evaluate", {"command": "x"})
    assert back.facts["metrics"] == [{"auc": 0.9}]
    assert back.facts["words"] == "β ± 1"
    assert back.has_table("scores")
    assert not back.has_table("events")
    scores = back.table("scores")
    np.testing.assert_array_equal(scores["gammaness"], table()["gammaness"])
    assert scores["class"].tolist() == ["g", "h", "g"]


def test_a_run_can_be_written_again(record):
    write_run(record, {"scores": table()})
    again = RunRecord(record.folder, "gamma-hadron", "compare", {}, {})
    write_run(again, {"scores": table().take([0])})
    assert read_run(record.folder).kind == "compare"
    assert len(read_run(record.folder).table("scores")) == 1


def test_the_tables_of_an_earlier_run_do_not_stay(record):
    write_run(record, {"scores": table(), "events": table()})
    write_run(record, {"scores": table()})
    assert not read_run(record.folder).has_table("events")


def test_tables_that_no_run_wrote_are_left_alone(record):
    record.folder.mkdir(parents=True)
    (record.folder / "events.parquet").write_bytes(b"the data of a night")
    for attempt in (lambda: check_run_folder(record.folder), lambda: write_run(record, {})):
        with pytest.raises(OutputError, match=r"no run wrote: events\.parquet"):
            attempt()
    assert (record.folder / "events.parquet").read_bytes() == b"the data of a night"


def test_a_description_cannot_make_us_remove_what_is_elsewhere(record, tmp_path):
    write_run(record, {"scores": table()})
    outside = tmp_path / "a" / "kept.parquet"
    outside.write_bytes(b"kept")
    path = record.folder / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "tables": ["../kept", "scores"]}))
    write_run(record, {"scores": table()})
    assert outside.read_bytes() == b"kept"


def test_a_run_that_failed_while_writing_is_none(record):
    with pytest.raises(OutputError, match="folder"):
        write_run(record, {"scores": table(), "a/b": table()})
    with pytest.raises(ReadError, match="holds no run"):
        read_run(record.folder)


def test_a_place_that_cannot_be_a_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    blocked = RunRecord(tmp_path / "file" / "run", "t", "k", {}, {})
    with pytest.raises(OutputError) as caught:
        write_run(blocked, {})
    assert caught.value.path is not None


@pytest.mark.parametrize("content", ["", "{", "[]", "3", "null", '{"schema": 1}', "\x00"])
def test_a_damaged_description_is_refused_with_its_file(tmp_path, content):
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(ReadError) as caught:
        read_run(tmp_path)
    assert caught.value.path == tmp_path / "run.json"
    assert caught.value.remedy


def test_a_run_of_another_schema_is_refused(record):
    write_run(record, {})
    path = record.folder / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": 99}))
    with pytest.raises(ReadError, match="schema 99"):
        read_run(record.folder)


def test_deep_nesting_is_refused(tmp_path):
    (tmp_path / "run.json").write_text("[" * 100_000)
    with pytest.raises(ReadError):
        read_run(tmp_path)


@pytest.mark.parametrize("name", ["none", "file"])
def test_a_folder_without_a_run_is_refused(tmp_path, name):
    (tmp_path / "file").write_text("")
    with pytest.raises(ReadError, match="holds no run") as caught:
        read_run(tmp_path / name)
    assert "--out" in caught.value.remedy


def test_a_description_too_large_to_be_one_is_not_read(tmp_path):
    with (tmp_path / "run.json").open("wb") as file:
        file.truncate(65 * 2**20)
    with pytest.raises(ReadError, match="too large"):
        read_run(tmp_path)
