"""A Kafka cluster in this process: the mock of librdkafka, which speaks the real protocol.

The Python client reaches it only by a setting; that a broker goes away and comes back takes the
functions of ``rdkafka_mock.h``.
"""

import ctypes
from pathlib import Path

import confluent_kafka
from confluent_kafka import Consumer, Producer, TopicPartition

_POINTER = ctypes.c_void_p


def _library():
    folder = Path(confluent_kafka.__file__).parent.with_name("confluent_kafka.libs")
    (path,) = folder.glob("librdkafka*")
    library = ctypes.CDLL(str(path))
    library.rd_kafka_conf_new.restype = _POINTER
    library.rd_kafka_new.restype = _POINTER
    library.rd_kafka_new.argtypes = [ctypes.c_int, _POINTER, ctypes.c_char_p, ctypes.c_size_t]
    library.rd_kafka_destroy.argtypes = [_POINTER]
    mock = "rd_kafka_mock_"
    for name, result, arguments in (
        ("cluster_new", _POINTER, [_POINTER, ctypes.c_int]),
        ("cluster_destroy", None, [_POINTER]),
        ("cluster_bootstraps", ctypes.c_char_p, [_POINTER]),
        ("group_initial_rebalance_delay_ms", None, [_POINTER, ctypes.c_int32]),
        ("topic_create", ctypes.c_int, [_POINTER, ctypes.c_char_p, ctypes.c_int, ctypes.c_int]),
        ("broker_set_down", ctypes.c_int, [_POINTER, ctypes.c_int32]),
        ("broker_set_up", ctypes.c_int, [_POINTER, ctypes.c_int32]),
    ):
        function = getattr(library, mock + name)
        function.restype, function.argtypes = result, arguments
    return library


class MockKafka:
    """One broker, with topics of a few partitions."""

    def __init__(self):
        self._library = _library()
        self._client = self._library.rd_kafka_new(0, self._library.rd_kafka_conf_new(), None, 0)
        self._cluster = self._library.rd_kafka_mock_cluster_new(self._client, 1)
        self._library.rd_kafka_mock_group_initial_rebalance_delay_ms(self._cluster, 50)
        self.servers = self._library.rd_kafka_mock_cluster_bootstraps(self._cluster).decode()
        self._producer = Producer({"bootstrap.servers": self.servers, "log_level": 0})

    def topic(self, name, partitions=4):
        self._library.rd_kafka_mock_topic_create(self._cluster, name.encode(), partitions, 1)

    def send(self, topic, *messages, partition=None):
        """Send messages and wait until the broker has them."""
        where = {} if partition is None else {"partition": partition}
        failures = []

        def delivered(error, _message):
            if error is not None:
                failures.append(error)

        for message in messages:
            self._producer.produce(topic, message, on_delivery=delivered, **where)
            self._producer.poll(0)
        assert self._producer.flush(20) == 0
        assert not failures

    def down(self):
        """Let the broker go away."""
        self._library.rd_kafka_mock_broker_set_down(self._cluster, 1)

    def up(self):
        """Let it come back, with all that it knew."""
        self._library.rd_kafka_mock_broker_set_up(self._cluster, 1)

    def committed(self, group, topic, partitions=4):
        """Return the offsets of a group."""
        consumer = Consumer({"bootstrap.servers": self.servers, "group.id": group})
        asked = [TopicPartition(topic, number) for number in range(partitions)]
        found = consumer.committed(asked, timeout=10)
        consumer.close()
        return {item.partition: item.offset for item in found}

    def received(self, topic, count, **settings):
        """Return the first messages of a topic as a new reader gets them."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.servers,
                "group.id": f"reader-{id(self)}-{topic}",
                "auto.offset.reset": "earliest",
                **settings,
            }
        )
        consumer.subscribe([topic])
        found = []
        for _ in range(200):
            found += [m for m in consumer.consume(500, 0.1) if m.error() is None]
            if len(found) >= count:
                break
        found += [m for m in consumer.consume(500, 0.3) if m.error() is None]
        consumer.close()
        return found

    def close(self):
        self._producer.flush(0)
        del self._producer
        self._library.rd_kafka_mock_cluster_destroy(self._cluster)
        self._library.rd_kafka_destroy(self._client)
