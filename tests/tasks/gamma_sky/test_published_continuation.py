"""The published networks go on: weights out of graphs, part by part, with injected sources."""

from dataclasses import replace

import numpy as np
import pytest

from skysift.core.bundle_schema import Lineage
from skysift.core.continuation import ContinueOptions, Origin
from skysift.core.errors import BundleError, InputError, UsageError
from skysift.core.progress import silent
from skysift.core.registry import bundle_folder, load_task
from skysift.data.irf.analytic import AnalyticResponse
from skysift.data.sky.event_list import Pointing
from skysift.data.sky.tangent import TangentGrid
from skysift.models.sky.baseline.export import export_folded_cleaner
from skysift.models.sky.baseline.layers import cleaner_layers, initial_weights
from skysift.models.sky.baseline.unfolding import weights_of_cleaner, weights_of_layers
from skysift.models.sky.baseline.variants import CORRECTED, ORIGINAL
from skysift.tasks.gamma_sky.baseline import continuation as published
from skysift.tasks.gamma_sky.observations import Observation, Observations
from skysift.tasks.gamma_sky.off_maps import Maps
from skysift.tasks.gamma_sky.options import ReadOptions
from skysift.tasks.gamma_sky.simulation.field import Field
from skysift.tasks.gamma_sky.simulation.photons import simulate_events

TASK = load_task("gamma-sky")
READING = ReadOptions(emin=0.1, emax=10.0, bands=4)
POINTING = Pointing(80.0, 20.0, 20.0)


@pytest.fixture(scope="module")
def parent():
    return TASK.load_parent(bundle_folder("gamma-sky", "cnn"))


@pytest.fixture(scope="module")
def runs():
    """Simulated empty runs of five minutes."""
    rng = np.random.default_rng(0)
    energies = (READING.emin, READING.emax)
    field = Field(POINTING, 310.0)
    items = [
        Observation(simulate_events(field, AnalyticResponse(20.0), rng, energy_range=energies))
        for _ in range(5)
    ]
    return Observations(tuple(items), READING)


@pytest.fixture(scope="module")
def maps(runs, parent):
    return TASK.continuation_of(parent, None).lessons(runs, parent)


@pytest.fixture(scope="module")
def gone_on(parent, runs, maps):
    def go_on(part, lessons=maps, **options):
        continuation = TASK.continuation_of(parent, part)
        lineage = Lineage(
            parent=parent.bundle.name, parent_hash=parent.bundle.hash, verb="train", method=""
        )
        return continuation.go_on(
            parent,
            lessons,
            None,
            ContinueOptions(part=part, **options),
            np.random.default_rng(0),
            origin=Origin(lineage, *continuation.origin_of(runs), 0, "skysift train"),
            progress=silent,
        )

    return go_on


@pytest.mark.parametrize("variant", [ORIGINAL, CORRECTED], ids=lambda one: one.name)
def test_weights_of_a_cleaner_come_back_out_of_its_folded_graph(variant):
    layers = cleaner_layers(kernel=variant.kernel, output=variant.output)
    weights = initial_weights(layers, np.random.default_rng(1))
    found = weights_of_cleaner(export_folded_cleaner(variant, weights, (16, 16)), variant)
    assert found.keys() == weights.keys()
    for name, values in weights.items():
        np.testing.assert_allclose(found[name], values, atol=1e-6)


def test_graphs_of_other_networks_are_refused(parent):
    regressor, cleaner = parent.graphs["regressor.onnx"], parent.graphs["cleaner.onnx"]
    with pytest.raises(BundleError, match="published networks"):
        weights_of_cleaner(regressor, CORRECTED)
    with pytest.raises(BundleError, match="published networks"):
        weights_of_layers(cleaner, cleaner_layers(kernel=3, output="softplus"))


def test_weights_answer_as_the_graphs_that_they_came_from(parent, maps):
    """The place by torch from the weights is that of the bundle as it runs."""
    found = parent.networks.locate(parent.networks.clean(maps.arrays["counts"]))
    error = np.abs(found - maps.arrays["positions"]).mean(axis=1) * parent.settings.pixel_size
    losses = TASK.continuation_of(parent, "regressor").losses(maps, parent)
    np.testing.assert_allclose(losses, error, atol=1e-4)
    again = parent.with_weights("cleaner", parent.cleaner)
    np.testing.assert_allclose(
        again.networks.clean(maps.arrays["counts"][:2]),
        parent.networks.clean(maps.arrays["counts"][:2]),
        atol=1e-4,
    )


def test_maps_are_those_that_the_networks_were_trained_on(maps, runs, parent):
    assert len(maps) == 5 * 3  # windows of 100 s
    assert maps.arrays["counts"].shape[1:] == parent.shape
    background = maps.arrays["counts"] - maps.arrays["clean"]
    low, high = READING.emin, parent.settings.energies[1]
    photons = 0
    for one in runs.items:
        events = one.events.in_energy(low, high)
        away = np.hypot(*TangentGrid(80.0, 20.0, 200, 200, 0.025).to_plane(events.ra, events.dec))
        photons += int((away < 2.5).sum())
    assert background.sum() * 310 / 300 == pytest.approx(photons, rel=0.02)
    for clean, (x, y) in zip(maps.arrays["clean"], maps.arrays["positions"], strict=True):
        row, column = round(y), round(x)
        about = clean[max(row - 8, 0) : row + 9, max(column - 8, 0) : column + 9]
        assert about.sum() > 0.5 * clean.sum() - 3 * np.sqrt(background.sum() / len(maps))
    again = TASK.continuation_of(parent, "cleaner").lessons(runs, parent)
    assert again.sha256() == maps.sha256()


def mirrored(maps):
    """Maps of a telescope whose pictures are upside down against what is told of them."""
    side = maps.arrays["counts"].shape[1]
    places = np.stack(
        [maps.arrays["positions"][:, 0], side - 1 - maps.arrays["positions"][:, 1]], axis=1
    )
    return replace(maps, arrays={**maps.arrays, "positions": places})


def test_a_regressor_learns_another_telescope_and_its_cleaner_stays(
    parent, maps, gone_on, tmp_path
):
    upside_down = mirrored(maps)
    child = gone_on("regressor", upside_down, rounds=30, rate=1e-3, patience=30)
    continuation = TASK.continuation_of(parent, "regressor")
    change = continuation.losses(upside_down, child) - continuation.losses(upside_down, parent)
    assert change.mean() < -0.1
    assert child.graphs["cleaner.onnx"] == parent.graphs["cleaner.onnx"]
    stored = TASK.load_parent(TASK.save(child, tmp_path / "child"))
    lineage = stored.bundle.manifest.lineage
    assert lineage.parent_hash == parent.bundle.hash
    assert lineage.method.startswith("fine-tuning of all weights of the regressor, round ")
    assert [one.name for one in lineage.judged] == ["new place error [deg]"]
    assert parent.bundle.hash in stored.bundle.card
    for name, values in child.regressor.items():
        np.testing.assert_array_equal(stored.regressor[name], values)
    assert TASK.load(tmp_path / "child").networks == tmp_path / "child"  # it predicts


def test_a_frozen_body_moves_the_last_layer_alone(parent, maps, gone_on):
    child = gone_on("regressor", mirrored(maps), body="frozen", rounds=1, rate=1e-2)
    last = max(int(name.partition(".")[0]) for name in parent.regressor)
    for name, values in parent.regressor.items():
        assert np.array_equal(child.regressor[name], values) is not name.startswith(f"{last}.")


def test_a_cleaner_goes_on_by_its_own_loss(parent, maps, gone_on, tmp_path):
    """Where all photons are said to be of sources, that is learned; the place is judged, too."""
    brighter = replace(maps, arrays={**maps.arrays, "clean": maps.arrays["counts"]})
    child = gone_on("cleaner", brighter, rounds=3)
    assert [one.name for one in child.lineage.judged] == [
        "new loss of a pixel",
        "new place error [deg]",
    ]
    assert child.lineage.judged[0].value < 0
    assert child.graphs["regressor.onnx"] == parent.graphs["regressor.onnx"]
    stored = TASK.load_parent(TASK.save(child, tmp_path / "child"))
    continuation = TASK.continuation_of(stored, "cleaner")
    np.testing.assert_allclose(
        continuation.losses(brighter, stored), continuation.losses(brighter, child), rtol=1e-5
    )
    assert continuation.simulated(stored, np.random.default_rng(0)) is None  # it learned more


def test_what_simulations_taught_is_simulated_anew(parent, monkeypatch):
    monkeypatch.setattr(published, "_SIMULATED", 3)
    continuation = TASK.continuation_of(parent, "regressor")
    one, again, other = (
        continuation.simulated(parent, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert isinstance(one, Maps)
    assert one.sha256() == again.sha256() != other.sha256()
    assert continuation.losses(one, parent).max() < 1.0
    by_file = replace(parent, settings=parent.settings.model_copy(update={"analytic": False}))
    assert continuation.simulated(by_file, np.random.default_rng(1)) is None


def test_what_cannot_be_is_refused_in_words(parent, runs, maps):
    continuation = TASK.continuation_of(parent, "regressor")
    with pytest.raises(UsageError, match="regressor"):
        TASK.continuation_of(parent, "heat")
    with pytest.raises(UsageError, match="as a whole"):
        TASK.continuation_of(None, "cleaner")
    original = replace(parent, settings=parent.settings.model_copy(update={"variant": ORIGINAL}))
    with pytest.raises(UsageError, match="extremes"):
        continuation.lessons(runs, original)
    bright = replace(runs, options=ReadOptions(emin=2.0, emax=10.0))
    with pytest.raises(InputError, match="--emin"):
        continuation.lessons(bright, parent)
    begin = runs.items[0].events.gti.start[0]
    short = replace(runs.items[0], events=runs.items[0].events.between(begin, begin + 50.0))
    with pytest.raises(InputError, match="100 s"):
        continuation.lessons(Observations((short,), READING), parent)
    with pytest.raises(UsageError, match="--reference"):
        continuation.recalled(b"", parent)
    with pytest.raises(UsageError, match="--keep"):
        continuation.remembered(maps)
    with pytest.raises(UsageError, match="not gone on"):
        TASK.save(parent, runs)
