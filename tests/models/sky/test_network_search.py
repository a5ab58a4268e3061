"""The search on the network's background, and what the network is trained on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skysift.core.errors import BundleError, UsageError
from skysift.data.irf.analytic import AnalyticResponse
from skysift.data.sky.event_list import Pointing
from skysift.data.sky.tangent import TangentGrid
from skysift.models.sky.network.architecture import SkyNetworkSettings, initial_weights
from skysift.models.sky.network.background import NetworkBackground
from skysift.models.sky.network.runtime import NetworkOutput
from skysift.models.sky.network.search import NetworkSearch
from skysift.models.sky.network.training import NetworkHistory
from skysift.models.sky.search import SearchSettings
from skysift.models.sky.trials import TrialsTable
from skysift.preprocess.folding import energy_bands
from skysift.tasks.gamma_sky.field_setup import FieldSetup
from skysift.tasks.gamma_sky.network_bundle import (
    NetworkOptions,
    TrainedNetwork,
    load_network_bundle,
    save_network_bundle,
)
from skysift.tasks.gamma_sky.simulation.counts import draw_counts
from skysift.tasks.gamma_sky.simulation.expectation import expect
from skysift.tasks.gamma_sky.simulation.field import DeadSector, Field, Source, StarHole
from skysift.tasks.gamma_sky.training_fields import FieldPool, PoolOptions, turned, turned_place

TRIALS = TrialsTable(np.array([3.0]), np.array([1.0]))
EXPOSURE = 1800.0
POINTING = Pointing(0.0, 0.0, 20.0)
GRID = TangentGrid(0.0, 0.0)
COARSE = SkyNetworkSettings(shape=(40, 40), pixel_size=0.125, channels=8, coarse_channels=8)
DEFECTS = {
    "dead_sectors": (DeadSector(angle=40.0, width=50.0, inner=0.3),),
    "star_holes": (StarHole(-0.8, -0.6, 0.35),),
}


class Oracle:
    """Says the truth in place of a network."""

    settings = SkyNetworkSettings()

    def __init__(self, background):
        self.background = background
        self.asked = 0

    def __call__(self, counts, expected, conditions):
        self.asked += 1
        assert conditions.shape == (2, *counts.shape[1:])
        groups = np.array([0, 0, 1, 1, 2, 3])
        factor = np.stack(
            [self.background[groups == g].sum(0) / expected[groups == g].sum(0) for g in range(4)]
        )
        nothing = np.zeros((50, 50), np.float32)
        dark = np.zeros((4, 200, 200), np.float32)
        round_ = np.broadcast_to(np.eye(2, dtype=np.float32), (50, 50, 2, 2))
        return NetworkOutput(factor.astype(np.float32), dark, nothing, nothing, nothing, round_)


@pytest.fixture(scope="module")
def classical():
    setup = FieldSetup(GRID, POINTING, energy_bands(), EXPOSURE)
    return setup.folded().search(TRIALS, SearchSettings())


@pytest.fixture(scope="module")
def broken():
    """Return the expectation of an empty field with defects."""
    return expect(Field(POINTING, EXPOSURE, **DEFECTS), AnalyticResponse(), GRID).background


def test_levels_conserve_counts_and_the_filter_sees_the_edges(classical, broken, rng):
    counts = draw_counts(broken, rng)
    search = NetworkSearch(classical, Oracle(broken), livetime=EXPOSURE)
    fit = search.background.fit(counts)
    np.testing.assert_allclose(fit.sharp.sum(axis=(1, 2)), counts.sum(axis=(1, 2)), rtol=1e-4)
    seen = search.searched
    weighed = np.einsum("b,byx->yx", search.filter.sums, fit.counts)
    lit = seen & (broken.sum(axis=0) > 0)
    np.testing.assert_allclose(weighed[lit], search.filter(fit.sharp)[lit], rtol=1e-3, atol=1e-4)
    dead = broken.sum(axis=0) == 0
    assert fit.correction[dead & seen].max() < 0.05
    assert abs(np.median(fit.correction[~dead & seen]) - 1) < 0.3


def test_with_the_true_background_defects_raise_no_alarm(classical, broken):
    """Where the network is right the highest peaks are those of a field without defects."""
    rng = np.random.default_rng(5)
    search = NetworkSearch(classical, Oracle(broken), livetime=EXPOSURE)
    smooth, right = [], []
    for _ in range(12):
        counts = draw_counts(broken, rng)
        smooth.append(classical.highest(counts))
        right.append(search.highest(counts))
    assert np.mean(right) < 4.5
    assert max(right) < 5.5
    assert np.mean(smooth) > np.mean(right) + 1


def test_a_source_is_fitted_on_the_sharp_background_and_flagged_in_a_hole(classical):
    rng = np.random.default_rng(6)
    places = ((0.7, -0.9), (-0.8, -0.6))  # beside all defects; in the middle of the hole
    found = []
    for xi, eta in places:
        ra, dec = GRID.from_plane(xi, eta)
        field = Field(
            POINTING,
            EXPOSURE,
            (Source(float(ra), float(dec), flux=1.0),),
            star_holes=(StarHole(-0.8, -0.6, 0.35, efficiency=0.3),),
        )
        expected = expect(field, AnalyticResponse(), GRID)
        oracle = Oracle(expected.background)
        search = NetworkSearch(classical, oracle, livetime=EXPOSURE)
        result = search(draw_counts(expected.total, rng))
        assert oracle.asked == 2  # of the map, and of the map without the source
        best = result.candidates[0]
        assert np.hypot(best.xi - xi, best.eta - eta) < 0.02
        sent = expected.sources.sum()
        assert abs(best.excess - sent) < 4 * best.excess_error + 0.1 * sent
        found.append("hole" in best.flags)
        assert np.isfinite(result.background.counts).all()
    assert found == [False, True]


def test_another_grid_is_refused(classical):
    setup = FieldSetup(TangentGrid(0.0, 0.0, 160, 160), POINTING, energy_bands(), EXPOSURE)
    search = setup.folded().search(TRIALS, SearchSettings())
    with pytest.raises(UsageError, match="200 x 200"):
        NetworkSearch(search, Oracle(None), livetime=EXPOSURE)
    assert isinstance(
        NetworkSearch(classical, Oracle(None), livetime=EXPOSURE).background, NetworkBackground
    )


@given(
    st.integers(0, 3),
    st.booleans(),
    st.integers(0, 11),
    st.integers(0, 11),
)
def test_places_turn_with_the_maps(quarters, mirrored, row, column):
    image = np.zeros((2, 12, 12), np.float32)
    image[:, row, column] = 1.0
    place = turned_place(row, column, 12, quarters, mirrored=mirrored)
    moved = turned(image, quarters, mirrored=mirrored)
    assert moved[1][tuple(int(x) for x in place)] == 1.0


@pytest.fixture(scope="module")
def pool():
    return FieldPool(PoolOptions(instruments=3, fields=3), COARSE, np.random.default_rng(8))


def test_maps_are_draws_of_their_truth(pool):
    batch = pool.batch(12, np.random.default_rng(9))
    truth = batch["background"] + batch["source"]
    for counts, mean in zip(batch["counts"], truth, strict=True):
        total, wanted = counts.sum(), mean.sum()
        assert abs(total - wanted) < 5 * np.sqrt(wanted) + 1
    assert batch["conditions"].shape == (12, 2, 10, 10)
    assert len({float(value) for value in batch["conditions"][:, 1, 0, 0]}) == 12  # exposures
    again = pool.batch(12, np.random.default_rng(9))
    assert all(np.array_equal(batch[name], again[name]) for name in batch)


def test_centres_lie_where_the_sources_are(pool):
    batch = pool.batch(40, np.random.default_rng(10))
    for centre, source in zip(batch["centre"], batch["source"], strict=True):
        rows, columns = np.nonzero(centre[0])
        if len(rows) != 1:
            continue
        assert np.abs(centre[1:, rows[0], columns[0]]).max() <= 0.5
        total = source.sum(axis=0)
        blocks = total.reshape(10, 4, 10, 4).sum(axis=(1, 3))
        if total.max() > 0.2 * total.sum():  # one source, seen by the camera
            i, j = np.unravel_index(blocks.argmax(), blocks.shape)
            assert max(abs(i - rows[0]), abs(j - columns[0])) <= 1


def test_a_bundle_returns_what_was_stored(tmp_path):
    options = NetworkOptions(settings=COARSE)
    weights = initial_weights(COARSE, np.random.default_rng(0))
    trained = TrainedNetwork(
        options, weights, NetworkHistory((1,), (2.0,), (3.0,)), TRIALS, "0" * 64
    )
    save_network_bundle(trained, tmp_path / "network", seed=4, command="train")
    loaded = load_network_bundle(tmp_path / "network")
    assert loaded.network.settings == COARSE
    assert loaded.weights.keys() == weights.keys()
    assert all(np.array_equal(loaded.weights[name], weights[name]) for name in weights)
    np.testing.assert_array_equal(loaded.trials.level, TRIALS.level)
    data = bytearray((tmp_path / "network" / "network.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "network" / "network.onnx").write_bytes(data)
    with pytest.raises(BundleError):
        load_network_bundle(tmp_path / "network")
