"""Train one model on labelled stamps: what it sees, its temperature, its operating points."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import QuantileTransformer

from skysift.core.bundle_schema import DataLicence, Distribution, Training
from skysift.core.errors import InputError
from skysift.core.progress import Progress
from skysift.core.results import Metric
from skysift.evaluate.intervals import mean_interval, wilson_interval
from skysift.evaluate.operating import points_to_store
from skysift.models.conformal import calibrate
from skysift.models.images.streaks.classifier import boosted_streaks
from skysift.models.plain_export import plain_classifier
from skysift.models.reference import distributions
from skysift.tasks.streak.coverage import scored_lengths, scored_stamps
from skysift.tasks.streak.model import POSITIVE, StreakModel, raw_probability, tempered
from skysift.tasks.streak.options import TrainOptions
from skysift.tasks.streak.stamps import CLASSES, FEATURES, SEEN, Rows, Stamps

__all__ = [
    "FAMILIES",
    "build",
    "folds_of",
    "out_of_fold",
    "seen_of",
    "temperature_of",
    "train",
]

ACCEPTANCES = (0.01, 0.03)
"""Shares of all that is no asteroid, for the operating points."""

FAMILIES: Mapping[str, str] = {
    "hist-gradient-boosting": "gradient-boosted trees",
    "random-forest": "random forest",
    "logistic-regression": "logistic regression",
}

_COLDEST, _HOTTEST = 0.2, 10.0

Floats = NDArray[np.float64]


def build(name: str, seed: int) -> Any:
    """Return an untrained classifier."""
    match name:
        case "random-forest":
            return RandomForestClassifier(300, min_samples_leaf=2, random_state=seed, n_jobs=1)
        case "logistic-regression":
            return _linear()
        case _:
            # The shares of the sample are kept: the probabilities assume them, and say so.
            return boosted_streaks().set_params(class_weight=None, random_state=seed)


def _linear() -> Pipeline:
    return make_pipeline(
        SimpleImputer(),
        QuantileTransformer(n_quantiles=10, output_distribution="normal", random_state=0),
        LogisticRegression(max_iter=2000),
    )


def folds_of(
    rows: Rows, folds: int, seed: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield rows to train on and rows to test, no object in both.

    Raises
    ------
    InputError
        If a class has too few stamps.
    """
    counts = {name: int((rows.label == name).sum()) for name in CLASSES}
    rarest = min(counts, key=lambda name: counts[name])
    if counts[rarest] < folds or len(np.unique(rows.group)) < folds:
        raise InputError(
            f"There are {counts[rarest]} stamps of the class {rarest}, of "
            f"{len(np.unique(rows.group))} objects in all; {folds} folds need one each.",
            "Give more stamps, or fewer --folds.",
        )
    split = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    yield from split.split(rows.features, rows.label, rows.group)


def out_of_fold(rows: Rows, name: str, folds: int, seed: int) -> Floats:
    """Return untempered probabilities by models that had not seen the object, shape (n, 5)."""
    found = np.zeros((len(rows.label), len(CLASSES)))
    for some, others in folds_of(rows, folds, seed):
        model = build(name, seed).fit(rows.features[some], rows.label[some])
        found[others] = raw_probability(model, rows.features[others])
    return found


def temperature_of(probability: Floats, label: NDArray[np.str_]) -> float:
    """Return the temperature of the least log loss on rows that were not trained on."""
    truth = np.array([CLASSES.index(str(name)) for name in label])

    def loss(logarithm: float) -> float:
        cooled = tempered(probability, float(np.exp(logarithm)))
        return float(-np.log(cooled[np.arange(len(truth)), truth]).mean())

    bounds = (float(np.log(_COLDEST)), float(np.log(_HOTTEST)))
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def train(
    stamps: Stamps,
    options: TrainOptions,
    rng: np.random.Generator,
    *,
    seed: int,
    command: str,
    licence: DataLicence,
    progress: Progress,
) -> StreakModel:
    """Train a model.

    Parameters
    ----------
    stamps : Stamps
        Labelled stamps.
    options : TrainOptions
        What is trained.
    rng : numpy.random.Generator
        Seeds folds and trees.
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
        If a class has too few stamps.
    """
    progress(0.0, "fit a trail to each stamp")
    rows = stamps.rows
    progress(0.6, "calibrate")
    drawn = int(rng.integers(2**31))
    raw = out_of_fold(rows, options.model, options.folds, drawn)
    temperature = temperature_of(raw, stamps.label)
    seen = tempered(raw, temperature)
    progress(0.9, f"train {options.model}")
    split = f"{stamps.name}, {stamps.split}, out of fold by object"
    shares = tuple(float((stamps.label == name).mean()) for name in CLASSES)
    training = Training(
        data=stamps.name,
        sha256=stamps.images.sha256(stamps.label),
        n_rows=len(stamps),
        split=stamps.split,
        seed=seed,
        command=command,
    )
    scored = (scored_stamps(stamps, seen, "out of fold by object"), scored_lengths(stamps))
    on_record = training.model_copy(update={"split": split})
    return StreakModel(
        name=options.model,
        family=FAMILIES[options.model],
        estimator=plain_classifier(build(options.model, drawn).fit(rows.features, rows.label)),
        temperature=temperature,
        shares=shares,
        seeing=stamps.seeing,
        prior=shares[CLASSES.index(POSITIVE)],
        training=training,
        promises=tuple(calibrate(one, on_record) for one in scored),
        data_licence=licence,
        operating_points=points_to_store(
            stamps.label == POSITIVE, seen[:, CLASSES.index(POSITIVE)], ACCEPTANCES, split=split
        ),
        metrics=_metrics(stamps, seen, split),
        parameters={"folds": options.folds},
        reference={**seen_of(rows), **_said(seen)},
    )


def seen_of(rows: Rows) -> dict[str, Distribution]:
    """Return how what a model sees of its training stamps is distributed."""
    columns = dict(zip(FEATURES, rows.features.T, strict=True))
    return distributions({name: columns[name] for name in SEEN})


def _said(probability: Floats) -> dict[str, Distribution]:
    """Return how probabilities of stamps that were not trained on are distributed."""
    return distributions({f"p_{name}": p for name, p in zip(CLASSES, probability.T, strict=True)})


def _metrics(stamps: Stamps, seen: Floats, split: str) -> tuple[Metric, ...]:
    truth = np.array([CLASSES.index(str(name)) for name in stamps.label])
    right = int((seen.argmax(axis=1) == truth).sum())
    losses = -np.log(seen[np.arange(len(truth)), truth])
    n = len(truth)
    return (
        wilson_interval(right, n).metric("accuracy", n=n, split=split),
        mean_interval(losses, groups=stamps.group).metric("log_loss", n=n, split=split),
    )
