"""The audit: every check on one labelled table, the gravest findings first."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skysift.core.errors import ContractError
from skysift.data.table import FeatureTable
from skysift.evaluate.audit.clock import find_time_neighbours
from skysift.evaluate.audit.columns import (
    find_group_labels,
    find_missing_patterns,
    find_row_order,
    find_telling_columns,
    find_telling_features,
)
from skysift.evaluate.audit.duplicates import find_duplicates, find_group_leaks
from skysift.evaluate.audit.findings import AuditReport
from skysift.evaluate.audit.names import find_repeated_names, find_sources
from skysift.evaluate.audit.number_format import find_number_format
from skysift.evaluate.audit.regions import find_point_masses, find_pure_regions
from skysift.evaluate.audit.subject import Subject

__all__ = ["audit"]

_DAY = np.timedelta64(24, "h")


def audit(
    table: FeatureTable,
    y: ArrayLike,
    *,
    features: Sequence[str] | None = None,
    split: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    times: ArrayLike | None = None,
    purge: np.timedelta64 = _DAY,
    raw_text: Mapping[str, Sequence[str]] | None = None,
    classes: tuple[str, str] = ("signal", "background"),
    rng: np.random.Generator,
) -> AuditReport:
    """Look for what tells the class of a row without being nature: leaks, artefacts, copies.

    Nothing about the data set is assumed. The checks are: copied rows; regions and exact values
    that one class alone fills behind a sharp edge; the number of digits; missing values; columns
    other than features, times of day, and the order of the rows, that know the class; files listed
    twice and sources that differ by class; features too good to be true; with a split, groups torn
    apart and neighbours in time on both sides.

    Parameters
    ----------
    table : FeatureTable
        The rows, n of them. Its meta may have ``bare_names``: columns with names of files that lie
        in several folders, so that the same name is not the same file.
    y : array_like of bool, shape (n,)
        True for signal.
    features : sequence of str, optional
        Columns that a model would see; by default all numeric columns.
    split : array_like, shape (n,), optional
        The part of each row (train, test, or the number of a fold).
    groups : array_like, shape (n,), optional
        What rows belong together (run, night, region, object).
    times : array_like of datetime64, shape (n,), optional
        When each row was observed: with a split, rows of two parts must not be near in time.
    purge : timedelta64
        How far apart in time they must be.
    raw_text : mapping of str to sequence of str, optional
        Columns as they stood in the file, one text per row: trailing zeros then count as digits.
    classes : tuple of str
        What the findings call the rows of signal and of background, e.g. ``("gamma", "hadron")``.
    rng : numpy.random.Generator
        Draws the halves, directions and samples that some checks need.

    Returns
    -------
    AuditReport
        The findings, the gravest first.

    Raises
    ------
    ContractError
        If labels, split, groups or texts do not fit the table, or a feature is not numeric.

    Examples
    --------
    >>> rng = np.random.default_rng(5)
    >>> y = rng.random(2000) < 0.5
    >>> table = FeatureTable.from_columns({"flag": y + 0.05 * rng.normal(size=2000)})
    >>> for finding in audit(table, y, rng=rng).findings:
    ...     print(finding)
    [high] telling-feature: flag alone reaches an AUC of 1.00000
    """
    subject = Subject.of(table, y, features, rng, classes)
    parts = _per_row("split", split, len(table))
    group = _per_row("groups", groups, len(table))
    time = _per_row("times", times, len(table))
    findings = [
        *find_duplicates(subject, parts),
        *find_pure_regions(subject),
        *find_point_masses(subject),
        *find_number_format(subject, raw_text),
        *find_telling_features(subject),
        *find_telling_columns(subject),
        *find_missing_patterns(subject),
        *find_row_order(subject),
        *find_repeated_names(subject, parts, table.meta.get("bare_names", ())),
        *find_sources(subject),
    ]
    if group is not None:
        findings += find_group_labels(subject, group)
        if parts is not None:
            findings += find_group_leaks(subject, group, parts)
    if time is not None and parts is not None:
        findings += find_time_neighbours(subject, time, parts, purge)
    findings.sort(key=lambda finding: (finding.severity.rank, -len(finding.rows)))
    return AuditReport(
        tuple(findings), subject.n_signal, subject.n_background, tuple(subject.notes)
    )


def _per_row(name: str, values: ArrayLike | None, n: int) -> NDArray[np.generic] | None:
    if values is None:
        return None
    array = np.asarray(values)
    if array.shape != (n,):
        raise ContractError(
            f"{name} has shape {array.shape}; the table has {n} rows.", "Give one value per row."
        )
    return array
