"""Train one model on labelled disks, and measure it on disks that its members had not seen."""

import hashlib

import numpy as np
from numpy.typing import NDArray

from skysift.core.bundle_schema import DataLicence, OperatingPoint, Training
from skysift.core.progress import Progress
from skysift.core.results import Metric
from skysift.data.chronological import time_blocks
from skysift.evaluate.detection import Detections, best_f1_threshold, detection_skill
from skysift.evaluate.forecast import best_threshold, contingency, forecast_skill
from skysift.evaluate.intervals import Interval
from skysift.models.conformal import calibrate
from skysift.models.plain_export import plain_classifier
from skysift.models.reference import distributions
from skysift.models.solar.strength import quiet_profile
from skysift.tasks.active_region.classifiers import FAMILIES
from skysift.tasks.active_region.coverage import scored_patches, scored_places
from skysift.tasks.active_region.disks import brightness_quantiles
from skysift.tasks.active_region.learning import (
    LIMIT,
    Judged,
    calibrate_regions,
    learn_disks,
    learn_networks,
    learn_patches,
    ratios_of,
    runs_of,
)
from skysift.tasks.active_region.model import (
    BIG_POINT,
    F1_POINT,
    TSS_POINT,
    ActiveRegionModel,
)
from skysift.tasks.active_region.options import TrainOptions
from skysift.tasks.active_region.reader import SolarDisks
from skysift.tasks.active_region.threshold_search import tuned_settings

__all__ = ["BLOCK", "train", "tss_point"]

BLOCK = np.timedelta64(14, "D")
"""Of the bootstrap: a region is on the disk for two weeks."""

_EVEN = 0.5
_ENOUGH_BLOCKS = 2

Blocks = NDArray[np.int64]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


def train(
    disks: SolarDisks,
    options: TrainOptions,
    rng: np.random.Generator,
    *,
    seed: int,
    command: str,
    licence: DataLicence,
    progress: Progress,
) -> ActiveRegionModel:
    """Train a model.

    Parameters
    ----------
    disks : SolarDisks
        Labelled.
    options : TrainOptions
        What is trained.
    rng : numpy.random.Generator
        Draws weights, views and trees.
    seed : int
        What the generator was made of, for the record.
    command : str
        What the user typed, for the record.
    licence : DataLicence
        Of the data, for the record.
    progress : callable
        Called with the fraction done and what is being done.

    Raises
    ------
    InputError
        If there are too few disks, or a disk is a magnetogram.
    """
    times = disks.times
    runs = runs_of(times, options.folds)
    ratios = ratios_of(disks)
    networks = learn_networks(disks, ratios, runs, options, rng=rng, progress=progress)
    progress(0.9, "patches and disks")
    drawn = int(rng.integers(2**31))
    regions = calibrate_regions(disks, networks.heats)
    patches = learn_patches(disks.patches, runs, options.model, trees=options.trees, seed=drawn)
    big = learn_disks(disks, regions.scores, ratios, runs)
    profile = quiet_profile(ratios)
    progress(0.95, "thresholds")
    judged = Measured(
        disks, regions.detections, patches, big, f"{disks.name}, {options.folds} runs, out of fold"
    )
    training = Training(
        data=disks.name,
        sha256=_hash(disks),
        n_rows=len(disks),
        split=f"{times.min()} to {times.max()}",
        seed=seed,
        command=command,
    )
    split = f"{disks.name}, {options.folds} runs, out of fold"
    scored = (
        scored_patches(disks, patches.probability, split),
        scored_places(disks, regions.detections, split),
    )
    on_record = training.model_copy(update={"split": split})
    return ActiveRegionModel(
        name="active-region",
        family=FAMILIES[options.model],
        patches=plain_classifier(patches.estimator),
        network=networks.graph,
        calibration=regions.calibration,
        disks=plain_classifier(big.estimator),
        profile=profile,
        settings=tuned_settings(ratios, disks.spots(), profile, limit=LIMIT),
        big_share=float(disks.has_big.mean()),
        prior=float(disks.patches.is_region.mean()),
        training=training,
        promises=tuple(calibrate(one, on_record) for one in scored),
        data_licence=licence,
        operating_points=judged.operating_points(),
        metrics=judged.metrics(rng),
        reference=distributions(brightness_quantiles(disks.maps)),
        parameters=options.model_dump(mode="json"),
    )


class Measured:
    """Thresholds and skill, from what was said of disks that had not been seen."""

    def __init__(
        self, disks: SolarDisks, regions: Detections, patches: Judged, big: Judged, split: str
    ) -> None:
        self._disks, self._split = disks, split
        self._regions, self._patches, self._big = regions, patches, big
        self._f1 = best_f1_threshold(regions) if regions.hit.any() else _EVEN
        self._blocks = time_blocks(disks.times, BLOCK)

    def operating_points(self) -> tuple[OperatingPoint, ...]:
        """Return the thresholds of F1 for regions, and of TSS for patches and disks."""
        hits, alarms, misses = self._regions.counts(self._f1).sum(axis=0)
        found = max(int(hits + alarms), 1)
        points = [
            OperatingPoint(
                name=F1_POINT,
                threshold=self._f1,
                acceptance=float(alarms / found),
                efficiency=float(hits / max(int(hits + misses), 1)),
                chosen_on=self._split,
                method="highest F1; acceptance is the share of what is found that is no region",
            )
        ]
        for name, judged in ((TSS_POINT, self._patches), (BIG_POINT, self._big)):
            if judged.label.all() or not judged.label.any():
                continue
            points.append(tss_point(name, judged.label, judged.probability, self._split))
        return tuple(points)

    def metrics(self, rng: np.random.Generator) -> tuple[Metric, ...]:
        """Return the skill, with intervals from the bootstrap of two-week blocks."""
        if len(np.unique(self._blocks)) < _ENOUGH_BLOCKS:
            return ()
        skill = detection_skill(self._regions, threshold=self._f1, blocks=self._blocks, rng=rng)
        found = [self._metric(f"detection_{name}", one) for name, one in skill.items()]
        of_patches = self._blocks[self._disks.patches.disk]
        for what, judged, blocks in (
            ("patch", self._patches, of_patches),
            ("big_region", self._big, self._blocks),
        ):
            if judged.label.all() or not judged.label.any():
                continue
            scores = forecast_skill(
                judged.label,
                judged.probability,
                threshold=_threshold(judged.label, judged.probability),
                climatology=float(judged.label.mean()),
                blocks=blocks,
                rng=rng,
            )
            found += [self._metric(f"{what}_{name}", one) for name, one in scores.items()]
        return tuple(found)

    def _metric(self, name: str, interval: Interval) -> Metric:
        return interval.metric(name, n=len(self._disks), split=self._split)


def tss_point(name: str, label: Mask, probability: Floats, split: str) -> OperatingPoint:
    """Return the threshold of the highest true skill statistic on rows of both classes."""
    threshold = _threshold(label, probability)
    table = contingency(label, probability, threshold)
    return OperatingPoint(
        name=name,
        threshold=threshold,
        acceptance=table.false_detection,
        efficiency=table.detection,
        chosen_on=split,
        method="highest true skill statistic",
    )


def _threshold(label: Mask, probability: Floats) -> float:
    return min(max(best_threshold(label, probability), 0.0), 1.0)


def _hash(disks: SolarDisks) -> str:
    """Return a SHA-256 over names, files and labels."""
    digest = hashlib.sha256()
    for one in disks.maps:
        digest.update(f"{one.file} {one.image.sha256}".encode())
    for name in ("disk", "noaa", "x", "y"):
        digest.update(np.ascontiguousarray(disks.regions[name], dtype="<f8").tobytes())
    digest.update(np.ascontiguousarray(disks.patches.is_region).tobytes())
    return digest.hexdigest()
