"""The shifts that images of the Sun undergo, and what is measured under them."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from skysift.core.stress import Answered, Measure, Shift
from skysift.data.chronological import time_blocks
from skysift.evaluate.coverage import coverage_measures
from skysift.evaluate.shifts import blur_shift, brightness_shift, drawn, limb_shift, prior_shift
from skysift.evaluate.stress import auc, mean, measures_of_rows, of_rows, tss
from skysift.models.solar.patch_features import patch_features
from skysift.tasks.active_region.coverage import best_places, scored_patches, unseen
from skysift.tasks.active_region.evaluation import BLOCK, score
from skysift.tasks.active_region.model import F1_POINT, TSS_POINT, ActiveRegionModel
from skysift.tasks.active_region.reader import SolarDisks

__all__ = ["answered", "beyond", "blurred", "brightened", "prepared", "shifts"]

_MEDIAN = -1  # column of the disk's median brightness
_WHITE = 255.0
_GRID_PER_PIXEL = 0.5  # pixels of the map of a disk to one of a picture of 512 pixels

Floats = NDArray[np.float64]


def prepared(
    data: SolarDisks | None, model: ActiveRegionModel, rng: np.random.Generator, most: int
) -> SolarDisks:
    """Return disks later than those that trained the model.

    Raises
    ------
    UsageError
        If there are none, or the model was trained on some as late.
    """
    rows = unseen(data, model)
    chosen = np.zeros(len(rows), dtype=bool)
    chosen[drawn(len(rows), most, rng)] = True
    return rows.take(chosen)


def shifts(data: SolarDisks) -> Sequence[Shift]:
    """Return the shifts of disks."""
    return (
        brightness_shift(brightened),
        blur_shift(blurred),
        limb_shift("patches nearer to the central meridian are left out; disks stay.", beyond),
        prior_shift(
            "Share of regions",
            "share of patches with a region",
            (0.1, 0.3, 0.8),
            "Half of the labelled patches show a region; cut blindly from a disk far fewer do, "
            "and fewest at solar minimum (Hathaway 2015, Living Rev. Sol. Phys. 12, 4).",
            flags=np.concatenate([np.zeros(len(data), bool), data.patches.is_region]),
            among=np.arange(len(data) + len(data.patches.is_region)) >= len(data),
        ),
    )


def brightened(disks: SolarDisks, levels: float) -> SolarDisks:
    """Return disks on pictures that are brighter by grey levels, within 0 to 255."""
    if levels == 0.0:
        return disks
    median = disks.patches.features[:, _MEDIAN]
    pixels = np.clip(disks.patches.pixels + np.float32(levels), 0.0, _WHITE).astype(np.float32)
    of_disks = _medians(disks)
    # Brightness over that of the disk, less 1, when both rise by the same.
    maps = [
        None if one.strength is None else (one.strength * (m / max(m + levels, 1.0)))
        for one, m in zip(disks.maps, of_disks, strict=True)
    ]
    return _with(disks, pixels, np.maximum(median + levels, 1.0), maps)


def blurred(disks: SolarDisks, sigma: float) -> SolarDisks:
    """Return disks on blurred pictures; sigma [pixel]."""
    if sigma == 0.0:
        return disks
    pixels = ndimage.gaussian_filter(disks.patches.pixels, (0, sigma, sigma), mode="nearest")
    on_map = sigma * _GRID_PER_PIXEL
    maps = [
        None if one.strength is None else ndimage.gaussian_filter(one.strength, on_map)
        for one in disks.maps
    ]
    return _with(disks, pixels, disks.patches.features[:, _MEDIAN], maps)


def beyond(disks: SolarDisks, least: float) -> Floats:
    """Return weights, shape (n,), without patches nearer to the central meridian [deg]."""
    far = np.abs(np.nan_to_num(disks.patches.lon)) >= least
    return np.concatenate([np.ones(len(disks)), far.astype(np.float64)])


def answered(data: SolarDisks, model: ActiveRegionModel) -> Answered:
    """Let a model answer, and say what is measured: rows are the disks, then the patches."""
    scores = score(data, model)
    probability = scores.patches["probability"]
    n, m = len(data), len(probability)
    of_patch = np.arange(n + m) >= n
    nothing = np.zeros(n)
    region = np.concatenate([nothing, data.patches.is_region]).astype(bool)
    said = np.concatenate([nothing, probability])
    shown = said >= model.threshold(TSS_POINT)
    ranked = auc(data.patches.is_region, probability)
    found = scores.detections("best")
    hits, alarms, misses = found.counts(model.threshold(F1_POINT)).T
    measures = {
        "patch_tss": Measure("TSS of patches", tss(shown, region, of_patch)),
        "patch_auc": Measure("AUC of patches", of_rows(ranked, slice(n, None))),
        "patch_bias": Measure(
            "mean probability less share of regions", mean(said - region, of_patch), 0.0
        ),
        "precision": Measure("found places that are regions", _ratio(hits, hits + alarms, m)),
        "recall": Measure("regions with spots that are found", _ratio(hits, hits + misses, m)),
    }
    patches = coverage_measures(model.promises, (scored_patches(data, probability, ""),))
    places = best_places(data, scores, "")
    measures |= measures_of_rows(patches, slice(n, None))
    measures |= measures_of_rows(coverage_measures(model.promises, (places,)), found.image)
    blocks = time_blocks(data.times, BLOCK)
    return Answered(measures, np.concatenate([blocks, blocks[data.patches.disk]]))


def _ratio(
    above: NDArray[np.int64], below: NDArray[np.int64], further: int
) -> Callable[[Floats], Floats]:
    """Return the ratio of two sums over the disks, which come before further rows."""
    first, second = (np.concatenate([part, np.zeros(further)]) for part in (above, below))

    def statistic(weight: Floats) -> Floats:
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray((weight @ first) / (weight @ second))

    return statistic


def _medians(disks: SolarDisks) -> Floats:
    """Return the median brightness of each disk, as its patches tell, or those of all."""
    own = disks.patches.features[:, _MEDIAN]
    found = np.full(len(disks), float(np.median(own)) if len(own) else 1.0)
    found[disks.patches.disk] = own
    return found


def _with(
    disks: SolarDisks,
    pixels: NDArray[np.float32],
    median: Floats,
    maps: Sequence[NDArray[np.float32] | None],
) -> SolarDisks:
    patches = replace(disks.patches, pixels=pixels, features=patch_features(pixels, median))
    shifted = tuple(
        replace(one, strength=None if strength is None else strength.astype(np.float32))
        for one, strength in zip(disks.maps, maps, strict=True)
    )
    return replace(disks, patches=patches, maps=shifted)
