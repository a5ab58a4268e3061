"""False alarms of the searches that ask the sky network, on simulated fields without sources."""

import numpy as np

from skysift.core.progress import Progress, silent
from skysift.data.irf.analytic import AnalyticResponse
from skysift.data.sky.event_list import Pointing
from skysift.data.sky.tangent import TangentGrid
from skysift.models.sky.network.runtime import SkyNetwork
from skysift.models.sky.network.search import NetworkSearch
from skysift.models.sky.search import SearchSettings
from skysift.models.sky.trials import TrialsTable
from skysift.preprocess.folding import energy_bands
from skysift.tasks.gamma_sky.calibration import NO_TRIALS, measure_trials
from skysift.tasks.gamma_sky.field_setup import NETWORK_PRIOR, FieldSetup

__all__ = ["calibrate_network"]

_EXPOSURE = 100.0  # s, and some shorter and longer ones


def calibrate_network(
    network: SkyNetwork, n_maps: int, rng: np.random.Generator, *, progress: Progress = silent
) -> TrialsTable:
    """Measure the false alarms on empty fields of 10 to 1,800 s, told the response and not.

    It is the search of all pixels that is measured. What it states holds for that of the centres
    too, as an upper bound: a place that a fit led to is no higher than the highest pixel. Measured
    alone, the centres would get lower thresholds in long exposures, for the network names few of
    them in empty fields, and more of what defects raise would pass than at 100 s.

    The fields have no defects: what edges of dead parts raise is no matter of chance, and mixed in,
    it would be stated of every field.

    Parameters
    ----------
    network : SkyNetwork
        Trained.
    n_maps : int
        Fields, of all exposures together.
    rng : numpy.random.Generator
        Draws them.
    progress : callable
        Called with the fraction done and what is being done.
    """
    n_y, n_x = network.settings.shape
    grid = TangentGrid(0.0, 0.0, n_x, n_y, network.settings.pixel_size)
    setup = FieldSetup(grid, Pointing(0.0, 0.0, 20.0), energy_bands(), _EXPOSURE)

    def search_of(one: FieldSetup) -> NetworkSearch:
        classical = one.folded().search(NO_TRIALS, SearchSettings(), untold=NETWORK_PRIOR)
        return NetworkSearch(classical, network, livetime=one.livetime)

    return measure_trials(
        setup, AnalyticResponse(), search_of, rng, n_maps=n_maps, progress=progress
    )
