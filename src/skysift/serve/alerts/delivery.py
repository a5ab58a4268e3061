"""One thread for each destination: a dead one keeps nobody waiting."""

import contextlib
import logging
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from skysift.core.errors import SkysiftError
from skysift.serve.alerts.options import KafkaOptions, WebhookOptions
from skysift.serve.alerts.outbox import Message, Outbox
from skysift.serve.journal import fault, log

__all__ = ["Courier", "Couriers", "Sender", "UndeliveredError", "delay"]

_LEASE = 30.0  # s beyond the time of an attempt
_SHORTEST_NAP = 0.05  # s
_LONGEST_NAP = 60.0
_MEANWHILE = "The alert stays in the ledger, and is sent again."
_random = secrets.SystemRandom()


class UndeliveredError(Exception):
    """A message has not arrived, as far as we know.

    Parameters
    ----------
    reason : str
        Why; no secrets.
    wait : float
        Least time until the next attempt that the receiver asks for [s].
    """

    def __init__(self, reason: str, *, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


class Sender(Protocol):
    """Brings a message to a destination."""

    def send(self, message: Message) -> None:
        """Return when it has arrived.

        Raises
        ------
        UndeliveredError
            If it has not.
        """

    def close(self) -> None:
        """Let go of what is open."""


def delay(attempts: int, *, first: float, most: float) -> float:
    """Return how long to wait after an attempt [s]: twice as long each time, half of it by chance.

    Parameters
    ----------
    attempts : int
        How many have failed.
    first, most : float
        The shortest and the longest [s].
    """
    longest = min(most, first * 2.0 ** min(attempts - 1, 60))
    return float(longest * _random.uniform(0.5, 1.0))


class Courier:
    """Brings the messages of one destination to it, one after the other.

    Parameters
    ----------
    name : str
        Of the destination, in the ledger.
    options : WebhookOptions or KafkaOptions
    sender : Sender
    ledger : Path
        The database.
    clock : callable
        Returns Unix time [s].
    """

    def __init__(
        self,
        name: str,
        options: WebhookOptions | KafkaOptions,
        sender: Sender,
        ledger: Path,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        self._options = options
        self._sender = sender
        self._ledger = ledger
        self._clock = clock

    def deliver_due(self, outbox: Outbox, gone: threading.Event | None = None) -> int:
        """Try all messages that are due, each once; return how many have arrived.

        Parameters
        ----------
        outbox : Outbox
            Opened by this thread.
        gone : Event, optional
            Set when nobody waits for us any more.
        """
        arrived = 0
        lease = self._options.timeout + _LEASE
        while gone is None or not gone.is_set():
            message = outbox.claim(self.name, self._options.format, now=self._clock(), lease=lease)
            if message is None:
                break
            arrived += self._deliver(outbox, message)
        return arrived

    def _deliver(self, outbox: Outbox, message: Message) -> bool:
        fields = {"destination": self.name, "alert": message.alert, "revision": message.revision}
        try:
            self._sender.send(message)
        except UndeliveredError as error:
            self._failed(outbox, message, error, fields)
            return False
        outbox.delivered(self.name, message, self._clock())
        log(logging.INFO, "alert-delivered", **fields, attempts=message.attempts)
        return True

    def _failed(
        self,
        outbox: Outbox,
        message: Message,
        error: UndeliveredError,
        fields: Mapping[str, object],
    ) -> None:
        now, options = self._clock(), self._options
        told = {**fields, "attempts": message.attempts, "reason": str(error)}
        if now - message.since >= options.give_up:
            outbox.given_up(self.name, message, now, str(error))
            log(logging.ERROR, "alert-undelivered", **told)
            return
        wait = delay(message.attempts, first=options.backoff, most=options.backoff_most)
        outbox.postpone(self.name, message, now + max(wait, error.wait), str(error))
        log(logging.WARNING, "alert-delayed", **told)

    def close(self) -> None:
        """Let go of the destination."""
        self._sender.close()

    def run(self, stopping: threading.Event, gone: threading.Event, news: threading.Event) -> None:
        """Deliver what is due, again and again, and once more when it is told to stop.

        Parameters
        ----------
        stopping, gone : Event
            Set when this should be the last round, and when nobody waits for its end.
        news : Event
            Set when there may be something to deliver.
        """
        with contextlib.closing(self):
            last = False
            while not last:
                last = stopping.is_set()
                nap = _LONGEST_NAP
                try:
                    with Outbox(self._ledger) as outbox:
                        self.deliver_due(outbox, gone)
                        due = outbox.next_due(self.name)
                        nap = (
                            _LONGEST_NAP if due is None else max(_SHORTEST_NAP, due - self._clock())
                        )
                except SkysiftError as error:
                    self._tell_failure({"reason": str(error)})
                except Exception as error:  # noqa: BLE001  # or nobody would tell this destination any more
                    self._tell_failure(fault(error, _MEANWHILE))
                if not last:
                    news.wait(min(nap, _LONGEST_NAP))
                    news.clear()

    def _tell_failure(self, told: Mapping[str, str]) -> None:
        log(logging.ERROR, "alerts-not-delivered", courier=self.name, **told)


class Couriers:
    """The couriers of all destinations, each in a thread of its own.

    Parameters
    ----------
    couriers : sequence of Courier
    """

    def __init__(self, couriers: "list[Courier]") -> None:
        self._stopping = threading.Event()
        self._gone = threading.Event()
        self._news = [threading.Event() for _ in couriers]
        self._threads = [
            threading.Thread(
                target=courier.run,
                args=(self._stopping, self._gone, news),
                name=f"courier {courier.name}",
                daemon=True,  # what is under way when we end is sent again: its key is the same
            )
            for courier, news in zip(couriers, self._news, strict=True)
        ]
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Tell them that there may be something to deliver."""
        for news in self._news:
            news.set()

    def close(self, seconds: float) -> None:
        """Stop them once they have tried what is due; wait for that, but not longer."""
        self._stopping.set()
        self.wake()
        end = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        self._gone.set()
