"""What an audit looks at: a labelled table, taken apart into arrays once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skysift.core.errors import ContractError
from skysift.data.table import FeatureTable
from skysift.evaluate.audit.findings import AuditFinding, Severity

__all__ = ["Subject"]


@dataclass(frozen=True, slots=True)
class Subject:
    """A labelled table as the checks see it.

    Parameters
    ----------
    y : array of bool, shape (n,)
        True where the row is signal.
    features : tuple of str
        Names of the columns that a model would see.
    matrix : array of float64, shape (n, n_features)
        Those columns; missing values are NaN.
    units : tuple of str
        Unit of each feature, empty where unknown.
    columns : mapping of str to array, shape (n,) each
        All columns in their own dtype.
    rng : numpy.random.Generator
        Source of random numbers.
    classes : tuple of str
        What the rows of signal and of background are called.
    notes : list of str
        What a check could not examine in full; checks add to it.
    """

    y: NDArray[np.bool_]
    features: tuple[str, ...]
    matrix: NDArray[np.float64]
    units: tuple[str, ...]
    columns: Mapping[str, NDArray[Any]]
    rng: np.random.Generator
    classes: tuple[str, str] = ("signal", "background")
    notes: list[str] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        table: FeatureTable,
        y: ArrayLike,
        features: Sequence[str] | None,
        rng: np.random.Generator,
        classes: tuple[str, str] = ("signal", "background"),
    ) -> "Subject":
        """Take a table apart.

        Raises
        ------
        ContractError
            If `y` does not fit the table, lacks a class, or a feature is not numeric.
        """
        labels = _labels(table, y)
        columns = {name: table[name] for name in table}
        if features is None:
            features = [name for name, values in columns.items() if is_numeric(values)]
        for name in features:
            if not is_numeric(table[name]):
                raise ContractError(
                    f"Column '{name}' is not numeric, so it cannot be a feature.",
                    "Leave it out of `features`.",
                    path=table.meta.get("path"),
                )
        matrix = table.matrix(list(features))
        matrix[~np.isfinite(matrix)] = np.nan
        units = tuple(table.unit(name) for name in features)
        return cls(labels, tuple(features), matrix, units, columns, rng, classes)

    @property
    def n_signal(self) -> int:
        """Number of signal rows."""
        return int(np.count_nonzero(self.y))

    @property
    def n_background(self) -> int:
        """Number of background rows."""
        return len(self.y) - self.n_signal

    @property
    def others(self) -> dict[str, NDArray[Any]]:
        """The columns that no model sees, shape (n,) each."""
        return {name: values for name, values in self.columns.items() if name not in self.features}

    def names(self, label: bool) -> tuple[str, str]:  # noqa: FBT001 - the label is the argument
        """Return the name of a class and that of the other."""
        return self.classes if label else self.classes[::-1]

    def class_size(self, label: bool) -> int:  # noqa: FBT001 - the label is the argument
        """Return the number of rows of a class."""
        return self.n_signal if label else self.n_background

    def sample(self, most: int) -> NDArray[np.int64]:
        """Return at most `most` rows, drawn at random and in ascending order."""
        n = len(self.y)
        if n <= most:
            return np.arange(n)
        return np.sort(self.rng.choice(n, most, replace=False))

    def finding(
        self,
        code: str,
        severity: Severity,
        title: str,
        explanation: str,
        *,
        rows: ArrayLike = (),
        columns: Sequence[str] = (),
        evidence: Mapping[str, Any] | None = None,
        advice: str = "",
    ) -> AuditFinding:
        """Return a finding with its rows counted per class."""
        where = np.asarray(rows, dtype=np.int64)
        n_signal = int(np.count_nonzero(self.y[where]))
        return AuditFinding(
            code=code,
            severity=severity,
            title=title,
            explanation=explanation,
            columns=tuple(columns),
            rows=where,
            n_signal=n_signal,
            n_background=len(where) - n_signal,
            evidence=evidence or {},
            advice=advice,
        )


def is_numeric(values: NDArray[Any]) -> bool:
    """Return whether a column holds one real number per row."""
    return values.ndim == 1 and values.dtype.kind in "biuf"


def _labels(table: FeatureTable, y: ArrayLike) -> NDArray[np.bool_]:
    labels = np.asarray(y)
    path = table.meta.get("path")
    if labels.shape != (len(table),) or labels.dtype != bool:
        raise ContractError(
            f"The labels have shape {labels.shape} and type {labels.dtype}; "
            f"the table has {len(table)} rows.",
            "Give one boolean per row, True for signal.",
            path=path,
        )
    if labels.all() or not labels.any():
        raise ContractError(
            "All rows belong to one class.",
            "An audit compares two classes: give rows of both.",
            path=path,
        )
    return labels
