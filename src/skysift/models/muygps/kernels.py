"""Covariance functions: Matern of any smoothness, and its limit, the squared exponential.

Both are functions of r, the Euclidean distance of two rows whose features are divided by the length
scale: one number (isotropic) or one per feature (anisotropic). Both are 1 at r = 0: the variance of
the process, sigma squared, is a factor of its own.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import UnknownNameError, UsageError
from skysift.models.muygps.smoothness import SmoothnessTable, smoothness_table

__all__ = [
    "LARGEST_NU",
    "MATERN_1_2",
    "MATERN_3_2",
    "MATERN_5_2",
    "MATERN_TABLE",
    "RBF",
    "SQUARED_EXPONENTIAL",
    "Kernel",
    "Matern",
    "Profile",
    "inverse_length_scale",
    "kernel_from_state",
    "kernel_to_state",
    "with_parameters",
]

Floats = NDArray[np.floating[Any]]
LengthScale = float | tuple[float, ...]

SQUARED_EXPONENTIAL, MATERN_1_2, MATERN_3_2, MATERN_5_2, MATERN_TABLE = range(5)
"""The forms of a profile."""

_CLOSED = {
    0.5: MATERN_1_2,
    1.5: MATERN_3_2,
    2.5: MATERN_5_2,
    math.inf: SQUARED_EXPONENTIAL,
}
LARGEST_NU = 30.0
"""Of a Matern kernel, but for infinity."""


@dataclass(frozen=True, slots=True)
class Profile:
    """How covariance falls with distance, in the form that every engine evaluates.

    Parameters
    ----------
    form : int
        Which closed form; ``MATERN_TABLE`` for none.
    table : SmoothnessTable
        For ``MATERN_TABLE``; of no meaning otherwise.
    """

    form: int
    table: SmoothnessTable

    def __call__(self, squared_distance: Floats) -> Floats:
        """Return the covariance at squared distances; the argument is overwritten.

        Parameters
        ----------
        squared_distance : array of any shape
            In units of the squared length scale; not negative.
        """
        if self.form == SQUARED_EXPONENTIAL:
            squared_distance *= -0.5
            return np.exp(squared_distance, out=squared_distance)
        x = np.sqrt(squared_distance, out=squared_distance)
        if self.form == MATERN_1_2:
            np.negative(x, out=x)
            return np.exp(x, out=x)
        if self.form == MATERN_TABLE:
            return self.table(x)
        x *= math.sqrt(3.0 if self.form == MATERN_3_2 else 5.0)
        decay = np.exp(-x)
        if self.form == MATERN_3_2:
            x += 1.0
        else:
            x += 1.0 + x * x / 3.0
        x *= decay
        return x


@dataclass(frozen=True, slots=True)
class Matern:
    """The Matern covariance.

    k(r) = 2^(1 - nu) / Gamma(nu) x^nu K_nu(x) with x = sqrt(2 nu) r (Rasmussen & Williams 2006,
    eq. 4.14). At nu = 1/2, 3/2, 5/2 and infinity the closed forms are used, elsewhere a table of
    accuracy 1e-12.

    Parameters
    ----------
    nu : float
        Smoothness, above 0 and up to 30, or infinity.
    length_scale : float or tuple of float
        Above 0; one for all features or one for each, of which a list or an array may be given.

    Raises
    ------
    UsageError
        If a parameter is out of its range.

    Examples
    --------
    >>> Matern(nu=0.5).profile()(np.array([0.0, 1.0])).round(4)
    array([1.    , 0.3679])
    """

    nu: float = 1.5
    length_scale: LengthScale = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "length_scale", _checked_length_scale(self.length_scale))
        if not (0.0 < self.nu <= LARGEST_NU or self.nu == math.inf):
            raise UsageError(
                f"A Matern kernel cannot have nu = {self.nu}.",
                f"Use 0 < nu <= {LARGEST_NU:g}, or infinity.",
            )

    def profile(self) -> Profile:
        """Return the function of squared distance."""
        form = _CLOSED.get(self.nu, MATERN_TABLE)
        return Profile(form, smoothness_table(self.nu if form == MATERN_TABLE else 0.5))


@dataclass(frozen=True, slots=True)
class RBF:
    """The squared exponential covariance, exp(-r^2 / 2): the Matern one at nu = infinity.

    Parameters
    ----------
    length_scale : float or tuple of float
        As of :class:`Matern`.

    Raises
    ------
    UsageError
        If the length scale is out of its range.
    """

    length_scale: LengthScale = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "length_scale", _checked_length_scale(self.length_scale))

    def profile(self) -> Profile:
        """Return the function of squared distance."""
        return Profile(SQUARED_EXPONENTIAL, smoothness_table(0.5))


Kernel = Matern | RBF


def inverse_length_scale(kernel: Kernel, n_features: int) -> NDArray[np.float64]:
    """Return what the features are multiplied by, shape (n_features,).

    Raises
    ------
    UsageError
        If the kernel has length scales for another number of features.
    """
    scale = np.atleast_1d(np.asarray(kernel.length_scale, dtype=np.float64))
    if len(scale) not in {1, n_features}:
        raise UsageError(
            f"The kernel has {len(scale)} length scales for {n_features} features.",
            "Give one, or one per feature.",
        )
    return np.ascontiguousarray(np.broadcast_to(1.0 / scale, n_features))


def kernel_to_state(kernel: Kernel) -> dict[str, Any]:
    """Return the kernel as plain values, fit for JSON; infinity is the word "inf".

    Examples
    --------
    >>> kernel_to_state(Matern(nu=math.inf, length_scale=(1.0, 2.0)))
    {'name': 'matern', 'length_scale': [1.0, 2.0], 'nu': 'inf'}
    """
    scale = kernel.length_scale
    plain = list(scale) if isinstance(scale, tuple) else float(scale)
    if isinstance(kernel, RBF):
        return {"name": "rbf", "length_scale": plain}
    nu = "inf" if math.isinf(kernel.nu) else float(kernel.nu)
    return {"name": "matern", "length_scale": plain, "nu": nu}


def kernel_from_state(state: Mapping[str, Any]) -> Kernel:
    """Return the kernel that `kernel_to_state` described.

    Raises
    ------
    UnknownNameError
        If there is no kernel of that name.
    """
    scale = state["length_scale"]
    length_scale = tuple(float(s) for s in scale) if isinstance(scale, list) else float(scale)
    match state["name"]:
        case "rbf":
            return RBF(length_scale)
        case "matern":
            return Matern(float(state["nu"]), length_scale)
        case name:
            raise UnknownNameError("kernel", str(name), ("matern", "rbf"))


def with_parameters(kernel: Kernel, values: Mapping[str, LengthScale]) -> Kernel:
    """Return a copy with other values of the parameters that are named."""
    changes: dict[str, Any] = dict(values)
    return replace(kernel, **changes)


def _checked_length_scale(length_scale: LengthScale) -> LengthScale:
    """Return a length scale as one number, or as a tuple where there is one per feature."""
    scale = np.asarray(length_scale, dtype=np.float64)
    if scale.ndim > 1 or not np.all((scale > 0.0) & np.isfinite(scale)):
        raise UsageError(
            f"A kernel cannot have the length scale {length_scale}.",
            "Use a finite number above 0, or a tuple of one per feature.",
        )
    return tuple(scale.tolist()) if scale.ndim else float(scale)
