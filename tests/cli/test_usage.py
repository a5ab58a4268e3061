"""A slip of the finger is answered with the nearest name and exit code 2, before any work."""

import json
import sys
from pathlib import Path

import pytest

from skysift import __version__
from skysift.cli import main
from skysift.core import registry

VERBS = (
    "tasks", "fetch", "report", "demo", "doctor", "explore", "audit", "train", "evaluate",
    "predict", "compare", "simulate", "data", "catalog", "cutouts", "build",
)  # fmt: skip
OF_A_TASK = ("explore", "audit", "train", "evaluate", "predict", "compare")


def test_the_help_names_every_verb_and_the_exit_codes(skysift):
    shown = skysift("--help")
    assert shown.code == 0
    for verb in VERBS:
        assert f" {verb} " in shown.out
    assert "130 interrupted" in shown.out
    assert not shown.err


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(skysift, verb):
    shown = skysift(verb, "--help")
    assert shown.code == 0
    assert shown.out.startswith(f"Usage: skysift {verb}")
    assert not shown.err


@pytest.mark.parametrize("verb", OF_A_TASK)
def test_the_help_of_a_verb_lists_the_options_of_the_task(skysift, verb):
    without, of_task = skysift(verb, "--help").out, skysift(verb, "gamma-hadron", "--help").out
    assert "--rows" not in without
    assert "--rows" in of_task
    assert "--columns" in of_task
    assert ("--model " in of_task) == (verb == "train")
    assert ("--prior" in of_task) == (verb == "predict")


def test_every_verb_has_its_place_in_the_list(skysift):
    listed = skysift("--help").out.partition("Commands:")[2].split("\n  ")[1:]
    names = [line.split()[0] for line in listed if not line.startswith(" ")]
    assert tuple(names) == main._ORDER


def test_a_task_without_a_verb_is_answered_with_one(skysift):
    shown = skysift("gamma-sky", "my photons.fits")
    assert shown.code == 2
    assert "For example: skysift predict gamma-sky 'my photons.fits'" in shown.err


def test_no_arguments_show_the_help(skysift):
    shown = skysift()
    assert "predict" in shown.out + shown.err
    assert shown.code in (0, 2)


def test_the_version_is_printed(skysift):
    assert skysift("--version").out == f"skysift {__version__}\n"


TRAIN = "train gamma-hadron --data EVENTS --out b"
PREDICT = "predict gamma-hadron EVENTS --bundle BUNDLE"


@pytest.mark.parametrize(
    ("typed", "nearest"),
    [
        ("predcit gamma-hadron", "predict"),
        ("predict gama-hadron EVENTS --out o.csv", "gamma-hadron"),
        (f"{PREDICT} --otu o.csv", "--out"),
        (f"{PREDICT} --out o.csv --piror 0.1", "--prior"),
        (f"{PREDICT} --out o.parqet", ".parquet"),
        (f"{PREDICT} --out o.csv --columns uci-magik", "uci-magic"),
        (f"{TRAIN} --model random-forrest", "random-forest"),
        (f"{TRAIN} --mode source-dependant", "source-dependent"),
        (f"{TRAIN} --rows tset", "test"),
        (f"{TRAIN} --set foolds=3", "folds"),
        (f"{TRAIN} --extra-features widht", "width"),
        (f"{TRAIN} --background event.parquet", "events.parquet"),
        ("train gamma-hadron --data magik --out b", "magic"),
        ("compare gamma-hadron --data EVENTS --models xgbost", "xgboost"),
        ("evaluate gamma-hadron --data fcat", "fact"),
        ("fetch magci", "magic"),
        ("demo gamma-hadorn", "gamma-hadron"),
    ],
)
def test_a_slip_is_answered_with_the_nearest(skysift, events_file, bundle, typed, nearest):
    words = {"EVENTS": str(events_file), "BUNDLE": str(bundle)}
    answer = skysift(*(words.get(word, word) for word in typed.split()))
    assert nearest in answer.err
    assert answer.code == (1 if "o.parqet" in typed else 2)
    assert not answer.out
    assert "Traceback" not in answer.err
    assert not any(Path(name).exists() for name in ("o.csv", "o.parqet", "b"))


def test_a_mistyped_bundle_is_answered_with_those_that_ship(skysift, events_file, monkeypatch):
    shipped = [events_file.parent / "default", events_file.parent / "fast"]
    monkeypatch.setattr(registry, "shipped_bundles", lambda _: shipped)
    answer = skysift(
        "predict", "gamma-hadron", events_file, "--out", "o.csv", "--bundle", "defualt"
    )
    assert answer.code == 2
    assert "Did you mean 'default'? Known: default, fast." in answer.err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("moddel = 'knn'\n", ["config.toml", "Unknown key 'moddel'", "Did you mean 'model'"]),
        ("folds = 1\n", ["config.toml", "'folds'", "greater than or equal to 2"]),
        ("folds = \n", ["config.toml", "Not valid TOML"]),
    ],
)
def test_a_wrong_config_file_is_named(skysift, events_file, tmp_path, text, words):
    (tmp_path / "config.toml").write_text(text)
    answer = skysift(
        "train", "gamma-hadron", "--data", events_file, "--out", "b", "--config", "config.toml"
    )
    assert answer.code == 2
    assert all(word in answer.err for word in words)


def test_a_missing_option_or_argument_is_named(skysift, events_file):
    assert "--out" in skysift("predict", "gamma-hadron", events_file).err
    assert "INPUT" in skysift("predict", "gamma-hadron", "--out", "x.csv").err
    assert skysift("train", "gamma-hadron").code == 2


def test_a_negative_seed_is_refused(skysift, events_file):
    answer = skysift("audit", "gamma-hadron", "--data", events_file, "--seed", "-1")
    assert answer.code == 2
    assert "seed" in answer.err


@pytest.mark.parametrize("verb", ["explore", "audit", "evaluate", "compare"])
def test_a_file_that_is_not_there_is_named(skysift, verb):
    answer = skysift(verb, "gamma-hadron", "--data", "nowhere/events.csv")
    assert answer.code == 2
    assert "nowhere/events.csv: There is no such file." in answer.err


def test_errors_are_json_where_json_was_asked_for(skysift):
    answer = skysift("audit", "gamma-hadron", "--data", "nowhere.csv", "--json")
    error = json.loads(answer.err)
    assert not answer.out
    assert error["error"] == "ReadError"
    assert error["path"] == "nowhere.csv"
    assert set(error) == {"error", "problem", "remedy", "path", "row"}
    assert error["remedy"]


def test_a_missing_extra_names_the_command_to_run(skysift, events_file, monkeypatch):
    monkeypatch.setitem(sys.modules, "xgboost", None)
    answer = skysift(
        "train", "gamma-hadron", "--data", events_file, "--out", "b", "--model", "xgboost"
    )
    assert answer.code == 1
    assert 'pip install "skysift[boost]"' in answer.err


def test_a_default_of_many_is_shown_as_it_is_typed(skysift):
    shown = " ".join(skysift("compare", "star-galaxy", "--help").out.split())
    assert "[default: blend, random-forest," in shown
    assert "('" not in shown
    assert "[default: ]" not in skysift("compare", "flare", "--help").out
