"""Simulated photon lists: every photon with its own time, direction and energy.

Nothing is binned but the background model, which is constant within cells of 0.1 deg and a
twentieth of a decade: for each photon of a source a true energy is drawn from the spectrum times
the effective area, then its reconstructed energy and its distance from the source from the
response.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skysift.data.irf.response import InstrumentResponse
from skysift.data.sky.event_list import EventList
from skysift.data.sky.gti import GoodTimeIntervals
from skysift.data.sky.tangent import TangentGrid
from skysift.tasks.gamma_sky.simulation.field import Field, Source
from skysift.tasks.gamma_sky.simulation.folded import FoldedResponse

__all__ = ["simulate_events"]

FloatArray = NDArray[np.float64]
Columns = tuple[FloatArray, FloatArray, FloatArray]
_CELL = 0.1  # deg
_FIELD_LIMIT = 5.0  # deg
_STEPS_PER_DECADE = 20
_TRUE_STEPS_PER_DECADE = 200
_CARD = 68  # characters that fit a FITS card


def simulate_events(
    field: Field,
    response: InstrumentResponse | FoldedResponse,
    rng: np.random.Generator,
    *,
    energy_range: tuple[float, float] = (0.03, 100.0),
    start: float = 0.0,
    name: str = "",
) -> EventList:
    """Draw the photon list of a field, in the order of time.

    Parameters
    ----------
    field : Field
    response : InstrumentResponse or FoldedResponse
        As it is under the field's conditions.
    rng : numpy.random.Generator
    energy_range : tuple of float [TeV]
        Reconstructed energies that are kept.
    start : float [s]
        Time at which the observation begins.
    name : str
        Of the observation.

    Returns
    -------
    EventList
        Coordinates to rounding, one good time interval, no dead time.

    Raises
    ------
    InputError
        If the response has no background model, energy dispersion or point-spread function.
    """
    bare = response.response if isinstance(response, FoldedResponse) else response
    parts = [_source_photons(field, source, bare, rng) for source in field.sources]
    parts.append(_background_photons(field, bare, energy_range, rng))
    xi, eta, energy = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    kept = (energy >= energy_range[0]) & (energy < energy_range[1])
    if field.has_defects:
        x, y = _to_field(xi, eta)
        kept &= rng.random(len(xi)) < field.efficiency(x, y)
    xi, eta, energy = xi[kept], eta[kept], energy[kept]
    ra, dec = TangentGrid(field.pointing.ra, field.pointing.dec).from_plane(xi, eta)
    time = start + np.sort(rng.uniform(0.0, field.exposure, len(energy)))
    order = rng.permutation(len(energy))
    return EventList(
        time,
        ra[order],
        dec[order],
        energy[order],
        GoodTimeIntervals.of([(start, start + field.exposure)]),
        field.pointing,
        name=name,
        meta={"OBJECT": "simulated", "SIMULATE": True, "IRF": bare.name[:_CARD]},
    )


def _source_photons(
    field: Field, source: Source, response: InstrumentResponse, rng: np.random.Generator
) -> Columns:
    """Draw photons of a source: place on the plane about the pointing [deg], energy [TeV]."""
    offset = field.offset_of(source)
    low, high = response.energy_range
    steps = int(np.ceil(_TRUE_STEPS_PER_DECADE * np.log10(high / low)))
    logarithm = np.linspace(np.log(low), np.log(high), steps + 1)
    width = logarithm[1] - logarithm[0]
    middle = np.exp(logarithm[:-1] + width / 2)
    expected = source.photons(middle) * middle * width * response.effective_area(middle, offset)
    cumulative = np.cumsum(expected) * field.exposure
    number = rng.poisson(cumulative[-1])
    step = np.searchsorted(cumulative, rng.random(number) * cumulative[-1], side="right")
    step = np.minimum(step, steps - 1)
    energy = np.exp(logarithm[step] + width * rng.random(number))
    reconstructed = response.sample_energy(energy, offset, rng)
    distance = response.sample_radius(energy, offset, rng)
    angle = rng.uniform(0.0, 2 * np.pi, number)
    dx, dy = distance * np.sin(angle), distance * np.cos(angle)
    if source.extension > 0:
        dx, dy = (
            dx + source.extension * rng.standard_normal(number),
            dy + (source.extension * rng.standard_normal(number)),
        )
    sky = TangentGrid(source.ra, source.dec).from_plane(dx, dy)
    xi, eta = TangentGrid(field.pointing.ra, field.pointing.dec).to_plane(*sky)
    # NaN marks a photon more than a right angle away, or one the response cannot place.
    sound = np.isfinite(xi) & np.isfinite(reconstructed)
    return xi[sound], eta[sound], reconstructed[sound]


@dataclass(frozen=True, slots=True)
class _Cells:
    """Background rates [s-1] on cells of energy and place, summed up."""

    cumulative: FloatArray
    logarithm: FloatArray
    edges: FloatArray

    def draw(
        self, factor: float, exposure: float, rng: np.random.Generator
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Draw energies [TeV] and places x, y [deg] in the field."""
        total = self.cumulative[-1]
        number = rng.poisson(total * factor * exposure)
        cell = np.searchsorted(self.cumulative, np.sort(rng.random(number)) * total, "right")
        cell = np.minimum(cell, len(self.cumulative) - 1)
        n = len(self.edges) - 1
        step, row, column = np.unravel_index(cell, (len(self.logarithm) - 1, n, n))
        width, side = self.logarithm[1] - self.logarithm[0], self.edges[1] - self.edges[0]
        energy = np.exp(self.logarithm[step] + width * rng.random(number))
        x = self.edges[column] + side * rng.random(number)
        y = self.edges[row] + side * rng.random(number)
        return energy, x, y


@lru_cache(maxsize=64)
def _cells(response: InstrumentResponse, low: float, high: float) -> _Cells:
    limit = _CELL * np.ceil(min(response.offset_max, _FIELD_LIMIT) / _CELL)
    edges = np.linspace(-limit, limit, round(2 * limit / _CELL) + 1)
    middle = (edges[1:] + edges[:-1]) / 2
    x, y = middle[None, None, :], middle[None, :, None]
    logarithm = np.linspace(
        np.log(low), np.log(high), int(np.ceil(_STEPS_PER_DECADE * np.log10(high / low))) + 1
    )
    width = logarithm[1] - logarithm[0]
    energy = np.exp(logarithm[:-1] + width / 2)[:, None, None]
    solid_angle = np.diff(edges)[0] ** 2 * np.cos(np.radians(y))
    rate = response.background(energy, x, y) * energy * width * solid_angle
    rate = np.where(np.hypot(x, y) <= limit, rate, 0.0)
    return _Cells(np.cumsum(rate.ravel()), logarithm, edges)


def _background_photons(
    field: Field,
    response: InstrumentResponse,
    energy_range: tuple[float, float],
    rng: np.random.Generator,
) -> Columns:
    """Draw background: place on the plane about the pointing [deg], energy [TeV]."""
    cells = _cells(response, *energy_range)
    corner = cells.edges[[0, -1]]
    largest = float(field.background_factor(corner[None, :], corner[:, None]).max())
    energy, x, y = cells.draw(largest, field.exposure, rng)
    chosen = rng.random(len(energy)) * largest < field.background_factor(x, y)
    xi, eta = _to_plane(x[chosen], y[chosen])
    return xi, eta, energy[chosen]


def _to_plane(x: ArrayLike, y: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return the tangent plane's coordinates [deg] of longitude and latitude in the field."""
    east = np.tan(np.radians(x))
    north = np.tan(np.radians(y)) * np.hypot(1.0, east)
    return np.degrees(east), np.degrees(north)


def _to_field(xi: FloatArray, eta: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return longitude and latitude in the field [deg] of the tangent plane's coordinates."""
    east, north = np.radians(xi), np.radians(eta)
    return np.degrees(np.arctan(east)), np.degrees(np.arctan(north / np.hypot(1.0, east)))
