"""What becomes of a search where the response, the spectrum or the camera are not as supposed."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skysift.core.progress import Progress, silent
from skysift.data.irf.response import InstrumentResponse
from skysift.data.irf.spectra import PowerLaw, Spectrum, crab, crab_power_law
from skysift.evaluate.intervals import Interval
from skysift.evaluate.localisation import poisson_rate
from skysift.models.sky.search import SearchSettings
from skysift.models.sky.trials import TrialsTable
from skysift.tasks.gamma_sky.evaluation.contestants import NO_TRIALS, main_contestants
from skysift.tasks.gamma_sky.evaluation.localisation import localisation_facts
from skysift.tasks.gamma_sky.evaluation.sources import search_fields
from skysift.tasks.gamma_sky.evaluation.study import (
    Contestant,
    Site,
    StudyResult,
    all_sky_pointing,
    as_facts,
    known_response,
    observe,
)
from skysift.tasks.gamma_sky.field_setup import FieldSetup
from skysift.tasks.gamma_sky.simulation.field import FLUX_ENERGY, DeadSector, StarHole

__all__ = ["Blurred", "Scenario", "scenarios", "study_robustness"]

FloatArray = NDArray[np.float64]

_FLUXES = (0.3, 1.0)
_FALSE_ALARMS = 0.01
_SECTOR = DeadSector(angle=60.0, width=40.0, inner=0.3, efficiency=0.1)
_HOLES = (StarHole(0.7, 0.4, 0.25, 0.0), StarHole(-1.0, -0.8, 0.2, 0.2))


class Blurred(InstrumentResponse):
    """A response whose point spread function is wider by a factor.

    Parameters
    ----------
    base : InstrumentResponse
        All else is its own.
    factor : float
        Above 1 for wider.
    """

    def __init__(self, base: InstrumentResponse, factor: float) -> None:
        self.base, self.factor = base, factor
        self.name = f"{base.name}, point spread x {factor:g}"
        self.energy_range, self.offset_max = base.energy_range, base.offset_max

    def effective_area(self, energy: ArrayLike, offset: ArrayLike) -> FloatArray:
        """Return the effective area [m2] at true energy [TeV] and offset [deg]."""
        return self.base.effective_area(energy, offset)

    def psf(self, energy: ArrayLike, offset: ArrayLike, radius: ArrayLike) -> FloatArray:
        """Return the density [deg-2] of a point source's photons at a radius [deg] from it."""
        inner = np.asarray(radius, dtype=np.float64) / self.factor
        return np.asarray(self.base.psf(energy, offset, inner) / self.factor**2)

    def dispersion(self, energy: FloatArray, offset: float, energy_edges: FloatArray) -> FloatArray:
        """Return the probability that a photon of true energy is reconstructed in each band."""
        return self.base.dispersion(energy, offset, energy_edges)

    def background(self, energy: ArrayLike, x: ArrayLike, y: ArrayLike) -> FloatArray:
        """Return the rate [s-1 TeV-1 deg-2] of background."""
        return self.base.background(energy, x, y)

    def sample_energy(
        self, energy: FloatArray, offset: ArrayLike, rng: np.random.Generator
    ) -> FloatArray:
        """Return a reconstructed energy [TeV] for each photon."""
        return self.base.sample_energy(energy, offset, rng)

    def sample_radius(
        self, energy: FloatArray, offset: ArrayLike, rng: np.random.Generator
    ) -> FloatArray:
        """Return a distance [deg] from its source for each photon."""
        return self.factor * self.base.sample_radius(energy, offset, rng)


@dataclass(frozen=True)
class Scenario:
    """One way in which the truth departs from what a search supposes.

    Parameters
    ----------
    name : str
        For people.
    told : FieldSetup
        What the search knows.
    truth : FieldSetup
        What is simulated.
    site : Site
        The camera and the background.
    """

    name: str
    told: FieldSetup
    truth: FieldSetup
    site: Site = field(default_factory=Site)


def scenarios(setup: FieldSetup, other: InstrumentResponse | None = None) -> list[Scenario]:
    """Return the departures that are tested.

    Parameters
    ----------
    setup : FieldSetup
        The truth of most, with a response.
    other : InstrumentResponse, optional
        Of another array, which then is the truth while the search is told the setup's.

    Raises
    ------
    UsageError
        If the setup has no response.
    """
    response = known_response(setup)
    found = [Scenario("as supposed", setup, setup)]
    for factor in (0.6, 0.8, 1.2, 1.4):
        told = replace(setup, response=Blurred(response, factor))
        found.append(Scenario(f"point spread supposed x {factor:g}", told, setup))
    if other is not None:
        found.append(Scenario("another array", setup, replace(setup, response=other)))
    for name, spectrum in _spectra().items():
        found.append(Scenario(name, setup, replace(setup, spectrum=spectrum)))
    sites = {
        "background gradient 0.1 per deg": Site(gradient=(0.08, 0.06)),
        "background x 0.6": Site(0.6),
        "background x 1.4": Site(1.4),
        "dead sector of 40 deg": Site(dead_sectors=(_SECTOR,)),
        "two star holes": Site(star_holes=_HOLES),
    }
    return found + [Scenario(name, setup, setup, site) for name, site in sites.items()]


def _spectra() -> dict[str, Spectrum]:
    """Return spectra with as many photons at 0.2 TeV as the simple Crab."""
    level = float(crab_power_law()(FLUX_ENERGY))
    nebula = crab()
    return {
        "spectrum: curved Crab": nebula.scaled(level / float(nebula(FLUX_ENERGY))),
        "spectrum: index 2": PowerLaw(level, FLUX_ENERGY, 2.0),
        "spectrum: index 3": PowerLaw(level, FLUX_ENERGY, 3.0),
    }


def study_robustness(
    cases: Sequence[Scenario],
    n: int,
    rng: np.random.Generator,
    progress: Progress = silent,
    *,
    n_empty: int = 1000,
    trials: TrialsTable = NO_TRIALS,
    fluxes: Sequence[float] = _FLUXES,
) -> StudyResult:
    """Search fields that are not as the search supposes.

    Parameters
    ----------
    cases : sequence of Scenario
        From :func:`scenarios`.
    n : int
        Fields at each flux of each scenario.
    rng : numpy.random.Generator
    progress : callable
    n_empty : int
        Fields without sources of each scenario.
    trials : TrialsTable
        Of the searches; they look for 0.01 false alarms per field.
    fluxes : sequence of float [Crab]

    Returns
    -------
    StudyResult
        Facts ``scenarios``: by scenario, method and flux, error, containment and share found at
        the stated threshold; and the candidates on empty fields.
    """
    rows: list[dict[str, Any]] = []
    for step, case in enumerate(cases):
        settings = SearchSettings(false_alarms=_FALSE_ALARMS)
        contestants = main_contestants(case.told, trials, settings)
        progress(step / len(cases), case.name)
        table = search_fields(case.truth, contestants, fluxes, n, rng, site=case.site)
        empty = _candidates_on_empty(case, contestants, n_empty, rng)
        # Whatever the search lists is above its own threshold.
        levels = {one.name: Interval(0.0, 0.0, 0.0) for one in contestants}
        measured = localisation_facts(table, levels)["localisation"]
        rows += [{"scenario": case.name, **row, "empty": empty[row["method"]]} for row in measured]
    facts = {"n": n, "n_empty": n_empty, "stated": _FALSE_ALARMS, "scenarios": rows}
    return StudyResult("robustness", facts)


def _candidates_on_empty(
    case: Scenario, contestants: Sequence[Contestant], n: int, rng: np.random.Generator
) -> dict[str, dict[str, Any] | None]:
    """Return the candidates per field without sources, by method."""
    number = dict.fromkeys((one.name for one in contestants), 0)
    for _ in range(n):
        observed = observe(case.truth, (), all_sky_pointing(rng), rng, case.site)
        for one in contestants:
            number[one.name] += len(one.method(observed.counts, observed.photons).candidates)
    if n == 0:
        return dict.fromkeys(number)
    return {name: as_facts(poisson_rate(found, n), n) for name, found in number.items()}
