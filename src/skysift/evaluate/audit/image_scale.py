"""How images were scaled and stored: by class, and drifting with time."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import fisher_exact, spearmanr

from skysift.evaluate.audit.findings import AuditFinding, Severity
from skysift.evaluate.audit.image_summary import ImageSummary
from skysift.evaluate.audit.statistics import cross_fitted_auc, quantile_codes, rank_auc_p_value
from skysift.evaluate.audit.subject import Subject

__all__ = [
    "find_class_dependent_scale",
    "find_class_dependent_values",
    "find_clipping",
    "find_drift",
]

_LEVEL = 1e-6
_SMALL_LEVEL = 0.01
_SUSPICIOUS = 0.75  # in a cutout, the faintest part is of nature, too
_TELLING = 0.9
_MOST_VALUES = 50
_BINS = 20
_NUMBER_ONLY = ("lowest", "step", "border")  # numbers of how an image was made, not of the sky
_PILE_UP = 3.0
_SHARE_CLIPPED = 0.02
_DRIFT = 0.3


def find_class_dependent_scale(subject: Subject, summary: ImageSummary) -> list[AuditFinding]:
    """Find numbers of the scale that tell the class: another zero, step, maximum or background.

    The highest value may be of nature (a flare saturates) and counts only if it tells nearly all.
    """
    findings = []
    for name in (*_NUMBER_ONLY, "highest"):
        values = summary.scale[name]
        levels, level = np.unique(values, return_inverse=True)
        codes = level if len(levels) <= _BINS else quantile_codes(values, _BINS)
        auc = cross_fitted_auc(codes.astype(np.int64), subject.y, subject.rng)
        p_value = rank_auc_p_value(auc, subject.n_signal, subject.n_background)
        if auc < (_TELLING if name == "highest" else _SUSPICIOUS) or p_value > _LEVEL:
            continue
        findings.append(
            subject.finding(
                "class-dependent-scale",
                Severity.HIGH if auc >= _TELLING else Severity.MEDIUM,
                f"The {name} value of an image alone tells the class with an AUC of {auc:.3f}",
                f"The {' and '.join(subject.classes)} images were scaled or stored differently. A "
                "network learns the scale.",
                columns=(name,),
                evidence={"auc": auc, "p_value": p_value},
                advice="Bring all images to one scale from the original data.",
            )
        )
    return findings


def find_class_dependent_values(
    subject: Subject, columns: Mapping[str, NDArray[Any]]
) -> list[AuditFinding]:
    """Find values of file formats, sizes and origins that one class has more often.

    Such facts have no reason to differ at all, so that small sets are examined, too (Fisher's
    exact test of each value, with all values of a column counted).
    """
    findings = []
    for name, given in columns.items():
        texts = np.array([str(value) for value in given.tolist()])
        levels, level = np.unique(texts, return_inverse=True)
        if not 1 < len(levels) <= min(_MOST_VALUES, len(texts) // 2):
            continue
        number = np.bincount(level)
        # Of two values that part the rows alike, the rarer is the odd one.
        worst = min((_by_class(level == k, subject.y), number[k], k) for k in range(len(levels)))
        p_value, k = min(1.0, worst[0] * len(levels)), worst[2]
        if p_value > _SMALL_LEVEL:
            continue
        rows = np.flatnonzero(level == k)
        n_signal = int(np.count_nonzero(subject.y[rows]))
        findings.append(
            subject.finding(
                "class-dependent-file",
                Severity.HIGH if p_value < _LEVEL else Severity.MEDIUM,
                f"{name} is '{levels[k]}' for {n_signal:,} of {subject.n_signal:,} "
                f"{subject.classes[0]} and {len(rows) - n_signal:,} of {subject.n_background:,} "
                f"{subject.classes[1]} images",
                "How a file was made has nothing to do with what it shows: the classes come from "
                "different sources, and a network tells the sources apart.",
                rows=rows,
                columns=(name,),
                evidence={"p_value": p_value},
                advice="Take both classes from one source, stored in one way.",
            )
        )
    return findings


def find_clipping(subject: Subject, summary: ImageSummary) -> list[AuditFinding]:
    """Find images whose pixels pile up at the highest value, where the real ones are lost."""
    pile_up = summary.scale["pile_up"]
    rows = np.flatnonzero(pile_up > _PILE_UP)
    if len(rows) <= _SHARE_CLIPPED * len(pile_up):
        return []
    return [
        subject.finding(
            "clipped-pixels",
            Severity.LOW,
            f"{len(rows):,} of {len(pile_up):,} images are clipped at their highest level",
            "Many more pixels have it than the levels below. What was brighter is lost: the "
            "strongest fields and flares look alike.",
            rows=rows,
            evidence={"median_pile_up": float(np.median(pile_up[rows]))},
            advice="Use the original data where strength matters.",
        )
    ]


def find_drift(subject: Subject, summary: ImageSummary, times: NDArray[Any]) -> list[AuditFinding]:
    """Find a typical brightness that drifts in time (Spearman's rank correlation).

    An instrument ages and its browse images are scaled anew: what was learned of the past does not
    hold for the future, and brightness tells the year, which tells the cycle.
    """
    time = np.asarray(times, dtype="datetime64[s]")
    values = summary.scale["typical"]
    known = np.isfinite(values) & ~np.isnat(time)
    if np.count_nonzero(known) < _BINS or np.ptp(values[known]) == 0:
        return []
    test = spearmanr(time[known].astype(np.int64), values[known])
    correlation, p_value = float(test.statistic), float(test.pvalue)
    if abs(correlation) < _DRIFT or p_value > _LEVEL:
        return []
    return [
        subject.finding(
            "drift-in-time",
            Severity.MEDIUM,
            f"The typical brightness drifts with time (rank correlation {correlation:+.2f})",
            "Whether for the age of the instrument, another scaling, or the cycle of activity: a "
            "model that uses absolute brightness meets another distribution later.",
            evidence={"correlation": correlation, "p_value": p_value},
            advice="Normalise each image by its own quiet disk, and test on a later time.",
        )
    ]


def _by_class(chosen: NDArray[np.bool_], y: NDArray[np.bool_]) -> float:
    table = [
        [np.count_nonzero(chosen & y), np.count_nonzero(~chosen & y)],
        [np.count_nonzero(chosen & ~y), np.count_nonzero(~chosen & ~y)],
    ]
    return float(fisher_exact(table).pvalue)
