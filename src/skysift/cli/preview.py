"""The first rows of a table of answers, and how often each flag is among them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Preview", "preview_of"]

_LARGEST = 20 * 2**20  # bytes of a file that is read again for it
_ROWS = 5
_READABLE = {".csv", ".ecsv", ".fits", ".parquet", ".vot"}


@dataclass(frozen=True, slots=True)
class Preview:
    """What people see of a file of answers before they open it.

    Parameters
    ----------
    rows : tuple of dict
        The first ones, with the columns that are looked at first.
    more : int
        Number of rows after them.
    flags : dict of str to int
        How many rows have each flag, the most frequent first.
    """

    rows: tuple[dict[str, Any], ...] = ()
    more: int = 0
    flags: dict[str, int] | None = None

    def lines(self, words: Mapping[str, str]) -> list[str]:
        """Return what is to say below the table.

        Parameters
        ----------
        words : mapping of str to str
            What flags mean; the others are only counted.

        Examples
        --------
        >>> for line in Preview(flags={"nan": 2, "edge": 1}).lines({"nan": "a pixel is NaN"}):
        ...     print(line)
        Flags:
          nan (2): a pixel is NaN
          edge (1)
        """
        said = [f"... and {self.more:,} more"] if self.more else []
        if self.flags:
            said.append("Flags:")
        for name, count in (self.flags or {}).items():
            meaning = f": {words[name]}" if name in words else ""
            said.append(f"  {name} ({count:,}){meaning}")
        return said


def preview_of(path: Path, columns: Sequence[str]) -> Preview:
    """Look at a file of answers, unless it is large.

    Parameters
    ----------
    path : Path
        A table that was just written.
    columns : sequence of str
        Those to show; the ones that it does not have are left out.
    """
    if path.suffix not in _READABLE or path.stat().st_size > _LARGEST:
        return Preview()
    from skysift.data.io import read_table

    table = read_table(path)
    shown = [name for name in columns if name in table.columns]
    first = [_plain(row) for row in table.arrow.select(shown).slice(0, _ROWS).to_pylist()]
    flags: Counter[str] = Counter()
    if "flags" in table.columns:
        for text in table["flags"].tolist():
            flags.update(name for name in str(text or "").split(",") if name)
    return Preview(tuple(first), len(table) - len(first), dict(flags.most_common()))


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row whose whole numbers are text: they are names of things, without commas."""
    whole = {name: str(value) for name, value in row.items() if type(value) is int}
    return row | whole
