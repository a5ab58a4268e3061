"""Values that give a class away: pure regions behind a sharp edge, and repeated exact values."""

import numpy as np
from numpy.typing import NDArray

from skysift.evaluate.audit.combinations import Combination, simple_combinations
from skysift.evaluate.audit.edges import PureRegion, pure_regions
from skysift.evaluate.audit.findings import AuditFinding, Severity
from skysift.evaluate.audit.statistics import one_sided_fisher
from skysift.evaluate.audit.subject import Subject

__all__ = ["find_point_masses", "find_pure_regions"]

_MOST_ROWS = 100_000
_LEVEL = 1e-6
_SAME_ROWS = 0.5
_HIGH_SHARE = 0.02
_NEIGHBOURS = 200
_FEWEST_REPEATS = 10


def find_pure_regions(subject: Subject) -> list[AuditFinding]:
    """Find regions of a feature, or of a combination of two, that one class cannot enter.

    p-values are corrected (Bonferroni) for all variables, borders and scales that were tested. Of
    regions that hold much the same rows only the one with the most is reported.
    """
    sample = subject.sample(_MOST_ROWS)
    if len(sample) < len(subject.y):
        subject.notes.append(
            f"Pure regions were looked for among {_MOST_ROWS:,} rows drawn at random."
        )
    y = subject.y[sample]
    candidates: list[tuple[PureRegion, Combination]] = []
    n_tested = 0
    for combination, values in simple_combinations(
        subject.features, subject.matrix[sample], subject.units
    ):
        for region in pure_regions(values, y):
            n_tested += region.n_tested
            candidates.append((region, combination))
    significant = [one for one in candidates if one[0].p_value * n_tested < _LEVEL]
    significant.sort(key=lambda one: (-one[0].n_pure, one[0].p_value))
    findings: list[AuditFinding] = []
    seen = np.zeros(len(subject.y), dtype=bool)
    for region, combination in significant:
        values = combination.values(*(_column(subject, name) for name in combination.columns))
        rows = np.flatnonzero(region.holds(values))
        if np.mean(seen[rows]) < _SAME_ROWS:
            seen[rows] = True
            findings.append(_report_region(subject, region, combination, rows, n_tested))
    return findings


def _column(subject: Subject, name: str) -> NDArray[np.float64]:
    return np.asarray(subject.matrix[:, subject.features.index(name)])


def _report_region(
    subject: Subject,
    region: PureRegion,
    combination: Combination,
    rows: NDArray[np.int64],
    n_tested: int,
) -> AuditFinding:
    pure = int(np.count_nonzero(subject.y[rows] == region.pure))
    share = pure / subject.class_size(region.pure)
    names = subject.names(region.pure)
    where = _interval_text(str(combination), region.low, region.high)
    return subject.finding(
        "pure-region",
        Severity.HIGH if share >= _HIGH_SHARE else Severity.MEDIUM,
        f"{where} holds {pure:,} {names[0]} rows and {len(rows) - pure:,} {names[1]}",
        f"The {names[1]} rows are dense right up to this border and stop dead there, while "
        f"{share:.1%} of the {names[0]} rows lie beyond it. Nature seldom does that to one class; "
        "a cut, a second production or an impossible value does.",
        rows=rows,
        columns=combination.columns,
        evidence={
            "combination": str(combination),
            "kind": combination.kind,
            "low": region.low,
            "high": region.high,
            "pure_class": names[0],
            "share_of_class": share,
            "p_value": min(1.0, region.p_value * n_tested),
            "n_tested": n_tested,
        },
        advice="Find out how these rows were made. Until that is known, give every result with "
        "and without them, and do not feed this combination to a model.",
    )


def _interval_text(name: str, low: float, high: float) -> str:
    if np.isinf(low):
        return f"{name} < {high:.6g}"
    if np.isinf(high):
        return f"{name} > {low:.6g}"
    return f"{low:.6g} < {name} < {high:.6g}"


def find_point_masses(subject: Subject) -> list[AuditFinding]:
    """Find exact values that many rows of one class carry and none of the other.

    The classes at a value are compared with those at the neighbouring values, so that a repeated
    value among its like, on the side where one class is alone anyway, is not reported.
    """
    candidates = []
    n_tested = 0
    for name in subject.features:
        values = _column(subject, name)
        for value, pure, p_value in _one_class_values(values, subject.y):
            n_tested += 1
            candidates.append((name, value, pure, p_value))
    findings = []
    for name, value, pure, p_value in candidates:
        corrected = min(1.0, p_value * n_tested)
        if corrected >= _LEVEL:
            continue
        rows = np.flatnonzero(_column(subject, name) == value)
        share = np.count_nonzero(subject.y[rows] == pure) / subject.class_size(pure)
        which = subject.names(pure)
        findings.append(
            subject.finding(
                "point-mass",
                Severity.HIGH if share >= _HIGH_SHARE else Severity.MEDIUM,
                f"{name} = {value:.9g} in {len(rows):,} rows, all of the class {which[0]}",
                f"{share:.1%} of the {which[0]} rows carry exactly this value and no {which[1]} "
                "row does, though both classes have values around it: a default or a clipped value "
                "that was set for one class only.",
                rows=rows,
                columns=(name,),
                evidence={"value": value, "p_value": corrected, "share_of_class": share},
                advice="Treat the value as missing, or repair it at its source, in both classes.",
            )
        )
    return findings


def _one_class_values(
    values: NDArray[np.float64], y: NDArray[np.bool_]
) -> list[tuple[float, bool, float]]:
    """Return repeated values that one class alone carries: value, class, p-value."""
    finite = np.isfinite(values)
    levels, level = np.unique(values[finite], return_inverse=True)
    if len(levels) < 2:  # noqa: PLR2004 - a constant has no neighbouring value
        return []
    signal = np.bincount(level, weights=y[finite], minlength=len(levels)).astype(np.int64)
    total = np.bincount(level, minlength=len(levels))
    up_to = np.concatenate([[0], np.cumsum(total)])
    signal_up_to = np.concatenate([[0], np.cumsum(signal)])
    found = []
    alone = (total >= _FEWEST_REPEATS) & ((signal == 0) | (signal == total))
    for k in np.flatnonzero(alone):
        # Whole levels on both sides, until there are enough rows to compare with.
        start = max(0, int(np.searchsorted(up_to, up_to[k] - _NEIGHBOURS, side="right")) - 1)
        stop = min(len(levels), int(np.searchsorted(up_to, up_to[k + 1] + _NEIGHBOURS)))
        near = up_to[stop] - up_to[start] - total[k]
        near_signal = signal_up_to[stop] - signal_up_to[start] - signal[k]
        pure = bool(signal[k])
        same, other = (
            (near_signal, near - near_signal) if pure else (near - near_signal, near_signal)
        )
        p_value = one_sided_fisher(int(total[k]), 0, int(same), int(other))
        found.append((float(levels[k]), pure, p_value))
    return found
