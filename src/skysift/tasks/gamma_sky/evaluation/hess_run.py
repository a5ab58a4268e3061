"""A run of the H.E.S.S. test data release, ready for the searches."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from skysift.core.errors import DataUnavailableError
from skysift.data.irf.gadf import GadfResponse
from skysift.data.irf.response import InstrumentResponse
from skysift.data.sky.event_list import EventList
from skysift.data.sky.gadf_index import ObservationIndex
from skysift.data.sky.tangent import TangentGrid, separation
from skysift.evaluate.aperture import Circle, reflected_on_off, reflected_regions
from skysift.evaluate.ellipse import ErrorEllipse
from skysift.models.sky.candidate import Candidate
from skysift.models.sky.forced import forced_counts
from skysift.models.sky.search import SearchSettings
from skysift.models.sky.trials import TrialsTable
from skysift.preprocess.folding import energy_bands
from skysift.tasks.gamma_sky.evaluation.contestants import FREE, KNOWN, NO_TRIALS
from skysift.tasks.gamma_sky.evaluation.study import Observed, photons_in
from skysift.tasks.gamma_sky.field_setup import FieldSetup
from skysift.tasks.gamma_sky.methods import Method, make_method
from skysift.tasks.gamma_sky.simulation.field import Field

__all__ = [
    "APERTURE",
    "CRAB",
    "FALSE_ALARMS",
    "FOUND_WITHIN",
    "HIGHEST",
    "PKS_2155",
    "Run",
    "li_ma_at",
    "nearest",
    "stated_radius",
]

CRAB, PKS_2155 = (83.633083, 22.0145), (329.716938, -30.225588)
"""Catalogue positions [deg]."""
APERTURE = 0.1
"""Radius [deg] of counts on and off a known place."""
FALSE_ALARMS = 0.01
"""Expected number of false candidates of a search."""

HIGHEST = 20.0
"""Energy [TeV] up to which runs are searched."""
FOUND_WITHIN = 0.2
"""Distance [deg] from its place within which a candidate is the source."""
_STATED = 0.68


@dataclass(frozen=True)
class Run:
    """A run above some energy, with its response.

    Parameters
    ----------
    obs_id : int
    events : EventList
        Of the energies that are searched.
    setup : FieldSetup
        With the run's response and live time.
    path : Path
        Of the events.
    """

    obs_id: int
    events: EventList
    setup: FieldSetup
    path: Path

    @classmethod
    def read(cls, index: ObservationIndex, obs_id: int, lowest: float) -> "Run":
        """Read a run, from an energy [TeV] up."""
        edges = energy_bands(lowest, HIGHEST)
        events = index.read(obs_id).events.in_energy(lowest, HIGHEST)
        location = index.locate(obs_id, "events")
        if location is None:
            raise DataUnavailableError(
                f"Run {obs_id} has no events.", "Give the whole test data release."
            )
        response: InstrumentResponse = GadfResponse.read(location.path)
        grid = TangentGrid(events.pointing.ra, events.pointing.dec)
        setup = FieldSetup(grid, events.pointing, edges, events.livetime, response)
        return cls(obs_id, events, setup, location.path)

    def methods(
        self, livetime: float, trials: TrialsTable, false_alarms: float = FALSE_ALARMS
    ) -> dict[str, Method]:
        """Return the default search with the run's response, and without any."""
        settings = SearchSettings(false_alarms=false_alarms)
        known = replace(self.setup, livetime=livetime)
        return {
            name: make_method(KNOWN, setup, trials, settings)
            for name, setup in ((KNOWN, known), (FREE, replace(known, response=None)))
        }

    def observed(self, events: EventList) -> Observed:
        """Return some of the events as the searches get them."""
        field = Field(events.pointing, max(events.livetime, 1.0))
        return Observed.of(field, events, self.setup)

    def in_crabs(self, place: tuple[float, float]) -> float:
        """Return the counts of a source over those of a Crab, all that the run sees."""
        folded = self.setup.folded()
        search = folded.search(NO_TRIALS, SearchSettings())
        observed = self.observed(self.events)
        xi, eta = (float(one) for one in observed.grid.to_plane(*place))
        photons = photons_in(observed.photons, folded.bands)
        found = forced_counts(search, observed.counts[folded.bands], photons, (xi, eta))
        crab = folded.source.rate_at(search.offset_of(xi, eta)).sum() * self.setup.livetime
        return float(found.counts / crab)


def li_ma_at(events: EventList, place: tuple[float, float]) -> float:
    """Return the significance at a place that is known, NaN where it cannot be measured."""
    on = Circle(*place, APERTURE)
    found = reflected_on_off(events, on, reflected_regions(on, events.pointing))
    return float("nan") if found is None else found.significance


def nearest(
    observed: Observed, candidates: Sequence[Candidate], place: tuple[float, float]
) -> tuple[float, Candidate] | None:
    """Return the candidate that is the source, and its distance [deg]."""
    found = []
    for one in candidates:
        ra, dec = observed.grid.from_plane(one.xi, one.eta)
        found.append((float(separation(ra, dec, *place)), one))
    near = [pair for pair in found if pair[0] < FOUND_WITHIN]
    return min(near, key=lambda pair: pair[0]) if near else None


def stated_radius(found: Candidate) -> float:
    """Return the 68 % radius [deg] that a candidate states."""
    return float(ErrorEllipse.of_covariance(found.covariance).radius(_STATED)[0])
