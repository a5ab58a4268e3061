"""The findings of reading one file, gathered while it is read."""

from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from skysift.data.contract import Finding, Verdict

__all__ = ["Findings"]


class Findings:
    """Findings about a file (no rows) and about its rows.

    Parameters
    ----------
    path : Path
        The file, for errors.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._found: list[Finding] = []

    def add(self, code: str, verdict: Verdict, message: str, rows: ArrayLike = ()) -> None:
        """Add a finding; the same one about the file is kept once."""
        concerned = np.asarray(rows, dtype=np.int64)
        if len(concerned) == 0 and any(finding.code == code for finding in self._found):
            return
        self._found.append(Finding(code, verdict, message, concerned))

    def as_tuple(self) -> tuple[Finding, ...]:
        """Return what was found, in the order in which it was found."""
        return tuple(self._found)
