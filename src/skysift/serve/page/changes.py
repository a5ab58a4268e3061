"""Telling every open page at once which of its parts have changed: server-sent events.

What has changed is read once, in one thread, however many pages are open; they are told the names
of parts, and ask for those that they show.
"""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Collection

__all__ = ["Changes", "Watcher"]

MOST_LISTENERS = 500
_HEARTBEAT = 10.0  # s without a change after which a line is sent, lest somebody hangs up
_POLL = 0.25  # s from one look to the next


class Changes:
    """Passes on from one thread to all open pages what has changed.

    Notes
    -----
    A page that is slow keeps no queue: names of parts that wait to be told are a set.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: dict[asyncio.Event, set[str]] = {}
        self._closed = False

    @property
    def listeners(self) -> int:
        """Number of open pages."""
        return len(self._waiting)

    def attach(self) -> None:
        """Use the event loop that runs here."""
        self._loop = asyncio.get_running_loop()

    def tell(self, parts: Collection[str]) -> None:
        """Tell all pages, from any thread."""
        if parts and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._spread, frozenset(parts))

    def close(self) -> None:
        """End all streams, from any thread or a signal, so that the server may stop."""
        self._closed = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._spread, frozenset())

    def _spread(self, parts: frozenset[str]) -> None:
        for event, waiting in self._waiting.items():
            waiting.update(parts)
            event.set()

    async def listen(self) -> AsyncIterator[str]:
        """Yield the text of a stream of events until the server stops."""
        event = asyncio.Event()
        waiting: set[str] = set()
        self._waiting[event] = waiting
        try:
            yield "retry: 1000\n\n"
            while not self._closed:
                try:
                    await asyncio.wait_for(event.wait(), _HEARTBEAT)
                except TimeoutError:
                    yield ": still here\n\n"
                    continue
                event.clear()
                parts = sorted(waiting)
                waiting.clear()
                if parts:
                    yield f"event: change\ndata: {json.dumps(parts)}\n\n"
        finally:
            del self._waiting[event]


class Watcher:
    """The thread that looks for what is new.

    Parameters
    ----------
    poll : callable
        Looks, and returns the parts that have changed.
    changes : Changes
        Who tells the pages.
    close : callable
        Called in the same thread at the end.
    """

    def __init__(
        self, poll: Callable[[], set[str]], changes: Changes, close: Callable[[], None]
    ) -> None:
        self._poll = poll
        self._changes = changes
        self._close = close
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="page-watcher", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Stop, and wait for the end."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._changes.tell(self._poll())
                self._stopping.wait(_POLL)
        finally:
            self._close()
