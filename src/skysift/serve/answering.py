"""The worker's answers to the records of one order, and its reasons for those that have none."""

import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import TypeAlias

import pyarrow as pa

from skysift.core.errors import InputError, SkysiftError, nobody_foresaw
from skysift.core.files import sha256_of_file
from skysift.core.stream import BatchPredictor, RecordPredictor, RememberingPredictor
from skysift.serve.bounds import bounded_time
from skysift.serve.drift.profile import Tally
from skysift.serve.messages import Item, Order, Recall, Reply, WorkerSettings
from skysift.serve.slices import SliceGoneError, Slices
from skysift.serve.staging import StagedBatch

__all__ = ["Answering"]

_IN_MEMORY = 64 << 20  # bytes of the messages of a batch; more are written to files
_TOLD = 20  # faults that nobody foresaw, of which a worker says all

Say: TypeAlias = Callable[[Reply], None]


class Answering:
    """Answers orders.

    Parameters
    ----------
    settings : WorkerSettings
        What the worker was told first.
    predict : RecordPredictor
        The task; where it is a :class:`~skysift.core.stream.BatchPredictor`, records are answered
        together, unless it remembers: what it may do together it may not do in any order.
    say : callable
        Passes on a reply.
    """

    def __init__(self, settings: WorkerSettings, predict: RecordPredictor, say: Say) -> None:
        self._settings = settings
        self._predict = predict
        self._say = say
        self._memory = predict if isinstance(predict, RememberingPredictor) else None
        self._slices = Slices(settings)
        self._unforeseen = 0
        self._tally = Tally(settings.edges, predict)
        self._together = (
            predict if isinstance(predict, BatchPredictor) and self._memory is None else None
        )

    @property
    def remembers(self) -> bool:
        """Whether earlier records matter."""
        return self._memory is not None

    def recall(self, recall: Recall) -> Reply:
        """Take up a record of before, or say why not, and whether older ones matter."""
        item = recall.item
        try:
            with bounded_time(self._settings.seconds):
                if not item.path.exists():
                    return Reply(kind="recalled", id=item.id, more=True, reason="its file is gone")
                if _changed(item):
                    reason = "its file is another"
                    return Reply(kind="recalled", id=item.id, more=True, reason=reason)
                with self._slices.path(item) as path:
                    more = self._memory is not None and self._memory.recall(path)
        except Exception as error:  # noqa: BLE001  # of a file nobody vouches for
            reason = f"{type(error).__name__}: {error}"
            return Reply(kind="recalled", id=item.id, more=True, reason=reason)
        return Reply(kind="recalled", id=item.id, more=more)

    def answer(self, order: Order) -> Reply:
        """Answer all records and return the last word."""
        settings = self._settings
        staged = StagedBatch(order.stem, settings.format, settings.provenance, settings.bundle_hash)
        try:
            if not (order.together and self._answer_together(order.items, staged)):
                self._answer_singly(order.items, staged)
            return Reply(kind="end", files=staged.finish(), profile=self._tally.finish())
        except SkysiftError as error:
            return Reply.of_error(error)

    def _answer_together(self, items: Sequence[Item], staged: StagedBatch) -> bool:
        """Answer all records at once, or none of them, where the task cannot or fails over it."""
        if self._together is None or len(items) == 1:
            return False
        self._say(Reply(kind="begin-together"))
        with bounded_time(self._settings.seconds):
            try:
                answered = self._answers_together(self._together, items)
            except Exception as error:  # noqa: BLE001  # one by one, the culprit will be found
                print(  # noqa: T201  # into the worker's log
                    f"together: {type(error).__name__}: {error}", file=sys.stderr, flush=True
                )
                self._tally.close_described(answered=False)
                return False
            replies = [
                self._explained(item, staged, _given(answer), alone=False)
                for item, answer in answered
            ]
            self._tally.close_described(answered=True)
        for reply in replies:
            self._say(reply)
        return True

    def _answers_together(
        self, predict: BatchPredictor, items: Sequence[Item]
    ) -> list[tuple[Item, pa.Table | Exception]]:
        """Return the answer to each record, or why there is none."""
        unreadable: dict[str, Exception] = {}
        files = {}
        room = _IN_MEMORY
        with ExitStack() as stack:
            for item in items:
                try:
                    file = stack.enter_context(self._slices.file(item, room))
                except (SliceGoneError, InputError) as error:
                    unreadable[item.id] = error
                else:
                    files[item.id] = file
                    room -= len(file.data or b"")
            answers = predict.many(list(files.values()))
        answered = unreadable | dict(zip(files, answers, strict=True))
        return [(item, answered[item.id]) for item in items]

    def _answer_singly(self, items: Sequence[Item], staged: StagedBatch) -> None:
        alone = len(items) == 1
        for item in items:
            self._say(Reply(kind="begin", id=item.id))
            with bounded_time(self._settings.seconds):
                reply = self._explained(item, staged, self._predicted(item), alone=alone)
                self._tally.close_described(answered=reply.kind == "answered")
            if reply.kind != "answered" and alone:
                staged.discard()  # some pieces may have been written
            self._say(reply)

    def _predicted(self, item: Item) -> Iterator[pa.Table]:
        """Yield the answer; nothing is done before the first piece is asked for."""
        with self._slices.path(item) as path:
            yield from self._predict(path)

    def _explained(
        self, item: Item, staged: StagedBatch, answer: Iterable[pa.Table], *, alone: bool
    ) -> Reply:
        """Stage the answer to a record and count it, or say why there is none.

        Raises
        ------
        OutputError
            If the answer cannot be written.
        SkysiftError
            If the fault is not the record's.
        """
        reply = self._staged(item, staged, self._tally.over(_checked(item, answer)), alone=alone)
        self._tally.close(answered=reply.kind == "answered")
        return reply

    def _staged(
        self, item: Item, staged: StagedBatch, pieces: Iterable[pa.Table], *, alone: bool
    ) -> Reply:
        try:
            # The pieces of a record among others do not count until all of them are there.
            rows = staged.add(item, pieces if alone else list(pieces))
        except (_ReplacedError, SliceGoneError):
            return Reply(kind="replaced", id=item.id)
        except (InputError, FileNotFoundError) as error:
            if not item.path.exists():
                return Reply(kind="replaced", id=item.id)
            if isinstance(error, InputError) and (
                error.path == item.path or self._slices.lends(error.path)
            ):
                error.path = None  # it is told beside the reason, or was for a moment
            return Reply(kind="refused", id=item.id, reason=str(error))
        except SkysiftError:
            raise
        except MemoryError:
            mib = self._settings.memory // 2**20
            reason = f"To read it takes more memory than a record may have, {mib:,} MiB."
            return Reply(kind="refused", id=item.id, reason=reason)
        except Exception as error:  # noqa: BLE001  # of a file nobody vouches for: never the end of the service
            if self._unforeseen < _TOLD:
                self._unforeseen += 1
                traceback.print_exception(error)  # into the worker's log
            return Reply(kind="refused", id=item.id, reason=_unforeseen(error))
        return Reply(kind="answered", id=item.id, rows=rows)


def _unforeseen(error: Exception) -> str:
    return (
        f"{nobody_foresaw(error)} Please report it with the file; worker.log beside the spool has "
        "more."
    )


def _given(answer: pa.Table | Exception) -> Iterator[pa.Table]:
    if isinstance(answer, Exception):
        raise answer
    yield answer


def _checked(item: Item, answer: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Yield an answer, then make sure that it is one to the content that was noted."""
    yield from answer
    if _changed(item):
        raise _ReplacedError


def _changed(item: Item) -> bool:
    return bool(item.sha256) and item.start is None and sha256_of_file(item.path) != item.sha256


class _ReplacedError(Exception):
    """The file has another content than the one that was noted."""
