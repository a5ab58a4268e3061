"""Beta calibration: from scores to probabilities that can be taken at their word."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

__all__ = ["BetaCalibration", "stretch"]

_FLOOR = 1e-7


@dataclass(frozen=True, slots=True)
class BetaCalibration:
    """The map ``logit p' = a ln p - b ln(1 - p) + c`` with a, b >= 0.

    It keeps the order of the scores, and is the identity at a = b = 1, c = 0. Where Platt's
    sigmoid can only stretch, it can also bend (Kull, Silva Filho & Flach 2017, Electronic Journal
    of Statistics 11, 5052, eq. 8).

    Examples
    --------
    >>> over_confident = BetaCalibration(a=0.5, b=0.5, c=0.0)
    >>> over_confident(np.array([0.01, 0.5, 0.99])).round(3)
    array([0.091, 0.5  , 0.909])
    """

    a: float = 1.0
    b: float = 1.0
    c: float = 0.0

    @classmethod
    def fit(cls, score: ArrayLike, y: ArrayLike, *, sample_weight: ArrayLike | None = None) -> Self:
        """Fit by maximum likelihood.

        Parameters
        ----------
        score : array-like, shape (n,)
            Scores in 0..1 of rows that the model has not been trained on.
        y : array-like of bool, shape (n,)
            True for signal.
        sample_weight : array-like, shape (n,), optional
            Weight of each row.
        """
        from scipy.optimize import minimize  # noqa: PLC0415  # slow, and not needed to apply it

        p = _inside(score)
        sign = np.where(np.asarray(y, dtype=bool), 1.0, -1.0)
        basis = np.stack([np.log(p), -np.log1p(-p), np.ones_like(p)])
        share = np.ones(len(p)) if sample_weight is None else np.asarray(sample_weight)
        share = share / share.sum()

        def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            margin = sign * (parameters @ basis)
            slope = -share * sign * expit(-margin)
            return float(share @ np.logaddexp(0.0, -margin)), basis @ slope

        bounds = [(0.0, None), (0.0, None), (None, None)]
        found = minimize(loss, np.array([1.0, 1.0, 0.0]), jac=True, bounds=bounds)
        return cls(*(float(value) for value in found.x))

    def stretched(self, slope: float, offset: float) -> "BetaCalibration":
        """Return the map whose log-odds are ``slope * logit p' + offset``."""
        return type(self)(slope * self.a, slope * self.b, slope * self.c + offset)

    def __call__(self, score: ArrayLike) -> NDArray[np.float64]:
        """Return calibrated probabilities, in the shape of `score`."""
        p = _inside(score)
        return np.asarray(expit(self.a * np.log(p) - self.b * np.log1p(-p) + self.c))


def stretch(
    log_odds: ArrayLike, y: ArrayLike, weight: ArrayLike | None = None
) -> tuple[float, float]:
    """Return slope and offset of log-odds that fit rows best, drawn to 1 and 0 where rows are few.

    Platt's (1999) scaling with a normal prior of unit width on what it changes, so that a dozen
    rows do not undo a calibration that rested on a thousand.

    Parameters
    ----------
    log_odds : array-like, shape (n,)
        Calibrated once, on other data.
    y : array-like of bool, shape (n,)
        True for signal.
    weight : array-like, shape (n,), optional
        Weight of each row; 1 if left out.

    Examples
    --------
    >>> stretch(np.zeros(0), np.zeros(0, dtype=bool))
    (1.0, 0.0)
    """
    from scipy.optimize import minimize  # noqa: PLC0415  # slow, and not needed to apply it

    odds = np.asarray(log_odds, dtype=np.float64)
    sign = np.where(np.asarray(y, dtype=bool), 1.0, -1.0)
    counts = np.ones(len(odds)) if weight is None else np.asarray(weight, dtype=np.float64)

    def loss(parameters: NDArray[np.float64]) -> float:
        slope, offset = parameters
        fit = counts @ np.logaddexp(0.0, -sign * (slope * odds + offset))
        return float(fit + ((slope - 1.0) ** 2 + offset**2) / 2)

    found = minimize(loss, np.array([1.0, 0.0])).x
    return float(found[0]), float(found[1])


def _inside(score: ArrayLike) -> NDArray[np.float64]:
    return np.clip(np.asarray(score, dtype=np.float64), _FLOOR, 1.0 - _FLOOR)
