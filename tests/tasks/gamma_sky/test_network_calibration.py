"""The false alarms of the sky network: over exposures, measured anew, and what stays as it is."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom

from skysift.core.bundle_schema import DataLicence, Lineage
from skysift.core.continuation import Origin
from skysift.core.registry import bundle_folder
from skysift.data.irf.analytic import AnalyticResponse
from skysift.data.sky.event_list import Pointing
from skysift.data.sky.tangent import TangentGrid
from skysift.models.sky.network.architecture import SkyNetworkSettings, initial_weights
from skysift.models.sky.network.centres import CentreSearch
from skysift.models.sky.network.search import NetworkSearch
from skysift.models.sky.network.training import NetworkHistory
from skysift.models.sky.search import SearchSettings
from skysift.models.sky.trials import TrialsTable
from skysift.preprocess.folding import energy_bands
from skysift.tasks.gamma_sky.field_setup import NETWORK_PRIOR, FieldSetup
from skysift.tasks.gamma_sky.network_bundle import (
    NetworkOptions,
    TrainedNetwork,
    load_network_bundle,
    save_network_bundle,
)
from skysift.tasks.gamma_sky.network_calibration import calibrate_network
from skysift.tasks.gamma_sky.network_training import main
from skysift.tasks.gamma_sky.simulation.counts import draw_counts
from skysift.tasks.gamma_sky.simulation.expectation import expect
from skysift.tasks.gamma_sky.simulation.field import Field

POINTING, GRID = Pointing(0.0, 0.0, 20.0), TangentGrid(0.0, 0.0)
TINY = NetworkOptions(
    settings=SkyNetworkSettings(shape=(40, 40), pixel_size=0.125, channels=4, coarse_channels=4)
)
MAPS = 250


def table(seed):
    """Any table over skewness and level, told and not."""
    factor = np.random.default_rng(seed).uniform(0.5, 2.0, (2, 2, 2))
    known = TrialsTable(np.array([3.0, 4.0]), factor[0], skewness=np.array([0.2, 0.9]))
    return replace(known, told=replace(known, factor=factor[1]))


@pytest.fixture
def stored(tmp_path):
    """A network that has gone on, calibrated when there was one table of one exposure."""
    weights = initial_weights(TINY.settings, np.random.default_rng(0))
    once = TrialsTable(np.array([3.0]), np.array([1.2]))
    trained = TrainedNetwork(
        TINY, weights, NetworkHistory((1,), (2.0,), (3.0,)), once, "0" * 64, once
    )
    lineage = Lineage(parent="one", parent_hash="0" * 64, verb="train", method="m")
    licence = DataLicence(licence="its own", citation="of runs")
    folder = tmp_path / "old"
    origin = Origin(lineage, "four runs", licence, 4, "train")
    save_network_bundle(trained, folder, seed=4, command="train", origin=origin)
    return load_network_bundle(folder)


def test_all_but_the_calibration_stays_as_it_is(stored, tmp_path):
    old, new = stored.bundle.folder, tmp_path / "new"
    main([str(new), "--recalibrate", str(old), "--seed", "3", "--empty-maps", str(MAPS)])
    after = load_network_bundle(new)
    for name in ("weights.safetensors", "network.onnx"):
        assert (new / name).read_bytes() == (old / name).read_bytes()
    assert after.options == stored.options.model_copy(update={"empty_maps": MAPS})
    before, told = stored.bundle.manifest, after.bundle.manifest
    assert told.training.command == (
        "train && python -m skysift.tasks.gamma_sky.network_training new --recalibrate old "
        f"--seed 3 --empty-maps {MAPS}"
    )
    assert (told.lineage, told.data_licence) == (before.lineage, before.data_licence)
    assert told.training.model_copy(update={"command": "train"}) == before.training
    assert after.trials == calibrate_network(stored.network, MAPS, np.random.default_rng(3))
    assert after.trials != stored.trials
    # Of several exposures, told the response and not.
    assert len(after.trials.skewness) == len(after.trials.told.skewness) == 5
    assert after.trials.skewness[-1] > 3 * after.trials.skewness[0]


def test_tables_come_back_as_they_were(tmp_path):
    weights = initial_weights(TINY.settings, np.random.default_rng(0))
    pixels, of_centres = table(1), replace(table(2), told=None)
    trained = TrainedNetwork(
        TINY, weights, NetworkHistory((1,), (2.0,), (3.0,)), pixels, "0" * 64, of_centres
    )
    save_network_bundle(trained, tmp_path / "one", seed=4, command="train")
    again = load_network_bundle(tmp_path / "one")
    assert (again.trials, again.centre_trials) == (pixels, of_centres)
    assert pixels != of_centres


def test_no_centre_is_higher_than_the_highest_pixel():
    """So that what is stated of all pixels bounds the false alarms of the centres."""
    bundle = load_network_bundle(bundle_folder("gamma-sky", "network"))
    assert bundle.centre_trials == bundle.trials
    setup = FieldSetup(GRID, POINTING, energy_bands(), 100.0)
    classical = setup.folded().search(bundle.trials, SearchSettings(), untold=NETWORK_PRIOR)
    pixels, of_centres = (
        kind(classical, bundle.network, livetime=100.0) for kind in (NetworkSearch, CentreSearch)
    )
    empty = expect(Field(POINTING, 100.0), AnalyticResponse(), GRID).background
    rng, named = np.random.default_rng(24), 0
    for _ in range(40):
        counts = draw_counts(empty, rng)
        highest = of_centres.highest(counts)
        named += np.isfinite(highest)
        assert highest < pixels.highest(counts) + 0.02
    assert named > 10


def test_what_is_stated_holds_in_clean_fields_of_half_an_hour():
    """With the factors of 100 s alone, nearly twice as many fields have a peak above the level."""
    bundle = load_network_bundle(bundle_folder("gamma-sky", "network"))
    setup = FieldSetup(GRID, POINTING, energy_bands(), 1800.0)
    settings = SearchSettings(false_alarms=0.1)
    classical = setup.folded().search(bundle.trials, settings, untold=NETWORK_PRIOR)
    search = NetworkSearch(classical, bundle.network, livetime=1800.0)
    empty = expect(Field(POINTING, 1800.0), AnalyticResponse(), GRID).background
    texture = search.filter.texture(empty[:, search.searched].mean(axis=1).astype(np.float64))
    level = bundle.trials.level_for(0.1, area=search.area, texture=texture)
    rng, n = np.random.default_rng(23), 360
    alarms = sum(search.highest(draw_counts(empty, rng)) > level for _ in range(n))
    low, high = binom.interval(0.998, n, 1 - np.exp(-0.1))
    assert low <= alarms <= high, (alarms, low, high)
