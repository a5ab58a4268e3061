"""An instrument response from a few formulas: simulations on a bare machine, and broad ones.

The shapes are those that every array of imaging Cherenkov telescopes shares: an effective area
that rises steeply to a threshold and slowly above it, a point-spread function that sharpens with
energy up to a floor, a background that falls as a power law, and an acceptance that drops at an
edge of the field of view that wider showers, of higher energy, pass. The numbers of `north` lie
within some 20 % of the published performance of the northern array of the CTA Observatory at a
zenith angle of 20 deg, by the references of `ResponseParameters`; none of its tables is in here.
"""

from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from skysift.core.errors import InputError, UnknownNameError
from skysift.data.irf.response import InstrumentResponse

__all__ = ["ARRAYS", "AnalyticResponse", "ResponseParameters"]

FloatArray = NDArray[np.float64]
_REFERENCE_ZENITH = 20.0
_ZENITH_LIMIT = 75.0


@dataclass(frozen=True, slots=True)
class ResponseParameters:
    """The numbers of an analytic response, all at a zenith angle of 20 deg and under a dark sky.

    Parameters
    ----------
    area : float [m2]
        Effective area that the power law above threshold has at 1 TeV [1]_.
    area_index : float
        Of that power law: far events are seen at high energies [2]_.
    area_saturation : float [TeV]
        Energy above which the area stays as it is: the array is of finite size.
    threshold : float [TeV]
        Where half of the area is lost: the trigger and the cuts [2]_.
    threshold_sharpness : float
        Steepness of that loss.
    field_radius : float [deg]
        Offset at which a gamma-ray's acceptance has fallen to 1 / e, at high energy [1]_.
    field_sharpness : float
        Exponent of the fall; 2 is a Gaussian.
    field_growth : float
        How the radius grows with energy below `field_energy`.
    field_energy : float [TeV]
        Above it the radius is constant.
    psf_scatter : float [deg]
        Radius of 68 % containment from the statistics of the image at 1 TeV [1]_ [3]_.
    psf_index : float
        Fall of that part with energy.
    psf_floor : float [deg]
        Radius of 68 % containment at the highest energies.
    psf_offset : float [deg]
        Offset at which the radius is twice that on axis.
    psf_offset_index : float
        How suddenly it grows.
    tail_share : float
        Share of photons in a second, wider Gaussian, as real instruments have it [5]_ [6]_.
    tail_scale : float
        Width of the second Gaussian over that of the first.
    energy_floor : float
        Spread of the logarithm of reconstructed energy at the highest energies [1]_.
    energy_scatter : float
        What is added to it, in quadrature, at 1 TeV.
    energy_index : float
        Fall of that part with energy.
    energy_bias : float
        Shift of the logarithm of reconstructed energy far above the threshold.
    threshold_bias : float
        Shift at the threshold: fluctuations upwards are selected [2]_.
    background : float [s-1 TeV-1 deg-2]
        That the power law above threshold has at 1 TeV on axis [1]_.
    background_index : float
        Of that power law in reconstructed energy.
    background_threshold : float [TeV]
        Where half of it is lost.
    background_sharpness : float
        Steepness of that loss.
    background_radius, background_edge, background_growth, background_energy : float
        As the four of the field of view, for the background.
    zenith_threshold : float
        Thresholds rise as cosine of the zenith angle to minus this [2]_ [6]_.
    zenith_area : float
        The area above threshold grows so: the pool of light is seen from farther away [2]_ [4]_.
    zenith_background : float
        The background far above threshold grows so.
    night_sky_threshold : float
        Thresholds rise as the night-sky background to this power: image cleaning has to be
        stricter as its square root, for the lowest energies only [3]_.
    night_sky_psf : float
        The scatter of the point-spread function grows so.
    field_edge : float [deg]
        Nothing is seen beyond.

    References
    ----------
    .. [1] CTA Observatory and CTA Consortium 2021, prod5 v0.1, doi:10.5281/zenodo.5499840
    .. [2] Bernloehr et al. 2013, Astropart. Phys. 43, 171, doi:10.1016/j.astropartphys.2012.10.002
    .. [3] Hassan et al. 2017, Astropart. Phys. 93, 76, doi:10.1016/j.astropartphys.2017.05.001
    .. [4] Maier et al. 2017, PoS(ICRC2017) 846, doi:10.22323/1.301.0846
    .. [5] Aharonian et al. 2006, A&A 457, 899, doi:10.1051/0004-6361:20065351
    .. [6] Aleksic et al. 2016, Astropart. Phys. 72, 76, doi:10.1016/j.astropartphys.2015.02.005
    """

    area: float = 4.3e5
    area_index: float = 0.53
    area_saturation: float = 5.0
    threshold: float = 0.05
    threshold_sharpness: float = 2.8
    field_radius: float = 3.95
    field_sharpness: float = 3.4
    field_growth: float = 0.37
    field_energy: float = 0.15
    psf_scatter: float = 0.040
    psf_index: float = 0.53
    psf_floor: float = 0.040
    psf_offset: float = 5.3
    psf_offset_index: float = 3.0
    tail_share: float = 0.0
    tail_scale: float = 2.2
    energy_floor: float = 0.08
    energy_scatter: float = 0.05
    energy_index: float = 0.4
    energy_bias: float = -0.02
    threshold_bias: float = 0.05
    background: float = 0.0215
    background_index: float = 2.75
    background_threshold: float = 0.048
    background_sharpness: float = 3.1
    background_radius: float = 5.6
    background_edge: float = 3.9
    background_growth: float = 0.22
    background_energy: float = 1.8
    zenith_threshold: float = 2.5
    zenith_area: float = 2.0
    zenith_background: float = 2.0
    night_sky_threshold: float = 0.2
    night_sky_psf: float = 0.05
    field_edge: float = 6.0

    def __post_init__(self) -> None:
        signed = ("energy_bias", "threshold_bias", "tail_share", "zenith_background")
        for item in fields(self):
            value = getattr(self, item.name)
            if not np.isfinite(value) or (item.name not in signed and value < 0):
                raise InputError(
                    f"The response parameter {item.name} cannot be {value}.",
                    "Give a number that is finite and not negative.",
                )
        if not 0 <= self.tail_share < 1:
            raise InputError(
                f"The response parameter tail_share cannot be {self.tail_share}.",
                "Give a share, from 0 to below 1.",
            )

    def varied(self, rng: np.random.Generator, strength: float = 1.0) -> Self:
        """Return parameters of another instrument, drawn about these.

        The spread at strength 1 reaches from the CTA Observatory's arrays to H.E.S.S. and MAGIC,
        so that what is trained on such draws does not learn one instrument: factors of about 2 in
        area and background, a point-spread function from 0.7 to 2.2 times as wide with up to 0.4
        of the photons in a tail, a field down to 0.4 of the radius, half a unit in the
        background's index.

        Parameters
        ----------
        rng : numpy.random.Generator
        strength : float
            Factor of all spreads; 0 returns these parameters.
        """

        def factor(spread: float) -> float:
            return float(np.exp(strength * spread * rng.standard_normal()))

        def between(low: float, high: float) -> float:
            return float(np.exp(strength * rng.uniform(np.log(low), np.log(high))))

        size, threshold = factor(0.5), factor(0.3)
        scatter, field = between(0.7, 2.2), between(0.4, 1.2)
        share = np.clip(self.tail_share + strength * rng.uniform(0.0, 0.4), 0.0, 0.6)
        return replace(
            self,
            area=self.area * size,
            area_index=self.area_index * factor(0.2),
            threshold=self.threshold * threshold,
            field_radius=self.field_radius * field,
            field_sharpness=self.field_sharpness * factor(0.3),
            psf_scatter=self.psf_scatter * scatter,
            psf_index=self.psf_index * factor(0.2),
            psf_floor=self.psf_floor * scatter * factor(0.2),
            psf_offset=self.psf_offset * factor(0.2),
            tail_share=float(share),
            tail_scale=1.0 + (self.tail_scale - 1.0) * between(0.5, 2.5),
            energy_floor=self.energy_floor * factor(0.3),
            energy_scatter=self.energy_scatter * factor(0.3),
            energy_bias=self.energy_bias + 0.04 * strength * rng.standard_normal(),
            background=self.background * size * factor(0.6),
            background_index=max(
                1.5, self.background_index + 0.3 * strength * rng.standard_normal()
            ),
            background_threshold=self.background_threshold * threshold * factor(0.1),
            background_radius=self.background_radius * field * factor(0.15),
            background_edge=self.background_edge * factor(0.3),
            background_growth=self.background_growth * factor(0.4),
        )


ARRAYS = {
    # 4 large and 9 medium-sized telescopes
    "north": ResponseParameters(),
    # The large ones alone: after [1]_, [2]_ a smaller field and area, coarser images
    "north-large": ResponseParameters(
        area=1.8e5,
        area_index=0.45,
        area_saturation=2.0,
        threshold=0.04,
        field_radius=2.6,
        psf_scatter=0.05,
        psf_floor=0.055,
        background=0.03,
        background_threshold=0.042,
        background_radius=3.2,
    ),
}
"""Parameters by the name of the array."""


class AnalyticResponse(InstrumentResponse):
    """An instrument response without a file.

    Parameters
    ----------
    zenith : float [deg]
        Angle of the pointing from the zenith.
    nsb : float
        Brightness of the night sky over that of a dark one.
    array : str
        A name in `ARRAYS`.
    parameters : ResponseParameters, optional
        Instead of a named array.

    Raises
    ------
    UnknownNameError
        If there is no array of that name.
    InputError
        If zenith angle or night-sky background is impossible.

    Examples
    --------
    >>> response = AnalyticResponse(zenith=20.0)
    >>> bool(3e5 < response.effective_area(1.0, 0.5) < 5e5)
    True
    """

    energy_range = (0.01, 100.0)

    def __init__(
        self,
        zenith: float = _REFERENCE_ZENITH,
        nsb: float = 1.0,
        array: str = "north",
        parameters: ResponseParameters | None = None,
    ) -> None:
        if parameters is None and array not in ARRAYS:
            raise UnknownNameError("array", array, ARRAYS)
        if not 0 <= zenith <= _ZENITH_LIMIT or not 0 < nsb < np.inf:
            raise InputError(
                f"A response at zenith angle {zenith} deg and night sky {nsb} is not defined.",
                f"Give a zenith angle from 0 to {_ZENITH_LIMIT:g} deg and a positive brightness.",
            )
        self.parameters = ARRAYS[array] if parameters is None else parameters
        self.name = f"analytic {array if parameters is None else 'varied'}"
        self.zenith, self.nsb = float(zenith), float(nsb)
        self.offset_max = self.parameters.field_edge
        depth = np.cos(np.radians(_REFERENCE_ZENITH)) / np.cos(np.radians(zenith))
        self._shift = float(depth**self.parameters.zenith_threshold)
        self._threshold_shift = float(self._shift * nsb**self.parameters.night_sky_threshold)
        self._area_growth = float(depth**self.parameters.zenith_area)
        self._background_growth = float(depth**self.parameters.zenith_background)

    def effective_area(self, energy: ArrayLike, offset: ArrayLike) -> FloatArray:
        """Return the effective area [m2] at true energy [TeV] and offset [deg], broadcast."""
        p, energy = self.parameters, np.asarray(energy, dtype=np.float64)
        # With distance the same shower is dimmer: all energies shift as the threshold does, and
        # the area, kept at high energies, grows with the pool of light.
        e = energy / self._shift
        saturation = (1 + (e / p.area_saturation) ** 2) ** (-p.area_index / 2)
        loss = 1 + (self._threshold_shift * p.threshold / energy) ** p.threshold_sharpness
        on_axis = p.area * self._area_growth * e**p.area_index * saturation / loss
        seen = _acceptance(e, offset, p.field_radius, p.field_growth, p.field_energy)
        return self._within(on_axis * np.exp(-(seen**p.field_sharpness)), offset)

    def containment_68(self, energy: ArrayLike, offset: ArrayLike) -> FloatArray:
        """Return the radius [deg] that holds 68 % of a point source's photons, without tails."""
        p, e = self.parameters, np.asarray(energy, dtype=np.float64) / self._shift
        scatter = p.psf_scatter * self.nsb**p.night_sky_psf * e**-p.psf_index
        growth = 1 + (np.asarray(offset, dtype=np.float64) / p.psf_offset) ** p.psf_offset_index
        return np.asarray(np.hypot(scatter, p.psf_floor) * growth)

    def psf(self, energy: ArrayLike, offset: ArrayLike, radius: ArrayLike) -> FloatArray:
        """Return the density [deg-2] of a point source's photons at a radius [deg] from it.

        Two Gaussians, of integral 1.
        """
        p = self.parameters
        square = np.square(np.asarray(radius, dtype=np.float64))
        variance = self._sigma(energy, offset) ** 2
        wide = variance * p.tail_scale**2
        core = np.exp(-square / (2 * variance)) / variance
        tail = np.exp(-square / (2 * wide)) / wide
        return np.asarray(((1 - p.tail_share) * core + p.tail_share * tail) / (2 * np.pi))

    def dispersion(self, energy: FloatArray, offset: float, energy_edges: FloatArray) -> FloatArray:  # noqa: ARG002 the same all over the field
        """Return the probability that a photon of true energy is reconstructed in each band.

        Log-normal. Shape (n, n_bands).
        """
        bias, spread = self._migration(np.atleast_1d(np.asarray(energy, dtype=np.float64)))
        logarithm = np.log(np.asarray(energy_edges, dtype=np.float64)[None, :])
        centre = np.log(np.atleast_1d(energy)) + bias
        below = ndtr((logarithm - centre[:, None]) / spread[:, None])
        return np.asarray(np.diff(below, axis=1))

    def background(self, energy: ArrayLike, x: ArrayLike, y: ArrayLike) -> FloatArray:
        """Return the rate [s-1 TeV-1 deg-2] of background at a reconstructed energy and place."""
        p, energy = self.parameters, np.asarray(energy, dtype=np.float64)
        offset = np.hypot(x, y)
        threshold = self._threshold_shift * p.background_threshold
        loss = 1 + (threshold / energy) ** p.background_sharpness
        on_axis = p.background * self._background_growth * energy**-p.background_index / loss
        e = energy / self._shift
        seen = _acceptance(e, offset, p.background_radius, p.background_growth, p.background_energy)
        return self._within(on_axis * np.exp(-(seen**p.background_edge)), offset)

    def sample_energy(
        self,
        energy: FloatArray,
        offset: ArrayLike,  # noqa: ARG002 the same all over the field
        rng: np.random.Generator,
    ) -> FloatArray:
        """Return a reconstructed energy [TeV] for each photon of true energy, shape (n,)."""
        bias, spread = self._migration(energy)
        return np.asarray(energy * np.exp(bias + spread * rng.standard_normal(np.shape(energy))))

    def sample_radius(
        self, energy: FloatArray, offset: ArrayLike, rng: np.random.Generator
    ) -> FloatArray:
        """Return a distance [deg] from its source for each photon of true energy, shape (n,)."""
        p = self.parameters
        in_tail = rng.random(np.shape(energy)) < p.tail_share
        width = self._sigma(energy, offset) * np.where(in_tail, p.tail_scale, 1.0)
        return np.asarray(width * rng.rayleigh(size=np.shape(energy)))

    def _sigma(self, energy: ArrayLike, offset: ArrayLike) -> FloatArray:
        """Return the width [deg] of the narrower Gaussian."""
        return np.asarray(self.containment_68(energy, offset) / np.sqrt(-2 * np.log(0.32)))

    def _migration(self, energy: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return bias and spread of the logarithm of reconstructed energy."""
        p, e = self.parameters, energy / self._shift
        bias = p.energy_bias + (p.threshold_bias - p.energy_bias) * np.minimum(
            1.0, (self._threshold_shift * p.threshold / energy) ** 2
        )
        return bias, np.hypot(p.energy_floor, p.energy_scatter * e**-p.energy_index)

    def _within(self, values: FloatArray, offset: ArrayLike) -> FloatArray:
        return np.where(np.asarray(offset) <= self.parameters.field_edge, values, 0.0)


def _acceptance(
    energy: FloatArray, offset: ArrayLike, radius: float, growth: float, level: float
) -> FloatArray:
    """Return the offset over the radius of the field, which grows with energy up to a level."""
    grown = radius * (energy / (energy + level)) ** growth
    return np.asarray(np.asarray(offset, dtype=np.float64) / grown)
