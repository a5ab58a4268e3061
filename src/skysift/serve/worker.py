"""The process that opens what nobody vouches for: ``python -m skysift.serve.worker``.

It reads orders from its standard input and replies in lines of JSON. It may die at any moment, of
a record or by the system's hand; whatever it had not finished is then ordered again of another.
"""

import faulthandler
import os
import sys
from collections.abc import Iterator
from typing import BinaryIO, Protocol

import pyarrow as pa

from skysift.core.config import build_config
from skysift.core.errors import BundleError, InputError, OutputError, SkysiftError
from skysift.core.files import sha256_of_file
from skysift.core.registry import load_options, load_task
from skysift.core.stream import RecordPredictor
from skysift.serve.bounds import bound_memory, bounded_time
from skysift.serve.messages import Item, Order, Reply, WorkerSettings
from skysift.serve.staging import StagedBatch, warm_up

__all__ = ["OpenPredictor", "main", "open_predictor"]


class OpenPredictor(Protocol):
    """Loads what predicts."""

    def __call__(self, settings: WorkerSettings, /) -> RecordPredictor:
        """Return it, ready for the first record."""


def open_predictor(settings: WorkerSettings) -> RecordPredictor:
    """Load the task and the bundle that the settings name.

    Raises
    ------
    BundleError
        If the bundle is another than the service has checked.
    UsageError
        If the task cannot work so.
    """
    task = load_task(settings.task)
    model = task.load(settings.bundle)
    if model.bundle is None or model.bundle.hash != settings.bundle_hash:
        raise BundleError(
            "The bundle has changed since the service was started.",
            "Start the service again.",
            path=settings.bundle,
        )
    return task.stream(
        model,
        build_config(load_options(settings.task, "ReadOptions"), settings.read),
        build_config(load_options(settings.task, "PredictOptions"), settings.predict),
    )


def main(open_: OpenPredictor = open_predictor) -> None:
    """Answer orders until there are no more.

    Parameters
    ----------
    open_ : callable
        Loads what predicts.
    """
    faulthandler.enable()
    orders, replies = _channels()
    settings = WorkerSettings.model_validate_json(orders.readline())
    try:
        predict = open_(settings)
    except SkysiftError as error:
        _say(replies, Reply(kind="failed", reason=error.problem, remedy=error.remedy))
        return
    warm_up()
    bound_memory(settings.memory)
    _say(replies, Reply(kind="ready"))
    for line in orders:
        last = _Worker(settings, predict, replies).answer(Order.model_validate_json(line))
        _say(replies, last)
        if last.kind != "end":
            return


class _Worker:
    """Answers the records of one order."""

    def __init__(
        self, settings: WorkerSettings, predict: RecordPredictor, replies: BinaryIO
    ) -> None:
        self._settings = settings
        self._predict = predict
        self._replies = replies

    def answer(self, order: Order) -> Reply:
        """Answer all records and return the last word."""
        settings = self._settings
        staged = StagedBatch(order.stem, settings.format, settings.provenance, settings.bundle_hash)
        alone = len(order.items) == 1
        try:
            for item in order.items:
                _say(self._replies, Reply(kind="begin", id=item.id))
                with bounded_time(settings.seconds):
                    reply = self._answer_one(item, staged, alone=alone)
                if reply.kind != "answered" and alone:
                    staged.discard()  # some pieces may have been written
                _say(self._replies, reply)
            return Reply(kind="end", files=staged.finish())
        except OutputError as error:
            return Reply(kind="unwritable", reason=error.problem, remedy=error.remedy)
        except SkysiftError as error:
            return Reply(kind="failed", reason=error.problem, remedy=error.remedy)

    def _answer_one(self, item: Item, staged: StagedBatch, *, alone: bool) -> Reply:
        """Answer a record, or say why not.

        Raises
        ------
        OutputError
            If the answer cannot be written.
        SkysiftError
            If the fault is not the record's.
        """
        pieces = self._checked(item)
        try:
            # The pieces of a record among others do not count until all of them are there.
            rows = staged.add(item, pieces if alone else list(pieces))
        except _ReplacedError:
            return Reply(kind="replaced", id=item.id)
        except (InputError, FileNotFoundError) as error:
            if not item.path.exists():
                return Reply(kind="replaced", id=item.id)
            return Reply(kind="refused", id=item.id, reason=str(error))
        except SkysiftError:
            raise
        except MemoryError:
            mib = self._settings.memory // 2**20
            reason = f"To read it takes more memory than a record may have, {mib:,} MiB."
            return Reply(kind="refused", id=item.id, reason=reason)
        except Exception as error:  # noqa: BLE001  # of a file nobody vouches for: never the end of the service
            reason = f"It cannot be read; unforeseen {type(error).__name__}: {error}"
            return Reply(kind="refused", id=item.id, reason=reason)
        return Reply(kind="answered", id=item.id, rows=rows)

    def _checked(self, item: Item) -> Iterator[pa.Table]:
        """Yield the answer, then make sure that it is one to the content that was noted."""
        yield from self._predict(item.path)
        if item.sha256 and sha256_of_file(item.path) != item.sha256:
            raise _ReplacedError


class _ReplacedError(Exception):
    """The file has another content than the one that was noted."""


def _channels() -> tuple[BinaryIO, BinaryIO]:
    """Return where orders come from and replies go to, out of the reach of what prints or asks."""
    orders = os.fdopen(os.dup(0), "rb")
    replies = os.fdopen(os.dup(1), "wb", buffering=0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return orders, replies


def _say(replies: BinaryIO, reply: Reply) -> None:
    replies.write(reply.model_dump_json(exclude_defaults=True).encode() + b"\n")


if __name__ == "__main__":
    try:
        main()
    except (BrokenPipeError, KeyboardInterrupt):
        sys.exit(1)  # the service is gone: nobody waits for an answer
