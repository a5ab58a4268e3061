"""A stored model predicts what the fitted one did, to the last bit."""

from datetime import UTC, datetime

import numpy as np
import onnx
import pytest
import safetensors.numpy
from numpy.testing import assert_array_equal
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.datasets import make_classification
from sklearn.discriminant_analysis import (
    LinearDiscriminantAnalysis,
    QuadraticDiscriminantAnalysis,
)
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    PowerTransformer,
    QuantileTransformer,
    StandardScaler,
)
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

from skysift.core.bundle import Bundle, write_bundle
from skysift.core.bundle_schema import BundleSpec
from skysift.core.errors import BundleError, UnknownNameError
from skysift.models.persist import load_arrays, load_model, save_arrays, save_model
from skysift.models.persist.skops_format import load_skops
from skysift.models.persist.xgboost_format import load_xgboost

PAIR = [("a", LogisticRegression()), ("b", GaussianNB())]
LOGARITHM = ColumnTransformer(
    [("log", FunctionTransformer(np.log1p), [0]), ("scale", StandardScaler(), slice(1, 4))],
    remainder="passthrough",
)
ESTIMATORS = [
    RandomForestClassifier(4, random_state=np.random.RandomState(0)),
    ExtraTreesClassifier(4, random_state=0),
    DecisionTreeClassifier(random_state=0),
    GradientBoostingClassifier(n_estimators=5, random_state=0),
    HistGradientBoostingClassifier(max_iter=3, max_leaf_nodes=4, random_state=0),
    AdaBoostClassifier(n_estimators=3, random_state=0),
    BaggingClassifier(n_estimators=3, max_features=0.5, random_state=0),
    VotingClassifier(PAIR, voting="soft"),
    StackingClassifier(PAIR, cv=2),
    LogisticRegression(),
    GaussianNB(),
    LinearDiscriminantAnalysis(),
    QuadraticDiscriminantAnalysis(),
    KNeighborsClassifier(),
    KNeighborsClassifier(algorithm="brute"),
    KNeighborsClassifier(algorithm="ball_tree", weights="distance", metric="manhattan"),
    MLPClassifier((8,), max_iter=400, tol=1e-2, random_state=0),
    GaussianProcessClassifier(),
    CalibratedClassifierCV(LinearSVC(), cv=2),
    CalibratedClassifierCV(RandomForestClassifier(3, random_state=0), method="isotonic", cv=2),
    make_pipeline(
        StandardScaler(), PowerTransformer(), QuantileTransformer(n_quantiles=50), PAIR[0][1]
    ),
    make_pipeline(LOGARITHM, KNeighborsClassifier()),
    XGBClassifier(n_estimators=5, n_jobs=1),
    XGBClassifier(n_estimators=50, n_jobs=1, early_stopping_rounds=2, learning_rate=1.0),
]


@pytest.fixture(scope="module")
def rows():
    features, y = make_classification(300, 6, random_state=0)
    return np.abs(features), y


def spec_of(format_, file, **changes):
    return BundleSpec.model_validate(
        {
            "name": "test",
            "task": "gamma-hadron",
            "created": datetime(2026, 1, 2, tzinfo=UTC),
            "summary": "",
            "model": {"format": format_, "file": file, "family": "test"},
            "training": {
                "data": "made up",
                "sha256": "0" * 64,
                "n_rows": 300,
                "split": "",
                "seed": 0,
                "command": "",
            },
            "data_licence": {"licence": "", "citation": ""},
            **changes,
        }
    )


def stored(tmp_path, estimator, **changes) -> Bundle:
    format_, members = save_model(estimator)
    spec = spec_of(format_, next(iter(members)), **changes)
    write_bundle(tmp_path / "bundle", spec, members, "")
    return Bundle.load(tmp_path / "bundle")


def fitted(estimator, rows):
    if getattr(estimator, "early_stopping_rounds", None):
        return estimator.fit(*rows, eval_set=[rows], verbose=False)
    return estimator.fit(*rows)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda estimator: type(estimator).__name__)
def test_round_trip(tmp_path, rows, estimator):
    model = fitted(estimator, rows)
    before = save_model(model)
    loaded = load_model(stored(tmp_path, model))
    assert_array_equal(loaded.predict_proba(rows[0]), model.predict_proba(rows[0]))
    assert_array_equal(loaded.classes_, model.classes_)
    # Saving has changed nothing, and is deterministic.
    assert save_model(model) == before
    assert_array_equal(loaded.predict_proba(rows[0]), model.predict_proba(rows[0]))


def test_trees_after_the_best_iteration_are_left_out():
    rng = np.random.default_rng(1)
    features, noise = rng.normal(size=(400, 4)), rng.random(400) < 0.5
    model = XGBClassifier(n_estimators=50, n_jobs=1, early_stopping_rounds=3, learning_rate=1.0)
    model.fit(features[:200], noise[:200], eval_set=[(features[200:], noise[200:])], verbose=False)
    assert model.best_iteration + 1 < model.get_booster().num_boosted_rounds()
    loaded = load_xgboost(save_model(model)[1]["model.json"], threads=1)
    assert loaded._booster.num_boosted_rounds() == model.best_iteration + 1
    assert_array_equal(loaded.predict_proba(features), model.predict_proba(features))


def test_several_classes(rows):
    y = np.digitize(rows[0][:, 0], [0.5, 1.0])
    model = XGBClassifier(n_estimators=3, n_jobs=1).fit(rows[0], y)
    loaded = load_xgboost(save_model(model)[1]["model.json"])
    assert_array_equal(loaded.predict_proba(rows[0]), model.predict_proba(rows[0]))
    assert_array_equal(loaded.classes_, [0, 1, 2])
    for kind in (
        HistGradientBoostingClassifier(max_iter=2, max_leaf_nodes=4),
        GradientBoostingClassifier(n_estimators=2),
    ):
        model = kind.fit(rows[0], y)
        again = load_skops(save_model(model)[1]["model.skops"])
        assert_array_equal(again.predict_proba(rows[0]), model.predict_proba(rows[0]))


def test_a_search_is_stored_as_its_best_estimator(tmp_path, rows):
    search = GridSearchCV(LogisticRegression(), {"C": [0.01, 1.0]}, cv=2).fit(*rows)
    loaded = load_model(stored(tmp_path, search))
    assert isinstance(loaded, LogisticRegression)
    assert_array_equal(loaded.predict_proba(rows[0]), search.predict_proba(rows[0]))


def test_several_members_of_one_bundle(tmp_path, rows):
    forests = [RandomForestClassifier(2, random_state=seed).fit(*rows) for seed in range(2)]
    members = {}
    for number, forest in enumerate(forests):
        members |= save_model(forest, name=f"member-{number}")[1]
    write_bundle(tmp_path / "b", spec_of("skops", "member-0.skops"), members, "")
    bundle = Bundle.load(tmp_path / "b")
    for number, forest in enumerate(forests):
        loaded = load_model(bundle, file=f"member-{number}.skops")
        assert_array_equal(loaded.predict_proba(rows[0]), forest.predict_proba(rows[0]))


def test_threads_are_set_wherever_they_can_be(tmp_path, rows):
    model = make_pipeline(StandardScaler(), RandomForestClassifier(2, n_jobs=2)).fit(*rows)
    loaded = load_model(stored(tmp_path, model), threads=1)
    assert loaded[-1].n_jobs == 1


def test_the_number_of_features_has_to_agree(tmp_path, rows):
    bundle = stored(tmp_path, LogisticRegression().fit(*rows), features=["a", "b"])
    with pytest.raises(BundleError, match="wants 6 features, the bundle names 2") as caught:
        load_model(bundle)
    assert caught.value.path == tmp_path / "bundle" / "model.skops"


def test_a_wrong_format_is_refused(tmp_path, rows):
    model = LogisticRegression().fit(*rows)
    for format_ in ("xgboost", "onnx"):
        with pytest.raises(BundleError, match="cannot be stored in the format"):
            save_model(model, format=format_)
    with pytest.raises(BundleError, match="holds arrays"):
        save_model(model, format="safetensors")
    with pytest.raises(UnknownNameError, match="Did you mean 'skops'"):
        save_model(model, format="skop")
    _, members = save_model(model)
    for number, (format_, file) in enumerate([("onnx", "model.skops"), ("skops", "model.json")]):
        folder = tmp_path / str(number)
        write_bundle(folder, spec_of(format_, file), {file: members["model.skops"]}, "")
        with pytest.raises(BundleError, match="is not stored as"):
            load_model(Bundle.load(folder))
    for number, (format_, file) in enumerate(
        [("onnx", "m.onnx"), ("xgboost", "m.json"), ("safetensors", "m.safetensors")]
    ):
        folder = tmp_path / f"content{number}"
        write_bundle(folder, spec_of(format_, file), {file: members["model.skops"]}, "")
        with pytest.raises(BundleError):
            load_model(Bundle.load(folder))


def test_what_cannot_be_stored_is_refused_when_saving(rows):
    unsafe = SVC().fit(*rows)
    nested = CalibratedClassifierCV(XGBClassifier(n_estimators=2, n_jobs=1), cv=2).fit(*rows)
    function = make_pipeline(FunctionTransformer(np.linalg.norm), LogisticRegression())
    for model in (unsafe, nested, function, onnx.helper, lambda: None):
        with pytest.raises(BundleError):
            save_model(model)
    marked = XGBClassifier(n_estimators=2, missing=-999.0, n_jobs=1).fit(*rows)
    with pytest.raises(BundleError, match="Missing values"):
        save_model(marked)


def test_a_model_without_probabilities_is_refused(tmp_path, rows):
    with pytest.raises(BundleError, match="gives no probabilities"):
        load_model(stored(tmp_path, LinearSVC().fit(*rows)))


def test_arrays_round_trip():
    arrays = {
        "f4": np.arange(6, dtype=np.float32).reshape(2, 3).T,
        "big-endian": np.arange(3, dtype=">f8"),
        "mask": np.array([True, False]),
        "scalar": np.float64(0.5),
        "empty": np.empty((0, 3), np.int64),
    }
    loaded = load_arrays(save_arrays(arrays))
    assert set(loaded) == set(arrays)
    for name, array in arrays.items():
        assert_array_equal(loaded[name], array, strict=False)
        assert loaded[name].shape == array.shape
    assert save_arrays(arrays) == save_arrays(dict(reversed(arrays.items())))


@pytest.mark.parametrize("values", [["text"], [object()], [1j], [np.longdouble(1)]])
def test_other_arrays_are_refused(values):
    with pytest.raises(BundleError, match="cannot be stored"):
        save_arrays({"x": values})


def test_damaged_arrays_are_refused():
    data = safetensors.numpy.save({"x": np.arange(100.0)})
    for damaged in (b"", data[:50], data[:-1], b"\xff" * 100):
        with pytest.raises(BundleError, match="Not a safetensors file"):
            load_arrays(damaged)
