"""What goes on from published answers, such as alerts: it follows the service, never stops it."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from skysift.core.errors import SkysiftError
from skysift.serve.journal import fault, log
from skysift.serve.spool import Spool

__all__ = ["Follower", "Followers"]

_MEANWHILE = "The answers go on without it, and it is tried again."


class Follower(Protocol):
    """Deals with published answers, in the process of the service and between its batches.

    It asks :meth:`Spool.published` for the batches after the last that it has dealt with, which it
    notes in a file or database of its own: killed at any moment, it goes on from there.
    """

    @property
    def name(self) -> str:
        """For the log."""

    def follow(self, spool: Spool, folder: Path) -> None:
        """Deal with some of what is new; called after each batch, and each second without one.

        Parameters
        ----------
        spool : Spool
            Knows what has been published.
        folder : Path
            The sink, with the files.

        Raises
        ------
        SkysiftError
            If it cannot now: it is called again.
        """


class Followers:
    """Followers, each of which may fail without harm to the answers or to the others.

    Parameters
    ----------
    followers : sequence of Follower
        In the order in which they are called.
    """

    def __init__(self, followers: Sequence[Follower]) -> None:
        self._followers = tuple(followers)
        self._last: dict[str, str] = {}
        self.failures: Counter[str] = Counter()
        """How often each has failed, by name."""

    def follow(self, spool: Spool, folder: Path) -> None:
        """Call all; what one raises is logged when it is not what it raised the last time."""
        for follower in self._followers:
            try:
                follower.follow(spool, folder)
            except SkysiftError as error:
                self._failed(follower.name, {"reason": str(error)})
            except Exception as error:  # noqa: BLE001  # a fault of a follower: the answers go on
                self._failed(follower.name, fault(error, _MEANWHILE))
            else:
                self._last.pop(follower.name, None)

    def close(self) -> None:
        """Tell those that have something to close that the service stops."""
        for follower in self._followers:
            close = getattr(follower, "close", None)
            if close is not None:
                close()

    def _failed(self, name: str, told: Mapping[str, str]) -> None:
        self.failures[name] += 1
        if self._last.get(name) != told["reason"]:  # a broker away for a night fills no disk
            failures = self.failures[name]
            log(logging.WARNING, "follower-failed", follower=name, **told, failures=failures)
        self._last[name] = told["reason"]
