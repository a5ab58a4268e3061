"""A sky network goes on with photon lists: halves of photons, injected sources, heads alone."""

from dataclasses import replace

import numpy as np
import pytest

from skysift.core.bundle_schema import Lineage
from skysift.core.continuation import ContinueOptions, Origin
from skysift.core.errors import InputError, UsageError
from skysift.core.progress import silent
from skysift.core.registry import bundle_folder, load_task
from skysift.data.irf.analytic import AnalyticResponse
from skysift.data.sky.event_list import Pointing
from skysift.models.lessons import Rows, mix
from skysift.models.sky.trials import TrialsTable
from skysift.tasks.gamma_sky import continuation
from skysift.tasks.gamma_sky.observations import Observation, Observations
from skysift.tasks.gamma_sky.off_maps import off_maps
from skysift.tasks.gamma_sky.options import ReadOptions
from skysift.tasks.gamma_sky.simulation.field import Field
from skysift.tasks.gamma_sky.simulation.photons import simulate_events

READING = ReadOptions(emin=0.2, emax=10.0, bands=4)
LIVETIME = 1300.0
CALIBRATED = TrialsTable(np.array([3.0]), np.array([[1.3], [1.4]]), skewness=np.array([0.2, 0.9]))


@pytest.fixture(scope="module")
def parent():
    found = continuation.load_parent(bundle_folder("gamma-sky", "network"))
    return replace(found, options=found.options.model_copy(update={"empty_maps": 5}))


@pytest.fixture(scope="module")
def runs():
    """Simulated empty runs of twenty minutes."""
    field = Field(Pointing(80.0, 20.0, 20.0), LIVETIME)
    rng = np.random.default_rng(0)
    energies = (READING.emin, READING.emax)
    items = [
        Observation(simulate_events(field, AnalyticResponse(20.0), rng, energy_range=energies))
        for _ in range(6)
    ]
    return Observations(tuple(items), READING)


def test_the_other_photons_judge(runs, parent):
    maps = off_maps(runs, parent.options.settings, np.random.default_rng(1))
    assert len(maps) == 6 * 2 * 2  # two windows, and each half in turn
    arrays = maps.arrays
    background = arrays["background"].sum(axis=(1, 2, 3))
    seen = arrays["counts"].sum(axis=(1, 2, 3)) - arrays["source"].sum(axis=(1, 2, 3))
    error = np.sqrt(background.sum() + seen.sum())
    assert abs(background.sum() - seen.sum()) < 5 * error
    assert background.sum() > 1000


def test_injected_sources_have_their_centres(runs, parent):
    maps = off_maps(runs, parent.options.settings, np.random.default_rng(1))
    strong = maps.arrays["source"].sum(axis=(1, 2, 3)) > 10
    assert strong.any()
    assert (~strong).any()
    for source, centre in zip(
        maps.arrays["source"][strong], maps.arrays["centre"][strong], strict=True
    ):
        (row,), (column,) = np.nonzero(centre[0])
        y, x = np.unravel_index(source.sum(axis=0).argmax(), source.shape[1:])
        assert abs(y / 4 - row) < 2
        assert abs(x / 4 - column) < 2


def test_the_same_runs_give_the_same_maps(runs, parent):
    one, again = (continuation.lessons(runs, parent).sha256() for _ in range(2))
    assert one == again


def test_heads_move_alone_and_the_bundle_tells(runs, parent, tmp_path, monkeypatch):
    asked = []

    def calibrate(network, n_maps, rng, *, progress):
        del rng, progress
        asked.append((network.settings, n_maps))
        return CALIBRATED

    monkeypatch.setattr(continuation, "calibrate_network", calibrate)
    maps = continuation.lessons(runs, parent)
    lineage = Lineage(
        parent=parent.bundle.name, parent_hash=parent.bundle.hash, verb="train", method=""
    )
    told, licence = continuation.origin_of(runs)
    child = continuation.go_on(
        parent,
        maps,
        None,
        ContinueOptions(body="frozen", rounds=2, rate=1e-3),
        np.random.default_rng(0),
        origin=Origin(lineage, told, licence, 0, "skysift train"),
        progress=silent,
    )
    for name, values in parent.weights.items():
        if name.rpartition(".")[0] not in continuation.HEADS:
            np.testing.assert_array_equal(child.weights[name], values)
    task = load_task("gamma-sky")
    stored = task.load_parent(task.save(child, tmp_path / "child"))
    assert stored.bundle.manifest.lineage.parent_hash == parent.bundle.hash
    assert stored.bundle.manifest.training.data == told
    assert asked == [(parent.options.settings, parent.options.empty_maps)]
    assert stored.trials == stored.centre_trials == CALIBRATED
    np.testing.assert_allclose(
        continuation.losses(maps.take(np.arange(3)), stored),
        continuation.losses(maps.take(np.arange(3)), child),
    )


def test_what_simulations_taught_is_simulated_anew(parent, monkeypatch):
    monkeypatch.setattr(continuation, "_INSTRUMENTS", 2)
    one, again, other = (
        continuation.simulated(parent, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert one.group.tolist() == [0, 0, 1, 1]
    assert one.sha256() == again.sha256() != other.sha256()
    assert np.isfinite(continuation.losses(one, parent)).all()
    manifest = parent.bundle.manifest
    lineage = Lineage(parent="one", parent_hash="0" * 64, verb="train", method="m")
    child = replace(parent.bundle, manifest=manifest.model_copy(update={"lineage": lineage}))
    assert continuation.simulated(replace(parent, bundle=child), np.random.default_rng(1)) is None


def test_both_kinds_of_maps_decide_alike_when_to_stop(runs, parent, monkeypatch):
    monkeypatch.setattr(continuation, "_INSTRUMENTS", 8)
    maps = continuation.lessons(runs, parent)
    new = maps.take(np.arange(0, len(maps), 4))  # fewer than the others
    old = continuation.simulated(parent, np.random.default_rng(1))
    lineage = Lineage(parent="one", parent_hash="0" * 64, verb="update", method="")
    origin = Origin(lineage, *continuation.origin_of(runs), 0, "")
    options = ContinueOptions(body="frozen", rounds=1)
    rng = np.random.default_rng(0)
    child = continuation.go_on(parent, new, old, options, rng, origin=origin, progress=silent)
    numbers = [Rows(np.zeros((len(m), 0)), np.zeros(len(m)), m.group) for m in (new, old)]
    mixed = mix(*numbers, held_out=options.held_out, rng=np.random.default_rng(0))
    each = continuation.losses(new.followed_by(old).take(mixed.stop), parent)
    is_new = mixed.stop < len(new)
    assert is_new.sum() < (~is_new).sum()
    assert child.trained.history.validation_loss[0] == pytest.approx(
        (each[is_new].mean() + each[~is_new].mean()) / 2, rel=1e-4
    )


def test_short_runs_are_refused(runs, parent):
    begin = runs.items[0].events.gti.start[0]
    short = replace(runs.items[0], events=runs.items[0].events.between(begin, begin + 100.0))
    with pytest.raises(InputError, match="600 s"):
        off_maps(Observations((short,), READING), parent.options.settings, np.random.default_rng(0))


def test_what_has_learned_nothing_cannot_go_on():
    with pytest.raises(UsageError, match="bundle 'network' or 'cnn'"):
        continuation.load_parent(bundle_folder("gamma-sky", "default"))
