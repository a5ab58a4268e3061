"""The network of regions goes on: with shifted disks, head alone, refused, judged, stored."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from skysift.core.bundle_schema import Lineage
from skysift.core.continuation import ContinueOptions, Origin
from skysift.core.errors import BundleError, RefusedError, UsageError
from skysift.core.progress import silent
from skysift.core.registry import bundle_folder, load_task
from skysift.evaluate.updating import update
from skysift.models.solar.disk_lessons import DiskLessons
from skysift.models.solar.region_network import export_region_network, initial_weights
from skysift.models.solar.region_training import Centres
from skysift.models.solar.region_tuning import region_losses, region_networks_of_graph
from skysift.models.solar.strength import DISK_GRID
from skysift.tasks.active_region.model import F1_POINT

TASK = load_task("active-region")


@pytest.fixture(scope="module")
def parent():
    return TASK.load(bundle_folder("active-region"))


@pytest.fixture(scope="module")
def detector(parent):
    return TASK.continuation_of(parent, "detector")


def corona(n, seed):
    """Disks of another corona than the shipped network knows: regions are small and round."""
    rng = np.random.default_rng(seed)
    row, column = np.mgrid[: DISK_GRID.side, : DISK_GRID.side]
    ratios, centres = [], []
    for _ in range(n):
        places = rng.uniform(-0.6, 0.6, (3, 2))
        ratio = rng.normal(0, 0.05, row.shape)
        for place in places:
            x, y = DISK_GRID.places(*place)
            ratio += 1.0 * np.exp(-((column - x) ** 2 + (row - y) ** 2) / (2 * 3.0**2))
        ratios.append(ratio.astype(np.float32))
        centres.append(Centres(places, np.empty((0, 2))))
    return DiskLessons(np.stack(ratios), tuple(centres), np.arange(n) // 2)


@pytest.fixture(scope="module")
def disks():
    """Two labelled disks as they are read."""
    return TASK.synth(2, np.random.default_rng(1))


@pytest.fixture(scope="module")
def new():
    return corona(24, 1)


@pytest.fixture(scope="module")
def others():
    return corona(8, 2)


@pytest.fixture(scope="module")
def gone_on(detector, parent, disks, new):
    told = detector.origin_of(disks)

    def go_on(**options):
        lineage = Lineage(
            parent=parent.name, parent_hash=parent.bundle.hash, verb="train", method="told later"
        )
        return detector.go_on(
            parent,
            new,
            None,
            ContinueOptions(part="detector", **options),
            np.random.default_rng(0),
            origin=Origin(lineage, *told, 0, "skysift train"),
            progress=silent,
        )

    return go_on


@pytest.fixture(scope="module")
def child(gone_on):
    return gone_on(rounds=6, rate=1e-3)


def test_other_disks_of_a_shifted_corona_are_searched_better(detector, parent, child, others):
    change = detector.losses(others, child) - detector.losses(others, parent)
    assert change.mean() < -0.3


def test_the_bundle_of_a_child_tells_what_moved(parent, child, tmp_path):
    stored = TASK.load(TASK.save(child, tmp_path / "child"))
    lineage = stored.bundle.manifest.lineage
    assert lineage.parent_hash == parent.bundle.hash
    assert lineage.method.startswith("fine-tuning of all weights of the network of regions, round")
    judged = {one.name: one for one in lineage.judged}
    assert judged["new disk loss"].value < 0
    assert judged["new detection_f1"].value > 0
    assert "disks" in stored.bundle.card.split("## Training data")[1].split("\n\n")[1]
    assert stored.network == child.network
    assert stored.calibration == child.calibration
    assert stored.metrics[0].name == "detection_f1"
    assert stored.metrics[0].split.endswith("held out")
    assert not stored.promises


def test_what_is_no_network_stays(parent, child, disks):
    columns = disks.patches.features
    np.testing.assert_array_equal(
        child.patch_probability(columns), parent.patch_probability(columns)
    )
    assert child.threshold(F1_POINT) == parent.threshold(F1_POINT)


def test_scores_stay_probabilities(detector, child, others):
    """Calibrated on disks that stopped it, the child's scores hold on others."""
    seen = detector.detections_of(child, others)
    assert abs(seen.score.mean() - seen.hit.mean()) < 0.08


def test_a_frozen_body_moves_the_last_layer_alone(parent, gone_on):
    child = gone_on(body="frozen", rounds=2, rate=1e-2)
    (before,), (after,) = (region_networks_of_graph(one.network) for one in (parent, child))
    moved = {name for name, values in before.items() if np.any(after[name] != values)}
    assert moved == {"head.weight", "head.bias"}


def test_where_no_step_gains_all_stays(parent, gone_on):
    child = gone_on(rounds=2, rate=1.0)  # far too large
    assert child.network == parent.network
    assert child.calibration == parent.calibration
    assert child.lineage.method.startswith("nothing, as no round")
    assert [one.value for one in child.lineage.judged] == [0.0, 0.0]


def test_the_loss_is_that_of_the_network_as_it_is_used(parent, others):
    """A disk and its mirror lose the same, and a network without an idea loses more."""
    flipped = tuple(replace(one, spots=one.spots * [1, -1]) for one in others.centres)
    mirrored = replace(others, ratio=others.ratio[:, ::-1].copy(), centres=flipped)
    losses = region_losses(parent.network, others)
    # A cell border is not its own mirror: the heat of a centre on one may move by a cell.
    np.testing.assert_allclose(region_losses(parent.network, mirrored), losses, rtol=0.1)
    untrained = export_region_network(initial_weights(np.random.default_rng(0)))
    assert region_losses(untrained, others).mean() > losses.mean()


def test_lessons_are_counted_taken_apart_and_put_together(detector, parent, disks, others):
    first, rest = others.take(np.arange(3)), others.take(np.arange(len(others)) >= 3)
    joined = first.followed_by(rest)
    assert not set(joined.group[:3]) & set(joined.group[3:])
    assert joined.sha256() == others.sha256() != rest.sha256()
    assert joined.fingerprints() == others.fingerprints()
    read = detector.lessons(disks, parent)
    assert [len(one.spots) for one in read.centres] == [len(one) for one in disks.spots()]


def test_parts_are_named_and_disks_are_not_kept(detector, parent, others):
    with pytest.raises(UsageError, match="detector"):
        TASK.continuation_of(parent, "heat")
    assert TASK.continuation_of(parent, "patches") is TASK.continuation
    assert TASK.continuation_of(parent, None) is TASK.continuation
    with pytest.raises(UsageError, match="as a whole"):
        load_task("flare").continuation_of(None, "detector")
    with pytest.raises(UsageError, match="--reference"):
        detector.remembered(others)
    with pytest.raises(UsageError, match="--reference"):
        detector.recalled(b"", parent)
    with pytest.raises(BundleError, match="networks of regions"):
        region_networks_of_graph(
            load_task("gamma-hadron")
            .load(bundle_folder("gamma-hadron", "fast"))
            .bundle.read_bytes("model.onnx")
        )


def test_an_update_is_judged_by_the_loss_of_disks(detector, child, new):
    """Disks on which regions are said to be nowhere are refused by those where they are."""
    nowhere = tuple(Centres(np.empty((0, 2)), np.empty((0, 2))) for _ in range(len(new)))
    wrong = replace(new, ratio=new.ratio * np.float32(1.01), centres=nowhere)
    learn = partial(
        update,
        detector,
        child,
        options=ContinueOptions(part="detector", rounds=4, rate=3e-3),
        origin=Origin(child.lineage, f"new, {child.training.split}", child.data_licence),
        reference=new,
        margin=0.1,
    )
    with pytest.raises(RefusedError, match="reference rows"):
        learn(new=wrong, rng=np.random.default_rng(0))
    model, judgement = learn(new=corona(12, 3), rng=np.random.default_rng(0))
    assert judgement.accepted
    assert model.lineage.replayed == 12
