"""``skysift watch`` and ``skysift quarantine`` as they are typed."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pyarrow.dataset as ds
import pytest

from skysift.cli.main import main
from skysift.core.registry import load_task

HEAVY = ("astropy", "matplotlib", "numpy", "onnxruntime", "pyarrow", "scipy", "sklearn", "sqlite3")


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    def events(self, name: str) -> list[dict]:
        lines = [json.loads(line) for line in self.err.splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == name]


@pytest.fixture
def skysift(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)

    def call(*arguments) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["skysift", *map(str, arguments)])
        capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = stop.code or 0
        printed = capsys.readouterr()
        return Outcome(code, printed.out, printed.err)

    return call


@pytest.fixture
def incoming(tmp_path):
    """A table of events, and a file that is none."""
    folder = tmp_path / "incoming"
    folder.mkdir()
    task = load_task("gamma-hadron")
    task.write_synth(task.synth(50, np.random.default_rng(1)), folder / "good.parquet")
    (folder / "bad.parquet").write_text("no table")
    return folder


def test_from_a_folder_to_answers_and_what_was_refused_back_again(skysift, incoming, tmp_path):
    watch = ("watch", "incoming", "--task", "gamma-hadron", "--bundle", "fast", "--prior", "0.2",
             "--to", "found", "--once", "--json")  # fmt: skip
    done = skysift(*watch)
    assert done.code == 0
    counts = {"pending": 0, "done": 1, "quarantined": 1, "retracted": 0}
    assert json.loads(done.out)["records"] == counts
    assert [event["input"] for event in done.events("quarantined")] == ["bad.parquet"]
    table = ds.dataset("found", partitioning="hive").to_table()
    assert table.num_rows == 50
    metadata = next((tmp_path / "found").glob("night=*/*.parquet"))
    provenance = json.loads(ds.dataset(metadata).schema.metadata[b"skysift"])
    assert provenance["config"]["predict"] == {"prior": "0.2"}
    assert provenance["command"].startswith("skysift watch incoming")

    (row,) = json.loads(skysift("quarantine", "list", "found", "--json").out)["quarantined"]
    assert row["reason"]
    record = row["record"][:8]
    listed = skysift("quarantine", "list", "found").out
    assert record in listed
    assert "bad.parquet" in listed
    shown = skysift("quarantine", "show", "found", record).out
    assert str(incoming / "bad.parquet") in shown

    assert "1 to be tried again" in skysift("quarantine", "replay", "found", record).out
    assert json.loads(skysift(*watch).out)["records"] == counts
    assert "1 dropped" in skysift("quarantine", "drop", "found", "--all").out
    assert "nothing is in quarantine" in skysift("quarantine", "list", "found").out
    again = skysift("quarantine", "drop", "found", record)
    assert again.code == 2
    assert "retracted, not quarantined" in again.err


def test_from_a_configuration(skysift, incoming, tmp_path):
    (tmp_path / "watch.toml").write_text(
        f"""
        task = "gamma-hadron"
        bundle = "fast"
        source = {{ folder = "{incoming}", pattern = "good*" }}
        sink = {{ folder = "found", format = "jsonl", longitude = -17.9 }}
        """
    )
    done = skysift("watch", "--config", "watch.toml", "--set", "engine.latency=0.5", "--once")
    assert done.code == 0
    assert done.out == "found: 0 pending, 1 done, 0 quarantined, 0 retracted\n"
    (part,) = (tmp_path / "found").glob("night=*/part-*.jsonl")
    assert len(part.read_text().splitlines()) == 50


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["watch"], "Not given: the source, --task, --to."),
        (["watch", "x", "--to", "y"], "Not given: --task."),
        (["watch", "http://x/y", "--task", "gamma-hadron", "--to", "y"], "is no source"),
        (["watch", "incoming", "--task", "gamma-hadron", "--to", "y", "--publish", "kafka://x"],
         "'kafka://x' is no topic"),
        (["watch", "none", "--task", "gamma-hadron", "--to", "y"], "none: The folder cannot be"),
        (["watch", "incoming", "--task", "gama-sky", "--to", "y"], "Did you mean 'gamma-sky'"),
        (["watch", "incoming", "--task", "gamma-hadron", "--to", "y", "--set", "engine.latncy=1"],
         "Unknown key 'engine.latncy'. Did you mean 'latency'"),
        (["quarantine", "list", "none"], "There is no spool here"),
        (["quarantine", "drop", "none"], "There is no spool here"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_before_anything_is_made(
    skysift, incoming, tmp_path, arguments, message
):
    outcome = skysift(*arguments)
    assert outcome.code == 2
    assert message in outcome.err
    assert sorted(path.name for path in tmp_path.iterdir()) == [incoming.name]


@pytest.mark.parametrize(
    "arguments",
    [["watch", "--help"], ["watch", "--task", "gamma-sky", "--help"], ["quarantine", "--help"]],
    ids=" ".join,
)
def test_help_imports_nothing_heavy(arguments):
    script = (
        f"import sys; sys.argv = ['skysift', *{arguments!r}]\n"
        "from skysift.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit as stop:\n"
        f"    print(stop.code, [name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines()[-1] == "0 []"


def test_sigterm_ends_the_program_cleanly(incoming, tmp_path):
    command = [sys.executable, "-m", "skysift", "watch", str(incoming), "--task", "gamma-hadron",
               "--bundle", "fast", "--to", str(tmp_path / "found")]  # fmt: skip
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    try:
        for line in process.stderr:
            if json.loads(line)["event"] == "quarantined":
                break
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0
    assert json.loads(err.splitlines()[-1])["event"] == "stopped"
    assert out.endswith("0 pending, 1 done, 1 quarantined, 0 retracted\n")
