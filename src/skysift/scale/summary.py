"""Which share of a run a process does, and what came of it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from skysift.core.errors import InputError, UsageError
from skysift.data.contract import check_answered
from skysift.scale.folder import RunFolder
from skysift.scale.partitions import Outcome, Partition, Refusal

__all__ = ["Share", "Summary"]

_TOLD = 5  # examples that are named for people


@dataclass(frozen=True, slots=True)
class Share:
    """The part of the partitions that one job of an array works on.

    Parameters
    ----------
    place : int
        Of the job, from 1.
    total : int
        Number of jobs.
    """

    place: int = 1
    total: int = 1

    @classmethod
    def parse(cls, text: str) -> "Share":
        """Return the share that ``K/N`` says.

        Raises
        ------
        UsageError
            If it is of another form, or K is not from 1 to N.

        Examples
        --------
        >>> Share.parse("3/10")
        Share(place=3, total=10)
        """
        place, slash, total = text.partition("/")
        if not (slash and place.isdecimal() and total.isdecimal()):
            raise UsageError(f"'{text}' is no share of the work.", "Write K/N, e.g. --part 3/10.")
        if not 1 <= int(place) <= int(total):
            raise UsageError(
                f"There is no part {place} of {total}.", f"Parts are counted from 1 to {total}."
            )
        return cls(int(place), int(total))

    def of(self, partitions: Sequence[Partition]) -> list[Partition]:
        """Return every so-many-th partition: neighbours in time or on the sky cost alike."""
        return list(partitions[self.place - 1 :: self.total])


@dataclass
class Summary:
    """What came of a run.

    Parameters
    ----------
    out : Path
        The folder of the results.
    partitions : int
        How many there are, in this share.
    states : Counter
        How many were written, kept from before, or left empty.
    counts : Counter
        As :meth:`skysift.core.task.Task.predict_files` counts, over all partitions.
    rows : int
        Of all parts.
    refused : list of Refusal
        Files that could not be used.
    columns : dict
        The columns of the parts, and the first part that has them.
    peak_memory : int
        Most bytes that a process held.
    processor_seconds : float
        Of all partitions that were predicted now.
    """

    out: Path
    partitions: int
    states: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    rows: int = 0
    refused: list[Refusal] = field(default_factory=list)
    columns: dict[tuple[str, ...], str] = field(default_factory=dict)
    peak_memory: int = 0
    processor_seconds: float = 0.0

    def add(self, outcome: Outcome) -> None:
        """Count a partition."""
        self.states[outcome.state] += 1
        self.refused += outcome.refused
        if not outcome.name:
            return
        self.counts.update(outcome.counts)
        self.rows += outcome.rows
        self.columns.setdefault(outcome.columns, outcome.name)
        if outcome.state == "written":
            self.peak_memory = max(self.peak_memory, outcome.peak_memory)
            self.processor_seconds += outcome.processor_seconds

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready mapping."""
        return {
            "out": str(self.out),
            "partitions": self.partitions,
            **{state: self.states[state] for state in ("written", "kept", "empty")},
            "rows": dict(self.counts),
            "refused": [refusal.model_dump() for refusal in self.refused],
            "kinds_of_columns": len(self.columns),
            "peak_memory": self.peak_memory,
            "processor_seconds": round(self.processor_seconds, 3),
        }

    def lines(self) -> list[str]:
        """Return the same for people."""
        told = [
            f"{self.states[name]:,} {name}" for name in ("written", "kept") if self.states[name]
        ]
        rows = ", ".join(f"{value:,} {name}" for name, value in self.counts.items())
        lines = [
            f"{self.out}: {self.partitions:,} partitions ({', '.join(told) or 'none'}); {rows}"
        ]
        if len(self.columns) > 1:
            names = ", ".join(list(self.columns.values())[:_TOLD])
            lines.append(f"The parts differ in their columns, e.g. {names}: read them apart.")
        lines += [f"In quarantine: {one.path}: {one.reason}" for one in self.refused[:_TOLD]]
        return lines

    def check(self) -> None:
        """Say it where files were refused, or nothing was answered.

        Raises
        ------
        InputError
            If a file is in quarantine.
        NothingAnsweredError
            If all rows of all files were rejected.
        """
        if self.refused:
            files = "1 file" if len(self.refused) == 1 else f"{len(self.refused):,} files"
            raise InputError(
                f"{files} could not be used; all others are done.",
                f"The reasons are in {RunFolder(self.out).quarantine}. A file is tried again when "
                "it, the bundle or an option changes, or with --retry.",
            )
        check_answered(self.counts, self.out)
