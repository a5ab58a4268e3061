"""MuyGPs regression in the scikit-learn API."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import validate_data

from skysift.core.errors import UsageError
from skysift.models.muygps.estimator import LocalEstimator, generator_of
from skysift.models.muygps.kernels import Kernel
from skysift.models.muygps.process import (
    Arrays,
    FreeParameters,
    Settings,
    fit_process,
)

__all__ = ["MuyGPsRegressor"]

Floats = NDArray[np.float64]


class MuyGPsRegressor(LocalEstimator, RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Gaussian process regression on the nearest neighbours of each row.

    Distances are Euclidean in the features as they are given: scale them first.

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
    prior_mean : float, optional
        Of the process, far from all data; the mean of the training targets if left out.
    loss : {"lool", "looph", "mse", "cross_entropy"}
        What is minimised; see :mod:`skysift.models.muygps.losses`. Only the first two see the
        variance: with the others the error of a prediction is not to be relied on.
    batch_size : int
        Training rows in the loss.
    optimiser : {"scipy", "bayes"}
        L-BFGS-B from the best of several starts, or Bayesian optimisation.
    search : {"exact", "approximate"}
        How neighbours are found. "approximate" needs faiss, and pays from some hundred thousand
        rows on; it can miss some neighbours, and does not tell of which rows. Copies of the same
        row do no harm.
    engine : {"auto", "compiled", "numpy", "torch"}
        How posteriors are computed. "auto" is "compiled" where numba is installed, else "numpy";
        "torch" uses a GPU if there is one.
    precision : {"float64", "float32"}
        Of the training rows that are kept, and of predictions; what is fitted is always fitted in
        double precision. With "float32" keep the noise above 1e-5, as "auto" does: below, its
        rounding is the larger error.
    threads : int
        Number of threads.
    random_state : int, Generator or RandomState
        Chooses the batch and the starts.

    Attributes
    ----------
    process_ : LocalProcess
        The fitted process: kernel, noise, sigma squared, training rows.
    prior_mean_ : array, shape (n_outputs,)
        The mean that was taken off the targets.

    Examples
    --------
    >>> x = np.linspace(0.0, 6.0, 60)[:, None]
    >>> model = MuyGPsRegressor(n_neighbours=10, engine="numpy").fit(x, np.sin(x[:, 0]))
    >>> model.predict([[1.0], [2.0]]).round(2)
    array([0.84, 0.91])
    """

    def __init__(
        self,
        kernel: Kernel | None = None,
        *,
        noise: float = 1e-3,
        free: FreeParameters = "auto",
        n_neighbours: int = 50,
        prior_mean: float | None = None,
        loss: str = "lool",
        batch_size: int = 500,
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
        self.prior_mean = prior_mean
        self.loss = loss
        self.batch_size = batch_size
        self.optimiser = optimiser
        self.search = search
        self.engine = engine
        self.precision = precision
        self.threads = threads
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def fit(self, X: ArrayLike, y: ArrayLike, noise: ArrayLike | None = None) -> Self:  # noqa: N803
        """Fit the hyper-parameters and keep the training rows.

        Parameters
        ----------
        X : array-like, shape (n, n_features)
            At least two rows.
        y : array-like, shape (n,) or (n, n_outputs)
            Targets.
        noise : array-like, shape (n,), optional
            Variance of the noise of each target in units of sigma squared, instead of the common
            one, which is then not fitted.

        Raises
        ------
        UsageError
            If a parameter is out of its range.
        """
        settings = Settings.of(self)
        features, y = validate_data(
            self,
            X,
            y,
            dtype=self.precision,
            order="C",
            multi_output=True,
            y_numeric=True,
            ensure_min_samples=2,
        )
        targets = np.asarray(y, dtype=np.float64).reshape(len(features), -1)
        self._one_output = np.ndim(y) == 1
        self.prior_mean_ = (
            targets.mean(axis=0)
            if self.prior_mean is None
            else np.full(targets.shape[1], float(self.prior_mean))
        )
        rng = generator_of(self.random_state)
        which = np.sort(
            rng.choice(len(features), min(self.batch_size, len(features)), replace=False)
        )
        self.process_ = fit_process(
            features,
            np.ascontiguousarray(targets - self.prior_mean_, dtype=features.dtype),
            noise=_checked_noise(noise, features),
            which=which,
            settings=settings,
            rng=rng,
        )
        return self

    def predict(
        self,
        X: ArrayLike,  # noqa: N803
        return_std: bool = False,  # noqa: FBT001, FBT002  # scikit-learn's argument
    ) -> Floats | tuple[Floats, Floats]:
        """Return the posterior mean and, if asked, its standard deviation.

        Parameters
        ----------
        X : array-like, shape (n, n_features)
            Rows.
        return_std : bool
            Return the standard deviation of the function, without noise, as well.

        Returns
        -------
        mean : array, shape (n,) or (n, n_outputs)
            In the unit of the targets.
        std : array of the same shape
            Only if `return_std`.
        """
        mean, error = self.predict_with_error(X)
        return (mean, error) if return_std else mean

    def predict_with_error(self, X: ArrayLike) -> tuple[Floats, Floats]:  # noqa: N803
        """Return the posterior mean and standard deviation, each of shape (n,) or (n, n_outputs).

        The standard deviation is that of the function, without the noise of a measurement.
        """
        mean, error = self._outputs(X)
        mean += self.prior_mean_
        return (mean[:, 0], error[:, 0]) if self._one_output else (mean, error)

    @classmethod
    def _with_parameters(cls, **parameters: Any) -> Self:
        return cls(**parameters)

    def _own_state(self) -> tuple[dict[str, Any], Arrays]:
        return {"one_output": self._one_output}, {"prior_mean": self.prior_mean_}

    def restore(self, plain: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
        """Set what the stored state holds beside the process."""
        n_outputs = self.process_.targets.shape[1]
        self.prior_mean_ = arrays.get("prior_mean", np.zeros(n_outputs))
        self._one_output = bool(plain.get("one_output", True))


def _checked_noise(
    noise: ArrayLike | None, rows: NDArray[np.floating[Any]]
) -> NDArray[np.floating[Any]] | None:
    if noise is None:
        return None
    values = np.ascontiguousarray(noise, dtype=rows.dtype)
    if values.shape != (len(rows),) or not np.all(np.isfinite(values) & (values >= 0.0)):
        raise UsageError(
            f"The noise of the rows, of shape {values.shape}, cannot be used.",
            f"Give {len(rows)} finite variances of 0 or above.",
        )
    return values
