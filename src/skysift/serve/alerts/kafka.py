"""Messages to a topic of a Kafka cluster, by an idempotent producer; the key is the alert's id."""

import os
import threading
from collections.abc import Callable
from typing import Any

from skysift.core.errors import MissingExtraError
from skysift.core.extras import import_extra
from skysift.serve.alerts.delivery import UndeliveredError
from skysift.serve.alerts.formats import MEDIA_TYPES
from skysift.serve.alerts.options import KafkaOptions
from skysift.serve.alerts.outbox import Message

__all__ = ["KafkaTopic"]


class KafkaTopic:
    """A topic.

    Parameters
    ----------
    options : KafkaOptions

    Notes
    -----
    A message counts as delivered once all in-sync replicas have it (``acks=all``). The producer is
    made with the first message, so that a cluster that is away stops nobody, and again after a
    failure: one that has given up a message of an idempotent sequence sends no other.
    """

    def __init__(self, options: KafkaOptions) -> None:
        self._options = options
        self._producer: Any = None

    def send(self, message: Message) -> None:
        """Send a message and wait until the cluster has it.

        Raises
        ------
        UndeliveredError
            If it does not say so in time.
        """
        done = threading.Event()
        errors: list[object] = []

        def report(error: object, _message: object) -> None:
            if error is not None:
                errors.append(error)
            done.set()

        try:
            self._produce(message, report)
        except UndeliveredError:
            raise
        except MissingExtraError as error:
            raise UndeliveredError(str(error)) from error
        except Exception as error:
            # KafkaException is not known before the extra is; a full queue is a BufferError.
            self.close()
            raise UndeliveredError(f"{type(error).__name__}: {error}") from error
        if not done.is_set():
            self.close()
            raise UndeliveredError(f"no confirmation in {self._options.timeout:g} s")
        if errors:
            self.close()
            raise UndeliveredError(str(errors[0]))

    def _produce(self, message: Message, report: Callable[[object, object], None]) -> None:
        """Hand a message to the producer and wait until it has reported, but not for ever."""
        producer = self._open()
        headers = {
            "content-type": MEDIA_TYPES[message.format],
            "idempotency-key": message.key,
            "revision": str(message.revision),
            "kind": message.kind,
            "tense": message.tense,
        }
        producer.produce(
            self._options.topic,
            key=message.alert.encode(),
            value=message.body,
            headers={name: value.encode() for name, value in headers.items()},
            on_delivery=report,
        )
        producer.flush(self._options.timeout)

    def close(self) -> None:
        """Let go of the cluster; what it has not confirmed is sent again by another producer."""
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.purge()
            producer.flush(0)

    def _open(self) -> Any:
        if self._producer is not None:
            return self._producer
        kafka = import_extra("confluent_kafka", extra="stream")
        settings: dict[str, Any] = dict(self._options.settings)
        for key, variable in self._options.secrets.items():
            value = os.environ.get(variable, "")
            if not value:
                raise UndeliveredError(f"the variable {variable} is not set")
            settings[key] = value
        timeout = max(1, round(self._options.timeout * 1000))
        self._producer = kafka.Producer(
            {
                "client.id": "skysift-alerts",
                "log_level": 2,  # the ledger has what there is to say
                **settings,
                "enable.idempotence": True,
                "acks": "all",
                "message.timeout.ms": timeout,
            }
        )
        return self._producer
