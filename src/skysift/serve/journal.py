"""What a service says of itself: events with fields, which a log handler turns into lines of JSON.

Which events there are, and their fields, is written in docs/operations.md.

>>> import sys
>>> handler = logging.StreamHandler(sys.stdout)
>>> handler.setFormatter(JsonLines(clock=lambda: 1795219200.0, run="c0ffee"))
>>> logging.getLogger(LOGGER).addHandler(handler)
>>> log(logging.WARNING, "quarantined", record="5eed", reason="no EVENTS")
{"time": "2026-11-21T00:00:00.000Z", "level": "warning", "event": "quarantined", "run": "c0ffee", \
"record": "5eed", "reason": "no EVENTS"}
>>> logging.getLogger(LOGGER).removeHandler(handler)
"""

import json
import logging
import secrets
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

from skysift.core.errors import nobody_foresaw
from skysift.serve.clock import iso_time

__all__ = ["LOGGER", "JsonLines", "fault", "heard_by", "log", "run_name"]

LOGGER = "skysift.serve"
_FIELDS = "skysift_fields"
_FRAMES = 5  # of the place of a fault that are told

Listener = Callable[[int, str, Mapping[str, Any]], None]
"""Called with level, event and fields."""

_listeners: list[Listener] = []


def log(level: int, event: str, **fields: Any) -> None:
    """Log an event with its fields, which are JSON-ready or turned into text."""
    for listener in tuple(_listeners):
        listener(level, event, fields)
    logging.getLogger(LOGGER).log(level, event, extra={_FIELDS: fields})


def fault(error: Exception, meanwhile: str) -> dict[str, str]:
    """Return the fields that tell of a fault that nobody foresaw.

    Parameters
    ----------
    error : Exception
        The fault.
    meanwhile : str
        What goes on all the same, a sentence.

    Returns
    -------
    dict of str to str
        The `reason`, for people; `fault` and `where`, for whoever mends it.
    """
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    return {
        "reason": f"{nobody_foresaw(error, 'It failed')} {meanwhile} Please report this line.",
        "fault": type(error).__name__,
        "where": ", ".join(f"{frame.filename}:{frame.lineno}" for frame in frames),
    }


@contextmanager
def heard_by(listener: Listener) -> Iterator[None]:
    """Let a function hear of every event for as long as the block lasts.

    It is called where the event happens, whatever level the logger is set to, and must not raise.
    """
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


@cache
def run_name() -> str:
    """Return the name of this process's run, random and for good."""
    return secrets.token_hex(6)


class JsonLines(logging.Formatter):
    """One JSON object for each event, on one line.

    Parameters
    ----------
    clock : callable
        Returns Unix time [s].
    run : str, optional
        Name of the run; by default that of the process.
    """

    def __init__(self, clock: Callable[[], float] = time.time, run: str | None = None) -> None:
        super().__init__()
        self._clock = clock
        self._run = run_name() if run is None else run

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        document = {
            "time": iso_time(self._clock()),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            "run": self._run,
            **getattr(record, _FIELDS, {}),
        }
        return json.dumps(document, default=str)
