"""ONNX classifiers run from bytes, stand alone, and give what the arithmetic says."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from onnx import TensorProto, helper, numpy_helper

from skysift.core.errors import BundleError, UsageError
from skysift.models.persist import save_model
from skysift.models.persist.onnx_format import OnnxClassifier
from skysift.models.persist.onnx_graph import check_onnx_graph

WEIGHTS = np.random.default_rng(0).normal(size=(4, 1)).astype(np.float32)


def logistic_graph(*, opset=17, shape=("n", 4), squeeze=True, domain="", error=False):
    """A logistic regression; its error output is p (1 - p)."""
    last = "score" if squeeze else "probability"
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["z"]),
        helper.make_node("Sigmoid", ["z"], [last], domain=domain),
    ]
    initializers = [numpy_helper.from_array(WEIGHTS, "w")]
    rank = ["n"] if squeeze else ["n", 1]
    outputs = [helper.make_tensor_value_info("probability", TensorProto.FLOAT, rank)]
    if squeeze:
        nodes.append(helper.make_node("Squeeze", ["score", "axis"], ["probability"]))
        initializers.append(numpy_helper.from_array(np.array([1]), "axis"))
    if error:
        nodes += [
            helper.make_node("Mul", ["probability", "probability"], ["square"]),
            helper.make_node("Sub", ["probability", "square"], ["error"]),
        ]
        outputs.append(helper.make_tensor_value_info("error", TensorProto.FLOAT, rank))
    graph = helper.make_graph(
        nodes,
        "logistic",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        outputs,
        initializers,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def expected(rows):
    return 1 / (1 + np.exp(-(rows.astype(float) @ WEIGHTS.astype(float))[:, 0]))


@pytest.mark.parametrize("squeeze", [True, False])
@pytest.mark.parametrize("n", [0, 1, 2, 7, 100])
def test_probabilities_are_those_of_the_arithmetic(rng, n, squeeze):
    model = OnnxClassifier(logistic_graph(squeeze=squeeze).SerializeToString(), chunk=7)
    rows = rng.normal(size=(n, 4)).astype(np.float32)
    probability = model.predict_proba(rows)
    assert probability.shape == (n, 2)
    assert_allclose(probability[:, 1], expected(rows), rtol=1e-5)
    assert_allclose(probability.sum(axis=1), 1, rtol=1e-6)


def test_chunks_and_single_rows_give_the_same(rng):
    data = logistic_graph(error=True).SerializeToString()
    rows = rng.normal(size=(50, 4)).astype(np.float32)
    outputs = ("probability", "error")
    whole = OnnxClassifier(data, outputs).predict_with_error(rows)
    model = OnnxClassifier(data, outputs, chunk=3)
    for result, reference in zip(model.predict_with_error(rows), whole, strict=True):
        assert result.shape == (50,)
        assert_allclose(result, reference, rtol=1e-6)
    single = [model.predict_with_error(row[np.newaxis]) for row in rows]
    for one, probability, error in zip(single, *whole, strict=True):
        assert_allclose([one[0][0], one[1][0]], [probability, error], rtol=1e-6)
    assert_allclose(whole[1], whole[0] * (1 - whole[0]), rtol=1e-4)


def test_results_of_single_rows_are_not_overwritten_by_the_next(rng):
    model = OnnxClassifier(logistic_graph().SerializeToString())
    first = model.predict_proba(np.zeros((1, 4)))
    model.predict_proba(np.full((1, 4), 3.0))
    assert_array_equal(first, [[0.5, 0.5]])


def test_threads_share_a_model(rng):
    model = OnnxClassifier(logistic_graph().SerializeToString())
    rows = rng.normal(size=(400, 4)).astype(np.float32)
    with ThreadPoolExecutor(8) as pool:
        single = list(pool.map(lambda row: model.predict_proba(row[np.newaxis])[0, 1], rows))
    assert_allclose(single, expected(rows), rtol=1e-5)


def test_what_the_model_does_not_give_is_an_error():
    model = OnnxClassifier(logistic_graph().SerializeToString())
    with pytest.raises(UsageError, match="no uncertainty"):
        model.predict_with_error(np.zeros((1, 4)))
    for rows in (np.zeros((1, 3)), np.zeros(4)):
        with pytest.raises(ValueError, match="has the shape"):
            model.predict_proba(rows)
    with pytest.raises(UsageError, match="not available"):
        OnnxClassifier(logistic_graph().SerializeToString(), device="tpu")


@pytest.mark.parametrize("rows", [1, 3])
def test_a_graph_that_loads_and_cannot_run_is_told_as_a_damaged_bundle(rows):
    """As a flipped bit leaves it: an index beyond what there is."""
    nodes = [
        helper.make_node("Gather", ["x", "place"], ["column"], axis=1),
        helper.make_node("Sigmoid", ["column"], ["probability"]),
    ]
    graph = helper.make_graph(
        nodes,
        "gather",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["n"])],
        [numpy_helper.from_array(np.array(2**40), "place")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    model = OnnxClassifier(made.SerializeToString())
    with pytest.raises(BundleError, match="could not run the model"):
        model.predict_proba(np.zeros((rows, 4), np.float32))


def test_data_in_other_files_is_refused_though_the_runtime_would_read_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = logistic_graph()
    (tmp_path / "secret.bin").write_bytes(WEIGHTS.tobytes())
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "secret.bin"
    data = model.SerializeToString()
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])  # it does
    with pytest.raises(BundleError, match="other files"):
        OnnxClassifier(data)
    with pytest.raises(BundleError, match="other files"):
        save_model(model)
    # Neither field alone, nor a tensor hidden in an attribute or a branch, gets through.
    for keep in ("data_location", "external_data"):
        half = onnx.TensorProto()
        half.CopyFrom(tensor)
        half.ClearField("external_data" if keep == "data_location" else "data_location")
        attribute = helper.make_attribute("value", half)
        node = onnx.NodeProto(op_type="Constant", output=["c"], attribute=[attribute])
        branch = helper.make_graph([node], "b", [], [])
        outer = logistic_graph()
        outer.graph.node.append(helper.make_node("If", ["x"], ["y"], then_branch=branch))
        with pytest.raises(BundleError, match="other files"):
            check_onnx_graph(outer.SerializeToString())


def test_numbers_that_are_passed_over_hide_nothing():
    tensor = onnx.TensorProto(data_location=TensorProto.EXTERNAL)
    attribute = onnx.AttributeProto(name="mixed", ints=[0, -1, 2**62, 0x3D40] * 50, t=tensor)
    attribute.floats.extend([0.5, -2.0, 3e38] * 50)
    outer = logistic_graph()
    outer.graph.node.append(onnx.NodeProto(op_type="Constant", output=["c"], attribute=[attribute]))
    with pytest.raises(BundleError, match="other files"):
        check_onnx_graph(outer.SerializeToString())
    attribute.ClearField("t")
    outer.graph.node[-1].attribute[0].CopyFrom(attribute)
    check_onnx_graph(outer.SerializeToString())


def with_function(model):
    model.functions.append(
        helper.make_function("mine", "F", ["a"], ["b"], [], [helper.make_opsetid("", 17)])
    )


def with_training(model):
    model.training_info.add().algorithm.CopyFrom(model.graph)


def with_domain(model):
    model.opset_import.append(helper.make_opsetid("com.evil", 1))


@pytest.mark.parametrize("change", [with_function, with_training, with_domain])
def test_what_goes_beyond_standard_operators_is_refused(change):
    model = logistic_graph()
    change(model)
    with pytest.raises(BundleError):
        check_onnx_graph(model.SerializeToString())


@pytest.mark.parametrize(
    ("options", "outputs", "problem"),
    [
        ({"opset": 12}, ("probability",), "older than 13"),
        ({"domain": "com.microsoft"}, ("probability",), "com.microsoft"),
        ({"shape": ("n", "m")}, ("probability",), "n_features"),
        ({"shape": (1, 4)}, ("probability",), "n left open"),
        ({"shape": ("n", 1, 4)}, ("probability",), "not one matrix"),
        ({}, ("gammaness",), "no output 'gammaness'"),
        ({}, (), "one or two outputs"),
        ({"shape": ("n", 5)}, ("probability",), "refuses it"),
    ],
)
def test_graphs_of_another_shape_are_refused(options, outputs, problem):
    with pytest.raises(BundleError, match=problem):
        OnnxClassifier(logistic_graph(**options).SerializeToString(), outputs)


def test_truncated_models_are_refused():
    data = logistic_graph().SerializeToString()
    for length in range(len(data)):
        with pytest.raises(BundleError):
            OnnxClassifier(data[:length])


@given(st.binary(max_size=200))
def test_noise_is_read_or_refused(data):
    try:
        check_onnx_graph(data)
    except BundleError as error:
        assert error.remedy  # noqa: PT017  # both ends are right; nothing else may be raised


def test_a_model_is_stored_as_it_is():
    model = logistic_graph()
    data = model.SerializeToString()
    assert save_model(model) == ("onnx", {"model.onnx": data})
    assert save_model(data, name="fast") == ("onnx", {"fast.onnx": data})
