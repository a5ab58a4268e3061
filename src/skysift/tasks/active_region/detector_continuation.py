"""Go on from a trained network of regions with other disks.

A lesson is a whole disk, and its loss is that of the network on it. All weights move, or the last
layer alone. Where any does, the scores are stretched on the disks that decided when to stop, so
that a score still is a probability, and the threshold on them stays. What judges patches, and what
makes the probability of a big region of the scores, stay those of the parent.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from skysift.core.bundle_schema import OperatingPoint, Training
from skysift.core.continuation import ContinueOptions, Origin, child_of, remembering, simulated
from skysift.core.errors import UsageError
from skysift.core.progress import Progress
from skysift.core.results import Metric
from skysift.data.chronological import time_blocks
from skysift.evaluate.detection import Detections, detection_skill, f1_change
from skysift.evaluate.updating import gain, with_judgement
from skysift.models.calibration import BetaCalibration, stretch
from skysift.models.fine_tuning import TuningOptions, what_moved
from skysift.models.lessons import Mixed, grouped, mix
from skysift.models.solar.disk_lessons import DiskLessons
from skysift.models.solar.region_tuning import region_losses, tune_region_networks
from skysift.tasks.active_region.continuation import joined_split, origin_of
from skysift.tasks.active_region.evaluation import BLOCK
from skysift.tasks.active_region.learning import LIMIT, candidates_of, ratios_of
from skysift.tasks.active_region.model import F1_POINT, ActiveRegionModel
from skysift.tasks.active_region.reader import SolarDisks

__all__ = [
    "MARGIN",
    "MOST_KEPT",
    "detections_of",
    "go_on",
    "lessons",
    "losses",
    "origin_of",
    "recalled",
    "remembered",
    "remembering",
    "simulated",
]

MARGIN = 0.08
"""The loss of a disk, over the number of its regions, is about 2."""

MOST_KEPT = 0
"""Disks are large."""

_RATE = 1e-4  # as good as any of 3e-5, 1e-4 and 3e-4 on disks of 2013-14, and calmer
_BATCH = 8
_OF_REGIONS = "detection_"
_TWO = 2

Floats = NDArray[np.float64]


def lessons(disks: SolarDisks, parent: ActiveRegionModel) -> DiskLessons:
    """Return whole disks; those of a fortnight are not independent.

    Raises
    ------
    InputError
        If a disk is a magnetogram, or its time is unknown.
    """
    del parent  # all see the same
    group = time_blocks(disks.times, BLOCK)
    return DiskLessons(ratios_of(disks), tuple(disks.centres()), group)


def losses(disks: DiskLessons, model: ActiveRegionModel) -> Floats:
    """Return the loss of each disk, shape (n,); see `skysift.models.solar.region_training`."""
    return region_losses(model.network, disks)


def go_on(
    parent: ActiveRegionModel,
    new: DiskLessons,
    replay: DiskLessons | None,
    options: ContinueOptions,
    rng: np.random.Generator,
    *,
    origin: Origin,
    progress: Progress,
) -> ActiveRegionModel:
    """Return a model that goes on from its parent; see :class:`Continuation`."""
    old = None if replay is None else grouped(replay.group)
    mixed = mix(grouped(new.group), old, held_out=options.held_out, rng=rng)
    disks = new if replay is None else new.followed_by(replay)
    frozen = options.body == "frozen"
    tuned = tune_region_networks(
        parent.network,
        disks,
        mixed,
        TuningOptions.of(options, _RATE, batch_size=_BATCH),
        rng,
        frozen=frozen,
        progress=lambda fraction: progress(fraction, "go on"),
    )
    child = child_of(
        parent,
        origin,
        training=_training(parent, mixed, new, origin),
        parameters=options.model_dump(mode="json", exclude_none=True),
    )
    if any(tuned.rounds):
        child = replace(child, network=tuned.graph)
        child = replace(child, calibration=_calibration(child, disks, mixed))
    moved = "the last layer" if frozen else "all weights"
    return _measured(
        parent,
        child,
        new.take(mixed.judge),
        rng,
        origin=origin,
        method=what_moved(f"{moved} of the network of regions", *tuned.rounds),
    )


def remembered(disks: DiskLessons) -> bytes:
    """Raise UsageError: disks are not kept in a bundle."""
    del disks
    raise UsageError(
        "Whole disks are not kept in a bundle.", "Leave --keep out; give --reference to an update."
    )


def recalled(data: bytes, model: ActiveRegionModel) -> DiskLessons:
    """Raise UsageError: a bundle keeps patches at most."""
    del data, model
    raise UsageError(
        "Whole disks are not kept in a bundle.", "Give labelled disks with --reference."
    )


def _calibration(child: ActiveRegionModel, disks: DiskLessons, mixed: Mixed) -> BetaCalibration:
    """Return how sure the heat is, stretched on the disks that decided when to stop."""
    rows = mixed.stop
    found = candidates_of(_heats(child, disks.take(rows)), _spots(disks.take(rows)))
    weight = np.repeat(mixed.weight[rows], [len(one) for one in found.heat])
    odds = logit(child.region_score(np.concatenate(found.heat)))
    return child.calibration.stretched(*stretch(odds, np.concatenate(found.is_region), weight))


def _heats(model: ActiveRegionModel, disks: DiskLessons) -> list[NDArray[np.float32]]:
    return [model.heat(one) for one in disks.ratio]


def _spots(disks: DiskLessons) -> list[Floats]:
    return [one.spots for one in disks.centres]


def detections_of(model: ActiveRegionModel, disks: DiskLessons) -> Detections:
    """Return what a model finds on labelled disks."""
    found = candidates_of(_heats(model, disks), _spots(disks))
    scores = [model.region_score(one) for one in found.heat]
    return Detections.match(found.places, scores, _spots(disks), limit=LIMIT)


@dataclass(frozen=True, slots=True)
class _Judged:
    """What child and parent find on disks that neither has been fitted to."""

    new: Detections
    old: Detections
    group: NDArray[np.int64]
    threshold: float
    split: str

    @property
    def has_intervals(self) -> bool:
        """Whether there are regions, and fortnights enough to draw from."""
        return bool(self.new.n_true.sum()) and len(np.unique(self.group)) >= _TWO

    def metrics(self, rng: np.random.Generator) -> tuple[Metric, ...]:
        """Return the skill of the child."""
        if not self.has_intervals:
            return ()
        skill = detection_skill(self.new, threshold=self.threshold, blocks=self.group, rng=rng)
        n = len(self.group)
        return tuple(
            one.metric(f"{_OF_REGIONS}{name}", n=n, split=self.split) for name, one in skill.items()
        )

    def change(self, rng: np.random.Generator) -> tuple[Metric, ...]:
        """Return how F1 changes."""
        if not self.has_intervals:
            return ()
        changed = f1_change(
            self.new, self.old, threshold=self.threshold, blocks=self.group, rng=rng
        )
        split = f"{self.split}, child minus parent"
        return (changed.metric(f"new {_OF_REGIONS}f1", n=len(self.group), split=split),)

    def measured(self, point: OperatingPoint) -> OperatingPoint:
        """Return an operating point of the same threshold with what it does on these disks."""
        hits, alarms, misses = self.new.counts(self.threshold).sum(axis=0).tolist()
        return point.model_copy(
            update={
                "acceptance": alarms / max(hits + alarms, 1),
                "efficiency": hits / max(hits + misses, 1),
                "method": f"the parent's; acceptance and efficiency of {self.split}",
            }
        )


def _measured(
    parent: ActiveRegionModel,
    child: ActiveRegionModel,
    disks: DiskLessons,
    rng: np.random.Generator,
    *,
    origin: Origin,
    method: str,
) -> ActiveRegionModel:
    """Return a child with what it does on disks that are held out."""
    split = f"{origin.data}, held out"
    judged = _Judged(
        detections_of(child, disks),
        detections_of(parent, disks),
        disks.group,
        parent.threshold(F1_POINT),
        split,
    )
    change = losses(disks, child) - losses(disks, parent)
    gained = gain(change, disks.group, split=split, name="new disk loss")
    lineage = with_judgement(origin.lineage, gained, method=method)
    for one in judged.change(rng):
        lineage = with_judgement(lineage, one)
    others = tuple(one for one in parent.metrics if not one.name.startswith(_OF_REGIONS))
    points = tuple(
        judged.measured(one) if one.name == F1_POINT else one for one in parent.operating_points
    )
    return replace(
        child,
        lineage=lineage,
        metrics=(*judged.metrics(rng), *others),
        operating_points=points,
    )


def _training(
    parent: ActiveRegionModel, mixed: Mixed, new: DiskLessons, origin: Origin
) -> Training:
    """Return the record; its split is from the first to the last disk that either has seen."""
    return Training(
        data=origin.data,
        sha256=new.sha256(),
        n_rows=len(mixed.fit),
        split=joined_split(parent, origin),
        seed=origin.seed,
        command=origin.command,
    )
