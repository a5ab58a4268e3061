"""Candidates with their fits, and which of them are others once more."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from skysift.models.sky.filtered import Shining, SourceImage
from skysift.models.sky.local_source import LocalSource
from skysift.models.sky.refine import Refined

__all__ = [
    "MASKED_SIGMAS",
    "Found",
    "explained_by_neighbours",
    "measured_shares",
    "places_of",
    "standing_for",
    "start_of",
]

FloatArray = NDArray[np.float64]

MASKED_SIGMAS = 2.5
"""Standard deviations of an extended source that its counts reach."""

_LEFT_OVER = 1.0  # standard deviations of its counts: a candidate with less has none of its own
_SENDS = 0.2  # deg, two radii of 68 %: what is further away has little to do with another's counts
_ONE_PLACE = 0.03  # deg: a third of a point spread function, which does not tell two so near apart
_SPECTRAL_SCATTER = 0.5  # of the counts in a band, relative to those of the supposed spectrum
_TINY = 1e-12


@dataclass(frozen=True, eq=False)
class Found:
    """A candidate with its fit, and what it sends to the filtered map.

    Its counts have the relative error `by_width` besides that of the fit, which holds the width.
    """

    fit: Refined
    source: LocalSource
    image: SourceImage
    significance: float
    width: float = 1.0
    extension: float = 0.0
    by_width: float = 0.0

    @property
    def strength(self) -> float:
        """Counts over their standard deviation, as measured beside all others."""
        return self.fit.counts / max(self.fit.counts_error, _TINY)

    @property
    def counts_error(self) -> float:
        """Standard deviation of its counts, of photons and width."""
        return float(np.hypot(self.fit.counts_error, self.by_width * max(self.fit.counts, 0.0)))

    def shining(self, mismatch: float) -> Shining:
        """Return it as a part of what is expected, with a margin for what is not known of it."""
        counts = max(self.fit.counts, 0.0) * (1 + mismatch)
        return Shining(self.fit.xi, self.fit.eta, counts, self.image)


def places_of(found: Sequence[Found]) -> FloatArray:
    """Return plane coordinates [deg], shape (n, 2)."""
    return np.array([(one.fit.xi, one.fit.eta) for one in found])


def start_of(fit: Refined) -> tuple[float, float, float]:
    """Return where a further fit begins."""
    return fit.xi, fit.eta, max(fit.counts, 1.0)


def measured_shares(supposed: FloatArray, fit: Refined) -> FloatArray:
    """Return the shares of the bands as far as the counts tell them, shape (n_bands,).

    The counts of a band are drawn towards those of the supposed spectrum by their error, which a
    true spectrum is taken to leave by half of them (one standard deviation).

    Parameters
    ----------
    supposed : array, shape (n_bands,)
        Shares of the supposed spectrum.
    fit : Refined
        Counts of each band with their errors. Nothing is learned where they add up to less than
        their error.
    """
    if fit.counts <= fit.counts_error:
        return supposed
    expected = fit.counts * supposed
    scatter, noise = (_SPECTRAL_SCATTER * expected) ** 2, fit.by_band_error**2
    told = scatter / np.maximum(scatter + noise, _TINY)
    counts = np.maximum(expected + told * (fit.by_band - expected), 0.0)
    return np.asarray(counts / counts.sum())


def explained_by_neighbours(found: Sequence[Found]) -> list[Found]:
    """Return the candidates whose counts are those of others, in the order given.

    Such a one has a near neighbour, and its counts are less than a standard deviation above zero;
    or a stronger one stands in its place. What the filter finds alone mostly has three and more. A
    hard source may have less, by the noise of its low energies: far from all others, it stays.

    Parameters
    ----------
    found : sequence of Found
        Each fitted beside all others.
    """
    return [
        one for one in found if any(_explains(other, one) for other in found if other is not one)
    ]


def standing_for(gone: Found, one: Found) -> Found:
    """Return a candidate as significant as the one that was dropped, if they were in one place."""
    if not _in_one_place(one, gone):
        return one
    return replace(one, significance=max(one.significance, gone.significance))


def _explains(other: Found, one: Found) -> bool:
    """Whether the counts of one candidate are those of another."""
    if _in_one_place(one, other):
        return one.strength < other.strength
    near = _apart(one, other) <= max(_SENDS, MASKED_SIGMAS * other.extension)
    return near and one.strength < _LEFT_OVER


def _in_one_place(one: Found, other: Found) -> bool:
    """Whether two candidates are one source; a point may stand on an extended one."""
    return one.extension == other.extension and _apart(one, other) < _ONE_PLACE


def _apart(one: Found, other: Found) -> float:
    return float(np.hypot(one.fit.xi - other.fit.xi, one.fit.eta - other.fit.eta))
