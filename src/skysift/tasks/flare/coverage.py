"""Sets that hold flare or quiet with a stated probability, and what that rests on."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from skysift.core.conformal import PromisedRows
from skysift.core.errors import UsageError
from skysift.core.progress import Progress
from skysift.models.both_classes import both_classes
from skysift.models.conformal import class_sets_of
from skysift.models.promised_rows import check_later, class_rows
from skysift.tasks.flare.model import CLASSES, FlareModel
from skysift.tasks.flare.region_tables import number
from skysift.tasks.flare.regions import LEVELS, Regions

__all__ = ["class_sets", "promised", "scored_regions", "unseen"]

_BY = "distance from the central meridian"
_GROUPS = 2

Floats = NDArray[np.float64]


def promised(
    data: Regions | None, model: FlareModel, rng: np.random.Generator, *, progress: Progress
) -> Sequence[PromisedRows]:
    """Return the scores of regions later than those that trained the model, for each class.

    Raises
    ------
    UsageError
        If there are no regions with spots, or the model was trained on some as late.
    """
    del rng, progress
    rows = unseen(data, model)
    found = model.probabilities(rows)
    split = f"{rows.name}, {rows.time.min()} to {rows.time.max()}"
    return tuple(
        scored_regions(rows, level, found[f"p_{level.lower()}24"], split) for level in LEVELS
    )


def unseen(data: Regions | None, model: FlareModel) -> Regions:
    """Return the regions with sunspots, all later than those that trained the model.

    Raises
    ------
    UsageError
        If there are no regions, or the model was trained on some as late.
    """
    if data is None:
        raise UsageError("There are no regions.", "Give labelled ones with --data.")
    rows = data.take(data.usable & data.has_spots)
    check_later(rows.time, data.name, model.training)
    return rows


def scored_regions(rows: Regions, level: str, probability: Floats, split: str) -> PromisedRows:
    """Return the scores of labelled regions for one class of flares.

    Parameters
    ----------
    rows : Regions
        Labelled.
    level : {"C", "M"}
    probability : array, shape (n,)
        By models that had not seen them.
    split : str
        What they are.
    """
    return class_rows(
        _name(level),
        both_classes(probability),
        rows.flared(level).astype(np.int64),
        CLASSES,
        blocks=rows.noaa,
        by=_BY,
        group=_distance(rows),
        groups=_GROUPS,
        time=rows.time,
        split=split,
    )


def class_sets(
    model: FlareModel, regions: Regions, found: Mapping[str, Floats], coverage: float
) -> dict[str, NDArray[np.str_]]:
    """Return whether regions are typical of flare or quiet, columns of shape (n,) by name.

    Parameters
    ----------
    model : FlareModel
        With a calibration.
    regions : Regions
        n regions.
    found : mapping of str to array, shape (n,)
        As :meth:`~skysift.tasks.flare.model.FlareModel.probabilities` returns.
    coverage : float
        Probability with which a set holds the truth.

    Raises
    ------
    UsageError
        If the bundle has no calibration.
    """
    return {
        _name(level): class_sets_of(
            model.promise(_name(level)),
            both_classes(found[f"p_{level.lower()}24"]),
            coverage,
            _distance(regions),
        )
        for level in LEVELS
    }


def _name(level: str) -> str:
    return f"set_{level.lower()}24"


def _distance(regions: Regions) -> Floats:
    return np.abs(number(regions.table, "lon"))
