"""What a search knows of a field before its photons: with a response and without."""

import numpy as np
import pytest

from skysift.core.registry import bundle_folder
from skysift.data.irf.analytic import AnalyticResponse, ResponseParameters
from skysift.data.sky.event_list import Pointing
from skysift.data.sky.tangent import TangentGrid
from skysift.models.sky.search import SearchSettings
from skysift.preprocess.folding import energy_bands
from skysift.tasks.gamma_sky.field_setup import NETWORK_PRIOR, FieldSetup
from skysift.tasks.gamma_sky.model import TASK, load_bundle
from skysift.tasks.gamma_sky.simulation.counts import draw_counts
from skysift.tasks.gamma_sky.simulation.expectation import expect
from skysift.tasks.gamma_sky.simulation.field import Field
from skysift.tasks.gamma_sky.simulation.folded import FoldedResponse

TRIALS = load_bundle(bundle_folder(TASK)).trials
HERE, GRID, EDGES = Pointing(0.0, 0.0, 20.0), TangentGrid(0.0, 0.0), energy_bands()


@pytest.mark.parametrize("seconds", [100.0, 1800.0])
def test_a_background_unlike_the_supposed_one_passes_for_no_source(seconds, rng):
    """This drawn instrument is one of the least like the supposed one.

    4 candidates are stated for 40 fields. A prior that believes the supposed shape finds one in
    every field.
    """
    drawn = AnalyticResponse(
        20.0, parameters=ResponseParameters().varied(np.random.default_rng([5, 13]))
    )
    empty = expect(Field(HERE, seconds), FoldedResponse(drawn, EDGES), GRID).background
    folded = FieldSetup(GRID, HERE, EDGES, seconds).folded()
    settings = SearchSettings(false_alarms=0.1, fit=False, psf_known=False)
    free = folded.search(TRIALS, settings)
    believing = folded.search(TRIALS, settings, untold=NETWORK_PRIOR)
    found = np.zeros(2, dtype=np.int64)
    for _ in range(40):
        counts = draw_counts(empty, rng)[folded.bands]
        found += [len(search(counts).candidates) for search in (free, believing)]
    assert found[0] <= 12
    assert found[1] >= 40


def test_the_trials_are_those_of_what_is_known():
    told = FieldSetup(GRID, HERE, EDGES, 100.0, AnalyticResponse()).folded()
    free = FieldSetup(GRID, HERE, EDGES, 100.0).folded()
    settings = SearchSettings()
    assert told.search(TRIALS, settings).trials == TRIALS.told
    assert free.search(TRIALS, settings).trials == TRIALS
