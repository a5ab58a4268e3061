"""The ledger: what it refuses, and that what it says holds for any order of arrivals."""

import sqlite3
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skysift.core.errors import OutputError, ReadError, UnknownNameError, UsageError
from skysift.serve.lock import alone
from skysift.serve.records import Arrival, Batch, OutputFile, State
from skysift.serve.schema import SCHEMA_VERSION
from skysift.serve.spool import REPLACED, Spool


def arrival(content: int, name: str = "", **changes) -> Arrival:
    name = name or f"{content}.fits"
    values = {
        "id": f"{content:064x}",
        "name": name,
        "path": Path("night") / name,
        "sha256": f"{content:064x}",
        "size": 100,
        "inode": content % 2**63,
        "modified": content % 2**63,
        "arrived": 1.0,
    }
    return Arrival(**{**values, **changes})


@pytest.fixture
def spool(tmp_path):
    with Spool(tmp_path / "spool.sqlite") as spool:
        yield spool


@pytest.mark.parametrize(("writable", "remedy"), [(True, "has room"), (False, "while a service")])
def test_who_may_not_write_is_told_when_a_spool_can_be_read(
    tmp_path, monkeypatch, writable, remedy
):
    monkeypatch.setattr("skysift.serve.database.os.access", lambda *_: writable)
    with pytest.raises(OutputError, match=f"unable to open.*{remedy}"):
        Spool(tmp_path)  # a folder is no database


def test_a_spool_of_another_version_is_refused(tmp_path):
    path = tmp_path / "spool.sqlite"
    Spool(path).close()
    database = sqlite3.connect(path)
    database.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    database.close()
    with pytest.raises(ReadError, match=rf"schema version {SCHEMA_VERSION + 1}.*Upgrade"):
        Spool(path)


def test_the_database_of_another_program_is_left_alone(tmp_path):
    path = tmp_path / "spool.sqlite"
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE bookmarks (url TEXT)")
    database.close()
    before = path.read_bytes()
    with pytest.raises(ReadError, match="another program"):
        Spool(path)
    assert path.read_bytes() == before


def test_damage_is_noticed(tmp_path):
    path = tmp_path / "spool.sqlite"
    with Spool(path) as spool:
        spool.add(arrival(number) for number in range(500))
        spool._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    data = bytearray(path.read_bytes())
    data[8192:16384] = b"\xa5" * 8192
    path.write_bytes(data)
    with Spool(path) as spool, pytest.raises(ReadError, match="damaged"):
        spool.check()
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(ReadError, match="damaged"):
        Spool(path)


def test_one_that_is_not_there_is_not_made_by_who_only_asks(tmp_path):
    with pytest.raises(ReadError, match="no spool here"):
        Spool(tmp_path / "spool.sqlite", create=False)
    assert not list(tmp_path.iterdir())


def test_a_transaction_that_fails_leaves_nothing(spool):
    def arrivals():
        yield arrival(1)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        spool.add(arrivals())
    assert spool.counts()["pending"] == 0


def test_a_record_with_a_strike_gives_way_to_others_and_comes_alone(spool):
    spool.add(arrival(number) for number in range(1005))
    spool.strike(arrival(2).id)
    batches = []
    while records := spool.next_records(2000, 10**9):
        batches.append([int(record.id, 16) for record in records])
        spool.publish(spool.prepare(Batch({record.id: 1 for record in records}), "b"))
    assert batches == [[0, 1, *range(3, 1002)], [2], [1002, 1003, 1004]]


def test_a_batch_is_no_larger_than_it_may_be_but_for_a_single_record(spool):
    sizes = [10, 10, 300, 10, 60, 60]
    spool.add(arrival(number, size=size) for number, size in enumerate(sizes))
    batches = []
    while records := spool.next_records(10, 100):
        batches.append([record.size for record in records])
        spool.publish(spool.prepare(Batch({record.id: 0 for record in records}), "b"))
    assert batches == [[10, 10], [300], [10, 60], [60]]


def test_a_record_moved_before_it_was_read_is_found_where_it_is(spool):
    spool.add([arrival(1, "a.fits")])
    spool.add([arrival(1, "b.fits")])
    (record,) = spool.next_records(10, 10**9)
    assert record.name == "b.fits"


def test_what_was_replaced_counts_again_when_its_content_comes_back(spool):
    spool.add([arrival(1, "a.fits")])
    spool.add([arrival(2, "a.fits")])
    assert spool.find(arrival(1).id).reason == REPLACED
    spool.add([arrival(1, "a.fits")])
    assert spool.find(arrival(1).id).state is State.PENDING
    assert spool.find(arrival(2).id).state is State.RETRACTED


def test_a_copy_of_what_was_replaced_is_noted_anew(spool):
    spool.add([arrival(1, "a.fits"), arrival(1, "copy.fits")])
    spool.add([arrival(2, "a.fits")])
    assert spool.noted("copy.fits") is None  # the next look takes it
    spool.add([arrival(1, "copy.fits")])
    assert {record.name for record in spool.in_state(State.PENDING)} == {"a.fits", "copy.fits"}


def test_an_answer_that_was_given_stands_whatever_becomes_of_the_file(spool):
    spool.add([arrival(1, "a.fits")])
    spool.publish(spool.prepare(Batch({arrival(1).id: 3}), "b"))
    spool.add([arrival(2, "a.fits")])
    spool.add([arrival(1, "a.fits")])
    assert spool.counts() == {"pending": 0, "done": 1, "quarantined": 0, "retracted": 1}


def test_what_a_person_dropped_does_not_come_back(spool):
    spool.add([arrival(1, reason="too large")])
    assert spool.drop([arrival(1).id], "not ours") == 1
    spool.add([arrival(1)])
    assert spool.find(arrival(1).id).state is State.RETRACTED
    assert spool.replay([arrival(1).id]) == 0


def test_a_record_is_found_by_the_beginning_of_its_id(spool):
    spool.add([arrival(0xA1 << 248), arrival(0xA2 << 248)])
    assert spool.find("a1").id.startswith("a1")
    with pytest.raises(UsageError, match="Several"):
        spool.find("a")
    with pytest.raises(UnknownNameError):
        spool.find("b")
    with pytest.raises(UnknownNameError):
        spool.find("")


def test_a_prepared_batch_is_nobody_elses(spool):
    spool.add([arrival(1), arrival(2)])
    file = OutputFile(staged="s", final="f")
    number = spool.prepare(Batch({arrival(1).id: 1}, files=(file,)), "b")
    assert [record.name for record in spool.next_records(10, 10**9)] == ["2.fits"]
    assert spool.prepared() == [(number, (file,))]
    spool.withdraw(number)
    assert len(spool.next_records(10, 10**9)) == 2
    assert spool.prepared() == []


def test_the_lock_is_one_process_at_a_time_and_ends_with_it(tmp_path):
    path = tmp_path / "lock.sqlite"
    with alone(path), pytest.raises(OutputError, match="Another service"), alone(path):
        pass
    with alone(path):
        pass


actions = st.lists(
    st.tuples(st.sampled_from(["arrive", "answer", "refuse", "replay"]), st.integers(0, 5)),
    max_size=40,
)


@settings(max_examples=40)
@given(actions)
def test_whatever_happens_a_record_is_answered_at_most_once_and_never_forgotten(
    tmp_path_factory, actions
):
    answered = Counter()
    arrived = set()
    with Spool(tmp_path_factory.mktemp("spool") / "spool.sqlite") as spool:
        for action, content in actions:
            if action == "arrive":
                spool.add([arrival(content, f"{content % 3}.fits")])
                arrived.add(arrival(content).id)
            elif action == "replay":
                spool.replay([arrival(content).id])
            else:
                records = spool.next_records(2, 10**9)
                ids = [record.id for record in records]
                if action == "answer":
                    answered.update(ids)
                    spool.publish(spool.prepare(Batch(dict.fromkeys(ids, 1)), "b"))
                else:
                    spool.prepare(Batch(refused=dict.fromkeys(ids, "no")), "b")
        counts = spool.counts()
        done = {record.id for record in spool.in_state(State.DONE)}
        spool.check()
    assert sum(counts.values()) == len(arrived)
    assert set(answered.values()) <= {1}
    assert done == set(answered)
