"""Files made to harm are refused, and what they carry does not run."""

import io
import json
import os
import subprocess
import warnings
import zipfile

import numpy as np
import pytest
import sklearn
from sklearn.datasets import make_classification
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

from skysift.core.errors import BundleError
from skysift.models.persist import archive as archive_module
from skysift.models.persist import save_model
from skysift.models.persist.allowed import allow_type
from skysift.models.persist.skops_format import load_skops

FEATURES, Y = make_classification(100, 5, random_state=0)


@pytest.fixture(autouse=True)
def nothing_runs(monkeypatch, tmp_path):
    """Fail if one of the usual payloads is called, or has left something in its folder."""
    calls = []
    for module, name in ((os, "system"), (os, "popen"), (subprocess, "Popen")):
        monkeypatch.setattr(module, name, lambda *_a, _name=name: calls.append(_name))
    monkeypatch.chdir(tmp_path)
    yield
    assert calls == []
    assert list(tmp_path.iterdir()) == []


def members_of(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(members, compression=zipfile.ZIP_DEFLATED):
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", compression) as archive:
        warnings.simplefilter("ignore")  # of names that occur twice
        for name, content in members.items() if isinstance(members, dict) else members:
            archive.writestr(name, content)
    return buffer.getvalue()


def npy(array, **options):
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def archive_of(schema):
    return packed({"schema.json": json.dumps({**schema, "protocol": 2})})


def json_node(value):
    return {
        "__class__": "str",
        "__module__": "builtins",
        "__loader__": "JsonNode",
        "content": json.dumps(value),
        "is_json": True,
    }


def tuple_node(*content):
    return {
        "__class__": "tuple",
        "__module__": "builtins",
        "__loader__": "TupleNode",
        "content": list(content),
    }


def dict_node(**content):
    key = {"__class__": "str", "__module__": "builtins", "__loader__": "TypeNode"}
    return {
        "__class__": "dict",
        "__module__": "builtins",
        "__loader__": "DictNode",
        "key_types": {
            "__class__": "list",
            "__module__": "builtins",
            "__loader__": "ListNode",
            "content": [key] * len(content),
        },
        "content": content,
    }


def function_node(module, name):
    return {"__class__": name, "__module__": module, "__loader__": "FunctionNode"}


def logistic(**attributes):
    return {
        "__class__": "LogisticRegression",
        "__module__": "sklearn.linear_model._logistic",
        "__loader__": "ObjectNode",
        "content": dict_node(_sklearn_version=json_node(sklearn.__version__), **attributes),
    }


COMMAND = tuple_node(json_node("touch ran"))
PAYLOADS = {
    "reduce": {
        "__class__": "system",
        "__module__": "os",
        "__loader__": "ConstructorFromReduceNode",
        "content": COMMAND,
    },
    "object": {"__class__": "Popen", "__module__": "subprocess", "__loader__": "ObjectNode"},
    "function": function_node("os", "system"),
    "eval": function_node("builtins", "eval"),
    "type": {"__class__": "eval", "__module__": "builtins", "__loader__": "TypeNode"},
    "numpy function": function_node("numpy", "load"),
    "ufunc": function_node("numpy", "frompyfunc"),
    "partial": {
        "__class__": "partial",
        "__module__": "functools",
        "__loader__": "PartialNode",
        "content": {
            "func": function_node("os", "system"),
            "args": COMMAND,
            "kwds": dict_node(),
            "namespace": json_node(None),
        },
    },
    "method": {
        "__class__": "LogisticRegression",
        "__module__": "sklearn.linear_model._logistic",
        "__loader__": "MethodNode",
        "content": {"func": "__init_subclass__", "obj": logistic()},
    },
    "operator": {
        "__class__": "methodcaller",
        "__module__": "operator",
        "__loader__": "OperatorFuncNode",
        "attrs": tuple_node(json_node("system"), json_node("touch ran")),
    },
    "operator call": {
        "__class__": "call",
        "__module__": "operator",
        "__loader__": "OperatorFuncNode",
        "attrs": tuple_node(function_node("os", "system"), json_node("touch ran")),
    },
    "callable key": {
        **dict_node(a=json_node(1)),
        "key_types": {
            "__class__": "list",
            "__module__": "builtins",
            "__loader__": "ListNode",
            "content": [{"__class__": "system", "__module__": "os", "__loader__": "TypeNode"}],
        },
    },
    "callable list": {
        "__class__": "system",
        "__module__": "os",
        "__loader__": "ListNode",
        "content": [json_node("touch ran")],
    },
    "loss": {
        "__class__": "system",
        "__module__": "os",
        "__loader__": "LossNode",
        "__reduce__": {"args": COMMAND},
        "content": dict_node(),
    },
    "bytes": {
        "__class__": "bytes",
        "__module__": "builtins",
        "__loader__": "BytesNode",
        "file": "0.npy",
    },
    "cached": {"__class__": "x", "__module__": "y", "__loader__": "CachedNode", "__id__": 1},
    "unknown loader": {"__class__": "str", "__module__": "builtins", "__loader__": "EvilNode"},
    "libsvm": {
        "__class__": "SVC",
        "__module__": "sklearn.svm._classes",
        "__loader__": "ObjectNode",
    },
    "own but not allowed": {
        "__class__": "Bundle",
        "__module__": "skysift.core.bundle",
        "__loader__": "ObjectNode",
    },
    "dotted": {
        "__class__": "linear_model._logistic.LogisticRegression",
        "__module__": "os.path",
        "__loader__": "ObjectNode",
    },
    "no text": {"__class__": 1, "__module__": None, "__loader__": "JsonNode"},
    "loader hidden as a key": dict_node(__loader__=function_node("os", "system")),
    "object number": {**json_node(1), "__id__": 140},
}


@pytest.mark.parametrize("name", PAYLOADS)
@pytest.mark.parametrize("inside", [False, True])
def test_payloads_do_not_run(name, inside):
    schema = logistic(C=PAYLOADS[name]) if inside else PAYLOADS[name]
    with pytest.raises(BundleError) as caught:
        load_skops(archive_of(schema))
    assert caught.value.remedy


def test_the_frame_of_these_files_is_sound():
    """Without a payload the same file loads, so that the payload is what was refused."""
    assert load_skops(archive_of(logistic(C=json_node(2.5)))).C == 2.5


@pytest.mark.parametrize("protocol", [0, 1, -1, True, "2", None, 99])
def test_other_protocols_are_refused(protocol):
    schema = {**logistic(), "protocol": protocol}
    with pytest.raises(BundleError):
        load_skops(packed({"schema.json": json.dumps(schema)}))


@pytest.fixture(scope="module")
def good():
    return members_of(save_model(LogisticRegression().fit(FEATURES, Y))[1]["model.skops"])


def test_arrays_of_objects_are_refused(good):
    class Payload:
        def __reduce__(self):
            return os.mkdir, ("ran",)

    array = np.empty(1, dtype=object)
    array[0] = Payload()
    for name in [name for name in good if name != "schema.json"]:
        with pytest.raises(BundleError, match="holds Python objects"):
            load_skops(packed({**good, name: npy(array, allow_pickle=True)}))


def test_arrays_that_lie_about_their_size_are_refused(good):
    name = next(name for name in good if name != "schema.json")
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f8", "fortran_order": False, "shape": (10**12,)}
    )
    for content in (header.getvalue(), good[name][:-1], good[name] + b"\0", b"", b"PK\3\4"):
        with pytest.raises(BundleError):
            load_skops(packed({**good, name: content}))


def test_archives_of_another_shape_are_refused(good, monkeypatch):
    schema = {"schema.json": good["schema.json"]}
    bad = [
        b"",
        b"not a zip file",
        packed(good)[:-30],
        packed({}),
        packed({**good, "../../escape.npy": b""}),
        packed({**good, "model.pkl": b""}),
        packed([*good.items(), ("schema.json", good["schema.json"])]),
        packed(schema),
        packed(good, zipfile.ZIP_LZMA),
        packed({"schema.json": "[" * 100_000}),
        packed({"schema.json": "{"}),
        packed({"schema.json": "[]"}),
        packed({**good, "999.npy": b"\0" * (archive_module._SMALL + 1)}),  # a bomb
    ]
    for data in bad:
        with pytest.raises(BundleError):
            load_skops(data)
    load_skops(packed(good))
    for limit, value in (("MAX_MEMBERS", 2), ("MAX_BYTES", 500), ("MAX_SCHEMA_BYTES", 100)):
        with monkeypatch.context() as patch:
            patch.setattr(archive_module, limit, value)
            with pytest.raises(BundleError):
                load_skops(packed(good))


def test_every_truncated_file_is_refused():
    data = save_model(DecisionTreeClassifier(max_depth=2).fit(FEATURES, Y))[1]["model.skops"]
    for length in range(0, len(data), 97):
        with pytest.raises(BundleError):
            load_skops(data[:length])


def altered(model, change):
    """Return a stored model with one change to its arrays of nodes, by someone who knows how."""
    members = members_of(save_model(model)[1]["model.skops"])
    for name, content in members.items():
        if name != "schema.json":
            array = np.load(io.BytesIO(content), allow_pickle=False)
            if array.dtype.names:
                array = array.copy()
                change(array)
                members[name] = npy(array)
    return packed(members)


def set_first(field, value):
    def change(nodes):
        nodes[field][0] = value

    return change


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("left_child", 10**6),
        ("left_child", -7),
        ("left_child", 0),
        ("right_child", 10**6),
        ("right_child", -1),
        ("right_child", 0),
        ("feature", 10**6),
        ("feature", -2),
    ],
)
@pytest.mark.parametrize(
    "model",
    [
        DecisionTreeClassifier(max_depth=3),
        RandomForestClassifier(2),
        GradientBoostingClassifier(n_estimators=2),
    ],
    ids=lambda model: type(model).__name__,
)
def test_trees_that_point_outside_are_refused(model, field, value):
    data = altered(model.fit(FEATURES, Y), set_first(field, value))
    with pytest.raises(BundleError, match="a tree"):
        load_skops(data)


@pytest.mark.parametrize(
    ("field", "value"),
    [("left", 10**6), ("left", 0), ("right", 10**6), ("feature_idx", 99), ("feature_idx", -1),
     ("is_categorical", 1)],
)  # fmt: skip
def test_histogram_trees_that_point_outside_are_refused(field, value):
    model = HistGradientBoostingClassifier(max_iter=2, max_leaf_nodes=4).fit(FEATURES, Y)
    with pytest.raises(BundleError, match="tree"):
        load_skops(altered(model, set_first(field, value)))


def replaced(model, old, new, count=-1):
    members = members_of(save_model(model)[1]["model.skops"])
    schema = members["schema.json"].decode()
    assert old in schema
    return packed({**members, "schema.json": schema.replace(old, new, count)})


def test_trees_that_claim_more_than_they_store_are_refused():
    model = DecisionTreeClassifier(max_depth=2).fit(FEATURES, Y)
    count = json.dumps(json_node(model.tree_.node_count), separators=(",", ":"))

    def claiming(number):
        other = json.dumps(json_node(number), separators=(",", ":"))
        return replaced(model, f'"node_count":{count}', f'"node_count":{other}')

    for number in (0, -1):
        with pytest.raises(BundleError, match="nodes that it does not store"):
            load_skops(claiming(number))
    for number in (1, 2):  # links lead beyond what is claimed
        with pytest.raises(BundleError, match="points outside"):
            load_skops(claiming(number))
    # scikit-learn itself cuts a claim of more nodes down to those that are there.
    assert load_skops(claiming(10**6)).tree_.node_count == model.tree_.node_count


def test_trees_with_many_outputs_are_refused():
    model = DecisionTreeClassifier(max_depth=2).fit(FEATURES, Y)
    members = members_of(save_model(model)[1]["model.skops"])
    schema = json.loads(members["schema.json"])
    for node in archive_module.dictionaries(schema):
        if node.get("__loader__") == "TreeNode":
            node["__reduce__"]["args"]["content"][2] = json_node(10**9)
    with pytest.raises(BundleError, match="number of outputs"):
        load_skops(packed({**members, "schema.json": json.dumps(schema)}))


@pytest.mark.parametrize(
    "model",
    [RandomForestClassifier(2), GradientBoostingClassifier(n_estimators=2),
     HistGradientBoostingClassifier(max_iter=1, max_leaf_nodes=4), DecisionTreeClassifier()],
    ids=lambda model: type(model).__name__,
)  # fmt: skip
def test_models_that_hide_their_number_of_features_are_refused(model):
    data = replaced(model.fit(FEATURES, Y), '"n_features_in_":', '"n_features_out":', 1)
    with pytest.raises(BundleError):
        load_skops(data)
    other = json.dumps(json_node(4), separators=(",", ":"))
    five = json.dumps(json_node(5), separators=(",", ":"))
    data = replaced(model, f'"n_features_in_":{five}', f'"n_features_in_":{other}', 1)
    with pytest.raises(BundleError):
        load_skops(data)


def test_neighbours_with_labels_outside_are_refused():
    model = KNeighborsClassifier().fit(FEATURES, Y)
    members = members_of(save_model(model)[1]["model.skops"])
    labels = next(name for name, content in members.items() if content == npy(model._y))
    with pytest.raises(BundleError):
        load_skops(packed({**members, labels: npy(np.full(len(Y), 10**6))}))


def test_only_classes_of_skysift_can_be_allowed():
    with pytest.raises(BundleError, match="not a class of skysift"):
        allow_type(LogisticRegression)
