"""The models that star-galaxy can train: what each sees, and how it is made."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, RobustScaler, StandardScaler
from sklearn.svm import SVC

from skysift.core.extras import import_extra
from skysift.models.images.cnn import StampCnnClassifier
from skysift.models.muygps import Matern, MuyGPsClassifier
from skysift.models.persist.allowed import allow_type
from skysift.preprocess.images.normalisation import Normalisation, PixelNormaliser
from skysift.tasks.star_galaxy.choice import BlendRecipe
from skysift.tasks.star_galaxy.fainter import Fainter
from skysift.tasks.star_galaxy.representations import REPRESENTATIONS, STAMP_PLANES, STAMP_SIDE

__all__ = ["CATALOGUE", "ModelSpec"]

allow_type(PixelNormaliser)

_TREES_OF_BLEND = 48
_OF_SHAPES = 100
"""Neighbours of the process that stands alone: better than 50, and too slow for the blend."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A kind of model.

    Parameters
    ----------
    title : str
        As people call it.
    representation : str
        What it sees, of :data:`~skysift.tasks.star_galaxy.representations.REPRESENTATIONS`.
    build : callable
        Returns an unfitted scikit-learn classifier, or the recipe of a blend.
    has_posterior : bool
        Whether it is a Gaussian process, whose leave-one-out posterior calibrates it and gives the
        error; such a model is fitted once. All others are cross-fitted.
    needs_torch : bool
        Whether PyTorch trains a part of it.
    """

    title: str
    representation: str
    build: Callable[[], Any]
    has_posterior: bool = False
    needs_torch: bool = False

    def require(self) -> None:
        """Look for what the training needs, before any of it begins.

        Raises
        ------
        MissingExtraError
            If something is not installed.
        """
        if self.needs_torch:
            for package in ("torch", "onnx"):
                import_extra(package, extra="train")


def _imputed(*steps: Any) -> Any:
    return make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), *steps)


def _scaled(*steps: Any) -> Any:
    """Scale by quantiles and draw far outliers in, before what measures distances."""
    robust = (RobustScaler(), FunctionTransformer(np.arcsinh), StandardScaler())
    return _imputed(*robust, *steps)


def _process(neighbours: int = 50) -> MuyGPsClassifier:
    return MuyGPsClassifier(n_neighbours=neighbours, random_state=0)


def _original_process() -> MuyGPsClassifier:
    """Return the original's classifier: 30 neighbours, nothing but sigma squared fitted."""
    return MuyGPsClassifier(
        Matern(nu=1.0, length_scale=1.0), noise=1e-5, free=None, n_neighbours=30, random_state=0
    )


def _forest(trees: int = 200) -> Any:
    return _imputed(
        RandomForestClassifier(trees, max_features=6, min_samples_leaf=2, random_state=0)
    )


def _extra_trees(trees: int = 200) -> Any:
    return _imputed(ExtraTreesClassifier(trees, max_features=9, min_samples_leaf=2, random_state=0))


def _network() -> StampCnnClassifier:
    return StampCnnClassifier(
        side=STAMP_SIDE,
        planes=STAMP_PLANES,
        learning_rate=2e-2,
        weight_decay=0.3,
        smoothing=0.015,
        early_stopping=False,
        vary=Fainter(),
        random_state=0,
    )


def _svm() -> Any:
    return _scaled(CalibratedClassifierCV(SVC(C=3.0, gamma=0.02), ensemble=False, cv=3))


def _logistic() -> Any:
    return _scaled(LogisticRegression(C=0.3, max_iter=2000))


def _blend() -> BlendRecipe:
    n_shapes = len(REPRESENTATIONS["shapes"].names)
    shapes, stamp = (0, n_shapes), (n_shapes, len(REPRESENTATIONS["shapes-and-stamp"].names))
    trees = ("random forest", "extra trees")
    gp, network, svm, logistic = "GP", "network", "SVM", "logistic regression"
    return BlendRecipe(
        {
            trees[0]: (_forest(_TREES_OF_BLEND), shapes),
            trees[1]: (_extra_trees(_TREES_OF_BLEND), shapes),
            gp: (_scaled(_process()), shapes),
            network: (_network(), stamp),
            svm: (_svm(), shapes),
            logistic: (_logistic(), shapes),
        },
        {
            "trees": trees,
            "trees, GP": (*trees, gp),
            "trees, GP, network": (*trees, gp, network),
            "trees, GP, network, SVM": (*trees, gp, network, svm),
            "trees, GP, network, SVM, logistic regression": (*trees, gp, network, svm, logistic),
        },
    )


def _normalised(kind: Normalisation) -> Callable[[], Any]:
    return lambda: make_pipeline(PixelNormaliser(str(kind)), _original_process())


CATALOGUE: Mapping[str, ModelSpec] = {
    "blend": ModelSpec(
        "blend, its parts chosen in training", "shapes-and-stamp", _blend, needs_torch=True
    ),
    "random-forest": ModelSpec("random forest", "shapes", _forest),
    "extra-trees": ModelSpec("extra trees", "shapes", _extra_trees),
    "hist-gradient-boosting": ModelSpec(
        "histogram gradient boosting",
        "shapes",
        lambda: HistGradientBoostingClassifier(
            learning_rate=0.05,
            max_iter=120,
            max_leaf_nodes=8,
            l2_regularization=5.0,
            max_features=0.4,
            random_state=0,
        ),
    ),
    "logistic-regression": ModelSpec("logistic regression", "shapes", _logistic),
    "knn": ModelSpec(
        "k nearest neighbours",
        "shapes",
        lambda: _scaled(KNeighborsClassifier(20, weights="distance")),
    ),
    "svm": ModelSpec("support vector machine", "shapes", _svm),
    "gp-shapes": ModelSpec(
        "GP on shapes", "shapes", lambda: _scaled(_process(_OF_SHAPES)), has_posterior=True
    ),
    "gp-profile": ModelSpec(
        "GP on seeing-matched pixels",
        "profile",
        lambda: _imputed(StandardScaler(), _process()),
        has_posterior=True,
    ),
    "cnn": ModelSpec("convolutional network", "stamp", _network, needs_torch=True),
    "gp-profile-pca": ModelSpec(
        "GP on PCA of seeing-matched pixels",
        "profile",
        lambda: _imputed(StandardScaler(), PCA(8, random_state=0), _process()),
        has_posterior=True,
    ),
    **{
        f"gp-{kind}": ModelSpec(
            f"original GP, {kind}", "pixels", _normalised(kind), has_posterior=True
        )
        for kind in Normalisation
    },
    "fwhm-cut": ModelSpec("FWHM cut", "width", lambda: _imputed(LogisticRegression())),
    "magnitude": ModelSpec("magnitude only", "magnitude", lambda: _imputed(LogisticRegression())),
}
"""All models, by the name that the command line and bundles give them."""
