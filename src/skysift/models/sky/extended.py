"""Whether candidates near each other are one extended source, or a wide one is two points.

A source much wider than the point spread function is found as several candidates, and two points
that the point spread function hardly separates as a wide one. Both are held against one round
Gaussian, convolved with the point spread function, and a wide one also against two points, by the
likelihood and the number of free parameters (Akaike 1974, IEEE Trans. Autom. Control 19, 716): a
point has three, one that is wider than a point four, like the Gaussian.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from skysift.models.sky.local_source import LocalSource, Photons
from skysift.models.sky.refine import Refined

__all__ = [
    "EXTENSIONS",
    "Extended",
    "Rival",
    "best_pair",
    "centre_of",
    "groups_within",
    "one_instead",
    "pieces_gain",
]

FloatArray = NDArray[np.float64]

EXTENSIONS = (0.08, 0.11, 0.16, 0.22, 0.3, 0.4, 0.55)
"""Standard deviations [deg] that are tried."""

_APART = (0.1, 0.15, 0.2, 0.27, 0.36)  # deg, between two points
_DIRECTIONS = 8
_PER_PARAMETER = 2.0  # in twice the log-likelihood
_OF_A_GAUSSIAN = 4
_ROUNDS = 40
_FEW_ROUNDS = 10  # to tell pairs from each other
_LEAST = 1e-3  # counts
_STEP = 0.08  # of the logarithm of a width, to see how sharp the likelihood is
_FARTHEST = 0.17  # half of what lies between two widths that are tried


@dataclass(frozen=True, slots=True)
class Extended:
    """A round Gaussian that explains several candidates.

    Parameters
    ----------
    sigma : float [deg]
        Its standard deviation.
    counts : float
        All bands.
    gain : float
        Twice the log-likelihood over that without any source.
    by_width : float
        Relative standard deviation that the counts have because the width is not known better.
    """

    sigma: float
    counts: float
    gain: float
    by_width: float = 0.0

    @property
    def merit(self) -> float:
        """The gain less what the parameters bring without being true."""
        return self.gain - _PER_PARAMETER * _OF_A_GAUSSIAN


@dataclass(frozen=True, slots=True)
class Rival:
    """What the candidates explain: their gain, from `pieces_gain`, and their free parameters."""

    gain: float
    parameters: int

    @property
    def merit(self) -> float:
        """The gain less what the parameters bring without being true."""
        return self.gain - _PER_PARAMETER * self.parameters


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
    *,
    extensions: Sequence[float] = EXTENSIONS,
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
    extensions : sequence of float [deg]
        Standard deviations that are tried.
    """
    place = centre_of(fits)
    total = np.array([sum(max(fit.counts, 1.0) for fit in fits)])

    def of_width(sigma: float) -> Extended:
        gain, best = _best_counts(photons, background, [(source_of(sigma), place)], total)
        return Extended(sigma, float(best[0]), gain)

    tried = max((of_width(sigma) for sigma in extensions), key=lambda one: one.gain)
    best = _between(tried, of_width)
    return best if best.merit > rival.merit else None


def _between(best: Extended, of_width: Callable[[float], Extended]) -> Extended:
    """Return the best width near one that was tried, and what its error does to the counts.

    The likelihood is a parabola of the logarithm of the width; along its ridge counts and width
    grow together.
    """
    narrow, wide = (of_width(best.sigma * float(np.exp(step))) for step in (-_STEP, _STEP))
    sharpness = (2 * best.gain - narrow.gain - wide.gain) / (2 * _STEP**2)
    if sharpness * _FARTHEST**2 < 1:  # the widths tried tell no less than these three
        error, shift = _FARTHEST, 0.0
    else:
        error = float(1 / np.sqrt(sharpness))
        shift = float((wide.gain - narrow.gain) / (4 * _STEP * sharpness))
    moved = of_width(best.sigma * float(np.exp(np.clip(shift, -_FARTHEST, _FARTHEST))))
    slope = (wide.counts - narrow.counts) / (2 * _STEP)
    top = max(best, moved, key=lambda one: one.gain)
    return replace(top, by_width=abs(slope) * error / top.counts)


def best_pair(
    photons: Photons, background: FloatArray, source: LocalSource, fit: Refined
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Return where two points in the place of a wide candidate are to be fitted from.

    Parameters
    ----------
    photons, background
        As for `pieces_gain`.
    source : LocalSource
        A point at the place of the candidate.
    fit : Refined
        The candidate: the points lie opposite each other about its place.

    Returns
    -------
    pair of tuple of float
        Plane position xi, eta [deg] and counts of each.
    """
    best, start = -np.inf, np.full(2, max(fit.counts, 2.0) / 2)
    pair = ((fit.xi, fit.eta, start[0]), (fit.xi, fit.eta, start[1]))
    for apart in _APART:
        for angle in np.arange(_DIRECTIONS) * np.pi / _DIRECTIONS:
            x, y = apart / 2 * np.cos(angle), apart / 2 * np.sin(angle)
            places = ((fit.xi + x, fit.eta + y), (fit.xi - x, fit.eta - y))
            sources = [(source, place) for place in places]
            gain, counts = _best_counts(photons, background, sources, start, _FEW_ROUNDS)
            if gain > best:
                best = gain
                pair = ((*places[0], float(counts[0])), (*places[1], float(counts[1])))
    return pair


def _best_counts(
    photons: Photons,
    background: FloatArray,
    sources: Sequence[tuple[LocalSource, tuple[float, float]]],
    counts: FloatArray,
    rounds: int = _ROUNDS,
) -> tuple[float, FloatArray]:
    """Maximise over the counts by expectation and maximisation; each round raises ln L."""
    density = np.stack(
        [
            source.density_at(photons.band, np.hypot(photons.xi - x, photons.eta - y))
            for source, (x, y) in sources
        ]
    )
    contained = np.array([source.contained for source, _ in sources])
    for _ in range(rounds):
        share = photons.weight / (background + counts @ density)
        counts = np.maximum(counts * (density @ share) / contained, _LEAST)
    logarithm = photons.weight @ np.log1p(counts @ density / background)
    return 2 * float(logarithm - counts @ contained), counts
