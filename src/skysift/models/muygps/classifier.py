"""MuyGPs classification in the scikit-learn API: calibrated, and honest where it is not sure."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from skysift.core.errors import BundleError, UsageError
from skysift.models.muygps.estimator import LocalEstimator, generator_of
from skysift.models.muygps.kernels import Kernel
from skysift.models.muygps.posterior import LocalPosterior
from skysift.models.muygps.process import (
    Arrays,
    FreeParameters,
    Settings,
    fit_process,
)
from skysift.models.muygps.uncertainty import (
    AmbiguityCutoff,
    BinaryCalibration,
    SoftmaxCalibration,
)

__all__ = ["MuyGPsClassifier"]

Floats = NDArray[np.float64]

_TWO = 2


class MuyGPsClassifier(LocalEstimator, ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Gaussian process classification on the nearest neighbours of each row.

    The classes are regressed: two of them as one output of -1 and 1, more as one output each,
    1 - 1/n_classes for the class of a row and -1/n_classes for the others (Muyskens et al. 2022,
    section 3). Leave-one-out posteriors of training rows calibrate the probabilities and, of two
    classes, set how far from zero a mean must lie to be certain. Distances are Euclidean in the
    features as they are given: scale them first.

    Parameters
    ----------
    kernel : Matern or RBF, optional
        The covariance, at the values from which the search begins. Left out, it is a Matern kernel
        with nu = 3/2 and the median distance of the farthest neighbour as length scale.
    noise : float
        Variance of the noise in units of sigma squared, from which the search begins.
    free : mapping of str to (float, float), "auto" or None
        Which of "length_scale", "noise" and "nu" are fitted, and their bounds. "auto" fits the
        length scale and the noise; None fits nothing but sigma squared.
    n_neighbours : int
        Neighbours that each prediction is conditioned on; all rows where there are fewer.
    loss : {"cross_entropy", "mse", "lool", "looph"}
        What is minimised; see :mod:`skysift.models.muygps.losses`.
    batch_size : int
        Training rows in the loss, as many of each class as there are.
    calibration_size : int
        Training rows that calibrate the probabilities and set the cutoff, at random.
    ambiguity_weight : float or "counts"
        What a confident mistake costs against an ambiguous success; see
        :class:`skysift.models.muygps.uncertainty.AmbiguityCutoff`.
    optimiser, search, engine, precision, threads, random_state
        As of :class:`skysift.models.muygps.regressor.MuyGPsRegressor`, with the limits of an
        approximate search that are told there.

    Attributes
    ----------
    classes_ : array, shape (n_classes,)
        The labels, sorted.
    process_ : LocalProcess
        The fitted process: kernel, noise, sigma squared, training rows.
    calibration_ : BinaryCalibration or SoftmaxCalibration
        From means to probabilities.
    cutoff_ : AmbiguityCutoff or None
        None for more than two classes.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> x = rng.normal(size=(200, 2))
    >>> model = MuyGPsClassifier(n_neighbours=20, engine="numpy").fit(x, x[:, 0] > 0.0)
    >>> model.predict([[2.0, 0.0], [-2.0, 0.0]])
    array([ True, False])
    """

    def __init__(
        self,
        kernel: Kernel | None = None,
        *,
        noise: float = 1e-2,
        free: FreeParameters = "auto",
        n_neighbours: int = 50,
        loss: str = "cross_entropy",
        batch_size: int = 500,
        calibration_size: int = 5000,
        ambiguity_weight: float | str = 1.0,
        optimiser: str = "scipy",
        search: str = "exact",
        engine: str = "auto",
        precision: str = "float64",
        threads: int = 1,
        random_state: int | np.random.Generator | np.random.RandomState = 0,
    ) -> None:
        self.kernel = kernel
        self.noise = noise
        self.free = free
        self.n_neighbours = n_neighbours
        self.loss = loss
        self.batch_size = batch_size
        self.calibration_size = calibration_size
        self.ambiguity_weight = ambiguity_weight
        self.optimiser = optimiser
        self.search = search
        self.engine = engine
        self.precision = precision
        self.threads = threads
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:  # noqa: N803  # scikit-learn's name
        """Fit the hyper-parameters, calibrate, and keep the training rows.

        Parameters
        ----------
        X : array-like, shape (n, n_features)
            At least two rows.
        y : array-like, shape (n,)
            Labels of two or more classes.

        Raises
        ------
        UsageError
            If a parameter is out of its range.
        ValueError
            If the labels are not of classes, or all the same.
        """
        settings = Settings.of(self)
        features, y = validate_data(
            self, X, y, dtype=self.precision, order="C", ensure_min_samples=2
        )
        check_classification_targets(y)
        self.classes_, label = np.unique(y, return_inverse=True)
        if len(self.classes_) < _TWO:
            # scikit-learn's own checks ask for this type of error.
            raise ValueError("Training rows of one class only; a classifier needs two or more.")
        rng = generator_of(self.random_state)
        targets = _targets(label, len(self.classes_)).astype(features.dtype)
        which = _balanced(label, self.batch_size, rng)
        self.process_ = fit_process(
            features, targets, noise=None, which=which, settings=settings, rng=rng
        )
        size = min(self.calibration_size, len(features))
        left_out = np.sort(rng.choice(len(features), size, replace=False))
        self._calibrate(self.process_.leave_one_out(left_out), label[left_out])
        return self

    def _calibrate(self, posterior: LocalPosterior, label: NDArray[np.intp]) -> None:
        mean = posterior.mean.astype(np.float64)
        self.calibration_: BinaryCalibration | SoftmaxCalibration
        self.cutoff_: AmbiguityCutoff | None = None
        if len(self.classes_) > _TWO:
            self.calibration_ = SoftmaxCalibration.fit(mean, label)
            return
        self.calibration_ = BinaryCalibration.fit(mean, label)
        error = self.process_.standard_deviation(posterior)[:, 0]
        distance = np.abs(mean[:, 0]) / np.maximum(error, np.finfo(np.float64).tiny)
        correct = (mean[:, 0] > 0.0) == (label == 1)
        self.cutoff_ = AmbiguityCutoff.fit(distance, correct, self.ambiguity_weight)

    def posterior(self, X: ArrayLike) -> tuple[Floats, Floats]:  # noqa: N803
        """Return the mean and standard deviation of the regressed classes.

        Returns
        -------
        mean, std : array, shape (n,) or (n, n_classes)
            Of two classes one output, between -1 for the first and 1 for the second.
        """
        mean, error = self._outputs(X)
        return (mean[:, 0], error[:, 0]) if mean.shape[1] == 1 else (mean, error)

    def predict_proba(self, X: ArrayLike) -> Floats:  # noqa: N803
        """Return calibrated probabilities, shape (n, n_classes), in the order of ``classes_``."""
        mean, _ = self._outputs(X)
        return self.calibration_(mean)

    def decision_function(self, X: ArrayLike) -> Floats:  # noqa: N803
        """Return log-odds of the second class, shape (n,), or log-probabilities up to a constant.

        The latter, of shape (n, n_classes), for more than two classes.
        """
        mean, _ = self._outputs(X)
        return self.calibration_.decision(mean)

    def predict(self, X: ArrayLike) -> NDArray[Any]:  # noqa: N803
        """Return the most probable class of each row, shape (n,)."""
        likeliest = np.argmax(self.predict_proba(X), axis=1)
        return np.asarray(self.classes_[likeliest])

    def predict_with_error(self, X: ArrayLike) -> tuple[Floats, Floats]:  # noqa: N803
        """Return calibrated probabilities and their errors, each of shape (n, n_classes).

        The error of a class is half the change of its probability from one posterior standard
        deviation below its mean to one above.
        """
        mean, error = self._outputs(X)
        p = self.calibration_(mean)
        p_error = np.empty_like(p)
        for output in range(mean.shape[1]):
            step = np.zeros_like(mean)
            step[:, output] = error[:, output]
            change = self.calibration_(mean + step) - self.calibration_(mean - step)
            if mean.shape[1] == 1:
                return p, np.abs(change) / 2.0
            p_error[:, output] = np.abs(change[:, output]) / 2.0
        return p, p_error

    def ambiguous(self, X: ArrayLike) -> NDArray[np.bool_]:  # noqa: N803
        """Return which rows the posterior does not tell apart, shape (n,); of two classes only.

        Raises
        ------
        UsageError
            If there are more than two classes.
        """
        mean, error = self._outputs(X)
        if self.cutoff_ is None:
            raise UsageError(
                "Ambiguity is defined between two classes only.",
                "Use the probabilities, or predict_with_error.",
            )
        return self.cutoff_(mean[:, 0], error[:, 0])

    @classmethod
    def _with_parameters(cls, **parameters: Any) -> Self:
        return cls(**parameters)

    def _own_state(self) -> tuple[dict[str, Any], Arrays]:
        cutoff = self.cutoff_
        plain = {
            "classes": self.classes_.tolist(),
            "ambiguity": None if cutoff is None else [cutoff.cutoff, cutoff.alpha, cutoff.beta],
        }
        return plain, {"calibration": self.calibration_.to_state()}

    def restore(self, plain: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
        """Set what the stored state holds beside the process."""
        try:
            self.classes_ = np.array(plain["classes"])
            calibration, ambiguity = arrays["calibration"], plain["ambiguity"]
        except KeyError as error:
            raise BundleError(
                f"The state of a classifier lacks {error}.",
                "Fetch the bundle again, or train it again.",
            ) from error
        kind = BinaryCalibration if len(self.classes_) == _TWO else SoftmaxCalibration
        self.calibration_ = kind.from_state(calibration)
        self.cutoff_ = None if ambiguity is None else AmbiguityCutoff(*map(float, ambiguity))


def _targets(label: NDArray[np.intp], n_classes: int) -> Floats:
    """Return what is regressed, shape (n, 1) for two classes, else (n, n_classes)."""
    if n_classes == _TWO:
        return np.where(label[:, None] == 1, 1.0, -1.0)
    return np.asarray(np.eye(n_classes)[label] - 1.0 / n_classes)


def _balanced(label: NDArray[np.intp], size: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return rows of which each class has an equal share, as far as it has rows."""
    n_classes = int(label.max()) + 1
    share = -(-size // n_classes)
    chosen = [
        rng.permutation(np.flatnonzero(label == class_))[:share] for class_ in range(n_classes)
    ]
    return np.sort(np.concatenate(chosen))
