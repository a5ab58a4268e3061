"""The process that opens what nobody vouches for: ``python -m skysift.serve.worker``.

It reads orders from its standard input and replies in lines of JSON. It may die at any moment, of
a record or by the system's hand; whatever it had not finished is then ordered again of another.
"""

import faulthandler
import os
import sys
from typing import BinaryIO, Protocol

from skysift.core.config import build_config
from skysift.core.errors import BundleError, SkysiftError
from skysift.core.registry import load_options, load_task
from skysift.core.stream import RecordPredictor
from skysift.serve.answering import Answering
from skysift.serve.bounds import bound_memory
from skysift.serve.heap import HeapTrimmer
from skysift.serve.messages import ORDERS, Recall, Reply, WorkerSettings
from skysift.serve.staging import warm_up

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
        _say(replies, Reply.of_error(error))
        return
    answering = Answering(settings, predict, lambda reply: _say(replies, reply))
    warm_up()
    bound_memory(settings.memory)
    _say(replies, Reply(kind="ready", remembers=answering.remembers))
    trim_heap = HeapTrimmer()
    for line in orders:
        order = ORDERS.validate_json(line)
        last = answering.recall(order) if isinstance(order, Recall) else answering.answer(order)
        _say(replies, last)
        if last.error is not None:
            return
        trim_heap()


def _channels() -> tuple[BinaryIO, BinaryIO]:
    """Return where orders come from and replies go to, out of the reach of what prints or asks."""
    orders = os.fdopen(os.dup(0), "rb")
    replies = os.fdopen(os.dup(1), "wb", buffering=0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    # What is printed is in the log at once: a worker may be killed before it ends.
    sys.stdout = open(1, "w", encoding="utf-8", buffering=1, closefd=False)  # noqa: SIM115
    return orders, replies


def _say(replies: BinaryIO, reply: Reply) -> None:
    replies.write(reply.model_dump_json(exclude_defaults=True).encode() + b"\n")


if __name__ == "__main__":
    try:
        main()
    except (BrokenPipeError, KeyboardInterrupt):
        sys.exit(1)  # the service is gone: nobody waits for an answer
