"""What classification and regression by a local process share: posteriors, and the stored state."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted, validate_data

from skysift.models.muygps.process import Arrays, LocalProcess

__all__ = ["LocalEstimator", "generator_of"]

Floats = NDArray[np.float64]

_SEED_WORDS = 4


def generator_of(
    random_state: int | np.random.Generator | np.random.RandomState,
) -> np.random.Generator:
    """Return the generator of an estimator's ``random_state``.

    That of scikit-learn's older kind cannot spawn others, as the search for starts does: it draws
    the seed.
    """
    if isinstance(random_state, np.random.RandomState):
        seed = random_state.randint(0, 2**32, size=_SEED_WORDS, dtype=np.uint32)
        return np.random.default_rng(seed)
    return np.random.default_rng(random_state)


class LocalEstimator:
    """Base of the estimators: a fitted process, and what a subclass adds to it."""

    precision: str
    process_: LocalProcess
    n_features_in_: int

    def to_state(self) -> tuple[dict[str, Any], Arrays]:
        """Return the fitted model as plain values, fit for JSON, and arrays."""
        check_is_fitted(self, "process_")
        plain, arrays = self.process_.to_state()
        own_plain, own_arrays = self._own_state()
        return plain | own_plain, arrays | own_arrays

    @classmethod
    def from_state(
        cls,
        plain: Mapping[str, Any],
        arrays: Mapping[str, NDArray[Any]],
        *,
        search: str = "exact",
        engine: str = "auto",
        threads: int = 1,
    ) -> Self:
        """Return the fitted model that `to_state` described.

        Raises
        ------
        BundleError
            If something is missing or does not fit together.
        """
        process = LocalProcess.from_state(
            plain, arrays, search=search, engine=engine, threads=threads
        )
        model = cls._with_parameters(search=search, **process.estimator_parameters())
        model.process_ = process
        model.n_features_in_ = process.points.shape[1]
        model.restore(plain, arrays)
        return model

    @classmethod
    @abstractmethod
    def _with_parameters(cls, **parameters: Any) -> Self:
        """Return an estimator that is not fitted."""

    @abstractmethod
    def _own_state(self) -> tuple[dict[str, Any], Arrays]:
        """Return what the subclass keeps beside the process."""

    @abstractmethod
    def restore(self, plain: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
        """Set what the stored state holds beside the process, which is there already."""

    def _outputs(self, X: ArrayLike) -> tuple[Floats, Floats]:  # noqa: N803  # scikit-learn's name
        """Return means and standard deviations of the process, shape (n, n_outputs)."""
        check_is_fitted(self, "process_")
        rows = validate_data(self, X, dtype=self.precision, order="C", reset=False)
        posterior = self.process_.posterior(rows)
        mean = posterior.mean.astype(np.float64)
        return mean, self.process_.standard_deviation(posterior)
