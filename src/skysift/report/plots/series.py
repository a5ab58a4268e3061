"""What the plot functions take: plain arrays, bundled where several belong together."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skysift.core.errors import InputError

__all__ = ["Estimate", "Roc", "Series", "require_some"]


class Roc(Protocol):
    """A receiver operating characteristic: `acceptance` and `efficiency`, shape (n,) each."""

    @property
    def acceptance(self) -> ArrayLike:
        """Fraction of the background that is kept, ascending."""

    @property
    def efficiency(self) -> ArrayLike:
        """Fraction of the signal that is kept."""


class Estimate(Protocol):
    """A number with an optional interval, e.g. :class:`skysift.core.results.Metric`."""

    @property
    def value(self) -> float:
        """The point estimate."""

    @property
    def low(self) -> float | None:
        """Lower limit."""

    @property
    def high(self) -> float | None:
        """Upper limit."""


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Values along an axis, with an optional interval at each.

    Parameters
    ----------
    x, y : array-like, shape (n,)
        Positions and values.
    low, high : array-like, shape (n,), optional
        Limits of the interval at each position; both or neither.

    Raises
    ------
    InputError
        The arrays differ in shape, or one limit is given without the other.

    Examples
    --------
    >>> Series([1, 2], [0.8, 0.9], low=[0.7, 0.85], high=[0.9, 0.95]).has_interval
    True
    """

    x: ArrayLike
    y: ArrayLike
    low: ArrayLike | None = None
    high: ArrayLike | None = None

    def __post_init__(self) -> None:
        given = {"x": self.x, "y": self.y, "low": self.low, "high": self.high}
        shapes = {name: np.shape(value) for name, value in given.items() if value is not None}
        if len(set(shapes.values())) > 1 or len(shapes["x"]) != 1:
            raise InputError(
                f"The arrays of a series must have one shape (n,), not {shapes}.",
                "Give one value, and one limit on each side, for each position.",
            )
        if (self.low is None) != (self.high is None):
            raise InputError(
                "A series has only one side of its interval.", "Give both `low` and `high`."
            )

    @property
    def has_interval(self) -> bool:
        """Whether limits are known."""
        return self.low is not None

    def errors(self) -> NDArray[np.float64] | None:
        """Return the distances from the values to their limits, shape (2, n), never negative."""
        if self.low is None or self.high is None:
            return None
        y = np.asarray(self.y, dtype=float)
        sides = np.stack([y - np.asarray(self.low, float), np.asarray(self.high, float) - y])
        errors: NDArray[np.float64] = np.maximum(sides, 0.0)
        return errors


def require_some(given: Mapping[str, Any], what: str) -> None:
    """Refuse an empty mapping: an empty figure would look like a result."""
    if not given:
        raise InputError(f"There is no {what} to plot.", "Pass at least one, by name.")
