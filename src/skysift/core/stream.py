"""What a task gives to a service that predicts for ever: one record after the other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["RecordPredictor"]


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
