"""The sections on how well regions are found, and patches and disks judged."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.results import Evaluation, Metric
from skysift.evaluate.forecast import contingency
from skysift.evaluate.intervals import wilson_interval
from skysift.evaluate.probability import reliability_curve
from skysift.report import Column, Page
from skysift.report.page import Section
from skysift.report.plots.calibration import plot_reliability
from skysift.tasks.active_region.evaluation import Scores
from skysift.tasks.active_region.model import F1_POINT, TSS_POINT
from skysift.tasks.active_region.pages.figures import plot_precision_recall, plot_recall_by

__all__ = ["add_detection", "add_patches"]

_AREAS = (0, 10, 50, 100, 200, 5000)
_LONGITUDES = (0, 30, 50, 60, 70, 90)
_TITLES = {"best": "network", "threshold": "threshold on brightness"}
_BINS = 8
_EVEN = 0.5

Mask = NDArray[np.bool_]
Share = tuple[float, float, float, int]


def add_detection(page: Page, scores: Scores, found: Evaluation, facts: Mapping[str, Any]) -> None:
    """Add what was found and missed: as a whole, by area, longitude and year."""
    least = facts["thresholds"].get(F1_POINT, _EVEN)
    section = page.section(
        "Are regions with spots found?",
        lead="What is found counts if it lies within 32 pixels (154 arcsec) of a region with spots "
        "that nothing surer has taken.",
    )
    curves, chosen = {}, {}
    for method, title in _TITLES.items():
        seen = scores.detections(method)
        if not len(seen.score) or not seen.n_true.any():
            continue
        _, precision, recall = seen.curve()
        curves[title] = precision, recall
        counts = seen.counts(least if method == "best" else _EVEN).sum(axis=0)
        chosen[title] = (
            counts[0] / max(counts[0] + counts[1], 1), counts[0] / max(counts[0] + counts[2], 1)
        )  # fmt: skip
    if not curves:
        return
    section.figure(
        plot_precision_recall(curves, chosen),
        caption="**Precision against recall** over all scores; dots where the bundle's thresholds, "
        "chosen in training, lie.",
        alt="Precision against recall of the network and of a threshold.",
    )
    spots = scores.truth.take(scores.truth["section"].astype(str) == "I")
    hit = spots["score"] >= least
    _add_shares(
        section,
        _by_edges(spots["area"], hit, _AREAS),
        "Share of regions found",
        "**By area** in millionths of a hemisphere; Wilson 95 %.",
    )
    _add_shares(
        section,
        _by_edges(np.abs(spots["lon"]), hit, _LONGITUDES),
        "Share of regions found",
        "**By distance from the meridian** in degrees of longitude.",
    )
    years = scores.disks["time"].astype("datetime64[Y]").astype(str)
    _add_shares(
        section,
        _by_name(years[spots["disk"]], hit),
        "Share of regions found",
        "**By year.**",
    )
    _add_metrics(section, found, ("detection", "detection_70deg", "threshold"), _DETECTION)


_DETECTION = (("f1", "F1"), ("precision", "Precision"), ("recall", "Recall"))
_SKILL = (("tss", "TSS"), ("hss", "HSS"), ("auc", "AUC"), ("bss", "BSS"), ("accuracy", "Accuracy"))
_ROWS = {
    "detection": "network, whole disk",
    "detection_70deg": "network, within 70 deg of the meridian",
    "threshold": "threshold on brightness, whole disk",
    "patch": "region or quiet patch",
    "big_region": "a region of 200 millionths on the disk",
}


def add_patches(page: Page, scores: Scores, found: Evaluation, facts: Mapping[str, Any]) -> None:
    """Add the skill on patches and whole disks."""
    label, probability = scores.patches["is_region"], scores.patches["probability"]
    if not len(label) or label.all() or not label.any():
        return
    section = page.section("Region or quiet? Patches and whole disks")
    _add_metrics(section, found, ("patch", "big_region"), _SKILL)
    section.figure(
        plot_reliability(
            {"patches": reliability_curve(label, probability, n_bins=_BINS, binning="width")},
            classes=("region", "quiet"),
        ),
        caption="**Reliability**: how often there was a region, by the probability that was given.",
        alt="Reliability of the probability of patches.",
    )
    right = (probability >= facts["thresholds"][TSS_POINT]) == label
    _add_shares(
        section,
        _by_edges(np.abs(scores.patches["lon"]), right, _LONGITUDES[:-1]),
        "Share of patches that are right",
        "**By distance from the meridian** in degrees of longitude.",
    )
    rows = _by_year(scores, facts["thresholds"][TSS_POINT])
    if rows:
        section.table(
            rows,
            columns=[
                Column("year", "Year"),
                Column("patches", "Patches", format=",d"),
                Column("tss", "TSS", format=".3f"),
                Column("accuracy", "Accuracy", format=".3f"),
            ],
            caption="Patches by year.",
        )


def _by_year(scores: Scores, threshold: float) -> list[dict[str, Any]]:
    years = scores.disks["time"].astype("datetime64[Y]").astype(str)[scores.patches["disk"]]
    rows = []
    for year in np.unique(years):
        label = scores.patches["is_region"][years == year]
        if label.all() or not label.any():
            continue
        table = contingency(label, scores.patches["probability"][years == year], threshold)
        rows.append(
            {
                "year": str(year),
                "patches": len(label),
                "tss": table.tss,
                "accuracy": table.accuracy,
            }
        )
    return rows


def _add_metrics(
    section: Section,
    found: Evaluation,
    names: Sequence[str],
    columns: Sequence[tuple[str, str]],
) -> None:
    metrics: dict[str, Metric] = {metric.name: metric for metric in found.metrics}
    rows = [
        {"what": _ROWS[name], **{key: metrics[f"{name}_{key}"] for key, _ in columns}}
        for name in names
        if f"{name}_{columns[0][0]}" in metrics
    ]
    if rows:
        section.table(
            rows,
            columns=[
                Column("what", ""),
                *(Column(key, title, format=".3f") for key, title in columns),
            ],
            caption="95 % intervals by the bootstrap of fortnights.",
        )


def _add_shares(
    section: Section, shares: tuple[list[str], list[Share]], label: str, caption: str
) -> None:
    names, values = shares
    if len(names) > 1:
        section.figure(
            plot_recall_by(names, values, label), caption=caption, alt=f"{label}. {caption}"
        )


def _by_edges(
    value: NDArray[np.float64], hit: Mask, edges: Sequence[float]
) -> tuple[list[str], list[Share]]:
    names, shares = [], []
    for low, high in pairwise(edges):
        inside = (value >= low) & (value < high)
        if inside.any():
            last = high == edges[-1]
            names.append(f"{low:g}+" if last else f"{low:g}-{high:g}")
            shares.append(_share(hit[inside]))
    return names, shares


def _by_name(name: NDArray[np.str_], hit: Mask) -> tuple[list[str], list[Share]]:
    names = [str(one) for one in np.unique(name)]
    return names, [_share(hit[name == one]) for one in names]


def _share(hit: Mask) -> Share:
    interval = wilson_interval(int(hit.sum()), len(hit))
    low = 0.0 if interval.low is None else interval.low
    high = 1.0 if interval.high is None else interval.high
    return interval.value, low, high, len(hit)
