"""Whether a distribution has one peak or more.

Silverman (1981), J. R. Stat. Soc. B 43, 97: the smallest bandwidth of a Gaussian kernel estimate
that has a single mode, the critical bandwidth, is large where there are two. How large is too
large is told by draws from that very estimate.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.ndimage import gaussian_filter1d

from skysift.core.errors import InputError
from skysift.evaluate.inputs import FloatArray

__all__ = ["Modality", "unimodality_test"]

_CELLS = 1024
_MARGIN = 0.25  # of the range, on both sides
_HALVINGS = 24
_FEWEST = 10
_FLAT = 1e-9  # of the highest peak: lower bumps are rounding


@dataclass(frozen=True, slots=True)
class Modality:
    """Result of the test.

    Parameters
    ----------
    bandwidth : float
        Critical bandwidth over the standard deviation.
    p_value : float
        Share of draws from a distribution with one mode that need as large a bandwidth; small
        where there are two modes or more.
    n, draws : int
        Number of values and of draws.
    """

    bandwidth: float
    p_value: float
    n: int
    draws: int


def unimodality_test(values: ArrayLike, *, rng: np.random.Generator, draws: int = 200) -> Modality:
    """Test whether values come from a distribution with one mode.

    Parameters
    ----------
    values : array_like, shape (n,)
        Finite, ten at least.
    rng : numpy.random.Generator
    draws : int
        Smoothed bootstrap draws.

    Raises
    ------
    InputError
        If there are too few values, or all are equal.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> twin = np.concatenate([rng.normal(-3, 1, 200), rng.normal(3, 1, 200)])
    >>> unimodality_test(twin, rng=rng).p_value < 0.05
    True
    """
    x = np.asarray(values, dtype=np.float64)
    if len(x) < _FEWEST or not np.isfinite(x).all() or np.ptp(x) == 0:
        raise InputError(
            f"{len(x)} values do not show how many modes they have.",
            f"Give {_FEWEST} finite ones at least, not all equal.",
        )
    deviation = float(x.std())
    critical = _critical_bandwidth(x)
    # Drawn from the estimate itself, scaled so that the variance stays that of the values.
    shrink = 1 / np.sqrt(1 + (critical / deviation) ** 2)
    as_large = 0
    for _ in range(draws):
        picked = rng.choice(x, len(x)) + critical * rng.standard_normal(len(x))
        drawn = x.mean() + shrink * (picked - x.mean())
        as_large += _modes(*_histogram(drawn), critical) > 1
    return Modality(critical / deviation, (as_large + 1) / (draws + 1), len(x), draws)


def _histogram(x: FloatArray) -> tuple[FloatArray, float]:
    """Return counts on fine cells, and the width of a cell."""
    low, high = float(x.min()), float(x.max())
    margin = _MARGIN * (high - low)
    counts, edges = np.histogram(x, _CELLS, (low - margin, high + margin))
    return counts.astype(np.float64), float(edges[1] - edges[0])


def _modes(counts: FloatArray, cell: float, bandwidth: float) -> int:
    smooth = gaussian_filter1d(counts, bandwidth / cell, mode="constant", truncate=6.0)
    inner = smooth[1:-1]
    floor = _FLAT * smooth.max()
    return int(np.sum((inner > smooth[:-2] + floor) & (inner >= smooth[2:] - floor)))


def _critical_bandwidth(x: FloatArray) -> float:
    counts, cell = _histogram(x)
    low, high = cell, float(np.ptp(x))
    for _ in range(_HALVINGS):
        middle = np.sqrt(low * high)
        low, high = (middle, high) if _modes(counts, cell, middle) > 1 else (low, middle)
    return high
