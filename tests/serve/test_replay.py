"""A stream of the past arrives again, under the same ids, at the speed that is asked for."""

import json
import logging
import os
from dataclasses import replace

import pytest

from skysift.serve.journal import LOGGER
from skysift.serve.packs import PackStore
from skysift.serve.replay import ReplaySource
from skysift.serve.source_options import ReplayOptions
from skysift.serve.spool import Spool


@pytest.fixture
def night(toy):
    """Ten files of a night, ten minutes from each other; the third is broken."""
    for number in range(10):
        path = toy.put(f"{number}.json", value=number)
        if number == 2:
            path.write_text("broken")
        os.utime(path, (1e9 + 600 * number, 1e9 + 600 * number))
    return toy


def again(toy, tmp_path, **source):
    return replace(toy, found=tmp_path / "again", source={"kind": "replay", **source})


def test_a_folder_of_files_arrives_again_with_the_ids_of_the_original(night, tmp_path):
    night.run()
    replayed = again(night, tmp_path, folder=night.incoming, speed=0)
    assert replayed.run() == {"pending": 0, "done": 9, "quarantined": 1, "retracted": 0}
    assert sorted(replayed.ids()) == sorted(night.ids())
    with night.spool() as spool, replayed.spool() as other:
        (bad,), (also,) = spool.in_state("quarantined"), other.in_state("quarantined")
    assert bad.id == also.id


def test_what_was_recorded_from_kafka_arrives_again_with_the_ids_of_the_original(
    listener, kafka, tmp_path
):
    messages = [json.dumps({"value": number}).encode() for number in range(20)]
    kafka.send("events", *messages, b"broken")
    recording = tmp_path / "recording"
    recorded = replace(listener, source={**listener.source, "record": recording})
    recorded.run()
    kept = sorted(path.name for path in recording.iterdir())
    replayed = again(listener, tmp_path, folder=recording, speed=0)
    assert replayed.run() == {"pending": 0, "done": 20, "quarantined": 1, "retracted": 0}
    assert sorted(replayed.ids()) == sorted(recorded.ids())
    assert replayed.run()["done"] == 20  # again, and nothing is new
    assert sorted(path.name for path in recording.iterdir()) == kept


def test_recorded_messages_in_the_wire_format_find_their_schema_again(listener, kafka, tmp_path):
    pytest.importorskip("fastavro")
    schema = {"type": "record", "name": "r", "fields": [{"name": "value", "type": "long"}]}
    (tmp_path / "7.avsc").write_text(json.dumps(schema))
    kafka.send("events", b"\0\0\0\0\x07\x54")
    known = {"schemas": str(tmp_path), "record": str(tmp_path / "recording")}
    recorded = replace(listener, source={**listener.source, **known}, worker="avro")
    recorded.run()
    replayed = again(recorded, tmp_path, folder=tmp_path / "recording", speed=0)
    assert replayed.run()["quarantined"] == 1
    assert "source.schemas" in next(iter(replayed.reasons().values()))
    with replayed.spool() as spool:
        spool.replay([record.id for record in spool.in_state("quarantined")])
    informed = again(
        recorded, tmp_path, folder=tmp_path / "recording", speed=0, schemas=str(tmp_path)
    )
    assert informed.run()["done"] == 1
    assert informed.values() == recorded.values() == [42]


def test_folders_inside_arrive_again_if_they_are_asked_for(toy, tmp_path):
    (toy.incoming / "inside").mkdir()
    toy.put("inside/1.json", value=1)
    first = replace(toy, source={"folder": toy.incoming, "settle": 0, "recursive": True})
    first.run()
    assert again(toy, tmp_path, folder=toy.incoming, speed=0).run()["done"] == 0
    replayed = again(toy, tmp_path, folder=toy.incoming, speed=0, recursive=True)
    assert replayed.run()["done"] == 1
    assert replayed.ids() == first.ids()


class Clock:
    """A time that passes when somebody sleeps."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.mark.parametrize("speed", [1, 100])
def test_records_arrive_as_far_from_each_other_as_they_did_divided_by_the_speed(
    night, tmp_path, monkeypatch, caplog, speed
):
    clock = Clock()
    monkeypatch.setattr("skysift.serve.replay.time.sleep", clock.sleep)
    options = ReplayOptions(kind="replay", folder=night.incoming, speed=speed)
    store = PackStore(tmp_path / "messages")
    seen = []
    with Spool(tmp_path / "spool.sqlite") as spool, caplog.at_level(logging.INFO, logger=LOGGER):
        source = ReplaySource(options, 1000, spool, store, clock)
        while not source.collect(1.0):
            if len(seen) < spool.backlog():
                seen += [clock.now] * (spool.backlog() - len(seen))
        seen += [clock.now] * (spool.backlog() - len(seen))
        assert source.settling == 0
    waited = [moment - seen[0] for moment in seen]
    assert waited == pytest.approx([600 / speed * number for number in range(10)], abs=0.3)


def test_a_replay_that_was_stopped_goes_on_without_a_wait(night, tmp_path, monkeypatch):
    clock = Clock()
    monkeypatch.setattr("skysift.serve.replay.time.sleep", clock.sleep)
    options = ReplayOptions(kind="replay", folder=night.incoming, speed=10)
    store = PackStore(tmp_path / "messages")
    with Spool(tmp_path / "spool.sqlite") as spool:
        first = ReplaySource(options, 1000, spool, store, clock)
        while spool.backlog() < 4:
            first.collect(1.0)
        before = clock.now
        second = ReplaySource(options, 1000, spool, store, clock)
        second.collect(1.0)
        assert spool.backlog() == 5
        assert clock.now == before
