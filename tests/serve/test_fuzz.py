"""A slice of the fuzzer: the whole of it is benchmarks/soak/fuzz.py."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("fastavro")
FUZZ = Path(__file__).parents[2] / "benchmarks" / "soak" / "fuzz.py"


def test_damaged_files_give_answers_or_plain_errors(tmp_path):
    out = tmp_path / "fuzz.json"
    command = [sys.executable, "-W", "ignore", FUZZ, "--cases", 58, "--seed", 21, "--out", out]
    done = subprocess.run(list(map(str, command)), check=False, capture_output=True, text=True)
    assert out.exists(), done.stderr
    said = json.loads(out.read_text())
    assert said["told"] == []
    assert said["cases"] == sum(said["ends"].values()) == 58
    assert said["ends"]["answered"] > 0
    assert said["ends"]["ReadError"] > 0
