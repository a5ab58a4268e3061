"""The input contract: each row is accepted, repaired and flagged, or rejected with a reason."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import NothingAnsweredError
from skysift.data.table import FeatureTable

__all__ = ["Checked", "Finding", "Verdict", "check_answered"]


class Verdict(StrEnum):
    """What became of the rows that a finding concerns."""

    NOTED = "noted"
    REPAIRED = "repaired"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that the contract found.

    Parameters
    ----------
    code : str
        Short stable name; it becomes the flag of the rows, e.g. ``nan-width``.
    verdict : Verdict
        What became of the rows.
    message : str
        What was found and what was done, in plain words.
    rows : array of int, shape (n_found,)
        0-based rows concerned.
    """

    code: str
    verdict: Verdict
    message: str
    rows: NDArray[np.int64]

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready mapping: the count and the first rows, not all of them."""
        return {
            "code": self.code,
            "verdict": self.verdict.value,
            "message": self.message,
            "n": len(self.rows),
            "first_rows": self.rows[:5].tolist(),
        }


@dataclass(frozen=True, slots=True)
class Checked:
    """A table after its input contract: all rows are still there, each with its verdict.

    Parameters
    ----------
    table : FeatureTable
        The rows in their original order, repaired where that was possible.
    usable : array of bool, shape (n_rows,)
        False where the row was rejected.
    findings : tuple of Finding
        What was found.
    """

    table: FeatureTable
    usable: NDArray[np.bool_]
    findings: tuple[Finding, ...] = field(default=())

    @property
    def counts(self) -> Mapping[str, int]:
        """Number of rows accepted as they were, repaired, and rejected."""
        touched = np.zeros(len(self.table), dtype=bool)
        for finding in self.findings:
            if finding.verdict is Verdict.REPAIRED:
                touched[finding.rows] = True
        return {
            "accepted": int(np.sum(self.usable & ~touched)),
            "repaired": int(np.sum(self.usable & touched)),
            "rejected": int(np.sum(~self.usable)),
        }

    def notes(self, item: str = "row") -> tuple[str, ...]:
        """Return what the contract found, in sentences.

        Parameters
        ----------
        item : str
            What a row is of, in the singular.

        Examples
        --------
        >>> table = FeatureTable.from_columns({"width": np.array([1.0, np.nan])})
        >>> bad = Finding("nan-width", Verdict.REJECTED, "no width", np.array([1]))
        >>> for note in Checked(table, np.array([True, False]), (bad,)).notes("event"):
        ...     print(note)
        Input contract: 1 accepted, 0 repaired, 1 rejected.
        1 event: no width.
        """
        counts = ", ".join(f"{number:,} {verdict}" for verdict, number in self.counts.items())
        found = (
            f"{len(one.rows):,} {item}{'' if len(one.rows) == 1 else 's'}: {one.message}."
            for one in self.findings
        )
        return (f"Input contract: {counts}.", *found)

    def flags(self) -> list[str]:
        """Return one text per row: the codes of its findings, comma-separated, or empty."""
        flags = np.full(len(self.table), "", dtype=object)
        for finding in self.findings:
            here = flags[finding.rows]
            flags[finding.rows] = [f"{old},{finding.code}" if old else finding.code for old in here]
        return [str(flag) for flag in flags]


def check_answered(counts: Mapping[str, int], out: Path) -> None:
    """Check that a prediction answers something, after it was written.

    Parameters
    ----------
    counts : mapping of str to int
        As :meth:`skysift.core.task.Task.predict_files` returns.
    out : Path
        Where the answers are.

    Raises
    ------
    NothingAnsweredError
        If there were inputs, and all were rejected.
    """
    usable = counts.get("accepted", 0) + counts.get("repaired", 0)
    if counts.get("rejected", 0) and not usable:
        raise NothingAnsweredError(
            "All of the input was rejected: nothing is answered.",
            "See why in the column 'flags' or, of an empty table, under 'input_contract' in its "
            "metadata.",
            path=out,
        )
