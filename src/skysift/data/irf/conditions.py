"""Another zenith angle, another night sky: a response moved to conditions it was not made for.

Files of response hold for one zenith angle. Seen through more air a shower is dimmer, so that all
energies shift, as the inverse cosine of the zenith angle to the power 2.5; its light spreads over a
larger pool, so that areas grow as the inverse square (Bernloehr et al. 2013, Astropart. Phys. 43,
171, doi:10.1016/j.astropartphys.2012.10.002; Aleksic et al. 2016, Astropart. Phys. 72, 76). This is
a rule of thumb, good for simulations that have to cover many conditions, not for a measurement.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skysift.core.errors import InputError
from skysift.data.irf.analytic import AnalyticResponse
from skysift.data.irf.response import InstrumentResponse

__all__ = ["ShiftedResponse", "under_conditions"]

FloatArray = NDArray[np.float64]
_ENERGY_INDEX, _AREA_INDEX, _NIGHT_SKY_INDEX = 2.5, 2.0, 0.1
_COSMIC_RAY_INDEX = 2.7
_ZENITH_LIMIT = 75.0


def under_conditions(
    response: InstrumentResponse, zenith: float, nsb: float = 1.0
) -> InstrumentResponse:
    """Return the response at a zenith angle and under a night sky.

    Parameters
    ----------
    response : InstrumentResponse
        An analytic one is built anew, any other is shifted from 20 deg and a dark sky.
    zenith : float [deg]
    nsb : float
        Brightness of the night sky over that of a dark one.

    Raises
    ------
    InputError
        If the conditions are impossible.
    """
    if isinstance(response, AnalyticResponse):
        return AnalyticResponse(zenith, nsb, parameters=response.parameters)
    return ShiftedResponse(response, zenith, nsb)


class ShiftedResponse(InstrumentResponse):
    """A response whose energies are shifted and whose area grows.

    Parameters
    ----------
    base : InstrumentResponse
        As it is at the reference zenith angle.
    zenith : float [deg]
    nsb : float
        Brightness of the night sky over the reference; energies shift as its power 0.1, which
        matters near the threshold only.
    reference_zenith : float [deg]

    Raises
    ------
    InputError
        If the conditions are impossible.
    """

    def __init__(
        self,
        base: InstrumentResponse,
        zenith: float,
        nsb: float = 1.0,
        reference_zenith: float = 20.0,
    ) -> None:
        if not 0 <= zenith <= _ZENITH_LIMIT or not 0 < nsb < np.inf:
            raise InputError(
                f"A response at zenith angle {zenith} deg and night sky {nsb} is not defined.",
                f"Give a zenith angle from 0 to {_ZENITH_LIMIT:g} deg and a positive brightness.",
            )
        depth = np.cos(np.radians(reference_zenith)) / np.cos(np.radians(zenith))
        self.base = base
        self.name = f"{base.name} at {zenith:g} deg"
        self.offset_max = base.offset_max
        self._shift = float(depth**_ENERGY_INDEX * nsb**_NIGHT_SKY_INDEX)
        self._growth = float(depth**_AREA_INDEX)
        low, high = base.energy_range
        self.energy_range = (low * self._shift, high * self._shift)

    def effective_area(self, energy: ArrayLike, offset: ArrayLike) -> FloatArray:
        """Return the effective area [m2] at true energy [TeV] and offset [deg], broadcast."""
        return self._growth * self.base.effective_area(self._moved(energy), offset)

    def psf(self, energy: ArrayLike, offset: ArrayLike, radius: ArrayLike) -> FloatArray:
        """Return the density [deg-2] of a point source's photons at a radius [deg] from it."""
        return self.base.psf(self._moved(energy), offset, radius)

    def dispersion(self, energy: FloatArray, offset: float, energy_edges: FloatArray) -> FloatArray:
        """Return the probability that a photon of true energy is reconstructed in each band."""
        return self.base.dispersion(self._moved(energy), offset, self._moved(energy_edges))

    def background(self, energy: ArrayLike, x: ArrayLike, y: ArrayLike) -> FloatArray:
        """Return the rate [s-1 TeV-1 deg-2] of background at a reconstructed energy and place.

        Cosmic rays fall as energy to the -2.7: the shifted spectrum at a fixed energy would rise
        by the shift to the 2.7, which the true flux of the same energy has to undo.
        """
        moved = self.base.background(self._moved(energy), x, y)
        return np.asarray(moved * self._growth * self._shift**-_COSMIC_RAY_INDEX)

    def sample_energy(
        self, energy: FloatArray, offset: ArrayLike, rng: np.random.Generator
    ) -> FloatArray:
        """Return a reconstructed energy [TeV] for each photon of true energy, shape (n,)."""
        return self._shift * self.base.sample_energy(self._moved(energy), offset, rng)

    def sample_radius(
        self, energy: FloatArray, offset: ArrayLike, rng: np.random.Generator
    ) -> FloatArray:
        """Return a distance [deg] from its source for each photon of true energy, shape (n,)."""
        return self.base.sample_radius(self._moved(energy), offset, rng)

    def _moved(self, energy: ArrayLike) -> FloatArray:
        return np.asarray(energy, dtype=np.float64) / self._shift
