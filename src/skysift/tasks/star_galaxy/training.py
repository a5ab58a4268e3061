"""Train one model on labelled cutouts: what it sees, members, ambiguity, operating points."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.bundle_schema import DataLicence, OperatingPoint, Training
from skysift.core.progress import Progress, silent
from skysift.core.results import Metric
from skysift.evaluate.delong import auc_interval
from skysift.evaluate.intervals import mean_interval, wilson_interval
from skysift.evaluate.probability import log_losses
from skysift.models.conformal import calibrate
from skysift.models.cross_fitting import require_enough
from skysift.models.reference import distributions
from skysift.tasks.star_galaxy.catalogue import CATALOGUE, ModelSpec
from skysift.tasks.star_galaxy.choice import ChosenBlend
from skysift.tasks.star_galaxy.coverage import scored_cutouts
from skysift.tasks.star_galaxy.fitting import fit_predictor
from skysift.tasks.star_galaxy.model import StarGalaxyModel
from skysift.tasks.star_galaxy.options import TrainOptions
from skysift.tasks.star_galaxy.predictors import Predictor
from skysift.tasks.star_galaxy.reader import Cutouts
from skysift.tasks.star_galaxy.representations import REPRESENTATIONS

__all__ = ["CONTAMINATIONS", "choose_doubt", "operating_points", "train"]

CONTAMINATIONS = (0.005, 0.01, 0.02)
"""Shares of galaxies in a sample of stars, for the operating points."""

_WANTED_ACCURACY = 0.995
_MOST_AMBIGUOUS = 0.05
_LEAST_CONTAMINANTS = 1.0

Floats = NDArray[np.float64]


def train(
    cutouts: Cutouts,
    options: TrainOptions,
    rng: np.random.Generator,
    *,
    seed: int,
    command: str,
    licence: DataLicence,
    progress: Progress = silent,
) -> StarGalaxyModel:
    """Train a model of the catalogue.

    Parameters
    ----------
    cutouts : Cutouts
        Labelled cutouts; duplicates are used once.
    options : TrainOptions
        What is trained.
    rng : numpy.random.Generator
        Seeds folds and members.
    seed : int
        What the generator was made of, for the record.
    command : str
        What the user typed, for the record.
    licence : DataLicence
        Of the data, for the record.
    progress : callable
        Called with the fraction done and what is being done.

    Raises
    ------
    InputError
        If a class has too few objects for the folds.
    MissingExtraError
        If the model cannot be trained with what is installed.
    """
    rows = cutouts.distinct()
    require_enough(rows.is_galaxy, options.folds, rows="objects", data="cutouts")
    spec = CATALOGUE[options.model]
    spec.require()
    representation = REPRESENTATIONS[spec.representation]
    progress(0.0, f"measure {representation.title}")
    matrix = representation.matrix(rows.images)
    predictor = fit_predictor(
        spec.build(),
        matrix,
        rows.is_galaxy,
        rows.groups,
        rng,
        has_posterior=spec.has_posterior,
        folds=options.folds,
        progress=lambda fraction: progress(fraction, f"train {options.model}"),
    )
    split = f"{rows.name}, {rows.split}, out of fold"
    seen = predictor.out_of_fold
    training = Training(
        data=rows.name,
        sha256=rows.images.sha256(),
        n_rows=len(rows),
        split=rows.split,
        seed=seed,
        command=command,
    )
    scored = scored_cutouts(rows, seen, "out of fold")
    return StarGalaxyModel(
        name=options.model,
        family=_family(spec, predictor),
        representation=spec.representation,
        predictor=predictor,
        prior=float(rows.is_galaxy.mean()),
        doubt=choose_doubt(rows.is_galaxy, seen),
        training=training,
        promises=(calibrate(scored, training.model_copy(update={"split": split})),),
        data_licence=licence,
        operating_points=operating_points(rows.is_galaxy, seen, split),
        metrics=_metrics(rows.is_galaxy, seen, split),
        parameters=_parameters(predictor, {} if spec.has_posterior else {"folds": options.folds}),
        reference=distributions(
            {**dict(zip(representation.measured, matrix.T, strict=False)), "p_galaxy": seen}
        ),
    )


def _family(spec: ModelSpec, predictor: Predictor) -> str:
    """Return what a model is: a blend tells its parts."""
    return f"blend of {predictor.chosen}" if isinstance(predictor, ChosenBlend) else spec.title


def _parameters(predictor: Predictor, known: dict[str, Any]) -> dict[str, Any]:
    """Return what was set, and what was chosen among what."""
    if not isinstance(predictor, ChosenBlend):
        return known
    losses = {name: round(loss, 5) for name, loss in predictor.log_loss.items()}
    return {**known, "chosen": predictor.chosen, "log_loss_out_of_fold": losses}


def choose_doubt(is_galaxy: NDArray[np.bool_], probability: Floats) -> float:
    """Choose how probable both classes must be for an object to be ambiguous.

    Those nearest to even odds are set aside until 99.5 % of the others are right, but never more
    than 5 % of all: beyond that what is wrong is not in doubt, but mislabelled or misleading.

    Parameters
    ----------
    is_galaxy : array of bool, shape (n,)
        The truth.
    probability : array, shape (n,)
        Of a galaxy, by models that had not seen the row.

    Returns
    -------
    float
        Ambiguous is what has min(p, 1 - p) above it.

    Examples
    --------
    >>> y = np.arange(400) < 200
    >>> p = np.where(y, 0.98, 0.02)
    >>> p[:3] = 0.3  # three of 400 are wrong, and in doubt
    >>> 0.02 <= choose_doubt(y, p) < 0.3
    True
    """
    wrong = (probability > 0.5) != is_galaxy  # noqa: PLR2004  # even odds
    nearness = np.minimum(probability, 1 - probability)
    order = np.argsort(-nearness, kind="stable")
    nearness, wrong = nearness[order], wrong[order]
    n = len(order)
    aside = np.arange(n)
    share = (wrong.sum() - np.append(0, np.cumsum(wrong)[:-1])) / (n - aside)
    together = np.append(False, nearness[1:] == nearness[:-1])  # equals stay so
    possible = np.flatnonzero(~together & (aside <= _MOST_AMBIGUOUS * n))
    good = possible[share[possible] <= 1 - _WANTED_ACCURACY]
    return float(nearness[good[0] if len(good) else possible[-1]])


def operating_points(
    is_galaxy: NDArray[np.bool_], probability: Floats, split: str
) -> tuple[OperatingPoint, ...]:
    """Choose, for each contamination by galaxies, the threshold that keeps most stars.

    What lies below the threshold is the sample of stars; `acceptance` is the share of stars that
    are lost, `efficiency` that of galaxies that are kept out of it.

    Parameters
    ----------
    is_galaxy : array of bool, shape (n,)
        The truth.
    probability : array, shape (n,)
        Of rows that the scoring model has not been trained on.
    split : str
        Name of these rows.
    """
    points = []
    for contamination in CONTAMINATIONS:
        if contamination * np.sum(~is_galaxy) < _LEAST_CONTAMINANTS:
            continue
        threshold = threshold_of(is_galaxy, probability, contamination)
        above = probability >= threshold
        galaxies = int(is_galaxy.sum())
        efficiency = wilson_interval(int((above & is_galaxy).sum()), galaxies)
        points.append(
            OperatingPoint(
                name=f"contamination-{contamination:g}",
                threshold=threshold,
                acceptance=float(above[~is_galaxy].mean()),
                efficiency=efficiency.value,
                chosen_on=split,
                method=f"{contamination:.1%} of the objects below it are galaxies",
                low=efficiency.low,
                high=efficiency.high,
            )
        )
    return tuple(points)


def threshold_of(is_galaxy: NDArray[np.bool_], probability: Floats, contamination: float) -> float:
    """Return the highest threshold with no more than that share of galaxies below it."""
    order = np.argsort(probability, kind="stable")
    galaxies = np.cumsum(is_galaxy[order])
    share = galaxies / np.arange(1, len(order) + 1)
    values = probability[order]
    ends = np.append(values[1:] > values[:-1], True)  # a run of equal values ends
    allowed = np.flatnonzero((share <= contamination) & ends)
    if not len(allowed):
        return 0.0
    return float(np.nextafter(values[allowed[-1]], 2.0))


def _metrics(is_galaxy: NDArray[np.bool_], probability: Floats, split: str) -> tuple[Metric, ...]:
    n = len(is_galaxy)
    correct = int(np.sum((probability > 0.5) == is_galaxy))  # noqa: PLR2004  # even odds
    losses = log_losses(is_galaxy, probability)
    return (
        auc_interval(is_galaxy, probability).metric("auc", n=n, split=split),
        wilson_interval(correct, n).metric("accuracy", n=n, split=split),
        mean_interval(losses).metric("log_loss", n=n, split=split),
    )
