"""Plain arrays say what scikit-learn says, and arrays made to harm are refused."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skysift.core.errors import BundleError
from skysift.models.persist.arrays import load_arrays, save_arrays
from skysift.models.plain_export import plain_classifier
from skysift.models.plain_state import plain_from_state

N_FEATURES = 8


def boosting():
    return HistGradientBoostingClassifier(max_iter=20, max_leaf_nodes=8, random_state=1)


def forest(kind=RandomForestClassifier):
    return kind(20, min_samples_leaf=2, random_state=1)


def linear():
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))


MODELS = {
    "boosting": boosting,
    "random forest": forest,
    "extra trees": lambda: forest(ExtraTreesClassifier),
    "linear": linear,
    "constant": lambda: DummyClassifier(strategy="prior"),
    "mean": lambda: VotingClassifier(
        [("a", boosting()), ("b", forest()), ("c", linear())], voting="soft"
    ),
}


def labelled(n_classes):
    rows, label = make_classification(
        300, N_FEATURES, n_informative=5, n_classes=n_classes, random_state=3
    )
    return rows, np.array([f"class {k}" for k in range(n_classes)])[label]


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("name", MODELS)
def test_a_stored_model_says_what_the_fitted_one_does(name, n_classes, rng):
    rows, label = labelled(n_classes)
    fitted = MODELS[name]().fit(rows, label)
    described, arrays = plain_classifier(fitted).state()
    stored = plain_from_state(described, load_arrays(save_arrays(arrays)))
    asked = rng.normal(0.0, 3.0, (700, N_FEATURES))
    assert stored.classes_.tolist() == fitted.classes_.tolist()
    np.testing.assert_allclose(
        stored.predict_proba(asked), fitted.predict_proba(asked), rtol=1e-12, atol=1e-14
    )


def test_thresholds_and_missing_values_decide_as_they_did(rng):
    """Rows that lie on a split, and rows without a value."""
    rows, label = labelled(3)
    rows = np.round(rows, 1)
    rows[rng.random(rows.shape) < 0.2] = np.nan
    for fitted in (boosting().fit(rows, label), forest().fit(rows, label)):
        plain = plain_classifier(fitted)
        np.testing.assert_allclose(
            plain.predict_proba(rows), fitted.predict_proba(rows), rtol=1e-12, atol=1e-14
        )


def test_what_has_no_arrays_is_refused():
    rows, label = labelled(2)
    with pytest.raises(BundleError, match="SVC cannot be stored"):
        plain_classifier(SVC().fit(rows, label))
    with pytest.raises(BundleError, match="cannot be stored"):
        plain_classifier(make_pipeline(LogisticRegression()).fit(rows, label))


def test_a_matrix_of_another_width_is_refused():
    rows, label = labelled(2)
    plain = plain_classifier(linear().fit(rows, label))
    with pytest.raises(ValueError, match="shape"):
        plain.predict_proba(rows[:, :3])


def circle(arrays):
    inner = np.flatnonzero(arrays["left"] != np.arange(len(arrays["left"])))
    arrays["left"][inner[-1]] = arrays["roots"][0]


def chain(arrays):
    """A tree of a hundred levels."""
    n = 100
    own = np.arange(n, dtype=np.int32)
    arrays |= {
        "roots": np.zeros(4, np.int32), "feature": np.zeros(n, np.int32),
        "threshold": np.zeros(n), "left": np.minimum(own + 1, n - 1),
        "right": np.minimum(own + 1, n - 1), "missing_left": np.zeros(n, bool),
        "value": np.zeros((n, 1)),
    }  # fmt: skip


HARM = {
    "a node beyond the last": lambda a: a["right"].__setitem__(0, 10**6),
    "a node before the first": lambda a: a["left"].__setitem__(0, -5),
    "a column that is not there": lambda a: a["feature"].__setitem__(0, N_FEATURES),
    "a circle": circle,
    "a chain": chain,
    "no threshold": lambda a: a["threshold"].__setitem__(0, np.nan),
    "an endless value": lambda a: a["value"].__setitem__(0, np.inf),
    "no roots": lambda a: a.update(roots=np.empty(0, np.int32)),
    "other lengths": lambda a: a.update(left=a["left"][:-1]),
    "other types": lambda a: a.update(left=a["left"].astype(np.int64)),
    "a missing array": lambda a: a.pop("value"),
    "another baseline": lambda a: a.update(baseline=np.zeros(3)),
}


@pytest.mark.parametrize("harm", HARM)
def test_arrays_made_to_harm_are_refused(harm):
    rows, label = labelled(4)
    described, arrays = plain_classifier(boosting().fit(rows, label)).state()
    arrays = {name: one.copy() for name, one in arrays.items()}
    plain_from_state(described, arrays)
    HARM[harm](arrays)
    with pytest.raises(BundleError, match="cannot be used"):
        plain_from_state(described, arrays)


@pytest.mark.parametrize(
    "described",
    [
        None,
        [],
        {},
        {"kind": "pickle", "classes": [0, 1], "features": 3},
        {"kind": "constant", "classes": [], "features": 3},
        {"kind": "constant", "classes": [0, "1"], "features": 3},
        {"kind": "constant", "classes": [0, 1], "features": "three"},
        {"kind": "mean", "parts": []},
        {"kind": "mean", "parts": [{"kind": "mean", "parts": []}]},
        {"kind": "mean", "parts": [{}] * 100},
    ],
)
def test_descriptions_that_make_no_sense_are_refused(described):
    with pytest.raises(BundleError, match="cannot be used"):
        plain_from_state(described, {"shares": np.array([0.5, 0.5])})


TO_PREDICT = """
import sys
import numpy as np
from skysift.core.registry import bundle_folder, load_options, load_task
from skysift.core.config import build_config

name = sys.argv[1]
task = load_task(name)
model = task.load(bundle_folder(name))
options = [build_config(load_options(name, kind), {}) for kind in ("ReadOptions", "PredictOptions")]
predict = task.stream(model, *options)
from pathlib import Path
for path in map(Path, sys.argv[2:]):
    assert sum(len(part) for part in predict(path))
heavy = {"sklearn", "skops", "torch"} & sys.modules.keys()
assert not heavy, heavy
"""


@pytest.mark.parametrize("task", ["streak", "active-region"])
def test_a_prediction_does_not_wait_for_scikit_learn(task, tmp_path):
    from skysift.core.registry import load_task  # noqa: PLC0415  # of this test only

    loaded = load_task(task)
    loaded.write_synth(loaded.synth(3, np.random.default_rng(1)), tmp_path)
    paths = [path for path in tmp_path.rglob("*") if path.suffix in {".png", ".parquet"}]
    assert paths
    done = subprocess.run(
        [sys.executable, "-c", TO_PREDICT, task, *map(str, paths)],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
