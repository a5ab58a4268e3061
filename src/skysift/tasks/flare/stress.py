"""The shifts that regions on images of the Sun undergo, and what is measured under them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from skysift.core.stress import Answered, Measure, Shift
from skysift.evaluate.coverage import coverage_measures
from skysift.evaluate.shifts import blur_shift, brightness_shift, drawn, limb_shift, prior_shift
from skysift.evaluate.stress import auc, mean, tss
from skysift.models.flare_history import HISTORY_COLUMNS
from skysift.tasks.flare.coverage import scored_regions, unseen
from skysift.tasks.flare.image_features import Cutouts
from skysift.tasks.flare.model import FlareModel
from skysift.tasks.flare.region_tables import number
from skysift.tasks.flare.regions import LEVELS, Regions

__all__ = [
    "answered",
    "beyond",
    "blurred",
    "brightened",
    "forgotten",
    "prepared",
    "shifts",
]

_TEXTS = {"mcintosh", "hale"}

Floats = NDArray[np.float64]


def prepared(
    data: Regions | None, model: FlareModel, rng: np.random.Generator, most: int
) -> Regions:
    """Return regions with sunspots later than those that trained the model.

    Raises
    ------
    UsageError
        If there are none, or the model was trained on some as late.
    """
    rows = unseen(data, model)
    return rows.take(drawn(len(rows), most, rng))


def shifts(data: Regions) -> Sequence[Shift]:
    """Return the shifts of regions."""
    return (
        brightness_shift(brightened),
        blur_shift(blurred),
        limb_shift("it is foreshortened, and its field is seen aslant.", beyond),
        prior_shift(
            "Activity of the Sun",
            "share of regions that flare, class C or stronger",
            (0.05, 0.15, 0.5),
            "Flares come and go with the solar cycle (Hathaway 2015, Living Rev. Sol. Phys. 12, "
            "4): near its minimum weeks pass without one. Regions that flare get another weight.",
            flags=data.flared("C"),
        ),
        Shift(
            "history",
            "Lists that do not come",
            "share of regions without a past",
            (0.0, 0.25, 0.5, 1.0),
            0.0,
            "Region summaries and flare lists come late, or not: then the image alone answers.",
            forgotten,
        ),
    )


def brightened(regions: Regions, levels: float) -> Regions:
    """Return regions on pictures that are brighter by grey levels, within 0 to 255."""
    if levels == 0.0:
        return regions
    seen = regions.cutouts
    pixels, disk = (np.clip(part + levels, 0.0, 255.0) for part in (seen.pixels, seen.disk))
    return replace(regions, cutouts=Cutouts(pixels.astype(np.float32), disk, seen.mu))


def blurred(regions: Regions, sigma: float) -> Regions:
    """Return regions on blurred pictures; sigma [pixel]."""
    if sigma == 0.0:
        return regions
    seen = regions.cutouts
    smooth = np.stack([ndimage.gaussian_filter(one, sigma, mode="nearest") for one in seen.pixels])
    return replace(regions, cutouts=Cutouts(smooth, seen.disk, seen.mu))


def forgotten(regions: Regions, share: float, rng: np.random.Generator) -> Regions:
    """Return regions of which a share has no past."""
    if share == 0.0:
        return regions
    lost = rng.random(len(regions)) < share
    history = regions.history
    columns = {
        name: np.where(lost, "" if name in _TEXTS else np.nan, history[name])
        for name in HISTORY_COLUMNS
    }
    kept = replace(regions, table=regions.table.with_columns(columns))
    kept.__dict__["image_features"] = regions.image_features  # the images are the same
    return kept


def beyond(regions: Regions, least: float) -> Floats:
    """Return weights, shape (n,), of regions no nearer to the central meridian [deg]."""
    return (np.abs(number(regions.table, "lon")) >= least).astype(np.float64)


def answered(data: Regions, model: FlareModel) -> Answered:
    """Let a model answer, and say what is measured."""
    found = model.probabilities(data)
    measures, rows = {}, []
    for level in LEVELS:
        probability = np.nan_to_num(found[f"p_{level.lower()}24"])
        event = data.flared(level)
        warned = probability >= model.regions[level].both.threshold
        name = f"{level.lower()}24"
        measures[f"tss_{name}"] = Measure(f"TSS, class {level}", tss(warned, event))
        measures[f"auc_{name}"] = Measure(f"AUC, class {level}", auc(event, probability))
        measures[f"bias_{name}"] = Measure(
            f"mean probability less share of flares, class {level}",
            mean(probability - event),
            0.0,
        )
        rows.append(scored_regions(data, level, found[f"p_{name}"], ""))
    measures |= coverage_measures(model.promises, rows)
    return Answered(measures, data.noaa)
