"""How wide a bright source is beside its point spread function."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from skysift.models.sky.local_source import LocalSource, Photons
from skysift.models.sky.refine import Refined

__all__ = ["best_width"]

FloatArray = NDArray[np.float64]

_WIDTHS: Final = (0.6, 0.7, 0.8, 0.9, 1.0, 1.12, 1.25, 1.4, 1.6, 1.8, 2.1, 2.5, 3.0)
_GAIN = 6.0  # in twice the log-likelihood: less is no reason to leave the given width
_STEPS = 4


def best_width(
    photons: Photons, background: FloatArray, source: LocalSource, fit: Refined
) -> float:
    """Return the factor by which the point spread function has to be widened to fit best.

    Parameters
    ----------
    photons : Photons
        Those within reach of the source.
    background : array, shape (n_photons,) [deg-2]
        Density of all but this source at each photon.
    source : LocalSource
        With the given point spread function.
    fit : Refined
        Position and counts, which are held and started from.

    Returns
    -------
    float
        Of a fixed set, so that widened sources can be kept; 1 unless another one is clearly better.
    """
    radius = np.hypot(photons.xi - fit.xi, photons.eta - fit.eta)
    known: dict[int, float] = {}

    def gain(index: int) -> float:
        if index not in known:
            wide = source.widened(_WIDTHS[index])
            known[index] = _gain(photons, background, wide, radius, max(fit.counts, 1.0))
        return known[index]

    start = _WIDTHS.index(1.0)
    best = start
    for step in (1, -1):
        while 0 <= best + step < len(_WIDTHS) and gain(best + step) > gain(best):
            best += step
    return _WIDTHS[best] if gain(best) - gain(start) > _GAIN else 1.0


def _gain(
    photons: Photons,
    background: FloatArray,
    source: LocalSource,
    radius: FloatArray,
    counts: float,
) -> float:
    """Return twice the log-likelihood ratio at the best counts."""
    density, _ = source.evaluate(photons.band, radius)
    ratio = density / background
    for _ in range(_STEPS):
        term = ratio / (1 + counts * ratio)
        slope = float(photons.weight @ term) - source.contained
        curvature = float(photons.weight @ term**2)
        counts = max(counts + float(np.clip(slope / curvature, -0.5 * counts, counts)), 1.0)
    logarithm = float(photons.weight @ np.log1p(counts * ratio))
    return 2 * (logarithm - counts * source.contained)
