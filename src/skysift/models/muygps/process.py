"""A fitted local process: training rows, hyper-parameters, and the search for neighbours.

The regressor and the classifier differ in what they make of targets and posteriors; this is what
they share.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import BundleError, UnknownNameError, UsageError
from skysift.models.muygps.kernels import Kernel, Matern, kernel_from_state, kernel_to_state
from skysift.models.muygps.losses import loss_named
from skysift.models.muygps.neighbours import (
    NeighbourSearch,
    leave_one_out_neighbours,
    open_search,
)
from skysift.models.muygps.optimise import Batch, Bounds, Hyperparameters, minimise_loss
from skysift.models.muygps.posterior import LocalPosterior, Neighbourhoods, local_posterior

__all__ = ["Arrays", "FreeParameters", "LocalProcess", "Settings", "fit_process"]

Arrays = dict[str, NDArray[Any]]
FreeParameters = Bounds | Literal["auto"] | None

_RANGE = 100.0  # of a free length scale, either way from its start
_NOISE_BOUNDS = (1e-6, 10.0)
_NOISE_OF_SINGLE = (1e-5, 10.0)  # below, the rounding of predictions is the larger error


@dataclass(frozen=True, slots=True)
class Settings:
    """How a process is searched, computed and fitted; the estimators describe the fields."""

    kernel: Kernel | None
    noise: float
    free: FreeParameters
    n_neighbours: int
    loss: str
    optimiser: str
    search: str
    engine: str
    precision: str
    threads: int

    @classmethod
    def of(cls, estimator: Any) -> "Settings":
        """Return the settings of an estimator, whose parameters have the names of the fields.

        Raises
        ------
        UsageError
            If a number is out of its range, the kernel is none, or the precision is not one of two.
        """
        settings = cls(**{field.name: getattr(estimator, field.name) for field in fields(cls)})
        if not isinstance(settings.kernel, Kernel | None):
            raise UsageError(
                f"This is no kernel: {settings.kernel!r}.", "Give a Matern or an RBF, or None."
            )
        _check_counts(estimator)
        if not 0.0 <= settings.noise < math.inf:
            raise UsageError(
                f"The noise cannot be {settings.noise}.", "Give a variance of 0 or above."
            )
        if settings.precision not in {"float32", "float64"}:
            raise UnknownNameError("precision", settings.precision, ("float32", "float64"))
        return settings


@dataclass(frozen=True, slots=True)
class LocalProcess:
    """Training rows with hyper-parameters.

    Parameters
    ----------
    points : array, shape (n, n_features)
        Features of the training rows.
    targets : array, shape (n, n_outputs)
        Less the mean of the process.
    noise : array, shape (n,)
        Variances in units of sigma squared.
    parameters : Hyperparameters
        The kernel and, where all rows share it, the noise.
    sigma_squared : array, shape (n_outputs,)
        Scale of the variance.
    k : int
        Number of neighbours of a row; one less of a training row where these are all.
    search : NeighbourSearch
        Among the points.
    engine : str
        How posteriors are computed.
    threads : int
        On how many threads.
    """

    points: NDArray[np.floating[Any]]
    targets: NDArray[np.floating[Any]]
    noise: NDArray[np.floating[Any]]
    parameters: Hyperparameters
    sigma_squared: NDArray[np.float64]
    k: int
    search: NeighbourSearch
    engine: str
    threads: int

    def estimator_parameters(self) -> dict[str, Any]:
        """Return the parameters of an estimator that has this process, but for its search."""
        return {
            "kernel": self.parameters.kernel,
            "free": None,
            "n_neighbours": self.k,
            "engine": self.engine,
            "precision": str(self.points.dtype),
            "threads": self.threads,
        }

    def posterior(self, rows: NDArray[np.floating[Any]]) -> LocalPosterior:
        """Return the posterior of new rows, shape (n, n_features)."""
        return self._posterior(self._neighbourhoods(rows, self.search.query(rows, self.k)))

    def leave_one_out(self, which: NDArray[np.intp]) -> LocalPosterior:
        """Return the posterior of training rows, each without itself, in double precision."""
        near = leave_one_out_neighbours(
            self.search, self.points, which, min(self.k, len(self.points) - 1)
        )
        return self._posterior(_compact(self._neighbourhoods(self.points[which], near)))

    def standard_deviation(self, posterior: LocalPosterior) -> NDArray[np.float64]:
        """Return that of each output, shape (n, n_outputs), in the unit of the targets."""
        variance = posterior.variance[:, None].astype(np.float64) * self.sigma_squared
        return np.asarray(np.sqrt(variance))

    def to_state(self) -> tuple[dict[str, Any], Arrays]:
        """Return all that predictions need: plain values, fit for JSON, and arrays."""
        plain = {
            "kernel": kernel_to_state(self.parameters.kernel),
            "noise": self.parameters.noise,
            "n_neighbours": self.k,
        }
        arrays: Arrays = {
            "points": self.points,
            "targets": self.targets,
            "sigma_squared": self.sigma_squared,
        }
        if self.parameters.noise is None:
            arrays["noise"] = self.noise
        return plain, arrays

    @classmethod
    def from_state(
        cls,
        plain: Mapping[str, Any],
        arrays: Mapping[str, NDArray[Any]],
        *,
        search: str,
        engine: str,
        threads: int,
    ) -> "LocalProcess":
        """Return the process that `to_state` described.

        Raises
        ------
        BundleError
            If something is missing or does not fit together.
        """
        try:
            points, targets = arrays["points"], arrays["targets"]
            common = plain["noise"]
            noise = (
                arrays["noise"] if common is None else np.full(len(points), common, points.dtype)
            )
            kernel = kernel_from_state(plain["kernel"])
            k, sigma_squared = int(plain["n_neighbours"]), arrays["sigma_squared"]
        except (KeyError, TypeError, ValueError) as error:
            raise _unusable(f"{type(error).__name__}: {error}") from error
        if not (
            points.ndim == targets.ndim == 2  # noqa: PLR2004  # rows and columns
            and len(points) == len(targets) == len(noise) >= k >= 1
            and sigma_squared.shape == targets.shape[1:]
        ):
            raise _unusable("its arrays do not fit together")
        if not all(np.isfinite(array).all() for array in (points, targets, noise, sigma_squared)):
            raise _unusable("its arrays hold what is no finite number")
        return cls(
            points,
            targets,
            noise,
            Hyperparameters(kernel, None if common is None else float(common)),
            sigma_squared,
            k,
            open_search(search, points, threads=threads),
            engine,
            threads,
        )

    def _neighbourhoods(
        self, rows: NDArray[np.floating[Any]], near: NDArray[np.intp]
    ) -> Neighbourhoods:
        return Neighbourhoods(rows, self.points, self.targets, self.noise, near)

    def _posterior(self, rows: Neighbourhoods) -> LocalPosterior:
        return local_posterior(
            rows, self.parameters.kernel, engine=self.engine, threads=self.threads
        )


def fit_process(
    points: NDArray[np.floating[Any]],
    targets: NDArray[np.floating[Any]],
    *,
    noise: NDArray[np.floating[Any]] | None,
    which: NDArray[np.intp],
    settings: Settings,
    rng: np.random.Generator,
) -> LocalProcess:
    """Return a process with the hyper-parameters of the least leave-one-out loss.

    Parameters
    ----------
    points : array, shape (n, n_features)
        Features of at least two training rows.
    targets : array, shape (n, n_outputs)
        Less the mean of the process.
    noise : array, shape (n,), optional
        Variances of the rows in units of sigma squared, instead of the common one.
    which : array of int
        The batch, among the rows.
    settings : Settings
        How.
    rng : Generator
        For the starting points of the search.
    """
    search = open_search(settings.search, points, threads=settings.threads)
    k = min(int(settings.n_neighbours), len(points))
    near = leave_one_out_neighbours(search, points, which, min(k, len(points) - 1))
    known = np.zeros(len(points), points.dtype) if noise is None else noise
    rows = _compact(Neighbourhoods(points[which], points, targets, known, near))
    batch = Batch(rows, targets[which].astype(np.float64), settings.engine, settings.threads)
    start = Hyperparameters(
        settings.kernel or Matern(1.5, _typical_distance(batch.rows)),
        settings.noise if noise is None else None,
    )
    bounds = _default_bounds(start) if settings.free == "auto" else (settings.free or {})
    search_in = partial(
        minimise_loss,
        batch,
        start,
        loss=loss_named(settings.loss),
        rng=rng,
        optimiser=settings.optimiser,
    )
    parameters = search_in(bounds)
    if settings.free == "auto" and settings.precision == "float32" and _is_too_low(parameters):
        parameters = search_in({**bounds, "noise": _NOISE_OF_SINGLE})
    variances = np.full(len(points), parameters.noise, points.dtype) if noise is None else noise
    return LocalProcess(
        points,
        targets,
        variances,
        parameters,
        batch.sigma_squared(batch.posterior(parameters)),
        k,
        search,
        settings.engine,
        settings.threads,
    )


def _check_counts(estimator: Any) -> None:
    names = ("n_neighbours", "threads", "batch_size", "calibration_size")
    counts = {name: getattr(estimator, name) for name in names if hasattr(estimator, name)}
    if not all(isinstance(count, int | np.integer) and count >= 1 for count in counts.values()):
        said = ", ".join(f"{name} = {count!r}" for name, count in counts.items())
        raise UsageError(f"{said} cannot be.", "Give each a whole number of at least 1.")


def _compact(rows: Neighbourhoods) -> Neighbourhoods:
    """Return the same rows with those training rows only that are neighbours of one, in doubles.

    What is fitted is fitted in double precision: derivatives by differences of single precision
    would end where rounding leads them, which is another place for each engine.
    """
    used, compact = np.unique(rows.indices, return_inverse=True)
    return Neighbourhoods(
        rows.query.astype(np.float64),
        rows.points[used].astype(np.float64),
        rows.targets[used].astype(np.float64),
        rows.noise[used].astype(np.float64),
        compact.reshape(rows.indices.shape),
    )


def _typical_distance(rows: Neighbourhoods) -> float:
    """Return the median distance of a row to its farthest neighbour; 1 if that is zero."""
    last = rows.points[rows.indices[:, -1]]
    distance = float(np.median(np.linalg.norm(rows.query - last, axis=1)))
    return distance if distance > 0.0 else 1.0


def _default_bounds(start: Hyperparameters) -> Bounds:
    scales = np.atleast_1d(start.kernel.length_scale)
    bounds = {"length_scale": (float(scales.min()) / _RANGE, float(scales.max()) * _RANGE)}
    return bounds if start.noise is None else bounds | {"noise": _NOISE_BOUNDS}


def _is_too_low(parameters: Hyperparameters) -> bool:
    """Tell whether the noise is below what predictions in single precision bear."""
    return parameters.noise is not None and parameters.noise < _NOISE_OF_SINGLE[0]


def _unusable(reason: str) -> BundleError:
    return BundleError(
        f"This is not the state of a local Gaussian process: {reason}.",
        "Fetch the bundle again, or train it again.",
    )
