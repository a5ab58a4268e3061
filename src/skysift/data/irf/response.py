"""What every instrument response can tell, whether it comes from a file or from formulas.

Energies are in TeV, angles in degrees, areas in square metres, times in seconds. `offset` is the
angle from the pointing; all responses but the background are symmetric about it.
"""

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["InstrumentResponse"]

FloatArray = NDArray[np.float64]


class InstrumentResponse(ABC):
    """How an instrument sees the sky.

    Attributes
    ----------
    name : str
        For the record.
    energy_range : tuple of float [TeV]
        True energies for which the response is defined.
    offset_max : float [deg]
        Radius of the field of view; beyond it there is no effective area.
    """

    name: str
    energy_range: tuple[float, float]
    offset_max: float

    @abstractmethod
    def effective_area(self, energy: ArrayLike, offset: ArrayLike) -> FloatArray:
        """Return the effective area [m2] at true energy [TeV] and offset [deg], broadcast."""

    @abstractmethod
    def psf(self, energy: ArrayLike, offset: ArrayLike, radius: ArrayLike) -> FloatArray:
        """Return the density [deg-2] of a point source's photons at a radius [deg] from it.

        Arguments (true energy [TeV], offset [deg], radius [deg]) are broadcast against each other;
        the integral over the plane is 1.
        """

    @abstractmethod
    def dispersion(self, energy: FloatArray, offset: float, energy_edges: FloatArray) -> FloatArray:
        """Return the probability that a photon of true energy is reconstructed in each band.

        Parameters
        ----------
        energy : array, shape (n,) [TeV]
            True energies.
        offset : float [deg]
        energy_edges : array, shape (n_bands + 1,) [TeV]
            Of reconstructed energy.

        Returns
        -------
        array, shape (n, n_bands)
            Rows sum to 1 or less: the rest is reconstructed outside the bands.
        """

    @abstractmethod
    def background(self, energy: ArrayLike, x: ArrayLike, y: ArrayLike) -> FloatArray:
        """Return the rate [s-1 TeV-1 deg-2] of background at a reconstructed energy and place.

        Arguments (energy [TeV], coordinates in the field of view x, y [deg] from the pointing) are
        broadcast against each other. A response without a background model raises InputError.
        """

    @abstractmethod
    def sample_energy(
        self, energy: FloatArray, offset: ArrayLike, rng: np.random.Generator
    ) -> FloatArray:
        """Return a reconstructed energy [TeV] for each photon of true energy, shape (n,)."""

    @abstractmethod
    def sample_radius(
        self, energy: FloatArray, offset: ArrayLike, rng: np.random.Generator
    ) -> FloatArray:
        """Return a distance [deg] from its source for each photon of true energy, shape (n,)."""
