"""Work that falls into independent parts: done one after the other, or by other processes.

A job of a task hands its parts to :func:`spread_map` and gets the answers back in their order.
Who works on them is not its business: the command line says so with :func:`spread_with`, as
scikit-learn users do with ``joblib.parallel_config``. Left alone, the parts are done here, one by
one, with the same answers.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from skysift.core.files import write_atomic

__all__ = ["Spread", "in_order", "spread_kept", "spread_map", "spread_with"]

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


def spread_kept(
    function: Callable[[PartT], Any], parts: Mapping[str, PartT], folder: Path | None
) -> Iterator[Any]:
    """Do as :func:`spread_map`, and keep each answer in a file until the work is done.

    Work that is begun again after its process was killed finds them there.

    Parameters
    ----------
    function : callable
        Its answers are what JSON can tell.
    parts : mapping
        By a name that is another wherever the answer might be another.
    folder : Path or None
        Where answers are kept, and left; None to keep none.

    Examples
    --------
    >>> list(spread_kept(abs, {"one": -1, "two": 2}, None))
    [1, 2]
    """
    if folder is None:
        return spread_map(function, parts.values())
    return spread_map(partial(_kept, function, folder), parts.items())


def _kept(function: Callable[[PartT], Any], folder: Path, named: tuple[str, PartT]) -> Any:
    name, part = named
    path = folder / f"{name}.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        pass  # not done yet
    answer = function(part)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(path, json.dumps(answer))
    return answer


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
