"""Spectra of sources: photons per area, time and energy.

Public names
------------
PowerLaw, LogParabola : the two shapes.
crab : the Crab Nebula as MAGIC measured it; the unit of flux of the simulations.
crab_power_law : the simpler Crab of the ctools.
"""

from dataclasses import dataclass, replace
from typing import Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["LogParabola", "PowerLaw", "Spectrum", "crab", "crab_power_law"]

FloatArray = NDArray[np.float64]
_PER_SQUARE_METRE = 1e4  # cm2 in a m2


class Spectrum(Protocol):
    """Anything that tells photons [m-2 s-1 TeV-1] at an energy [TeV]."""

    def __call__(self, energy: ArrayLike) -> FloatArray:
        """Return dN/dE [m-2 s-1 TeV-1] at energies [TeV]."""
        ...


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """``norm (E / reference)^-index``.

    Parameters
    ----------
    norm : float [m-2 s-1 TeV-1]
        At the reference energy.
    reference : float [TeV]
    index : float
        Positive for a spectrum that falls.

    Examples
    --------
    >>> float(PowerLaw(norm=2.0, reference=1.0, index=2.0)(10.0))
    0.02
    """

    norm: float
    reference: float
    index: float

    def __call__(self, energy: ArrayLike) -> FloatArray:
        """Return dN/dE [m-2 s-1 TeV-1] at energies [TeV]."""
        ratio = np.asarray(energy, dtype=np.float64) / self.reference
        return np.asarray(self.norm * ratio**-self.index)

    def scaled(self, factor: float) -> Self:
        """Return the same shape with another norm."""
        return replace(self, norm=self.norm * factor)


@dataclass(frozen=True, slots=True)
class LogParabola:
    """``norm (E / reference)^-(index + curvature log10(E / reference))``.

    Parameters
    ----------
    norm : float [m-2 s-1 TeV-1]
        At the reference energy.
    reference : float [TeV]
    index : float
        Positive for a spectrum that falls.
    curvature : float
        Of the decimal logarithm, positive for a spectrum that steepens.
    """

    norm: float
    reference: float
    index: float
    curvature: float

    def __call__(self, energy: ArrayLike) -> FloatArray:
        """Return dN/dE [m-2 s-1 TeV-1] at energies [TeV]."""
        ratio = np.asarray(energy, dtype=np.float64) / self.reference
        return np.asarray(self.norm * ratio ** -(self.index + self.curvature * np.log10(ratio)))

    def scaled(self, factor: float) -> Self:
        """Return the same shape with another norm."""
        return replace(self, norm=self.norm * factor)


def crab() -> LogParabola:
    """Return the spectrum of the Crab Nebula from 0.05 to 30 TeV [1]_.

    References
    ----------
    .. [1] Aleksic et al. 2015, JHEAP 5-6, 30, doi:10.1016/j.jheap.2015.01.002
    """
    return LogParabola(3.23e-11 * _PER_SQUARE_METRE, 1.0, 2.47, 0.24)


def crab_power_law() -> PowerLaw:
    """Return the Crab of the ctools' examples, 5.7e-10 cm-2 s-1 TeV-1 at 0.3 TeV [1]_.

    References
    ----------
    .. [1] Knoedlseder et al. 2016, A&A 593, A1, doi:10.1051/0004-6361/201628822
    """
    return PowerLaw(5.7e-10 * _PER_SQUARE_METRE, 0.3, 2.48)
