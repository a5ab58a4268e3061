"""Alerts as messages of Kafka: one topic, the key of the alert, and a cluster that is away."""

import json
import time

import confluent_kafka
import pytest

from skysift.core.config import build_config
from skysift.core.errors import ConfigError
from skysift.serve.alerts.delivery import UndeliveredError
from skysift.serve.alerts.kafka import KafkaTopic
from skysift.serve.alerts.options import KafkaOptions
from skysift.serve.alerts.outbox import Message


@pytest.fixture
def cluster():
    """A Kafka cluster of librdkafka's own, which speaks the real protocol; its address."""
    holder = confluent_kafka.Producer({"test.mock.num.brokers": 3, "bootstrap.servers": " "})
    brokers = holder.list_topics(timeout=10).brokers.values()
    yield ",".join(f"{broker.host}:{broker.port}" for broker in brokers)
    holder.flush(0)


def consumed(address, topic, number, seconds=60.0):
    consumer = confluent_kafka.Consumer(
        {"bootstrap.servers": address, "group.id": "readers", "log_level": 2}
    )
    found = []
    try:
        partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        beginning = confluent_kafka.OFFSET_BEGINNING
        consumer.assign([confluent_kafka.TopicPartition(topic, n, beginning) for n in partitions])
        end = time.monotonic() + seconds
        while len(found) < number and time.monotonic() < end:
            polled = consumer.poll(0.2)
            if polled is not None and polled.error() is None:
                found.append(polled)
    finally:
        consumer.close()
    return found


def test_a_topic_has_each_revision_under_the_key_of_its_alert(sink, row, cluster):
    kafka = KafkaOptions(topic="alerts", settings={"bootstrap.servers": cluster})
    sink.publish(row(end=sink.now - 5))
    sink.follow(kafka={"gcn": kafka})
    sink.publish(row(end=sink.now - 4, far=1e-12))
    sink.follow(kafka={"gcn": kafka})
    found = consumed(cluster, "alerts", 2)
    notices = sink.notices()
    assert [json.loads(one.value()) for one in found] == notices
    assert {one.key().decode() for one in found} == {notices[0]["id"][0]}
    assert dict(found[1].headers())["kind"] == b"update"
    with sink.outbox() as outbox:
        assert outbox.waiting() == {}


def test_a_cluster_that_is_away_is_told_when_it_is_back(sink, row, cluster):
    away = KafkaOptions(
        topic="alerts", settings={"bootstrap.servers": "127.0.0.1:9"}, timeout=0.5, backoff=0.01
    )
    sink.publish(row())
    sink.follow(kafka={"gcn": away})
    with sink.outbox() as outbox:
        (waiting,) = outbox.undelivered()
        assert waiting["attempts"] >= 1
    back = away.model_copy(update={"settings": {"bootstrap.servers": cluster}, "timeout": 10.0})
    sink.follow(kafka={"gcn": back})
    assert len(consumed(cluster, "alerts", 1)) == 1


def test_secrets_of_kafka_come_from_the_environment(monkeypatch):
    with pytest.raises(ConfigError, match="environment variable"):
        build_config(KafkaOptions, {"topic": "a", "settings": {"sasl.password": "word"}})
    monkeypatch.delenv("KAFKA_WORD", raising=False)
    topic = KafkaTopic(
        KafkaOptions(
            topic="a", settings={"bootstrap.servers": "x"}, secrets={"sasl.password": "KAFKA_WORD"}
        )
    )
    message = Message("20270115-aa", 1, "initial", "test", b"{}", "json", attempts=1, since=0.0)
    with pytest.raises(UndeliveredError, match="KAFKA_WORD is not set"):
        topic.send(message)
