"""How many candidates a field without sources yields: the trials of a search.

For a smooth Gaussian field the number of peaks above a high level z on an area A is

    E(z) = A R (2 pi)^(-3/2) z exp(-z^2 / 2)

with R the variance of the slope along one axis over that of the field (Adler & Taylor 2007, Random
Fields and Geometry, theorem 15.10.1, the term of the area). A search on pixels of Poisson counts
departs from it by a factor that depends weakly on z and is measured on empty maps; the table of
these factors belongs to a bundle.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq

from skysift.core.errors import UsageError

__all__ = ["TrialsTable"]

FloatArray = NDArray[np.float64]

_LOWEST, _HIGHEST = 1.5, 40.0


@dataclass(frozen=True, slots=True, eq=False)
class TrialsTable:
    """Factor between the peaks that a search finds on empty maps and the formula.

    Tables of the same numbers are equal.

    Parameters
    ----------
    level : array, shape (n,)
        Significances, increasing.
    factor : array, shape (n,)
        Measured over expected number of peaks above each; constant beyond the ends.
    told : TrialsTable or None
        The same of a search whose background comes from a response; None where that is no other.

    Raises
    ------
    UsageError
        If the levels do not increase or a factor is not positive.

    Examples
    --------
    >>> table = TrialsTable(np.array([3.0]), np.array([1.0]))
    >>> round(table.level_for(0.01, area=15.0, roughness=100.0), 2)
    4.62
    """

    level: FloatArray
    factor: FloatArray
    told: "TrialsTable | None" = None

    def __post_init__(self) -> None:
        if len(self.level) == 0 or np.any(np.diff(self.level) <= 0) or np.any(self.factor <= 0):
            raise UsageError(
                "A table of trials needs increasing levels and positive factors.",
                "Calibrate it on empty maps.",
            )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TrialsTable) and self._numbers() == other._numbers()

    def __hash__(self) -> int:
        return hash(self._numbers())

    def _numbers(self) -> tuple[object, ...]:
        return tuple(self.level.tolist()), tuple(self.factor.tolist()), self.told

    def of_search(self, *, told: bool) -> "TrialsTable":
        """Return the table of a search that is told the background by a response, or is not."""
        return self.told if told and self.told is not None else self

    def false_alarms(self, level: ArrayLike, *, area: float, roughness: float) -> FloatArray:
        """Return the expected number of peaks as high as a level on a field without sources.

        Parameters
        ----------
        level : array_like
            Significance r* of a peak.
        area : float [deg2]
            Searched.
        roughness : float [deg-2]
            Of the filtered background.
        """
        return np.asarray(np.exp(self._log_false_alarms(level, area=area, roughness=roughness)))

    def level_for(self, false_alarms: float, *, area: float, roughness: float) -> float:
        """Return the significance that a number of false alarms per field asks for.

        Between 1.5, below which the formula does not hold, and 40, which no chance reaches.
        """
        factor = np.log(self.factor)
        peaks = math.log(area * roughness * (2 * math.pi) ** -1.5 / false_alarms)

        def excess(z: float) -> float:
            return float(np.interp(z, self.level, factor)) + peaks + math.log(z) - z**2 / 2

        if excess(_LOWEST) <= 0:
            return _LOWEST
        return float(brentq(excess, _LOWEST, _HIGHEST)) if excess(_HIGHEST) < 0 else _HIGHEST

    def _log_false_alarms(self, level: ArrayLike, *, area: float, roughness: float) -> FloatArray:
        z = np.maximum(np.asarray(level, dtype=np.float64), _LOWEST)
        factor = np.interp(z, self.level, np.log(self.factor))
        peaks = np.log(area * roughness * (2 * np.pi) ** -1.5 * z) - z**2 / 2
        return np.asarray(factor + peaks)
