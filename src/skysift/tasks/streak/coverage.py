"""On which scores the promises of streak rest."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from skysift.core.conformal import PromisedRows
from skysift.core.errors import UsageError
from skysift.core.progress import Progress
from skysift.models.promised_rows import class_rows, error_rows
from skysift.tasks.streak.bounds import LENGTH, SET, SNR, TRAIL
from skysift.tasks.streak.model import POSITIVE, StreakModel
from skysift.tasks.streak.prediction import answers
from skysift.tasks.streak.stamps import CLASSES, Stamps

__all__ = ["promised", "scored_lengths", "scored_stamps"]

Floats = NDArray[np.float64]


def promised(
    data: Stamps | None, model: StreakModel, rng: np.random.Generator, *, progress: Progress
) -> Sequence[PromisedRows]:
    """Return the scores of stamps that the model has not seen, and of the lengths of asteroids.

    Raises
    ------
    UsageError
        If there are no stamps, or they trained the model.
    """
    del rng
    if data is None:
        raise UsageError("There are no stamps.", "Give labelled ones with --data.")
    if data.images.sha256(data.label) == model.training.sha256:
        raise UsageError(
            "These stamps trained the bundle: it is surer of them than of any others.",
            "Give others, e.g. test.parquet of the simulation.",
        )
    progress(0.1, "fit a trail to each stamp")
    return (scored_stamps(data, model.probability(data.measured)), scored_lengths(data))


def scored_stamps(stamps: Stamps, probability: Floats, how: str = "") -> PromisedRows:
    """Return the scores of labelled stamps.

    Parameters
    ----------
    stamps : Stamps
        Labelled.
    probability : array, shape (n, 5)
        Of each class, by models that had not seen the objects.
    how : str
        In what way they had not.
    """
    return class_rows(
        SET,
        probability,
        np.array([CLASSES.index(str(name)) for name in stamps.label], dtype=np.int64),
        CLASSES,
        blocks=_blocks(stamps),
        by=SNR,
        group=stamps.measured["fit_snr"],
        groups=2,
        split=_split(stamps, how),
    )


def scored_lengths(stamps: Stamps) -> PromisedRows:
    """Return how many stated standard deviations the lengths of injected asteroids are off.

    Nothing of a length is learned, so that rows of the training may take part.

    Parameters
    ----------
    stamps : Stamps
        With the true lengths.
    """
    known = (stamps.label == POSITIVE) & np.isfinite(stamps.truth["true_length"])
    nothing = np.full((len(stamps), len(CLASSES)), np.nan)
    said = answers(stamps.images, stamps.measured, nothing).take(known)
    with np.errstate(invalid="ignore", divide="ignore"):
        off = np.abs(said["length"] - stamps.truth["true_length"][known]) / said["length_err"]
    return error_rows(
        LENGTH,
        "interval",
        np.where(np.isfinite(off), off, np.nan),
        blocks=_blocks(stamps)[known],
        by=TRAIL,
        group=said[TRAIL],
        groups=2,
        split=f"{_split(stamps, '')}: asteroids",
    )


def _blocks(stamps: Stamps) -> NDArray[np.int64]:
    return np.unique(stamps.group, return_inverse=True)[1].astype(np.int64)


def _split(stamps: Stamps, how: str) -> str:
    return ", ".join(filter(None, (stamps.name, stamps.split, how)))
