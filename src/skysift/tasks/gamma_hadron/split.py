"""The fixed test rows of the MAGIC table, by rule and not by list.

One in five of the 18,905 distinct events, stratified by class, seed 20040704 (the date of the
paper that describes the table); duplicates follow the event that they repeat. The rows are public
and the split is a convention, so that numbers can be compared.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray

__all__ = ["MAGIC_SHA256", "magic_test_rows"]

MAGIC_SHA256 = "e9314b7ebd4b4b59a3b3d65f7316663963777b16a46786877651dbbaa640b36a"
"""Of the original file, 19,020 rows, gammas first."""

_SEED = 20040704
_TEST_SHARE = 0.2
_ROWS_SHA256 = "85baf313afe316ff54b28c82d3dbe90b7f30de6de0d572e9bbad119eeb927a8e"


def magic_test_rows(groups: NDArray[np.int64], is_gamma: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the 0-based test rows of the MAGIC table, ascending.

    Parameters
    ----------
    groups : array of int, shape (19020,)
        Equal for rows that are duplicates of each other.
    is_gamma : array of bool, shape (19020,)
        True for gammas.

    Raises
    ------
    RuntimeError
        If the rule gives other rows than it did when the split was fixed: the numbers of the
        comparison would not be comparable.
    """
    from sklearn.model_selection import train_test_split  # noqa: PLC0415  # to predict goes without

    distinct, first = np.unique(groups, return_index=True)
    order = np.argsort(first)  # the rule numbers events by where they appear first
    distinct, first = distinct[order], first[order]
    _, test = train_test_split(
        distinct, test_size=_TEST_SHARE, stratify=~is_gamma[first], random_state=_SEED
    )
    rows = np.flatnonzero(np.isin(groups, test))
    digest = hashlib.sha256(rows.astype("<i4").tobytes()).hexdigest()
    if digest != _ROWS_SHA256:
        raise RuntimeError(f"The fixed split of the MAGIC table is not reproduced ({digest}).")
    return rows
