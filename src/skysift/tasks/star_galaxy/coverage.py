"""Sets of classes that hold the true one with a stated probability, and what that rests on."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from skysift.core.conformal import PromisedRows
from skysift.core.errors import UsageError
from skysift.core.progress import Progress
from skysift.data.images.image_set import ImageSet
from skysift.evaluate.probability import log_losses
from skysift.models.both_classes import both_classes
from skysift.models.conformal import class_sets_of
from skysift.models.cross_fitting import CrossFitted
from skysift.models.promised_rows import class_rows
from skysift.preprocess.images.photometry import aperture_magnitude
from skysift.tasks.star_galaxy.model import StarGalaxyModel
from skysift.tasks.star_galaxy.reader import CLASSES, Cutouts
from skysift.tasks.star_galaxy.representations import REPRESENTATIONS

__all__ = ["class_sets", "folds_of", "out_of_fold", "promised", "scored_cutouts"]

_PROMISE = "set"
_BY = "magnitude"
_SAME = 1e-3  # two computations of one log loss differ by less

Floats = NDArray[np.float64]


def promised(
    data: Cutouts | None, model: StarGalaxyModel, rng: np.random.Generator, *, progress: Progress
) -> Sequence[PromisedRows]:
    """Return the scores of cutouts that the model has not seen.

    Of the cutouts that trained it, each is scored by the member that had not seen it.

    Raises
    ------
    UsageError
        If there are no cutouts, or they trained the model and its folds cannot be told.
    """
    del rng
    if data is None:
        raise UsageError("There are no cutouts.", "Give labelled ones with --data.")
    rows = data.distinct()
    progress(0.1, "measure cutouts")
    if rows.images.sha256() == model.training.sha256:
        return (scored_cutouts(rows, out_of_fold(rows, model), "out of fold"),)
    probability, _ = model.probability(rows.images)
    return (scored_cutouts(rows, probability),)


def scored_cutouts(rows: Cutouts, probability: Floats, how: str = "") -> PromisedRows:
    """Return the scores of labelled cutouts.

    Parameters
    ----------
    rows : Cutouts
        Labelled.
    probability : array, shape (n,)
        Of a galaxy, by models that had not seen them.
    how : str
        In what way they had not.
    """
    return class_rows(
        _PROMISE,
        both_classes(probability),
        rows.is_galaxy.astype(np.int64),
        CLASSES,
        blocks=rows.groups,
        by=_BY,
        group=aperture_magnitude(rows.images),
        split=", ".join(filter(None, (rows.name, rows.split, how))),
    )


def out_of_fold(
    rows: Cutouts,
    model: StarGalaxyModel,
    left_out: Sequence[NDArray[np.int64]] | None = None,
) -> Floats:
    """Return the probability of a galaxy of the training cutouts, by members that had not seen it.

    The folds are drawn again from the seed on record; that they are the same is proven by the log
    loss, which the bundle states.

    Parameters
    ----------
    rows : Cutouts
        Those that trained the model, distinct.
    model : StarGalaxyModel
        Of cross-fitted members.
    left_out : sequence of array of int, optional
        As of :func:`folds_of`, for other images of the same objects, of which nothing is stated.

    Returns
    -------
    array, shape (n,)

    Raises
    ------
    UsageError
        If the folds cannot be told.
    """
    stated = next((m.value for m in model.metrics if m.name == "log_loss"), np.nan)
    fitted = model.predictor
    if isinstance(fitted, CrossFitted):
        features = REPRESENTATIONS[model.representation].matrix(rows.images)
        raw = np.empty(len(rows))
        folds = folds_of(rows, model) if left_out is None else left_out
        for member, unseen in zip(fitted.members, folds, strict=True):
            raw[unseen] = member.predict_proba(features[unseen])[:, 1]
        found = fitted.calibration(raw)
        if (
            left_out is not None
            or abs(float(log_losses(rows.is_galaxy, found).mean()) - stated) < _SAME
        ):
            return found
    raise UsageError(
        "These cutouts trained the bundle, and which of them a member had not seen cannot be told.",
        "Give others with --data, or train the bundle again: training calibrates.",
    )


def folds_of(rows: Cutouts, model: StarGalaxyModel) -> Sequence[NDArray[np.int64]]:
    """Return the rows that each member had not seen, as the training drew them.

    Parameters
    ----------
    rows : Cutouts
        Those that trained the model, distinct.
    model : StarGalaxyModel
        Of cross-fitted members.
    """
    from sklearn.model_selection import StratifiedGroupKFold  # noqa: PLC0415 - slow

    drawn = int(np.random.default_rng(model.training.seed).integers(2**31))
    members = len(model.predictor.members) if isinstance(model.predictor, CrossFitted) else 0
    folds = StratifiedGroupKFold(n_splits=members, shuffle=True, random_state=drawn)
    return [test for _, test in folds.split(rows.is_galaxy, rows.is_galaxy, rows.groups)]


def class_sets(
    model: StarGalaxyModel, probability: Floats, images: ImageSet, coverage: float
) -> NDArray[np.str_]:
    """Return the classes that cutouts are typical of, comma-separated, shape (n,).

    Parameters
    ----------
    model : StarGalaxyModel
        With a calibration.
    probability : array, shape (n,)
        Of a galaxy, at the training prior.
    images : ImageSet
        The cutouts, whose magnitude tells the group.
    coverage : float
        Probability with which a set holds the true class.

    Raises
    ------
    UsageError
        If the bundle has no calibration.
    """
    promise = model.promise(_PROMISE)
    return class_sets_of(promise, both_classes(probability), coverage, aperture_magnitude(images))
