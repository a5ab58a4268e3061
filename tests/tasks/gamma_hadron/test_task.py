"""The jobs of gamma-hadron on files: what they return, and what they leave behind."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from skysift.core.errors import ContractError
from skysift.core.registry import load_task
from skysift.data.io import open_writer
from skysift.report.run_folder import read_run
from skysift.tasks.gamma_hadron.options import CompareOptions, ReadOptions
from skysift.tasks.gamma_hadron.synth import synthetic_events

TASK = load_task("gamma-hadron")


def rng():
    return np.random.default_rng(3)


@pytest.fixture(scope="module")
def fresh_file(tmp_path_factory):
    data = TASK.synth(800, np.random.default_rng(31))
    return TASK.write_synth(data, tmp_path_factory.mktemp("fresh") / "fresh.parquet")


def test_an_evaluation_prints_finite_numbers_and_draws_nothing_without_a_folder(
    small_model, fresh_file
):
    run = TASK.evaluate_files([fresh_file], ReadOptions(), small_model, None, rng(), command="x")
    metrics = {row["metric"]: row for row in run.rows}
    assert metrics["auc"]["low"] < metrics["auc"]["value"] < metrics["auc"]["high"]
    assert all(np.isfinite(row["value"]) for row in run.rows)
    assert run.page is None
    assert run.notes[0] == "Input contract: 800 accepted, 0 repaired, 0 rejected."


def test_an_evaluation_in_a_folder_can_be_drawn_again(small_model, fresh_file, tmp_path):
    run = TASK.evaluate_files(
        [fresh_file], ReadOptions(), small_model, tmp_path, rng(), command="skysift evaluate"
    )
    assert run.page == tmp_path / "report.html"
    first = run.page.read_text(encoding="utf-8")
    run.page.unlink()
    again = TASK.render(tmp_path)
    assert again.page.read_text(encoding="utf-8") == first
    record = read_run(tmp_path)
    assert (record.task, record.kind) == ("gamma-hadron", "evaluate")
    assert record.provenance["command"] == "skysift evaluate"
    assert record.provenance["inputs"][0]["path"].endswith("fresh.parquet")
    json.dumps(record.facts)


def test_rows_that_trained_the_bundle_are_known_by_their_content(
    small_model, sample_file, tmp_path
):
    """Under whatever name they come; and others of that name are not taken for them."""
    known = Path(shutil.copy(sample_file, tmp_path / "of_another_name.parquet"))
    run = TASK.evaluate_files([known], ReadOptions(), small_model, None, rng(), command="x")
    assert "the bundle was trained on these rows" in run.notes[-1]
    named = small_model.training.data
    others = TASK.write_synth(TASK.synth(300, rng()), tmp_path / f"{named}.parquet")
    run = TASK.evaluate_files([others], ReadOptions(), small_model, None, rng(), command="x")
    assert "trained on these rows" not in " ".join(run.notes)


def test_rejected_rows_are_counted_in_the_notes(small_model, tmp_path):
    table, is_gamma = synthetic_events(400, rng())
    width = table["width"].copy()
    width[:7] = np.nan
    table = table.with_columns({"width": width, "class": np.where(is_gamma, "g", "h")})
    with open_writer(tmp_path / "spoilt.parquet") as writer:
        writer.write(table)
    run = TASK.evaluate_files(
        [tmp_path / "spoilt.parquet"], ReadOptions(), small_model, None, rng(), command="x"
    )
    assert run.notes[0] == "Input contract: 393 accepted, 0 repaired, 7 rejected."
    assert run.notes[1].startswith("7 rows: 'width' is NaN or infinite")
    assert run.title.endswith("393 events")


def test_a_table_in_other_units_is_not_evaluated(small_model, tmp_path):
    table, is_gamma = synthetic_events(400, rng())
    lengths = ("length", "width", "dist", "asymmetry", "m3_long", "m3_trans")
    table = table.with_columns({name: table[name] * 0.003 for name in lengths})
    table = table.with_columns({"class": np.where(is_gamma, "g", "h")})
    with open_writer(tmp_path / "degrees.parquet") as writer:
        writer.write(table)
    with pytest.raises(ContractError, match="outside what the model was trained on"):
        TASK.evaluate_files(
            [tmp_path / "degrees.parquet"], ReadOptions(), small_model, None, rng(), command="x"
        )


def test_an_audit_finds_what_was_planted(tmp_path):
    table, is_gamma = synthetic_events(1500, rng())
    one = table["concentration_one_pixel"].copy()
    spoilt = np.flatnonzero(~is_gamma)[:150]
    share = rng().uniform(0.4, 0.5, 150)
    one[spoilt] = np.round(share * table["concentration_two_pixel"][spoilt], 4)
    table = table.with_columns({"concentration_one_pixel": one})
    table = table.with_columns({"class": np.where(is_gamma, "g", "h")})
    rows = np.concatenate([np.arange(1500), spoilt[:30]])
    with open_writer(tmp_path / "leaky.parquet") as writer:
        writer.write(table.take(rows))
    run = TASK.audit([tmp_path / "leaky.parquet"], ReadOptions(), rng())
    region, copies = run.rows
    assert region["severity"] == "high"
    assert region["finding"].startswith("concentration_one_pixel/concentration_two_pixel < 0.50")
    assert region["hadrons"] >= 180  # those that were spoilt, 30 of them twice
    assert region["gammas"] < 10
    assert copies["finding"] == "30 duplicate rows"
    assert (copies["gammas"], copies["hadrons"]) == (0, 60)


def test_an_audit_of_a_clean_table_finds_nothing(tmp_path):
    path = TASK.write_synth(TASK.synth(1500, rng()), tmp_path / "clean.parquet")
    assert TASK.audit([path], ReadOptions(), rng()).rows == []


def test_explore_leaves_a_report(fresh_file, tmp_path):
    run = TASK.explore([fresh_file], ReadOptions(), tmp_path, rng(), command="x")
    assert run.page.is_file()
    assert read_run(tmp_path).has_table("events")
    assert "800 events" in run.title


def test_compare_leaves_a_report_with_every_model(fresh_file, tmp_path):
    options = CompareOptions(
        models=("logistic-regression", "decision-tree"), tune=False, notebook=False
    )
    run = TASK.compare(
        [fresh_file], ReadOptions(), options, tmp_path, seed=2, command="skysift compare"
    )
    record = read_run(tmp_path)
    assert {c["name"] for c in record.facts["scores"]["contestants"]} == {
        "logistic-regression",
        "decision-tree",
    }
    assert len(run.rows) == 2
    assert run.page.stat().st_size > 10_000
    assert len(record.table("scores")) == pytest.approx(160, abs=2)
