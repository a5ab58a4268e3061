"""Who works on the parts: this process, or the processes of a Dask cluster.

Dask distributes, watches and restarts; what is added here is what becomes of a part that ends the
processes it is given to. Dask gives up on such a part after some deaths, and may blame one that
only waited in the same process. So a part that was given up is tried once more when all others are
done, alone: one that ends its processes again is to blame.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, Protocol, TypeVar

from skysift.core.errors import SkysiftError
from skysift.core.extras import import_extra

__all__ = ["DaskWorkers", "Died", "ThisProcess", "Workers"]

PartT = TypeVar("PartT")
AnswerT = TypeVar("AnswerT")

_AHEAD = 3  # parts for each thread that the scheduler knows of, so that none ever waits for us
_FEWEST = 16
_ASK_EVERY = 1.0  # s, how many workers there are
_RUN_AGAIN = "Run the same command again: what is done is kept."


@dataclass(frozen=True, slots=True)
class Died:
    """What is said of a part in place of an answer: it ended the processes that worked on it.

    Parameters
    ----------
    reason : str
        For people.
    """

    reason: str


class Workers(Protocol):
    """Works on parts in no order."""

    def unordered(
        self, function: Callable[[PartT], AnswerT], parts: Iterable[PartT], /
    ) -> Iterator[tuple[PartT, AnswerT | Died]]:
        """Yield each part with its answer, as they come.

        Raises
        ------
        SkysiftError
            If the workers are gone.
        """


class ThisProcess:
    """Works on one part after the other, here."""

    def unordered(
        self, function: Callable[[PartT], AnswerT], parts: Iterable[PartT], /
    ) -> Iterator[tuple[PartT, AnswerT | Died]]:
        """Yield each part with its answer, in order."""
        return ((part, function(part)) for part in parts)


class DaskWorkers:
    """The processes of a Dask cluster.

    Parameters
    ----------
    client : distributed.Client
        The connection to its scheduler.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._room = _Room(client)

    def unordered(
        self, function: Callable[[PartT], AnswerT], parts: Iterable[PartT], /
    ) -> Iterator[tuple[PartT, AnswerT | Died]]:
        """Yield each part with its answer as it comes; parts that died come last."""
        suspects = []
        for part, answer in _Round(self._client, function).over(parts):
            if isinstance(answer, Died):
                suspects.append(part)
            else:
                yield part, answer
        for part in suspects:  # one at a time: whoever dies now has no neighbour to blame
            yield from _Round(self._client, function).over([part])

    def __call__(
        self, function: Callable[[PartT], AnswerT], parts: Iterable[PartT], /
    ) -> Iterator[AnswerT]:
        """Yield the answers in the order of the parts; see :class:`skysift.core.spread.Spread`.

        Raises
        ------
        SkysiftError
            If a part ends the processes that work on it.
        """
        given: deque[tuple[PartT, Any]] = deque()
        waiting = iter(parts)
        try:
            while True:
                room = self._room() - len(given)
                given += [
                    (part, self._client.submit(function, part, pure=False))
                    for part in islice(waiting, max(room, 0))
                ]
                if not given:
                    return
                part, future = given[0]
                answer = _answer_of(future)
                if isinstance(answer, Died):
                    answer = _answer_of(self._client.submit(function, part, pure=False))
                if isinstance(answer, Died):
                    raise SkysiftError(
                        f"A part of the work cannot be done: {answer.reason}",
                        "Give the workers more memory, or look at their logs.",
                    )
                given.popleft()
                yield answer
        finally:
            self._client.cancel([future for _, future in given])


class _Round(Generic[PartT, AnswerT]):
    """Parts given to the scheduler, a few for each thread at a time."""

    def __init__(self, client: Any, function: Callable[[PartT], AnswerT]) -> None:
        self._client = client
        self._room = _Room(client)
        self._function = function
        self._given: dict[Any, PartT] = {}

    def over(self, parts: Iterable[PartT]) -> Iterator[tuple[PartT, AnswerT | Died]]:
        """Yield each part with its answer, as they come."""
        waiting = iter(parts)
        distributed = import_extra("distributed", extra="dask")
        # With results: they come in batches, and are here even if their process dies later.
        coming = distributed.as_completed(with_results=True, raise_errors=False)
        self._give(waiting, coming)
        try:
            while self._given:
                future, found = next(coming)
                answer = _understood(future, found)
                part = self._given.pop(future)
                self._give(waiting, coming)
                yield part, answer
        finally:
            self._client.cancel(list(self._given))

    def _give(self, waiting: Iterator[PartT], coming: Any) -> None:
        room = self._room() - len(self._given)
        for part in islice(waiting, max(room, 0)):
            # Not pure: the scheduler must not take two parts that look alike for one.
            future = self._client.submit(self._function, part, pure=False)
            self._given[future] = part
            coming.add(future)


class _Room:
    """How many parts the scheduler shall know of: workers come and go."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._known = 0
        self._asked = -math.inf

    def __call__(self) -> int:
        now = time.monotonic()
        if now > self._asked + _ASK_EVERY:
            threads: int = sum(self._client.nthreads().values())
            self._known, self._asked = max(_FEWEST, _AHEAD * threads), now
        return self._known


def _answer_of(future: Any) -> Any:
    """Return what a future holds, once it does, or that its processes died."""
    try:
        return future.result()  # what is lost with its process is computed anew
    except import_extra("distributed", extra="dask").KilledWorker as error:
        return _died(error)
    except CancelledError as error:
        raise _lost() from error


def _understood(future: Any, found: Any) -> Any:
    """Return an answer, or that the processes that worked on it died.

    Parameters
    ----------
    future : distributed.Future
        That has come to its end.
    found : object
        Its result; of an error, type, error and traceback.

    Raises
    ------
    SkysiftError
        If the scheduler is gone.
    Exception
        What the function raised.
    """
    if future.status == "error":
        _, error, traceback = found
        if isinstance(error, import_extra("distributed", extra="dask").KilledWorker):
            return _died(error)
        raise error.with_traceback(traceback)
    if future.status == "cancelled":  # so are all, when the scheduler goes
        raise _lost()
    return found


def _died(error: Any) -> Died:
    return Died(
        f"{error.allowed_failures + 1} worker processes ended while they worked on it. "
        "It makes them crash, or takes more memory than a worker has."
    )


def _lost() -> SkysiftError:
    return SkysiftError("The connection to the scheduler of the cluster was lost.", _RUN_AGAIN)
