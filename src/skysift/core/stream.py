"""What a task gives to a service that predicts for ever: one record after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import ArrayLike

    from skysift.core.errors import InputError

__all__ = ["BatchPredictor", "DescribingPredictor", "RecordPredictor", "RememberingPredictor"]


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


@runtime_checkable
class BatchPredictor(RecordPredictor, Protocol):
    """Predicts many small records at once, where that is faster than one after the other."""

    def many(self, paths: Sequence[Path], /) -> Sequence[pa.Table | InputError]:
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
