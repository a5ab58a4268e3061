"""What a task gives to a service that predicts for ever: one record after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import ArrayLike, NDArray

    from skysift.core.errors import InputError

__all__ = [
    "BatchPredictor",
    "DescribingPredictor",
    "MeasuringPredictor",
    "Note",
    "Noted",
    "RecordFile",
    "RecordPredictor",
    "RememberingPredictor",
]


class Note(Protocol):
    """Is told what was measured on the way to an answer."""

    def __call__(self, measured: Mapping[str, ArrayLike], /) -> None:
        """Take values, shape (n,) for each quantity."""


class RecordPredictor(Protocol):
    """Predicts a record, that is a file as it arrived, with the code of the batch command."""

    def __call__(self, path: Path, /) -> Iterator[pa.Table]:
        """Yield the answer in pieces, each with the columns of the first, in bounded memory.

        Parameters
        ----------
        path : Path
            The file; nothing is known of its content.

        Raises
        ------
        InputError
            If the record cannot be used, at once or after some pieces, which then do not count.
        """


@dataclass(frozen=True, slots=True)
class RecordFile:
    """A record: a file, or one in memory that was never on the disk by itself.

    Parameters
    ----------
    path : Path
        Where it is; of one in memory, what it is called.
    data : bytes or None
        Its content, if that is in memory.
    """

    path: Path
    data: bytes | None = None


@runtime_checkable
class BatchPredictor(RecordPredictor, Protocol):
    """Predicts many small records at once, where that is faster than one after the other."""

    def many(self, files: Sequence[RecordFile], /) -> Sequence[pa.Table | InputError]:
        """Return the whole answer to each record, in order, or why it cannot be used.

        One record never touches the answer to another.
        """


@runtime_checkable
class RememberingPredictor(RecordPredictor, Protocol):
    """Predicts a record together with what came before it, such as the last minutes of events.

    Its answers depend on the set of records that it has seen, not on their order: what arrives late
    has the answers that it changes given once more, and readers keep the last.
    """

    def recall(self, path: Path, /) -> bool:
        """Take up a record that was answered before a restart, without answering it.

        Called newest first, before anything is predicted.

        Returns
        -------
        bool
            Whether older records may matter still.
        """


@runtime_checkable
class DescribingPredictor(RecordPredictor, Protocol):
    """Predicts, and can say what it measured on the way that is not in the answers.

    That is compared with the same of the training data, see :mod:`skysift.serve.drift`. Columns of
    the answers are compared as they are: they need not be described.
    """

    def described(self) -> Mapping[str, ArrayLike]:
        """Return what was measured since the last call, shape (n,) for each quantity."""


class Noted:
    """What was measured since it was last asked for.

    Examples
    --------
    >>> noted = Noted()
    >>> noted.add({"width": [1.0, 2.0]})
    >>> noted.add({"width": [3.0]})
    >>> noted.take()["width"].tolist(), noted.take()
    ([1.0, 2.0, 3.0], {})
    """

    def __init__(self) -> None:
        self._parts: dict[str, list[ArrayLike]] = {}

    def add(self, measured: Mapping[str, ArrayLike]) -> None:
        """Keep some more values, shape (n,) for each quantity."""
        for name, values in measured.items():
            self._parts.setdefault(name, []).append(values)

    def take(self) -> dict[str, NDArray[Any]]:
        """Return the values of each quantity, and forget them."""
        import numpy as np  # noqa: PLC0415  # of the manifests that this is read with, none needs it

        parts, self._parts = self._parts, {}
        return {name: np.concatenate([np.asarray(p) for p in some]) for name, some in parts.items()}


class MeasuringPredictor:
    """A :class:`DescribingPredictor` made of a function that says what it measures.

    Parameters
    ----------
    predict : callable
        Given a file and a :class:`Note`, yields the answer as :class:`RecordPredictor` does.
    """

    def __init__(self, predict: Callable[[Path, Note], Iterator[pa.Table]]) -> None:
        self._predict = predict
        self._noted = Noted()

    def __call__(self, path: Path, /) -> Iterator[pa.Table]:
        """Yield the answer to a file."""
        return self._predict(path, self._noted.add)

    def described(self) -> Mapping[str, ArrayLike]:
        """Return what was measured since the last call."""
        return self._noted.take()
