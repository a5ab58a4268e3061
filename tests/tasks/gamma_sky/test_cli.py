"""gamma-sky through the program: simulate, predict, evaluate, explore, audit."""

import json
import sys

import numpy as np
import pytest

from skysift.cli.main import main
from skysift.data.io import read_table
from skysift.data.sky.tangent import separation


@pytest.fixture
def skysift(monkeypatch, capsys, tmp_path):
    """Call the program in a folder of its own; return exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "140")

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["skysift", *map(str, arguments)])
        capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = stop.code or 0
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    """A simulated night of three fields with a bright source each."""
    folder = tmp_path_factory.mktemp("cli") / "night"
    arguments = [
        "skysift", "simulate", "gamma-sky", "--out", str(folder), "--seed", "5", "--fields", "3",
        "--sources-min", "1", "--sources-max", "1", "--flux-min", "1", "--flux-max", "2",
        "--exposure-min", "60", "--exposure-max", "60", "--extended-share", "0", "--defects", "0",
        "--zenith-min", "20", "--zenith-max", "20", "--offset-max", "1", "--emax", "10",
        "--bands", "8",
    ]  # fmt: skip
    before, sys.argv = sys.argv, arguments
    try:
        main()
    except SystemExit as stop:
        assert not stop.code  # noqa: PT017 the program ends this way
    finally:
        sys.argv = before
    return folder


def answer(result):
    code, out, err = result
    assert code == 0, err
    return json.loads(out)


def test_what_is_simulated_is_found(skysift, night, tmp_path):
    said = answer(
        skysift("predict", "gamma-sky", night, "--out", "found.ecsv", "--clean", "clean.fits",
                "--regions", "found.reg", "--json")
    )  # fmt: skip
    assert said["rows"]["windows"] == 3
    found, truth = read_table(tmp_path / "found.ecsv"), read_table(night / "sources.ecsv")
    for ra, dec in zip(truth["ra"], truth["dec"], strict=True):
        assert separation(found["ra"], found["dec"], ra, dec).min() < 0.1
    assert (tmp_path / "clean-0002.fits").is_file()
    assert (tmp_path / "found.reg").read_text().count("text=") == len(found)


def test_windows_and_energies_have_units(skysift, night, tmp_path):
    said = answer(
        skysift("predict", "gamma-sky", night / "events-00000.fits.gz", "--out", "w.parquet",
                "--window", "20s", "--step", "0.5min", "--emin", "100GeV", "--emax", "1TeV",
                "--bands", "3", "--json")
    )  # fmt: skip
    assert said["rows"]["windows"] == 2
    table = read_table(tmp_path / "w.parquet")
    lengths = (table["t_stop"] - table["t_start"]) * 86400
    np.testing.assert_allclose(lengths, 20, atol=1e-3)


def test_evaluation_of_simulations(skysift, night):
    said = answer(skysift("evaluate", "gamma-sky", "--data", night, "--json"))
    text = json.dumps(said)
    assert "efficiency" in text
    assert "coverage68" in text


def test_a_bundle_of_networks_is_what_is_evaluated(skysift, night, tmp_path):
    """Not the default search: the published networks state no ellipse."""
    told = skysift(
        "evaluate", "gamma-sky", "--data", night, "--bundle", "cnn", "--device", "cpu",
        "--out", "run", "--json",
    )  # fmt: skip
    names = {row["name"] for row in answer(told)["rows"]}
    assert {"efficiency", "error68"} <= names
    assert "coverage68" not in names
    record = json.loads((tmp_path / "run/run.json").read_text(encoding="utf-8"))
    assert record["provenance"]["config"]["device"] == "cpu"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--data", "night", "--maps", "20"), "--maps is of evaluations without data"),
        (("--emin", "1TeV"), "--emin is of evaluations on data"),
        (("--device", "cuda"), "No network is asked"),
        (("--data", "night", "--device", "cuda"), "No network is asked"),
    ],
)
def test_an_evaluation_refuses_what_it_would_not_look_at(skysift, night, tmp_path, arguments, said):
    (tmp_path / "night").symlink_to(night)
    code, _, err = skysift("evaluate", "gamma-sky", *arguments)
    assert code == 2
    assert said in " ".join(err.split())


def test_exploring_and_auditing(skysift, night):
    listed = answer(skysift("explore", "gamma-sky", "--data", night, "--out", "look", "--json"))
    assert json.dumps(listed).count("median [TeV]") == 3
    path = night / "events-00001.fits.gz"
    said = answer(skysift("audit", "gamma-sky", "--data", path, "--data", path, "--json"))
    assert "shared-photons" in json.dumps(said)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--window", "100 parsec"), "100s or 5min"),
        (("--method", "likelihood-ratios"), "Did you mean 'likelihood-ratio'"),
        (("--emin", "3TeV", "--emax", "1TeV"), "not below emax"),
        (("--windw", "100s"), "window"),
        (("--response", "nowhere.fits"), "nowhere.fits"),
    ],
)
def test_mistakes_are_named_with_exit_code_2(skysift, night, tmp_path, arguments, said):
    code, _, err = skysift("predict", "gamma-sky", night, "--out", "found.ecsv", *arguments)
    assert code == 2
    assert said in " ".join(err.split())
    assert not (tmp_path / "found.ecsv").exists()


def test_a_folder_without_photon_lists_is_a_wrong_input(skysift, tmp_path):
    (tmp_path / "empty").mkdir()
    code, _, err = skysift("predict", "gamma-sky", "empty", "--out", "found.ecsv")
    assert code == 2
    assert "no photon list" in " ".join(err.split())
