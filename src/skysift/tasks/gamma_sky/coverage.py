"""On which scores the promises of gamma-sky rest: simulated fields, searched as a user would."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skysift.core.conformal import PromisedRows
from skysift.core.errors import InputError
from skysift.core.progress import Progress, silent
from skysift.data.irf.analytic import AnalyticResponse
from skysift.data.irf.response import InstrumentResponse
from skysift.data.irf.spectra import crab_power_law
from skysift.data.sky.event_list import Pointing
from skysift.data.sky.tangent import TangentGrid, separation
from skysift.evaluate.localisation import mahalanobis_squared
from skysift.models.promised_rows import error_rows
from skysift.models.sky.candidate import Candidate
from skysift.models.sky.trials import TrialsTable
from skysift.tasks.gamma_sky.bounds import EXCESS, GROUP, REGION
from skysift.tasks.gamma_sky.model import GammaSkyModel, require_search
from skysift.tasks.gamma_sky.observations import Observations
from skysift.tasks.gamma_sky.options import PredictOptions, ReadOptions
from skysift.tasks.gamma_sky.pipeline import search_events, search_observation
from skysift.tasks.gamma_sky.simulation.field import Field, Source
from skysift.tasks.gamma_sky.simulation.photons import simulate_events

__all__ = [
    "FIELDS",
    "ZENITHS",
    "Located",
    "located",
    "located_sources",
    "promised",
    "random_source",
    "scored_sources",
]

FIELDS = 1600
"""Simulated fields that a calibration draws."""
ZENITHS = (0.0, 20.0, 40.0, 60.0)
"""Zenith angles of their pointings [deg]."""

_FLUXES = (0.05, 3.0)  # Crab, even in the logarithm
_OFFSETS = (0.0, 2.0)  # deg
_EXPOSURE = 100.0  # s
_RADII = np.array([0.0, 0.5])  # deg: where the counts lie does not matter here
_NEAR = 0.3  # deg: what is farther from a source is another thing
_SEARCH = PredictOptions(photometry=False)

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Located:
    """A source that was found, and how it compares with the truth.

    Parameters
    ----------
    field : int
        Number of its field.
    zenith : float [deg]
    flux : float [Crab]
        NaN where it is not known.
    told : bool
        Whether the search was told the response.
    found : Candidate
        What the search says.
    separation : float [deg]
        Of the true place.
    distance : float
        Of the true place, in standard deviations of the ellipse (Mahalanobis).
    expected : float
        Counts that the source sends, NaN where not known.
    """

    field: int
    zenith: float
    flux: float
    told: bool
    found: Candidate
    separation: float
    distance: float
    expected: float = float("nan")


def promised(
    data: Observations | None,
    model: GammaSkyModel,
    rng: np.random.Generator,
    *,
    progress: Progress,
) -> Sequence[PromisedRows]:
    """Return the scores of sources whose places are known: of observations, or simulated ones.

    Observations do not tell how many counts a source sends: with them, only places are promised.

    Raises
    ------
    InputError
        If no source is found whose place is known.
    UsageError
        If the bundle holds networks.
    """
    require_search(model)
    if data is None:
        sources = located_sources(model.trials, FIELDS, rng, progress=progress)
        return scored_sources(sources, "simulated fields, analytic response, 0.05 to 3 Crab")
    found = list(_located_observations(data, model, progress))
    return scored_sources(found, f"{len(data)} observations")[:1]


def scored_sources(sources: Sequence[Located], split: str) -> tuple[PromisedRows, PromisedRows]:
    """Return the scores of places, and of counts.

    Parameters
    ----------
    sources : sequence of Located
    split : str
        What they are.

    Raises
    ------
    InputError
        If there are none.
    """
    if not sources:
        raise InputError(
            "No source was found whose place is known.",
            "Give observations of a known or simulated source, or none at all.",
        )
    counts = np.array([one.found.excess for one in sources])
    error = np.array([one.found.excess_error for one in sources])
    expected = np.array([one.expected for one in sources])
    field = np.array([one.field for one in sources], dtype=np.int64)
    region = error_rows(
        REGION,
        "ellipse",
        np.array([one.distance for one in sources]),
        blocks=field,
        by=GROUP,
        group=counts,
        split=split,
    )
    off = np.abs(counts - expected) / error
    excess = error_rows(EXCESS, "interval", off, blocks=field, by=GROUP, group=counts, split=split)
    return region, excess


def located_sources(
    trials: TrialsTable,
    n: int,
    rng: np.random.Generator,
    *,
    reading: ReadOptions | None = None,
    responses: Sequence[tuple[float, InstrumentResponse]] = (),
    progress: Progress = silent,
) -> list[Located]:
    """Simulate fields with a source each, search them, and return what was found.

    Parameters
    ----------
    trials : TrialsTable
        Of the search.
    n : int
        Fields; every other one is searched without a response.
    rng : numpy.random.Generator
        Draws them.
    reading : ReadOptions, optional
        Energies and bands.
    responses : sequence of (float, InstrumentResponse)
        Zenith angles [deg] and the truth there; the analytic one at `ZENITHS` if left out.
    progress : callable
        Called with the fraction done and what is being done.
    """
    truths = responses or [(zenith, AnalyticResponse(zenith)) for zenith in ZENITHS]
    sources = []
    for number in range(n):
        progress(number / n, "fields with a source")
        zenith, response = truths[number % len(truths)]
        told = response if number // len(truths) % 2 else None
        pointing, source = random_source(rng, zenith, _FLUXES)
        field = Field(pointing, _EXPOSURE, (source,))
        _, near = located(
            number,
            field,
            source,
            rng,
            truth=response,
            told=told,
            trials=trials,
            reading=reading,
        )
        if near is not None:
            sources.append(near)
    return sources


def located(
    number: int,
    field: Field,
    source: Source | None,
    rng: np.random.Generator,
    *,
    truth: InstrumentResponse,
    told: InstrumentResponse | None,
    trials: TrialsTable,
    reading: ReadOptions | None = None,
    options: PredictOptions = _SEARCH,
) -> tuple[int, Located | None]:
    """Simulate a field, search it, and return how many candidates there are, and the source's.

    Parameters
    ----------
    number : int
        Of the field.
    field : Field
        With the source, if there is one.
    source : Source or None
        Whose candidate is looked for.
    rng : numpy.random.Generator
        Draws the photons.
    truth, told : InstrumentResponse
        What is simulated, and what the search knows; None to do without.
    trials : TrialsTable
        Of the search.
    reading : ReadOptions, optional
        Energies and bands.
    options : PredictOptions
        Of the search.
    """
    energies = reading or ReadOptions()
    events = simulate_events(field, truth, rng, energy_range=(energies.emin, energies.emax))
    searched = search_events(events, told, energies, options, trials)
    candidates = searched.result.candidates
    if source is None:
        return len(candidates), None
    near = _nearest(candidates, searched.counts.grid, source.ra, source.dec)
    if near is None:
        return len(candidates), None
    best, away, distance = near
    expected = _expected(truth, energies, field, source)
    zenith = field.pointing.zenith
    found = Located(number, zenith, source.flux, told is not None, best, away, distance, expected)
    return len(candidates), found


def random_source(
    rng: np.random.Generator, zenith: float, fluxes: tuple[float, float]
) -> tuple[Pointing, Source]:
    """Return a pointing anywhere on the sky, and a source within 2 deg of it.

    Parameters
    ----------
    rng : numpy.random.Generator
    zenith : float [deg]
        Of the pointing.
    fluxes : tuple of float [Crab]
        Bounds of the flux, which is even in the logarithm.
    """
    ra, dec = rng.uniform(0.0, 360.0), np.degrees(np.arcsin(rng.uniform(-1.0, 1.0)))
    pointing = Pointing(float(ra), float(dec), zenith)
    offset, angle = rng.uniform(*_OFFSETS), rng.uniform(0.0, 2.0 * np.pi)
    flux = float(np.exp(rng.uniform(*np.log(fluxes))))
    plane = TangentGrid(pointing.ra, pointing.dec)
    place = plane.from_plane(offset * np.sin(angle), offset * np.cos(angle))
    return pointing, Source(float(place[0]), float(place[1]), flux, spectrum=crab_power_law())


def _expected(
    response: InstrumentResponse, reading: ReadOptions, field: Field, source: Source
) -> float:
    """Return the counts that a source sends to the energies that are searched."""
    from skysift.preprocess.folding import energy_bands, fold_point_source  # noqa: PLC0415 - SciPy

    edges = energy_bands(reading.emin, reading.emax, reading.bands)
    offset = np.array([field.offset_of(source)])
    folded = fold_point_source(response, crab_power_law(), edges, offset, _RADII)
    return float(folded.rate.sum() * field.exposure * source.flux)


def _nearest(
    found: Sequence[Candidate], grid: TangentGrid, ra: float, dec: float
) -> tuple[Candidate, float, float] | None:
    """Return the candidate next to a place, and how far that is: in deg, in standard deviations."""
    away = [float(separation(*grid.from_plane(one.xi, one.eta), ra, dec)) for one in found]
    if not away or min(away) > _NEAR:
        return None
    best = found[int(np.argmin(away))]
    xi, eta = grid.to_plane(ra, dec)
    off = [(best.xi - float(xi), best.eta - float(eta))]
    return best, min(away), float(np.sqrt(mahalanobis_squared(off, best.covariance)[0]))


def _located_observations(
    data: Observations, model: GammaSkyModel, progress: Progress
) -> Iterator[Located]:
    for number, item in enumerate(data.items):
        progress(number / len(data), "observations")
        if item.truth is None:
            continue
        for searched in search_observation(item, data.options, _SEARCH, model.trials):
            for ra, dec in item.truth:
                near = _nearest(searched.result.candidates, searched.counts.grid, ra, dec)
                if near is not None:
                    told = item.response is not None
                    zenith = float(item.events.pointing.zenith)
                    yield Located(number, zenith, np.nan, told, *near)
