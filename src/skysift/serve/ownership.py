"""Who has taken which messages of a partition: kept where the group's offsets are kept.

A service that is killed between its note to the broker and its note in the ledger cannot tell from
an offset alone whether that note arrived, or another service of the group has taken the messages
since. So every commit carries the history of the partition: who began to read it, and where.

>>> history = begun(begun([], "ada", 0), "bob", 100)
>>> taker(history, 99), taker(history, 100)
('ada', 'bob')
>>> read(written(history)) == history
True
"""

import json
from typing import TypeAlias

__all__ = ["History", "begun", "read", "taker", "written"]

History: TypeAlias = list[tuple[str, int]]
"""Names of services, each with the offset at which it began, in the order of time."""

_LONGEST = 60  # entries: a broker takes 4096 bytes


def begun(history: History, name: str, offset: int) -> History:
    """Return the history after a service has begun to read at an offset."""
    if history and history[-1][0] == name:
        return history
    kept = [entry for entry in history if entry[1] < offset]  # the others have taken nothing
    return [*kept, (name, offset)][-_LONGEST:]


def taker(history: History, offset: int) -> str | None:
    """Return which service has taken a message below the committed offset; None if unknown."""
    found = None
    for name, first in history:
        if first <= offset:
            found = name
    return found


def written(history: History) -> str:
    """Return the text that goes with a commit."""
    return json.dumps(history, separators=(",", ":"))


def read(text: str | None) -> History:
    """Return what a commit says; nothing if it is not by a service of ours."""
    try:
        return [(str(name), int(offset)) for name, offset in json.loads(text or "[]")]
    except (ValueError, TypeError):
        return []
