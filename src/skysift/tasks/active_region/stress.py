"""The shifts that images of the Sun undergo, and what is measured under them."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from skysift.core.errors import UsageError
from skysift.core.stress import Answered, Measure, Shift
from skysift.data.chronological import time_blocks
from skysift.evaluate.coverage import coverage_measures
from skysift.evaluate.stress import auc, mean
from skysift.models.solar.patch_features import patch_features
from skysift.tasks.active_region.coverage import promised, scored_patches
from skysift.tasks.active_region.evaluation import BLOCK, score
from skysift.tasks.active_region.model import F1_POINT, TSS_POINT, ActiveRegionModel
from skysift.tasks.active_region.reader import SolarDisks

__all__ = ["answered", "beyond", "blurred", "brightened", "prepared", "shifts", "weighed"]

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
    if data is None:
        raise UsageError("There are no disks.", "Give labelled ones with --data.")
    chosen = np.zeros(len(data), dtype=bool)
    chosen[rng.permutation(len(data))[:most]] = True
    rows = data.take(chosen)
    promised(rows, model, rng, progress=lambda _fraction, _what: None)  # refuses what it has seen
    return rows


def shifts(data: SolarDisks) -> Sequence[Shift]:
    """Return the shifts of disks."""
    share = _share(data)
    return (
        Shift(
            "brightness",
            "Throughput of the instrument",
            "brightness of the picture [grey levels of 255]",
            (-20.0, -10.0, -5.0, 0.0, 5.0, 10.0),
            0.0,
            "The channels of AIA lose throughput with the years (Boerner et al. 2014, Sol. Phys. "
            "289, 2377). If a picture shows 2.5 decades by logarithm, 10 grey levels are a quarter "
            "of the light.",
            lambda disks, size, _rng: brightened(disks, size),
        ),
        Shift(
            "blur",
            "Blur",
            "standard deviation of the blur [pixel]",
            (0.0, 0.5, 1.0, 2.0),
            0.0,
            "A pixel of these pictures is 4.8 arcsec, that of AIA 0.6: what other telescopes or "
            "stronger compression show is blurred by up to some pixels.",
            lambda disks, size, _rng: blurred(disks, size),
        ),
        Shift(
            "limb",
            "Towards the limb",
            "least distance of patches from the central meridian [deg]",
            (0.0, 15.0, 30.0, 45.0, 60.0),
            0.0,
            "A region is seen from the side for days before and after it crosses the disk. Patches "
            "nearer to the central meridian are left out; disks stay.",
            lambda disks, _size, _rng: disks,
            beyond,
        ),
        Shift(
            "prior",
            "Share of regions",
            "share of patches with a region",
            (0.1, 0.3, share, 0.8),
            share,
            "Half of the labelled patches show a region; cut blindly from a disk, one in ten does, "
            "fewer at solar minimum (Hathaway 2015, Living Rev. Sol. Phys. 12, 4).",
            lambda disks, _size, _rng: disks,
            weighed,
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


def weighed(disks: SolarDisks, share: float) -> Floats:
    """Return weights, shape (n,), under which a share of the patches shows a region."""
    region = disks.patches.is_region
    own = float(region.mean())
    weight = np.where(region, share / own, (1.0 - share) / (1.0 - own))
    if share == _share(disks):
        weight = np.ones(len(region))
    return np.concatenate([np.ones(len(disks)), weight])


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
    caught, false = mean(shown, of_patch & region), mean(shown, of_patch & ~region)
    ranked = auc(data.patches.is_region, probability)
    found = scores.detections("best")
    hits, alarms, misses = found.counts(model.threshold(F1_POINT)).T
    measures = {
        "patch_tss": Measure("TSS of patches", lambda weight: caught(weight) - false(weight)),
        "patch_auc": Measure("AUC of patches", lambda weight: ranked(weight[:, n:])),
        "patch_bias": Measure(
            "mean probability less share of regions", mean(said - region, of_patch), 0.0
        ),
        "precision": Measure("found places that are regions", _ratio(hits, hits + alarms, m)),
        "recall": Measure("regions with spots that are found", _ratio(hits, hits + misses, m)),
    }
    patches = coverage_measures(model.promises, (scored_patches(data, probability, ""),))
    measures |= {
        name: replace(one, statistic=_of_patches(one.statistic, n)) for name, one in patches.items()
    }
    blocks = time_blocks(data.times, BLOCK)
    return Answered(measures, np.concatenate([blocks, blocks[data.patches.disk]]))


def _of_patches(statistic: Callable[[Floats], Floats], n: int) -> Callable[[Floats], Floats]:
    return lambda weight: statistic(weight[:, n:])


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


def _share(disks: SolarDisks) -> float:
    return round(float(disks.patches.is_region.mean()), 3)


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
