"""Learn run by run: what judges a disk has not seen it, nor two weeks before and after it.

A region stays on the disk for two weeks, so disks are not drawn at random: they are cut into runs
in time, and each run is judged by what has learnt from the others.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import InputError
from skysift.core.progress import Progress
from skysift.data.chronological import chronological_folds
from skysift.evaluate.detection import Detections, match_places
from skysift.models.calibration import BetaCalibration
from skysift.models.solar.region_network import (
    HEAT_GRID,
    RegionNetwork,
    export_region_network,
    network_input,
)
from skysift.models.solar.region_training import RegionTraining, train_region_network
from skysift.tasks.active_region.classifiers import (
    build_disks,
    build_patches,
    columns_of,
    fitted,
)
from skysift.tasks.active_region.detection import candidates_by_network
from skysift.tasks.active_region.model import disk_features, probability_of
from skysift.tasks.active_region.options import TrainOptions
from skysift.tasks.active_region.reader import Patches, SolarDisks

__all__ = [
    "LIMIT",
    "MATCH_LIMIT",
    "PURGE",
    "Candidates",
    "Judged",
    "JudgedRegions",
    "Networks",
    "Runs",
    "calibrate_regions",
    "candidates_of",
    "learn_disks",
    "learn_networks",
    "learn_patches",
    "ratios_of",
    "runs_of",
]

MATCH_LIMIT = 32.0
"""Distance at which a found place is no longer a region [pixel of 4.8 arcsec]."""

PURGE = np.timedelta64(14, "D")
"""Between training and test: a region is on the disk for two weeks."""

LIMIT = MATCH_LIMIT / 200.0
"""The same [radius of the disk]."""

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Runs = Sequence[tuple[Mask, Mask]]


@dataclass(frozen=True, eq=False)
class Networks:
    """Trained networks.

    Parameters
    ----------
    graph : bytes
        ONNX model of those that learnt from all disks.
    heats : array of float32, shape (n, 2, 64, 64)
        Of each disk, by one that had not seen it.
    """

    graph: bytes = field(repr=False)
    heats: NDArray[np.float32] = field(repr=False)


@dataclass(frozen=True, eq=False)
class Judged:
    """A classifier, and what others like it say of rows that they had not seen.

    Parameters
    ----------
    estimator : scikit-learn classifier
        Trained on all rows.
    probability : array, shape (n,)
    label : array of bool, shape (n,)
    """

    estimator: Any
    probability: Floats
    label: Mask


@dataclass(frozen=True, eq=False)
class JudgedRegions:
    """How sure the heat is, and what networks find on disks that they had not seen.

    Parameters
    ----------
    calibration : BetaCalibration
        From heat to the probability of a region with spots.
    scores : list of array, shape (n_candidates,)
        Calibrated, of each disk.
    detections : Detections
        Of regions with spots.
    """

    calibration: BetaCalibration
    scores: list[Floats]
    detections: Detections


@dataclass(frozen=True, eq=False)
class Candidates:
    """Maxima of the heat of n disks, an array of each.

    Parameters
    ----------
    places : list of array, shape (m, 2)
        How far west and north [radius].
    heat : list of array, shape (m,)
    is_region : list of array of bool, shape (m,)
        Whether a region with spots is there.
    """

    places: list[Floats]
    heat: list[Floats]
    is_region: list[Mask]


def runs_of(times: NDArray[np.datetime64], n: int) -> Runs:
    """Return training and test disks of each run."""
    return list(chronological_folds(times, n_splits=n, purge=PURGE))


def ratios_of(disks: SolarDisks) -> NDArray[np.float32]:
    """Return the brightness of all disks, shape (n, 256, 256).

    Raises
    ------
    InputError
        If one is a magnetogram.
    """
    maps = []
    for row, one in enumerate(disks.maps):
        if not one.has_network or one.strength is None:
            raise InputError(
                "A labelled disk does not show the corona.",
                "Train on disks of the corona; other images need no training.",
                path=one.source,
                row=row,
            )
        maps.append(one.strength)
    return np.stack(maps)


def learn_networks(
    disks: SolarDisks,
    ratios: NDArray[np.float32],
    runs: Runs,
    options: TrainOptions,
    *,
    rng: np.random.Generator,
    progress: Progress,
) -> Networks:
    """Train networks on all disks, and one for each run that had not seen it."""
    seen = np.stack([network_input(one) for one in ratios])
    centres = disks.centres()
    training = RegionTraining(epochs=options.epochs)
    total = len(runs) + options.networks
    done = 0

    def learn(rows: Iterable[int]) -> dict[str, NDArray[np.float32]]:
        nonlocal done
        chosen = list(rows)
        weights = train_region_network(
            seen[chosen],
            [centres[row] for row in chosen],
            training=training,
            rng=rng,
            progress=lambda share: progress(0.9 * (done + share) / total, "train networks"),
        )
        done += 1
        return weights

    side = HEAT_GRID.side
    heats = np.zeros((len(disks), 2, side, side), dtype=np.float32)
    for train, test in runs:
        network = RegionNetwork(export_region_network(learn(np.flatnonzero(train))))
        for row in np.flatnonzero(test):
            heats[row] = network.heat(ratios[row])
    final = [learn(range(len(disks))) for _ in range(options.networks)]
    return Networks(export_region_network(final), heats)


def candidates_of(heats: Sequence[NDArray[np.float32]], truth: Sequence[Floats]) -> Candidates:
    """Return the maxima of heats, shape (n, 2, 64, 64), and which are regions with spots.

    Parameters
    ----------
    heats : sequence of array
        Of each disk.
    truth : sequence of array, shape (m, 2)
        How far west and north regions with spots lie on each [radius].
    """
    places, heat, labels = [], [], []
    for one, true in zip(heats, truth, strict=True):
        found = candidates_by_network(one)
        west, north = (np.asarray(axis) for axis in HEAT_GRID.offsets(found.column, found.row))
        places.append(np.stack([west, north], axis=1))
        heat.append(found.score)
        labels.append(match_places(places[-1], found.score, true, limit=LIMIT) >= 0)
    return Candidates(places, heat, labels)


def calibrate_regions(disks: SolarDisks, heats: NDArray[np.float32]) -> JudgedRegions:
    """Learn how sure the heat is, from networks that had not seen the disk."""
    truth = disks.spots()
    found = candidates_of(list(heats), truth)
    label = np.concatenate(found.is_region)
    known = bool(label.any()) and not label.all()
    calibration = (
        BetaCalibration.fit(np.concatenate(found.heat), label) if known else BetaCalibration()
    )
    scores = [calibration(one) for one in found.heat]
    return JudgedRegions(
        calibration, scores, Detections.match(found.places, scores, truth, limit=LIMIT)
    )


def learn_patches(patches: Patches, runs: Runs, model: str, *, trees: int, seed: int) -> Judged:
    """Learn which patches of disks show a region."""
    columns = columns_of(model, patches)

    def build() -> Any:
        return build_patches(model, trees=trees, seed=seed)

    return _judged(build, columns, patches.is_region, patches.disk, runs)


def learn_disks(
    disks: SolarDisks, scores: Sequence[Floats], ratios: NDArray[np.float32], runs: Runs
) -> Judged:
    """Learn whether a big region is on a disk, from scores and brightness."""
    pairs = zip(scores, ratios, strict=True)
    columns = np.stack([disk_features(score, ratio) for score, ratio in pairs])
    return _judged(build_disks, columns, disks.has_big, np.arange(len(disks)), runs)


def _judged(
    build: Any, columns: Floats, label: Mask, of_disk: NDArray[np.int64], runs: Runs
) -> Judged:
    if not len(label):
        raise InputError("There are no labelled patches.", "Give disks with regions on them.")
    probability = np.full(len(label), float(label.mean()))
    for train, test in runs:
        rows, others = train[of_disk], test[of_disk]
        if rows.any():
            estimator = fitted(build(), columns[rows], label[rows])
            probability[others] = probability_of(estimator, columns[others])
    return Judged(fitted(build(), columns, label), probability, label)
