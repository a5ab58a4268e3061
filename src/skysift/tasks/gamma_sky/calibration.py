"""Calibrate a search on simulations: false alarms on empty fields, efficiency on one source."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

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
from skysift.models.sky.trials import Texture, TrialsTable
from skysift.tasks.gamma_sky.field_setup import FieldSetup
from skysift.tasks.gamma_sky.simulation.counts import draw_counts
from skysift.tasks.gamma_sky.simulation.expectation import expect
from skysift.tasks.gamma_sky.simulation.field import Field, Source
from skysift.tasks.gamma_sky.simulation.folded import FoldedResponse

__all__ = [
    "NO_TRIALS",
    "Calibration",
    "Peaks",
    "calibrate",
    "count_peaks",
    "measure_trials",
    "smoothed_trials",
]

FloatArray = NDArray[np.float64]

NO_TRIALS = TrialsTable(np.array([3.0]), np.array([1.0]))
"""The formula of the trials as it is."""

_LEVELS = np.array([2.5, 3.0, 3.5, 4.0, 4.5])
_FEWEST = 30  # maps above a level, or its factor is too uncertain to be used
_ENOUGH = 10  # rows for a fit of five numbers
_MIDDLE = 3.5  # of the levels
_EXPOSURES = (0.1, 0.3, 1.0, 4.0, 18.0)
"""Of the fields without sources, over that of the setup."""
_THRESHOLD_FLUX = 0.1  # Crab
_FOUND = 0.2  # deg


@dataclass(frozen=True)
class Calibration:
    """What simulations say of a search.

    Parameters
    ----------
    trials : TrialsTable
        False alarms.
    efficiency : Interval
        Share of 0.1 Crab sources that are found at 0.01 false alarms per field.
    error68 : Interval
        68th percentile of their distance [deg] from the truth, of those found.
    n_sources : int
        Number of these fields.
    """

    trials: TrialsTable
    efficiency: Interval
    error68: Interval
    n_sources: int


class Peaks(NamedTuple):
    """How many maps of a sample have a peak above a level.

    Parameters
    ----------
    skewness : float
        Of the filtered background.
    level : float
        Significance.
    factor : float
        Measured over expected number of peaks above it.
    above : int
        Maps.
    """

    skewness: float
    level: float
    factor: float
    above: int


def count_peaks(highest: FloatArray, area: float, texture: Texture) -> list[Peaks]:
    """Return the factors between the peaks of empty maps and the formula, for one kind of maps.

    Parameters
    ----------
    highest : array, shape (n,)
        Significance of the highest peak of each map.
    area : float [deg2]
        Searched.
    texture : Texture
        Of the filtered background.

    Notes
    -----
    If peaks are rare and independent, the share of maps whose highest peak lies below a level is
    ``exp(-E)``, E being the expected number of peaks above it. Levels that fewer than thirty maps
    exceed are left out.
    """
    rows = []
    for level in _LEVELS:
        above = int(np.sum(highest > level))
        if above < _FEWEST or above == len(highest):
            continue
        measured = -np.log1p(-above / len(highest))
        expected = float(NO_TRIALS.false_alarms(level, area=area, texture=texture))
        rows.append(Peaks(texture.skewness, float(level), measured / expected, above))
    return rows


def smoothed_trials(rows: Sequence[Peaks]) -> TrialsTable:
    """Return the table of factors that vary smoothly with skewness and level.

    The logarithm is a parabola of the skewness, and a straight line of the level that may turn with
    the skewness: five numbers by weighted least squares. Of fewer than ten rows, their mean.
    """
    if not rows:
        return NO_TRIALS
    skewness, level, factor, above = (np.array(column) for column in zip(*rows, strict=True))

    def terms(s: FloatArray, z: FloatArray) -> FloatArray:
        away = z - _MIDDLE
        every = np.stack([np.ones_like(s), s, s**2, away, s * away], axis=-1)
        return every if len(rows) >= _ENOUGH else every[..., :1]

    weight = np.sqrt(above)
    solution = np.linalg.lstsq(
        terms(skewness, level) * weight[:, None], np.log(factor) * weight, rcond=None
    )[0]
    levels, nodes = np.unique(level), np.unique(skewness)
    table = np.exp(terms(*np.broadcast_arrays(nodes[:, None], levels[None, :])) @ solution)
    return TrialsTable(levels, table, skewness=nodes)


def measure_trials(
    setup: FieldSetup,
    response: InstrumentResponse,
    search_of: Callable[[FieldSetup], SkySearch],
    rng: np.random.Generator,
    *,
    n_maps: int,
    progress: Progress = silent,
) -> TrialsTable:
    """Search fields without sources, not told the response and told it.

    Their exposures are that of the setup and some shorter and longer ones, 0.1 to 18 times as long:
    the factors are a table over the skewness of the filtered field, which the exposure moves.

    Parameters
    ----------
    setup : FieldSetup
        Of a search that is not told the response.
    response : InstrumentResponse
        What is simulated with.
    search_of : callable
        Makes the search of a setup, for maps of the bands that its response sees.
    rng : numpy.random.Generator
        Draws the fields.
    n_maps : int
        Number of fields, of all exposures together.
    progress : callable
        Called with the fraction done and what is being done.
    """
    instrument = FoldedResponse(response, setup.energy_edges)
    field = Field(setup.pointing, setup.livetime)
    empty = expect(field, instrument, setup.grid, setup.energy_edges).background
    told = replace(setup, response=response)
    rows: tuple[list[Peaks], list[Peaks]] = ([], [])
    each = -(-n_maps // len(_EXPOSURES))
    for step, times in enumerate(_EXPOSURES):
        setups = [one.lasting(setup.livetime * times) for one in (setup, told)]
        searches = [search_of(one) for one in setups]
        bands = [one.folded().bands for one in setups]
        highest = np.empty((len(searches), each))
        for number in range(each):
            progress((step + number / each) / len(_EXPOSURES), "fields without sources")
            counts = draw_counts(empty * np.float32(times * rng.uniform(0.6, 1.4)), rng)
            for seen, search, found in zip(bands, searches, highest, strict=True):
                found[number] = search.highest(counts[seen])
        for seen, search, found, kept in zip(bands, searches, highest, rows, strict=True):
            mean = (times * empty[seen])[:, search.searched].mean(axis=1)
            texture = search.filter.texture(mean.astype(np.float64))
            kept.extend(count_peaks(found, search.area, texture))
    free, known = (smoothed_trials(one) for one in rows)
    return replace(free, told=known)


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
    trials = measure_trials(
        setup,
        instrument.response,
        lambda one: one.folded().search(NO_TRIALS, SearchSettings()),
        rng,
        n_maps=empty_maps,
        progress=lambda done, what: progress(0.8 * done, what),
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
        wilson_interval(len(good), source_maps),
        error_quantile(good, 0.68),
        source_maps,
    )


def _draw_source(rng: np.random.Generator, grid: TangentGrid) -> Source:
    offset, angle = rng.uniform(0.0, 2.0), rng.uniform(0.0, 2 * np.pi)
    ra, dec = grid.from_plane(offset * np.sin(angle), offset * np.cos(angle))
    return Source(float(ra), float(dec), flux=_THRESHOLD_FLUX, spectrum=crab_power_law())
