"""The service's end of the worker: started, asked, watched, and replaced when it dies."""

import contextlib
import logging
import os
import queue
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import IO

from pydantic import ValidationError

from skysift.core.errors import SkysiftError
from skysift.core.threads import ONE_THREAD
from skysift.serve.heap import ONE_HEAP
from skysift.serve.journal import log
from skysift.serve.messages import Item, Order, Recall, Reply, WorkerSettings

__all__ = ["WORKER_COMMAND", "WorkerDiedError", "WorkerProcess"]

WORKER_COMMAND = (sys.executable, "-m", "skysift.serve.worker")

_GRACE = 10.0  # s beyond the worker's own alarm
_RECALLED = 100_000  # most records that a worker is told of
_TOLD = 10  # missing records that are named in the log
_DEATHS = 2  # of workers over a record, after which it is not recalled any more
_LAST_WORDS = 8000  # bytes of the worker's log that are searched for the reason


class WorkerDiedError(Exception):
    """The worker ended before its last word.

    Parameters
    ----------
    reason : str
        How, in plain words.
    by_others : bool
        Whether the system or a person may have ended it, for reasons of their own.
    """

    def __init__(self, reason: str, *, by_others: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.by_others = by_others


class WorkerProcess:
    """A worker, started when it is first needed and again after its death.

    Parameters
    ----------
    settings : WorkerSettings
        What it is told first.
    log : Path
        File for what it and its libraries print; begun anew with each worker.
    start_seconds : float
        Time that it may take to load the model.
    command : sequence of str
        What to start.
    answered : callable
        Returns what was answered before, the newest first: a worker that remembers is told of it.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        log: Path,
        start_seconds: float,
        command: Sequence[str] = WORKER_COMMAND,
        answered: Callable[[], Iterable[Item]] = tuple,
    ) -> None:
        self._settings = settings
        self._log = log
        self._start_seconds = start_seconds
        self._command = tuple(command)
        self._process: subprocess.Popen[bytes] | None = None
        self._replies: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._answered = answered
        self._deaths: Counter[str] = Counter()  # over a record that was to be recalled
        self.remembers = False
        """Whether it has a memory that would have to be made anew."""

    def start(self) -> None:
        """Start it, unless it runs, and wait until it has loaded the model.

        Raises
        ------
        WorkerDiedError
            If it dies over that.
        SkysiftError
            If it says why it cannot work.
        """
        while self._process is None:
            self._begin()
            if self.remembers:
                self._recall()

    def _begin(self) -> None:
        """Start it and wait until it has loaded the model."""
        with self._log.open("wb") as printed:
            process = subprocess.Popen(  # noqa: S603  # our own interpreter and module
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=printed,
                env={**ONE_THREAD, **ONE_HEAP, **os.environ},
                start_new_session=True,  # an interrupt at the terminal is for the service
            )
        self._process = process
        self._replies = queue.SimpleQueue()
        reader = threading.Thread(
            target=_read, args=(process.stdout, self._replies), name="replies", daemon=True
        )
        reader.start()
        self._send(self._settings.model_dump_json())
        reply = self._next(self._start_seconds)
        if reply.kind != "ready":
            self.stop()
            raise reply.error or SkysiftError(reply.reason, reply.remedy)
        self.remembers = reply.remembers
        log(logging.INFO, "worker-started", process=process.pid)

    def _recall(self) -> None:
        """Tell it of what was answered until it knows enough; if it dies of that, it is no more."""
        known = missing = 0
        for item in islice(self._answered(), _RECALLED):
            if self._deaths[item.id] >= _DEATHS:
                continue
            try:
                self._send(Recall(item=item).model_dump_json())
                reply = self._next(self._settings.seconds + _GRACE)
            except WorkerDiedError as death:
                self._deaths[item.id] += 1
                log(logging.WARNING, "worker-died", reason=death.reason, recalling=item.id)
                return
            known += not reply.reason
            missing += bool(reply.reason)
            if reply.reason and missing <= _TOLD:
                fields = {"record": item.id, "input": item.name, "reason": reply.reason}
                log(logging.WARNING, "not-recalled", **fields)
            if not reply.more:
                break
        log(logging.INFO, "recalled", records=known, missing=missing)

    def run(self, order: Order) -> Iterator[Reply]:
        """Order a batch and yield what becomes of it, ``end`` last.

        Raises
        ------
        WorkerDiedError
            If it dies, or takes too long and is ended.
        OutputError
            If it cannot write.
        UsageError
            If it cannot work as it is configured.
        SkysiftError
            If it says that it cannot go on for another reason.
        """
        self.start()
        self._send(order.model_dump_json())
        while True:
            reply = self._next(self._settings.seconds + _GRACE)
            if reply.error is not None:
                self.stop()
                raise reply.error
            yield reply
            if reply.kind == "end":
                return

    def stop(self) -> None:
        """End it, whatever it is doing; what it had not finished is not lost."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        if process.stdin is not None:
            with contextlib.suppress(OSError):  # what was not sent yet cannot be sent any more
                process.stdin.close()

    def _send(self, line: str) -> None:
        process = self._process
        if process is None or process.stdin is None:
            raise WorkerDiedError("it was stopped", by_others=True)
        try:
            process.stdin.write(line.encode() + b"\n")
            process.stdin.flush()
        except BrokenPipeError:
            raise self._death() from None

    def _next(self, seconds: float) -> Reply:
        try:
            line = self._replies.get(timeout=seconds)
        except queue.Empty:
            self.stop()
            raise WorkerDiedError(f"no reply in {seconds:g} s", by_others=False) from None
        try:
            return Reply.model_validate_json(line)
        except ValidationError:  # no line: its end, perhaps in the middle of one
            raise self._death() from None

    def _death(self) -> WorkerDiedError:
        """Return how the worker ended, and make room for the next."""
        process = self._process
        if process is None:
            return WorkerDiedError("it was stopped", by_others=True)
        try:
            code = process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            code = None
        self.stop()
        if code is None:
            return WorkerDiedError("it closed its end of the pipe", by_others=False)
        if code >= 0:
            return WorkerDiedError(f"exit code {code}{self._last_words()}", by_others=False)
        if code == -getattr(signal, "SIGALRM", 0):
            limit = f"{self._settings.seconds:g} s"
            return WorkerDiedError(f"it took longer than {limit}", by_others=False)
        name = signal.Signals(-code).name
        # A crash has other signals. This one the system sends that runs out of memory, or a person.
        return WorkerDiedError(
            f"signal {name}{self._last_words()}", by_others=name in {"SIGKILL", "SIGTERM"}
        )

    def _last_words(self) -> str:
        try:
            with self._log.open("rb") as printed:
                printed.seek(max(0, self._log.stat().st_size - _LAST_WORDS))
                text = printed.read().decode(errors="replace")
        except OSError:
            return ""
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        fatal = [line for line in lines if line.startswith("Fatal Python error")]
        return f" ({(fatal or lines)[-1]})" if lines else ""  # a traceback ends with the error


def _read(stream: IO[bytes], replies: "queue.SimpleQueue[bytes]") -> None:
    """Pass on lines as they come, and an empty one at the end."""
    with stream:
        for line in stream:
            replies.put(line)
    replies.put(b"")
