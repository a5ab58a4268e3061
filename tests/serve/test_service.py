"""What a service does with records of every kind, with a real worker process."""

import json
import logging
import os
import signal
import sqlite3
import threading

import pytest

from skysift.core.errors import ConfigError, OutputError, ReadError, SkysiftError
from skysift.serve.journal import LOGGER
from skysift.serve.lock import alone
from skysift.serve.service import Service, stopped_by_signals
from skysift.serve.spool import REPLACED


def test_every_record_is_answered_once_however_often_the_service_is_started(toy):
    for number in range(30):
        toy.put(f"{number:02}.json", value=number)
    assert toy.run() == {"pending": 0, "done": 30, "quarantined": 0, "retracted": 0}
    toy.put("late.json", value=30)
    toy.put("again.json", value=7)  # the content of 07.json
    assert toy.run()["done"] == 31
    assert toy.values() == list(range(31))
    assert len(set(toy.ids())) == 31
    assert not toy.staged()


def test_poison_of_every_kind_is_quarantined_with_its_reason_and_the_rest_is_answered(toy):
    for number in range(20):
        toy.put(f"{number:02}.json", value=number)
    acts = ("refuse", "crash", "hang", "devour", "stumble", "answer refuse")
    for act in acts:
        toy.put(f"05-{act}.json", do=act, value=-1)
    toy.put("05-text.json").write_text("no JSON")
    counts = toy.run(record_seconds=2, memory=2**28)
    reasons = toy.reasons()
    assert counts == {"pending": 0, "done": 20, "quarantined": 7, "retracted": 0}
    assert toy.values() == list(range(20))
    assert "Nothing in it can be used. Send another." in reasons["05-refuse.json"]
    assert "ended the worker twice; the last time: signal SIGABRT" in reasons["05-crash.json"]
    assert "Fatal Python error: Aborted" in reasons["05-crash.json"]
    assert "twice; the last time: it took longer than 2 s" in reasons["05-hang.json"]
    assert "takes more memory than a record may have, 256 MiB" in reasons["05-devour.json"]
    assert "for a reason that nobody foresaw: of a reader. Please" in reasons["05-stumble.json"]
    assert "Nothing in it" in reasons["05-answer refuse.json"]  # its first row does not count
    assert not toy.staged()
    with toy.spool() as spool:
        assert spool.prepared() == []
    assert "nobody foresaw: Expecting value: line 1 column 1" in reasons["05-text.json"]


def test_several_workers_answer_at_the_same_time_and_poison_is_found_all_the_same(toy):
    for number in range(60):
        toy.put(f"{number:02}.json", value=number)
    toy.put("31-crash.json", do="crash")
    counts = toy.run(workers=2, batch_records=4)
    assert counts == {"pending": 0, "done": 60, "quarantined": 1, "retracted": 0}
    assert toy.values() == list(range(60))
    assert len(set(toy.ids())) == 60
    assert "ended the worker twice" in toy.reasons()["31-crash.json"]
    assert not toy.staged()


def test_a_record_alone_in_its_batch_that_is_refused_half_way_leaves_no_rows(toy):
    toy.put("only.json", do="answer refuse", value=1)
    assert toy.run()["quarantined"] == 1
    assert toy.rows() == []
    assert not toy.staged()


def test_answers_with_other_columns_go_to_a_file_of_their_own(toy):
    toy.put("a.json", value=1)
    toy.put("b.json", value=2, do="other")
    toy.put("c.json", value=3)
    assert toy.run(format="parquet")["done"] == 3
    assert sorted(row["value"] for row in toy.rows() if "value" in row) == [1, 3]
    assert [row["text"] for row in toy.rows() if "text" in row] == ["2"]


def test_lines_of_json_have_null_for_what_is_not_a_number(toy):
    toy.put("a.json", value=1)
    toy.put("b.json", value=2, do="other")
    assert toy.run()["done"] == 2
    (part,) = toy.found.glob("night=*/part-*.jsonl")
    rows = [json.loads(line, parse_constant=pytest.fail) for line in part.read_text().splitlines()]
    assert {row["skysift_input"]: row.get("number", 0) for row in rows} == {
        "a.json": 0,
        "b.json": None,
    }


def test_a_record_without_rows_is_done_and_leaves_no_file(toy):
    toy.put("none.json", rows=0)
    assert toy.run()["done"] == 1
    assert not list(toy.found.glob("night=*"))


def test_what_libraries_print_does_not_disturb_the_talk_with_the_worker(toy):
    toy.put("a.json", value=1, do="talk")
    assert toy.run()["done"] == 1
    printed = (toy.found / ".skysift" / "worker.log").read_text()
    assert "a library that prints" in printed
    assert "and one in C" in printed


def test_what_was_printed_before_a_worker_died_is_in_the_log(toy, monkeypatch):
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    toy.put("a.json", value=1, do="talk crash")
    assert toy.run()["quarantined"] == 1
    printed = (toy.found / ".skysift" / "worker.log").read_text()
    assert "a library that prints" in printed


@pytest.mark.parametrize("variable", ["OPENBLAS_NUM_THREADS", "MALLOC_ARENA_MAX"])
@pytest.mark.parametrize(("told", "taken"), [(None, "1"), ("3", "3")])
def test_a_worker_has_one_thread_and_one_heap_unless_it_is_told_otherwise(
    toy, monkeypatch, variable, told, taken
):
    monkeypatch.delenv(variable, raising=False)
    if told is not None:
        monkeypatch.setenv(variable, told)
    toy.put("asks.json", do="tell", value=variable)
    toy.service().run(once=True)
    assert [row["told"] for row in toy.rows()] == [taken]


def test_a_file_that_changes_while_it_is_read_is_answered_as_what_it_has_become(toy):
    path = toy.put("a.json", value=1, do="change")
    counts = toy.run()
    assert counts == {"pending": 0, "done": 1, "quarantined": 0, "retracted": 1}
    assert toy.values() == [2]
    assert json.loads(path.read_text())["value"] == 2
    with toy.spool() as spool:
        assert [record.reason for record in spool.in_state("retracted")] == [REPLACED]


def test_a_file_too_large_is_quarantined_unread(toy):
    toy.put("large.json", value=1, rows=1, do="answer " * 100)
    toy.put("small.json", value=2)
    assert toy.run(record_bytes=100)["quarantined"] == 1
    assert toy.values() == [2]
    assert toy.reasons()["large.json"].endswith("the limit is 100.")


def test_what_was_mended_is_answered_and_its_bad_content_leaves_the_quarantine(toy):
    toy.put("a.json", do="refuse")
    assert toy.run()["quarantined"] == 1
    toy.put("a.json", value=5)
    assert toy.run() == {"pending": 0, "done": 1, "quarantined": 0, "retracted": 1}
    assert toy.values() == [5]


def test_a_stop_leaves_the_rest_pending_for_the_next_run(toy):
    for number in range(200):
        toy.put(f"{number:03}.json", value=number)
    service = toy.service(batch_records=5)
    heard = []

    class Stop(logging.Handler):
        def emit(self, record):
            heard.append(record.getMessage())
            if heard.count("batch") == 3:
                service.stop()

    handler = Stop()
    logging.getLogger(LOGGER).addHandler(handler)
    logging.getLogger(LOGGER).setLevel(logging.INFO)
    try:
        counts = service.run()
    finally:
        logging.getLogger(LOGGER).removeHandler(handler)
    assert counts["done"] == 15
    assert counts["pending"] == 185
    assert toy.run()["done"] == 200
    assert toy.values() == list(range(200))


def test_a_signal_stops_it_and_the_handlers_are_as_before(toy):
    before = signal.getsignal(signal.SIGTERM)
    toy.put("a.json", value=1)
    service = toy.service()
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM))
    timer.start()
    with stopped_by_signals(service):
        counts = service.run()
    assert counts["pending"] + counts["done"] <= 1
    assert signal.getsignal(signal.SIGTERM) is before


def test_two_services_do_not_write_one_folder(toy):
    service = toy.service()
    held = alone(toy.found / ".skysift" / "lock.sqlite")
    with held, pytest.raises(OutputError, match="Another service writes here"):
        service.run(once=True)
    assert service.run(once=True)["done"] == 0


def test_what_cannot_work_is_refused_before_anything_is_made(toy):
    config = toy.config()
    missing = config.model_copy(
        update={"source": config.source.model_copy(update={"folder": toy.incoming / "none"})}
    )
    with pytest.raises(ReadError, match="cannot be read"):
        Service(missing)
    with pytest.raises(ConfigError, match="priro"):
        Service(config.model_copy(update={"predict": {"priro": 0.3}}))
    assert not toy.found.exists()


def test_a_worker_that_cannot_load_its_task_stops_the_service_with_its_words(toy):
    config = toy.config()
    service = Service(config)
    object.__setattr__(service._bundle, "folder", toy.incoming)
    with pytest.raises(SkysiftError, match="cannot be read"):
        service.run(once=True)


def test_a_worker_that_dies_at_birth_stops_the_service(toy):
    service = Service(toy.config(), worker_command=("false",))
    with pytest.raises(SkysiftError, match="died while it loaded the model: exit code 1"):
        service.run(once=True)


def test_the_database_is_whole_and_says_what_made_each_answer(toy):
    toy.put("a.json", value=1)
    service = toy.service()
    service.run(once=True)
    with toy.spool() as spool:
        spool.check()
        (record,) = spool.in_state("done")
        assert spool.find(record.id[:6]) == record
    assert record.bundle == service._bundle.hash
    assert len(record.sha256) == 64
    database = sqlite3.connect(toy.found / ".skysift" / "spool.sqlite")
    assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    database.close()
