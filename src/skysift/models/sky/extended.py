"""Whether candidates near each other are one extended source.

A source much wider than the point spread function is found as several candidates. Those that lie
near each other are held against one round Gaussian, convolved with the point spread function, by
the likelihood and the number of free parameters (Akaike 1974, IEEE Trans. Autom. Control 19, 716):
a point has three, one that is wider than a point four, like the Gaussian.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skysift.models.sky.local_source import LocalSource, Photons
from skysift.models.sky.refine import Refined

__all__ = [
    "EXTENSIONS",
    "Extended",
    "Rival",
    "centre_of",
    "groups_within",
    "one_instead",
    "pieces_gain",
]

FloatArray = NDArray[np.float64]

EXTENSIONS = (0.08, 0.11, 0.16, 0.22, 0.3, 0.4, 0.55)
"""Standard deviations [deg] that are tried."""

_PER_PARAMETER = 2.0  # in twice the log-likelihood
_OF_A_GAUSSIAN = 4
_ROUNDS = 40
_LEAST = 1e-3  # counts


@dataclass(frozen=True, slots=True)
class Extended:
    """A round Gaussian that explains several candidates.

    Parameters
    ----------
    sigma : float [deg]
        One of `EXTENSIONS`.
    counts : float
        All bands.
    gain : float
        Twice the log-likelihood over that without any source.
    """

    sigma: float
    counts: float
    gain: float


@dataclass(frozen=True, slots=True)
class Rival:
    """What the candidates explain: their gain, from `pieces_gain`, and their free parameters."""

    gain: float
    parameters: int


def groups_within(places: FloatArray, linking: float) -> list[list[int]]:
    """Return groups of two or more places that a chain of short steps connects.

    Parameters
    ----------
    places : array, shape (n, 2) [deg]
    linking : float [deg]
        Longest step.

    Examples
    --------
    >>> groups_within(np.array([[0.0, 0.0], [2.0, 0.0], [0.5, 0.0], [0.9, 0.0]]), 0.6)
    [[0, 2, 3]]
    """
    apart = np.hypot(*(places[:, None] - places[None]).transpose(2, 0, 1))
    left, groups = set(range(len(places))), []
    while left:
        group, new = set[int](), {min(left)}
        while new:
            group |= new
            new = {j for i in new for j in left - group if apart[i, j] <= linking}
        left -= group
        if len(group) > 1:
            groups.append(sorted(group))
    return groups


def centre_of(fits: Sequence[Refined]) -> tuple[float, float]:
    """Return the plane position [deg] of the centre of the counts of sources."""
    counts = np.array([max(fit.counts, 1.0) for fit in fits])
    xi, eta = counts @ np.array([(fit.xi, fit.eta) for fit in fits]) / counts.sum()
    return float(xi), float(eta)


def pieces_gain(
    photons: Photons, background: FloatArray, sources: Sequence[tuple[LocalSource, Refined]]
) -> float:
    """Return twice the log-likelihood of point sources, at their best counts, over that of none.

    Parameters
    ----------
    photons : Photons
        All in reach of any of the sources.
    background : array, shape (n_photons,) [deg-2]
        Density of all else at each photon.
    sources : sequence of (LocalSource, Refined)
        Shapes, positions, and the counts to begin with.
    """
    counts = np.array([max(fit.counts, 1.0) for _, fit in sources])
    places = [(source, (fit.xi, fit.eta)) for source, fit in sources]
    return _best_counts(photons, background, places, counts)[0]


def one_instead(
    photons: Photons,
    background: FloatArray,
    source_of: Callable[[float], LocalSource],
    fits: Sequence[Refined],
    rival: Rival,
) -> Extended | None:
    """Return the Gaussian that is the better explanation of candidates, None if there is none.

    Parameters
    ----------
    photons, background
        As for `pieces_gain`.
    source_of : callable
        Gives the image of a Gaussian of a standard deviation [deg].
    fits : sequence of Refined
        The candidates; the Gaussian is at the centre of their counts.
    rival : Rival
        What they explain.
    """
    place = centre_of(fits)
    total = np.array([sum(max(fit.counts, 1.0) for fit in fits)])
    tried = []
    for sigma in EXTENSIONS:
        gain, best = _best_counts(photons, background, [(source_of(sigma), place)], total)
        tried.append(Extended(sigma, float(best[0]), gain))
    widest = max(tried, key=lambda one: one.gain)
    saved = rival.parameters - _OF_A_GAUSSIAN
    return widest if widest.gain + _PER_PARAMETER * saved > rival.gain else None


def _best_counts(
    photons: Photons,
    background: FloatArray,
    sources: Sequence[tuple[LocalSource, tuple[float, float]]],
    counts: FloatArray,
) -> tuple[float, FloatArray]:
    """Maximise over the counts by expectation and maximisation; each round raises ln L."""
    density = np.stack(
        [
            source.evaluate(photons.band, np.hypot(photons.xi - x, photons.eta - y))[0]
            for source, (x, y) in sources
        ]
    )
    contained = np.array([source.contained for source, _ in sources])
    for _ in range(_ROUNDS):
        share = photons.weight / (background + counts @ density)
        counts = np.maximum(counts * (density @ share) / contained, _LEAST)
    logarithm = photons.weight @ np.log1p(counts @ density / background)
    return 2 * float(logarithm - counts @ contained), counts
