"""The shifts that stamps of streaks undergo, and what is measured under them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import UsageError
from skysift.core.stress import Answered, Measure, Shift
from skysift.data.images.image_set import ImageSet
from skysift.evaluate.coverage import coverage_measures
from skysift.evaluate.shifts import at_most, prior_shift
from skysift.evaluate.stress import mean, quantile
from skysift.preprocess.images.degrade import blurred, lifted, noisier
from skysift.tasks.streak.coverage import scored_stamps
from skysift.tasks.streak.model import POSITIVE, StreakModel
from skysift.tasks.streak.prediction import answers
from skysift.tasks.streak.stamps import CLASSES, Stamps

__all__ = ["answered", "prepared", "shifts"]

_MOVING = ("asteroid", "satellite")
_TINY = 1e-7
_NONE = 1.0

Floats = NDArray[np.float64]


def prepared(
    data: Stamps | None, model: StreakModel, rng: np.random.Generator, most: int
) -> Stamps:
    """Return stamps that the model has not seen.

    Raises
    ------
    UsageError
        If there are no stamps, or they trained the model.
    """
    if data is None:
        raise UsageError("There are no stamps.", "Give labelled ones with --data.")
    if data.images.sha256(data.label) == model.training.sha256:
        raise UsageError(
            "These stamps trained the bundle: it is surer of them than of any others.",
            "Give others, e.g. test.parquet of the simulation.",
        )
    return at_most(data, most, rng)


def shifts(data: Stamps) -> Sequence[Shift]:
    """Return the shifts of stamps."""
    return (
        Shift(
            "seeing",
            "Seeing",
            "new over old seeing",
            (1.0, 1.25, 1.5, 2.0),
            _NONE,
            "ZTF delivers 2.0 arcsec in the median (Bellm et al. 2019, PASP 131, 018002). The "
            "stamps say their new seeing where they said the old.",
            lambda stamps, size, rng: _with(stamps, blurred(stamps.images, size, rng)),
        ),
        Shift(
            "sky",
            "Brightness of the sky",
            "new over old sky",
            (1.0, 2.0, 4.0),
            _NONE,
            "Moonlight brightens the sky by up to some magnitudes in V (Krisciunas & Schaefer "
            "1991, PASP 103, 1033). Noise grows as the root.",
            lambda stamps, size, rng: _with(stamps, noisier(stamps.images, size, rng)),
        ),
        Shift(
            "level",
            "Level of the difference",
            "error of the level [noise of a pixel]",
            (-0.5, 0.0, 0.5),
            0.0,
            "A mismatch of the backgrounds of two images leaves a fraction of a pixel's noise in "
            "their difference (Masci et al. 2019, PASP 131, 018003).",
            lambda stamps, size, _rng: _with(stamps, lifted(stamps.images, size)),
        ),
        prior_shift(
            "Share of what moves",
            "share of asteroids and satellites",
            (0.01, 0.1, 0.7),
            "Training has two in five that move; of the alerts of a night far fewer do (Duev et "
            "al. 2019, MNRAS 486, 4158). Weights change, no stamp.",
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
    rows = (scored_stamps(data, probability),)
    off = _length_error(data, asteroid)
    measures: Mapping[str, Measure] = {
        "accuracy": Measure("accuracy", mean(best == truth)),
        "log_loss": Measure("log loss", mean(-np.log(np.clip(own, _TINY, 1.0)))),
        "moving": Measure("told rightly whether it moves", mean(moving == said)),
        "asteroids": Measure("asteroids found", mean(best == truth, asteroid)),
        "length_error": Measure("error of a length, median [arcsec]", off),
        **coverage_measures(model.promises, rows),
    }
    blocks = np.unique(data.group, return_inverse=True)[1].astype(np.int64)
    return Answered(measures, blocks)


def _length_error(data: Stamps, asteroid: NDArray[np.bool_]) -> Callable[[Floats], Floats]:
    nothing = np.full((len(data), len(CLASSES)), np.nan)
    off = np.abs(answers(data.images, data.measured, nothing)["length"] - data.truth["true_length"])
    return quantile(off, 0.5, asteroid & np.isfinite(off))


def _with(stamps: Stamps, images: ImageSet) -> Stamps:
    """Return the same objects on other images, not measured yet; the same, where the images are."""
    return stamps if images is stamps.images else replace(stamps, images=images)
