"""What several tests of the task need."""

import sys

import pytest

from skysift.cli.main import main

SMALL = ("--pixels", "40", "--pixel-size", "0.1", "--bands", "2")


@pytest.fixture
def skysift(monkeypatch, capsys, tmp_path):
    """Call ``predict gamma-sky`` in a folder of its own; return exit code and stderr."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        command = ["skysift", "predict", "gamma-sky", *map(str, arguments), *SMALL]
        monkeypatch.setattr(sys, "argv", command)
        capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = stop.code or 0
        return code, " ".join(capsys.readouterr().err.split())

    return call
