"""Gaussian processes on nearest neighbours (MuyGPs), as scikit-learn estimators.

Every prediction conditions a Gaussian process on the k nearest training rows alone, and the
hyper-parameters minimise a leave-one-out loss on a batch of training rows (Muyskens, Priest,
Goumiri & Schneider 2021, arXiv:2104.14581). The cost of a row does not depend on how many training
rows there are, apart from the search for its neighbours.
"""

from skysift.models.muygps.classifier import MuyGPsClassifier
from skysift.models.muygps.kernels import RBF, Matern
from skysift.models.muygps.regressor import MuyGPsRegressor

__all__ = ["RBF", "Matern", "MuyGPsClassifier", "MuyGPsRegressor"]
