"""Go on from a trained model with the patches of other disks.

What judges patches goes on: trees are boosted on its log-odds (a free body), or these are stretched
(a frozen one). The network that finds regions, its calibration and the probability of a big region
stay those of the parent: they are learnt from whole disks, not from patches. The network is a part
that goes on by itself: :mod:`skysift.tasks.active_region.detector_continuation`.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from skysift.core.bundle_schema import DataLicence, OperatingPoint, Training
from skysift.core.continuation import (
    MARGIN,
    MOST_KEPT,
    ContinueOptions,
    Origin,
    child_of,
    remembering,
    simulated,
)
from skysift.core.errors import InputError
from skysift.core.progress import Progress
from skysift.core.results import Metric
from skysift.data.chronological import time_blocks
from skysift.evaluate.delong import auc_interval
from skysift.evaluate.probability import log_losses
from skysift.evaluate.updating import paired_loss, with_judgement
from skysift.models.calibration import stretch
from skysift.models.continued_boosting import boost_on
from skysift.models.fine_tuning import TuningOptions
from skysift.models.lessons import Mixed, Rows, has_both, mix, remembered, training_of
from skysift.models.plain_continued import ContinuedClassifier, log_odds_of
from skysift.models.solar.patch_features import PATCH_FEATURES
from skysift.tasks.active_region.evaluation import BLOCK
from skysift.tasks.active_region.learning import ratios_of
from skysift.tasks.active_region.licence import licence_of
from skysift.tasks.active_region.model import TSS_POINT, ActiveRegionModel
from skysift.tasks.active_region.reader import SolarDisks
from skysift.tasks.active_region.training import tss_point

__all__ = [
    "MARGIN",
    "MOST_KEPT",
    "go_on",
    "joined_split",
    "lessons",
    "losses",
    "origin_of",
    "recalled",
    "remembered",
    "remembering",
    "simulated",
]

_RATE = 0.05
_OF_PATCHES = "patch_"
_TO = " to "

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]


def lessons(disks: SolarDisks, parent: ActiveRegionModel) -> Rows:
    """Return what is seen of patches; those of a fortnight are not independent.

    Raises
    ------
    InputError
        If a disk is a magnetogram, or there are no patches.
    """
    del parent  # all see the same columns
    ratios_of(disks)
    patches = disks.patches
    known = np.isfinite(patches.features).all(axis=1)
    if not known.any():
        raise InputError("There are no labelled patches.", "Give disks with regions on them.")
    block = time_blocks(disks.times, BLOCK)[patches.disk]
    return Rows(patches.features[known], patches.is_region[known].astype(float), block[known])


def origin_of(disks: SolarDisks) -> tuple[str, DataLicence]:
    """Return the name of the data with its times, and their licence."""
    return f"{disks.name}, {disks.times.min()}{_TO}{disks.times.max()}", licence_of(disks)


def losses(rows: Rows, model: ActiveRegionModel) -> Floats:
    """Return the log loss of each patch, shape (n,)."""
    said = model.patch_probability(np.asarray(rows.features, dtype=np.float64))
    return np.asarray(log_losses(rows.label > 0, said))


def go_on(
    parent: ActiveRegionModel,
    new: Rows,
    replay: Rows | None,
    options: ContinueOptions,
    rng: np.random.Generator,
    *,
    origin: Origin,
    progress: Progress,
) -> ActiveRegionModel:
    """Return a model that goes on from its parent; see :class:`Continuation`."""
    mixed = mix(new, replay, held_out=options.held_out, rng=rng)
    patches, method = _continued(parent, mixed, options, rng, progress)
    child = child_of(
        parent,
        origin,
        patches=patches,
        prior=mixed.share(mixed.rows.label > 0),
        training=_training(parent, mixed, new, origin),
        parameters=options.model_dump(mode="json", exclude_none=True),
    )
    judged, split = mixed.rows.take(mixed.judge), f"{origin.data}, held out"
    seen, label = np.asarray(judged.features, dtype=np.float64), judged.label > 0
    said = child.patch_probability(seen)
    gained = paired_loss(
        label, said, parent.patch_probability(seen), split=split, groups=judged.group
    )
    return replace(
        child,
        operating_points=_operating_points(parent, label, said, split),
        metrics=_metrics(parent, label, said, split),
        lineage=with_judgement(origin.lineage, gained, method=method),
    )


def recalled(data: bytes, model: ActiveRegionModel) -> Rows:
    """Return patches from the content of a file of a bundle."""
    del model  # all see the same columns
    return Rows.of_bytes(data, len(PATCH_FEATURES))


def _continued(
    parent: ActiveRegionModel,
    mixed: Mixed,
    options: ContinueOptions,
    rng: np.random.Generator,
    progress: Progress,
) -> tuple[ContinuedClassifier, str]:
    """Return what judges patches, and how it was made."""
    odds = log_odds_of(parent.patches, np.asarray(mixed.rows.features, dtype=np.float64))
    if options.body == "frozen":
        rows = mixed.learned  # two numbers need no early stop
        factor, shift = stretch(odds[rows, 0], mixed.rows.label[rows] > 0, mixed.weight[rows])
        return ContinuedClassifier.of(parent.patches, factor, shift), "a new stretch of patches"
    boosted = boost_on(
        odds,
        mixed,
        TuningOptions.of(options, _RATE),
        rng,
        progress=lambda fraction: progress(fraction, "go on"),
    )
    method = boosted.told("on the log-odds of patches")
    return ContinuedClassifier.of(parent.patches, trees=boosted.trees), method


def joined_split(parent: ActiveRegionModel, origin: Origin) -> str:
    """Return the time from the first to the last disk that parent or new data have."""
    spans = (parent.training.split, origin.data.rpartition(", ")[2])
    first, last = zip(*(span.split(_TO) for span in spans), strict=True)
    return f"{min(first)}{_TO}{max(last)}"


def _training(parent: ActiveRegionModel, mixed: Mixed, new: Rows, origin: Origin) -> Training:
    """Return the record; its split is from the first to the last disk that either has seen."""
    told = training_of(mixed, new, origin)
    return told.model_copy(update={"split": joined_split(parent, origin)})


def _operating_points(
    parent: ActiveRegionModel, label: Mask, said: Floats, split: str
) -> tuple[OperatingPoint, ...]:
    """Return the parent's points, with a new one of patches if the rows can tell."""
    if not has_both(label):
        return parent.operating_points
    others = [point for point in parent.operating_points if point.name != TSS_POINT]
    return (*others, tss_point(TSS_POINT, label, said, split))


def _metrics(
    parent: ActiveRegionModel, label: Mask, said: Floats, split: str
) -> tuple[Metric, ...]:
    """Return what was measured of patches now, and of what stays before."""
    others = [one for one in parent.metrics if not one.name.startswith(_OF_PATCHES)]
    if not has_both(label):
        return tuple(others)
    return (auc_interval(label, said).metric("patch_auc", n=len(said), split=split), *others)
