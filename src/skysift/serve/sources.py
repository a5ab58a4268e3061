"""What a service asks of a source, and the thread in which it is asked."""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import Protocol

from skysift.serve.journal import log
from skysift.serve.spool import Spool

__all__ = ["Intake", "Source", "tell_refused"]


class Source(Protocol):
    """Notes what arrives in the spool."""

    @property
    def settling(self) -> int:
        """Number of records that are about to arrive."""

    @property
    def wait(self) -> float:
        """Time until the next look after one that found all that there was [s]."""

    def collect(self, seconds: float) -> bool:
        """Note some of what has arrived, for about so long; tell whether that was all of it.

        Raises
        ------
        SkysiftError
            If the source is gone for good, or nothing can be noted.
        """

    def close(self) -> None:
        """Let go of the source; what was not noted will arrive again."""


class Intake:
    """Asks a source in a thread of its own, so that arrivals are noted while others are answered.

    Parameters
    ----------
    open_source : callable
        Returns the source, given the spool that it notes in.
    open_spool : callable
        Opens that.
    seconds : float
        Time of one look, after which others may write to the spool.
    """

    def __init__(
        self,
        open_source: Callable[[Spool], Source],
        open_spool: Callable[[], Spool],
        seconds: float,
    ) -> None:
        self._open_source = open_source
        self._open_spool = open_spool
        self._seconds = seconds
        self._stopping = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="intake", daemon=True)
        self.arrived = threading.Event()
        """Set after each look, for whoever waits for work."""
        self.settling = 0
        self.complete_since = -1.0
        """When the last look began that found all there was, and nothing about to arrive."""

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Let the look in hand be the last."""
        self._stopping.set()

    def stop(self) -> None:
        """End; what was not noted will arrive again."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def check(self) -> None:
        """Raise here what went wrong there."""
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            with self._open_spool() as spool, closing(self._open_source(spool)) as source:
                self._ask(source)
        except BaseException as error:  # noqa: BLE001  # raised by `check` where it can be dealt with
            self._failure = error
        finally:
            self.arrived.set()

    def _ask(self, source: Source) -> None:
        begun = time.monotonic()
        while not self._stopping.is_set():
            whole = source.collect(self._seconds)
            self.settling = source.settling
            if whole and not self.settling:
                self.complete_since = begun
            self.arrived.set()
            if whole:
                self._stopping.wait(source.wait)
                begun = time.monotonic()


def tell_refused(record: str, name: str, reason: str) -> None:
    """Log that a record was quarantined as it arrived."""
    log(logging.WARNING, "quarantined", record=record, input=name, reason=reason)
