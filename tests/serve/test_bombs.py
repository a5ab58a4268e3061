"""Files that unpack to far more than they are, given to what answers, in little memory.

All of them, through the service and the commands: benchmarks/soak/bombs.py.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("fastavro")
BOMBS = Path(__file__).parents[2] / "benchmarks" / "soak" / "bombs.py"
MIB = 200
CHOSEN = (
    "image of 2^62 pixels",
    "table with a heap of 2^60 bytes",
    "gzip of text",
    "HDF5 never written",
    "VOTable of a billion laughs",
    "ECSV of a billion aliases",
    "Avro array of 2^60 nulls",
    "Avro deflate of a gibibyte",
)


def test_bombs_are_refused_within_the_address_space_that_a_record_may_have(tmp_path):
    """The kernel gives each reader 200 MiB beyond what it had; its resident memory is measured."""
    out = tmp_path / "bombs.json"
    command = [sys.executable, "-W", "ignore", BOMBS, "--no-commands", "--bound", MIB, "--out", out]
    for task in ("gamma-hadron", "streak"):
        command += ["--task", task]
    for name in CHOSEN:
        command += ["--bomb", name]
    done = subprocess.run(list(map(str, command)), check=False, capture_output=True, text=True)
    assert out.exists(), done.stderr
    said = json.loads(out.read_text())
    assert {row["bomb"] for row in said["rows"]} == set(CHOSEN)
    assert {row["end"] for row in said["rows"]} <= {"ReadError", "InputError", "ContractError"}
    assert 0 < said["most_mebibytes"] < MIB
