"""On which scores the promises of streak rest."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from skysift.core.conformal import PromisedRows
from skysift.core.errors import UsageError
from skysift.core.progress import Progress
from skysift.data.table import FeatureTable
from skysift.models.promised_rows import class_rows, error_rows
from skysift.tasks.streak.bounds import LENGTH, SET, SNR, TRAIL
from skysift.tasks.streak.model import POSITIVE, StreakModel
from skysift.tasks.streak.prediction import answers
from skysift.tasks.streak.stamps import CLASSES, Stamps

__all__ = ["asteroid_lengths", "promised", "scored_lengths", "scored_stamps", "unseen"]

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
    rows = unseen(data, model)
    progress(0.1, "fit a trail to each stamp")
    return (scored_stamps(rows, model.probability(rows.measured)), scored_lengths(rows))


def unseen(data: Stamps | None, model: StreakModel) -> Stamps:
    """Return stamps, none of which trained the model.

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
    return data


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
    rows, said = asteroid_lengths(stamps)
    with np.errstate(invalid="ignore", divide="ignore"):
        off = np.abs(said["length"] - stamps.truth["true_length"][rows]) / said["length_err"]
    return error_rows(
        LENGTH,
        "interval",
        np.where(np.isfinite(off), off, np.nan),
        blocks=_blocks(stamps)[rows],
        by=TRAIL,
        group=said[TRAIL],
        groups=2,
        split=f"{_split(stamps, '')}: asteroids",
    )


def asteroid_lengths(stamps: Stamps) -> tuple[NDArray[np.int64], FeatureTable]:
    """Return the rows of asteroids whose true length is known, and what a prediction says of them.

    Parameters
    ----------
    stamps : Stamps
        With the true lengths.

    Returns
    -------
    rows : array of int, shape (m,)
    said : FeatureTable
        m rows, without classes.
    """
    known = (stamps.label == POSITIVE) & np.isfinite(stamps.truth["true_length"])
    rows = np.flatnonzero(known).astype(np.int64)
    nothing = np.full((len(stamps), len(CLASSES)), np.nan)
    return rows, answers(stamps.images, stamps.measured, nothing).take(rows)


def _blocks(stamps: Stamps) -> NDArray[np.int64]:
    return np.unique(stamps.group, return_inverse=True)[1].astype(np.int64)


def _split(stamps: Stamps, how: str) -> str:
    return ", ".join(filter(None, (stamps.name, stamps.split, how)))
