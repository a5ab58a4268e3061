"""Calibrate a search on simulations: false alarms on empty fields, efficiency on one source."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from skysift.core.progress import Progress, silent
from skysift.data.irf.analytic import AnalyticResponse
from skysift.data.irf.response import InstrumentResponse
from skysift.data.irf.spectra import crab_power_law
from skysift.data.sky.event_list import Pointing
from skysift.data.sky.tangent import TangentGrid, separation
from skysift.evaluate.intervals import Interval, wilson_interval
from skysift.evaluate.localisation import error_quantile
from skysift.models.sky.search import SearchSettings, SkySearch
from skysift.models.sky.trials import TrialsTable
from skysift.tasks.gamma_sky.field_setup import FieldSetup
from skysift.tasks.gamma_sky.simulation.counts import draw_counts
from skysift.tasks.gamma_sky.simulation.expectation import expect
from skysift.tasks.gamma_sky.simulation.field import Field, Source
from skysift.tasks.gamma_sky.simulation.folded import FoldedResponse

__all__ = ["NO_TRIALS", "Calibration", "calibrate", "measure_trials"]

FloatArray = NDArray[np.float64]

NO_TRIALS = TrialsTable(np.array([3.0]), np.array([1.0]))
"""The formula of the trials as it is."""

_LEVELS = np.array([2.5, 3.0, 3.5, 4.0, 4.5])
_FEWEST = 30  # maps above a level, or its factor is too uncertain to be used
_THRESHOLD_FLUX = 0.1  # Crab
_FOUND = 0.2  # deg


@dataclass(frozen=True)
class Calibration:
    """What simulations say of a search.

    Parameters
    ----------
    trials : TrialsTable
        False alarms.
    highest : array, shape (n_empty,)
        Significance of the highest peak of each empty field.
    efficiency : Interval
        Share of 0.1 Crab sources that are found at 0.01 false alarms per field.
    error68 : Interval
        68th percentile of their distance [deg] from the truth, of those found.
    n_sources : int
        Number of these fields.
    """

    trials: TrialsTable
    highest: FloatArray
    efficiency: Interval
    error68: Interval
    n_sources: int


def measure_trials(highest: FloatArray, search: SkySearch, roughness: float) -> TrialsTable:
    """Return the factors between the peaks of empty maps and the formula.

    Parameters
    ----------
    highest : array, shape (n,)
        Significance of the highest peak of each map.
    search : SkySearch
        What found them.
    roughness : float [deg-2]
        Of its filtered background.

    Notes
    -----
    If peaks are rare and independent, the share of maps whose highest peak lies below a level is
    ``exp(-E)``, E being the expected number of peaks above it. Levels that fewer than thirty maps
    exceed are left out: the last factor holds beyond.
    """
    levels, factors = [], []
    for level in _LEVELS:
        above = int(np.sum(highest > level))
        if above < _FEWEST or above == len(highest):
            continue
        measured = -np.log1p(-above / len(highest))
        expected = NO_TRIALS.false_alarms(level, area=search.area, roughness=roughness)
        levels.append(float(level))
        factors.append(measured / float(expected))
    if not levels:
        return NO_TRIALS
    return TrialsTable(np.array(levels), np.array(factors))


def calibrate(
    energy_edges: FloatArray,
    rng: np.random.Generator,
    *,
    empty_maps: int,
    source_maps: int,
    exposure: float,
    response: InstrumentResponse | None = None,
    progress: Progress = silent,
) -> Calibration:
    """Simulate fields without and with a source, and search them without a response.

    False alarms are measured of the search that is told the response as well.

    Parameters
    ----------
    energy_edges : array, shape (n_bands + 1,) [TeV]
        Bands.
    rng : numpy.random.Generator
        Draws the fields.
    empty_maps, source_maps : int
        Number of fields.
    exposure : float [s]
        Of each.
    response : InstrumentResponse, optional
        What is simulated with; the analytic one if left out.
    progress : callable
        Called with the fraction done and what is being done.
    """
    pointing = Pointing(0.0, 0.0, 20.0)
    setup = FieldSetup(TangentGrid(0.0, 0.0), pointing, energy_edges, exposure)
    instrument = FoldedResponse(response or AnalyticResponse(), energy_edges)
    empty = expect(Field(pointing, exposure), instrument, setup.grid, energy_edges).background
    trials, highest = _false_alarms(
        setup, instrument.response, empty, rng, n_maps=empty_maps, progress=progress
    )
    folded = setup.folded()
    calibrated = folded.search(trials, SearchSettings(false_alarms=0.01))
    errors = []
    for number in range(source_maps):
        progress(0.8 + 0.2 * number / source_maps, "fields with a source")
        source = _draw_source(rng, setup.grid)
        field = Field(pointing, exposure, (source,))
        total = expect(field, instrument, setup.grid, energy_edges).total
        found = calibrated(draw_counts(total, rng)[folded.bands]).candidates
        places = [setup.grid.from_plane(one.xi, one.eta) for one in found]
        distances = [float(separation(*place, source.ra, source.dec)) for place in places]
        errors.append(min(distances, default=np.inf))
    away = np.array(errors)
    good = away[away < _FOUND]
    return Calibration(
        trials,
        highest,
        wilson_interval(len(good), source_maps),
        error_quantile(good, 0.68),
        source_maps,
    )


def _false_alarms(
    setup: FieldSetup,
    response: InstrumentResponse,
    empty: NDArray[np.float32],
    rng: np.random.Generator,
    *,
    n_maps: int,
    progress: Progress,
) -> tuple[TrialsTable, FloatArray]:
    """Search fields without sources, not told the response and told it.

    Returns
    -------
    TrialsTable
        Of both searches.
    array, shape (n_maps,)
        Highest peaks of the one that is not told.
    """
    fields = [setup.folded(), replace(setup, response=response).folded()]
    searches = [one.search(NO_TRIALS, SearchSettings()) for one in fields]
    highest = np.empty((len(searches), n_maps))
    for number in range(n_maps):
        progress(0.8 * number / n_maps, "fields without sources")
        counts = draw_counts(empty * np.float32(rng.uniform(0.6, 1.4)), rng)
        for one, search, found in zip(fields, searches, highest, strict=True):
            found[number] = search.highest(counts[one.bands])
    free, told = (
        measure_trials(found, search, _roughness(search, empty[one.bands]))
        for one, search, found in zip(fields, searches, highest, strict=True)
    )
    return replace(free, told=told), highest[0]


def _roughness(search: SkySearch, background: NDArray[np.float32]) -> float:
    return search.filter.roughness(background[:, search.searched].mean(axis=1).astype(np.float64))


def _draw_source(rng: np.random.Generator, grid: TangentGrid) -> Source:
    offset, angle = rng.uniform(0.0, 2.0), rng.uniform(0.0, 2 * np.pi)
    ra, dec = grid.from_plane(offset * np.sin(angle), offset * np.cos(angle))
    return Source(float(ra), float(dec), flux=_THRESHOLD_FLUX, spectrum=crab_power_law())
