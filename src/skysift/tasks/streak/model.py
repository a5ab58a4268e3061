"""A trained streak model: measured stamps in, probabilities of five classes out; as a bundle."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.bundle import Bundle, render_card, write_bundle
from skysift.core.bundle_schema import BundleSpec, InputColumn, ModelEntry
from skysift.core.classifier import Classifier, stored
from skysift.core.errors import BundleError
from skysift.core.registry import task_folder
from skysift.data.table import FeatureTable
from skysift.models.images.streaks.classifier import streaks_by_cuts
from skysift.models.images.streaks.features import STREAK_FEATURES
from skysift.models.persist.arrays import load_arrays, save_arrays
from skysift.models.plain_classifiers import PlainClassifier
from skysift.models.plain_state import plain_from_state
from skysift.tasks.streak.stamps import CLASSES, FEATURES

__all__ = ["POSITIVE", "TASK", "StreakModel", "by_cuts", "load_bundle", "save_bundle", "tempered"]

TASK = "streak"
POSITIVE = "asteroid"
"""The class that operating points are about."""

_FILE = "trees.safetensors"
_WIDE = 1.2  # of the width of a star: what a galaxy has
_SURE = 3.0  # standard deviations by which it is wider
_TINY = 1e-7  # no class is ever excluded

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class StreakModel(Classifier):
    """A model, and all that a user of its numbers must know; asteroid is the positive class.

    Parameters
    ----------
    estimator : PlainClassifier
        Of `FEATURES`, with the classes in any order.
    temperature : float
        What the logarithms of its probabilities are divided by (Guo et al. 2017, ICML, eq. 9).
    shares : tuple of float
        Of `CLASSES` in the training data, which the probabilities assume.
    seeing : float
        That of stamps which do not tell it, in training [arcsec].
    """

    estimator: PlainClassifier
    temperature: float
    shares: tuple[float, ...]
    seeing: float

    def probability(self, measured: FeatureTable) -> Floats:
        """Return the probability of each class, shape (n, 5), NaN where nothing was measured."""
        features = measured.matrix(FEATURES)
        found = np.full((len(features), len(CLASSES)), np.nan)
        known = np.isfinite(features).all(axis=1)
        if known.any():
            found[known] = tempered(
                raw_probability(self.estimator, features[known]), self.temperature
            )
        return found


def raw_probability(estimator: Any, features: Floats) -> Floats:
    """Return what an estimator says, shape (n, 5), in the order of `CLASSES`."""
    said = estimator.predict_proba(features)
    found = np.zeros((len(features), len(CLASSES)))
    for column, name in enumerate(estimator.classes_):
        found[:, CLASSES.index(str(name))] = said[:, column]
    return found


def tempered(probability: Floats, temperature: float) -> Floats:
    """Return probabilities, shape (n, k), sharpened or softened.

    Examples
    --------
    >>> tempered(np.array([[0.9, 0.1]]), 2.0).round(2).tolist()
    [[0.75, 0.25]]
    """
    logs = np.log(np.clip(probability, _TINY, 1.0)) / temperature
    weights = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def by_cuts(measured: FeatureTable) -> NDArray[np.str_]:
    """Return the class of each stamp by fixed cuts, shape (n,): what needs no training.

    Those of :func:`~skysift.models.images.streaks.classifier.streaks_by_cuts`, with what does not
    move told apart by its width.
    """
    labels = streaks_by_cuts(measured.matrix(STREAK_FEATURES)).astype("<U9")
    width, error = measured["width"], measured["width_error"]
    still = labels == "source"
    wide = (width > _WIDE) & (width - 1.0 > _SURE * error) & (measured["seeing_told"] > 0)
    labels[still] = np.where(wide[still], "galaxy", "star")
    return labels


def save_bundle(model: StreakModel, folder: Path) -> Bundle:
    """Write a model as a bundle.

    Raises
    ------
    OutputError
        If the folder exists or cannot be written.
    """
    described, arrays = model.estimator.state()
    entry = ModelEntry(
        format="safetensors",
        file=_FILE,
        family=model.family,
        parameters={**model.parameters, "temperature": model.temperature},
        outputs=tuple(f"p_{name}" for name in CLASSES),
    )
    spec = model.spec(
        TASK,
        f"class, length and angle of a streak by {model.family}",
        entry,
        preprocessing={
            "seeing": model.seeing,
            "shares": list(model.shares),
            "classifier": described,
        },
        inputs=(
            InputColumn(name="pixels", dtype="float32", description="a stamp, best a difference"),
            InputColumn(name="seeing", unit="pix", description="FWHM of stars"),
        ),
        features=FEATURES,
        classes=("other", POSITIVE),
    )
    # The general description knows two classes.
    spec = BundleSpec.model_validate({**spec.model_dump(), "classes": CLASSES})
    text = (task_folder(TASK) / "card.md").read_text(encoding="utf-8")
    shares = ", ".join(f"{n} {s:.1%}" for n, s in zip(CLASSES, model.shares, strict=True))
    card = text.format(
        family=model.family, data=model.training.data, shares=shares, seeing=f"{model.seeing:g}"
    )
    return write_bundle(
        folder, spec, {_FILE: save_arrays(arrays), **model.kept}, render_card(spec, card)
    )


def load_bundle(folder: Path) -> StreakModel:
    """Load a bundle.

    Raises
    ------
    BundleError
        If it is damaged, holds what is not allowed, or is of another task.
    """
    bundle = Bundle.load(folder, task=TASK)
    label = stored(bundle, POSITIVE)
    manifest = bundle.manifest
    parameters = dict(manifest.model.parameters)
    temperature: Any = parameters.pop("temperature", None)
    seeing: Any = manifest.preprocessing.get("seeing")
    shares: Any = manifest.preprocessing.get("shares")
    if (
        manifest.features != FEATURES
        or manifest.classes != CLASSES
        or not all(isinstance(value, float) and value > 0 for value in (temperature, seeing))
        or not isinstance(shares, list)
        or len(shares) != len(CLASSES)
        or not all(isinstance(share, float) for share in shares)
    ):
        raise BundleError(
            "The bundle does not say what this version needs: features, classes and their shares, "
            "temperature and seeing.",
            "Train the bundle again.",
            path=folder,
        )
    label["parameters"] = parameters
    return StreakModel(
        **label,
        estimator=_classifier(bundle),
        temperature=temperature,
        shares=tuple(float(share) for share in shares),
        seeing=seeing,
    )


def _classifier(bundle: Bundle) -> PlainClassifier:
    manifest = bundle.manifest
    arrays = load_arrays(bundle.read_bytes(manifest.model.file))
    found = plain_from_state(manifest.preprocessing.get("classifier"), arrays)
    if {*found.classes_.tolist()} != {*CLASSES} or found.n_features_in_ != len(FEATURES):
        raise BundleError(
            "The classifier of the bundle is of other classes or features.",
            "Train the bundle again.",
            path=bundle.folder,
        )
    return found
