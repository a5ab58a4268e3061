"""Rows that occur twice: exact and near duplicates, label conflicts, pairs across a split."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import poisson

from skysift.evaluate.audit.findings import AuditFinding, Severity
from skysift.evaluate.audit.subject import Subject

__all__ = [
    "exact_groups",
    "find_duplicates",
    "find_group_leaks",
    "near_pairs",
    "pairs_of_groups",
    "report_pairs",
]

# Two rows are near duplicates if no feature differs by more than this many interquartile ranges:
# far above float32 or printing in five digits, far below the distance of two different events.
_TOLERANCE = 1e-4
_MOST_ROWS_NEAR = 100_000
_MOSTLY = 0.5
_CHANCE = 1e-3
_CONFLICT_HIGH = 1e-3


def find_duplicates(subject: Subject, split: NDArray[Any] | None) -> list[AuditFinding]:
    """Find rows that repeat the features of another row.

    Parameters
    ----------
    subject : Subject
        The labelled table.
    split : array, shape (n,), optional
        The part (train, test, fold) of each row.
    """
    if not subject.features:
        return []
    group = exact_groups(subject.matrix)
    pairs = pairs_of_groups(group)
    findings = []
    if len(pairs) > _expected_by_chance(subject):
        how = "all features of the two are equal"
        findings = report_pairs(subject, pairs, split, kind="duplicate", how=how)
    near = near_pairs(subject)
    if len(near):
        how = f"no feature of the two differs by more than {_TOLERANCE:g} interquartile ranges"
        findings += report_pairs(subject, near, split, kind="near-duplicate", how=how)
    return findings


def exact_groups(matrix: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return a number per row, shape (n,), equal for rows whose values are all equal.

    Missing values equal one another, and -0.0 equals 0.0.
    """
    clean = np.ascontiguousarray(np.where(np.isnan(matrix), np.nan, matrix + 0.0))
    rows = clean.view(np.dtype((np.void, clean.dtype.itemsize * clean.shape[1]))).ravel()
    return np.asarray(np.unique(rows, return_inverse=True)[1], dtype=np.int64).ravel()


def near_pairs(subject: Subject) -> NDArray[np.int64]:
    """Return pairs of rows that almost coincide, shape (n_pairs, 2), without exact duplicates.

    Pairs that merely happen to be close multiply when the tolerance doubles; copies do not. The
    growth therefore bounds the number expected by chance, whatever the dimension of the data
    (at least one), and pairs are returned only where they exceed it.
    """
    present = np.isfinite(subject.matrix)
    # A feature that is mostly missing would leave no complete row to compare.
    used = present.mean(axis=0) > _MOSTLY
    matrix = subject.matrix[:, used]
    complete = np.flatnonzero(present[:, used].all(axis=1))
    if not used.any() or not len(complete):
        return np.empty((0, 2), dtype=np.int64)
    _, first = np.unique(exact_groups(matrix[complete]), return_index=True)
    rows = complete[np.sort(first)]
    if len(rows) > _MOST_ROWS_NEAR:
        subject.notes.append(
            f"Near duplicates were looked for among {_MOST_ROWS_NEAR:,} rows drawn at random."
        )
        rows = np.sort(subject.rng.choice(rows, _MOST_ROWS_NEAR, replace=False))
    values = matrix[rows]
    lower, upper = np.percentile(values, [25, 75], axis=0)
    spread = np.where(upper > lower, upper - lower, np.ptp(values, axis=0))
    scaled = values[:, spread > 0] / spread[spread > 0]
    if not scaled.shape[1]:
        return np.empty((0, 2), dtype=np.int64)
    wide, distance = _close_pairs(scaled, 2 * _TOLERANCE, subject.rng)
    close = distance <= _TOLERANCE
    by_chance = max(0.5, float(np.count_nonzero(~close)))
    if poisson.sf(np.count_nonzero(close) - 1, by_chance) > _CHANCE:
        return np.empty((0, 2), dtype=np.int64)
    return rows[wide[close]]


def _close_pairs(
    scaled: NDArray[np.float64], tolerance: float, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the pairs within a Chebyshev distance, and that distance.

    Rows are sorted along a random direction, in which close rows stay close: only neighbours
    in that order need to be compared, and no pair is lost at the border of a cell.
    """
    direction = rng.normal(size=scaled.shape[1])
    projection = scaled @ direction
    order = np.argsort(projection)
    projection = projection[order]
    reach = tolerance * np.abs(direction).sum()
    pairs, distances = [], []
    left = np.arange(len(order))
    step = 0
    while True:
        step += 1
        left = left[left + step < len(order)]
        left = left[projection[left + step] - projection[left] <= reach]
        if not len(left):
            break
        apart = np.abs(scaled[order[left + step]] - scaled[order[left]]).max(axis=1)
        hit = apart <= tolerance
        pairs.append(np.column_stack([order[left[hit]], order[left[hit] + step]]))
        distances.append(apart[hit])
    if not pairs:
        return np.empty((0, 2), dtype=np.int64), np.empty(0)
    return np.concatenate(pairs), np.concatenate(distances)


def pairs_of_groups(group: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return each row with the first row of its group, shape (n_repeats, 2)."""
    _, first, inverse = np.unique(group, return_index=True, return_inverse=True)
    rows = np.arange(len(group))
    original = first[inverse]
    again = rows != original
    return np.column_stack([original[again], rows[again]])


def _expected_by_chance(subject: Subject) -> float:
    """Return the repeats that coarse values alone produce, with room for their fluctuation.

    The columns are shuffled apart within each class; what still repeats is the coarseness.
    """
    shuffled = subject.matrix.copy()
    for label in (True, False):
        rows = np.flatnonzero(subject.y == label)
        for j in range(shuffled.shape[1]):
            shuffled[rows, j] = shuffled[subject.rng.permutation(rows), j]
    repeats = len(pairs_of_groups(exact_groups(shuffled)))
    return float(poisson.isf(_CHANCE, 2 * repeats)) if repeats else 0.0


def report_pairs(
    subject: Subject,
    pairs: NDArray[np.int64],
    split: NDArray[Any] | None,
    *,
    kind: str,
    how: str,
    item: str = "row",
    same_label: bool = True,
) -> list[AuditFinding]:
    """Report pairs of rows that are copies: that there are, with both labels, across a split.

    The number of copies is that of the rows that repeat an earlier one. Of three rows that are
    alike, two are copies, and there may be three pairs.

    Parameters
    ----------
    subject : Subject
        What is looked at.
    pairs : array of int, shape (n_pairs, 2)
        Rows.
    split : array, shape (n,), optional
        The part of each row.
    kind : str
        What the copies are called, ``duplicate`` or ``near-duplicate``.
    how : str
        In which way they are copies, as a clause.
    item : str
        What a row is, in the singular.
    same_label : bool
        Whether copies must have one label; two views of a changing sky need not.
    """
    conflict = subject.y[pairs[:, 0]] != subject.y[pairs[:, 1]]
    findings = [
        subject.finding(
            f"{kind}-{item}s",
            Severity.MEDIUM,
            f"{len(np.unique(pairs.max(axis=1))):,} {kind} {item}s",
            f"These {item}s repeat an earlier one: {how}. A copy in the test set is not a test: "
            "the model has seen its answer.",
            rows=np.unique(pairs),
            columns=subject.features,
            evidence={"n_pairs": len(pairs), "n_pairs_across_classes": int(conflict.sum())},
            advice="Keep copies on one side of every split, or drop all but one.",
        )
    ]
    if same_label and conflict.any():
        share = conflict.sum() / len(subject.y)
        findings.append(
            subject.finding(
                f"{kind}-label-conflict",
                Severity.HIGH if share >= _CONFLICT_HIGH else Severity.MEDIUM,
                f"{conflict.sum():,} {kind} pairs carry both labels",
                f"One of the two labels is wrong: {how}, yet one is of the class "
                f"{subject.classes[0]}, the other of the class {subject.classes[1]}.",
                rows=np.unique(pairs[conflict]),
                columns=subject.features,
                evidence={"n_pairs": int(conflict.sum())},
                advice="Find out which label is right, or drop both rows.",
            )
        )
    if split is not None:
        findings += _report_split(subject, pairs[split[pairs[:, 0]] != split[pairs[:, 1]]], kind)
    return findings


def _report_split(subject: Subject, pairs: NDArray[np.int64], kind: str) -> list[AuditFinding]:
    if not len(pairs):
        return []
    return [
        subject.finding(
            f"{kind}s-across-split",
            Severity.HIGH,
            f"{len(pairs):,} {kind} pairs lie on both sides of the split",
            "The same event is trained on and tested on, so the test is too kind.",
            rows=np.unique(pairs),
            columns=subject.features,
            evidence={"n_pairs": len(pairs)},
            advice="Make the split anew with the copies of a row kept together.",
        )
    ]


def find_group_leaks(
    subject: Subject, groups: NDArray[Any], split: NDArray[Any]
) -> list[AuditFinding]:
    """Find groups (runs, nights, regions, objects) that a split tears apart."""
    _, group = np.unique(groups, return_inverse=True)
    _, part = np.unique(split, return_inverse=True)
    n_groups = int(group.max()) + 1
    lowest = np.full(n_groups, np.iinfo(np.int64).max)
    highest = np.full(n_groups, -1)
    np.minimum.at(lowest, group, part)
    np.maximum.at(highest, group, part)
    torn = lowest != highest
    if not torn.any():
        return []
    return [
        subject.finding(
            "groups-across-split",
            Severity.HIGH,
            f"{torn.sum():,} of {n_groups:,} groups lie on both sides of the split",
            "Rows of one group resemble one another, so a model recognises the group instead of "
            "the class.",
            rows=np.flatnonzero(torn[group]),
            evidence={"n_groups": n_groups, "n_torn": int(torn.sum())},
            advice="Split by whole groups.",
        )
    ]
