"""Messages of Kafka: none lost and none doubled, whoever dies and whenever."""

import json
import logging
import os
import re
import time
from contextlib import closing
from dataclasses import replace

import pytest

from skysift.core.config import build_config
from skysift.core.errors import ConfigError, UsageError
from skysift.serve import ownership
from skysift.serve.config import WatchConfig
from skysift.serve.journal import LOGGER
from skysift.serve.kafka import KafkaSource
from skysift.serve.kafka_client import client_settings
from skysift.serve.packs import PackStore, read_pack
from skysift.serve.records import Batch
from skysift.serve.spool import Spool


def values(*numbers):
    return [json.dumps({"value": number}).encode() for number in numbers]


def packs(toy):
    return sorted((toy.found / ".skysift" / "messages").glob("*.pack"))


def test_every_message_of_every_topic_is_answered_once(listener, kafka):
    kafka.topic("more", 1)
    kafka.send("events", *values(*range(40)))
    kafka.send("more", *values(*range(100, 110)))
    both = replace(listener, source={**listener.source, "topics": ["events", "more"]})
    assert both.run()["done"] == 50
    assert both.values() == [*range(40), *range(100, 110)]
    kafka.send("events", *values(40, 7))  # 7 has been there
    assert both.run()["done"] == 51
    assert both.values() == [*range(41), *range(100, 110)]
    assert not packs(both)
    names = {row["skysift_input"] for row in both.rows()}
    assert all(re.fullmatch(r"(events|more)-\d-\d+", name) for name in names)


def test_poison_is_kept_shown_and_answered_when_it_is_replayed(listener, kafka):
    kafka.send("events", *values(*range(20)), b"no JSON", b"", b'{"value": 1, "do": "crash"}')
    large = json.dumps({"value": 99, "filler": "x" * 1000}).encode()
    kafka.send("events", large)
    counts = listener.run(record_bytes=1000)
    assert counts == {"pending": 0, "done": 20, "quarantined": 4, "retracted": 0}
    assert listener.values() == list(range(20))
    reasons = sorted(listener.reasons().values())
    assert [reason.split()[0] for reason in reasons] == ["It", "It", "The", "The"]
    assert not packs(listener)  # what is in quarantine is a file of its own now
    with listener.spool() as spool:
        kept = {record.path.read_bytes(): record for record in spool.in_state("quarantined")}
        assert set(kept) == {b"no JSON", b"", large, b'{"value": 1, "do": "crash"}'}
        spool.replay([kept[large].id])
        spool.drop([kept[b"no JSON"].id], "a test")
    assert listener.run()["done"] == 21
    assert 99 in listener.values()
    left = set((listener.found / ".skysift" / "messages").glob("*.message"))
    assert left == {kept[b""].path, kept[b'{"value": 1, "do": "crash"}'].path}


class Killed(BaseException):
    """The process is gone: nothing catches this."""


@pytest.mark.parametrize(
    "point",
    [
        (PackStore, "write", False),
        (PackStore, "write", True),
        (KafkaSource, "_commit", True),
        (Spool, "add_messages", True),
        (Spool, "prepare", False),
        (Spool, "forget_pack", True),
    ],
)
def test_killed_at_any_step_the_next_run_has_every_answer_once(listener, kafka, monkeypatch, point):
    owner, name, after = point
    kafka.send("events", *values(*range(20)))
    original = getattr(owner, name)

    def die(*arguments, **options):
        if after:
            original(*arguments, **options)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, die)
        with pytest.raises(Killed):
            listener.run()
    assert listener.run() == {"pending": 0, "done": 20, "quarantined": 0, "retracted": 0}
    assert listener.values() == list(range(20))
    assert not packs(listener)


@pytest.mark.parametrize("landed", [True, False])
def test_what_a_dead_service_had_received_is_answered_by_one_service_alone(
    listener, kafka, monkeypatch, tmp_path, landed
):
    """One service dies before it notes what it has committed, or not; another takes over."""
    kafka.send("events", *values(*range(20)))
    commit = KafkaSource._commit

    def die(self, packed):
        if landed:
            commit(self, packed)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(KafkaSource, "_commit", die)
        with pytest.raises(Killed):
            listener.run()
    (pack,) = packs(listener)
    received = len(list(read_pack(pack)))
    other = replace(listener, found=tmp_path / "other")
    kafka.send("events", *values(*range(20, 30)))
    other.run()
    listener.run()
    assert sorted(listener.values() + other.values()) == list(range(30))
    assert len(listener.values()) == (received if landed else 0)
    assert not packs(listener)


def test_the_history_of_a_partition_says_who_has_taken_a_message():
    history = ownership.begun([], "ada", 0)
    history = ownership.begun(history, "ada", 50)  # started again
    history = ownership.begun(history, "bob", 100)
    history = ownership.begun(history, "eve", 100)  # bob has taken nothing
    history = ownership.begun(history, "ada", 120)
    assert history == [("ada", 0), ("eve", 100), ("ada", 120)]
    assert [ownership.taker(history, offset) for offset in (0, 99, 100, 119, 120)] == [
        "ada",
        "ada",
        "eve",
        "eve",
        "ada",
    ]
    assert ownership.read(ownership.written(history)) == history
    for number in range(1000):
        history = ownership.begun(history, f"{number:08x}", 200 + number)
    assert len(ownership.written(history)) < 4096
    assert ownership.taker(history, 5) is None
    assert ownership.read("of another program") == []


def test_the_reason_of_a_message_names_no_file_that_nobody_can_open(listener, kafka):
    kafka.send("events", b'{"value": 1, "do": "refuse"}', *values(3))
    listener.run()
    assert list(listener.reasons().values()) == ["Nothing in it can be used. Send another."]


def test_no_more_is_asked_for_than_can_be_answered(listener, kafka, caplog):
    """Nothing is answered before the source has paused, however fast the machine is."""
    kafka.send("events", *values(*range(30)))
    options = replace(listener, source={**listener.source, "backlog": 10, "batch": 5})
    store = PackStore(listener.found / "messages")
    caplog.set_level(logging.INFO, logger=LOGGER)

    def told():
        return [record.getMessage() for record in caplog.records]

    with (
        Spool(listener.found / "spool.sqlite") as spool,
        closing(KafkaSource(options.config().source, 1000, spool, store)) as source,
    ):
        collect_until(source, lambda: "paused" in told())
        waiting = spool.backlog()
        assert 10 <= waiting <= 20  # with the pack in hand, and what came while it was written
        source.collect(0.3)
        source.collect(0.3)
        assert spool.backlog() == waiting
        while not source.collect(0.1) or spool.backlog():
            ids = [record.id for record in spool.in_state("pending")]
            spool.publish(spool.prepare(Batch(answered=dict.fromkeys(ids, 1)), "bundle"))
        assert spool.counts()["done"] == 30
    assert told().index("paused") < told().index("resumed")


def collect_until(source, condition, seconds=30.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        source.collect(0.1)


def test_a_message_in_the_wire_format_is_given_to_the_task_with_its_schema(
    listener, kafka, tmp_path
):
    pytest.importorskip("fastavro")
    schema = {"type": "record", "name": "r", "fields": [{"name": "value", "type": "long"}]}
    schemas = tmp_path / "schemas"
    schemas.mkdir()
    (schemas / "7.avsc").write_text(json.dumps(schema))
    kafka.send("events", b"\0\0\0\0\x07\x54", b"\0\0\0\0\x08\x54")
    reader = replace(listener, source={**listener.source, "schemas": str(schemas)}, worker="avro")
    assert reader.run()["quarantined"] == 1
    assert reader.values() == [42]
    assert "8.avsc: There is no schema" in next(iter(reader.reasons().values()))
    (schemas / "8.avsc").write_text(json.dumps(schema))
    with reader.spool() as spool:
        spool.replay([record.id for record in spool.in_state("quarantined")])
    assert reader.run()["done"] == 2


def test_secrets_are_taken_from_a_file_and_the_environment_and_never_from_the_configuration(
    tmp_path,
):
    path = tmp_path / "kafka.properties"
    path.write_text("# login\nsecurity.protocol=SASL_SSL\nsasl.password = hidden\n")
    path.chmod(0o600)
    environment = {"SKYSIFT_KAFKA_SASL_USERNAME": "ada", "HOME": "/"}
    assert client_settings("one:1", {"fetch.min.bytes": 1}, path, environment) == {
        "bootstrap.servers": "one:1",
        "fetch.min.bytes": 1,
        "security.protocol": "SASL_SSL",
        "sasl.password": "hidden",
        "sasl.username": "ada",
    }
    path.write_text("sasl.password hidden")
    with pytest.raises(ConfigError, match="not key=value") as raised:
        client_settings("one:1", {}, path, {})
    assert "hidden" not in str(raised.value)
    source = {"kind": "kafka", "servers": "one:1", "topics": ["a"]}
    values = {"task": "gamma-sky", "source": source, "sink": {"folder": "found"}}
    source["settings"] = {"sasl.password": "hidden"}
    with pytest.raises(ConfigError, match="SKYSIFT_KAFKA_SASL_PASSWORD"):
        build_config(WatchConfig, values)
    source["settings"] = {"fetch.min.bytes": 1}
    assert build_config(WatchConfig, values).source.topics == ("a",)
    source["kind"] = "kafak"
    with pytest.raises(ConfigError, match="kafak"):
        build_config(WatchConfig, values)


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="no such modes on this system")
def test_a_file_with_a_password_that_others_can_read_is_refused(tmp_path):
    path = tmp_path / "kafka.properties"
    path.write_text("security.protocol=SSL\n")
    path.chmod(0o644)
    assert client_settings("one:1", {}, path, {})["security.protocol"] == "SSL"
    path.write_text("sasl.password=hidden\n")
    with pytest.raises(UsageError, match="chmod 600") as raised:
        client_settings("one:1", {}, path, {})
    assert "hidden" not in str(raised.value)


def test_messages_that_do_not_fit_on_the_disk_stop_the_service_and_are_not_acknowledged(
    listener, kafka, monkeypatch
):
    kafka.send("events", *values(*range(10)))

    def full(_path):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("skysift.serve.packs.flush_file", full)
        with pytest.raises(Exception, match="No space left"):
            listener.run()
    assert set(kafka.committed("skysift", "events").values()) == {-1001}
    assert listener.run()["done"] == 10
    assert listener.values() == list(range(10))
