"""The soak that kills at random, made small: nothing is lost, nothing doubled."""

import importlib.util
import sys
from pathlib import Path

import pytest

SOAK = Path(__file__).parents[2] / "benchmarks" / "soak" / "kill.py"


@pytest.fixture(scope="module")
def kill():
    spec = importlib.util.spec_from_file_location("soak_kill", SOAK)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_killed_again_and_again_every_record_is_answered_once(kill, tmp_path):
    result = kill.soak(tmp_path, records=600, kills=4, seed=1, pace=0.002)
    found = {name: result[name] for name in result if name in EXPECTED}
    assert found == EXPECTED
    assert sum(result["kills"].values()) == 4


EXPECTED = {
    "exit_code_of_sigterm": 0,
    "exit_code_at_the_end": 0,
    "lost": 0,
    "doubled": 0,
    "invented": 0,
    "done_without_a_row": 0,
    "rows_not_done": 0,
    "poison": 1,
    "poison_quarantined": 1,
    "others_quarantined": {},
    "quarantined_without_reason": 0,
    "batches_left_prepared": 0,
    "left_in_staging": 0,
    "database": "ok",
}
