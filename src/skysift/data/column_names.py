"""Columns of tables that others wrote: FILE, X and McIntosh are file, x and mcintosh."""

from collections.abc import Iterable, Sequence

from skysift.data.table import FeatureTable

__all__ = ["column_among", "in_our_case"]


def column_among(columns: Sequence[str], names: Sequence[str]) -> str | None:
    """Return the first of some names that a table has, or None.

    The case of letters counts only where two columns differ in nothing else.

    Examples
    --------
    >>> column_among(["RA", "Dec"], ["dec", "DEC"])
    'Dec'
    >>> column_among(["Dec", "dEC"], ["dec"]) is None
    True
    """
    there = set(columns)
    exact = next((name for name in names if name in there), None)
    if exact is not None:
        return exact
    for name in names:
        alike = [column for column in columns if column.lower() == name.lower()]
        if len(alike) == 1:
            return alike[0]
    return None


def in_our_case(table: FeatureTable, names: Iterable[str]) -> FeatureTable:
    """Return a table whose columns of known names are written as they are here.

    A column is renamed if none has the exact name, and it alone differs from it by capitals only.

    Parameters
    ----------
    table : FeatureTable
        As it was read.
    names : iterable of str
        The names that are known here.

    Examples
    --------
    >>> table = FeatureTable.from_columns({"FILE": ["a.jpg"], "X": [3.0], "Note": ["faint"]})
    >>> in_our_case(table, ("file", "x", "y")).columns
    ['file', 'x', 'Note']
    """
    written = table.columns
    known = {}
    for name in names:
        column = column_among(written, (name,))
        if column is not None and column != name:
            known[column] = name
    if not known:
        return table
    renamed = table.arrow.rename_columns([known.get(one, one) for one in written])
    return FeatureTable(renamed, table.meta)
