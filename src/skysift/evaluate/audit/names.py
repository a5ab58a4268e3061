"""Names of files and links: listed twice, or from sources that differ by class."""

import re
from collections.abc import Container
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.evaluate.audit.duplicates import pairs_of_groups, report_pairs
from skysift.evaluate.audit.findings import AuditFinding
from skysift.evaluate.audit.image_scale import find_class_dependent_values
from skysift.evaluate.audit.subject import Subject

__all__ = ["find_repeated_names", "find_sources", "source_of"]

_FILE = re.compile(r".+\.[A-Za-z][A-Za-z0-9]{1,4}(\.gz)?")
_MOSTLY_FILES = 0.9
_MOSTLY_DISTINCT = 0.5
_DIGITS = re.compile(r"\d+")
_DEEPEST = 4


def find_repeated_names(
    subject: Subject, split: NDArray[Any] | None, bare: Container[str] = ()
) -> list[AuditFinding]:
    """Find files that are listed more than once in a column where most are listed once.

    Parameters
    ----------
    subject : Subject
        The labelled table.
    split : array, shape (n,), optional
        The part of each row.
    bare : container of str
        Columns that are left aside: names without the folders, which tell files apart.
    """
    findings = []
    for name, texts in _files(subject).items():
        if name in bare:
            continue
        levels, group = np.unique(texts, return_inverse=True)
        if len(levels) == len(texts) or len(levels) < _MOSTLY_DISTINCT * len(texts):
            continue
        pairs = pairs_of_groups(group.astype(np.int64))
        how = f"the two have the same '{name}'"
        findings += report_pairs(subject, pairs, split, kind="repeated", how=how)
    return findings


def find_sources(subject: Subject) -> list[AuditFinding]:
    """Find hosts and folders of files that one class comes from more often."""
    sources = {
        f"source of {name}": np.array([source_of(text) for text in texts.tolist()])
        for name, texts in _files(subject).items()
        if any("/" in text for text in texts.tolist())
    }
    return find_class_dependent_values(subject, sources)


def source_of(link: str) -> str:
    """Return the host and the first folders of a link or path, without numbers.

    Examples
    --------
    >>> source_of("http://www.lmsal.com/hek/gallery/podimages/2019/01/05/pod.jpg")
    'www.lmsal.com/hek/gallery/podimages'
    """
    folders = link.split("://", 1)[-1].split("/")[:-1]
    return "/".join(_DIGITS.sub("#", folder) for folder in folders[:_DEEPEST])


def _files(subject: Subject) -> dict[str, NDArray[np.str_]]:
    """Return the columns that hold names of files."""
    found = {}
    for name, values in subject.others.items():
        if values.ndim != 1 or values.dtype.kind not in "OU":
            continue
        texts = ["" if value is None else str(value) for value in values.tolist()]
        if sum(map(bool, map(_FILE.fullmatch, texts))) >= _MOSTLY_FILES * len(texts):
            found[name] = np.array(texts, dtype=np.str_)
    return found
