"""What every study has in common: its result, its fields, its contestants."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri_exp

from skysift.core.errors import UsageError
from skysift.data.irf.response import InstrumentResponse
from skysift.data.sky.counts_map import bin_events
from skysift.data.sky.event_list import EventList, Pointing
from skysift.data.sky.tangent import TangentGrid
from skysift.data.table import FeatureTable
from skysift.evaluate.intervals import Interval
from skysift.models.sky.candidate import Candidate
from skysift.models.sky.local_source import Photons
from skysift.models.sky.search import SearchResult
from skysift.tasks.gamma_sky.field_setup import FieldSetup
from skysift.tasks.gamma_sky.methods import Method
from skysift.tasks.gamma_sky.simulation.field import DeadSector, Field, Source, StarHole
from skysift.tasks.gamma_sky.simulation.photons import simulate_events

__all__ = [
    "Contestant",
    "Observed",
    "Site",
    "StudyResult",
    "all_sky_pointing",
    "as_facts",
    "known_response",
    "observe",
    "photons_in",
    "place_source",
    "rows_table",
    "statistic_of",
]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class StudyResult:
    """Outcome of a study.

    Parameters
    ----------
    name : str
        Of the study: the key of its facts and the name of its table in a run folder.
    facts : mapping
        Numbers with their intervals, JSON-ready.
    table : FeatureTable or None
        One row per map and method, where a report draws distributions.
    """

    name: str
    facts: Mapping[str, Any]
    table: FeatureTable | None = None


@dataclass(frozen=True)
class Contestant:
    """A method with a name that people read.

    Parameters
    ----------
    name : str
        Identifier, e.g. ``likelihood-ratio, IRF-free``.
    method : Method
        What searches.
    states_errors : bool
        Whether its candidates come with error ellipses.
    """

    name: str
    method: Method
    states_errors: bool = True


@dataclass(frozen=True, slots=True)
class Site:
    """How the fields of a study differ from clean ones.

    Parameters
    ----------
    background_scale : float
        Background over what the response predicts.
    gradient : tuple of float [deg-1]
        Relative change to the east and to the north.
    dead_sectors : tuple of DeadSector
    star_holes : tuple of StarHole
    """

    background_scale: float = 1.0
    gradient: tuple[float, float] = (0.0, 0.0)
    dead_sectors: tuple[DeadSector, ...] = field(default=())
    star_holes: tuple[StarHole, ...] = field(default=())


@dataclass(frozen=True)
class Observed:
    """A simulated observation, as the searches get it.

    Parameters
    ----------
    field : Field
        The truth.
    events : EventList
        Photons of the energies of the setup.
    grid : TangentGrid
        Pixels about the pointing.
    counts : array of float32, shape (n_bands, n_y, n_x)
    photons : Photons
        Those on the map.
    """

    field: Field
    events: EventList
    grid: TangentGrid
    counts: NDArray[np.float32]
    photons: Photons

    @classmethod
    def of(cls, field: Field, events: EventList, setup: FieldSetup) -> "Observed":
        """Bin events about the pointing of a field."""
        shape = setup.grid
        pointing = field.pointing
        grid = TangentGrid(pointing.ra, pointing.dec, shape.n_x, shape.n_y, shape.pixel_size)
        counts, xi, eta, band = bin_events(events, grid, setup.energy_edges)
        photons = Photons(xi, eta, band, np.ones(len(band)))
        return cls(field, events, grid, counts, photons)


def observe(
    setup: FieldSetup,
    sources: Sequence[Source],
    pointing: Pointing,
    rng: np.random.Generator,
    site: Site | None = None,
) -> Observed:
    """Simulate the photons of a field with the response of a setup, and bin them.

    Parameters
    ----------
    setup : FieldSetup
        The truth: response, energies, exposure; its grid is moved to the pointing.
    sources : sequence of Source
        In the field.
    pointing : Pointing
        Where the telescope looks.
    rng : numpy.random.Generator
    site : Site, optional
        A clean field if left out.

    Raises
    ------
    UsageError
        If the setup has no response.
    """
    conditions = site or Site()
    truth = Field(
        pointing,
        setup.livetime,
        tuple(sources),
        background_scale=conditions.background_scale,
        gradient=conditions.gradient,
        dead_sectors=conditions.dead_sectors,
        star_holes=conditions.star_holes,
    )
    low, high = float(setup.energy_edges[0]), float(setup.energy_edges[-1])
    events = simulate_events(truth, known_response(setup), rng, energy_range=(low, high))
    return Observed.of(truth, events, setup)


def known_response(setup: FieldSetup) -> InstrumentResponse:
    """Return the response of a setup that is a truth.

    Raises
    ------
    UsageError
        If it has none.
    """
    if setup.response is None:
        raise UsageError(
            "A simulation needs a response.", "Give the setup that is the truth its response."
        )
    return setup.response


def place_source(
    pointing: Pointing, offset: float, angle: float, flux: float, setup: FieldSetup
) -> Source:
    """Return a source at an offset [deg] and position angle [deg] from the pointing."""
    distance = np.degrees(np.tan(np.radians(offset)))
    turn = np.radians(angle)
    plane = TangentGrid(pointing.ra, pointing.dec)
    ra, dec = plane.from_plane(distance * np.sin(turn), distance * np.cos(turn))
    return Source(float(ra), float(dec), flux, spectrum=setup.spectrum)


def all_sky_pointing(rng: np.random.Generator, zenith: float = 20.0) -> Pointing:
    """Return a pointing: a third near a pole, a third near right ascension 0, a third anywhere."""
    kind = rng.integers(3)
    ra, sine = rng.uniform(0.0, 360.0), rng.uniform(-1.0, 1.0)
    dec = float(np.degrees(np.arcsin(sine)))
    if kind == 0:
        dec = float(rng.choice([-1.0, 1.0]) * rng.uniform(87.5, 90.0))
    elif kind == 1:
        ra = float(rng.uniform(-1.5, 1.5) % 360.0)
    return Pointing(float(ra), dec, zenith)


def photons_in(photons: Photons, bands: slice) -> Photons:
    """Return the photons of some of the bands, which are counted from the first of them."""
    chosen = np.flatnonzero((photons.band >= bands.start) & (photons.band < bands.stop))
    return Photons(
        photons.xi[chosen],
        photons.eta[chosen],
        photons.band[chosen] - bands.start,
        photons.weight[chosen],
    )


def statistic_of(result: SearchResult, candidate: Candidate | None) -> float:
    """Return what a method ranks a candidate by, minus infinity where there is none.

    Its significance; where the chance of it is too small for a float, the root of its test
    statistic; for a method that states neither, the height of its map.
    """
    if candidate is None:
        return -np.inf
    if np.isnan(candidate.ts):
        return float(result.filtered.max())
    if candidate.p_value > 0:
        return float(-ndtri_exp(np.log(candidate.p_value)))
    return float(np.sqrt(max(candidate.ts, 0.0)))


def as_facts(interval: Interval, n: int) -> dict[str, Any]:
    """Return a number with its limits and what it rests on, JSON-ready: NaN becomes None."""
    values = {"value": interval.value, "low": interval.low, "high": interval.high}
    return {
        **{key: float(v) if np.isfinite(v) else None for key, v in values.items()},
        "n": int(n),
        "confidence": interval.confidence,
        "interval": interval.method,
    }


def rows_table(rows: Sequence[Mapping[str, Any]], units: Mapping[str, str]) -> FeatureTable:
    """Return rows of one shape as a table."""
    columns: dict[str, ArrayLike] = {
        name: np.asarray([row[name] for row in rows]) for name in (rows[0] if rows else ())
    }
    return FeatureTable.from_columns(columns, units=units)
