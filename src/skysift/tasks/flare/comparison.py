"""Several forecasts of the same regions, trained on the past and judged on what came after."""

from collections.abc import Callable, Mapping
from functools import partial
from itertools import islice
from operator import call
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import InputError
from skysift.core.progress import Progress
from skysift.core.spread import spread_map
from skysift.data.chronological import Straddling, chronological_split
from skysift.data.solar.catalogs import read_flares
from skysift.data.table import FeatureTable
from skysift.models.flare_history import McIntoshRates, history_features
from skysift.models.normal_scores import ScoreRegressions
from skysift.tasks.flare.definitions import event_definitions
from skysift.tasks.flare.disk_past import DiskPast, learn_disk_past, past_of
from skysift.tasks.flare.evaluation import FORECASTS, SCORES, disk_skill, score, skill_of
from skysift.tasks.flare.gallery import pictures_of
from skysift.tasks.flare.heads import Head
from skysift.tasks.flare.learning import Fit, folds_of, learn_head
from skysift.tasks.flare.licence import licence_of
from skysift.tasks.flare.magnetogram_evaluation import judge_disks, judge_keywords
from skysift.tasks.flare.network import network_scores
from skysift.tasks.flare.options import CompareOptions, TrainOptions
from skysift.tasks.flare.published import (
    best_start,
    protocol_of,
    published_starts,
    repetitions,
)
from skysift.tasks.flare.regions import LEVELS, Regions
from skysift.tasks.flare.training import train

__all__ = ["compare_forecasts", "history_head"]

_HISTORY_PENALTY = 0.1
_DAY = np.timedelta64(24, "h")
_NAMES = {
    **FORECASTS,
    "history": "history only",
    "network": "our network on the image",
    "published": "the published network",
}
"""Names of forecasts in tables."""

Floats = NDArray[np.float64]


def compare_forecasts(
    regions: Regions, options: CompareOptions, *, seed: int, progress: Progress
) -> tuple[dict[str, Any], FeatureTable]:
    """Train on what is before the boundary, judge the rest.

    Parameters
    ----------
    regions : Regions
        Labelled, each with an image.
    options : CompareOptions
        Which forecasts, and the boundary.
    seed : int
        Of all random numbers.
    progress : callable
        Called with the fraction done and what is being done.

    Returns
    -------
    facts : dict
        Standings and all else that the report tells, JSON-ready.
    scores : FeatureTable
        What every forecast says of the judged rows.

    Raises
    ------
    InputError
        If there are no rows on one side.
    """
    rng = np.random.default_rng(seed)
    past, future = split_regions(regions, options)
    spotted = past.take(past.has_spots)
    progress(0.1, "train on image and history")
    model = train(
        past,
        TrainOptions(folds=options.folds, bags=options.bags),
        rng,
        seed=seed,
        command="",
        licence=licence_of(regions.name),
        progress=lambda *_: None,
    )
    scores, facts = _others(
        spotted, future, score(future, model), options, rng=rng, progress=progress
    )
    progress(0.85, "intervals")
    return {
        "model": "image and history",
        "data": regions.name,
        "split": f"trained before {options.boundary}, judged after",
        "level": options.level,
        "rows": {"train": len(past), "with spots": len(spotted), "judged": len(future)},
        "climatology": scores.meta["climatology"],
        **facts,
        "standings": _standings(
            scores, facts["thresholds"], scores.meta["climatology"], options, rng
        ),
        "disk": {one: disk_skill(scores, one, rng=rng) for one in LEVELS},
        **_of_files(regions, options, rng),
        "pictures": pictures_of(future, scores, model),
        "notes": [*regions.checked.notes("region")],
    }, scores


def _others(
    past: Regions,
    future: Regions,
    scores: FeatureTable,
    options: CompareOptions,
    *,
    rng: np.random.Generator,
    progress: Progress,
) -> tuple[FeatureTable, dict[str, Any]]:
    """Add what needs no bundle: history alone, and networks."""
    level, meta = options.level, scores.meta
    facts: dict[str, Any] = {"thresholds": dict(meta["thresholds"])}
    if "history" in options.models:
        progress(0.4, "train on history")
        head, said = history_head(past, future, level, options.folds)
        scores = scores.with_columns({f"p {level} history": said})
        facts["thresholds"][f"{level} history"] = head.threshold
    told, more = _networks(past, future, options, rng=rng, progress=progress)
    for name, (probability, threshold) in told.items():
        scores = scores.with_columns({f"p {level} {name}": probability})
        facts["thresholds"][f"{level} {name}"] = threshold
    return scores, facts | more


def _networks(
    past: Regions,
    future: Regions,
    options: CompareOptions,
    *,
    rng: np.random.Generator,
    progress: Progress,
) -> tuple[dict[str, tuple[Floats, float]], dict[str, Any]]:
    """Return what each network says of later rows with its threshold, and what else is told."""
    published = "published" in options.models
    counts = (
        options.published_starts if published else 0,
        options.published_repeats if published else 0,
        int("network" in options.models),
    )
    for_starts, for_repeats, for_own = (
        draw.spawn(count) for draw, count in zip(rng.spawn(3), counts, strict=True)
    )
    parts: list[Callable[[], Any]] = [
        *published_starts(past, future, options, for_starts),
        *repetitions(past, future, options, for_repeats),
        *(partial(network_scores, past, future, options, draw) for draw in for_own),
    ]
    answers = iter(_each(parts, progress))
    starts, repeats, own = (list(islice(answers, count)) for count in counts)
    told: dict[str, tuple[Floats, float]] = dict(zip(["network"], own, strict=False))
    facts: dict[str, Any] = {"protocol": protocol_of(repeats, past, future, options.level)}
    if published:
        told["published"] = best_start(starts)
        facts["starts"] = [loss for loss, *_ in starts]
    return told, facts


def _each(parts: list[Callable[[], Any]], progress: Progress) -> list[Any]:
    answers = []
    for answer in spread_map(call, parts):
        answers.append(answer)
        progress(0.45 + 0.4 * len(answers) / len(parts), "train networks")
    return answers


def _of_files(
    regions: Regions, options: CompareOptions, rng: np.random.Generator
) -> dict[str, Any]:
    """Return what is told of further files: event definitions, keywords, disks."""
    facts: dict[str, Any] = {}
    flares = read_flares([Path(options.flares)]) if options.flares else None
    if flares is not None:
        facts["definitions"] = event_definitions(regions.take(regions.has_spots), flares)
    if options.keywords:
        facts["keywords"] = judge_keywords(Path(options.keywords), options.boundary, rng)
    if options.disks:
        facts["disks"] = judge_disks(Path(options.disks), rng, **_pasts(flares, options))
    return facts


def _pasts(flares: FeatureTable | None, options: CompareOptions) -> dict[str, Any]:
    """Return the forecast of disks by their past, where there are flares to train it and to ask."""
    if flares is None or not options.disks_flares:
        return {}
    years = DiskPast(flares, options.goes_scale)
    now = past_of(Path(options.disks_flares), options.goes_scale)
    return {"head": learn_disk_past(years, options.folds, options.boundary), "past": now}


def split_regions(regions: Regions, options: CompareOptions) -> tuple[Regions, Regions]:
    """Return the rows before and after the boundary; a region on both sides is judged, not learnt.

    Raises
    ------
    InputError
        If there are none on one side.
    """
    part = chronological_split(
        regions.time,
        [np.datetime64(options.boundary, "s")],
        purge=2 * _DAY,
        groups=regions.noaa,
        straddling=Straddling.LATER,
    )
    sides = [regions.take(part == 0), regions.take((part == 1) & regions.has_spots)]
    if not all(len(side) for side in sides):
        raise InputError(
            f"All rows are on one side of {options.boundary}.", "Choose another --boundary."
        )
    return sides[0], sides[1]


def history_head(past: Regions, future: Regions, level: str, folds: int) -> tuple[Head, Floats]:
    """Train on the past of regions alone; return the head and what it says of the judged rows."""
    event, history = past.flared(level), past.history
    runs = folds_of(past.time, past.noaa, folds)
    rates = McIntoshRates.fit(history["mcintosh"], event)
    features = history_features(history, rates)
    unseen = features.copy()
    for some, others in runs:
        inner = McIntoshRates.fit(history["mcintosh"][some], event[some])
        unseen[others] = history_features(
            {name: values[others] for name, values in history.items()}, inner
        )

    def fit_of(rows: NDArray[np.bool_]) -> Fit:
        return partial(
            ScoreRegressions.fit, unseen[rows], [event[rows]], inverse_penalty=_HISTORY_PENALTY
        )

    head, _ = learn_head(unseen, event, runs, fit_of)
    return head, head.probability(history_features(future.history, rates))


def _standings(
    scores: FeatureTable,
    thresholds: Mapping[str, float],
    climatology: Mapping[str, float],
    options: CompareOptions,
    rng: np.random.Generator,
) -> list[dict[str, Any]]:
    """Return scores with intervals by region and by week, the chosen level first."""
    rows = []
    for level in (options.level, *(one for one in LEVELS if one != options.level)):
        for forecast in (*options.models, "climatology"):
            if f"p {level} {forecast}" not in scores:
                continue
            row: dict[str, Any] = {"forecast": _NAMES[forecast], "name": forecast, "level": level}
            for blocks in ("region", "week"):
                found = skill_of(
                    scores,
                    level,
                    forecast,
                    threshold=thresholds[f"{level} {forecast}"],
                    climatology=climatology[level],
                    rng=rng,
                    blocks=blocks,
                )
                suffix = "" if blocks == "region" else " by week"
                row |= {f"{name}{suffix}": found[name].to_dict() for name in SCORES}
            rows.append(row)
    return rows
