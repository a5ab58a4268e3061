"""Hyper-parameters that minimise a leave-one-out loss on a batch of training rows.

The loss of a batch costs milliseconds, so that derivatives by finite differences are cheap. All
parameters are positive and are searched on a logarithmic scale.
"""

# What is fitted predicts without scipy.optimize and scipy.stats, which take a second to import.
# ruff: noqa: PLC0415

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import UnknownNameError, UsageError
from skysift.models.muygps.kernels import LARGEST_NU, RBF, Kernel, with_parameters
from skysift.models.muygps.losses import Loss
from skysift.models.muygps.posterior import LocalPosterior, Neighbourhoods, local_posterior

__all__ = ["OPTIMISERS", "Batch", "Hyperparameters", "minimise_loss"]

Floats = NDArray[np.float64]
Bounds = Mapping[str, tuple[float, float]]

OPTIMISERS = ("scipy", "bayes")

_NAMES = ("length_scale", "noise", "nu")
_STARTS = 8
_PROPOSALS = 25
_CANDIDATES = 2048
_STEP = 1e-4  # of a derivative: rounding and curvature then err by 1e-11 and 1e-8
_LEAST_SIGMA_SQUARED = 1e-200  # of constant targets


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """What a batch determines.

    Parameters
    ----------
    kernel : Matern or RBF
        The covariance.
    noise : float or None
        Variance of the noise in units of sigma squared; None where each row has its own.
    """

    kernel: Kernel
    noise: float | None


@dataclass(frozen=True, slots=True)
class Batch:
    """Training rows, each with neighbours among the others.

    Parameters
    ----------
    rows : Neighbourhoods
        The rows, conditioned on all but themselves.
    targets : array, shape (n, n_outputs)
        Their own targets.
    engine : str
        How posteriors are computed.
    threads : int
        On how many threads.
    """

    rows: Neighbourhoods
    targets: NDArray[np.floating[Any]]
    engine: str
    threads: int

    def posterior(self, parameters: Hyperparameters) -> LocalPosterior:
        """Return the leave-one-out posteriors."""
        rows = self.rows
        if parameters.noise is not None:
            noise = np.full(len(rows.points), parameters.noise, rows.points.dtype)
            rows = Neighbourhoods(rows.query, rows.points, rows.targets, noise, rows.indices)
        return local_posterior(rows, parameters.kernel, engine=self.engine, threads=self.threads)

    def sigma_squared(self, posterior: LocalPosterior) -> Floats:
        """Return the scale of the variance of each output, shape (n_outputs,), above 0."""
        found = posterior.sigma_squared(self.rows.indices.shape[1])
        return np.maximum(found, _LEAST_SIGMA_SQUARED)

    def loss(self, parameters: Hyperparameters, loss: Loss) -> float:
        """Return the loss at some hyper-parameters."""
        posterior = self.posterior(parameters)
        return loss(posterior, self.targets, self.sigma_squared(posterior))


def minimise_loss(
    batch: Batch,
    start: Hyperparameters,
    bounds: Bounds,
    loss: Loss,
    *,
    rng: np.random.Generator,
    optimiser: str = "scipy",
) -> Hyperparameters:
    """Return the hyper-parameters of the least loss.

    Parameters
    ----------
    batch : Batch
        What to predict.
    start : Hyperparameters
        Where to begin, and the values of what is not free. With a tuple of length scales, each of
        them is free.
    bounds : mapping of str to (float, float)
        The free ones of "length_scale", "noise" and "nu", with their least and greatest values.
    loss : callable
        One of :mod:`skysift.models.muygps.losses`.
    rng : Generator
        For further starting points.
    optimiser : {"scipy", "bayes"}
        L-BFGS-B from the best of some points spread over the bounds; or Bayesian optimisation,
        which needs fewer losses and no derivatives.

    Raises
    ------
    UsageError
        If the bounds are not of a parameter of this model, or not positive and in order, or if
        those of nu end above 30.
    UnknownNameError
        If there is no such optimiser or parameter.
    """
    if optimiser not in OPTIMISERS:
        raise UnknownNameError("optimiser", optimiser, OPTIMISERS)
    space = _Space.of(start, bounds)
    if not len(space.low):
        return start

    def objective(point: Floats) -> float:
        value = batch.loss(space.parameters(point), loss)
        return value if math.isfinite(value) else np.finfo(np.float64).max

    search = _descend if optimiser == "scipy" else _propose
    return space.parameters(search(objective, space, rng))


@dataclass(frozen=True, slots=True)
class _Space:
    """The free hyper-parameters as a vector of logarithms between bounds."""

    start: Hyperparameters
    names: tuple[str, ...]
    low: Floats
    high: Floats

    @classmethod
    def of(cls, start: Hyperparameters, bounds: Bounds) -> "_Space":
        names: list[str] = []
        limits: list[tuple[float, float]] = []
        for name, (least, greatest) in bounds.items():
            _check_free(start, name)
            _check_bounds(name, least, greatest)
            scale = start.kernel.length_scale
            count = len(scale) if name == "length_scale" and isinstance(scale, tuple) else 1
            names += [name] * count
            limits += [(math.log(least), math.log(greatest))] * count
        low, high = np.array(limits, dtype=np.float64).reshape(-1, 2).T
        return cls(start, tuple(names), low, high)

    def origin(self) -> Floats:
        """Return the starting point, inside the bounds."""
        kernel = self.start.kernel
        values: list[float] = []
        for name in dict.fromkeys(self.names):
            value: Any = self.start.noise if name == "noise" else getattr(kernel, name)
            values += value if isinstance(value, tuple) else [value]
        least = np.finfo(np.float64).tiny
        return np.clip(np.log(np.maximum(values, least)), self.low, self.high)

    def spread(self, n: int, rng: np.random.Generator) -> Floats:
        """Return n points that fill the space evenly, shape (n, n_free)."""
        from scipy.stats import qmc

        unit = qmc.LatinHypercube(len(self.low), rng=rng).random(n)
        return np.asarray(self.low + unit * (self.high - self.low))

    def parameters(self, point: Floats) -> Hyperparameters:
        """Return the hyper-parameters at a point."""
        noise = self.start.noise
        changes: dict[str, float | tuple[float, ...]] = {}
        for name in dict.fromkeys(self.names):
            values = tuple(
                float(v)
                for v, owner in zip(np.exp(point), self.names, strict=True)
                if owner == name
            )
            if name == "noise":
                noise = values[0]
            elif name == "nu":
                # The exponential of the logarithm of 30 is above 30 by a rounding error.
                changes[name] = min(values[0], LARGEST_NU)
            elif isinstance(getattr(self.start.kernel, name), tuple):
                changes[name] = values
            else:
                changes[name] = values[0]
        return Hyperparameters(with_parameters(self.start.kernel, changes), noise)


def _check_free(start: Hyperparameters, name: str) -> None:
    if name not in _NAMES:
        raise UnknownNameError("hyper-parameter", name, _NAMES)
    if name == "nu" and (isinstance(start.kernel, RBF) or math.isinf(start.kernel.nu)):
        raise UsageError(
            "This kernel has no nu that could be free.", "Use Matern with a finite nu."
        )
    if name == "noise" and start.noise is None:
        raise UsageError(
            "The noise cannot be free where each row has its own.",
            "Leave it out of the bounds, or fit without the noise of the rows.",
        )


def _check_bounds(name: str, least: float, greatest: float) -> None:
    if not 0.0 < least <= greatest < math.inf:
        raise UsageError(
            f"The bounds of {name}, {least} and {greatest}, cannot be.",
            "Give two positive numbers, the smaller first.",
        )
    if name == "nu" and greatest > LARGEST_NU:
        raise UsageError(
            f"The bounds of nu, {least} and {greatest}, cannot be.",
            f"Give at most {LARGEST_NU:g}, or fix nu at infinity.",
        )


def _descend(
    objective: Callable[[Floats], float], space: _Space, rng: np.random.Generator
) -> Floats:
    from scipy.optimize import minimize

    starts = np.vstack([space.origin(), space.spread(_STARTS * len(space.low), rng)])
    best = starts[int(np.argmin([objective(point) for point in starts]))]
    found = minimize(
        objective,
        best,
        jac=lambda point: _slope(objective, point, space),
        method="L-BFGS-B",
        bounds=list(zip(space.low, space.high, strict=True)),
        options={"ftol": 1e-12, "gtol": 1e-7, "maxiter": 100},
    )
    return np.asarray(found.x if found.fun <= objective(best) else best)


def _slope(objective: Callable[[Floats], float], point: Floats, space: _Space) -> Floats:
    """Return the derivatives by central differences, exact enough to end at the minimum itself."""
    above = np.minimum(point + _STEP * np.eye(len(point)), space.high)
    below = np.maximum(point - _STEP * np.eye(len(point)), space.low)
    steps = np.einsum("ii->i", above - below)
    rise = [objective(up) - objective(down) for up, down in zip(above, below, strict=True)]
    return np.asarray(rise / steps)


def _propose(
    objective: Callable[[Floats], float], space: _Space, rng: np.random.Generator
) -> Floats:
    """Evaluate where a Gaussian process of the loss expects the greatest improvement.

    Jones, Schonlau & Welch 1998, Journal of Global Optimization 13, 455, eq. 15.
    """
    from scipy.stats import norm
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import Matern as Covariance

    points = np.vstack([space.origin(), space.spread(2 + 2 * len(space.low), rng)])
    values = np.array([objective(point) for point in points])
    width = np.maximum(space.high - space.low, np.finfo(np.float64).tiny)
    surrogate = GaussianProcessRegressor(
        Covariance(length_scale=0.3, length_scale_bounds="fixed", nu=2.5),
        alpha=1e-6,
        normalize_y=True,
    )
    for _ in range(_PROPOSALS):
        surrogate.fit((points - space.low) / width, values)
        candidates = space.spread(_CANDIDATES, rng)
        mean, error = surrogate.predict((candidates - space.low) / width, return_std=True)
        error = np.maximum(error, np.finfo(np.float64).tiny)
        gain = (values.min() - mean) / error
        expected = error * (gain * norm.cdf(gain) + norm.pdf(gain))
        chosen = candidates[int(np.argmax(expected))]
        points, values = np.vstack([points, chosen]), np.append(values, objective(chosen))
    return np.asarray(points[int(np.argmin(values))])
