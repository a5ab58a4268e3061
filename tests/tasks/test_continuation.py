"""What every shipped model that goes on must be able to do; a task joins by one line."""

from dataclasses import replace

import numpy as np
import pytest

from skysift.core.bundle_schema import DataLicence, Lineage
from skysift.core.continuation import ContinueOptions, Origin, may_be_kept
from skysift.core.errors import UsageError
from skysift.core.progress import silent
from skysift.core.registry import bundle_folder, list_tasks, load_task
from skysift.core.task import Task

SHIPPED = {
    ("gamma-hadron", "fast"): 400,
    ("gamma-hadron", "default"): 80,
    ("star-galaxy", "default"): 40,
    ("streak", "default"): 48,
    ("flare", "default"): 60,
    ("active-region", "default"): 20,
}
"""Bundles that go on, and rows that are enough."""


class Family:
    """A shipped model, its rows, and its children."""

    def __init__(self, name, bundle, n):
        self.task = load_task(name)
        self.continuation = self.task.continuation
        self.parent = self.task.load(bundle_folder(name, bundle))
        data = self.task.synth(n, np.random.default_rng(1))
        self.lessons = self.continuation.lessons(data, self.parent)
        told, licence = self.continuation.origin_of(data)
        lineage = Lineage(
            parent=self.parent.name, parent_hash=self.parent.bundle.hash, verb="train", method=""
        )
        self.origin = Origin(lineage, told, licence, 1, "skysift train")

    def child(self, body, replay=None):
        options = ContinueOptions(body=body, rounds=1)
        return self.continuation.go_on(
            self.parent,
            self.lessons,
            replay,
            options,
            np.random.default_rng(1),
            origin=self.origin,
            progress=silent,
        )


@pytest.fixture(scope="module", params=list(SHIPPED), ids="/".join)
def family(request):
    return Family(*request.param, SHIPPED[request.param])


@pytest.mark.parametrize("body", ["frozen", "free"])
def test_a_child_is_stored_and_says_the_same(family, body, tmp_path):
    child = family.child(body)
    losses = family.continuation.losses(family.lessons, child)
    assert losses.shape == (len(family.lessons),)
    assert np.isfinite(losses).all()
    assert (losses != family.continuation.losses(family.lessons, family.parent)).any()
    stored = family.task.load(family.task.save(child, tmp_path / "child"))
    np.testing.assert_allclose(
        family.continuation.losses(family.lessons, stored), losses, rtol=1e-4, atol=1e-5
    )
    lineage = stored.bundle.manifest.lineage
    assert lineage.parent_hash == family.parent.bundle.hash
    assert lineage.method
    assert [metric.name for metric in lineage.judged] == ["new log_loss"]
    assert family.parent.bundle.hash in stored.bundle.card
    assert not getattr(stored, "promises", ())  # what was promised of the parent


def test_same_seed_same_child():
    family = Family("gamma-hadron", "fast", 200)
    one, again = (
        family.continuation.losses(family.lessons, family.child("free")) for _ in range(2)
    )
    np.testing.assert_array_equal(one, again)


def test_rows_are_remembered_in_the_bundle(family, tmp_path):
    data = family.continuation.remembered(family.lessons)
    child = family.child("frozen", replay=family.continuation.recalled(data, family.parent))
    child = family.continuation.remembering(child, data, child.lineage)
    stored = family.task.load(family.task.save(child, tmp_path / "child"))
    again = family.continuation.recalled(stored.replay, stored)
    np.testing.assert_allclose(
        family.continuation.losses(again, child),
        family.continuation.losses(family.lessons, child),
        rtol=1e-3,
        atol=1e-4,
    )


def test_the_models_of_every_task_go_on():
    known = {name for name, _ in SHIPPED} | {"gamma-sky"}  # whose network has a test of its own
    assert {item.name for item in list_tasks()} == known


def test_a_task_without_continuation_says_what_to_do():
    class Other(type(load_task("streak"))):
        name = "other"
        continuation = Task.continuation

    with pytest.raises(UsageError, match="skysift train other"):
        _ = Other().continuation


@pytest.mark.parametrize(
    ("licence", "kept"),
    [
        ("MIT", True),
        ("CC-BY-4.0", True),
        ("images: courtesy of NASA/SDO, free to use", True),
        ("CC BY-NC-SA 4.0", False),
        ("CC BY 4.0, plus the H.E.S.S. terms", False),
        ("CC BY-ND", False),
        ("not stated", False),
    ],
)
def test_only_free_data_travel_in_a_bundle(licence, kept):
    assert may_be_kept(DataLicence(licence=licence, citation="us")) is kept


def test_data_of_unknown_telescopes_state_no_licence():
    """Their rows are not kept in a bundle unless somebody asks for it."""
    disks = load_task("active-region").synth(1, np.random.default_rng(1))
    (one,) = disks.maps
    for instrument, kept in (("SDO/AIA", True), ("Mount Wilson 150 ft", False), ("", False)):
        image = replace(one.image, instrument=instrument)
        theirs = replace(disks, name="night", maps=(replace(one, image=image),))
        assert may_be_kept(load_task("active-region").continuation.origin_of(theirs)[1]) is kept
    regions = load_task("flare").synth(5, np.random.default_rng(1))
    for name, kept in (("aia211_regions", True), ("mine", False)):
        theirs = replace(regions, name=name)
        assert may_be_kept(load_task("flare").continuation.origin_of(theirs)[1]) is kept


def test_a_hash_without_a_lineage_stays_what_it_was():
    """Bundles that were stored before there was a lineage keep their hash."""
    bundle = load_task("gamma-hadron").load(bundle_folder("gamma-hadron", "fast")).bundle
    assert bundle.manifest.lineage is None
    lineage = Lineage(parent="one", parent_hash="0" * 64, verb="train", method="m")
    child = replace(bundle, manifest=bundle.manifest.model_copy(update={"lineage": lineage}))
    assert child.hash != bundle.hash
