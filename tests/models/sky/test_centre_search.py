"""The search that tests the centres which a network names: it finds these, and no others."""

import numpy as np
import pytest

from skysift.core.errors import BundleError
from skysift.core.registry import bundle_folder
from skysift.data.irf.analytic import AnalyticResponse
from skysift.data.sky.event_list import Pointing
from skysift.data.sky.tangent import TangentGrid
from skysift.models.sky.network.architecture import (
    BLOCK,
    PLACE_LAYERS,
    SkyNetworkSettings,
    initial_weights,
)
from skysift.models.sky.network.centres import CentreSearch
from skysift.models.sky.network.runtime import NetworkOutput
from skysift.models.sky.network.search import NetworkSearch
from skysift.models.sky.network.training import NetworkHistory, NetworkTrainingOptions
from skysift.models.sky.search import SearchSettings
from skysift.models.sky.trials import TrialsTable
from skysift.preprocess.folding import energy_bands
from skysift.tasks.gamma_sky.field_setup import FieldSetup
from skysift.tasks.gamma_sky.methods import make_method
from skysift.tasks.gamma_sky.network_bundle import (
    NetworkOptions,
    TrainedNetwork,
    load_network_bundle,
    save_network_bundle,
)
from skysift.tasks.gamma_sky.network_training import main, train_head
from skysift.tasks.gamma_sky.options import CENTRES
from skysift.tasks.gamma_sky.simulation.counts import draw_counts
from skysift.tasks.gamma_sky.simulation.expectation import expect
from skysift.tasks.gamma_sky.simulation.field import Field, Source
from skysift.tasks.gamma_sky.training_fields import PoolOptions

TRIALS = TrialsTable(np.array([3.0]), np.array([1.0]))
EXPOSURE = 100.0
POINTING, GRID = Pointing(0.0, 0.0, 20.0), TangentGrid(0.0, 0.0)
PLACES = ((0.7, -0.9), (-0.5, 0.4))
ROUND = np.eye(2)  # pixel2
TINY = NetworkOptions(
    settings=SkyNetworkSettings(shape=(40, 40), pixel_size=0.125, channels=4, coarse_channels=4),
    pool=PoolOptions(instruments=2, fields=2),
    validation_pool=PoolOptions(instruments=1, fields=2),
    validation_maps=2,
    empty_maps=4,
)


class Prompter:
    """Says the true background, and names centres that it is told."""

    settings = SkyNetworkSettings()

    def __init__(self, background, places, covariance):
        self.background, self.places = background, places
        self.covariance = np.asarray(covariance, np.float32)

    def __call__(self, counts, expected, conditions):
        groups = np.array([0, 0, 1, 1, 2, 3])
        factor = np.stack(
            [self.background[groups == g].sum(0) / expected[groups == g].sum(0) for g in range(4)]
        )
        log_odds = np.full((50, 50), -15.0, np.float32)
        column, row = (axis * 1.0 for axis in np.meshgrid(*(np.arange(50) * BLOCK + 1.5,) * 2))
        for place in self.places:
            x, y = (float(value) for value in GRID.plane_to_pixel(*place))
            block = int((y + 0.5) // BLOCK), int((x + 0.5) // BLOCK)
            log_odds[block], column[block], row[block] = 5.0, x, y
        return NetworkOutput(
            factor.astype(np.float32),
            np.zeros((4, 200, 200), np.float32),
            log_odds,
            column.astype(np.float32),
            row.astype(np.float32),
            np.broadcast_to(self.covariance, (50, 50, 2, 2)),
        )


@pytest.fixture(scope="module")
def field():
    """Return the expectation of a field with two sources."""
    sources = []
    for place in PLACES:
        ra, dec = GRID.from_plane(*place)
        sources.append(Source(float(ra), float(dec), flux=1.0))
    return expect(Field(POINTING, EXPOSURE, tuple(sources)), AnalyticResponse(), GRID)


def search_of(field, places, covariance=ROUND, **settings):
    setup = FieldSetup(GRID, POINTING, energy_bands(), EXPOSURE)
    classical = setup.folded().search(TRIALS, SearchSettings(**settings))
    prompter = Prompter(field.background, places, covariance)
    return CentreSearch(classical, prompter, livetime=EXPOSURE), NetworkSearch(
        classical, prompter, livetime=EXPOSURE
    )


def test_what_is_named_is_found_where_the_search_of_all_pixels_finds_it(field, rng):
    counts = draw_counts(field.total, rng)
    nearby = [(xi + 0.03, eta - 0.02) for xi, eta in PLACES]
    centres, everywhere = (search(counts).candidates for search in search_of(field, nearby))
    assert len(centres) == len(everywhere) == 2
    for one, other in zip(
        *(sorted(found, key=lambda c: c.xi) for found in (centres, everywhere)), strict=True
    ):
        sigma = np.sqrt(np.trace(other.covariance) / 2)
        assert np.hypot(one.xi - other.xi, one.eta - other.eta) < 0.2 * sigma
        assert one.excess == pytest.approx(other.excess, rel=0.02)
        np.testing.assert_allclose(one.covariance, other.covariance, rtol=0.2, atol=1e-6)
        assert one.ts == pytest.approx(other.ts, rel=0.02)
        assert one.false_alarms < 1e-6


def test_what_is_not_named_is_not_found(field, rng):
    counts = draw_counts(field.total, rng)
    search, _ = search_of(field, PLACES[:1])
    (only,) = search(counts).candidates
    assert np.hypot(only.xi - PLACES[0][0], only.eta - PLACES[0][1]) < 0.05
    none, _ = search_of(field, ())
    assert none(counts).candidates == ()
    assert none.highest(counts) == -np.inf


def test_a_centre_without_a_source_is_tested_and_dropped(field, rng):
    counts = draw_counts(field.total, rng)
    search, _ = search_of(field, (*PLACES, (1.1, 1.0)))
    assert len(search(counts).candidates) == 2
    empty, _ = search_of(field, ((1.1, 1.0),))
    assert -5 < empty.highest(draw_counts(field.background, rng)) < 4.5


def test_a_source_that_is_named_twice_is_one(field, rng):
    counts = draw_counts(field.total, rng)
    (xi, eta), _ = PLACES
    search, _ = search_of(field, ((xi, eta), (xi + 0.25, eta)))
    assert len(search(counts).candidates) == 1


def test_a_fit_that_leaves_the_stated_region_is_flagged(field, rng):
    counts = draw_counts(field.total, rng)
    far = [(xi + 0.09, eta) for xi, eta in PLACES]
    for width, flagged in ((0.6, True), (6.0, False)):  # pixels; the fit moves by 3.6
        search, _ = search_of(field, far, width**2 * np.eye(2))
        flags = [one.flags for one in search(counts).candidates]
        assert [("off-centre" in one) for one in flags] == [flagged, flagged]


def test_flags_of_all_candidates_ask_for_the_centres_once(field, rng, monkeypatch):
    asked = []

    def named(search, background, _named=CentreSearch.named):
        asked.append(background)
        return _named(search, background)

    monkeypatch.setattr(CentreSearch, "named", named)
    search, _ = search_of(field, PLACES)
    assert len(search(draw_counts(field.total, rng)).candidates) == 2
    assert len(asked) == 2  # where to look, and whether fits stayed there


def test_without_a_fit_the_stated_place_and_covariance_are_the_answer(field, rng):
    """Columns run to the west: the correlation of column and row is that of xi and eta, less."""
    stated = np.array([[2.0, 1.2], [1.2, 1.0]])
    search, _ = search_of(field, PLACES, stated, fit=False)
    found = sorted(search(draw_counts(field.total, rng)).candidates, key=lambda c: c.xi)
    np.testing.assert_allclose([(c.xi, c.eta) for c in found], sorted(PLACES), atol=1e-5)
    wanted = 0.025**2 * np.array([[2.0, -1.2], [-1.2, 1.0]])
    np.testing.assert_allclose(found[0].covariance, wanted, rtol=1e-4)


def tiny_bundle(folder, **changes):
    weights = initial_weights(TINY.settings, np.random.default_rng(0))
    trained = TrainedNetwork(
        TINY, weights, NetworkHistory((1,), (2.0,), (3.0,)), TRIALS, "0" * 64, **changes
    )
    save_network_bundle(trained, folder, seed=4, command="train")
    return load_network_bundle(folder)


def test_the_command_trains_the_head_and_keeps_all_else(tmp_path):
    before = tiny_bundle(tmp_path / "old")
    main([str(tmp_path / "new"), "--head-of", str(tmp_path / "old"), "--steps", "3", "--seed", "7"])
    after = load_network_bundle(tmp_path / "new")
    moved = {
        name
        for name in before.weights
        if not np.array_equal(before.weights[name], after.weights[name])
    }
    assert {name.rpartition(".")[0] for name in moved} == PLACE_LAYERS
    np.testing.assert_array_equal(after.trials.level, before.trials.level)
    assert before.centre_trials is None
    assert after.centre_trials is not None
    training = after.bundle.manifest.training
    assert training.command.startswith("train && python -m ")
    assert training.command.endswith("new --head-of old --seed 7 --steps 3")
    assert training.n_rows == (1 + 3) * 8
    assert after.options.head.steps == 3
    told = after.bundle.manifest.model.parameters
    assert told["steps"] == [1]
    assert told["head"]["seed"] == 7


def test_the_head_is_trained_again_alike(tmp_path):
    parent = tiny_bundle(tmp_path / "old")
    options = NetworkTrainingOptions(steps=2)
    one, again = (train_head(parent, options, 5) for _ in range(2))
    assert all(np.array_equal(one.weights[name], again.weights[name]) for name in one.weights)
    assert one.head.digest == again.head.digest


def test_a_network_without_a_calibration_of_its_centres_is_refused(tmp_path):
    shipped = load_network_bundle(bundle_folder("gamma-sky", "network"))
    trained = TrainedNetwork(
        shipped.options, shipped.weights, NetworkHistory((1,), (2.0,), (3.0,)), TRIALS, "0" * 64
    )
    save_network_bundle(trained, tmp_path / "own", seed=4, command="train")
    setup = FieldSetup(GRID, POINTING, energy_bands(), EXPOSURE)
    with pytest.raises(BundleError, match="--method network"):
        make_method(CENTRES, setup, TRIALS, networks=tmp_path / "own")
