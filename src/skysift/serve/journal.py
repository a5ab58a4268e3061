"""What a service says of itself: events with fields, which a log handler turns into lines of JSON.

>>> import sys
>>> handler = logging.StreamHandler(sys.stdout)
>>> handler.setFormatter(JsonLines(clock=lambda: 1795219200.0))
>>> logging.getLogger(LOGGER).addHandler(handler)
>>> log(logging.WARNING, "quarantined", record="5eed", reason="no EVENTS")
{"time": "2026-11-21T00:00:00.000Z", "level": "warning", "event": "quarantined", "record": "5eed", \
"reason": "no EVENTS"}
>>> logging.getLogger(LOGGER).removeHandler(handler)
"""

import json
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

__all__ = ["LOGGER", "JsonLines", "log"]

LOGGER = "skysift.serve"
_FIELDS = "skysift_fields"


def log(level: int, event: str, **fields: Any) -> None:
    """Log an event with its fields, which are JSON-ready or turned into text."""
    logging.getLogger(LOGGER).log(level, event, extra={_FIELDS: fields})


class JsonLines(logging.Formatter):
    """One JSON object for each event, on one line.

    Parameters
    ----------
    clock : callable
        Returns Unix time [s].
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._clock = clock

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        now = datetime.fromtimestamp(self._clock(), UTC)
        document = {
            "time": f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, _FIELDS, {}),
        }
        return json.dumps(document, default=str)
