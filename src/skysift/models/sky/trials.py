"""How many candidates a field without sources yields: the trials of a search.

For a smooth Gaussian field the number of peaks above a high level z on an area A is

    E(z) = A R (2 pi)^(-3/2) z exp(-z^2 / 2)

with R the variance of the slope along one axis over that of the field (Adler & Taylor 2007, Random
Fields and Geometry, theorem 15.10.1, the term of the area). A search on pixels of Poisson counts
departs from it by a factor that depends weakly on z and on how far from Gaussian the field is,
which its skewness tells: that of short exposures and high energies is large. It is measured on
empty maps; the table of these factors belongs to a bundle.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq

from skysift.core.errors import UsageError

__all__ = ["Texture", "TrialsTable"]

FloatArray = NDArray[np.float64]

_LOWEST, _HIGHEST = 1.5, 40.0


class Texture(NamedTuple):
    """What a filtered background is like.

    Parameters
    ----------
    roughness : float [deg-2]
        Variance of the slope along one axis over that of the field.
    skewness : float
        Third central moment over the third power of the standard deviation; 0 of a Gaussian field.
    """

    roughness: float
    skewness: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class TrialsTable:
    """Factor between the peaks that a search finds on empty maps and the formula.

    Tables of the same numbers are equal.

    Parameters
    ----------
    level : array, shape (n,)
        Significances, increasing.
    factor : array, shape (n,) or (m, n)
        Measured over expected number of peaks above each; constant beyond the ends.
    told : TrialsTable or None
        The same of a search whose background comes from a response; None where that is no other.

    skewness : array, shape (m,), or None
        Of the field, increasing; None where the factor was measured at one skewness only.

    Raises
    ------
    UsageError
        If levels or skewness do not increase, a factor is not positive, or shapes do not fit.

    Examples
    --------
    >>> table = TrialsTable(np.array([3.0]), np.array([1.0]))
    >>> round(table.level_for(0.01, area=15.0, texture=Texture(100.0)), 2)
    4.62
    """

    level: FloatArray
    factor: FloatArray
    told: "TrialsTable | None" = None
    skewness: FloatArray | None = None

    def __post_init__(self) -> None:
        axes = [self.level] if self.skewness is None else [self.skewness, self.level]
        ordered = all(len(axis) > 0 and np.all(np.diff(axis) > 0) for axis in axes)
        shape = tuple(len(axis) for axis in axes)
        if not ordered or np.shape(self.factor) != shape or np.any(self.factor <= 0):
            raise UsageError(
                "A table of trials needs increasing levels and positive factors.",
                "Calibrate it on empty maps.",
            )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TrialsTable) and self._numbers() == other._numbers()

    def __hash__(self) -> int:
        return hash(self._numbers())

    def _numbers(self) -> tuple[object, ...]:
        axes = (self.level, self.factor, self.skewness)
        return *(None if one is None else tuple(one.ravel().tolist()) for one in axes), self.told

    def of_search(self, *, told: bool) -> "TrialsTable":
        """Return the table of a search that is told the background by a response, or is not."""
        return self.told if told and self.told is not None else self

    def false_alarms(self, level: ArrayLike, *, area: float, texture: Texture) -> FloatArray:
        """Return the expected number of peaks as high as a level on a field without sources.

        Parameters
        ----------
        level : array_like
            Significance r* of a peak.
        area : float [deg2]
            Searched.
        texture : Texture
            Of the filtered background.
        """
        return np.asarray(np.exp(self._log_false_alarms(level, area=area, texture=texture)))

    def level_for(self, false_alarms: float, *, area: float, texture: Texture) -> float:
        """Return the significance that a number of false alarms per field asks for.

        Between 1.5, below which the formula does not hold, and 40, which no chance reaches.
        """
        factor = self._log_factor(texture.skewness)
        peaks = math.log(area * texture.roughness * (2 * math.pi) ** -1.5 / false_alarms)

        def excess(z: float) -> float:
            return float(np.interp(z, self.level, factor)) + peaks + math.log(z) - z**2 / 2

        if excess(_LOWEST) <= 0:
            return _LOWEST
        return float(brentq(excess, _LOWEST, _HIGHEST)) if excess(_HIGHEST) < 0 else _HIGHEST

    def _log_false_alarms(self, level: ArrayLike, *, area: float, texture: Texture) -> FloatArray:
        z = np.maximum(np.asarray(level, dtype=np.float64), _LOWEST)
        factor = np.interp(z, self.level, self._log_factor(texture.skewness))
        peaks = np.log(area * texture.roughness * (2 * np.pi) ** -1.5 * z) - z**2 / 2
        return np.asarray(factor + peaks)

    def _log_factor(self, skewness: float) -> FloatArray:
        """Return the logarithm of the factor at each level."""
        factor = np.log(self.factor)
        if self.skewness is None:
            return factor
        return np.array([np.interp(skewness, self.skewness, column) for column in factor.T])
