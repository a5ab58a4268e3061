"""``skysift train --from`` and ``skysift update`` as a user calls them."""

import hashlib
import json
import re

import numpy as np
import pytest

from skysift.cli.continuation import new_origin
from skysift.core.bundle import Bundle
from skysift.core.continuation import ContinueOptions
from skysift.core.registry import bundle_folder, load_task
from skysift.data.io import open_writer
from skysift.data.table import FeatureTable
from skysift.tasks.gamma_hadron import continuation

N = 1200
QUICK = ("--rounds", "12", "--patience", "5", "--rate", "0.003")


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    """Events of two telescopes: as simulated, and with broader, fainter images; and mislabelled."""
    folder = tmp_path_factory.mktemp("night")
    task = load_task("gamma-hadron")
    for name, seed, blur, flipped in (
        ("old", 1, 0.0, False),
        ("old-test", 2, 0.0, False),
        ("new", 3, 25.0, False),
        ("new-test", 4, 25.0, False),
        ("flipped", 3, 25.0, True),
    ):
        events = task.synth(N, np.random.default_rng(seed))
        table = {column: np.asarray(events.table[column]) for column in events.table.columns}
        for column in ("length", "width"):
            table[column] = np.hypot(table[column], blur)
        table["log_size"] = table["log_size"] - 0.012 * blur
        if flipped:
            table["class"] = np.where(table["class"] == "g", "h", "g")
        with open_writer(folder / f"{name}.parquet") as writer:
            writer.write(FeatureTable.from_columns(table))
    return folder


@pytest.fixture(scope="module")
def parent(night):
    """A network that knows the first telescope."""
    task = load_task("gamma-hadron")
    shipped = task.load(bundle_folder("gamma-hadron", "fast"))
    events = task.read([night / "old.parquet"], task.read_options(), labelled=True)
    options = ContinueOptions(rounds=40, rate=2e-3)
    of_data = continuation.origin_of(events)
    model = continuation.go_on(
        shipped,
        continuation.lessons(events, shipped),
        None,
        options,
        np.random.default_rng(0),
        origin=new_origin(shipped, of_data, verb="train", options=options, seed=0),
        progress=lambda *_: None,
    )
    return task.save(model, night / "parent")


def loss_of(folder, path):
    task = load_task("gamma-hadron")
    model = task.load(folder)
    rows = task.read([path], task.read_options(), labelled=True)
    return continuation.losses(continuation.lessons(rows, model), model).mean()


def test_an_update_learns_and_does_not_forget(skysift, night, parent, tmp_path):
    given = ("--data", night / "new.parquet", *QUICK)
    outcome = skysift(
        "update", parent, *given, "--reference", night / "old.parquet", "--margin", "0.1",
        "--keep", "100", "--out", "child", "--json",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    told = json.loads(outcome.out)
    child = Bundle.load(tmp_path / "child")
    lineage = child.manifest.lineage
    assert lineage.parent_hash == told["parent"] == Bundle.load(parent).hash
    assert (lineage.generation, lineage.verb, lineage.replayed) == (2, "update", 600)
    judged = {metric.name: metric for metric in lineage.judged}
    assert judged["reference log_loss"].high <= 0.1
    assert child.manifest.operating_points[0].chosen_on.endswith("held out")

    plain = skysift("train", "gamma-hadron", "--from", parent, *given, "--out", "plain")
    assert plain.code == 0
    moved, gained = plain.out.splitlines()[-3:-1]
    assert moved.startswith("What moved: fine-tuning of all weights, round ")
    assert re.fullmatch(
        r"On 240 new rows held out the mean loss changes by -0\.\d{4} \[-0\.\d{4}, -0\.\d{4}\] "
        r"\(95 %\)\.",
        gained,
    )
    old, new = night / "old-test.parquet", night / "new-test.parquet"
    before = loss_of(parent, old)
    assert loss_of(tmp_path / "child", new) < loss_of(parent, new) - 0.05
    assert loss_of(tmp_path / "child", old) < before + 0.03
    assert loss_of(tmp_path / "plain", old) > before + 0.03  # without a replay it forgets

    # The rows that it keeps serve its own update, and its hash is in the next one's lineage.
    again = skysift("update", "child", *given, "--margin", "1", "--out", "grandchild")
    assert again.code == 0, again.err
    *_, judged, verdict, _ = again.out.splitlines()
    assert re.match(r"On \d+ reference rows the mean loss changes by [+-]\d", judged)
    assert verdict == "Accepted: the reference rows allow for a rise by 1."
    third = Bundle.load(tmp_path / "grandchild")
    assert third.manifest.lineage.parent_hash == child.hash
    # Half of what it keeps are rows of these new data, which do not judge what learns them again.
    assert (third.manifest.lineage.generation, third.manifest.lineage.replayed) == (3, 25)
    assert "replay.safetensors" not in third.manifest.files  # the licence is not stated


def test_flipped_labels_are_refused_and_nothing_is_written(skysift, night, parent, tmp_path):
    outcome = skysift(
        "update", parent, "--data", night / "flipped.parquet", "--reference", night / "old.parquet",
        *QUICK, "--margin", "0.05", "--out", "bad",
    )  # fmt: skip
    assert outcome.code == 1
    assert "not shown to be as good as its parent" in outcome.err
    assert not (tmp_path / "bad").exists()


def test_same_seed_same_network(skysift, night, parent, tmp_path):
    hashes = []
    for name, seed in (("a", 4), ("b", 4), ("c", 5)):
        outcome = skysift(
            "train", "gamma-hadron", "--from", parent, "--data", night / "new.parquet",
            "--rounds", "2", "--seed", seed, "--out", name,
        )  # fmt: skip
        assert outcome.code == 0, outcome.err
        data = Bundle.load(tmp_path / name).read_bytes("model.onnx")
        hashes.append(hashlib.sha256(data).hexdigest())
    assert hashes[0] == hashes[1] != hashes[2]


def test_a_bundle_without_rows_needs_a_reference(skysift, night, parent):
    outcome = skysift("update", parent, "--data", night / "new.parquet", "--out", "child")
    assert outcome.code == 2
    assert "--reference" in outcome.err


def test_what_was_simulated_needs_no_reference(skysift, night, parent, tmp_path, monkeypatch):
    def simulated(model, rng):
        events = load_task("gamma-hadron").synth(400, rng)
        return continuation.lessons(events, model)

    monkeypatch.setattr(continuation, "simulated", simulated)
    given = ("--data", night / "new.parquet", "--margin", "1", "--rounds", "1")
    outcome = skysift("update", parent, *given, "--out", "child")
    assert outcome.code == 0, outcome.err
    assert "400 rows simulated" in outcome.err
    assert Bundle.load(tmp_path / "child").manifest.lineage.replayed == 200


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--body", "frozen"), "--from"),
        (("--from", "fast", "--folds", "3"), "keeps what its parent is"),
        (("--from", "fast", "--set", "folds=3"), "keeps what its parent is"),
        (("--from", "fats"), "Did you mean 'fast'"),
    ],
)
def test_options_that_mean_nothing_are_refused(skysift, night, arguments, said):
    outcome = skysift(
        "train", "gamma-hadron", "--data", night / "new.parquet", *arguments, "--out", "child"
    )
    assert outcome.code == 2
    assert said in outcome.err


def test_what_is_no_bundle_is_told(skysift, night):
    given = ("--data", night / "new.parquet", "--rounds", "3", "--out", "child")
    outcome = skysift("update", "nothing", *given)
    assert outcome.code == 2
    assert "'nothing' is no bundle" in outcome.err


def test_help_shows_the_options_of_both(skysift):
    outcome = skysift("update", "gamma-hadron/fast", "--help")
    assert outcome.code == 0
    assert "--body" in outcome.out
    assert "--columns" in outcome.out
