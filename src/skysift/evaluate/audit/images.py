"""The audit of image data: copies, text in the pixels, scales and files that know the class."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike

from skysift.data.table import FeatureTable
from skysift.evaluate.audit.burned_text import find_burned_text
from skysift.evaluate.audit.duplicates import pairs_of_groups, report_pairs
from skysift.evaluate.audit.findings import AuditReport
from skysift.evaluate.audit.image_copies import copied_images, similar_images
from skysift.evaluate.audit.image_scale import (
    find_class_dependent_scale,
    find_class_dependent_values,
    find_clipping,
    find_drift,
)
from skysift.evaluate.audit.image_summary import summarise_images
from skysift.evaluate.audit.runner import audit
from skysift.evaluate.audit.subject import Subject

__all__ = ["audit_images"]

_DAY = np.timedelta64(24, "h")


def audit_images(
    images: Iterable[ArrayLike],
    y: ArrayLike,
    *,
    table: FeatureTable | None = None,
    files: FeatureTable | None = None,
    split: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    times: ArrayLike | None = None,
    purge: np.timedelta64 = _DAY,
    classes: tuple[str, str] = ("signal", "background"),
    rng: np.random.Generator,
) -> AuditReport:
    """Look in labelled images for what tells the class without being nature.

    The checks are: copied and nearly copied images, also mirrored or turned by quarters, with both
    labels, or on both sides of a split (not found: copies that are shifted by a few pixels, turned
    by other angles, or negatives); groups and neighbours in time on both sides; columns,
    header cards and times of day that know the class; file formats, sizes and origins that differ
    by class; scales that do; text drawn into the pixels; clipping; brightness that drifts in time.

    Parameters
    ----------
    images : iterable of array_like, shape (ny, nx) each
        Grey images, gone through once.
    y : array_like of bool, shape (n,)
        True for signal.
    table : FeatureTable, optional
        What is known of each image and no model sees: times, names, and header cards, in columns
        named ``header CARD``. Its meta as for :func:`.runner.audit`.
    files : FeatureTable, optional
        How each file was made: its format, size, compression, origin.
    split, groups, times, purge, classes
        As for :func:`.runner.audit`.
    rng : numpy.random.Generator
        Draws samples.

    Returns
    -------
    AuditReport
        The findings, the gravest first.

    Raises
    ------
    InputError
        If an image has no rows and columns, or there are more or fewer than labels.
    ContractError
        If labels, table, split or groups do not fit together.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> sky = rng.normal(size=(60, 32, 32))
    >>> y = np.arange(60) % 2 == 0
    >>> sky[2] = sky[1]
    >>> for finding in audit_images(sky, y, rng=rng).findings:
    ...     print(finding)
    [high] duplicate-label-conflict: 1 duplicate pairs carry both labels
    [medium] duplicate-images: 1 duplicate images
    """
    labels = np.asarray(y)
    summary = summarise_images(images, labels, rng)
    if table is None:
        table = FeatureTable.from_columns({"size": summary.sizes[:, 0]})
    subject = Subject.of(table, labels, [], rng, classes)
    report = audit(
        table,
        labels,
        features=[],
        split=split,
        groups=groups,
        times=times,
        purge=purge,
        classes=classes,
        rng=rng,
    )
    parts = None if split is None else np.asarray(split)
    findings = [*report.findings]
    copies = pairs_of_groups(copied_images(summary))
    if len(copies):
        findings += report_pairs(
            subject, copies, parts, kind="duplicate", how="all pixels are equal", item="image"
        )
    similar = similar_images(subject, summary)
    if len(similar):
        findings += report_pairs(
            subject,
            similar,
            parts,
            kind="near-duplicate",
            how="the two show nearly the same, be it mirrored or turned by quarters",
            item="image",
            same_label=False,
        )
    findings += find_burned_text(subject, summary.samples)
    findings += find_class_dependent_scale(subject, summary)
    findings += find_clipping(subject, summary)
    sizes = {"size": np.array([f"{ny} x {nx}" for ny, nx in summary.sizes.tolist()])}
    stored = {} if files is None else {name: files[name] for name in files}
    findings += find_class_dependent_values(subject, {**sizes, **stored})
    if times is not None:
        findings += find_drift(subject, summary, np.asarray(times))
    findings.sort(key=lambda finding: (finding.severity.rank, -len(finding.rows)))
    notes = (*report.notes, *subject.notes)
    return AuditReport(tuple(findings), subject.n_signal, subject.n_background, notes)
