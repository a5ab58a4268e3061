"""The program as a user calls it, in this process; and what it needs to work on."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from skysift.cli.main import main
from skysift.core.registry import load_task
from skysift.tasks.gamma_hadron.options import ReadOptions, TrainOptions


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


@pytest.fixture
def skysift(monkeypatch, capsys, tmp_path):
    """Call the program in a folder of its own: ``skysift("predict", ...)``."""
    if mirror := os.environ.get("SKYSIFT_MIRROR"):
        monkeypatch.setenv("SKYSIFT_MIRROR", str(Path(mirror).resolve()))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")

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


@pytest.fixture(scope="session")
def start():
    """Start Python in a process of its own with a script that calls the program."""

    def start_script(script: str, **options) -> subprocess.Popen:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(
            [sys.executable, "-c", script],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            **options,
        )

    return start_script


@pytest.fixture(scope="session")
def events_file(tmp_path_factory) -> Path:
    task = load_task("gamma-hadron")
    data = task.synth(1500, np.random.default_rng(41))
    return task.write_synth(data, tmp_path_factory.mktemp("cli") / "events.parquet")


@pytest.fixture(scope="session")
def bundle(events_file, tmp_path_factory) -> Path:
    """A small model of the made-up sample."""
    task = load_task("gamma-hadron")
    data = task.read([events_file], ReadOptions(), labelled=True)
    options = TrainOptions(model="logistic-regression", folds=2)
    model = task.fit(data, options, np.random.default_rng(1))
    return task.save(model, tmp_path_factory.mktemp("bundles") / "small")
