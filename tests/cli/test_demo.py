"""The demos of several tasks, each in a process of its own."""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from skysift.cli import demo
from skysift.core.jobs import Run

MEET = """
import os, pathlib, sys, time
name, seed = sys.argv[2], sys.argv[sys.argv.index("--seed") + 1]
pathlib.Path(name).touch()
for other in ("gamma-hadron", "streak"):  # who runs alone waits for the other in vain
    begun = time.monotonic()
    while not pathlib.Path(other).exists():
        time.sleep(0.01)
        if time.monotonic() - begun > 30:
            sys.exit(7)
time.sleep(0.3 if name == "streak" else 0)  # the first to be printed is the last to end
print(name, seed, os.environ["OMP_NUM_THREADS"])
sys.exit(3 if seed == "3" else 0)
"""


@pytest.fixture
def stand_in(monkeypatch, tmp_path):
    """Let a script stand in for the program that the demo starts."""

    def put(script):
        path = tmp_path / "program.py"
        path.write_text(script)
        monkeypatch.setattr(demo, "_PROGRAM", (sys.executable, str(path)))

    return put


def test_one_task_is_run_here_and_its_rows_printed(skysift, monkeypatch):
    class Shown:
        def demo(self, folder, *, seed, command, progress):
            progress(0.5, "half")
            return Run(f"seed {seed}", [{"auc": float("nan")}], (command,), folder / "report.html")

    monkeypatch.setattr(demo, "load_task", lambda _: Shown())
    said = json.loads(skysift("demo", "streak", "--seed", "4", "--json").out)
    assert said["title"] == "seed 4"
    assert said["rows"] == [{"auc": None}]
    assert said["report"] == "runs/demo/streak/report.html"


def test_several_run_at_once_and_are_printed_in_order(skysift, stand_in):
    stand_in(MEET)
    done = skysift("demo", "streak", "gamma-hadron", "--processes", "2", "--seed", "5")
    assert done.code == 0, done.err
    assert [line.split()[:2] for line in done.out.splitlines()] == [
        ["streak", "5"],
        ["gamma-hadron", "5"],
    ]


def test_a_failed_demo_is_the_exit_code_and_spoils_no_other(skysift, stand_in):
    stand_in(MEET)
    done = skysift("demo", "streak", "gamma-hadron", "--processes", "2", "--seed", "3")
    assert done.code == 3
    assert len(done.out.splitlines()) == 2


def test_an_unknown_task_is_refused_before_anything_runs(skysift, stand_in, tmp_path):
    stand_in("open('ran', 'w')")
    done = skysift("demo", "streak", "streek")
    assert done.code == 2
    assert "streak" in done.err
    assert not (tmp_path / "ran").exists()


def test_processes_do_not_outlive_the_demo(tmp_path, monkeypatch):
    script = tmp_path / "program.py"
    script.write_text("import time; time.sleep(60)")
    monkeypatch.setattr(demo, "_PROGRAM", (sys.executable, str(script)))
    begun = time.monotonic()

    with ThreadPoolExecutor(1) as threads:
        with demo._Children(1) as children:
            run = threads.submit(children.run, "streak", [])
            while not children._running:
                time.sleep(0.01)
        output, code = run.result()
    assert (output, code) == ("", -15)
    assert children.run("streak", []) == ("", 130)
    assert time.monotonic() - begun < 55
