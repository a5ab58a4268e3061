"""Fold spectra and background with an instrument response: what is expected on the map.

A point source's rate in a band of reconstructed energy is the integral over true energy of its
spectrum, the effective area and the share reconstructed in the band; its image is the point-spread
function weighted the same way.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skysift.core.errors import UsageError
from skysift.data.irf.response import InstrumentResponse
from skysift.data.irf.spectra import Spectrum
from skysift.data.sky.event_list import Pointing
from skysift.data.sky.tangent import TangentGrid

__all__ = [
    "PointSourceFolder",
    "PointSourceModel",
    "energy_bands",
    "field_coordinates",
    "fold_background",
    "fold_point_source",
    "pixel_solid_angle",
]

FloatArray = NDArray[np.float64]
_STEPS_PER_DECADE = 40
_BACKGROUND_STEPS = 15  # per decade
_TINY = 1e-300


def energy_bands(low: float = 0.04, high: float = 1.0, n_bands: int = 6) -> FloatArray:
    """Return the edges of bands that are even in the logarithm of energy.

    Parameters
    ----------
    low, high : float [TeV]
    n_bands : int

    Returns
    -------
    array, shape (n_bands + 1,) [TeV]

    Examples
    --------
    >>> energy_bands(0.01, 1.0, 2).round(6).tolist()
    [0.01, 0.1, 1.0]
    """
    if not 0 < low < high or n_bands < 1:
        raise UsageError(
            f"{n_bands} bands from {low} to {high} TeV make no sense.",
            "Give at least one band and positive, increasing energies.",
        )
    return np.geomspace(low, high, n_bands + 1)


@dataclass(frozen=True, slots=True)
class PointSourceModel:
    """What a point source sends to the map, by its offset.

    Parameters
    ----------
    energy_edges : array, shape (n_bands + 1,) [TeV]
        Of reconstructed energy.
    offsets : array, shape (n_offsets,) [deg]
        Increasing.
    radii : array, shape (n_radii,) [deg]
        Increasing from 0.
    rate : array, shape (n_offsets, n_bands) [s-1]
        Photons of all radii.
    density : array, shape (n_offsets, n_bands, n_radii) [deg-2]
        Image of the band, of integral 1 but for what lies beyond the last radius.
    """

    energy_edges: FloatArray
    offsets: FloatArray
    radii: FloatArray
    rate: FloatArray
    density: FloatArray

    def rate_at(self, offset: float) -> FloatArray:
        """Return the rate [s-1] in each band, linear between the offsets, shape (n_bands,)."""
        place, following, weight = _between(self.offsets, offset)
        return np.asarray((1 - weight) * self.rate[place] + weight * self.rate[following])

    def density_at(self, offset: float) -> FloatArray:
        """Return the image [deg-2] of each band, shape (n_bands, n_radii)."""
        place, following, weight = _between(self.offsets, offset)
        return np.asarray((1 - weight) * self.density[place] + weight * self.density[following])

    def containment_radius(self, fraction: float = 0.68, offset: float = 0.0) -> FloatArray:
        """Return the radius [deg] that holds a fraction of the photons, shape (n_bands,).

        Infinite where the radii do not reach that far, or the band holds no photon.
        """
        inside = _cumulative(self.density_at(offset), self.radii)
        radius = np.full(len(inside), np.inf)
        for band, profile in enumerate(inside):
            if profile[-1] >= fraction:
                radius[band] = np.interp(fraction, profile, self.radii)
        return radius


def _cumulative(density: FloatArray, radii: FloatArray) -> FloatArray:
    """Return the share of photons within each radius, shape (..., n_radii).

    Between two radii the density is taken as linear in the square of the radius.
    """
    square = radii**2
    rings = np.pi * np.diff(square) * (density[..., 1:] + density[..., :-1]) / 2
    inside = np.cumsum(rings, axis=-1)
    return np.concatenate([np.zeros((*inside.shape[:-1], 1)), inside], axis=-1)


class PointSourceFolder:
    """A response on a grid of energies, offsets and radii, ready to be folded with any spectrum.

    Parameters
    ----------
    response : InstrumentResponse
    energy_edges : array_like, shape (n_bands + 1,) [TeV]
        Of reconstructed energy.
    offsets : array_like, shape (n_offsets,) [deg]
        Increasing.
    radii : array_like, shape (n_radii,) [deg]
        Increasing from 0.
    steps_per_decade : int
        Steps of true energy.

    Raises
    ------
    UsageError
        If edges, offsets or radii do not increase.
    """

    def __init__(
        self,
        response: InstrumentResponse,
        energy_edges: ArrayLike,
        offsets: ArrayLike,
        radii: ArrayLike,
        *,
        steps_per_decade: int = _STEPS_PER_DECADE,
    ) -> None:
        self.energy_edges, self.offsets, self.radii = (
            np.atleast_1d(np.asarray(values, dtype=np.float64))
            for values in (energy_edges, offsets, radii)
        )
        if any(
            np.any(np.diff(axis) <= 0) for axis in (self.energy_edges, self.offsets, self.radii)
        ):
            raise UsageError(
                "Energy edges, offsets and radii have to increase.", "Sort them and drop doubles."
            )
        low, high = response.energy_range
        bounds = np.geomspace(low, high, int(np.ceil(steps_per_decade * np.log10(high / low))) + 1)
        self.energy = np.sqrt(bounds[1:] * bounds[:-1])
        # The integral of dN/dE over a narrow step is that of E dN/dE over the logarithm.
        width = self.energy * np.diff(np.log(bounds))
        self._area = np.empty((len(self.offsets), len(self.energy), len(self.energy_edges) - 1))
        self._profile = np.empty((len(self.offsets), len(self.energy), len(self.radii)))
        for index, angle in enumerate(self.offsets):
            area = response.effective_area(self.energy, angle) * width
            shares = response.dispersion(self.energy, float(angle), self.energy_edges)
            self._area[index] = area[:, None] * shares
            self._profile[index] = response.psf(self.energy[:, None], angle, self.radii)

    def fold(self, spectrum: Spectrum) -> PointSourceModel:
        """Return what a source of this spectrum sends to the map, at all offsets."""
        weight = spectrum(self.energy)[None, :, None] * self._area
        rate = weight.sum(axis=1)
        image = np.einsum("oeb,oer->obr", weight, self._profile, optimize=True)
        density = image / np.maximum(rate, _TINY)[..., None]
        return PointSourceModel(self.energy_edges, self.offsets, self.radii, rate, density)

    def fold_at(self, spectrum: Spectrum, offset: float) -> tuple[FloatArray, FloatArray]:
        """Return rate [s-1] and image [s-1 deg-2] of a source at one offset.

        Both are linear between the offsets, which keeps the image consistent with the rate.

        Returns
        -------
        rate : array, shape (n_bands,)
        image : array, shape (n_bands, n_radii)
        """
        place, following, share = _between(self.offsets, offset)
        photons = spectrum(self.energy)[:, None]
        lower, upper = photons * self._area[place], photons * self._area[following]
        image = (1 - share) * (lower.T @ self._profile[place])
        image += share * (upper.T @ self._profile[following])
        return (1 - share) * lower.sum(axis=0) + share * upper.sum(axis=0), image


def _between(nodes: FloatArray, value: float) -> tuple[int, int, float]:
    """Return the nodes below and above a value and the weight of the upper, none outside."""
    place = int(np.clip(np.searchsorted(nodes, value) - 1, 0, len(nodes) - 1))
    following = min(place + 1, len(nodes) - 1)
    width = nodes[following] - nodes[place]
    weight = (value - nodes[place]) / width if width > 0 else 0.0
    return place, following, float(np.clip(weight, 0.0, 1.0))


def fold_point_source(
    response: InstrumentResponse,
    spectrum: Spectrum,
    energy_edges: ArrayLike,
    offsets: ArrayLike,
    radii: ArrayLike,
) -> PointSourceModel:
    """Fold a spectrum with effective area, energy dispersion and point-spread function.

    Parameters
    ----------
    response : InstrumentResponse
    spectrum : callable
        dN/dE [m-2 s-1 TeV-1] of energies [TeV].
    energy_edges, offsets, radii : array_like
        See `PointSourceFolder`, which is the quicker way where many spectra meet one response.

    Returns
    -------
    PointSourceModel
    """
    return PointSourceFolder(response, energy_edges, offsets, radii).fold(spectrum)


def pixel_solid_angle(grid: TangentGrid) -> FloatArray:
    """Return the solid angle [deg2] of each pixel, shape (n_y, n_x).

    On the tangent plane at distance r from the centre it shrinks by ``(1 + r^2)^(-3/2)``, r in
    radians [1]_.

    References
    ----------
    .. [1] Calabretta & Greisen 2002, A&A 395, 1077, section 5.1.3.
    """
    xi, eta = grid.pixel_centres()
    square = np.radians(xi[None, :]) ** 2 + np.radians(eta[:, None]) ** 2
    return np.asarray(grid.pixel_size**2 * (1 + square) ** -1.5)


def field_coordinates(
    grid: TangentGrid, pointing: Pointing, rotation: float = 0.0
) -> tuple[FloatArray, FloatArray]:
    """Return where the pixels' centres lie in the field of view.

    Parameters
    ----------
    grid : TangentGrid
    pointing : Pointing
    rotation : float [deg]
        Position angle of the field's second axis, from north to east: the parallactic angle for a
        response aligned with the horizon.

    Returns
    -------
    x, y : array, shape (n_y, n_x) [deg]
        East and north of the pointing if there is no rotation: longitude and latitude of a sphere
        whose origin is the pointing, as gammapy has them.
    """
    plane_x, plane_y = grid.pixel_centres()
    sky = grid.from_plane(plane_x[None, :], plane_y[:, None])
    xi, eta = TangentGrid(pointing.ra, pointing.dec).to_plane(*sky)
    if rotation:
        cosine, sine = np.cos(np.radians(rotation)), np.sin(np.radians(rotation))
        xi, eta = cosine * xi - sine * eta, sine * xi + cosine * eta
    east, north = np.radians(xi), np.radians(eta)
    return np.degrees(np.arctan(east)), np.degrees(np.arctan(north / np.hypot(1.0, east)))


def fold_background(
    response: InstrumentResponse,
    energy_edges: ArrayLike,
    grid: TangentGrid,
    pointing: Pointing,
    *,
    rotation: float = 0.0,
    steps: int | None = None,
) -> FloatArray:
    """Integrate the background rate over bands and pixels.

    Within a band the rate is taken as a power law between a few energies, as gammapy does.

    Parameters
    ----------
    response : InstrumentResponse
    energy_edges : array_like, shape (n_bands + 1,) [TeV]
        Of reconstructed energy.
    grid : TangentGrid
    pointing : Pointing
    rotation : float [deg]
        See `field_coordinates`.
    steps : int, optional
        Parts that each band is divided in; as many as make 15 a decade if left out.

    Returns
    -------
    array, shape (n_bands, n_y, n_x) [s-1]

    Raises
    ------
    InputError
        If the response has no background model.
    """
    edges = np.asarray(energy_edges, dtype=np.float64)
    n_bands = len(edges) - 1
    widest = float(np.max(np.log10(edges[1:] / edges[:-1])))
    steps = max(2, int(np.ceil(_BACKGROUND_STEPS * widest))) if steps is None else steps
    position = np.arange(n_bands * steps + 1) / steps
    energy = np.exp(np.interp(position, np.arange(n_bands + 1), np.log(edges)))
    x, y = field_coordinates(grid, pointing, rotation)
    solid_angle = pixel_solid_angle(grid)
    rate = np.zeros((n_bands, *grid.shape))
    lower = response.background(energy[0], x, y)
    for index in range(n_bands * steps):
        upper = response.background(energy[index + 1], x, y)
        rate[index // steps] += _power_law_integral(lower, upper, energy[index], energy[index + 1])
        lower = upper
    return rate * solid_angle


def _power_law_integral(
    lower: FloatArray, upper: FloatArray, low: float, high: float
) -> FloatArray:
    """Return the integral of the power law through two points; zero where an end is zero."""
    width = np.log(high / low)
    positive = (lower * low > 0) & (upper * high > 0)  # products may underflow
    growth = np.log(
        np.divide(upper * high, lower * low, out=np.ones_like(lower), where=positive)
    )  # of energy times rate
    # (exp(g) - 1) / g, by its series where it would cancel
    small = np.abs(growth) < 1e-4  # noqa: PLR2004 where the series is exact to rounding
    mean = np.where(small, 1 + growth / 2, np.expm1(growth) / np.where(small, 1.0, growth))
    return np.where(positive, lower * low * mean * width, 0.0)
