"""How many rows of a batch fall into which bins: small, without the rows, added up anywhere.

The worker makes one of each batch. It is noted in the spool together with the answers, so that a
row is counted once, or not at all if its batch never came to be.
"""

import json
from collections.abc import Mapping
from typing import Self

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from skysift.core.errors import ReadError
from skysift.serve.drift.reference import Quantity

__all__ = ["Profile"]


class Profile:
    """Counts of values in the bins of a reference.

    Parameters
    ----------
    counts : mapping of str to array of int, shape (n_bins + 1,)
        By quantity; last, values that are not finite.

    Examples
    --------
    >>> bins = {"width": Quantity(edges=(1.0, 2.0), counts=(5, 3, 2, 0))}
    >>> answers = pa.table({"width": [0.5, 1.5, None], "name": ["a", "b", "c"]})
    >>> profile = Profile.of_table(answers, bins)
    >>> profile.to_json()
    '{"width":[1,1,0,1]}'
    """

    def __init__(self, counts: Mapping[str, NDArray[np.int64]] | None = None) -> None:
        self.counts: dict[str, NDArray[np.int64]] = dict(counts or {})

    @classmethod
    def of_table(cls, table: pa.Table, bins: Mapping[str, Quantity]) -> Self:
        """Count the numeric columns of answers that have bins."""
        return cls.of_values(
            {
                field.name: table.column(field.name).to_numpy()
                for field in table.schema
                if field.name in bins and _is_numeric(field.type)
            },
            bins,
        )

    @classmethod
    def of_values(cls, values: Mapping[str, ArrayLike], bins: Mapping[str, Quantity]) -> Self:
        """Count values, shape (n,) for each name, that have bins."""
        return cls({name: bins[name].count(some) for name, some in values.items() if name in bins})

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

    def add(self, other: "Profile") -> None:
        """Add the counts of another; one of other bins takes the place of what was there."""
        for name, row in other.counts.items():
            before = self.counts.get(name)
            same = before is not None and len(before) == len(row)
            self.counts[name] = before + row if before is not None and same else row.copy()

    @property
    def rows(self) -> int:
        """The most rows of which any quantity was counted."""
        return max((int(row.sum()) for row in self.counts.values()), default=0)


def _is_numeric(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    )
