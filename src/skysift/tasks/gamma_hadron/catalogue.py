"""The models that gamma-hadron can train, with the grids that are searched for each.

The first five are those of the notebook that this task replaces, tuned by grid search; the others
are what a telescope would use today. Each is a scikit-learn estimator of the features; calibration
and operating points come from cross-fitting (:mod:`skysift.models.cross_fitting`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sklearn.ensemble import (
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import QuantileTransformer, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from skysift.core.extras import import_extra
from skysift.models.log_odds_mean import LogOddsMean
from skysift.models.periodic_mlp import PeriodicMlpClassifier
from skysift.models.scaled_parameters import ScaledParameters
from skysift.tasks.gamma_hadron.feature_catalogue import scaling_targets

__all__ = ["CATALOGUE", "NOTEBOOK_FEATURES", "ModelSpec", "notebook_estimator"]

Grid = Mapping[str, Sequence[Any]]

NOTEBOOK_FEATURES = ("length", "width", "log_size", "asymmetry", "m3_long", "alpha")
"""The six columns that the notebook kept, by correlation with the class."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A kind of model: how it is made, and which of its parameters are searched.

    Parameters
    ----------
    title : str
        As people call it.
    build : callable
        Takes the names of the features and returns an unfitted scikit-learn estimator with the
        parameters found best on the training rows of the MAGIC table.
    grid, quick_grid : mapping
        Parameters to search, for an hour and for a minute.
    """

    title: str
    build: Callable[[Sequence[str]], Any]
    grid: Grid
    quick_grid: Grid


def _knn(_: Sequence[str]) -> Any:
    scale = QuantileTransformer(n_quantiles=500, output_distribution="normal", random_state=0)
    # In fifty dimensions a tree of neighbours is slower than all distances at once.
    neighbours = KNeighborsClassifier(n_neighbors=35, weights="distance", algorithm="brute")
    return make_pipeline(scale, neighbours)


def _logistic_regression(_: Sequence[str]) -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression(C=1.0, max_iter=2000))


def _neural_network(_: Sequence[str]) -> Any:
    network = MLPClassifier(
        (64, 32), alpha=1e-2, learning_rate_init=1e-3, max_iter=60, early_stopping=True
    )
    scale = QuantileTransformer(n_quantiles=500, output_distribution="normal", random_state=0)
    return make_pipeline(scale, network)


def _xgboost(**parameters: Any) -> Any:
    best = {
        "n_estimators": 500,
        "learning_rate": 0.035,
        "grow_policy": "lossguide",
        "max_depth": 0,
        "max_leaves": 20,
        "min_child_weight": 1,
        "subsample": 0.8,
        "colsample_bytree": 0.3,
        "reg_lambda": 3.0,
        "n_jobs": 2,
    }
    return import_extra("xgboost", extra="boost").XGBClassifier(**{**best, **parameters})


def _lightgbm() -> Any:
    return import_extra("lightgbm", extra="train").LGBMClassifier(
        n_estimators=320,
        learning_rate=0.05,
        num_leaves=18,
        min_child_samples=20,
        subsample=0.8,
        subsample_freq=1,
        colsample_bytree=0.3,
        reg_lambda=3.0,
        n_jobs=2,
        verbose=-1,
    )


def _scaled(names: Sequence[str]) -> ScaledParameters:
    return ScaledParameters(scaling_targets(names))


CATALOGUE: dict[str, ModelSpec] = {
    "knn": ModelSpec(
        "k nearest neighbours",
        _knn,
        {
            "kneighborsclassifier__n_neighbors": (15, 20, 25, 30, 35, 40, 50, 60, 80, 100),
            "kneighborsclassifier__weights": ("uniform", "distance"),
        },
        {"kneighborsclassifier__n_neighbors": (25, 50)},
    ),
    "logistic-regression": ModelSpec(
        "logistic regression",
        _logistic_regression,
        {"logisticregression__C": (0.01, 0.1, 1.0, 10.0, 100.0)},
        {"logisticregression__C": (0.1, 1.0, 10.0)},
    ),
    "decision-tree": ModelSpec(
        "decision tree",
        lambda _: DecisionTreeClassifier(max_depth=9, min_samples_leaf=30),
        {
            "max_depth": (6, 7, 8, 9, 10, 12, 15, 20, 30, 50),
            "min_samples_leaf": (1, 5, 10, 15, 30, 60),
        },
        {"max_depth": (7, 9, 12), "min_samples_leaf": (10, 30, 60)},
    ),
    "xgboost": ModelSpec(
        "XGBoost",
        lambda _: _xgboost(),
        {
            "n_estimators": (300, 500),
            "learning_rate": (0.03, 0.05),
            "max_leaves": (12, 20, 32),
            "colsample_bytree": (0.2, 0.3, 0.6),
        },
        {"max_leaves": (12, 20)},
    ),
    "neural-network": ModelSpec(
        "neural network 64-32-1",
        _neural_network,
        {
            "mlpclassifier__alpha": (1e-4, 1e-3, 1e-2, 1e-1, 1.0),
            "mlpclassifier__learning_rate_init": (5e-4, 1e-3, 3e-3),
        },
        {"mlpclassifier__alpha": (1e-3, 1e-1)},
    ),
    "random-forest": ModelSpec(
        "random forest",
        lambda _: RandomForestClassifier(300, max_features=6, min_samples_leaf=2, n_jobs=2),
        {"max_features": (4, 6, 8, 12), "min_samples_leaf": (1, 2, 4)},
        {"max_features": (6, 8)},
    ),
    "extra-trees": ModelSpec(
        "extra trees",
        lambda _: ExtraTreesClassifier(300, max_features=9, min_samples_leaf=2, n_jobs=2),
        {"max_features": (6, 9, 12, 16), "min_samples_leaf": (1, 2, 4)},
        {"max_features": (9, 12)},
    ),
    "hist-gradient-boosting": ModelSpec(
        "histogram gradient boosting",
        lambda _: HistGradientBoostingClassifier(
            learning_rate=0.04,
            max_iter=350,
            max_leaf_nodes=15,
            min_samples_leaf=20,
            l2_regularization=5.0,
            max_features=0.4,
        ),
        {
            "max_iter": (250, 350, 500),
            "learning_rate": (0.03, 0.04, 0.06),
            "max_leaf_nodes": (10, 15, 25),
        },
        {"max_leaf_nodes": (10, 15)},
    ),
    "mlp-ensemble": ModelSpec(
        "periodic MLPs",
        lambda names: make_pipeline(_scaled(names), PeriodicMlpClassifier()),
        {"periodicmlpclassifier__dropout": (0.15, 0.25, 0.35)},
        {"periodicmlpclassifier__dropout": (0.25,)},
    ),
    "boosted-scaled": ModelSpec(
        "scaled LightGBM",
        lambda names: make_pipeline(_scaled(names), _lightgbm()),
        {"lgbmclassifier__num_leaves": (12, 20, 32)},
        {"lgbmclassifier__num_leaves": (20,)},
    ),
    "blend": ModelSpec(
        "blend of MLPs and trees",
        lambda names: make_pipeline(
            _scaled(names), LogOddsMean(PeriodicMlpClassifier(), _lightgbm())
        ),
        {"logoddsmean__network__dropout": (0.15, 0.25, 0.35)},
        {"logoddsmean__network__dropout": (0.25,)},
    ),
}


def notebook_estimator(name: str) -> Any:
    """Return a model with the parameters that the notebook settled on, without scaling.

    Its network is scikit-learn's with the same layers and optimiser in place of Keras'.
    """
    made: dict[str, Callable[[], Any]] = {
        "knn": lambda: KNeighborsClassifier(n_neighbors=29),
        "logistic-regression": lambda: LogisticRegression(max_iter=5000),
        "decision-tree": lambda: DecisionTreeClassifier(max_depth=10, min_samples_leaf=5),
        "xgboost": lambda: _xgboost(
            n_estimators=300,
            learning_rate=0.1,
            grow_policy="depthwise",
            max_depth=5,
            max_leaves=0,
            colsample_bytree=1.0,
            subsample=1.0,
            min_child_weight=1,
            reg_lambda=1.0,
        ),
        "neural-network": lambda: MLPClassifier((64, 32), batch_size=32, max_iter=100),
    }
    return made[name]()
