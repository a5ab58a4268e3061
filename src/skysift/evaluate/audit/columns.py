"""Single columns that tell the class alone: labels, names, times, gaps, the order of the rows."""

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import fisher_exact, norm

from skysift.evaluate.audit.clock import clock_codes
from skysift.evaluate.audit.findings import AuditFinding, Severity
from skysift.evaluate.audit.statistics import (
    cross_fitted_auc,
    quantile_codes,
    rank_auc,
    rank_auc_p_value,
)
from skysift.evaluate.audit.subject import Subject, is_numeric

__all__ = [
    "find_group_labels",
    "find_missing_patterns",
    "find_row_order",
    "find_telling_columns",
    "find_telling_features",
]

_LEVEL = 1e-6
_BINS = 50
_ROWS_PER_BIN = 20
_TOO_GOOD = 0.995
_PERFECT = 0.99995
_SUSPICIOUS = 0.6
_TELLING = 0.9
_FEWEST_MISSING = 20
_HIGH_SHARE = 0.01
_MEDIUM_DIFFERENCE = 0.05
_TWO = 2
_HEADER = "header "  # begins the name of a column that is a card of the files
_NUMBERS = re.compile(r"\d+")


def find_telling_features(subject: Subject) -> list[AuditFinding]:
    """Find features that separate the classes better than a measured quantity is apt to."""
    findings = []
    for j, name in enumerate(subject.features):
        values = subject.matrix[:, j]
        finite = np.isfinite(values)
        auc = rank_auc(values[finite], subject.y[finite])
        auc = max(auc, 1 - auc)
        n_signal = int(np.count_nonzero(finite & subject.y))
        n_background = int(np.count_nonzero(finite)) - n_signal
        if auc < _TOO_GOOD or rank_auc_p_value(auc, n_signal, n_background) > _LEVEL:
            continue
        perfect = auc >= _PERFECT
        findings.append(
            subject.finding(
                "telling-feature",
                Severity.HIGH if perfect else Severity.MEDIUM,
                f"{name} alone reaches an AUC of {auc:.5f}",
                "A measured quantity seldom separates the classes this well. It may be the label "
                "in another guise, or be computed from it.",
                columns=(name,),
                evidence={"auc": auc},
                advice="Find out how it is made and whether it is known at prediction time.",
            )
        )
    return findings


def find_telling_columns(subject: Subject) -> list[AuditFinding]:
    """Find columns other than features (a time, a file name, a number) that tell the class.

    A column of two values that equals the labels one to one is taken for the labels and reported
    as low. A header card is not, unless the rows are too few to tell: what a camera or a program
    wrote agrees with the label where the classes were made apart. Of a column of times, the time
    of day is examined on its own.
    """
    findings = []
    for name, values in subject.others.items():
        clock = clock_codes(values)
        if clock is not None:
            what = f"The time of day in {name}"
            findings += _telling(subject, what, (name,), clock, "telling-clock")
        codes = _codes(values)
        if codes is None:
            subject.notes.append(f"Column '{name}' is neither numbers nor text: not examined.")
            continue
        told: list[AuditFinding] = []
        is_label = len(set(values.tolist())) == _TWO and _is_label(codes, subject.y)
        if not is_label or name.startswith(_HEADER):
            told = _telling(subject, f"Column {name}", (name,), codes, "telling-column")
        if is_label and not told:
            findings.append(
                subject.finding(
                    "label-column",
                    Severity.LOW,
                    f"{name} is the label itself",
                    "It has two values, one for each class.",
                    columns=(name,),
                    advice="Never use it as a feature.",
                )
            )
        findings += told
    return findings


def find_group_labels(subject: Subject, groups: NDArray[Any]) -> list[AuditFinding]:
    """Find groups (runs, nights, regions) that tell the class."""
    codes = _codes(groups)
    return [] if codes is None else _telling(subject, "The group", (), codes, "telling-group")


def _telling(
    subject: Subject, what: str, columns: tuple[str, ...], codes: NDArray[np.int64], code: str
) -> list[AuditFinding]:
    auc = cross_fitted_auc(codes, subject.y, subject.rng)
    p_value = rank_auc_p_value(auc, subject.n_signal, subject.n_background)
    if auc < _SUSPICIOUS or p_value > _LEVEL:
        return []
    return [
        subject.finding(
            code,
            Severity.HIGH if auc >= _TELLING else Severity.MEDIUM,
            f"{what} alone tells the class with an AUC of {auc:.3f}",
            "It is no measured property of the event, yet it knows the class: the "
            f"{' and '.join(subject.classes)} rows were taken, simulated or stored apart. A model "
            "that sees it, or features that drift with it, learns the bookkeeping.",
            columns=columns,
            evidence={"auc": auc, "p_value": p_value},
            advice="Keep it out of the features, and test on a split that separates its values.",
        )
    ]


def find_row_order(subject: Subject) -> list[AuditFinding]:
    """Find classes that are sorted or stored in blocks (runs test, Wald & Wolfowitz 1940).

    Returns
    -------
    list of AuditFinding
        At most one, of medium severity: a model does not see the order, a careless split does.
    """
    n = len(subject.y)
    runs = 1 + int(np.count_nonzero(np.diff(subject.y)))
    product = 2.0 * subject.n_signal * subject.n_background
    expected = 1 + product / n
    variance = product * (product - n) / (n**2 * (n - 1))
    p_value = float(norm.cdf((runs + 0.5 - expected) / np.sqrt(variance))) if variance > 0 else 1.0
    if p_value > _LEVEL:
        return []
    auc = rank_auc(np.arange(n), subject.y)
    return [
        subject.finding(
            "row-order",
            Severity.MEDIUM,
            f"The classes stand in {runs:,} blocks where {expected:,.0f} are expected",
            "The position of a row tells its class. A split, a fold or a batch of consecutive "
            "rows then holds one class only or has another class ratio, and an index column is "
            "the label in disguise.",
            evidence={
                "n_blocks": runs,
                "expected_blocks": expected,
                "auc": max(auc, 1 - auc),
                "p_value": p_value,
            },
            advice="Shuffle before any split or batch, and never keep the row number as a feature.",
        )
    ]


def find_missing_patterns(subject: Subject) -> list[AuditFinding]:
    """Find columns whose missing values are more frequent in one class (Fisher's exact test)."""
    findings = []
    missing = {name: _missing(values) for name, values in subject.columns.items()}
    for name, gone in missing.items():
        n_signal = int(np.count_nonzero(gone & subject.y))
        n_background = int(np.count_nonzero(gone)) - n_signal
        if n_signal + n_background < _FEWEST_MISSING:
            continue
        table = [
            [n_signal, subject.n_signal - n_signal],
            [n_background, subject.n_background - n_background],
        ]
        p_value = min(1.0, float(fisher_exact(table).pvalue) * len(missing))
        if p_value > _LEVEL:
            continue
        rates = n_signal / subject.n_signal, n_background / subject.n_background
        findings.append(
            subject.finding(
                "missing-values",
                _missing_severity(*rates),
                f"{name} is missing in {rates[0]:.1%} of the {subject.classes[0]} rows and "
                f"{rates[1]:.1%} of the {subject.classes[1]} rows",
                "Whether the value is there tells the class, and a model that marks or fills "
                "missing values learns that.",
                rows=np.flatnonzero(gone),
                columns=(name,),
                evidence={
                    "rate_signal": rates[0],
                    "rate_background": rates[1],
                    "auc": 0.5 + abs(rates[0] - rates[1]) / 2,
                    "p_value": p_value,
                },
                advice="Find out why it is missing. If for a reason that will not hold for new "
                "data, drop the column or the rows.",
            )
        )
    return findings


def _missing_severity(rate_signal: float, rate_background: float) -> Severity:
    fewer, more = sorted((rate_signal, rate_background))
    if fewer == 0 and more >= _HIGH_SHARE:
        return Severity.HIGH
    return Severity.MEDIUM if more - fewer >= _MEDIUM_DIFFERENCE else Severity.LOW


def _missing(values: NDArray[Any]) -> NDArray[np.bool_]:
    if values.dtype.kind == "f":
        return np.asarray(~np.isfinite(values))
    if values.dtype.kind in "mM":
        return np.asarray(np.isnat(values))
    if values.dtype.kind == "O":
        return np.array([value is None for value in values], dtype=bool)
    return np.zeros(len(values), dtype=bool)


def _codes(values: NDArray[Any]) -> NDArray[np.int64] | None:
    """Return the category of each row, shape (n,); None if the column cannot be one.

    Numbers and times are binned, unless they have few distinct values. Texts that seldom repeat,
    such as file names, are stripped of their numbers.
    """
    n_bins = max(_TWO, min(_BINS, len(values) // _ROWS_PER_BIN))
    if values.ndim == 1 and values.dtype.kind in "mM":
        values = np.where(np.isnat(values), np.nan, values.astype(np.int64).astype(np.float64))
    if is_numeric(values):
        numbers = values.astype(np.float64)
        levels, level = np.unique(numbers, return_inverse=True)
        if len(levels) <= n_bins:
            return np.asarray(level, dtype=np.int64)
        return quantile_codes(numbers, n_bins)
    if values.ndim != 1 or not all(isinstance(value, str | None) for value in values.tolist()):
        return None
    texts = np.array(["" if value is None else value for value in values.tolist()])
    levels, level = np.unique(texts, return_inverse=True)
    if len(levels) > len(texts) // _ROWS_PER_BIN:
        stripped = np.array([_NUMBERS.sub("#", text) for text in texts.tolist()])
        level = np.unique(stripped, return_inverse=True)[1]
    return np.asarray(level, dtype=np.int64)


def _is_label(codes: NDArray[np.int64], y: NDArray[np.bool_]) -> bool:
    distinct = np.unique(codes)
    if len(distinct) != _TWO:
        return False
    high = codes == distinct[1]
    return bool(np.array_equal(high, y) or np.array_equal(high, ~y))
