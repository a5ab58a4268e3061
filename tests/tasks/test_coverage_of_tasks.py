"""Every shipped bundle keeps its promise in the columns of a prediction, and training makes one."""

import json
import re
from dataclasses import replace
from html import unescape

import numpy as np
import pytest

from skysift.core.bundle import Bundle
from skysift.core.config import build_config
from skysift.core.conformal import CONFORMAL_FILE, promises_of
from skysift.core.errors import ConfigError, UsageError
from skysift.core.progress import silent
from skysift.core.provenance import Provenance
from skysift.core.registry import bundle_folder, list_tasks, load_options, load_task, manifest
from skysift.data.io import read_table
from skysift.report.run_folder import read_run
from skysift.tasks.gamma_hadron.coverage import unseen
from skysift.tasks.gamma_hadron.features import inputs_of
from skysift.tasks.gamma_hadron.model import table_hash

SETS = {
    "gamma-hadron": ("set",),
    "star-galaxy": ("set",),
    "streak": ("set",),
    "flare": ("set_c24", "set_m24"),
    "active-region": ("region_set",),
    "gamma-sky": (),
}
BOUNDS = {
    "streak": (("length_low", "length", "length_high"),),
    "gamma-sky": (("excess_low", "excess", "excess_high"),),
}
ROWS = {"gamma-hadron": 200, "star-galaxy": 8, "streak": 8, "flare": 8, "active-region": 2}
LEVELS = (0.5, 0.9)
TASKS = [item.name for item in list_tasks()]


class Shipped:
    """A shipped bundle, and a small file to ask it about."""

    def __init__(self, name, folder):
        self.task = load_task(name)
        self.model = self.task.load(bundle_folder(name))
        self.folder = folder
        data = self.task.synth(ROWS.get(name, 2), np.random.default_rng(7))
        self.path = self.task.write_synth(data, folder)
        self.reading = load_options(name, "ReadOptions")()

    def predict(self, **given):
        out = self.folder / f"out-{'-'.join(map(str, given.values()))}.parquet"
        kind = load_options(self.task.name, "PredictOptions")
        if self.task.name == "flare":
            given["regions"] = str(self.path)
        self.task.predict_files(
            [self.path], out, self.model, self.reading, build_config(kind, given),
            provenance=Provenance.start("skysift predict", inputs=[]),
        )  # fmt: skip
        return read_table(out)


@pytest.fixture(scope="module", params=TASKS)
def shipped(request, tmp_path_factory):
    return Shipped(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def answers(shipped):
    return {level: shipped.predict(coverage=level) for level in LEVELS}


def test_sets_grow_with_the_coverage_and_hold_only_classes(shipped, answers):
    known = {name: one.classes for name, one in _promises(shipped).items()}
    for column in SETS[shipped.task.name]:
        few, many = (
            [set(filter(None, str(text).split(","))) for text in answers[level][column]]
            for level in LEVELS
        )
        for small, large in zip(few, many, strict=True):
            assert small <= large <= set(known[column])
        assert any(many)


def test_bounds_hold_the_estimate_and_grow_with_the_coverage(shipped, answers):
    for low, middle, high in BOUNDS.get(shipped.task.name, ()):
        widths = []
        for level in LEVELS:
            table = answers[level]
            known = np.isfinite(table[high]) & np.isfinite(table[middle])
            assert known.any()
            assert (table[low][known] <= table[middle][known]).all()
            assert (table[middle][known] <= table[high][known]).all()
            widths.append((table[high] - table[low])[known])
        assert (widths[0] < widths[1]).all()


@pytest.mark.parametrize("shipped", ["gamma-sky"], indirect=True)
def test_the_region_of_a_candidate_is_its_ellipse_stretched(answers):
    for table in answers.values():
        ratio = table["region_major"] / table["err_major"]
        np.testing.assert_allclose(ratio, table["region_minor"] / table["err_minor"])
    assert (answers[0.5]["region_major"] < answers[0.9]["region_major"]).all()


def test_without_a_coverage_no_column_is_added(shipped, answers):
    plain = shipped.predict()
    added = set(answers[0.5].columns) - set(plain.columns)
    assert {*SETS[shipped.task.name]} <= added
    assert added <= {*manifest(shipped.task.name).shown, "err_angle"}  # on the screen, too
    for name in plain.columns:
        np.testing.assert_array_equal(plain[name], answers[0.5][name], err_msg=name)


def test_a_bundle_says_what_its_promise_rests_on_and_what_was_checked(shipped):
    for promise in _promises(shipped).values():
        assert promise.calibrated_on.command.startswith("skysift calibrate ")
        assert " /" not in promise.calibrated_on.command  # no path of one machine
        whole = [one for one in promise.strata if one.is_whole]
        assert len(whole) == max(len(promise.classes), 1)
        first = promise.checked[0]
        assert first.name == "coverage@0.9"
        assert first.n > 40
        assert first.low < first.value <= first.high
    assert CONFORMAL_FILE in shipped.model.bundle.manifest.files
    assert "## Coverage" in shipped.model.bundle.card


def _promises(shipped):
    found = promises_of(shipped.model.bundle)
    assert found
    return {one.name: one for one in found}


@pytest.mark.parametrize("coverage", [0.0, 1.0, -3.0])
def test_a_coverage_of_all_or_nothing_is_refused(coverage):
    with pytest.raises(ConfigError, match="coverage"):
        build_config(load_options("gamma-hadron", "PredictOptions"), {"coverage": coverage})


def test_a_stream_of_windows_states_no_coverage():
    with pytest.raises(ConfigError, match="coverage"):
        build_config(
            load_options("gamma-sky", "PredictOptions"), {"coverage": 0.9, "windows": [1.0]}
        )


def test_what_trained_the_bundle_is_refused():
    task = load_task("gamma-hadron")
    model = task.load(bundle_folder("gamma-hadron", "fast"))
    events = task.synth(50, np.random.default_rng(1))
    own = table_hash(events.distinct().table, inputs_of(model.features))
    seen = replace(model, training=model.training.model_copy(update={"sha256": own}))
    with pytest.raises(UsageError, match="trained the bundle"):
        task.coverage.promised(events, seen, np.random.default_rng(0), progress=silent)


def test_of_the_table_that_trained_a_bundle_only_the_test_rows_are_taken():
    task = load_task("gamma-hadron")
    model = task.load(bundle_folder("gamma-hadron", "fast"))
    events = replace(task.synth(50, np.random.default_rng(1)), name=model.training.data)
    test = replace(events, split="test rows")
    assert len(unseen(test, model)) == len(test.distinct())
    with pytest.raises(UsageError, match="trained the bundle"):
        unseen(replace(events, split="all rows"), model)


def test_calibrate_adds_a_promise_and_leaves_the_model_as_it_is(tmp_path, skysift_run):
    task = load_task("gamma-hadron")
    path = task.write_synth(task.synth(1500, np.random.default_rng(4)), tmp_path)
    out = tmp_path / "made"
    told = skysift_run("calibrate", "gamma-hadron/fast", "--data", path, "--out", out, "--json")
    made, first = Bundle.load(out), Bundle.load(bundle_folder("gamma-hadron", "fast"))
    for name in first.manifest.files:
        if name not in {CONFORMAL_FILE, "card.md"}:
            assert made.read_bytes(name) == first.read_bytes(name)
    assert made.card.count("## Coverage") == 1
    metrics = {one["name"]: one for one in json.loads(told)["metrics"]}
    assert {one["promise"] for one in metrics.values()} == {"set"}  # there may be several
    assert metrics["coverage@0.9"]["value"] == pytest.approx(0.9, abs=0.05)
    assert metrics["coverage@0.9"]["n"] == pytest.approx(750, abs=5)
    again = tmp_path / "again" / "made"
    again.parent.mkdir()
    skysift_run("calibrate", "gamma-hadron/fast", "--data", path, "--out", again)
    scores = [[p.strata for p in promises_of(Bundle.load(one))] for one in (out, again)]
    assert scores[0] == scores[1]


def test_stress_leaves_a_page_that_can_be_drawn_again(tmp_path, skysift_run, monkeypatch):
    task = load_task("gamma-hadron")
    every = task.stress.shifts
    monkeypatch.setattr(task.stress, "shifts", lambda data: every(data)[:1])  # one is enough
    path = task.write_synth(task.synth(300, np.random.default_rng(5)), tmp_path)
    out = tmp_path / "run"
    told = skysift_run("stress", "gamma-hadron/fast", "--data", path, "--out", out)
    assert "changes for sure" in told
    assert "is_certain" not in told  # of all that is shown
    first = (out / "report.html").read_text()
    assert "Calibration of the light yield" in first
    summary = unescape(re.search(r"<table.*?</table>", first, re.DOTALL)[0])
    measures = read_run(out).facts["measures"].values()
    assert all(measure["title"] in summary for measure in measures)
    (out / "report.html").unlink()
    skysift_run("report", out)
    assert (out / "report.html").read_text() == first
    assert 'src="http' not in first


@pytest.fixture
def skysift_run(monkeypatch, capsys):
    from skysift.cli.main import build_app  # noqa: PLC0415 - of two tests alone

    def run(*words):
        arguments = [str(word) for word in words]
        monkeypatch.setattr("sys.argv", ["skysift", *arguments])
        build_app(arguments)(arguments, standalone_mode=False)
        return capsys.readouterr().out

    return run
