"""The shifts that regions on images of the Sun undergo, and what is measured under them."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from skysift.core.errors import UsageError
from skysift.core.stress import Answered, Measure, Shift
from skysift.evaluate.coverage import coverage_measures
from skysift.evaluate.stress import auc, mean
from skysift.models.flare_history import HISTORY_COLUMNS
from skysift.tasks.flare.coverage import promised, scored_regions
from skysift.tasks.flare.image_features import Cutouts
from skysift.tasks.flare.model import FlareModel
from skysift.tasks.flare.regions import LEVELS, Regions, number

__all__ = [
    "answered",
    "beyond",
    "blurred",
    "brightened",
    "forgotten",
    "prepared",
    "shifts",
    "weighed",
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
    if data is None:
        raise UsageError("There are no regions.", "Give labelled ones with --data.")
    promised(data, model, rng, progress=lambda _fraction, _what: None)  # refuses what it has seen
    rows = data.take(data.usable & data.has_spots)
    if len(rows) <= most:
        return rows
    return rows.take(np.sort(rng.choice(len(rows), most, replace=False)))


def shifts(data: Regions) -> Sequence[Shift]:
    """Return the shifts of regions."""
    share = round(float(data.flared("C").mean()), 3)
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
            lambda regions, size, _rng: brightened(regions, size),
        ),
        Shift(
            "blur",
            "Blur",
            "standard deviation of the blur [pixel]",
            (0.0, 0.5, 1.0, 2.0),
            0.0,
            "A pixel of these pictures is 4.8 arcsec, that of AIA 0.6: what other telescopes or "
            "stronger compression show is blurred by up to some pixels.",
            lambda regions, size, _rng: blurred(regions, size),
        ),
        Shift(
            "limb",
            "Towards the limb",
            "least distance from the central meridian [deg]",
            (0.0, 15.0, 30.0, 45.0, 60.0),
            0.0,
            "A region is seen from the side for days before and after it crosses the disk; "
            "forecasts are judged up to 70 deg (Barnes et al. 2016, ApJ 829, 89).",
            lambda regions, _size, _rng: regions,
            beyond,
        ),
        Shift(
            "prior",
            "Activity of the Sun",
            "share of regions that flare, class C or stronger",
            (0.05, 0.15, share, 0.5),
            share,
            "Over a solar cycle the number of flares of class C changes more than tenfold "
            "(Hathaway 2015, Living Rev. Sol. Phys. 12, 4). Regions that flare get another weight.",
            lambda regions, _size, _rng: regions,
            weighed,
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
    return _with(regions, Cutouts(pixels.astype(np.float32), disk, seen.mu))


def blurred(regions: Regions, sigma: float) -> Regions:
    """Return regions on blurred pictures; sigma [pixel]."""
    if sigma == 0.0:
        return regions
    seen = regions.cutouts
    smooth = np.stack([ndimage.gaussian_filter(one, sigma, mode="nearest") for one in seen.pixels])
    return _with(regions, Cutouts(smooth, seen.disk, seen.mu))


def forgotten(regions: Regions, share: float, rng: np.random.Generator) -> Regions:
    """Return regions of which a share has no past."""
    lost = rng.random(len(regions)) < share
    if share == 0.0:
        return regions
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


def weighed(regions: Regions, share: float) -> Floats:
    """Return weights, shape (n,), under which a share of the regions flares."""
    flared = regions.flared("C")
    own = float(flared.mean())
    if share == round(own, 3):
        return np.ones(len(flared))
    return np.where(flared, share / own, (1.0 - share) / (1.0 - own))


def answered(data: Regions, model: FlareModel) -> Answered:
    """Let a model answer, and say what is measured."""
    found = model.probabilities(data)
    measures, rows = {}, []
    for level in LEVELS:
        probability = np.nan_to_num(found[f"p_{level.lower()}24"])
        event = data.flared(level)
        warned = probability >= model.regions[level].both.threshold
        name = f"{level.lower()}24"
        measures[f"tss_{name}"] = Measure(f"TSS, class {level}", _tss(warned, event))
        measures[f"auc_{name}"] = Measure(f"AUC, class {level}", auc(event, probability))
        measures[f"bias_{name}"] = Measure(
            f"mean probability less share of flares, class {level}",
            mean(probability - event),
            0.0,
        )
        rows.append(scored_regions(data, level, found[f"p_{name}"], ""))
    measures |= coverage_measures(model.promises, rows)
    return Answered(measures, data.noaa)


def _tss(warned: NDArray[np.bool_], event: NDArray[np.bool_]) -> Callable[[Floats], Floats]:
    """Return the true skill statistic: the share of flares less that of the others warned of."""
    caught, false = mean(warned, event), mean(warned, ~event)
    return lambda weight: caught(weight) - false(weight)


def _with(regions: Regions, cutouts: Cutouts) -> Regions:
    return replace(regions, cutouts=cutouts)
