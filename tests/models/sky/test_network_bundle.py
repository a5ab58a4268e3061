"""The network that ships: small, and of use where a smooth background is not."""

from pathlib import Path

import numpy as np
import pytest

import skysift.tasks.gamma_sky as task
from skysift.data.irf.analytic import AnalyticResponse
from skysift.data.sky.event_list import Pointing
from skysift.data.sky.tangent import TangentGrid
from skysift.models.sky.network.export import export_network
from skysift.models.sky.network.search import NetworkSearch, centres
from skysift.models.sky.search import SearchSettings
from skysift.preprocess.folding import energy_bands
from skysift.tasks.gamma_sky.methods import FieldSetup
from skysift.tasks.gamma_sky.network_training import load_network_bundle
from skysift.tasks.gamma_sky.simulation.counts import draw_counts
from skysift.tasks.gamma_sky.simulation.expectation import expect
from skysift.tasks.gamma_sky.simulation.field import DeadSector, Field, Source, StarHole

FOLDER = Path(task.__file__).parent / "bundles" / "network"
POINTING, GRID, EXPOSURE = Pointing(0.0, 0.0, 20.0), TangentGrid(0.0, 0.0), 1800.0
SECTOR = DeadSector(angle=120.0, width=40.0)
HOLE = StarHole(0.9, 0.8, 0.3)


@pytest.fixture(scope="module")
def shipped():
    return load_network_bundle(FOLDER)


@pytest.fixture(scope="module")
def searches(shipped):
    setup = FieldSetup(GRID, POINTING, energy_bands(), EXPOSURE)
    classical = setup.folded().search(shipped.trials, SearchSettings())
    return classical, NetworkSearch(classical, shipped.network, livetime=EXPOSURE)


def test_it_is_small_and_its_graph_is_that_of_its_weights(shipped):
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 2_000_000
    graph = export_network(shipped.network.settings, shipped.weights)
    assert graph == (FOLDER / "network.onnx").read_bytes()


def test_dead_parts_of_the_camera_are_seen_and_raise_fewer_alarms(searches):
    classical, network = searches
    rng = np.random.default_rng(21)
    field = Field(POINTING, EXPOSURE, dead_sectors=(SECTOR,), star_holes=(HOLE,))
    expected = expect(field, AnalyticResponse(), GRID).background
    dead = (expected.sum(axis=0) == 0) & network.searched
    smooth, learnt = [], []
    for _ in range(8):
        counts = draw_counts(expected, rng)
        smooth.append(classical.highest(counts))
        learnt.append(network.highest(counts))
        fit = network.background.fit(counts)
        assert np.median(fit.correction[dead]) < 0.3
        assert 0.9 < np.median(fit.correction[network.searched & ~dead]) < 1.3
    assert np.mean(learnt) < np.mean(smooth) - 0.5


@pytest.mark.parametrize("n_bands", [6, 8])
def test_a_source_is_found_and_counted(shipped, n_bands):
    edges = energy_bands(0.04, 1.0, n_bands)
    setup = FieldSetup(GRID, POINTING, edges, 100.0)
    classical = setup.folded().search(shipped.trials, SearchSettings())
    network = NetworkSearch(classical, shipped.network, livetime=100.0)
    ra, dec = GRID.from_plane(-0.62, 0.41)
    field = Field(POINTING, 100.0, (Source(float(ra), float(dec), flux=2.0),))
    expected = expect(field, AnalyticResponse(), GRID, edges)
    rng = np.random.default_rng(22)
    for _ in range(4):
        counts = draw_counts(expected.total, rng)
        best = network(counts).candidates[0]
        assert np.hypot(best.xi + 0.62, best.eta - 0.41) < 0.04
        assert abs(best.excess - expected.sources.sum()) < 4 * best.excess_error
        output = network.background.fit(counts).output
        probability, x, y, _ = centres(output, 0.5)[0]
        assert probability > 0.9
        xi, eta = GRID.pixel_to_plane(x, y)
        assert np.hypot(xi + 0.62, eta - 0.41) < 0.1
