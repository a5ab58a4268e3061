"""What an audit returns: findings with a severity, the rows they concern, and the evidence."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["AuditFinding", "AuditReport", "Severity", "finding_rows"]

_FIRST_ROWS = 5


class Severity(StrEnum):
    """How much a finding can distort what a model learns or what its test claims."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    @property
    def rank(self) -> int:
        """0 for the gravest."""
        return list(Severity).index(self)


@dataclass(frozen=True, slots=True)
class AuditFinding:
    """One thing that the audit found.

    Parameters
    ----------
    code : str
        Short stable name, e.g. ``pure-region``.
    severity : Severity
        How much it matters.
    title : str
        One line with the numbers that matter.
    explanation : str
        Why the finding is suspicious, in plain words.
    columns : tuple of str
        Columns concerned; empty where the finding concerns no column.
    rows : array of int64, shape (n_found,)
        0-based rows concerned.
    n_signal, n_background : int
        How many of those rows belong to each class.
    evidence : mapping
        The numbers behind the finding: p-values, AUC, limits, counts.
    advice : str
        What to do about it.
    """

    code: str
    severity: Severity
    title: str
    explanation: str
    columns: tuple[str, ...]
    rows: NDArray[np.int64]
    n_signal: int
    n_background: int
    evidence: Mapping[str, Any] = field(default_factory=dict)
    advice: str = ""

    def __str__(self) -> str:
        return f"[{self.severity.value}] {self.code}: {self.title}"

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready mapping: the count and the first rows, not all of them."""
        return {
            "code": self.code,
            "severity": self.severity.value,
            "title": self.title,
            "explanation": self.explanation,
            "columns": list(self.columns),
            "n_rows": len(self.rows),
            "first_rows": self.rows[:_FIRST_ROWS].tolist(),
            "n_signal": self.n_signal,
            "n_background": self.n_background,
            "evidence": plain(dict(self.evidence)),
            "advice": self.advice,
        }


@dataclass(frozen=True, slots=True)
class AuditReport:
    """The findings of an audit, the gravest first.

    Parameters
    ----------
    findings : tuple of AuditFinding
        What was found, the gravest first.
    n_signal, n_background : int
        Rows of each class in the whole table.
    notes : tuple of str
        What could not be examined in full, and why.
    """

    findings: tuple[AuditFinding, ...]
    n_signal: int
    n_background: int
    notes: tuple[str, ...] = ()

    def with_code(self, code: str) -> tuple[AuditFinding, ...]:
        """Return the findings of one code."""
        return tuple(finding for finding in self.findings if finding.code == code)

    def of(self, severity: Severity) -> tuple[AuditFinding, ...]:
        """Return the findings of one severity."""
        return tuple(finding for finding in self.findings if finding.severity is severity)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready mapping."""
        return {
            "n_signal": self.n_signal,
            "n_background": self.n_background,
            "counts": {severity.value: len(self.of(severity)) for severity in Severity},
            "findings": [finding.to_dict() for finding in self.findings],
            "notes": list(self.notes),
        }

    def to_rows(self) -> list[dict[str, Any]]:
        """Return one flat row per finding, for a printed table or a CSV file."""
        return [
            {
                "severity": finding.severity.value,
                "code": finding.code,
                "title": finding.title,
                "columns": ", ".join(finding.columns),
                "n_signal": finding.n_signal,
                "n_background": finding.n_background,
                "advice": finding.advice,
            }
            for finding in self.findings
        ]


def finding_rows(stored: Mapping[str, Any], classes: tuple[str, str]) -> list[dict[str, Any]]:
    """Return a row for each finding of a stored report, with the classes by their own names.

    Parameters
    ----------
    stored : mapping
        As :meth:`AuditReport.to_dict` returns it.
    classes : tuple of str
        What signal and background are called, in the plural.
    """
    signal, background = classes
    return [
        {
            "severity": finding["severity"],
            "finding": finding["title"],
            signal: finding["n_signal"],
            background: finding["n_background"],
            "advice": finding["advice"],
        }
        for finding in stored["findings"]
    ]


def plain(value: Any) -> Any:
    """Turn numpy scalars and arrays into Python values; non-finite numbers become None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
