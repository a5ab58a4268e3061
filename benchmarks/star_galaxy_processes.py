"""Which form of the process on shapes is best, asked inside the training parts alone.

    SKYSIFT_MIRROR=DIR python benchmarks/star_galaxy_processes.py

The five training parts of the cross-validation by object are each cut into five once more; every
form is trained and judged there, so that no evaluated fold is looked at. An object is left out in
four of the five parts; its log losses are averaged before forms are compared, so that intervals are
by object. Forms differ in one thing each from what ships: kernel, neighbours, loss, rows in the
loss, number of processes, and what is believed of the labels. Beside them are two classifiers of
the same shapes that are no local process. Half an hour of one core.

The result is benchmarks/star_galaxy_processes.json.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.gaussian_process import kernels as peers
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import Pipeline

from skysift.core.files import write_atomic
from skysift.data.fetch import fetch
from skysift.data.splits import stratified_group_folds
from skysift.evaluate.probability import log_losses
from skysift.models.calibration import BetaCalibration
from skysift.models.muygps import Matern
from skysift.models.muygps.uncertainty import BinaryCalibration
from skysift.tasks.star_galaxy.blend import mean_probability, sober_log_odds
from skysift.tasks.star_galaxy.catalogue import CATALOGUE
from skysift.tasks.star_galaxy.fitting import fit_predictor
from skysift.tasks.star_galaxy.options import ReadOptions
from skysift.tasks.star_galaxy.reader import read_cutouts
from skysift.tasks.star_galaxy.representations import REPRESENTATIONS

SEED = 0
"""Of the partition of `skysift compare`."""
FOLDS = 5
SHIPPED = "as it ships: nu = 3/2, 100 neighbours, 500 rows in the loss"
DOUBT = 0.03
"""Probability of its label below which a row is left out, where labels are doubted."""
_ALL = 10_000
_START = 8.0

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


class Rows:
    """Some training rows: what a form may learn from.

    Parameters
    ----------
    features : array, shape (n, n_features)
    is_galaxy : array of bool, shape (n,)
    groups : array of int, shape (n,)
        Rows of one object.
    """

    def __init__(self, features: Floats, is_galaxy: Bools, groups: NDArray[np.int64]) -> None:
        self.features, self.is_galaxy, self.groups = features, is_galaxy, groups

    def take(self, chosen: Bools) -> "Rows":
        """Return some of them."""
        return Rows(self.features[chosen], self.is_galaxy[chosen], self.groups[chosen])


Judge = Callable[[Floats], Floats]
Form = Callable[[Rows, int], Judge]


def shapes(**changes: Any) -> Pipeline:
    """Return the process that ships, with changes."""
    pipeline = clone(CATALOGUE["gp-shapes"].build())
    pipeline[-1].set_params(**changes)
    return pipeline


def alone(**changes: Any) -> Form:
    """Return one process, calibrated by its leave-one-out posteriors."""

    def fit(rows: Rows, seed: int) -> Judge:
        return _fit(shapes(**changes), rows, seed, has_posterior=True)

    return fit


def crossed(**changes: Any) -> Form:
    """Return five processes, each of four fifths of the rows."""

    def fit(rows: Rows, seed: int) -> Judge:
        return _fit(shapes(**changes), rows, seed, has_posterior=False)

    return fit


def rival(name: str) -> Form:
    """Return another model of the same shapes."""

    def fit(rows: Rows, seed: int) -> Judge:
        return _fit(CATALOGUE[name].build(), rows, seed, has_posterior=False)

    return fit


def logistic_likelihood(rows: Rows, seed: int) -> Judge:
    """Fit the dense process with a logistic likelihood (Laplace) of scikit-learn."""
    kernel = peers.ConstantKernel(100.0, (0.1, 1e5)) * peers.RBF(_START, (1.0, 200.0))
    pipeline = shapes()
    pipeline.steps[-1] = ("process", GaussianProcessClassifier(kernel, random_state=seed))
    return _fit(pipeline, rows, seed, has_posterior=False)


def doubting(rows: Rows, seed: int) -> Judge:
    """Leave out rows whose labels extra trees and support vectors contradict; calibrate on all."""
    odds = []
    for name in ("extra-trees", "svm"):
        folds = stratified_group_folds(
            rows.is_galaxy, rows.groups, n_splits=FOLDS, rng=np.random.default_rng(seed)
        )
        parts = [(np.flatnonzero(folds != k), np.flatnonzero(folds == k)) for k in range(FOLDS)]
        said = cross_val_predict(
            CATALOGUE[name].build(), rows.features, rows.is_galaxy, cv=parts, method="predict_proba"
        )
        odds.append(sober_log_odds(said[:, 1]))
    raw = mean_probability(odds)
    said = BetaCalibration.fit(raw, rows.is_galaxy)(raw)
    kept = np.where(rows.is_galaxy, said, 1 - said) >= DOUBT
    believed = rows.take(kept)
    pipeline = shapes(random_state=seed).fit(believed.features, believed.is_galaxy)
    process = pipeline[-1]
    mean = np.empty((len(kept), 1))
    mean[kept] = process.process_.leave_one_out(np.arange(int(kept.sum()))).mean
    if not kept.all():
        seen = pipeline[:-1].transform(rows.features[~kept])
        mean[~kept] = process.process_.posterior(seen).mean
    process.calibration_ = BinaryCalibration.fit(mean, rows.is_galaxy.astype(np.intp))
    return lambda features: np.asarray(pipeline.predict_proba(features)[:, 1])


def _fit(estimator: Any, rows: Rows, seed: int, *, has_posterior: bool) -> Judge:
    predictor = fit_predictor(
        estimator,
        rows.features,
        rows.is_galaxy,
        rows.groups,
        np.random.default_rng(seed),
        has_posterior=has_posterior,
        folds=FOLDS,
    )
    return lambda features: predictor.predict_with_error(features)[0]


FORMS: Mapping[str, Form] = {
    SHIPPED: alone(),
    "50 neighbours": alone(n_neighbours=50),
    "nu = 1/2": alone(kernel=Matern(0.5, _START)),
    "nu = 5/2": alone(kernel=Matern(2.5, _START)),
    "all rows in the loss": alone(batch_size=_ALL),
    "all rows, mean squared error": alone(batch_size=_ALL, loss="mse"),
    "five cross-fitted processes": crossed(),
    "contradicted labels left out": doubting,
    "*dense, logistic likelihood (scikit-learn)*": logistic_likelihood,
    "*support vector machine*": rival("svm"),
}


def judged(form: Form, rows: Rows, outer: NDArray[np.int64]) -> tuple[Floats, Floats, list[float]]:
    """Return the log loss and the share of right answers of each object, and losses by part."""
    loss, right = (np.full((FOLDS, len(outer)), np.nan) for _ in range(2))
    for part in range(FOLDS):
        rest = np.flatnonzero(outer != part)
        inside = rows.take(outer != part)
        inner = stratified_group_folds(
            inside.is_galaxy, inside.groups, n_splits=FOLDS, rng=np.random.default_rng([SEED, part])
        )
        said = np.empty(len(rest))
        for fold in range(FOLDS):
            out = inner == fold
            said[out] = form(inside.take(~out), fold)(inside.features[out])
        loss[part, rest] = log_losses(inside.is_galaxy, said)
        right[part, rest] = (said > 0.5) == inside.is_galaxy
    by_part = np.nanmean(loss, axis=1).round(4).tolist()
    return np.nanmean(loss, axis=0), np.nanmean(right, axis=0), by_part


def main() -> None:
    """Judge each form and store what it has."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    given = parser.parse_args()
    cutouts = read_cutouts([file.path for file in fetch("ztf-cutouts").files], ReadOptions())
    distinct = cutouts.distinct()
    features = REPRESENTATIONS[CATALOGUE["gp-shapes"].representation].matrix(distinct.images)
    rows = Rows(features, distinct.is_galaxy, distinct.groups)
    outer = stratified_group_folds(
        rows.is_galaxy, rows.groups, n_splits=FOLDS, rng=np.random.default_rng(SEED)
    )
    losses: dict[str, Floats] = {}
    told = []
    for name, form in FORMS.items():
        losses[name], right, by_part = judged(form, rows, outer)
        less = losses[name] - losses[SHIPPED]
        told.append(
            {
                "form": name,
                "log_loss": round(float(losses[name].mean()), 5),
                "by_part": by_part,
                "accuracy": round(float(right.mean()), 5),
                "less_shipped": round(float(less.mean()), 5),
                "error": round(float(less.std(ddof=1) / np.sqrt(len(less))), 5),
            }
        )
        sys.stderr.write(f"{told[-1]}\n")
        found = {
            "command": f"python benchmarks/{Path(__file__).name}",
            "split": "inside the five training parts of the cross-validation by object, five-fold",
            "n": len(features),
            "forms": told,
        }
        write_atomic(given.out, json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
