"""What only lists or explains is quick, and so is to predict: nothing heavy is imported in vain."""

import json
from importlib.util import find_spec

import numpy as np
import pytest

from skysift.core.registry import load_task

HEAVY = (
    "astropy", "h5py", "lightgbm", "matplotlib", "numpy", "onnxruntime", "pandas", "pyarrow",
    "requests", "scipy", "sklearn", "skops", "torch", "xgboost",
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


def test_to_predict_takes_nothing_that_only_training_and_reports_need(start, tmp_path):
    task = load_task("gamma-hadron")
    events = task.write_synth(task.synth(100, np.random.default_rng(1)), tmp_path / "e.parquet")
    arguments = ["predict", "gamma-hadron", str(events), "--out", str(tmp_path / "out.parquet")]
    process = start(SCRIPT.format(arguments=arguments, heavy=TO_TRAIN_AND_DRAW))
    out, err = process.communicate(timeout=60)
    assert not err
    assert json.loads(out.splitlines()[-1]) == {"code": 0, "heavy": []}


def test_the_list_above_would_notice():
    """The names are those of modules: a misspelt one would never be found."""
    assert {name for name in HEAVY if find_spec(name) is None} <= {"pandas", "xgboost", "lightgbm"}
