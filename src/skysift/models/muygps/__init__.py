"""Gaussian processes on nearest neighbours (MuyGPs), as scikit-learn estimators.

Every prediction conditions a Gaussian process on the k nearest training rows alone, and the
hyper-parameters minimise a leave-one-out loss on a batch of training rows (Muyskens, Priest,
Goumiri & Schneider 2021, arXiv:2104.14581). The cost of a row does not depend on how many training
rows there are, apart from the search for its neighbours.

The estimators are imported when they are asked for: a stored process predicts without scikit-learn.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skysift.models.muygps.classifier import MuyGPsClassifier
    from skysift.models.muygps.kernels import RBF, Matern
    from skysift.models.muygps.regressor import MuyGPsRegressor

__all__ = ["RBF", "Matern", "MuyGPsClassifier", "MuyGPsRegressor"]

_WHERE = {
    "RBF": "kernels",
    "Matern": "kernels",
    "MuyGPsClassifier": "classifier",
    "MuyGPsRegressor": "regressor",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
