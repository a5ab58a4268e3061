"""False alarms of the searches that ask the sky network, on simulated fields without sources."""

import numpy as np

from skysift.core.progress import Progress, silent
from skysift.data.irf.analytic import AnalyticResponse
from skysift.data.sky.event_list import Pointing
from skysift.data.sky.tangent import TangentGrid
from skysift.models.sky.network.centres import CentreSearch
from skysift.models.sky.network.runtime import SkyNetwork
from skysift.models.sky.network.search import NetworkSearch
from skysift.models.sky.search import SearchSettings
from skysift.models.sky.trials import TrialsTable
from skysift.preprocess.folding import energy_bands
from skysift.tasks.gamma_sky.calibration import NO_TRIALS, measure_trials
from skysift.tasks.gamma_sky.field_setup import NETWORK_PRIOR, FieldSetup

__all__ = ["calibrate_both", "calibrate_network"]

_EXPOSURE = 100.0  # s, and some shorter and longer ones
_DAMAGED_FOR_CENTRES = 0.5  # share of the fields


def calibrate_network(
    network: SkyNetwork,
    n_maps: int,
    rng: np.random.Generator,
    *,
    of_centres: bool = False,
    progress: Progress = silent,
) -> TrialsTable:
    """Measure the false alarms on empty fields of 10 to 1,800 s, told the response and not.

    For the search of all pixels these have no defects: what edges of dead parts raise is no matter
    of chance, and mixed in, it would be stated of every field. Half of those for the centres have
    some: of long exposures the network names so few centres in healthy fields that thresholds of
    these alone would let more of the edges pass than one of 100 s does.

    Parameters
    ----------
    network : SkyNetwork
        Trained.
    n_maps : int
        Fields, of all exposures together.
    rng : numpy.random.Generator
        Draws them.
    of_centres : bool
        Of the search that tests the centres which the network names, not of that of all pixels.
    progress : callable
        Called with the fraction done and what is being done.
    """
    n_y, n_x = network.settings.shape
    grid = TangentGrid(0.0, 0.0, n_x, n_y, network.settings.pixel_size)
    setup = FieldSetup(grid, Pointing(0.0, 0.0, 20.0), energy_bands(), _EXPOSURE)
    kind = CentreSearch if of_centres else NetworkSearch

    def search_of(one: FieldSetup) -> NetworkSearch:
        classical = one.folded().search(NO_TRIALS, SearchSettings(), untold=NETWORK_PRIOR)
        return kind(classical, network, livetime=one.livetime)

    return measure_trials(
        setup,
        AnalyticResponse(),
        search_of,
        rng,
        n_maps=n_maps,
        damaged=_DAMAGED_FOR_CENTRES if of_centres else 0.0,
        bent=of_centres,
        progress=progress,
    )


def calibrate_both(
    network: SkyNetwork, n_maps: int, rng: np.random.Generator, *, progress: Progress = silent
) -> tuple[TrialsTable, TrialsTable]:
    """Return the calibration of the search of all pixels, and that of the centres.

    Parameters
    ----------
    network : SkyNetwork
        Trained.
    n_maps : int
        Fields for each.
    rng : numpy.random.Generator
        Draws them.
    progress : callable
        Called with the fraction done and what is being done.
    """
    pixels = calibrate_network(
        network, n_maps, rng, progress=lambda done, what: progress(done / 2, what)
    )
    of_centres = calibrate_network(
        network,
        n_maps,
        rng,
        of_centres=True,
        progress=lambda done, what: progress((1 + done) / 2, what),
    )
    return pixels, of_centres
