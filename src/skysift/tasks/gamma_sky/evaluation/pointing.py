"""Whether positions miss by more than their ellipses say, and whether whole runs share it.

What the photons leave open differs from window to window; an error of the pointing is the same in
all windows of a run. Displacements are therefore split into those of the windows about the mean of
their run, which test the ellipses alone, and those of the runs' means, whose scatter beyond what
the ellipses explain is an error of the pointing (or of the catalogue).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize_scalar

from skysift.core.errors import InputError
from skysift.evaluate.intervals import Interval

__all__ = ["PointingError", "pointing_error"]

FloatArray = NDArray[np.float64]

_FEWEST = 2
_GAIN = 3.841 / 2  # of ln L, at the limits of a 95 % interval
_WIDEST = 0.1  # deg


@dataclass(frozen=True, slots=True)
class PointingError:
    """What windows and runs tell of positions.

    Parameters
    ----------
    within : float
        Scatter of windows about the mean of their run, over what their ellipses say: chi-squared
        per degree of freedom.
    between : Interval [deg]
        Standard deviation of a coordinate that the runs' means have beyond the ellipses, about the
        catalogue position, 95 % by the likelihood ratio.
    mean : tuple of float [deg]
        Mean displacement of all runs, east and north.
    """

    within: float
    between: Interval
    mean: tuple[float, float]


def pointing_error(
    displacement: FloatArray, variance: FloatArray, run: NDArray[np.int64]
) -> PointingError:
    """Split displacements into those of windows and those of whole runs.

    Parameters
    ----------
    displacement : array, shape (n, 2) [deg]
        Measured less catalogue position.
    variance : array, shape (n,) [deg2]
        Of a coordinate, as stated.
    run : array of int, shape (n,)
        Which run a window is of.

    Raises
    ------
    InputError
        If there are not two runs and two windows in one of them.
    """
    runs, of = np.unique(run, return_inverse=True)
    if len(runs) < _FEWEST or len(run) == len(runs):
        raise InputError(
            "Errors of the pointing need two runs and several windows.", "Give more runs."
        )
    weight = np.bincount(of, 1 / variance)
    summed = np.stack([np.bincount(of, axis / variance) for axis in displacement.T], axis=1)
    mean: FloatArray = summed / weight[:, None]
    about = (displacement - mean[of]) ** 2 / variance[:, None]
    within = float(about.sum() / (2 * (len(run) - len(runs))))

    def log_likelihood(spread: float) -> float:
        total = 1 / weight + spread**2
        return -float((np.log(total) + (mean**2).sum(axis=1) / (2 * total)).sum())

    found = minimize_scalar(lambda s: -log_likelihood(s), bounds=(0.0, _WIDEST), method="bounded")
    best = 0.0 if log_likelihood(0.0) >= -found.fun else float(found.x)
    top = log_likelihood(best)

    def below(spread: float) -> float:
        return log_likelihood(spread) - top + _GAIN

    low = brentq(below, 0.0, best) if best > 0 and below(0.0) < 0 else 0.0
    high = brentq(below, best, 1.0)
    overall = (weight[:, None] * mean).sum(axis=0) / weight.sum()
    between = Interval(best, float(low), float(high), 0.95, "likelihood ratio")
    return PointingError(within, between, (float(overall[0]), float(overall[1])))
