"""The shifts that stamps of streaks undergo, and what is measured under them."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from skysift.core.stress import Answered, Measure, Shift
from skysift.data.images.image_set import ImageSet
from skysift.evaluate.coverage import coverage_measures
from skysift.evaluate.shifts import (
    at_most,
    level_shift,
    prior_shift,
    seeing_shift,
    sky_shift,
)
from skysift.evaluate.stress import mean, measures_of_rows, of_rows, quantile
from skysift.tasks.streak.coverage import (
    asteroid_lengths,
    scored_lengths,
    scored_stamps,
    unseen,
)
from skysift.tasks.streak.model import POSITIVE, StreakModel
from skysift.tasks.streak.stamps import CLASSES, Stamps

__all__ = ["answered", "prepared", "shifts"]

_MOVING = ("asteroid", "satellite")
_TINY = 1e-7
_NONE = 1.0


def prepared(
    data: Stamps | None, model: StreakModel, rng: np.random.Generator, most: int
) -> Stamps:
    """Return stamps that the model has not seen.

    Raises
    ------
    UsageError
        If there are no stamps, or they trained the model.
    """
    return at_most(unseen(data, model), most, rng)


def shifts(data: Stamps) -> Sequence[Shift]:
    """Return the shifts of stamps."""
    return (
        seeing_shift(_changed, (1.0, 1.25, 1.5, 2.0), "Training saw the seeing of one survey."),
        sky_shift(_changed, (1.0, 2.0, 4.0)),
        level_shift(
            _changed,
            (-0.5, 0.0, 0.5),
            "Level of the difference",
            "A mismatch of the backgrounds of two images leaves a fraction of a pixel's noise in "
            "their difference. Stamps are measured above a sky of their own: nothing should move.",
        ),
        prior_shift(
            "Share of what moves",
            "share of asteroids and satellites",
            (0.01, 0.1, 0.7),
            "Training has two in five that move; of the candidates of a night far fewer do, so "
            "that surveys filter them (Duev et al. 2019, MNRAS 486, 4158). Weights change, no "
            "stamp.",
            flags=np.isin(data.label, _MOVING),
        ),
    )


def answered(data: Stamps, model: StreakModel) -> Answered:
    """Let a model answer, and say what is measured."""
    probability = model.probability(data.measured)
    truth = np.array([CLASSES.index(str(name)) for name in data.label], dtype=np.int64)
    known = np.isfinite(probability).all(axis=1)
    best = np.where(known, np.nan_to_num(probability).argmax(axis=1), -1)
    own = np.nan_to_num(probability)[np.arange(len(truth)), truth]
    asteroid = truth == CLASSES.index(POSITIVE)
    moving, said = (np.isin(np.append(CLASSES, "")[place], _MOVING) for place in (truth, best))
    rows, said_of_lengths = asteroid_lengths(data)
    off = np.abs(said_of_lengths["length"] - data.truth["true_length"][rows])
    lengths = coverage_measures(model.promises, (scored_lengths(data),))
    measures = {
        "accuracy": Measure("accuracy", mean(best == truth)),
        "log_loss": Measure("log loss", mean(-np.log(np.clip(own, _TINY, 1.0)))),
        "moving": Measure("told rightly whether it moves", mean(moving == said)),
        "asteroids": Measure("asteroids found", mean(best == truth, asteroid)),
        "length_error": Measure(
            "error of a length, median [arcsec]",
            of_rows(quantile(off, 0.5, np.isfinite(off)), rows),
        ),
        **coverage_measures(model.promises, (scored_stamps(data, probability),)),
        **measures_of_rows(lengths, rows),
    }
    blocks = np.unique(data.group, return_inverse=True)[1].astype(np.int64)
    return Answered(measures, blocks)


def _changed(stamps: Stamps, change: Callable[[ImageSet], ImageSet]) -> Stamps:
    """Return the same objects on changed images, not measured yet; the same, if none is changed."""
    images = change(stamps.images)
    return stamps if images is stamps.images else replace(stamps, images=images)
