"""What is published: a wheel with its models and its page, and nothing that is not its own."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from skysift.core.registry import load_task

ROOT = Path(__file__).parents[1]
DATA = {".avro", ".csv", ".fits", ".gz", ".h5", ".hdf5", ".jp2", ".jpg", ".npy", ".npz", ".parquet"}
CODE_THAT_LOADS = {".joblib", ".pickle", ".pkl", ".pt", ".pth", ".skops"}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    pytest.importorskip("hatchling", reason="hatchling builds the distributions")
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_wheel_holds_every_file_of_the_package_and_no_other(built):
    (wheel,) = built.glob("*.whl")
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    package = ROOT / "src"
    files = {
        str(path.relative_to(package))
        for path in (package / "skysift").rglob("*")
        if path.is_file() and path.parent.name != "__pycache__"
    }
    assert names == files
    for part in ("bundles/default/bundle.json", "page/assets/page.js", "py.typed", "task.toml"):
        assert any(name.endswith(part) for name in names), part


def test_neither_holds_data_or_models_that_run_code(built):
    (wheel,), (source,) = built.glob("*.whl"), built.glob("*.tar.gz")
    names = zipfile.ZipFile(wheel).namelist()
    with tarfile.open(source) as archive:
        names += archive.getnames()
    assert [name for name in names if Path(name).suffix in DATA | CODE_THAT_LOADS] == []


def test_the_source_can_be_tested_from_its_archive(built):
    (source,) = built.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    needed = {"Makefile", "README.md", "LICENSE", "pyproject.toml", "constraints.txt"}
    needed |= {"tests/conftest.py", "benchmarks/measure.py", "docs/watch.md"}
    assert needed - names == set()


def test_the_demo_installs_the_image_of_the_sun_that_it_shows():
    """Without the mirror, sunpy's image of HMI is the one real disk."""
    _, _, rule = (ROOT / "Makefile").read_text(encoding="utf-8").partition("$(DEMO_ENV)/.ready: ")
    assert " sunpy\n" in rule.partition("\n\n")[0]


def test_what_the_wheel_holds_predicts_outside_of_the_checkout(built, tmp_path):
    (wheel,) = built.glob("*.whl")
    installed = tmp_path / "installed"
    zipfile.ZipFile(wheel).extractall(installed)  # noqa: S202  # built above
    task = load_task("gamma-hadron")
    task.write_synth(task.synth(20, np.random.default_rng(1)), tmp_path / "events.parquet")
    environment = os.environ | {"PYTHONPATH": str(installed)}

    def run(*arguments):
        command = [sys.executable, *arguments]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout

    assert run("-c", "import skysift; print(skysift.__file__)").startswith(str(installed))
    run("-m", "skysift", "predict", "gamma-hadron", "events.parquet", "--out", "out.ecsv")
    assert (tmp_path / "out.ecsv").is_file()
