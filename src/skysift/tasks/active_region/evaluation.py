"""Measure a model on labelled disks: what it finds, what it says of patches, and of whole disks.

Thresholds come from the bundle, which chose them on training data. Intervals draw whole fortnights,
for that is how long a region stays on the disk.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import InputError
from skysift.core.results import Evaluation, Metric
from skysift.data.chronological import time_blocks
from skysift.data.table import FeatureTable
from skysift.evaluate.detection import (
    Detections,
    detection_skill,
    match_places,
    nearest_within,
    nearness_skill,
)
from skysift.evaluate.forecast import forecast_skill
from skysift.tasks.active_region.learning import MATCH_LIMIT
from skysift.tasks.active_region.model import BIG_POINT, F1_POINT, TSS_POINT, ActiveRegionModel
from skysift.tasks.active_region.reader import FARTHEST, SolarDisks

__all__ = ["BLOCK", "Scores", "evaluate_scores", "score"]

BLOCK = np.timedelta64(14, "D")
"""Of the bootstrap."""

_PIXEL = 4.8  # arcsec; what the limit of a match is in
_METHODS = ("best", "threshold")
_EVEN = 0.5
_EVERYWHERE = 180.0

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scores:
    """What was found and said, as tables that a run can store.

    Parameters
    ----------
    disks : FeatureTable
        ``file``, ``time``, ``block``, ``has_big``, ``p_big_region``.
    found : FeatureTable
        ``disk``, ``method``, ``x``, ``y``, ``width``, ``height``, ``box_x``, ``box_y``, ``lon``,
        ``score``, ``hit`` (of a region with spots).
    truth : FeatureTable
        ``disk``, ``section``, ``noaa``, ``x``, ``y``, ``lon``, ``area``, ``score`` of what found
        it, 0 if nothing did.
    patches : FeatureTable
        ``disk``, ``is_region``, ``noaa``, ``lon``, ``probability``.
    """

    disks: FeatureTable
    found: FeatureTable
    truth: FeatureTable
    patches: FeatureTable

    def tables(self) -> Mapping[str, FeatureTable]:
        """Return the tables by their names."""
        return {name: getattr(self, name) for name in ("disks", "found", "truth", "patches")}

    def detections(self, method: str, *, farthest: float = _EVERYWHERE) -> Detections:
        """Return what a method found, and whether it is a region with spots.

        Parameters
        ----------
        method : {"best", "threshold"}
        farthest : float
            Longitude beyond which neither regions nor what is found count [deg].
        """
        found = self.found.take(self.found["method"].astype(str) == method)
        # What is found beyond the limb has no longitude: it counts only where all do.
        near = (
            np.abs(found["lon"]) <= farthest
            if farthest < _EVERYWHERE
            else np.isfinite(found["score"])
        )
        true = (self.truth["section"].astype(str) == "I") & (np.abs(self.truth["lon"]) <= farthest)
        n_true = np.bincount(self.truth["disk"][true], minlength=len(self.disks))
        return Detections(
            found["disk"][near], found["score"][near], found["hit"][near], n_true.astype(np.int64)
        )

    def nearness(self, method: str, threshold: float) -> tuple[tuple[Counts, Counts], ...]:
        """Return what :func:`~skysift.evaluate.detection.nearness_skill` asks for."""
        n = len(self.disks)
        found = self.found.take(
            (self.found["method"].astype(str) == method) & (self.found["score"] >= threshold)
        )
        true = self.truth.take(self.truth["section"].astype(str) == "I")

        def counts(table: FeatureTable, chosen: NDArray[np.bool_]) -> tuple[Counts, Counts]:
            disks = table["disk"]
            return np.bincount(disks[chosen], minlength=n), np.bincount(disks, minlength=n)

        caught = true[f"near_{method}"] >= threshold
        return counts(found, found["near"]), counts(true, caught)


def score(disks: SolarDisks, model: ActiveRegionModel) -> Scores:
    """Ask a model about labelled disks."""
    found, truth, big = [], [], []
    for number, one in enumerate(disks.maps):
        regions = disks.regions.take(disks.regions["disk"] == number)
        spotted = regions["section"].astype(str) == "I"
        places = regions.matrix(["x", "y"])
        caught = np.zeros(len(regions))
        close = {method: np.zeros(len(regions)) for method in _METHODS}
        unit = _PIXEL / one.image.pixel_scale
        for method in _METHODS:
            there = model.find(one, method=method)
            matched = match_places(
                there.places / unit, there.score, places[spotted] / unit, limit=MATCH_LIMIT
            )
            hit = matched >= 0
            given = (there.places / unit, places[spotted] / unit)
            near = nearest_within(*given, np.ones(int(spotted.sum())), limit=MATCH_LIMIT)
            close[method][spotted] = nearest_within(*given[::-1], there.score, limit=MATCH_LIMIT)
            if method == "best":
                caught[np.flatnonzero(spotted)[matched[hit]]] = there.score[hit]
                big.append(model.big_region(one, there))
            n = len(there)
            found.append(
                {
                    "disk": np.full(n, number, dtype=np.int64),
                    "method": np.full(n, method),
                    **{name: getattr(there, name) for name in _FOUND},
                    "hit": hit,
                    "near": near > 0,
                }
            )
        near_scores = {f"near_{method}": score for method, score in close.items()}
        truth.append(regions.with_columns({"score": caught, **near_scores}))
    times = disks.times
    patches = disks.patches
    return Scores(
        FeatureTable.from_columns(
            {
                "file": [one.file for one in disks.maps],
                "time": times,
                "block": time_blocks(times, BLOCK),
                "has_big": disks.has_big,
                "p_big_region": np.array(big, dtype=np.float64),
            }
        ),
        _stacked(found),
        _stacked([{name: table[name] for name in table.columns} for table in truth]),
        FeatureTable.from_columns(
            {
                "disk": patches.disk,
                "is_region": patches.is_region,
                "noaa": patches.noaa,
                "lon": patches.lon,
                "probability": model.patch_probability(patches.features),
            }
        ),
    )


_FOUND = ("x", "y", "width", "height", "box_x", "box_y", "lon", "score")


def _stacked(parts: list[dict[str, NDArray[np.generic]]]) -> FeatureTable:
    return FeatureTable.from_columns(
        {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    )


def evaluate_scores(
    scores: Scores,
    thresholds: Mapping[str, float],
    *,
    climatology: Mapping[str, float],
    rng: np.random.Generator,
    model: str,
    data: str,
    split: str,
) -> Evaluation:
    """Return the metrics of stored scores.

    Parameters
    ----------
    scores : Scores
        Of n disks; each metric rests on them, and says so by its n.
    thresholds : mapping of str to float
        Operating points of the bundle.
    climatology : mapping of str to float
        Shares of regions among patches, and of big regions on disks, in training.
    rng : numpy.random.Generator
        Draws the blocks.
    model, data, split : str
        For the record.

    Raises
    ------
    InputError
        If there is one disk only.
    """
    n = len(scores.disks)
    blocks = scores.disks["block"]
    if len(np.unique(blocks)) == 1:  # too short a time for fortnights: disks are drawn alone
        blocks = np.arange(n)
    if n == 1:
        raise InputError(
            "One disk alone has no skill.", "Give two labelled disks or more, best of many weeks."
        )
    metrics: list[Metric] = []
    for method, farthest, name in (
        ("best", _EVERYWHERE, "detection"),
        ("best", FARTHEST, "detection_70deg"),
        ("threshold", _EVERYWHERE, "threshold"),
    ):
        found = scores.detections(method, farthest=farthest)
        least = thresholds.get(F1_POINT, _EVEN) if method == "best" else _EVEN
        if found.n_true.any():
            skill = detection_skill(found, threshold=least, blocks=blocks, rng=rng)
            metrics += [
                one.metric(f"{name}_{what}", n=n, split=split) for what, one in skill.items()
            ]
    rows = (
        (
            "patch",
            scores.patches["is_region"],
            scores.patches["probability"],
            blocks[scores.patches["disk"]],
            TSS_POINT,
        ),
        ("big_region", scores.disks["has_big"], scores.disks["p_big_region"], blocks, BIG_POINT),
    )
    for name, label, probability, block, point in rows:
        if label.all() or not label.any() or not np.isfinite(probability).all():
            continue
        skill = forecast_skill(
            label,
            probability,
            threshold=thresholds.get(point, _EVEN),
            climatology=climatology.get(name, _EVEN),
            blocks=block,
            rng=rng,
        )
        metrics += [one.metric(f"{name}_{what}", n=n, split=split) for what, one in skill.items()]
    if (scores.truth["section"].astype(str) == "I").any():
        chosen = thresholds.get(F1_POINT, _EVEN)
        for method, least, name in (
            ("best", chosen, "detection"),
            ("threshold", _EVEN, "threshold"),
        ):
            skill = nearness_skill(*scores.nearness(method, least), blocks=blocks, rng=rng)
            metrics += [
                one.metric(f"{name}_near_{what}", n=n, split=split) for what, one in skill.items()
            ]
    return Evaluation(model=model, data=data, split=split, metrics=tuple(metrics))
