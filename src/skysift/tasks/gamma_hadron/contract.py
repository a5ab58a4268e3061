"""The input contract of gamma-hadron.

- A column that the model needs is missing: an error that names the nearest column.
- Further columns pass through.
- NaN or infinity in a needed column: the row is rejected (``not-finite-COLUMN``).
- Negative length, width or distance: rejected (``negative-COLUMN``).
- A concentration or leakage outside 0 to 1 by more than 0.1, or any value that no image can have:
  rejected (``out-of-range-COLUMN``).
- alpha in radians, no unit declared: converted (``alpha-was-in-radians``).
- alpha signed or beyond 90 deg: folded to 0..90 deg (``alpha-was-folded``).
- SIZE linear instead of log10: its logarithm taken (``size-was-linear``); rejected where it is not
  positive (``size-not-positive``).
- Far outside what the model was trained on: kept and flagged (``outside-training-range``); if that
  holds for most rows, an error: units or telescope do not fit.

Whether alpha is in radians and SIZE linear is a property of the file, not of a row: it is decided
once, on its first rows, and holds for the rest.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import ContractError
from skysift.core.suggest import did_you_mean, listed
from skysift.data.contract import Checked, Finding, Verdict
from skysift.data.table import FeatureTable

__all__ = ["FLAG_WORDS", "Conventions", "check", "conventions_of"]

FLAG_WORDS: Final = {
    "alpha-was-in-radians": "alpha was in radians: converted to degrees",
    "alpha-was-folded": "alpha was signed or beyond 90 deg: folded to 0..90 deg",
    "size-was-linear": "SIZE was linear: its decimal logarithm was taken",
    "size-not-positive": "SIZE is not positive",
    "outside-training-range": "a value lies far outside what the model was trained on",
}
"""What flags of events mean, where no column is named."""

_LENGTHS = ("length", "width", "dist")
_FRACTIONS = (
    "concentration_one_pixel",
    "concentration_two_pixel",
    "concentration_cog",
    "concentration_core",
    "leakage1",
    "leakage2",
)
_MIN_ROWS_TO_DECIDE = 30
_LARGEST_LOG_SIZE = 8.0
_NOISE = 0.1  # a share of light can leave 0..1 by this where the pedestal fluctuates
_RIGHT_ANGLE = 90.0
_LARGEST = 1e9  # beyond it products of values overflow in single precision
_LARGEST_ABS_LOG_SIZE = 30.0


@dataclass(frozen=True, slots=True)
class Conventions:
    """How a file writes what has no unit of its own.

    Parameters
    ----------
    alpha_in_radians : bool
        True if all of alpha lies within a quarter turn in radians.
    linear_size : bool
        True if SIZE is a number of photo-electrons and not its logarithm.
    """

    alpha_in_radians: bool = False
    linear_size: bool = False


def conventions_of(table: FeatureTable, with_unit: Collection[str] = ()) -> Conventions:
    """Tell from the first rows of a file how it writes alpha and SIZE.

    Parameters
    ----------
    table : FeatureTable
        Canonical columns.
    with_unit : collection of str
        The columns whose unit the file states, so that nothing need be guessed.
    """
    radians = linear = False
    if "alpha" in table and "alpha" not in with_unit:
        alpha = _finite(table["alpha"])
        largest = np.max(np.abs(alpha), initial=0.0)
        radians = bool(alpha.size >= _MIN_ROWS_TO_DECIDE and 0.0 < largest <= np.pi / 2 + 1e-3)
    if "log_size" in table:
        size = _finite(table["log_size"])
        linear = bool(size.size > 0 and np.median(size) > _LARGEST_LOG_SIZE)
    return Conventions(radians, linear)


def check(
    table: FeatureTable,
    needed: Sequence[str],
    conventions: Conventions | None = None,
    *,
    training_range: Mapping[str, tuple[float, float]] | None = None,
) -> Checked:
    """Apply the contract to a table of canonical columns.

    Parameters
    ----------
    table : FeatureTable
        Events, one row each.
    needed : sequence of str
        Columns that the model needs.
    conventions : Conventions, optional
        Of the file; found from this table if left out.
    training_range : mapping, optional
        Lowest and highest value of each column in the training data.

    Raises
    ------
    ContractError
        If a needed column is missing, or most rows lie outside the training range.
    """
    missing = [name for name in needed if name not in table]
    if missing:
        raise ContractError(
            f"The model needs {listed(missing)}, which the table does not have.",
            f"{did_you_mean(missing[0], table.columns)}If the parameters are another telescope's, "
            "train a model for them; if only the names are, give a column map (--columns).",
            path=table.meta.get("path"),
        )
    conventions = conventions or conventions_of(table)
    usable = np.ones(len(table), dtype=bool)
    findings: list[Finding] = []

    def reject(code: str, bad: NDArray[np.bool_], message: str) -> None:
        if bad.any():
            findings.append(Finding(code, Verdict.REJECTED, message, np.flatnonzero(bad)))
            usable[bad] = False

    for name in needed:
        values = np.asarray(table[name], dtype=np.float64)
        reject(f"not-finite-{name}", ~np.isfinite(values), f"'{name}' is NaN or infinite")
    table = _repair(table, conventions, findings, reject)
    with np.errstate(invalid="ignore"):
        for name in needed:
            values = np.asarray(table[name], dtype=np.float64)
            values = np.where(np.isfinite(values), values, 0.0)  # the others are rejected already
            if name in _FRACTIONS:
                bad = (values < -_NOISE) | (values > 1 + _NOISE)
                reject(f"out-of-range-{name}", bad, f"'{name}' is not between 0 and 1")
                continue
            if name in _LENGTHS:
                reject(f"negative-{name}", values < 0, f"'{name}' is negative")
            largest = _LARGEST_ABS_LOG_SIZE if name == "log_size" else _LARGEST
            beyond = np.abs(values) > largest
            reject(f"out-of-range-{name}", beyond, f"'{name}' is beyond what an image can have")
    if training_range:
        findings += _outside(table, usable, training_range)
    return Checked(table, usable, tuple(findings))


def _repair(
    table: FeatureTable,
    conventions: Conventions,
    findings: list[Finding],
    reject: Callable[[str, NDArray[np.bool_], str], None],
) -> FeatureTable:
    every = np.arange(len(table))
    if "alpha" in table:
        alpha = np.asarray(table["alpha"], dtype=np.float64)
        if conventions.alpha_in_radians:
            alpha = np.degrees(alpha)
            findings.append(_found("alpha-was-in-radians", Verdict.REPAIRED, every))
        with np.errstate(invalid="ignore"):
            folded = np.abs(alpha) % 180.0
        folded = np.where(folded > _RIGHT_ANGLE, 180.0 - folded, folded)
        changed = np.isfinite(alpha) & (folded != alpha)
        if changed.any():
            rows = np.flatnonzero(changed)
            findings.append(_found("alpha-was-folded", Verdict.REPAIRED, rows))
        if changed.any() or conventions.alpha_in_radians:
            table = table.with_columns({"alpha": folded}, units={"alpha": "deg"})
    if "log_size" in table and conventions.linear_size:
        size = np.asarray(table["log_size"], dtype=np.float64)
        reject("size-not-positive", size <= 0, FLAG_WORDS["size-not-positive"])
        findings.append(_found("size-was-linear", Verdict.REPAIRED, every))
        with np.errstate(divide="ignore", invalid="ignore"):
            table = table.with_columns({"log_size": np.log10(size)})
    return table


def _outside(
    table: FeatureTable,
    usable: NDArray[np.bool_],
    training_range: Mapping[str, tuple[float, float]],
) -> list[Finding]:
    outside = np.zeros(len(table), dtype=bool)
    worst: dict[str, float] = {}
    for name, (low, high) in training_range.items():
        values = np.asarray(table[name], dtype=np.float64)
        margin = 0.25 * (high - low)
        # Extents in a larger unit, e.g. degrees for mm, come near zero, which no margin excludes.
        lowest = low / 3 if name in _LENGTHS else low - margin
        with np.errstate(invalid="ignore"):
            bad = usable & ((values < lowest) | (values > high + margin))
        outside |= bad
        if usable.sum() >= _MIN_ROWS_TO_DECIDE and bad.sum() > 0.5 * usable.sum():
            worst[name] = float(np.median(values[usable]))
    if worst:
        name, median = next(iter(worst.items()))
        low, high = training_range[name]
        raise ContractError(
            f"Most rows have '{name}' outside what the model was trained on: median {median:.4g} "
            f"against {low:.4g} to {high:.4g}.",
            "Check the units in the column map, or train a bundle for this telescope with "
            "'skysift train gamma-hadron'.",
            path=table.meta.get("path"),
        )
    if not outside.any():
        return []
    return [_found("outside-training-range", Verdict.NOTED, np.flatnonzero(outside))]


def _found(code: str, verdict: Verdict, rows: NDArray[np.int64]) -> Finding:
    return Finding(code, verdict, FLAG_WORDS[code], rows)


def _finite(values: NDArray[np.generic]) -> NDArray[np.float64]:
    numbers = np.asarray(values, dtype=np.float64)
    return numbers[np.isfinite(numbers)]
