"""The network that ships: small, and of use where a smooth background is not."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

import skysift.tasks.gamma_sky as task
from skysift.data.irf.analytic import AnalyticResponse
from skysift.data.sky.event_list import Pointing
from skysift.data.sky.tangent import TangentGrid
from skysift.evaluate.ellipse import ellipse_scale
from skysift.models.sky.network.architecture import BLOCK, PLACE_LAYERS
from skysift.models.sky.network.centres import centres
from skysift.models.sky.network.export import export_network
from skysift.models.sky.network.search import NetworkSearch
from skysift.models.sky.search import SearchSettings
from skysift.preprocess.folding import energy_bands
from skysift.tasks.gamma_sky.field_setup import FieldSetup
from skysift.tasks.gamma_sky.network_bundle import load_network_bundle
from skysift.tasks.gamma_sky.simulation.counts import draw_counts
from skysift.tasks.gamma_sky.simulation.expectation import expect
from skysift.tasks.gamma_sky.simulation.field import DeadSector, Field, Source, StarHole
from skysift.tasks.gamma_sky.training_fields import FieldPool, PoolOptions

FOLDER = Path(task.__file__).parent / "bundles" / "network"
POINTING, GRID, EXPOSURE = Pointing(0.0, 0.0, 20.0), TangentGrid(0.0, 0.0), 1800.0
SECTOR = DeadSector(angle=120.0, width=40.0)
HOLE = StarHole(0.9, 0.8, 0.3)
BODY = "84f6d3e6f16c0026c451f6f232e6cff449bc2cb352411aeead1265df3e01475c"  # SHA-256 of its weights


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


def test_background_and_sources_are_those_that_were_measured(shipped):
    """What places centres was trained again; the numbers of the card were taken with the rest."""
    body = {
        name: array
        for name, array in shipped.weights.items()
        if name.rpartition(".")[0] not in PLACE_LAYERS
    }
    digest = hashlib.sha256(b"".join(body[name].tobytes() for name in sorted(body)))
    assert digest.hexdigest() == BODY
    told = shipped.bundle.manifest.model.parameters
    assert told["steps"][-1] == shipped.options.training.steps
    assert told["head"]["steps"][-1] == shipped.options.head.steps
    assert min(told["head"]["validation_loss"]) < told["head"]["validation_loss"][0]
    assert "--head-of" in shipped.bundle.manifest.training.command


def test_stated_regions_hold_the_centres_as_often_as_they_say(shipped):
    """On fresh fields of instruments that it was not trained on; twice the variance would fail."""
    pool = FieldPool(
        PoolOptions(instruments=6, fields=6), shipped.network.settings, np.random.default_rng(77)
    )
    rng, inside = np.random.default_rng(78), []
    for _ in range(150):
        batch = pool.batch(1, rng)
        conditions = batch["conditions"][0].repeat(BLOCK, axis=1).repeat(BLOCK, axis=2)
        output = shipped.network(batch["counts"][0], batch["expected"][0], conditions)
        named = centres(output, 0.5)
        row, column = np.nonzero(batch["centre"][0, 0])
        x, y = batch["centre"][0, 1:, row, column].T + 0.5
        truth = np.stack([BLOCK * (column + x) - 0.5, BLOCK * (row + y) - 0.5], axis=-1)
        for number, place in enumerate(named.place if len(truth) else ()):
            away = np.hypot(*(truth - place).T)
            if away.min() < 2 * BLOCK:  # else it is false, which its chance tells of
                inside.append(named.distance(truth[away.argmin()])[number])
    n = len(inside)
    assert n > 60
    for share in (0.68, 0.95):
        held = np.sum(np.array(inside) < ellipse_scale(share) ** 2)
        low, high = binom.interval(0.999, n, share)
        assert low <= held <= high, (share, held / n, n)


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
        named = centres(output, 0.5)
        assert named.chance[0] > 0.9
        xi, eta = GRID.pixel_to_plane(*named.place[0])
        assert np.hypot(xi + 0.62, eta - 0.41) < 0.1
