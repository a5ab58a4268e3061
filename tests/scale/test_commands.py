"""Past one process from the command line: what is written, what is said, what is refused."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from skysift.cli.main import main
from skysift.core.errors import MissingExtraError
from skysift.data.io import open_writer, read_table
from skysift.scale import cluster


@pytest.fixture
def skysift(monkeypatch, capsys):
    """Call the program and return its exit code, and what it printed."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["skysift", *map(str, arguments)])
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = stop.code or 0
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


def predict(night, *arguments):
    return ("predict", "gamma-hadron", f"{night.folder}/*.parquet", "--bundle", "fast", *arguments)


def test_a_run_with_a_bad_file_is_told_and_ends_with_code_2(skysift, night, tmp_path):
    (night.folder / "zzz.parquet").write_bytes(b"PAR1 and nothing else")
    out = tmp_path / "out"
    code, said, error = skysift(*predict(night, "--out", out, "--part", "1/1", "--json"))
    assert code == 2
    summary = json.loads(said)
    assert (summary["written"], summary["empty"]) == (4, 1)
    assert summary["rows"]["accepted"] == 240
    assert summary["refused"][0]["path"].endswith("zzz.parquet")
    assert "1 file could not be used; all others are done" in json.loads(error)["problem"]
    assert night.rows(out).equals(night.in_one_process())
    record = json.loads((out / "_skysift" / "run-1-of-1.json").read_text())
    assert record["provenance"]["command"].startswith("skysift predict gamma-hadron")

    (night.folder / "zzz.parquet").unlink()
    code, said, _ = skysift(*predict(night, "--out", out, "--part", "1/1"))
    assert code == 0
    assert "4 partitions (4 kept); 240 accepted" in said


def test_a_run_that_answers_nothing_ends_with_code_2(skysift, night, tmp_path):
    for path in night.paths:
        table = read_table(path)
        spoilt = table.with_columns({"width": np.full(len(table), np.nan)})
        path.unlink()
        with open_writer(path, provenance={}) as writer:
            writer.write(spoilt)
    out = tmp_path / "out"
    code, said, error = skysift(*predict(night, "--out", out, "--part", "1/1", "--json"))
    assert code == 2
    assert json.loads(said)["rows"]["rejected"] == 240
    assert json.loads(error)["error"] == "NothingAnsweredError"
    assert len(night.rows(out)) == 240


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "a.parquet", "--workers", "2"], "Give a folder as --out"),
        (["--out", "a", "--workers", "2", "--dask", "tcp://h:1"], "Give one of them"),
        (["--out", "a", "--dask", "tcp://h:1", "--memory", "1GB"], "Leave out --memory"),
        (["--out", "a", "--part", "3/2"], "counted from 1 to 2"),
        (["--out", "a.parquet", "--retry"], "for partitions"),
        (["--out", "a.parquet", "--files-per-part", "5"], "for partitions"),
        (["--out", "s3://survey/a", "--part", "1/1"], "'s3://survey/a' is an address"),
        (["--out", "s3://survey/a.parquet"], "'s3://survey/a.parquet' is an address"),
    ],
)
def test_what_makes_no_sense_is_refused_before_the_work(
    skysift, night, tmp_path, arguments, message
):
    arguments = [str(tmp_path / word) if word.startswith("a") else word for word in arguments]
    code, _, error = skysift(*predict(night, *arguments))
    assert code == 2
    assert message in error
    assert not list(tmp_path.glob("a*"))
    assert not Path("s3:").exists()


def test_a_job_that_has_no_parts_says_so(skysift, tmp_path):
    code, _, error = skysift("simulate", "streak", "--out", tmp_path / "s", "--workers", "2")
    assert code == 2
    assert "What 'simulate' does for streak does not fall into parts." in error


def test_without_dask_the_user_is_told_what_to_install(skysift, night, tmp_path, monkeypatch):
    def absent(name, *, extra):
        raise MissingExtraError(name, extra=extra)

    monkeypatch.setattr(cluster, "import_extra", absent)
    code, _, error = skysift(*predict(night, "--out", tmp_path / "out", "--workers", "2"))
    assert code == 1
    assert 'pip install "skysift[dask]"' in error


def test_lists_and_globs_are_inputs_of_one_process_too(skysift, night, tmp_path):
    (night.folder / "list.txt").write_text("run-1.parquet\nrun-0.parquet\n")
    out = tmp_path / "two.parquet"
    inputs = f"@{night.folder}/list.txt"
    code, said, _ = skysift("predict", "gamma-hadron", inputs, "--bundle", "fast", "--out", out)
    assert code == 0
    assert "120 accepted" in said
    assert night.rows(out).equals(night.in_one_process([night.paths[1], night.paths[0]]))
