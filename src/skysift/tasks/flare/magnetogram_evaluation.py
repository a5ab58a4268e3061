"""How good forecasts from magnetograms are: SHARP keywords by time, disks by blocks of days."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from skysift.core.results import Metric
from skysift.data.chronological import Straddling, chronological_split
from skysift.evaluate.forecast import best_threshold, forecast_skill
from skysift.evaluate.resampling import bootstrap_rows
from skysift.models.normal_scores import ScoreRegressions
from skysift.tasks.flare.disk_past import DiskPast
from skysift.tasks.flare.heads import Head
from skysift.tasks.flare.learning import group_samples
from skysift.tasks.flare.magnetogram_training import (
    DISK_PENALTY,
    Labelled,
    disk_blocks,
    keyword_head,
    read_disks,
    read_keywords,
)
from skysift.tasks.flare.magnetograms import FIELD, KEYWORDS
from skysift.tasks.flare.options import TrainOptions

__all__ = ["judge_disks", "judge_keywords"]

_SCORES = ("tss", "hss", "bss", "auc", "accuracy")
_HALF = 0.5
_BAGS = 5

Floats = NDArray[np.float64]


def judge_keywords(path: Path, boundary: date, rng: np.random.Generator) -> dict[str, Any]:
    """Train on region-days before a boundary, judge those of other regions after it.

    Returns
    -------
    dict
        ``rows``: a row with scores for all keywords, and for the two that the line-of-sight field
        gives, with ``hindsight``, the true skill statistic at the threshold that the judged rows
        would have chosen: no threshold of earlier years can reach more; ``train``, ``judged``,
        ``events``, ``same_day``: counts.
    """
    found: dict[str, Any] = {"rows": []}
    for name, names in (("18 keywords", KEYWORDS), ("flux and R value", FIELD)):
        every = read_keywords(path, names)
        part = chronological_split(
            every.time,
            [np.datetime64(boundary, "s")],
            groups=every.group,
            straddling=Straddling.EARLIER,
        )
        past, later = every.take(part == 0), every.take(part == 1)
        head = keyword_head(past, TrainOptions(), rng)
        probability = head.probability(later.features)
        skill = forecast_skill(
            later.event,
            probability,
            threshold=head.threshold,
            climatology=head.climatology,
            blocks=later.group,
            rng=rng,
        )
        hindsight = _hindsight(later.event, probability)
        row = {"model": name, **_told(skill, len(later)), "hindsight": hindsight}
        found["rows"].append(row)
        found |= {
            "train": len(past),
            "judged": len(later),
            "events": int(later.event.sum()),
            "same_day": _same_day(every),
        }
    return found


def judge_disks(
    path: Path,
    rng: np.random.Generator,
    *,
    head: Head | None = None,
    past: DiskPast | None = None,
) -> dict[str, Any]:
    """Judge disks block by block, each by regressions on the other days, beside another model.

    Parameters
    ----------
    path : Path
        Table of the disks.
    rng : numpy.random.Generator
    head : Head, optional
        What the flares of years told of the next day: it has seen none of the disks.
    past : DiskPast, optional
        The flares before and among the disks, for it.

    Returns
    -------
    dict
        ``parts``: for the first month, trained and judged inside it, and for all days, scores of
        ours and of the table's other model (as it is, and stretched by the same blocks).
        ``gains``: of each of ours, the difference of its Brier score to the other model's, in
        units of the climatology's.
    """
    every = read_disks(path)
    said_before, known = np.full(len(every), np.nan), {"other model": _HALF}
    if head is not None and past is not None:
        said_before = head.probability(past.features(every.time))
        known["past flares"] = head.threshold
    month = every.time.astype("datetime64[M]")
    found: dict[str, Any] = {"parts": [], "gains": []}
    everything = np.ones(len(every), dtype=bool)
    for name, chosen in {"first month": month == month.min(), "all days": everything}.items():
        rows, before = every.take(chosen), said_before[chosen]
        block = np.zeros(len(rows), dtype=np.int64)
        for number, (_, test) in enumerate(disk_blocks(rows)):
            block[test] = number
        ours, others = _ours(rows, before, rng), _others(rows)
        for model, p in {**ours, **others}.items():
            skill = forecast_skill(
                rows.event,
                p,
                threshold=known.get(model, best_threshold(rows.event, p)),
                climatology=float(rows.event.mean()),
                blocks=block,
                rng=rng,
            )
            counts = {"n": len(rows), "events": int(rows.event.sum())}
            told = _told(skill, len(rows))
            found["parts"].append({"part": name, "model": model, **counts, **told})
        for model, p in ours.items() if others else ():
            gain = _gain(rows.event, p, rows.reference, block, rng)
            found["gains"].append({"part": name, "model": model, **gain.to_dict()})
    return found


def _ours(rows: Labelled, before: Floats, rng: np.random.Generator) -> dict[str, Floats]:
    """Return what regressions on the other days say, and the past flares where they are known."""
    said = {"two features": _regressed(rows, rows.features, rng)}
    if np.isfinite(before).all():
        more = np.column_stack([rows.features, logit(before)])
        said["past flares"] = before
        said["past flares and two features"] = _regressed(rows, more, rng)
    return said


def _others(rows: Labelled) -> dict[str, Floats]:
    """Return what the table's other model says, as it is and stretched by the other days."""
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415  # slow to import

    if not np.isfinite(rows.reference).all():
        return {}
    stretched = np.full(len(rows), np.nan)
    other = logit(np.clip(rows.reference, 1e-3, 1 - 1e-3))[:, None]
    for train, test in disk_blocks(rows):
        platt = LogisticRegression().fit(other[train], rows.event[train])
        stretched[test] = platt.predict_proba(other[test])[:, 1]
    return {"other model": rows.reference, "other model, stretched": stretched}


def _regressed(rows: Labelled, features: Floats, rng: np.random.Generator) -> Floats:
    """Return what regressions of some features on the other days say of each block."""
    found = np.full(len(rows), np.nan)
    for train, test in disk_blocks(rows):
        fitted = ScoreRegressions.fit(
            features[train],
            [rows.event[train]],
            inverse_penalty=DISK_PENALTY,
            samples=group_samples(rows.group[train], _BAGS, rng),
        )
        found[test] = expit(fitted.log_odds(features[test]))
    return found


def _gain(
    event: NDArray[np.bool_],
    ours: Floats,
    other: Floats,
    block: NDArray[np.int64],
    rng: np.random.Generator,
) -> Metric:
    """Return the difference of the Brier skill scores, ours less the other's, by block."""
    losses = np.stack(
        [(ours - event) ** 2, (other - event) ** 2, (event.mean() - event) ** 2], axis=1
    )

    def gain(weight: Floats) -> Floats:
        mine, theirs, reference = (weight @ losses).T
        return np.asarray((theirs - mine) / reference)[:, None]

    drawn = bootstrap_rows(gain, len(event), rng=rng, groups=block, n_bootstrap=1000)
    return drawn.interval(0).metric("bss gain", n=len(event), split="")


def _hindsight(event: NDArray[np.bool_], probability: Floats) -> float:
    """Return the highest true skill statistic that any threshold has on these rows."""
    warned = probability >= best_threshold(event, probability)
    return float(warned[event].mean() - warned[~event].mean())


def _told(skill: Mapping[str, Any], n: int) -> dict[str, Any]:
    return {name: skill[name].metric(name, n=n, split="").to_dict() for name in _SCORES}


def _same_day(rows: Labelled) -> int:
    """Return how many rows share their region and day with an earlier one."""
    day = rows.time.astype("datetime64[D]").astype(np.int64)
    pairs = np.unique(np.stack([rows.group, day], axis=1), axis=0)
    return len(rows) - len(pairs)
