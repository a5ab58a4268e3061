"""Work that falls into independent parts: done one after the other, or by other processes.

A job of a task hands its parts to :func:`spread_map` and gets the answers back in their order.
Who works on them is not its business: the command line says so with :func:`spread_with`, as
scikit-learn users do with ``joblib.parallel_config``. Left alone, the parts are done here, one by
one, with the same answers.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol, TypeVar

__all__ = ["Spread", "in_order", "spread_map", "spread_with"]

PartT = TypeVar("PartT")
AnswerT = TypeVar("AnswerT")


class Spread(Protocol):
    """Works on parts."""

    def __call__(
        self, function: Callable[[PartT], AnswerT], parts: Iterable[PartT], /
    ) -> Iterator[AnswerT]:
        """Yield the answer to each part, in the order of the parts.

        Parameters
        ----------
        function : callable
            A function of a module, or a :func:`functools.partial` of one: another process has to
            find it. It may be called twice for a part whose process died.
        parts : iterable
            Taken as they are needed, so that they need not fit into memory together.
        """


def in_order(function: Callable[[PartT], AnswerT], parts: Iterable[PartT], /) -> Iterator[AnswerT]:
    """Work on one part after the other, in this process.

    Examples
    --------
    >>> list(in_order(abs, [-1, 2]))
    [1, 2]
    """
    return map(function, parts)


_CURRENT: ContextVar[Spread] = ContextVar("spread", default=in_order)


def spread_map(function: Callable[[PartT], AnswerT], parts: Iterable[PartT]) -> Iterator[AnswerT]:
    """Yield the answer to each part, in order, from whoever was named to work on them.

    Examples
    --------
    >>> list(spread_map(abs, [-1, 2]))
    [1, 2]
    """
    return _CURRENT.get()(function, parts)


@contextmanager
def spread_with(spread: Spread) -> Iterator[None]:
    """Name who works on the parts within the block.

    Parameters
    ----------
    spread : Spread
        E.g. the processes of a cluster.

    Examples
    --------
    >>> def backwards(function, parts):
    ...     return iter([function(part) for part in reversed(parts)])
    >>> with spread_with(backwards):
    ...     list(spread_map(abs, [-1, 2]))
    [2, 1]
    """
    before: Any = _CURRENT.set(spread)
    try:
        yield
    finally:
        _CURRENT.reset(before)
