"""Several models trained before a day and scored from then on, beside what has been published."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from operator import call
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.bundle_schema import DataLicence
from skysift.core.errors import InputError
from skysift.core.progress import Progress
from skysift.core.spread import spread_map
from skysift.evaluate.forecast import best_threshold, forecast_skill
from skysift.tasks.active_region.classifiers import columns_of
from skysift.tasks.active_region.evaluation import Scores, score
from skysift.tasks.active_region.learning import PURGE, Runs, learn_patches, runs_of
from skysift.tasks.active_region.model import ActiveRegionModel, load_bundle, probability_of
from skysift.tasks.active_region.options import CompareOptions, TrainOptions
from skysift.tasks.active_region.published import published_protocol
from skysift.tasks.active_region.reader import Patches, SolarDisks
from skysift.tasks.active_region.training import train

__all__ = ["Compared", "compare_models"]


@dataclass(frozen=True, eq=False)
class Compared:
    """What a comparison found.

    Parameters
    ----------
    later : SolarDisks
        That were scored.
    model : ActiveRegionModel
        Trained on the earlier ones.
    scores : Scores
        Its answers.
    standings : list of dict
        Skill of each classifier of patches.
    published : list of dict
        Accuracy of the published network, by its own protocol and in time.
    """

    later: SolarDisks
    model: ActiveRegionModel
    scores: Scores
    standings: list[dict[str, Any]]
    published: list[dict[str, Any]]


def compare_models(
    disks: SolarDisks, options: CompareOptions, *, seed: int, command: str, progress: Progress
) -> Compared:
    """Train on what is before a day, and score what comes after it.

    Raises
    ------
    InputError
        If nothing lies before, or after, the day.
    """
    day = np.datetime64(options.split, "s")
    times = disks.times
    before, after = times + PURGE < day, times >= day
    if not before.any() or not after.any():
        raise InputError(
            f"{int(before.sum())} disks lie before {options.split}, {int(after.sum())} after it.",
            "Choose another --split.",
        )
    earlier, later = disks.take(times < day), disks.take(after)
    model = _model(earlier, options, seed, command, lambda part, what: progress(0.7 * part, what))
    scores = score(later, model)
    lesson = _Lesson(
        earlier.patches,
        runs_of(earlier.times, options.folds),
        later.patches,
        scores.disks["block"][later.patches.disk],
        options.trees,
        seed,
    )
    parts: list[Callable[[], list[dict[str, Any]]]] = [
        partial(
            published_protocol,
            np.stack([one.square for one in disks.maps if one.square is not None]),
            {"any region with spots": disks.has_spots, "a region of 200 millionths": disks.has_big},
            before=times < day,
            epochs=options.published_epochs,
            repeats=options.published_repeats,
            rng=np.random.default_rng(seed),
        ),  # the longest first
        *(partial(_standing, lesson, name) for name in options.models),
    ]
    found = []
    for rows in spread_map(call, parts):
        found.append(rows)
        progress(0.7 + 0.3 * len(found) / len(parts), "compare classifiers")
    published, *standings = found
    return Compared(later, model, scores, [row for rows in standings for row in rows], published)


@dataclass(frozen=True, eq=False)
class _Lesson:
    """What classifiers of patches are compared on, for another process to train one."""

    earlier: Patches
    runs: Runs
    later: Patches
    blocks: NDArray[np.int64]
    trees: int
    seed: int


def _model(
    earlier: SolarDisks, options: CompareOptions, seed: int, command: str, progress: Progress
) -> ActiveRegionModel:
    """Return the bundle that was named, or a model trained on the earlier disks.

    Raises
    ------
    InputError
        If the bundle has seen what comes after the split.
    """
    if options.bundle is not None:
        model = load_bundle(Path(options.bundle))
        last = model.training.split.rpartition(" to ")[2]
        if np.datetime64(last) >= np.datetime64(options.split):
            raise InputError(
                f"The bundle was trained on disks up to {last}.",
                f"Name one that was trained before {options.split}.",
                path=options.bundle,
            )
        return model
    chosen = TrainOptions(folds=options.folds, epochs=options.epochs, trees=options.trees)
    return train(
        earlier,
        chosen,
        np.random.default_rng(seed),
        seed=seed,
        command=command,
        licence=DataLicence(licence="not stated", citation="not stated"),
        progress=progress,
    )


def _standing(lesson: _Lesson, name: str) -> list[dict[str, Any]]:
    """Return the skill of one classifier, its threshold from runs within the training disks."""
    trees, seed, later = lesson.trees, lesson.seed, lesson.later
    inner = learn_patches(lesson.earlier, lesson.runs, name, trees=trees, seed=seed)
    skill = forecast_skill(
        later.is_region,
        probability_of(inner.estimator, columns_of(name, later)),
        threshold=min(best_threshold(inner.label, inner.probability), 1.0),
        climatology=float(inner.label.mean()),
        blocks=lesson.blocks,
        rng=np.random.default_rng(seed),
    )
    row: dict[str, Any] = {"model": name}
    for what, interval in skill.items():
        row |= {what: interval.value, f"{what}_low": interval.low, f"{what}_high": interval.high}
    return [row]
