"""How good forecasts of flares are, beside what needs no image; regions are drawn whole."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import InputError
from skysift.core.results import Evaluation, Metric
from skysift.data.chronological import time_blocks
from skysift.data.table import FeatureTable
from skysift.evaluate.forecast import forecast_skill, full_disk_probability
from skysift.tasks.flare.model import FlareModel
from skysift.tasks.flare.region_tables import number, text
from skysift.tasks.flare.regions import LEVELS, Regions

FORECASTS: Final = {
    "both": "image and history",
    "image": "image only",
    "mcintosh": "McIntosh-Poisson",
    "persistence": "persistence",
    "climatology": "climatology",
}
"""Forecasts that a bundle gives, in the order of the tables."""

SCORES: Final = ("tss", "hss", "bss", "auc", "accuracy")
"""Scores, the accuracy last: it is high for whoever never warns."""

_DRAWS = 1000
_WEEK = np.timedelta64(7, "D")
_FEWEST = 5  # flares, and rows without, that skill is told of

Floats = NDArray[np.float64]


def score(regions: Regions, model: FlareModel) -> FeatureTable:
    """Return what a model and the references say of labelled regions with images, and the truth.

    Columns are ``event LEVEL`` and ``p LEVEL FORECAST``, and what rows are grouped by.
    """
    columns: dict[str, Any] = {
        "file": text(regions.table, "file"),
        "time": regions.time.astype(np.str_),
        "noaa": regions.noaa,
        **{name: number(regions.table, name) for name in ("x", "y", "lon", "lat")},
    }
    history, known = regions.history, regions.has_history
    for level in LEVELS:
        head = model.regions[level]
        both, image = head.probabilities(regions.image_features, history, known)
        columns[f"event {level}"] = regions.flared(level)
        said = {"both": both, "image": image, **head.references(history)}
        columns |= {f"p {level} {name}": said[name] for name in FORECASTS}
    thresholds = {
        f"{level} {name}": model.regions[level].threshold(name)
        for level in LEVELS
        for name in FORECASTS
    }
    climatology = {level: model.regions[level].image.climatology for level in LEVELS}
    return FeatureTable.from_columns(columns).with_meta(
        thresholds=thresholds, climatology=climatology
    )


def skill_of(
    scores: FeatureTable,
    level: str,
    forecast: str,
    *,
    threshold: float,
    climatology: float,
    rng: np.random.Generator,
    split: str = "",
    blocks: str = "region",
    n_bootstrap: int = _DRAWS,
) -> dict[str, Metric]:
    """Return the scores of one forecast with intervals, by name.

    Parameters
    ----------
    scores : FeatureTable
        As of :func:`score`.
    level, forecast : str
        Of `LEVELS` and `FORECASTS`, or of a further column.
    threshold, climatology : float
        From training rows.
    rng : numpy.random.Generator
        Draws the bootstrap.
    split : str
        Name of these rows.
    blocks : {"region", "week"}
        What is drawn whole.
    n_bootstrap : int

    Raises
    ------
    InputError
        If there are fewer than five flares, or five rows without.
    """
    event = scores[f"event {level}"].astype(bool)
    if min(event.sum(), (~event).sum()) < _FEWEST:
        raise InputError(
            f"There are {int(event.sum())} flares of class {level} in {len(event)} rows.",
            f"Skill takes {_FEWEST} and as many rows without.",
        )
    found = forecast_skill(
        event,
        scores[f"p {level} {forecast}"],
        threshold=threshold,
        climatology=climatology,
        blocks=blocks_of(scores, blocks),
        rng=rng,
        n_bootstrap=n_bootstrap,
    )
    return {
        name: found[name].metric(f"{name}@{level.lower()}24 {forecast}", n=len(event), split=split)
        for name in SCORES
    }


def blocks_of(scores: FeatureTable, blocks: str) -> NDArray[np.int64]:
    """Return what is drawn whole: each region, or each week."""
    if blocks == "week":
        return time_blocks(scores["time"].astype("datetime64[s]"), _WEEK)
    noaa = scores["noaa"].astype(np.int64)
    alone = noaa == 0  # a row without a number is a region of its own
    return np.where(alone, -1 - np.arange(len(noaa)), noaa)


def evaluate_scores(
    scores: FeatureTable,
    thresholds: Mapping[str, float],
    climatology: Mapping[str, float],
    *,
    rng: np.random.Generator,
    model: str,
    data: str,
    split: str,
) -> Evaluation:
    """Measure every forecast at every level that has flares enough.

    Returns
    -------
    Evaluation
        ``SCORE@LEVEL24 FORECAST``, e.g. ``tss@c24 both``.
    """
    metrics: list[Metric] = []
    for level in LEVELS:
        event = scores[f"event {level}"].astype(bool)
        if min(event.sum(), (~event).sum()) < _FEWEST:
            continue
        for forecast in FORECASTS:
            metrics += skill_of(
                scores,
                level,
                forecast,
                threshold=thresholds[f"{level} {forecast}"],
                climatology=climatology[level],
                rng=rng,
                split=split,
            ).values()
    return Evaluation(model, data, split, tuple(metrics))


def skill_by(
    scores: FeatureTable,
    level: str,
    forecast: str,
    parts: Mapping[str, NDArray[np.bool_]],
    *,
    threshold: float,
    climatology: float,
    rng: np.random.Generator,
) -> list[dict[str, Any]]:
    """Return the skill on parts of the rows, e.g. by longitude; a part with few flares has none."""
    rows = []
    for name, inside in parts.items():
        some = scores.take(inside)
        event = some[f"event {level}"].astype(bool)
        row: dict[str, Any] = {"part": name, "n": len(event), "events": int(event.sum())}
        if min(event.sum(), (~event).sum()) >= _FEWEST:
            found = skill_of(
                some,
                level,
                forecast,
                threshold=threshold,
                climatology=climatology,
                rng=rng,
                n_bootstrap=300,
            )
            row |= {kind: found[kind].to_dict() for kind in ("tss", "bss", "auc")}
        rows.append(row)
    return rows


def parts_by_longitude(
    scores: FeatureTable, edges: Sequence[float] = (0, 30, 50, 70)
) -> dict[str, NDArray[np.bool_]]:
    """Return rows by their distance from the meridian."""
    away = np.abs(scores["lon"])
    return {
        f"{low:g} to {high:g} deg": (away >= low) & (away <= high) for low, high in pairwise(edges)
    }


def parts_by_year(scores: FeatureTable) -> dict[str, NDArray[np.bool_]]:
    """Return rows by year."""
    years = scores["time"].astype("datetime64[Y]").astype(np.str_)
    return {str(year): years == year for year in np.unique(years)}


def disk_skill(
    scores: FeatureTable, level: str, *, rng: np.random.Generator
) -> dict[str, Any] | None:
    """Return how 1 - prod(1 - p) over the regions of each image forecasts any flare of them.

    The truth is that of the regions listed; the reference, since none was counted for whole disks
    in training, is 1 - prod(1 - climatology) of as many regions.
    """
    files = scores["file"].astype(np.str_)
    names, event = full_disk_probability(scores[f"event {level}"].astype(float), files)
    happened = event > 0
    if min(happened.sum(), (~happened).sum()) < _FEWEST:
        return None
    said = full_disk_probability(scores[f"p {level} both"], files)[1]
    reference = full_disk_probability(scores[f"p {level} climatology"], files)[1]
    found = forecast_skill(
        happened,
        said,
        threshold=0.5,
        climatology=reference,
        blocks=np.arange(len(names)),
        rng=rng,
        n_bootstrap=300,
    )
    return {
        "disks": len(names),
        "events": int(happened.sum()),
        "bss": found["bss"].metric("bss", n=len(names), split="").to_dict(),
        "auc": found["auc"].metric("auc", n=len(names), split="").to_dict(),
    }
