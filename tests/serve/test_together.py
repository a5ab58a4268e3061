"""Records answered together, and what happens if one of them is the end of the worker."""

import json
import logging
from dataclasses import replace

import pytest

from skysift.core.errors import UsageError
from skysift.serve.journal import LOGGER


@pytest.fixture
def together(toy):
    return replace(toy, worker="together")


def journal(caplog, event):
    return [r.skysift_fields for r in caplog.records if r.getMessage() == event]


def test_small_records_are_answered_together_and_each_has_its_own_fate(together):
    for number in range(8):
        together.put(f"{number}.json", value=number)
    together.put("bad.json", do="refuse")
    counts = together.run()
    assert counts == {"pending": 0, "done": 8, "quarantined": 1, "retracted": 0}
    assert {row["together"] for row in together.rows()} == {9}
    assert together.values() == list(range(8))
    assert "Nothing in it can be used" in together.reasons()["bad.json"]
    assert len(set(together.ids())) == 8


@pytest.mark.parametrize("act", ["crash", "hang"])
def test_the_record_of_which_a_worker_dies_is_found_and_no_other_has_a_strike(
    together, caplog, act
):
    for number in range(25):
        together.put(f"{number:02}.json", value=number)
    together.put("07-poison.json", do=act)
    with caplog.at_level(logging.INFO, logger=LOGGER):
        counts = together.run(record_seconds=1, batch_records=10)
    assert counts == {"pending": 0, "done": 25, "quarantined": 1, "retracted": 0}
    assert together.values() == list(range(25))
    assert "ended the worker twice" in together.reasons()["07-poison.json"]
    with together.spool() as spool:
        assert {record.strikes for record in spool.in_state("done")} == {0}
    struck = [fields for fields in journal(caplog, "worker-died") if "strikes" in fields]
    assert [fields["input"] for fields in struck] == ["07-poison.json"] * 2
    assert not together.staged()


@pytest.mark.parametrize("act", ["stumble", "devour"])
def test_where_the_task_fails_over_the_batch_each_record_is_asked_for_alone(together, act):
    for number in range(5):
        together.put(f"{number}.json", value=number)
    together.put("bad.json", do=act)
    counts = together.run(memory=2**28)
    assert counts == {"pending": 0, "done": 5, "quarantined": 1, "retracted": 0}
    assert together.values() == list(range(5))
    assert all("together" not in row for row in together.rows())


def test_a_file_that_changes_in_a_batch_is_answered_as_what_it_has_become(together):
    path = together.put("a.json", value=1, do="change")
    together.put("b.json", value=5)
    counts = together.run()
    assert counts == {"pending": 0, "done": 2, "quarantined": 0, "retracted": 1}
    assert together.values() == [2, 5]
    assert json.loads(path.read_text())["value"] == 2


# --- memory ---------------------------------------------------------------------------------------


@pytest.fixture
def remembering(toy):
    return replace(toy, worker="remembering")


def texts(toy):
    return {row["value"]: row["text"] for row in toy.rows()}


def test_after_a_restart_the_newest_answered_records_are_recalled_until_it_is_enough(remembering):
    for number in range(4):
        remembering.put(f"{number}.json", value=number)
    remembering.run()
    remembering.put("4.json", value=4)
    remembering.run()
    assert texts(remembering)[4] == "1 2 3 4"  # the three before, and itself


def test_a_worker_that_dies_is_told_again_what_was_answered(remembering, caplog):
    for number in range(3):
        remembering.put(f"{number}.json", value=number)
    remembering.run()
    caplog.clear()
    remembering.put("3.json", do="crash")
    remembering.put("4.json", value=4)
    with caplog.at_level(logging.INFO, logger=LOGGER):
        assert remembering.run()["quarantined"] == 1
    assert texts(remembering)[4] == "0 1 2 4"
    assert [fields["records"] for fields in journal(caplog, "recalled")] == [3, 3]


def test_what_is_gone_or_another_or_deadly_is_passed_over_with_a_warning(remembering, caplog):
    for number in range(4):
        remembering.put(f"{number}.json", value=number, recall="crash" if number == 2 else "")
    remembering.run()
    (remembering.incoming / "3.json").unlink()
    remembering.put("1.json", value=11)
    with caplog.at_level(logging.INFO, logger=LOGGER):
        remembering.run()
    assert texts(remembering)[11] == "0 11"
    reasons = {fields["reason"] for fields in journal(caplog, "not-recalled")}
    assert reasons == {"its file is gone", "its file is another"}
    assert len([f for f in journal(caplog, "worker-died") if "recalling" in f]) == 2


def test_what_is_remembered_of_a_file_that_was_replaced_is_forgotten(remembering):
    remembering.put("0.json", value=0)
    remembering.run()
    remembering.put("1.json", value=1, do="change")
    remembering.run(batch_records=1)
    assert texts(remembering)[2] == "0 2"


def test_what_remembers_has_one_worker(remembering):
    with pytest.raises(UsageError, match="one worker has to see"):
        remembering.run(workers=2)
