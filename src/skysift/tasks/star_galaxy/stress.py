"""The shifts that survey cutouts undergo, and what is measured under them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import UsageError
from skysift.core.stress import Answered, Measure, Shift
from skysift.data.images.image_set import ImageSet
from skysift.evaluate.coverage import coverage_measures
from skysift.evaluate.probability import log_losses
from skysift.evaluate.shifts import (
    at_most,
    level_shift,
    prior_shift,
    seeing_shift,
    sky_shift,
)
from skysift.evaluate.stress import auc, mean
from skysift.tasks.star_galaxy.coverage import folds_of, out_of_fold, scored_cutouts
from skysift.tasks.star_galaxy.model import StarGalaxyModel
from skysift.tasks.star_galaxy.reader import Cutouts, as_models_know

__all__ = ["Held", "answered", "prepared", "shifts"]

_EVEN = 0.5
_NONE = 1.0

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Held:
    """Cutouts, and which of them each member of the model had not seen.

    Parameters
    ----------
    cutouts : Cutouts
    left_out : tuple of array of int, or None
        Rows by member; None if no member has seen any.
    """

    cutouts: Cutouts
    left_out: tuple[NDArray[np.int64], ...] | None


def prepared(
    data: Cutouts | None, model: StarGalaxyModel, rng: np.random.Generator, most: int
) -> Held:
    """Return cutouts that the model, or the member that is asked, has not seen.

    Raises
    ------
    UsageError
        If there are no cutouts, or they trained the model and its folds cannot be told.
    """
    if data is None:
        raise UsageError("There are no cutouts.", "Give labelled ones with --data.")
    rows = data.distinct()
    if rows.images.sha256() == model.training.sha256:
        out_of_fold(rows, model)  # refuses folds that cannot be told
        return Held(rows, tuple(folds_of(rows, model)))
    return Held(at_most(rows, most, rng), None)


def shifts(data: Held) -> Sequence[Shift]:
    """Return the shifts of cutouts."""
    return (
        seeing_shift(
            _changed,
            (1.0, 1.1, 1.25, 1.5, 2.0),
            "The images of the training data were chosen for a seeing of 1.85 arcsec or better.",
        ),
        Shift(
            "told-seeing",
            "Seeing that is told wrongly",
            "told over true seeing",
            (0.85, 0.9, 0.95, 1.0, 1.05, 1.1, 1.15),
            _NONE,
            "An image of ZTF states one seeing (Masci et al. 2019, PASP 131, 018003), and its "
            "point-spread function varies over the field and with colour.",
            lambda held, size, _rng: _changed(held, lambda images: _told(images, size)),
        ),
        sky_shift(_changed, (1.0, 2.0, 4.0, 8.0)),
        level_shift(
            _changed,
            (-1.0, -0.5, 0.0, 0.5, 1.0),
            "Level of the sky",
            "Scattered light and neighbours leave a fraction of a pixel's noise in a subtracted "
            "sky. Features are measured above the sky of the cutout itself: nothing should move.",
        ),
        prior_shift(
            "Share of galaxies",
            "share of galaxies in the sample",
            (0.1, 0.25, 0.75, 0.9),
            "Half of the training data are galaxies; near the Galactic plane few objects are, and "
            "faint ones at high latitude mostly are. The objects stay, their weights change; "
            "p_galaxy is not corrected, as without --prior.",
            flags=data.cutouts.is_galaxy,
        ),
    )


def answered(data: Held, model: StarGalaxyModel) -> Answered:
    """Let a model answer, and say what is measured."""
    rows = data.cutouts
    if data.left_out is None:
        probability, _ = model.probability(rows.images)
    else:
        probability = out_of_fold(rows, model, data.left_out)
    galaxy = rows.is_galaxy
    ambiguous = model.ambiguous(probability)
    measures = {
        "accuracy": Measure("accuracy", mean((probability > _EVEN) == galaxy)),
        "auc": Measure("AUC", auc(galaxy, probability)),
        "log_loss": Measure("log loss", mean(log_losses(galaxy, probability))),
        "ambiguous": Measure("share that is left open", mean(ambiguous)),
        "bias": Measure("mean p_galaxy less share of galaxies", mean(probability - galaxy), 0.0),
    }
    measures |= coverage_measures(model.promises, (scored_cutouts(rows, probability),))
    return Answered(measures, rows.groups)


def _changed(held: Held, change: Callable[[ImageSet], ImageSet]) -> Held:
    """Return the same objects on changed images; the same, where nothing is changed."""
    images = change(held.cutouts.images)
    if images is held.cutouts.images:
        return held
    return replace(held, cutouts=replace(held.cutouts, images=as_models_know(images)))


def _told(images: ImageSet, factor: float) -> ImageSet:
    if factor == _NONE:
        return images
    seeing = images.facts["seeing"] * factor
    return replace(images, facts=images.facts.with_columns({"seeing": seeing}))
