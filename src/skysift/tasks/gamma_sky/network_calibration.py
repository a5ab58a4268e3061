"""False alarms of the searches that ask the sky network, on simulated fields without sources."""

import numpy as np

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
from skysift.tasks.gamma_sky.simulation.counts import draw_counts
from skysift.tasks.gamma_sky.simulation.distribution import FieldDistribution, draw_field
from skysift.tasks.gamma_sky.simulation.expectation import expect
from skysift.tasks.gamma_sky.simulation.field import Field
from skysift.tasks.gamma_sky.simulation.folded import FoldedResponse

__all__ = ["calibrate_network"]

_EXPOSURE = 100.0  # s


def calibrate_network(
    network: SkyNetwork, n_maps: int, rng: np.random.Generator, *, of_centres: bool = False
) -> TrialsTable:
    """Measure the false alarms on empty fields, some of them with defects.

    Parameters
    ----------
    network : SkyNetwork
        Trained.
    n_maps : int
        Fields of 100 s.
    rng : numpy.random.Generator
        Draws them.
    of_centres : bool
        Of the search that tests the centres which the network names, not of that of all pixels.
    """
    n_y, n_x = network.settings.shape
    pointing = Pointing(0.0, 0.0, 20.0)
    grid = TangentGrid(0.0, 0.0, n_x, n_y, network.settings.pixel_size)
    setup = FieldSetup(grid, pointing, energy_bands(), _EXPOSURE)
    classical = setup.folded().search(NO_TRIALS, SearchSettings(), untold=NETWORK_PRIOR)
    kind = CentreSearch if of_centres else NetworkSearch
    search = kind(classical, network, livetime=_EXPOSURE)
    ready = FoldedResponse(AnalyticResponse(), energy_bands())
    plain = FieldDistribution(sources=(0, 0))
    highest = np.empty(n_maps)
    for number in range(n_maps):
        drawn = draw_field(rng, plain)
        field = Field(
            pointing,
            _EXPOSURE,
            background_scale=drawn.background_scale,
            gradient=drawn.gradient,
            dead_sectors=drawn.dead_sectors,
            star_holes=drawn.star_holes,
        )
        highest[number] = search.highest(draw_counts(expect(field, ready, grid).background, rng))
    typical = expect(Field(pointing, _EXPOSURE), ready, grid).background
    mean = typical[:, search.searched].mean(axis=1).astype(np.float64)
    return measure_trials(highest, search.area, search.filter.texture(mean))
