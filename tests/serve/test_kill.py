"""The soak that kills at random, made small: nothing is lost, nothing doubled."""

import importlib.util
import json
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
    found = {name: result[name] for name in result if name in kill.WANTED}
    assert found == kill.WANTED
    assert (result["poison"], result["poison_quarantined"]) == (1, 1)
    assert sum(result["kills"].values()) == 4
    assert kill.faults(result) == []


def test_the_soak_sees_what_is_lost_doubled_or_answered_under_two_ids(kill, toy):
    """Else its zeros would prove nothing."""
    for number in range(1, 5):
        toy.put(f"{number:06}.json", value=number)
    toy.put("000000.json", do="refuse")
    toy.run()
    assert kill.verdict(toy.found.parent, 5)["lost"] == 0
    assert kill.verdict(toy.found.parent, 6)["lost"] == 1
    (part,) = toy.found.glob("night=*/part-*.jsonl")
    rows = [json.loads(line) for line in part.read_text().splitlines()]
    assert len(rows) == 4

    wanted = kill.WANTED

    def seen(*more):
        part.write_text("".join(json.dumps(row) + "\n" for row in (*rows, *more)))
        found = kill.verdict(toy.found.parent, 5)
        return {name for name in wanted if found.get(name, wanted[name]) != wanted[name]}

    assert seen() == set()
    assert seen(rows[0]) == {"doubled"}
    assert seen(rows[0] | {"skysift_record": "0" * 64}) == {"under_two_ids", "rows_not_done"}
    assert seen({"value": 77, "skysift_record": "0" * 64}) == {"invented", "rows_not_done"}
    rows.pop()
    assert seen() == {"lost", "done_without_a_row"}
