"""How many rows of a batch fall into which bins: small, without the rows, added up anywhere.

The worker makes one of each batch. It is noted in the spool together with the answers, so that a
row is counted once, or not at all if its batch never came to be.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skysift.core.errors import ReadError
from skysift.core.stream import DescribingPredictor, RecordPredictor

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Edges", "Profile", "Tally", "count_values"]

Edges = Mapping[str, Sequence[float]]
"""Rising inner edges of bins, by the name of a quantity."""

_SMALL = 256  # rows: a smaller piece waits for others, as counting takes a while to get going
_HELD = 1000  # pieces that wait


def count_values(values: ArrayLike, edges: Sequence[float]) -> NDArray[np.int64]:
    """Return how many values fall into each bin.

    Parameters
    ----------
    values : array_like, shape (n,)
        Numbers; those that are not finite are counted as such.
    edges : sequence of float, length k
        Rising; the bins are (-inf, e0], (e0, e1], ... (ek, inf).

    Returns
    -------
    array of int, shape (k + 2,)
        In the order of the bins; last, the values that are not finite.

    Examples
    --------
    >>> count_values([0.5, 1.0, 1.5, 9.0, float("nan")], (1.0, 2.0)).tolist()
    [2, 1, 1, 1]
    """
    numbers = np.asarray(values, dtype=np.float64)
    places = np.searchsorted(edges, numbers[np.isfinite(numbers)], side="left")
    counts = np.bincount(places, minlength=len(edges) + 2)
    counts[-1] = len(numbers) - len(places)
    return counts.astype(np.int64)


class Profile:
    """Counts of values in bins.

    Parameters
    ----------
    counts : mapping of str to array of int, shape (k + 2,)
        By quantity, as of :func:`count_values`.

    Examples
    --------
    >>> profile = Profile.of_values({"width": [0.5, 1.5, np.nan]}, {"width": (1.0, 2.0)})
    >>> profile.to_json()
    '{"width":[1,1,0,1]}'
    """

    def __init__(self, counts: Mapping[str, NDArray[np.int64]] | None = None) -> None:
        self.counts: dict[str, NDArray[np.int64]] = dict(counts or {})

    @classmethod
    def of_table(cls, table: pa.Table, edges: Edges) -> Self:
        """Count the numeric columns of answers that have bins."""
        columns = {
            name: table.column(name).to_numpy() for name in table.column_names if name in edges
        }
        return cls.of_values(
            {name: column for name, column in columns.items() if column.dtype.kind in "biuf"}, edges
        )

    @classmethod
    def of_values(cls, values: Mapping[str, ArrayLike], edges: Edges) -> Self:
        """Count values, shape (n,) for each name, that have bins."""
        return cls(
            {
                name: count_values(some, edges[name])
                for name, some in values.items()
                if name in edges
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return what :meth:`to_json` made a text of.

        Raises
        ------
        ReadError
            If it is none.
        """
        try:
            counts = json.loads(text) if text else {}
            return cls({name: np.asarray(row, dtype=np.int64) for name, row in counts.items()})
        except (ValueError, TypeError, AttributeError) as error:
            raise ReadError("A batch has a profile that cannot be read.") from error

    def to_json(self) -> str:
        """Return a text, empty if nothing was counted."""
        counts = {name: row.tolist() for name, row in self.counts.items() if row.any()}
        return json.dumps(counts, separators=(",", ":")) if counts else ""

    def add(self, other: Profile) -> None:
        """Add the counts of another; one of other bins takes the place of what was there."""
        for name, row in other.counts.items():
            before = self.counts.get(name)
            fits = before is not None and len(before) == len(row)
            self.counts[name] = before + row if before is not None and fits else row.copy()

    @property
    def rows(self) -> int:
        """The most rows of which any quantity was counted."""
        return max((int(row.sum()) for row in self.counts.values()), default=0)


class Tally:
    """Makes the profile of a batch while its records are answered; what is refused does not count.

    Parameters
    ----------
    edges : mapping of str to sequence of float
        Bins; without any, nothing is counted and nothing costs time.
    predict : RecordPredictor
        Asked for what it measures beside its answers, if it can say so.
    """

    def __init__(self, edges: Edges, predict: RecordPredictor) -> None:
        self._edges = edges
        self._describing = predict if isinstance(predict, DescribingPredictor) else None
        self._batch = Profile()
        self._record = Profile()
        self._small: list[pa.Table] = []
        self._accepted: list[pa.Table] = []

    def over(self, pieces: Iterable[pa.Table]) -> Iterator[pa.Table]:
        """Yield the pieces of an answer as they are, having counted them."""
        if not self._edges:
            yield from pieces
            return
        for piece in pieces:
            if piece.num_rows >= _SMALL or len(self._small) >= _HELD:
                self._record.add(self._profile(piece))
            elif piece.num_rows:
                self._small.append(piece)
            yield piece

    def close(self, *, answered: bool) -> None:
        """End a record."""
        record, small = self._record, self._small
        self._record, self._small = Profile(), []
        if answered:
            self._batch.add(record)
            self._accepted += small
            if len(self._accepted) >= _HELD:
                self._count_accepted()

    def close_described(self, *, answered: bool) -> None:
        """End a record, or several at once, with what was measured beside the answer."""
        if self._describing is None:
            return
        measured = self._describing.described()  # in any case: what nobody takes would pile up
        if answered and self._edges:
            self._batch.add(Profile.of_values(measured, self._edges))

    def finish(self) -> str:
        """Return the profile of the batch as a text, and begin anew."""
        self._count_accepted()
        batch, self._batch = self._batch, Profile()
        return batch.to_json()

    def _count_accepted(self) -> None:
        accepted, self._accepted = self._accepted, []
        if not accepted:
            return
        import pyarrow as pa  # noqa: PLC0415  # the service, which only adds up, has no need of it

        alike: dict[pa.Schema, list[pa.Table]] = {}
        for table in accepted:
            alike.setdefault(table.schema, []).append(table)
        for tables in alike.values():
            self._batch.add(self._profile(pa.concat_tables(tables)))

    def _profile(self, table: pa.Table) -> Profile:
        """Return the counts of a table; what cannot be counted must not cost an answer."""
        try:
            return Profile.of_table(table, self._edges)
        except (LookupError, TypeError, ValueError, NotImplementedError):  # pyarrow's are of these
            return Profile()
