"""Maps of empty runs with one injected source: what the published networks learn from a telescope.

As in their own training: 100 s, one source of 1 Crab at most 2 deg off the pointing, and the clean
map is the noisy one less the background that is expected. Of a real run that is the template of the
field of view, fitted to all photons of the run before the source is injected, and scaled to 100 s.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import InputError
from skysift.data.irf.analytic import AnalyticResponse
from skysift.data.irf.spectra import crab_power_law
from skysift.data.sky.counts_map import bin_events
from skysift.data.sky.tangent import TangentGrid
from skysift.tasks.gamma_sky.observations import Observation, Observations
from skysift.tasks.gamma_sky.off_maps import Maps, background_model, known_zenith
from skysift.tasks.gamma_sky.simulation.counts import draw_counts
from skysift.tasks.gamma_sky.simulation.expectation import expect
from skysift.tasks.gamma_sky.simulation.field import Field, Source
from skysift.tasks.gamma_sky.simulation.folded import FoldedResponse

__all__ = ["OneSource", "one_source_maps"]

_LARGEST_OFFSET = 2.0  # deg, of the source

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class OneSource:
    """What maps the published networks take.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns.
    pixel_size : float [deg]
    energies : (float, float) [TeV]
        Of the photons.
    radius : float [deg]
        About the pointing, up to which photons are counted.
    exposure : float [s]
    """

    shape: tuple[int, int]
    pixel_size: float
    energies: tuple[float, float]
    radius: float
    exposure: float


def one_source_maps(
    observations: Observations, wanted: OneSource, rng: np.random.Generator
) -> Maps:
    """Make maps of runs without known sources.

    Parameters
    ----------
    observations : Observations
        Photon lists; with a response, the source is injected as it would show it, else as the
        analytic one.
    wanted : OneSource
        Which maps.
    rng : numpy.random.Generator
        Draws sources and their photons.

    Returns
    -------
    Maps
        With ``counts``, ``clean`` and ``expected`` of the source, shape (n, n_y, n_x), and
        ``positions``, shape (n, 2) [pixel].

    Raises
    ------
    InputError
        If no run is long enough, or photons of the right energies are left out.
    """
    options = observations.options
    low, high = max(wanted.energies[0], options.emin), min(wanted.energies[1], options.emax)
    if low >= high:
        raise InputError(
            f"These networks see photons of {wanted.energies[0]:g} to {wanted.energies[1]:g} TeV.",
            "Give --emin and --emax that leave some.",
        )
    made: list[dict[str, NDArray[np.float64] | Floats]] = []
    group: list[int] = []
    for number, item in enumerate(observations.items):
        for one in _maps_of(item, wanted, np.array([low, high]), rng):
            made.append(one)
            group.append(number)
    if not made:
        raise InputError(
            f"No run lasts {wanted.exposure:g} s.", "Give longer photon lists, without sources."
        )
    arrays = {name: np.stack([one[name] for one in made]) for name in made[0]}
    return Maps(arrays, np.array(group, dtype=np.int64))


def _maps_of(
    item: Observation, wanted: OneSource, band: NDArray[np.float64], rng: np.random.Generator
) -> Iterator[dict[str, NDArray[np.float64] | Floats]]:
    """Yield the maps of one run."""
    events, pointing = item.events.in_energy(*band.tolist()), item.events.pointing
    grid = TangentGrid(pointing.ra, pointing.dec, *wanted.shape[::-1], wanted.pixel_size)
    seen = grid.separation_from(pointing.ra, pointing.dec) < wanted.radius
    zenith = known_zenith(pointing)
    ready = FoldedResponse(item.response or AnalyticResponse(zenith), band)
    all_counts, _, _, _ = bin_events(events, grid, band)
    rate = background_model(grid, pointing, band, zenith).fit(all_counts).counts[0]
    start, stop = events.gti.start[0], events.gti.stop[-1]
    share = wanted.exposure / (stop - start)
    for number in range(int((stop - start) // wanted.exposure)):
        begin = start + number * wanted.exposure
        counts, _, _, _ = bin_events(events.between(begin, begin + wanted.exposure), grid, band)
        source = _source(grid, rng)
        field = Field(pointing, events.livetime * share, (source,))
        expected = expect(field, ready, grid).source
        noisy = (counts + draw_counts(expected, rng))[0] * seen
        yield {
            "counts": noisy.astype(np.float32),
            "clean": (noisy - rate * np.float32(share) * seen).astype(np.float32),
            "expected": expected[0] * seen,
            "positions": np.array(grid.to_pixel(source.ra, source.dec), dtype=np.float64),
        }


def _source(grid: TangentGrid, rng: np.random.Generator) -> Source:
    away = _LARGEST_OFFSET * np.sqrt(rng.random())
    angle = rng.uniform(0, 2 * np.pi)
    distance = np.degrees(np.tan(np.radians(away)))
    ra, dec = grid.from_plane(distance * np.cos(angle), distance * np.sin(angle))
    return Source(float(ra), float(dec), spectrum=crab_power_law())
