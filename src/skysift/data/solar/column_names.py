"""Columns of tables that others wrote: FILE, X and McIntosh are file, x and mcintosh."""

from collections.abc import Iterable

from skysift.data.table import FeatureTable

__all__ = ["in_our_case"]


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
        alike = [one for one in written if one.lower() == name.lower()]
        if name not in written and len(alike) == 1:
            known[alike[0]] = name
    if not known:
        return table
    renamed = table.arrow.rename_columns([known.get(one, one) for one in written])
    return FeatureTable(renamed, table.meta)
