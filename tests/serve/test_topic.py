"""Published rows go to a topic as well: all of them, and none twice but after a kill."""

import json
import logging

import pytest

from skysift.serve import topic
from skysift.serve.journal import LOGGER
from skysift.serve.topic import TopicFollower
from skysift.serve.topic_options import TopicOptions


@pytest.fixture
def follower(kafka):
    kafka.topic("rows", 1)
    options = TopicOptions(
        servers=kafka.servers, topic="rows", settings={"message.timeout.ms": 60_000}
    )
    follower = TopicFollower(options)
    yield follower
    follower.close()


def sent(kafka, count):
    return [
        (message.key().decode(), json.loads(message.value()), dict(message.headers()))
        for message in kafka.received("rows", count)
    ]


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_every_row_is_sent_once_with_the_id_of_its_record(toy, kafka, follower, kind):
    for number in range(12):
        toy.put(f"{number:02}.json", value=number, rows=2)
    toy.put("bad.json", do="refuse")
    toy.run(followers=[follower], batch_records=5, format=kind)
    toy.put("late.json", value=99)
    toy.run(followers=[follower], format=kind)
    found = sent(kafka, 25)
    assert sorted(row["value"] for _, row, _ in found) == sorted([*range(12)] * 2 + [99])
    assert [key for key, _, _ in found] == [row["skysift_record"] for _, row, _ in found]
    places = [(headers["batch"], headers["row"]) for _, _, headers in found]
    assert len(set(places)) == 25


def test_killed_before_its_note_a_batch_is_sent_again_under_the_same_numbers(
    toy, kafka, follower, monkeypatch
):
    class Killed(BaseException):
        pass

    def die(*_arguments):
        raise Killed

    toy.put("a.json", value=1)
    with monkeypatch.context() as patch:
        patch.setattr(topic, "_write", die)
        with pytest.raises(Killed):
            toy.run(followers=[follower])
    toy.run(followers=[follower])
    first, second = sent(kafka, 2)
    assert first == second


def test_a_broker_that_is_away_holds_no_answer_up(toy, kafka, follower, monkeypatch, caplog):
    monkeypatch.setattr(topic, "_SECONDS", 0.3)
    toy.put("a.json", value=1)
    kafka.down()
    with caplog.at_level(logging.WARNING, logger=LOGGER):
        assert toy.run(followers=[follower])["done"] == 1
    (told,) = (r for r in caplog.records if r.getMessage() == "follower-failed")
    assert "does not take the rows" in told.skysift_fields["reason"]
    kafka.up()
    monkeypatch.setattr(topic, "_SECONDS", 20)
    toy.put("b.json", value=2)
    toy.run(followers=[follower])
    assert [row["value"] for _, row, _ in sent(kafka, 2)] == [1, 2]


def test_the_configuration_names_the_topic(toy, kafka):
    kafka.topic("rows", 1)
    toy.put("a.json", value=1)
    config = toy.config()
    options = TopicOptions(servers=kafka.servers, topic="rows")
    service = toy.service_of(config.model_copy(update={"topic": options}))
    service.run(once=True)
    assert [row["value"] for _, row, _ in sent(kafka, 1)] == [1]
