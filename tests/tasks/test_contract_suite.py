"""What every task must be able to do; a new task passes this suite before it is one.

A task brings options with which it trains in a second or few: ``cheap_training.toml`` in its folder
of tests.
"""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from skysift.core.bundle import Bundle
from skysift.core.config import build_config, load_config
from skysift.core.errors import BundleError, ConfigError, OutputError
from skysift.core.progress import silent
from skysift.core.provenance import Provenance
from skysift.core.registry import list_tasks, load_options, load_task
from skysift.data.io import read_table

TASKS = [item.name for item in list_tasks()]
OPTIONS = ("ReadOptions", "TrainOptions", "PredictOptions", "CompareOptions")
N = 600
FEW = 12  # of a task whose items are whole observations
SLOW = {"streak": 48, "flare": 120}  # each row is fitted or drawn: tens of milliseconds


def generator(seed):
    return np.random.default_rng(seed)


def global_random_state():
    return np.random.get_state()[1].copy()  # noqa: NPY002  # the legacy state is the subject


class Passed:
    """One task on its way from a made-up sample to a stored model."""

    def __init__(self, name, folder):
        self.task = load_task(name)
        self.n = SLOW.get(name, N) if self.task.answers_each_row else FEW
        self.folder = folder
        cheap = Path(__file__).parent / name.replace("-", "_") / "cheap_training.toml"
        self.options = load_config(load_options(name, "TrainOptions"), cheap)
        self.read_options = load_options(name, "ReadOptions")()
        self.data, self.path = self.sample(1)
        self.fresh, self.fresh_path = self.sample(2)
        self.heard = []
        self.random_states = [global_random_state()]
        self.model = self.fit(self.data, 3, lambda *heard: self.heard.append(heard))
        self.random_states.append(global_random_state())
        self.bundle = self.task.save(self.model, folder / "bundle")

    def sample(self, seed):
        folder = self.folder / f"sample-{seed}"
        folder.mkdir()
        path = self.task.write_synth(self.task.synth(self.n, generator(seed)), folder)
        return self.task.read([path], self.read_options, labelled=True), path

    def fit(self, data, seed, progress=silent):
        return self.task.fit(
            data,
            self.options,
            generator(seed),
            progress=progress,
            seed=seed,
            command="skysift train",
        )

    def predict_files(self, paths, model, read_options=None):
        out = self.folder / "out.parquet"
        options = load_options(self.task.name, "PredictOptions")()
        provenance = Provenance.start("skysift predict", inputs=paths)
        counts = self.task.predict_files(
            paths,
            out,
            model,
            read_options or self.read_options,
            options,
            provenance=provenance,
        )
        return read_table(out), counts


@pytest.fixture(scope="module", params=TASKS)
def passed(request, tmp_path_factory):
    return Passed(request.param, tmp_path_factory.mktemp(request.param))


def same(first, second):
    assert first.columns == second.columns
    for name in first.columns:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)
    return True


def differ(first, second):
    if len(first) != len(second):  # lists of what was found
        return True
    answers = [name for name in first.columns if first[name].dtype.kind == "f"]
    return any(np.any(first[name] != second[name]) for name in answers)


def test_a_sample_is_of_the_size_asked_for_and_depends_on_the_seed(passed):
    size = passed.n // 12
    first, again, other = (passed.task.synth(size, generator(seed)) for seed in (1, 1, 2))
    assert [len(sample) for sample in (first, again, other)] == [size, size, size]
    tables = [passed.task.predict(sample, passed.model) for sample in (first, again, other)]
    if passed.task.answers_each_row:
        assert [len(table) for table in tables] == [size, size, size]
    same(tables[0], tables[1])
    assert differ(tables[0], tables[2])


def test_a_sample_survives_its_file(passed):
    made = passed.task.synth(passed.n, generator(1))
    same(passed.task.predict(made, passed.model), passed.task.predict(passed.data, passed.model))


def test_the_stored_model_answers_exactly_as_the_trained_one(passed):
    loaded = passed.task.load(passed.bundle)
    same(passed.task.predict(passed.fresh, passed.model), passed.task.predict(passed.fresh, loaded))


def test_training_promises_a_coverage_and_the_bundle_keeps_it(passed):
    promises = passed.model.promises
    assert promises == passed.task.load(passed.bundle).promises
    for one in promises:
        assert {stratum.label for stratum in one.strata} == set(one.classes or ("",))
        assert sum(stratum.n for stratum in one.strata if stratum.is_whole) > 0
    assert promises or not passed.task.answers_each_row  # few fields may find no source


def test_the_same_seed_gives_the_same_model_and_another_seed_another(passed):
    answers = [passed.task.predict(passed.fresh, passed.fit(passed.data, seed)) for seed in (3, 4)]
    same(answers[0], passed.task.predict(passed.fresh, passed.model))
    assert differ(*answers)


def test_training_leaves_the_global_random_state_alone(passed):
    np.testing.assert_array_equal(*passed.random_states)


def test_training_reports_its_progress(passed):
    fractions = [fraction for fraction, _ in passed.heard]
    assert fractions == sorted(fractions)
    assert 0 <= fractions[0] <= fractions[-1] <= 1
    assert all(what for _, what in passed.heard)


def test_an_evaluation_has_metrics_with_intervals(passed):
    evaluation = passed.task.evaluate(passed.fresh, passed.model, generator(5), split="fresh")
    assert evaluation.metrics
    assert evaluation.split == "fresh"
    with_interval = [m for m in evaluation.metrics if m.low is not None and m.high is not None]
    assert with_interval
    for metric in with_interval:
        if math.isfinite(metric.value):
            assert metric.low <= metric.high
            assert metric.method, metric.name
        assert 0 < metric.n <= passed.n, metric.name
    json.dumps(evaluation.to_dict())


def test_an_evaluation_repeats_itself(passed):
    first, again = (
        passed.task.evaluate(passed.fresh, passed.model, generator(5), split="fresh").to_dict()
        for _ in range(2)
    )
    assert json.dumps(first) == json.dumps(again)


def test_the_answers_to_two_files_are_those_to_each_in_their_order(passed):
    both, counts = passed.predict_files([passed.path, passed.fresh_path], passed.model)
    parts = [
        passed.predict_files([path], passed.model)[0] for path in (passed.path, passed.fresh_path)
    ]
    assert len(both) == sum(len(part) for part in parts)
    if passed.task.answers_each_row:
        assert len(both) == sum(counts.values())
    for name in both.columns:
        joined = np.concatenate([part[name] for part in parts])
        told = both[name]
        if name == "file":  # of several files of one name, it tells more of their paths
            told = np.array([str(one).rpartition("/")[2] for one in told])
            joined = np.array([str(one).rpartition("/")[2] for one in joined])
        np.testing.assert_array_equal(told, joined, err_msg=name)


def test_the_pieces_of_an_input_give_what_the_whole_does(passed):
    """So other processes may predict them, see skysift.scale."""
    whole, _ = passed.predict_files([passed.fresh_path], passed.model)
    kind = type(passed.read_options)
    options = load_options(passed.task.name, "PredictOptions")()
    pieces = passed.task.pieces([passed.fresh_path], passed.read_options, options)
    found = []
    for piece in pieces:
        read = build_config(kind, {**passed.read_options.model_dump(), **piece.read})
        found.append(passed.predict_files([piece.path], passed.model, read)[0])
    assert found
    for name in whole.columns:
        joined = np.concatenate([part[name] for part in found])
        np.testing.assert_array_equal(whole[name], joined, err_msg=name)


def test_files_and_memory_give_the_same_answers(passed):
    from_file, _ = passed.predict_files([passed.fresh_path], passed.model)
    in_memory = passed.task.predict(passed.fresh, passed.model)
    for name in from_file.columns:
        if from_file[name].dtype.kind == "f" and name in in_memory:
            np.testing.assert_array_equal(from_file[name], in_memory[name], err_msg=name)


def test_flags_of_answers_are_told_in_words(passed):
    answer, _ = passed.predict_files([passed.fresh_path], passed.model)
    flags = {name for text in answer["flags"].tolist() for name in text.split(",") if name}
    assert flags <= passed.task.flag_words.keys()


def test_the_bundle_says_how_it_was_made(passed):
    manifest = Bundle.load(passed.bundle, task=passed.task.name).manifest
    assert manifest.training.command == "skysift train"
    assert manifest.training.seed == 3
    assert manifest.training.n_rows > 0
    assert manifest.metrics
    assert manifest.operating_points
    assert manifest.packages


def test_a_loaded_model_knows_its_bundle_and_a_trained_one_has_none(passed):
    assert passed.model.bundle is None
    loaded = passed.task.load(passed.bundle)
    assert loaded.bundle.hash == Bundle.load(passed.bundle).hash
    assert loaded.metrics == passed.model.metrics


def test_a_bundle_of_another_task_is_refused(passed, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    for path in passed.bundle.iterdir():
        (other / path.name).write_bytes(path.read_bytes())
    described = json.loads((other / "bundle.json").read_text())
    (other / "bundle.json").write_text(json.dumps({**described, "task": "another-task"}))
    with pytest.raises(
        BundleError, match=f"for the task 'another-task', not for '{passed.task.name}'"
    ):
        passed.task.load(other)


def test_a_bundle_is_not_written_over_another(passed):
    with pytest.raises(OutputError):
        passed.task.save(passed.model, passed.bundle)


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("kind", OPTIONS)
def test_options_are_closed_and_have_defaults(name, kind):
    options = load_options(name, kind)
    assert build_config(options, {}) == options()
    for field in options.model_fields:
        slip = f"{field}x"
        with pytest.raises(ConfigError, match=f"Unknown key '{slip}'. Did you mean '{field}'"):
            build_config(options, {slip: 1})
