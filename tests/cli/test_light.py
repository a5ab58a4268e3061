"""What only lists or explains is quick, and so is to predict: nothing heavy is imported in vain."""

import json
import re
from importlib.util import find_spec

import numpy as np
import pytest

from skysift.core.registry import list_tasks, load_task, shipped_bundles

HEAVY = (
    "astropy", "dask", "distributed", "h5py", "lightgbm", "matplotlib", "numpy", "onnxruntime",
    "pandas", "pyarrow", "requests", "scipy", "sklearn", "skops", "torch", "xgboost",
)  # fmt: skip

SCRIPT = """
import json, sys
sys.argv = ["skysift", *{arguments!r}]
from skysift.cli.main import main
try:
    main()
except SystemExit as stop:
    code = stop.code
else:
    code = 0
print("\\n" + json.dumps({{"code": code, "heavy": [n for n in {heavy!r} if n in sys.modules]}}))
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["tasks"],
        ["tasks", "--json"],
        ["predict", "--help"],
        ["predict", "gamma-hadron", "--help"],
        ["train", "gamma-hadron", "--help"],
        ["cutouts", "--help"],
        ["catalog", "--help"],
        ["build", "--help"],
        ["compare", "gamma-hadron", "--help"],
    ],
    ids=" ".join,
)
def test_help_and_lists_import_nothing_heavy(start, arguments):
    process = start(SCRIPT.format(arguments=arguments, heavy=HEAVY))
    out, err = process.communicate(timeout=60)
    last = json.loads(out.splitlines()[-1])
    assert not err
    assert last == {"code": 0, "heavy": []}


TO_TRAIN_AND_DRAW = ("lightgbm", "matplotlib", "requests", "scipy", "sklearn", "skops", "torch")


def test_a_table_is_answered_without_what_other_verbs_need(start, tmp_path):
    task = load_task("gamma-hadron")
    events = task.write_synth(task.synth(100, np.random.default_rng(1)), tmp_path / "e.parquet")
    arguments = ["predict", "gamma-hadron", str(events), "--out", str(tmp_path / "out.parquet")]
    process = start(SCRIPT.format(arguments=arguments, heavy=TO_TRAIN_AND_DRAW))
    out, err = process.communicate(timeout=60)
    assert not err
    assert json.loads(out.splitlines()[-1]) == {"code": 0, "heavy": []}


OF_EXTRAS = (
    "dask", "distributed", "drms", "faiss", "fastapi", "fastavro", "gammapy", "lightgbm",
    "matplotlib", "numba", "onnx", "pyvo", "regions", "sklearn", "skops", "sunpy", "torch",
    "uvicorn", "xgboost", "zarr",
)  # fmt: skip

WITHOUT = """
import sys

class Without:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        hidden = name.partition(".")[0] in {hidden!r}
        return None if hidden else self.finder.find_spec(name, path, target)

sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
"""


METHODS = {
    ("gamma-sky", "cnn"): ("cnn-cleaner", "cnn-regressor"),
    ("gamma-sky", "network"): ("network",),
}
"""Of bundles that one method asks alone."""

EVERY_BUNDLE = [
    (item.name, folder.name, method)
    for item in list_tasks()
    for folder in shipped_bundles(item.name)
    for method in METHODS.get((item.name, folder.name), (None,))
]


@pytest.mark.parametrize(("name", "bundle", "method"), EVERY_BUNDLE)
def test_the_shipped_bundles_predict_with_the_core_alone(start, tmp_path, name, bundle, method):
    task = load_task(name)
    folder = tmp_path / "made-up"
    folder.mkdir()
    path = task.write_synth(task.synth(3, np.random.default_rng(1)), folder)
    arguments = ["predict", name, str(path), "--out", str(tmp_path / "out.ecsv")]
    arguments += ["--bundle", bundle, *(() if method is None else ("--method", method))]
    script = WITHOUT.format(hidden=OF_EXTRAS) + SCRIPT.format(arguments=arguments, heavy=OF_EXTRAS)
    process = start(script)
    out, err = process.communicate(timeout=120)
    assert not err
    assert json.loads(out.splitlines()[-1]) == {"code": 0, "heavy": []}
    assert (tmp_path / "out.ecsv").is_file()


@pytest.mark.parametrize("verb", ["evaluate", "train"])
def test_a_verb_whose_extra_is_missing_says_how_to_get_it(start, tmp_path, verb):
    task = load_task("gamma-hadron")
    events = task.write_synth(task.synth(100, np.random.default_rng(1)), tmp_path / "e.parquet")
    arguments = [verb, "gamma-hadron", "--data", str(events), "--out", str(tmp_path / "out")]
    script = WITHOUT.format(hidden=("sklearn", "skops", "matplotlib"))
    process = start(script + SCRIPT.format(arguments=arguments, heavy=OF_EXTRAS))
    out, err = process.communicate(timeout=60)
    assert json.loads(out.splitlines()[-1])["code"] == 1
    assert re.fullmatch(
        r"skysift: This needs '\w+', which is not installed. "
        r'Run: pip install "skysift\[(learn|report)\]"\n',
        err,
    )


def test_the_list_above_would_notice():
    """The names are those of modules: a misspelt one would never be found."""
    assert {name for name in HEAVY if find_spec(name) is None} <= {"pandas", "xgboost", "lightgbm"}
