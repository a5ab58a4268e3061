"""How wide a bright source is beside its point spread function."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from skysift.models.sky.local_source import LocalSource, Photons
from skysift.models.sky.refine import Refined, Summit

__all__ = ["SUPPOSED_WITHIN", "Width", "best_width"]

FloatArray = NDArray[np.float64]

SUPPOSED_WITHIN: Final = 0.2
"""Standard deviation of the logarithm of the width of a point spread function that is supposed."""

_STEP: Final = 0.07  # of the logarithm
_WIDTHS: Final = tuple(round(float(np.exp(_STEP * step)), 4) for step in range(-8, 17))
_GAIN = 6.0  # in twice the log-likelihood: less is no reason to leave a width that is known
_STEPS = 4


@dataclass(frozen=True, slots=True)
class Width:
    """A factor of the point spread function, and the standard deviation of its logarithm."""

    factor: float
    error: float


def best_width(
    photons: Photons,
    background: FloatArray,
    source: LocalSource,
    fit: Refined | Summit,
    *,
    supposed_within: float | None = None,
) -> Width:
    """Return the factor by which the point spread function has to be widened to fit best.

    A width that is known is left only for one that is clearly better. One that is supposed is the
    mode of the posterior, so that a faint source, which cannot tell, keeps it with the error that
    the supposition has: where the background dominates, counts fitted with a Gaussian of width w
    for one of width 1 are wrong by the factor 2 w^2 / (1 + w^2).

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
    supposed_within : float, optional
        Standard deviation of the logarithm of the width before it is measured; if left out, the
        width is known.

    Returns
    -------
    Width
        The factor is of a fixed set, so that widened sources can be kept.
    """
    radius = np.hypot(photons.xi - fit.xi, photons.eta - fit.eta)
    precision = 0.0 if supposed_within is None else supposed_within**-2
    height: dict[int, float] = {}

    def gain(index: int) -> float:
        if index not in height:
            wide = source.widened(_WIDTHS[index])
            height[index] = _gain(photons, background, wide, radius, max(fit.counts, 1.0))
            height[index] -= precision * np.log(_WIDTHS[index]) ** 2
        return height[index]

    start = _WIDTHS.index(1.0)
    best = start
    for step in (1, -1):
        while 0 <= best + step < len(_WIDTHS) and gain(best + step) > gain(best):
            best += step
    if supposed_within is None:
        return Width(_WIDTHS[best] if gain(best) - gain(start) > _GAIN else 1.0, 0.0)
    inner = min(max(best, 1), len(_WIDTHS) - 2)
    bend = (2 * gain(inner) - gain(inner - 1) - gain(inner + 1)) / (2 * _STEP**2)
    return Width(_WIDTHS[best], float(max(bend, precision) ** -0.5))


def _gain(
    photons: Photons,
    background: FloatArray,
    source: LocalSource,
    radius: FloatArray,
    counts: float,
) -> float:
    """Return twice the log-likelihood ratio at the best counts."""
    density = source.density_at(photons.band, radius)
    ratio = density / background
    for _ in range(_STEPS):
        term = ratio / (1 + counts * ratio)
        slope = float(photons.weight @ term) - source.contained
        curvature = float(photons.weight @ term**2)
        step = max(min(slope / curvature, counts), -0.5 * counts)
        counts = max(counts + step, 1.0)
    logarithm = float(photons.weight @ np.log1p(counts * ratio))
    return 2 * (logarithm - counts * source.contained)
