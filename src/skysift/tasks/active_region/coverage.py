"""Sets that hold region or quiet with a stated probability, and what that rests on."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from skysift.core.conformal import PromisedRows
from skysift.core.errors import UsageError
from skysift.core.progress import Progress
from skysift.data.chronological import time_blocks
from skysift.models.both_classes import both_classes
from skysift.models.conformal import class_sets_of
from skysift.models.promised_rows import check_later, class_rows
from skysift.tasks.active_region.model import CLASSES, ActiveRegionModel
from skysift.tasks.active_region.reader import SolarDisks

if TYPE_CHECKING:
    from skysift.evaluate.detection import Detections
    from skysift.tasks.active_region.evaluation import Scores

__all__ = [
    "PATCHES",
    "PLACES",
    "best_places",
    "class_sets",
    "promised",
    "scored_patches",
    "scored_places",
    "unseen",
]

PATCHES, PLACES = "set", "region_set"
"""Names of the promises: of given patches, and of places that were found."""

_BY = "distance from the central meridian"
_GROUPS = 2
_BLOCK = np.timedelta64(14, "D")  # a region is on the disk for two weeks

Floats = NDArray[np.float64]


def promised(
    data: SolarDisks | None,
    model: ActiveRegionModel,
    rng: np.random.Generator,
    *,
    progress: Progress,
) -> Sequence[PromisedRows]:
    """Return the scores of patches, and of places that were found, on later disks.

    Raises
    ------
    UsageError
        If there are no disks, or the model was trained on some as late.
    """
    from skysift.tasks.active_region.evaluation import score  # noqa: PLC0415 - SciPy

    del rng
    rows = unseen(data, model)
    progress(0.1, "search disks")
    scores = score(rows, model)
    split = f"{rows.name}, {rows.times.min()} to {rows.times.max()}"
    patches = scored_patches(rows, scores.patches["probability"], split)
    return (patches, best_places(rows, scores, split))


def unseen(data: SolarDisks | None, model: ActiveRegionModel) -> SolarDisks:
    """Return disks, all later than those that trained the model.

    Raises
    ------
    UsageError
        If there are no disks, or the model was trained on some as late.
    """
    if data is None:
        raise UsageError("There are no disks.", "Give labelled ones with --data.")
    check_later(data.times, data.name, model.training)
    return data


def scored_patches(disks: SolarDisks, probability: Floats, split: str) -> PromisedRows:
    """Return the scores of labelled patches.

    Parameters
    ----------
    disks : SolarDisks
        Labelled.
    probability : array, shape (n_patches,)
        By models that had not seen the disks.
    split : str
        What they are.
    """
    patches = disks.patches
    return _scored(disks, PATCHES, probability, patches.is_region, patches.lon, patches.disk, split)


def scored_places(
    disks: SolarDisks, found: "Detections", split: str, lon: Floats | None = None
) -> PromisedRows:
    """Return the scores of places that were found on labelled disks.

    Parameters
    ----------
    disks : SolarDisks
        Labelled.
    found : Detections
        By models that had not seen the disks.
    split : str
        What they are.
    lon : array, shape (n,), optional
        Stonyhurst longitude of each [deg].
    """
    where = np.full(len(found.score), np.nan) if lon is None else lon
    return _scored(disks, PLACES, found.score, found.hit, where, found.image, split)


def best_places(disks: SolarDisks, scores: "Scores", split: str) -> PromisedRows:
    """Return the scores of places that the search of the model found on labelled disks."""
    found = scores.found.take(scores.found["method"].astype(str) == "best")
    return scored_places(disks, scores.detections("best"), split, found["lon"])


def class_sets(
    model: ActiveRegionModel, name: str, probability: Floats, lon: Floats, coverage: float
) -> NDArray[np.str_]:
    """Return whether patches or places are typical of region, quiet or both, shape (n,).

    Parameters
    ----------
    model : ActiveRegionModel
        With a calibration.
    name : str
        `PATCHES` or `PLACES`.
    probability : array, shape (n,)
        Of a region.
    lon : array, shape (n,)
        Stonyhurst longitude [deg], NaN where unknown.
    coverage : float
        Probability with which a set holds the truth.

    Raises
    ------
    UsageError
        If the bundle has no calibration.
    """
    return class_sets_of(model.promise(name), both_classes(probability), coverage, np.abs(lon))


def _scored(  # noqa: PLR0917 - two callers, the columns in their order
    disks: SolarDisks,
    name: str,
    probability: Floats,
    label: NDArray[np.bool_],
    lon: Floats,
    disk: NDArray[np.int64],
    split: str,
) -> PromisedRows:
    times = disks.times
    return class_rows(
        name,
        both_classes(probability),
        label.astype(np.int64),
        CLASSES,
        blocks=time_blocks(times, _BLOCK)[disk],
        by=_BY,
        group=np.abs(lon),
        groups=_GROUPS,
        time=times[disk],
        split=split,
    )
