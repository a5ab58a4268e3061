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


def judge_disks(path: Path, rng: np.random.Generator) -> dict[str, Any]:
    """Judge disks block by block, each by regressions on the other days, beside another model.

    Returns
    -------
    dict
        ``parts``: for the first month, trained and judged inside it, and for all days, scores of
        ours and of the table's other model (as it is, and stretched by the same blocks), and the
        difference of their Brier scores in units of the climatology's.
    """
    every = read_disks(path)
    month = every.time.astype("datetime64[M]")
    found: dict[str, Any] = {"parts": []}
    for name, rows in {"first month": every.take(month == month.min()), "all days": every}.items():
        block = np.zeros(len(rows), dtype=np.int64)
        for number, (_, test) in enumerate(disk_blocks(rows)):
            block[test] = number
        ours, stretched = _by_blocks(rows, rng)
        said = {
            "two features": ours,
            "other model": rows.reference,
            "other model, stretched": stretched,
        }
        for model, p in said.items():
            if not np.isfinite(p).all():
                continue
            skill = forecast_skill(
                rows.event,
                p,
                threshold=_HALF if model == "other model" else best_threshold(rows.event, p),
                climatology=float(rows.event.mean()),
                blocks=block,
                rng=rng,
            )
            counts = {"n": len(rows), "events": int(rows.event.sum())}
            told = _told(skill, len(rows))
            found["parts"].append({"part": name, "model": model, **counts, **told})
        if np.isfinite(rows.reference).all():
            gain = _gain(rows.event, ours, rows.reference, block, rng)
            found[f"gain, {name}"] = gain.to_dict()
    return found


def _by_blocks(rows: Labelled, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return what regressions on the other days say, and the other model's words stretched so."""
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415  # slow to import

    ours, stretched = np.full(len(rows), np.nan), np.full(len(rows), np.nan)
    known = np.isfinite(rows.reference).all()
    other = logit(np.clip(np.nan_to_num(rows.reference), 1e-3, 1 - 1e-3))[:, None]
    for train, test in disk_blocks(rows):
        samples = group_samples(rows.group[train], _BAGS, rng)
        fitted = ScoreRegressions.fit(
            rows.features[train],
            [rows.event[train]],
            inverse_penalty=DISK_PENALTY,
            samples=samples,
        )
        ours[test] = expit(fitted.log_odds(rows.features[test]))
        if known:
            platt = LogisticRegression().fit(other[train], rows.event[train])
            stretched[test] = platt.predict_proba(other[test])[:, 1]
    return ours, stretched


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
