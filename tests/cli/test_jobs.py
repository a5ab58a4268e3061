"""The verbs at work: results on stdout, all else on stderr, JSON for machines."""

import csv
import json
import os
import stat
from pathlib import Path

import numpy as np
import pytest

from skysift.core.errors import OutputError
from skysift.data.io import open_writer, read_table
from skysift.data.io.source import split_fragment
from skysift.tasks.gamma_hadron.synth import COLUMNS, synthetic_events

TASK = "gamma-hadron"
FORMATS = (".parquet", ".ecsv", ".fits", ".vot", ".csv")
TWO_PIXEL = "concentration_two_pixel"
CHEAP = ("--model", "logistic-regression", "--folds", "2")


def document(answer):
    """The only thing on stdout: one strict JSON document."""
    assert answer.code == 0, answer.err

    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(answer.out, parse_constant=refuse)


@pytest.fixture
def predict(skysift, bundle):
    return lambda *arguments: skysift("predict", TASK, *arguments, "--bundle", bundle)


def test_tasks_are_listed(skysift):
    (task,) = [t for t in document(skysift("tasks", "--json"))["tasks"] if t["name"] == TASK]
    assert task["default_data"] == "magic"
    assert TASK in skysift("tasks").out


def test_data_sets_are_listed_with_their_licences(skysift):
    found = {item["name"]: item for item in document(skysift("data", "list", "--json"))["datasets"]}
    assert {"magic", "fact"} <= set(found)
    assert all(item["licence"] and item["citation"] for item in found.values())
    assert "CC-BY-4.0" in skysift("data", "list").out


def test_doctor_looks_at_everything(skysift):
    checks = document(skysift("doctor", "--json"))["checks"]
    status = {check["check"]: check["status"] for check in checks}
    assert status["skysift"] == status["numpy"] == status["working folder"] == "ok"
    assert set(status.values()) <= {"ok", "absent"}


def test_doctor_fails_where_something_is_wrong(skysift, monkeypatch, tmp_path):
    monkeypatch.setenv("SKYSIFT_MIRROR", str(tmp_path / "nowhere"))
    answer = skysift("doctor")
    assert answer.code == 1
    assert "SKYSIFT_MIRROR is not a folder" in answer.out


def test_training_writes_a_bundle_and_says_how_good_it_is(skysift, events_file, tmp_path):
    said = document(
        skysift("train", TASK, "--data", events_file, "--out", "new/mine", *CHEAP, "--json")
    )
    assert said["bundle"] == "new/mine"
    (auc,) = said["metrics"]
    assert auc["low"] < auc["value"] < auc["high"]
    manifest = json.loads((tmp_path / "new/mine/bundle.json").read_text())
    assert manifest["name"] == "mine"
    assert manifest["training"]["command"].startswith("skysift train gamma-hadron --data")


def test_options_come_from_file_assignment_and_option_in_this_order(skysift, events_file, tmp_path):
    (tmp_path / "train.toml").write_text('model = "decision-tree"\nfolds = 4\n')
    answer = skysift(
        "train", TASK, "--data", events_file, "--out", "b", "--config", "train.toml",
        "--set", "folds=3", "--set", "model=knn", "--model", "logistic-regression",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    model = json.loads((tmp_path / "b/bundle.json").read_text())["model"]
    assert model["family"] == "logistic regression"
    assert model["parameters"]["folds"] == 3


def test_the_same_command_gives_the_same_model(skysift, events_file, predict, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        skysift("train", TASK, "--data", events_file, "--out", name, *CHEAP, "--seed", seed)
        skysift("predict", TASK, events_file, "--out", f"{name}.csv", "--bundle", f"./{name}")
    a, b, c = (read_table(tmp_path / f"{name}.csv")["gammaness"] for name in "abc")
    np.testing.assert_array_equal(a, b)
    assert np.any(a != c)


@pytest.mark.parametrize("name", ["my model", "-x", ".hidden", "größe"])
def test_a_bundle_that_could_not_be_named_is_refused_before_training(
    skysift, events_file, monkeypatch, name
):
    monkeypatch.setattr("skysift.tasks.gamma_hadron.training.train", _never)
    answer = skysift("train", TASK, "--data", events_file, f"--out={name}", *CHEAP)
    assert answer.code == 1
    assert "not a plain name" in answer.err


def test_a_bundle_that_is_there_is_left_alone(skysift, events_file, bundle, monkeypatch):
    monkeypatch.setattr("skysift.tasks.gamma_hadron.training.train", _never)
    answer = skysift("train", TASK, "--data", events_file, "--out", bundle, *CHEAP)
    assert answer.code == 1
    assert "The folder exists" in answer.err


@pytest.mark.parametrize("suffix", FORMATS)
def test_predictions_are_the_same_in_every_format(predict, events_file, tmp_path, suffix):
    said = document(predict(events_file, "--out", f"out{suffix}", "--json"))
    assert said == {
        "out": f"out{suffix}",
        "rows": {"accepted": 1500, "repaired": 0, "rejected": 0},
        "flags": {},
    }
    predict(events_file, "--out", "reference.parquet")
    out, reference = (read_table(tmp_path / name) for name in (f"out{suffix}", "reference.parquet"))
    assert out.columns == reference.columns
    for name in ("gammaness", "gammaness_err", *COLUMNS):
        np.testing.assert_array_equal(out[name], reference[name])
    assert out.unit("length") == "mm"
    assert out.meta["provenance"]["bundle"]["name"] == "small"
    assert out.meta["provenance"]["command"].startswith("skysift predict")


@pytest.mark.parametrize("source", FORMATS)
def test_every_format_can_be_read(predict, events_file, tmp_path, source):
    with open_writer(tmp_path / f"in{source}") as writer:
        writer.write(read_table(events_file))
    assert predict(tmp_path / f"in{source}", "--out", "out.parquet").code == 0
    predict(events_file, "--out", "reference.parquet")
    out, reference = (read_table(tmp_path / f"{name}.parquet") for name in ("out", "reference"))
    np.testing.assert_array_equal(out["gammaness"], reference["gammaness"])


def test_people_get_the_counts_and_the_first_answers(predict, events_file):
    answer = predict(events_file, "--out", "out.csv")
    first, *table, last = answer.out.splitlines()
    assert first == "out.csv: 1,500 accepted, 0 repaired, 0 rejected"
    assert table[1].split() == ["gammaness", "gammaness_err", "flags"]
    assert last == "... and 1,495 more"
    assert answer.err == ""  # no bar where nobody watches


def test_a_table_in_a_file_is_chosen_by_its_name(predict, events_file, tmp_path):
    with open_writer(tmp_path / "in.h5") as writer:
        writer.write(read_table(events_file))
    assert predict(f"{tmp_path / 'in.h5'}#/events", "--out", "out.csv").code == 0
    assert split_fragment(f"{tmp_path / 'in.h5'}#/events")[0].is_file()


def test_the_prior_of_the_sample_can_be_given(predict, events_file, tmp_path):
    predict(events_file, "--out", "here.csv")
    predict(events_file, "--out", "rare.csv", "--prior", "0.001")
    here, rare = (read_table(tmp_path / f"{name}.csv")["gammaness"] for name in ("here", "rare"))
    assert np.all(rare < here)
    assert predict(events_file, "--out", "x.csv", "--prior", "1.5").code == 2


@pytest.fixture
def no_work(monkeypatch):
    """The model must not even be loaded."""
    monkeypatch.setattr("skysift.tasks.gamma_hadron.task.load_bundle", _never)


def _never(*_, **__):
    raise AssertionError("the work began")


def test_an_unknown_suffix_is_refused_before_any_work(predict, events_file, no_work):
    answer = predict(events_file, "--out", "out.parqet")
    assert answer.code != 0
    assert "Did you mean '.parquet'?" in answer.err


def test_an_input_as_output_is_refused_before_any_work(predict, events_file, tmp_path, no_work):
    copy = tmp_path / "events.parquet"
    copy.write_bytes(events_file.read_bytes())
    answer = predict(copy, "--out", copy)
    assert answer.code == 1
    assert "also an input" in answer.err
    assert copy.read_bytes() == events_file.read_bytes()


def test_a_missing_folder_is_refused_before_any_work(predict, events_file, no_work):
    answer = predict(events_file, "--out", "nowhere/out.csv")
    assert answer.code == 1
    assert "mkdir -p 'nowhere'" in answer.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_leave_to_write_is_refused_before_any_work(
    predict, events_file, tmp_path, no_work
):
    locked = tmp_path / "locked"
    locked.mkdir()
    locked.chmod(stat.S_IRUSR | stat.S_IXUSR)
    answer = predict(events_file, "--out", locked / "out.csv")
    assert answer.code == 1
    assert "may not write" in answer.err


def test_a_folder_that_access_denies_is_refused_before_any_work(
    predict, events_file, monkeypatch, no_work
):
    monkeypatch.setattr(os, "access", lambda _, mode, **__: mode != os.W_OK)
    answer = predict(events_file, "--out", "out.csv")
    assert answer.code == 1
    assert "may not write" in answer.err


def test_a_folder_with_the_users_own_tables_takes_no_report(skysift, events_file, bundle, tmp_path):
    own = tmp_path / "events.parquet"
    own.write_bytes(events_file.read_bytes())
    answer = skysift("explore", TASK, "--data", own, "--out", tmp_path)
    assert answer.code == 1
    assert "no run wrote: events.parquet" in answer.err
    assert own.read_bytes() == events_file.read_bytes()


def test_evaluation_is_printed_and_stored(skysift, events_file, bundle):
    arguments = ("evaluate", TASK, "--data", events_file, "--bundle", bundle)
    said = document(skysift(*arguments, "--json"))
    metrics = {row["metric"]: row for row in said["rows"]}
    assert metrics["auc"]["low"] < metrics["auc"]["value"] < metrics["auc"]["high"]
    assert said["report"] is None
    shown = skysift(*arguments)
    assert f"{metrics['auc']['value']:.4f}" in shown.out
    assert shown.err == ""


def test_a_report_is_drawn_and_drawn_again(skysift, events_file, bundle, tmp_path):
    said = document(
        skysift(
            "evaluate", TASK, "--data", events_file, "--bundle", bundle, "--out", "run", "--json"
        )
    )
    page = tmp_path / "run" / "report.html"
    assert said["report"] == "run/report.html"
    first = page.read_bytes()
    page.unlink()
    again = document(skysift("report", "run", "--json"))
    assert again["report"] == "run/report.html"
    assert page.read_bytes() == first
    assert skysift("report", "nowhere").code == 2


def test_explore_and_audit_say_what_they_found(skysift, events_file):
    explored = document(skysift("explore", TASK, "--data", events_file, "--out", "run", "--json"))
    assert Path(explored["report"]).is_file()
    audited = document(skysift("audit", TASK, "--data", events_file, "--json"))
    assert audited["title"] == "Audit of events: 1,500 events"
    assert audited["rows"] == []


def test_compare_trains_and_reports(skysift, events_file):
    said = document(
        skysift(
            "compare", TASK, "--data", events_file, "--out", "run", "--models",
            "logistic-regression", "--models", "decision-tree", "--no-tune", "--no-notebook",
            "--json",
        )
    )  # fmt: skip
    assert len(said["rows"]) == 2
    assert Path(said["report"]).is_file()


@pytest.mark.mirror
def test_fetch_prints_files_licence_and_citation(skysift, mirror, tmp_path, monkeypatch):
    monkeypatch.setenv("SKYSIFT_CACHE", str(tmp_path / "cache"))
    said = document(skysift("fetch", "magic", "--json"))
    assert Path(said["files"][0]["path"]).is_file()
    people = skysift("fetch", "magic")
    assert "Licence: CC-BY-4.0" in people.out
    assert "Bock" in people.out


# --- the input contract, through the real program ----------------------------------------------


def spoilt_csv(path, *, header=None, edit=None, n=200):
    """Write a CSV table of made-up events after changing some of its rows."""
    table, is_gamma = synthetic_events(n, np.random.default_rng(6))
    rows = [list(map(repr, row)) for row in table.matrix(COLUMNS).tolist()]
    rows = [[*row, "g" if y else "h"] for row, y in zip(rows, is_gamma, strict=True)]
    if edit:
        edit(rows)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header or [*COLUMNS, "class"], *rows])
    return path


def put(row, column, text):
    place = [*COLUMNS, "class"].index(column)
    return lambda rows: rows[row].__setitem__(place, text)


@pytest.mark.parametrize(
    ("edit", "counts", "flag"),
    [
        (put(7, "width", "nan"), (199, 0, 1), "not-finite-width"),
        (put(7, "width", ""), (199, 0, 1), "not-finite-width"),
        (put(7, "dist", "inf"), (199, 0, 1), "not-finite-dist"),
        (put(7, "length", "-3.5"), (199, 0, 1), "negative-length"),
        (put(7, "width", "1e300"), (199, 0, 1), "out-of-range-width"),
        (put(7, TWO_PIXEL, "1.5"), (199, 0, 1), f"out-of-range-{TWO_PIXEL}"),
        (put(7, "alpha", "-12.5"), (199, 1, 0), "alpha-was-folded"),
        (put(7, "length", "2000"), (200, 0, 0), "outside-training-range"),
        (put(7, "class", "muon"), (200, 0, 0), ""),
    ],
)  # fmt: skip
def test_each_row_is_answered_with_its_reason(predict, tmp_path, edit, counts, flag):
    path = spoilt_csv(tmp_path / "in.csv", edit=edit)
    said = document(predict(path, "--out", "out.parquet", "--json"))
    assert tuple(said["rows"].values()) == counts
    out = read_table(tmp_path / "out.parquet")
    assert len(out) == 200
    assert out["flags"][7] == flag
    assert np.isnan(out["gammaness"][7]) == (counts[2] == 1)
    assert not any(np.delete(out["flags"], 7))


def test_a_prediction_that_answers_nothing_is_written_and_ends_with_code_2(predict, tmp_path):
    def spoil(rows):
        for row in range(len(rows)):
            put(row, "width", "nan")(rows)

    path = spoilt_csv(tmp_path / "in.csv", edit=spoil)
    answer = predict(path, "--out", "out.parquet", "--json")
    assert answer.code == 2
    said = json.loads(answer.out)
    assert (said["rows"]["rejected"], said["flags"]) == (200, {"not-finite-width": 200})
    error = json.loads(answer.err)
    assert (error["error"], error["path"]) == ("NothingAnsweredError", "out.parquet")
    out = read_table(tmp_path / "out.parquet")
    assert len(out) == 200
    assert np.isnan(out["gammaness"]).all()

    spoilt_csv(path, edit=lambda rows: rows.clear())
    assert predict(path, "--out", "empty.parquet").code == 0  # there was nothing to answer


def test_people_are_told_the_reasons(predict, tmp_path):
    spoilt_csv(tmp_path / "bad.csv", edit=put(7, "width", "nan"))
    assert "  not-finite-width (1)" in predict("bad.csv", "--out", "out.csv").out
    spoilt_csv(tmp_path / "good.csv")
    assert "Flags:" not in predict("good.csv", "--out", "out.csv").out


def test_missing_columns_are_refused_and_further_ones_pass(predict, tmp_path):
    header = [*COLUMNS, "class"]
    header[1] = "widht"
    answer = predict(spoilt_csv(tmp_path / "a.csv", header=header), "--out", "out.csv")
    assert answer.code == 2
    assert "a.csv" in answer.err
    assert "'width'" in answer.err
    assert "Did you mean 'widht'" in answer.err
    assert not (tmp_path / "out.csv").exists()
    spoilt_csv(tmp_path / "b.csv", header=[*COLUMNS, "weather"])
    assert predict("b.csv", "--out", "out.csv").code == 0
    assert "weather" in read_table(tmp_path / "out.csv")


def test_misspelt_labels_are_mended_or_left_out(skysift, bundle, tmp_path):
    def edit(rows):
        rows[3][-1], rows[4][-1], rows[5][-1] = "Gama", "hadrn", "muon"

    path = spoilt_csv(tmp_path / "in.csv", edit=edit)
    said = document(skysift("evaluate", TASK, "--data", path, "--bundle", bundle, "--json"))
    assert said["notes"][0] == "Input contract: 197 accepted, 2 repaired, 1 rejected."
    assert any("'Gama'" in note for note in said["notes"])
    assert any("'muon'" in note for note in said["notes"])


@pytest.mark.parametrize(
    ("name", "content"),
    [("empty.csv", b""), ("text.csv", b"hello\n"), ("binary.parquet", b"PAR1" + b"\0" * 40)],
)
def test_a_file_that_is_no_table_is_refused_with_its_name(predict, tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    answer = predict(name, "--out", "out.csv")
    assert answer.code == 2
    assert answer.err.startswith(f"skysift: {name}")
    assert not (tmp_path / "out.csv").exists()


def test_a_truncated_hdf5_file_is_refused(predict, events_file, tmp_path):
    with open_writer(tmp_path / "in.h5") as writer:
        writer.write(read_table(events_file))
    whole = (tmp_path / "in.h5").read_bytes()
    (tmp_path / "in.h5").write_bytes(whole[: len(whole) // 2])
    answer = predict("in.h5", "--out", "out.csv")
    assert answer.code == 2
    assert "in.h5" in answer.err
    assert not (tmp_path / "out.csv").exists()


def test_one_class_alone_trains_nothing(skysift, tmp_path):
    def edit(rows):
        for row in rows:
            row[-1] = "g"

    path = spoilt_csv(tmp_path / "in.csv", edit=edit)
    answer = skysift("train", TASK, "--data", path, "--out", "b", *CHEAP)
    assert answer.code == 2
    assert "only gammas; both classes are needed" in answer.err
    assert not (tmp_path / "b").exists()


def test_text_in_a_column_of_numbers_is_refused_with_its_row(predict, tmp_path):
    path = spoilt_csv(tmp_path / "in.csv", edit=put(7, "width", "wide"))
    answer = predict(path, "--out", "out.csv")
    assert answer.code == 2
    assert "row 7" in answer.err
    assert "wide" in answer.err


def test_a_damaged_bundle_is_refused(skysift, events_file, bundle, tmp_path):
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in bundle.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    (copy / "card.md").write_text("changed")
    answer = skysift("predict", TASK, events_file, "--out", "o.csv", "--bundle", "./copy")
    assert answer.code == 1
    assert "card.md" in answer.err


def test_a_disk_that_fills_up_leaves_nothing_behind(predict, events_file, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OutputError("No space left on device.", "Free some.", path="out.csv")

    monkeypatch.setattr("skysift.data.io.writers._Writer.write", full)
    assert predict(events_file, "--out", "out.csv").code == 1
    assert not list(tmp_path.iterdir())
